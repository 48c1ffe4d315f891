package nn

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
)

// Estimate is what a PosteriorLoss makes a network estimate.
type Estimate int

// The estimates, of P parameters θ from outputs x: each sum runs over the rows i
// of a batch with weights w, and W = Σ w.
const (
	// Means are the posterior means, x (N, P), or of whatever else θ is:
	//
	//	Σ_i w Σ_j (x_ij - θ_ij)² / PW
	Means Estimate = iota
	// Moments2 are means μ and standard deviations σ, x = (μ, σ) (N, 2P), by the
	// loss of Villaescusa-Navarro et al. (2021), arXiv:2109.10360, after Jeffrey
	// & Wandelt (2020), arXiv:2011.05991:
	//
	//	Σ_j log Σ_i w (θ - μ)²/W + log Σ_i w ((θ - μ)² - σ²)²/W
	Moments2
	// Gaussians are means and standard deviations by maximum likelihood:
	//
	//	Σ_i w Σ_j ½ log 2πσ² + ½ (θ - μ)²/σ² / W
	Gaussians
)

// columns returns how many outputs there are for one parameter.
func (e Estimate) columns() int {
	if e == Means {
		return 1
	}
	return 2
}

// PosteriorLoss is the loss of estimates x against θ, of inputs x and t (N, P+1),
// the parameters of each row and its weight. A row of weight 0 does not count.
// Of σ only the square matters.
type PosteriorLoss struct {
	spec
	Estimate Estimate
}

// PosteriorLoss draws the loss of estimates x against t.
func (g *Graph) PosteriorLoss(x, t *Node, e Estimate) *Node {
	fits := func(x, t []int) bool {
		return len(x) == 2 && len(t) == 2 && x[0] == t[0] && t[1] > 1 && x[1] == e.columns()*(t[1]-1)
	}
	return g.loss(x, t, fits, func(s spec) Op { return PosteriorLoss{s, e} }, fmt.Sprint("posterior", int(e)))
}

func (l PosteriorLoss) DiffWRT(int) []bool { return []bool{true, false} }

// SymDiff returns the gradient for x.
func (l PosteriorLoss) SymDiff(in gorgonia.Nodes, _, dl *Node) (gorgonia.Nodes, error) {
	var s sequence
	name := fmt.Sprint("posteriorgrad", int(l.Estimate))
	return gorgonia.Nodes{s.apply(PosteriorLossGrad{shapes(name, in[0].Shape(), in[0], in[1], dl), l.Estimate}, in[0], in[1], dl), nil}, s.err
}

func (l PosteriorLoss) bind(b binding) func() {
	p := l.In[1][1] - 1
	return func() { b.out[0] = float32(posterior(l.Estimate, b.in[0], b.in[1], p, nil, 0)) }
}

// PosteriorLossGrad is the gradient of PosteriorLoss for x, of inputs x, t and
// the gradient of the loss.
type PosteriorLossGrad struct {
	spec
	Estimate Estimate
}

func (l PosteriorLossGrad) bind(b binding) func() {
	p := l.In[1][1] - 1
	return func() { posterior(l.Estimate, b.in[0], b.in[1], p, b.out, float64(b.in[2][0])) }
}

// posterior returns the loss of p parameters, and with dx, its gradient times
// scale.
func posterior(e Estimate, x, t []float32, p int, dx []float32, scale float64) (loss float64) {
	var total float64
	for i := p; i < len(t); i += p + 1 {
		total += float64(t[i])
	}
	clear(dx)
	if !(total > 0) {
		return 0
	}
	columns := e.columns() * p
	for j := range p {
		// each calls f for the rows: index of the mean, weight, θ - μ and σ.
		each := func(f func(i int, w, r, s float64)) {
			for i, k := 0, 0; k < len(t); i, k = i+columns, k+p+1 {
				if w := float64(t[k+p]) / total; w > 0 {
					var s float64
					if e != Means {
						s = float64(x[i+p+j])
					}
					f(i+j, w, float64(t[k+j])-float64(x[i+j]), s)
				}
			}
		}
		switch e {
		case Means:
			each(func(i int, w, r, _ float64) {
				loss += w * r * r / float64(p)
				if dx != nil {
					dx[i] = float32(-2 * scale * w * r / float64(p))
				}
			})
		case Gaussians:
			const least = 1e-12 // of a variance
			each(func(i int, w, r, s float64) {
				v := s*s + least
				loss += w * (0.5*math.Log(2*math.Pi*v) + 0.5*r*r/v)
				if dx != nil {
					dx[i] = float32(-scale * w * r / v)
					dx[i+p] = float32(scale * w * (s/v - s*r*r/(v*v)))
				}
			})
		case Moments2:
			const least = 1e-30 // of a mean square
			var first, second float64
			each(func(_ int, w, r, s float64) {
				d := r*r - s*s
				first += w * r * r
				second += w * d * d
			})
			first, second = first+least, second+least
			loss += math.Log(first) + math.Log(second)
			if dx == nil {
				continue
			}
			each(func(i int, w, r, s float64) {
				d := r*r - s*s
				dx[i] = float32(scale * w * (-2*r/first - 4*d*r/second))
				dx[i+p] = float32(scale * w * -4 * d * s / second)
			})
		}
	}
	return loss
}

// Dot is the sum of x·t over all values. Its gradient for what x depends on, t
// given, is a product of t with the Jacobian.
type Dot struct{ spec }

// Dot draws the scalar product of x and t.
func (g *Graph) Dot(x, t *Node) *Node {
	return g.loss(x, t, same, func(s spec) Op { return Dot{s} }, "dot")
}

func (d Dot) DiffWRT(int) []bool { return []bool{true, false} }

// SymDiff returns t times the gradient.
func (d Dot) SymDiff(in gorgonia.Nodes, _, dl *Node) (gorgonia.Nodes, error) {
	var s sequence
	return gorgonia.Nodes{s.apply(DotGrad{shapes("dotgrad", in[1].Shape(), in[1], dl)}, in[1], dl), nil}, s.err
}

func (d Dot) bind(b binding) func() {
	return func() {
		var sum float64
		for i, x := range b.in[0] {
			sum += float64(x) * float64(b.in[1][i])
		}
		b.out[0] = float32(sum)
	}
}

// DotGrad is the gradient of Dot for x, of inputs t and the gradient of the sum.
type DotGrad struct{ spec }

func (d DotGrad) bind(b binding) func() {
	return func() {
		for i, t := range b.in[0] {
			b.out[i] = b.in[1][0] * t
		}
	}
}

// LossOf returns the PosteriorLoss of estimates x of p parameters against t, of
// any number of rows.
func LossOf(e Estimate, x, t []float32, p int) float64 { return posterior(e, x, t, p, nil, 0) }

// Softplus is log(1 + exp x), value by value, for the few values that a network
// gives in the end: it is computed one by one.
type Softplus struct{ spec }

// Softplus draws log(1 + exp x).
func (g *Graph) Softplus(x *Node) *Node {
	if g.err != nil {
		return nil
	}
	return g.apply(Softplus{shapes("softplus", x.Shape(), x)}, x)
}

func (p Softplus) DiffWRT(n int) []bool { return all(n) }

// SymDiff returns dy/(1 + exp -x).
func (p Softplus) SymDiff(in gorgonia.Nodes, _, dy *Node) (gorgonia.Nodes, error) {
	var s sequence
	return gorgonia.Nodes{s.apply(SoftplusGrad{shapes("softplusgrad", in[0].Shape(), in[0], dy)}, in[0], dy)}, s.err
}

func (p Softplus) bind(b binding) func() {
	return func() {
		for i, x := range b.in[0] {
			b.out[i] = float32(max(float64(x), 0) + math.Log1p(math.Exp(-math.Abs(float64(x)))))
		}
	}
}

// SoftplusGrad is the gradient of Softplus, of inputs x and dy.
type SoftplusGrad struct{ spec }

func (p SoftplusGrad) bind(b binding) func() {
	return func() {
		for i, x := range b.in[0] {
			b.out[i] = float32(float64(b.in[1][i]) / (1 + math.Exp(-float64(x))))
		}
	}
}
