package nn

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"

	"github.com/goastroml/goastroml/astroml"
)

// CrossEntropy is the mean over rows of -Σ_k t_k log softmax(z)_k, of inputs
// logits z and targets t, both (N, K). A row of zeros does not count.
type CrossEntropy struct{ spec }

// CrossEntropy draws the cross-entropy of logits against targets.
func (g *Graph) CrossEntropy(logits, targets *Node) *Node {
	fits := func(x, t []int) bool { return len(x) == 2 && same(x, t) }
	return g.loss(logits, targets, fits, func(s spec) Op { return CrossEntropy{s} }, "crossentropy")
}

// loss draws the loss of x against t, if their shapes fit.
func (g *Graph) loss(x, t *Node, fits func(x, t []int) bool, op func(spec) Op, name string) *Node {
	if g.err != nil {
		return nil
	}
	if !fits(x.Shape(), t.Shape()) {
		return g.fail("%s of %v against %v: %w", name, x.Shape(), t.Shape(), astroml.ErrShape)
	}
	return g.apply(op(shapes(name, nil, x, t)), x, t)
}

func (c CrossEntropy) DiffWRT(int) []bool { return []bool{true, false} }

// SymDiff returns (softmax(z)·Σt - t)/N.
func (c CrossEntropy) SymDiff(in gorgonia.Nodes, _, dl *Node) (gorgonia.Nodes, error) {
	var s sequence
	return gorgonia.Nodes{s.apply(CrossEntropyGrad{shapes("crossentropygrad", in[0].Shape(), in[0], in[1], dl)}, in[0], in[1], dl), nil}, s.err
}

// logSumExp returns log Σ exp z.
func logSumExp(z []float32) float64 {
	top := float64(z[0])
	for _, v := range z {
		top = max(top, float64(v))
	}
	var s float64
	for _, v := range z {
		s += math.Exp(float64(v) - top)
	}
	return top + math.Log(s)
}

func (c CrossEntropy) bind(b binding) func() {
	n, k := c.In[0][0], c.In[0][1]
	return func() {
		var loss float64
		for i := range n {
			z, t := b.in[0][i*k:(i+1)*k], b.in[1][i*k:(i+1)*k]
			l := logSumExp(z)
			for j := range t {
				loss += float64(t[j]) * (l - float64(z[j]))
			}
		}
		b.out[0] = float32(loss / float64(n))
	}
}

// CrossEntropyGrad is the gradient of CrossEntropy for the logits, of inputs
// logits, targets and the gradient of the loss.
type CrossEntropyGrad struct{ spec }

func (c CrossEntropyGrad) bind(b binding) func() {
	n, k := c.In[0][0], c.In[0][1]
	return func() {
		d := float64(b.in[2][0]) / float64(n)
		for i := range n {
			z, t, g := b.in[0][i*k:(i+1)*k], b.in[1][i*k:(i+1)*k], b.out[i*k:(i+1)*k]
			l := logSumExp(z)
			var sum float64
			for _, v := range t {
				sum += float64(v)
			}
			for j := range g {
				g[j] = float32(d * (sum*math.Exp(float64(z[j])-l) - float64(t[j])))
			}
		}
	}
}

// SupCon is the supervised-contrastive loss of Khosla et al. (2020),
// arXiv:2004.11362, eq. 2 (L_out): rows with one label attract, others repel.
//
//	L = mean_i -1/|P(i)| Σ_{p∈P(i)} log exp(u_i·u_p/T) / Σ_{a≠i} exp(u_i·u_a/T),  u = z/|z|
//
// Inputs are z (N, d) and labels (N, 1), whole numbers. Rows without a partner
// do not count.
type SupCon struct {
	spec
	Temperature float64
}

// SupCon draws the supervised-contrastive loss.
func (g *Graph) SupCon(z, labels *Node, temperature float64) *Node {
	fits := func(x, t []int) bool { return len(x) == 2 && same(t, []int{x[0], 1}) }
	return g.loss(z, labels, fits, func(s spec) Op { return SupCon{s, temperature} }, fmt.Sprint("supcon", temperature))
}

func (c SupCon) DiffWRT(int) []bool { return []bool{true, false} }

// SymDiff returns the gradient for z.
func (c SupCon) SymDiff(in gorgonia.Nodes, _, dl *Node) (gorgonia.Nodes, error) {
	var s sequence
	name := fmt.Sprint("supcongrad", c.Temperature)
	return gorgonia.Nodes{s.apply(SupConGrad{shapes(name, in[0].Shape(), in[0], in[1], dl), c.Temperature}, in[0], in[1], dl), nil}, s.err
}

func (c SupCon) bind(b binding) func() {
	p := newPairs(c.In[0][0], c.In[0][1], c.Temperature)
	return func() { b.out[0] = float32(p.loss(b.in[0], b.in[1])) }
}

// SupConGrad is the gradient of SupCon for z, of inputs z, labels and the
// gradient of the loss.
type SupConGrad struct {
	spec
	Temperature float64
}

func (c SupConGrad) bind(b binding) func() {
	p := newPairs(c.In[0][0], c.In[0][1], c.Temperature)
	return func() {
		p.loss(b.in[0], b.in[1])
		p.gradient(b.out, float64(b.in[2][0]))
	}
}

// pairs holds what loss and gradient of SupCon share.
type pairs struct {
	n, d  int
	t     float64
	u     []float64 // n × d unit vectors
	norm  []float64
	coeff []float64 // n × n, ∂L/∂(u_i·u_j)
	du    []float64
}

func newPairs(n, d int, t float64) *pairs {
	return &pairs{n, d, t, make([]float64, n*d), make([]float64, n), make([]float64, n*n), make([]float64, d)}
}

func (p *pairs) loss(z, labels []float32) float64 {
	n, d := p.n, p.d
	for i := range n {
		var s float64
		for _, v := range z[i*d : (i+1)*d] {
			s += float64(v) * float64(v)
		}
		p.norm[i] = math.Sqrt(s) + 1e-12
		for j, v := range z[i*d : (i+1)*d] {
			p.u[i*d+j] = float64(v) / p.norm[i]
		}
	}
	var loss float64
	rows := 0
	for i := range n {
		c := p.coeff[i*n : (i+1)*n]
		var sum, attract float64
		partners := 0
		for a := range n {
			c[a] = 0
			if a == i {
				continue
			}
			var dot float64
			for j, v := range p.u[i*d : (i+1)*d] {
				dot += v * p.u[a*d+j]
			}
			// u·u ≤ 1, so the exponent is bounded by 2/T after this shift.
			c[a] = math.Exp((dot - 1) / p.t)
			sum += c[a]
			if labels[a] == labels[i] {
				partners++
				attract += (dot - 1) / p.t
			}
		}
		if partners == 0 {
			clear(c)
			continue
		}
		rows++
		loss += math.Log(sum) - attract/float64(partners)
		for a := range n {
			c[a] /= sum
			if a != i && labels[a] == labels[i] {
				c[a] -= 1 / float64(partners)
			}
			c[a] /= p.t
		}
	}
	if rows == 0 {
		return 0
	}
	for i := range p.coeff {
		p.coeff[i] /= float64(rows)
	}
	return loss / float64(rows)
}

func (p *pairs) gradient(dz []float32, scale float64) {
	n, d := p.n, p.d
	for i := range n {
		clear(p.du)
		for a := range n {
			if c := p.coeff[i*n+a] + p.coeff[a*n+i]; c != 0 {
				for j := range p.du {
					p.du[j] += c * p.u[a*d+j]
				}
			}
		}
		u := p.u[i*d : (i+1)*d]
		var dot float64
		for j := range u {
			dot += u[j] * p.du[j]
		}
		for j := range u {
			dz[i*d+j] = float32(scale * (p.du[j] - dot*u[j]) / p.norm[i])
		}
	}
}
