package nn

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
)

// Spline is the monotonic rational-quadratic spline with linear tails of neural
// spline flows (Durkan et al. 2019, arXiv:1906.04032, section 3.1). Between
// -Bound and Bound it goes through knots (x_k, y_k) with derivatives δ_k; beyond
// them it is the identity.
//
// Inputs are x (N, d) and θ (N, d·(3·Bins-1)): of each of the d values in turn,
// Bins widths and Bins heights of bins, before a softmax, and Bins-1 derivatives
// at the inner knots, before a softplus. The outputs (N, 2·d) are the d values
// of y and then the natural logarithms of the d derivatives dy/dx.
type Spline struct {
	spec
	Bins  int
	Bound float64
}

// splineLeast is the least derivative at an inner knot, and the least width and
// height of a bin as fractions of all. The paper leaves it open; 1e-3 is what
// its authors' package nflows has.
const splineLeast = 1e-3

// Spline draws the splines of x with parameters theta, and the logarithms of
// their derivatives.
func (g *Graph) Spline(x, theta *Node, bins int, bound float64) (y, logDerivative *Node) {
	return g.spline(x, theta, bins, bound, "spline", func(s spec) Op { return Spline{s, bins, bound} })
}

func (g *Graph) spline(x, theta *Node, bins int, bound float64, name string, op func(spec) Op) (y, logDerivative *Node) {
	if g.err != nil {
		return nil, nil
	}
	if bins < 2 || bins > 1/splineLeast || !(bound > 0) || math.IsInf(bound, 1) {
		return g.fail("%s of %d bins up to %g, want 2 to %g bins and a bound above zero: %w", name, bins, bound, 1/splineLeast, astroml.ErrShape), nil
	}
	a, b := []int(x.Shape()), []int(theta.Shape())
	if len(a) != 2 || volume(a) < 1 || !same(b, []int{a[0], a[1] * (3*bins - 1)}) {
		return g.fail("%s of %v with parameters %v, want (N,d) and (N,d·%d): %w", name, a, b, 3*bins-1, astroml.ErrShape), nil
	}
	d := a[1]
	out := g.apply(op(shapes(splineName(name, bins, bound), []int{a[0], 2 * d}, x, theta)), x, theta)
	return g.Slice(out, 0, d), g.Slice(out, d, d)
}

func splineName(name string, bins int, bound float64) string {
	return fmt.Sprint(name, bins, "within", bound)
}

func (s Spline) DiffWRT(n int) []bool { return all(n) }

// SymDiff returns the gradients for x and θ. They are computed from x and θ, so
// that nothing else is kept.
func (s Spline) SymDiff(in gorgonia.Nodes, _, dout *Node) (gorgonia.Nodes, error) {
	var q sequence
	x, theta := in[0], in[1]
	n, d, p := x.Shape()[0], x.Shape()[1], theta.Shape()[1]
	grad := q.apply(SplineGrad{shapes(splineName("splinegrad", s.Bins, s.Bound), []int{n, d + p}, x, theta, dout), s.Bins, s.Bound}, x, theta, dout)
	part := func(x *Node, first int) *Node {
		if q.err != nil {
			return nil
		}
		return q.apply(Slice{shapes(fmt.Sprint("slice", first), x.Shape(), grad), first}, grad)
	}
	return gorgonia.Nodes{part(x, 0), part(theta, d)}, q.err
}

func (s Spline) scratch() int          { return newSplines(s.spec, s.Bins, s.Bound).scratch() }
func (s Spline) bind(b binding) func() { return newSplines(s.spec, s.Bins, s.Bound).bind(b) }

// SplineInverse is the inverse of Spline, of inputs y and θ. The outputs (N, 2·d)
// are the d values of x and then the natural logarithms of the d derivatives
// dx/dy. It has no gradient.
type SplineInverse struct {
	spec
	Bins  int
	Bound float64
}

// SplineInverse draws the x whose splines are y, and the logarithms of the
// derivatives dx/dy.
func (g *Graph) SplineInverse(y, theta *Node, bins int, bound float64) (x, logDerivative *Node) {
	return g.spline(y, theta, bins, bound, "splineinverse", func(s spec) Op { return SplineInverse{s, bins, bound} })
}

func (s SplineInverse) splines() *splines {
	q := newSplines(s.spec, s.Bins, s.Bound)
	q.inverse = true
	return q
}

func (s SplineInverse) scratch() int          { return s.splines().scratch() }
func (s SplineInverse) bind(b binding) func() { return s.splines().bind(b) }

// SplineGrad is the gradient of Spline, of inputs x, θ and the gradient for the
// outputs: (N, d + d·(3·Bins-1)), that for x and then that for θ.
type SplineGrad struct {
	spec
	Bins  int
	Bound float64
}

func (s SplineGrad) scratch() int { return newSplines(s.spec, s.Bins, s.Bound).scratch() }

func (s SplineGrad) bind(b binding) func() {
	q := newSplines(s.spec, s.Bins, s.Bound)
	d, p := q.d, q.parameters
	width := d * (1 + p)
	return q.each(b, func(m *splineTask, lo int) {
		row, j := lo/d, lo%d
		for i := range m.pieces {
			dx, dtheta := &b.out[row*width+j], b.out[row*width+d+j*p:][:p]
			dy, dl := b.in[2][row*2*d+j], b.in[2][row*2*d+d+j]
			*dx = float32(q.gradient(dtheta, m, i, float64(dy), float64(dl)))
			if j++; j == d {
				row, j = row+1, 0
			}
		}
	})
}

// splineBlock is the number of values that a task works on. It is small, so that
// a batch of a flow's is enough for several cores.
const splineBlock = 128

// splines is what Spline, its gradient and its inverse share.
type splines struct {
	values, d        int // all values, and those of a row
	bins, parameters int // parameters of one spline
	bound            float64
	inverse          bool
}

func newSplines(s spec, bins int, bound float64) *splines {
	return &splines{values: volume(s.In[0]), d: s.In[0][1], bins: bins, parameters: 3*bins - 1, bound: bound}
}

// splineTask is the memory of a worker for a block of values.
type splineTask struct {
	theta, exp []float32 // the parameters, and exp θ
	ends       []float32 // of each value two: log(1 + exp δ) at the ends of its bin
	slopes     []float32
	pieces     []piece
}

// piece is the bin that a value at is in, or nothing else if it is outside.
type piece struct {
	at              float64
	outside         bool
	k               int
	x, w, y, h      float64 // left end, width, lower end, height
	d0, d1          float64 // derivatives at the ends
	widths, heights float64 // Σ exp θ of all widths and all heights
}

func (s *splines) tasks() int { return (s.values + splineBlock - 1) / splineBlock }

func (s *splines) scratch() int {
	return min(maxWorkers, s.tasks()) * splineBlock * (s.parameters + 3)
}

// each runs f over blocks of values, which begin at lo, in parallel, once their
// bins are found.
func (s *splines) each(b binding, f func(m *splineTask, lo int)) func() {
	take := taker(b.tmp)
	crew := make([]splineTask, min(maxWorkers, s.tasks(), b.workers.N()))
	for i := range crew {
		crew[i] = splineTask{
			exp: take(splineBlock * s.parameters), ends: take(2 * splineBlock), slopes: take(splineBlock),
			pieces: make([]piece, splineBlock),
		}
	}
	run := func(task, worker int) {
		lo, hi := task*splineBlock, min(s.values, (task+1)*splineBlock)
		m := &crew[worker]
		m.pieces = m.pieces[:hi-lo]
		m.theta = b.in[1][lo*s.parameters : hi*s.parameters]
		s.find(m, b.in[0][lo:hi])
		f(m, lo)
	}
	return func() { b.workers.Run(s.tasks(), run) }
}

// bind returns the function that computes values and logarithms.
func (s *splines) bind(b binding) func() {
	d := s.d
	return s.each(b, func(m *splineTask, lo int) {
		slopes := m.slopes[:len(m.pieces)]
		row, j := lo/d, lo%d
		for i := range m.pieces {
			v, slope := s.value(&m.pieces[i])
			b.out[row*2*d+j], slopes[i] = float32(v), float32(slope)
			if j++; j == d {
				row, j = row+1, 0
			}
		}
		kernel.Log(slopes, slopes)
		row, j = lo/d, lo%d
		for _, l := range slopes {
			b.out[row*2*d+d+j] = l
			if j++; j == d {
				row, j = row+1, 0
			}
		}
	})
}

// of returns the parameters, and their exponentials, of value i of a task.
func (s *splines) of(m *splineTask, i int) (theta, exp []float32) {
	lo, hi := i*s.parameters, (i+1)*s.parameters
	return m.theta[lo:hi:hi], m.exp[lo:hi:hi]
}

// find finds the bins of the values at.
func (s *splines) find(m *splineTask, at []float32) {
	kernel.Exp(m.exp[:len(m.theta)], m.theta)
	ends := m.ends[:2*len(at)]
	for i, v := range at {
		p := &m.pieces[i]
		p.at = float64(v)
		// NaN is inside, and makes all that follows NaN.
		p.outside = p.at < -s.bound || p.at > s.bound
		ends[2*i], ends[2*i+1] = 1, 1
		if p.outside {
			continue
		}
		theta, exp := s.of(m, i)
		s.place(p, theta, exp)
		if k := s.inner(p.k); k >= 0 {
			ends[2*i] += exp[k]
		}
		if k := s.inner(p.k + 1); k >= 0 {
			ends[2*i+1] += exp[k]
		}
	}
	kernel.Log(ends, ends)
	for i := range m.pieces {
		if p := &m.pieces[i]; !p.outside {
			theta, exp := s.of(m, i)
			p.d0 = s.derivative(p.k, theta, exp, ends[2*i])
			p.d1 = s.derivative(p.k+1, theta, exp, ends[2*i+1])
		}
	}
}

// inner returns the place in θ of the derivative at knot k, or -1 at the bounds.
func (s *splines) inner(k int) int {
	if k == 0 || k == s.bins {
		return -1
	}
	return 2*s.bins + k - 1
}

// derivative returns that at knot k, given log(1 + exp δ) with the sum rounded.
func (s *splines) derivative(k int, theta, exp []float32, log float32) float64 {
	i := s.inner(k)
	if i < 0 {
		return 1
	}
	return splineLeast + softplus(theta[i], exp[i], log)
}

// linear is where softplus(v) is v in single precision.
const linear = 20

// softplus returns log(1 + exp v), given exp v and log(1 + exp v), in the latter
// of which the sum was rounded. What the rounding took is made good as in theorem
// 4 of Goldberg (1991), doi:10.1145/103162.103163.
func softplus(v, exp, log float32) float64 {
	if v > linear {
		return float64(v)
	}
	sum := 1 + exp
	if sum == 1 {
		return float64(exp)
	}
	return float64(log) * float64(exp) / float64(sum-1)
}

// place finds the bin of p.at: by its widths, in the inverse by its heights.
func (s *splines) place(p *piece, theta, exp []float32) {
	k := s.bins
	w, h := exp[:k], exp[k:2*k]
	p.widths, p.heights = expSum(w, theta[:k]), expSum(h, theta[k:2*k])
	if s.inverse {
		p.k, p.y, p.h = s.search(h, p.heights, p.at)
		p.x, p.w = s.bin(w, p.widths, p.k)
	} else {
		p.k, p.x, p.w = s.search(w, p.widths, p.at)
		p.y, p.h = s.bin(h, p.heights, p.k)
	}
}

// expSum returns the sum of e = exp z. Where that is so large or so small that
// single precision may not hold e, it sets e to exp(z - max z).
func expSum(e, z []float32) float64 {
	sum := total(e)
	if sum > 1e-20 && sum < 1e20 {
		return sum
	}
	top := z[0]
	for _, v := range z {
		top = max(top, v)
	}
	for i, v := range z {
		e[i] = float32(math.Exp(float64(v) - float64(top)))
	}
	return total(e)
}

func total(x []float32) (sum float64) {
	for _, v := range x {
		sum += float64(v)
	}
	return sum
}

// scale returns the size of a bin as least + rise·exp θ, given Σ exp θ.
func (s *splines) scale(sum float64) (least, rise float64) {
	all := 2 * s.bound
	return all * splineLeast, all * (1 - splineLeast*float64(s.bins)) / sum
}

// search returns the bin that at is in, where it begins and its size.
func (s *splines) search(e []float32, sum, at float64) (k int, first, size float64) {
	least, rise := s.scale(sum)
	first = -s.bound
	for k, v := range e {
		size = least + rise*float64(v)
		if k == len(e)-1 || !(at >= first+size) {
			return k, first, size
		}
		first += size
	}
	panic("unreachable")
}

// bin returns where bin k begins, and its size.
func (s *splines) bin(e []float32, sum float64, k int) (first, size float64) {
	least, rise := s.scale(sum)
	return float64(k)*least + rise*total(e[:k]) - s.bound, least + rise*float64(e[k])
}

// value returns that of the spline or of its inverse, and the derivative.
func (s *splines) value(p *piece) (v, slope float64) {
	switch {
	case p.outside:
		return p.at, 1
	case s.inverse:
		q := p.point(p.invert(p.at))
		return p.x + q.t*p.w, 1 / q.slope()
	default:
		q := p.point((p.at - p.x) / p.w)
		return p.y + p.h*q.rise(), q.slope()
	}
}

// point is a point of a bin, in the letters of the paper, with t for ξ and
// u = t(1-t). Below is the denominator of eq. 4 and above the brackets of eq. 5;
// both are sums of positive terms.
type point struct{ t, r, u, s, d0, d1, below, above float64 }

// point returns the point a fraction t of the width into the bin.
func (p *piece) point(t float64) point {
	q := point{t: t, r: 1 - t, s: p.h / p.w, d0: p.d0, d1: p.d1}
	q.u = t * q.r
	q.below = q.s*(1-2*q.u) + (q.d0+q.d1)*q.u
	q.above = q.d1*t*t + 2*q.s*q.u + q.d0*q.r*q.r
	return q
}

// rise is eq. 4, as a fraction of the height of the bin.
func (q *point) rise() float64 { return (q.s*q.t*q.t + q.d0*q.u) / q.below }

// slope is eq. 5.
func (q *point) slope() float64 {
	f := q.s / q.below
	return f * f * q.above
}

// invert returns the fraction of the width at which the spline is y: the root of
// eqs. 6 to 8, written such that nothing cancels for either sign of b.
func (p *piece) invert(y float64) float64 {
	s, rise := p.h/p.w, y-p.y
	bend := rise * (p.d0 + p.d1 - 2*s)
	a, b, c := p.h*(s-p.d0)+bend, p.h*p.d0-bend, -s*rise
	root := math.Sqrt(max(0, b*b-4*a*c))
	if b < 0 {
		return (root - b) / (2 * a)
	}
	return 2 * c / (-b - root)
}

// gradient sets dtheta to the gradient for the parameters of value i of a task,
// and returns that for x, given those for y and for l = log dy/dx.
func (s *splines) gradient(dtheta []float32, m *splineTask, i int, dy, dl float64) (dx float64) {
	p := &m.pieces[i]
	if p.outside {
		clear(dtheta)
		return dy
	}
	theta, exp := s.of(m, i)
	q := p.point((p.at - p.x) / p.w)
	t, r, u := q.t, q.r, q.u
	below, above := 1/q.below, 1/q.above

	// Of y at given t, h and lower end, and of l at given t.
	h := p.h * u * below * below
	ds := dy*h*(q.d1*t*t-q.d0*r*r) + dl*2*(1/q.s+u*above-(1-2*u)*below)
	d0 := dy*h*(q.s*r*r+q.d1*u) + dl*(r*r*above-2*u*below)
	d1 := -dy*h*(q.s*t*t+q.d0*u) + dl*(t*t*above-2*u*below)
	// Of l for t: above' / above - 2 below' / below.
	dt := 2*(q.d1*t+q.s*(r-t)-q.d0*r)*above - 2*(q.d0+q.d1-2*q.s)*(r-t)*below
	dx = dy*q.slope() + dl*dt/p.w

	// t = (x - left end)/w and s = h/w.
	k := s.bins
	s.shares(dtheta[:k], exp[:k], p.widths, p.k, -dx, -dx*t-ds*q.s/p.w)
	s.shares(dtheta[k:2*k], exp[k:2*k], p.heights, p.k, dy, dy*q.rise()+ds/p.w)
	clear(dtheta[2*k:])
	if j := s.inner(p.k); j >= 0 {
		dtheta[j] = float32(d0 * logistic(theta[j], exp[j]))
	}
	if j := s.inner(p.k + 1); j >= 0 {
		dtheta[j] = float32(d1 * logistic(theta[j], exp[j]))
	}
	return dx
}

// shares sets dz to the gradient for z of sizes least + rise·exp(z), given those
// for the sizes: before for the bins before bin k, within for bin k.
func (s *splines) shares(dz, e []float32, sum float64, k int, before, within float64) {
	_, rise := s.scale(sum)
	mean := (before*total(e[:k]) + within*float64(e[k])) / sum
	share := func(lo, hi int, d float64) {
		f := float32(rise * (d - mean))
		for i, v := range e[lo:hi] {
			dz[lo+i] = f * v
		}
	}
	share(0, k, before)
	share(k, k+1, within)
	share(k+1, len(e), 0)
}

// logistic returns the derivative of softplus at v, given exp v.
func logistic(v, exp float32) float64 {
	if v > linear {
		return 1
	}
	return float64(exp) / (1 + float64(exp))
}
