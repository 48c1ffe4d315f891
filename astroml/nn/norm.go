package nn

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
)

// epsilon is added to variances.
const epsilon = 1e-5

// Momentum is how much of a running statistic a batch replaces.
const Momentum = 0.1

// Normalize is a normalisation with its activation: values less their mean, by
// the square root of their variance, scaled and shifted:
//
//	y = act(scale·(x - mean)/√(variance + ε) + shift)
//
// of inputs x (N,D,H,W,C), moments and affine (2, C). Groups says over what
// mean and variance are taken. Constant ones are given, not the moments of x, and
// no gradient passes through them.
type Normalize struct {
	spec
	Groups
	Constant bool
	Act      Act
}

// Groups is the number of groups of neighbouring channels that a sample's
// moments are taken over. 0 stands for the moments of each channel over the
// whole batch.
type Groups int

// Moments is the mean and the variance of each channel of the batch, (2, C), or
// of each channel's group, (N, 2, C).
type Moments struct {
	spec
	Groups
}

// sets is how the values of x fall into sets with moments of their own.
type sets struct {
	n, c       int // sets, channels
	rows       int // rows of a set
	groups     int // of channels
	tasks, per int // tasks of a set, rows a task
}

func (g Groups) sets(x []int) sets {
	s := sets{n: 1, c: x[4], rows: volume(x[:4]), groups: x[4]}
	if g > 0 {
		s.n, s.rows, s.groups = x[0], s.rows/x[0], int(g)
	}
	s.tasks, s.per = chunks(s.rows, s.c)
	return s
}

// moments returns the shape of moments.
func (g Groups) moments(x []int) []int {
	if g > 0 {
		return []int{x[0], 2, x[4]}
	}
	return []int{2, x[4]}
}

// count is the number of values that a mean is taken over.
func (s sets) count() float64 { return float64(s.rows * (s.c / s.groups)) }

// run calls f for the set and the values of each task.
func (s sets) run(w *kernel.Workers, f func(task, set, lo, hi int)) func() {
	run := func(task, _ int) {
		set, part := task/s.tasks, task%s.tasks
		first := set * s.rows
		f(task, set, (first+part*s.per)*s.c, (first+min(s.rows, (part+1)*s.per))*s.c)
	}
	return func() { w.Run(s.n*s.tasks, run) }
}

// normParams names the arrays of a batch normalisation: scale and shift in one
// (2, C) array, running mean and variance in another.
func (g *Graph) normParams(name string, c int) (affine, stats *Node, p *Param) {
	affine = g.Param(name+".affine", Rows(1, 0), 2, c)
	stats, p = g.param(name+".running", Rows(0, 1), []int{2, c})
	if p != nil {
		p.Running = true
	}
	return affine, stats, p
}

// ConvNorm draws convolution, batch normalisation (Ioffe & Szegedy 2015,
// arXiv:1502.03167) and activation. Bias says whether the convolution has one
// of its own. With running statistics the normalisation is folded into the
// convolution.
func (g *Graph) ConvNorm(name string, x *Node, win Window, channels int, init Init, bias bool, act Act) *Node {
	if g.err != nil {
		return nil
	}
	k := win.Kernel
	ci := x.Shape()[4]
	w := g.Param(name+".weight", init, k[0], k[1], k[2], ci, channels)
	var b *Node
	if bias {
		b = g.Param(name+".bias", Constant(0), channels)
	}
	affine, stats, p := g.normParams(name, channels)
	if g.err != nil {
		return nil
	}
	if !g.Training {
		fold := []*Node{affine, stats}
		if bias {
			fold = append(fold, b)
		}
		y := g.Conv(x,
			g.apply(Fold{shapes("fold", w.Shape(), w, affine, stats)}, w, affine, stats),
			g.apply(FoldBias{shapes("foldbias", []int{channels}, fold...)}, fold...),
			nil, win, g.fused(act))
		if g.fused(act) != act {
			return g.Activate(y, act)
		}
		return y
	}
	x = g.Conv(x, w, b, nil, win, Identity)
	if g.Frozen {
		return g.normalize(x, stats, affine, 0, true, act)
	}
	m := g.moments(x, 0)
	y := g.normalize(x, m, affine, 0, false, act)
	g.running = append(g.running, running{p, m})
	return y
}

// fused returns the activation that a convolution may apply itself.
func (g *Graph) fused(act Act) Act {
	if g.Differentiable {
		return Identity
	}
	return act
}

// GroupNorm draws the normalisation of each sample over groups of channels (Wu
// & He 2018, arXiv:1803.08494), and an activation.
func (g *Graph) GroupNorm(name string, x *Node, groups int, act Act) *Node {
	if g.err != nil {
		return nil
	}
	s := x.Shape()
	if len(s) != 5 || groups < 1 || s[4]%groups != 0 {
		return g.fail("%d groups of the channels of %v: %w", groups, s, astroml.ErrShape)
	}
	m := g.moments(x, Groups(groups))
	return g.normalize(x, m, g.Param(name+".affine", Rows(1, 0), 2, s[4]), Groups(groups), false, act)
}

func (g *Graph) moments(x *Node, groups Groups) *Node {
	if g.err != nil {
		return nil
	}
	return g.apply(Moments{shapes(fmt.Sprint("moments", int(groups)), groups.moments(x.Shape()), x), groups}, x)
}

func (g *Graph) normalize(x, m, affine *Node, groups Groups, constant bool, act Act) *Node {
	if g.err != nil {
		return nil
	}
	name := fmt.Sprintf("normalize%d/%t/%v", groups, constant, act)
	return g.apply(Normalize{shapes(name, x.Shape(), x, m, affine), groups, constant, act}, x, m, affine)
}

func (m Moments) scratch() int {
	s := m.sets(m.In[0])
	return s.n * s.tasks * 2 * s.c
}

// bind combines the moments of tasks as Chan, Golub & LeVeque (1983) do.
func (m Moments) bind(b binding) func() {
	x, s := b.in[0], m.sets(m.In[0])
	c := s.c
	run := s.run(b.workers, func(task, _, lo, hi int) {
		t := b.tmp[task*2*c:]
		kernel.Moments(t[:c], t[c:2*c], x[lo:hi], c)
	})
	return func() {
		run()
		for set := range s.n {
			mean, variance := b.out[set*2*c:][:c], b.out[set*2*c+c:][:c]
			s.combine(mean, variance, b.tmp[set*s.tasks*2*c:])
			if s.groups < c {
				s.pool(mean, variance)
			}
		}
	}
}

// combine joins the moments of the tasks of a set.
func (s sets) combine(mean, variance, parts []float32) {
	for j := range s.c {
		var count, mu, m2 float64
		for i := range s.tasks {
			k := float64(min(s.per, s.rows-i*s.per))
			d := float64(parts[i*2*s.c+j]) - mu
			count += k
			mu += d * k / count
			m2 += float64(parts[i*2*s.c+s.c+j]) + d*d*k*(count-k)/count
		}
		mean[j], variance[j] = float32(mu), float32(m2/count)
	}
}

// pool gives the channels of a group the moments of the group.
func (s sets) pool(mean, variance []float32) {
	per := s.c / s.groups
	for lo := 0; lo < s.c; lo += per {
		var mu, v float64
		for j := lo; j < lo+per; j++ {
			mu += float64(mean[j]) / float64(per)
		}
		for j := lo; j < lo+per; j++ {
			d := float64(mean[j]) - mu
			v += (float64(variance[j]) + d*d) / float64(per)
		}
		for j := lo; j < lo+per; j++ {
			mean[j], variance[j] = float32(mu), float32(v)
		}
	}
}

func (n Normalize) DiffWRT(int) []bool { return []bool{true, false, true} }
func (n Normalize) scratch() int       { return volume(n.In[1]) }

// coefficients writes scale and shift of y = scale·x + shift.
func coefficients(scale, shift, moments, affine []float32) {
	c := len(scale)
	for j := range c {
		s := float64(affine[j]) / math.Sqrt(float64(moments[c+j])+epsilon)
		scale[j] = float32(s)
		shift[j] = float32(float64(affine[c+j]) - s*float64(moments[j]))
	}
}

func (n Normalize) bind(b binding) func() {
	s := n.sets(n.In[0])
	c := s.c
	run := s.run(b.workers, func(_, set, lo, hi int) {
		t := b.tmp[set*2*c:]
		kernel.Affine(b.out[lo:hi], b.in[0][lo:hi], t[:c], t[c:2*c], c, n.Act)
	})
	return func() {
		for set := range s.n {
			t := b.tmp[set*2*c:]
			coefficients(t[:c], t[c:2*c], b.in[1][set*2*c:], b.in[2])
		}
		run()
	}
}

// SymDiff returns the gradients for x and for scale and shift; the moments'
// part is in that of x.
func (n Normalize) SymDiff(in gorgonia.Nodes, _, dy *Node) (gorgonia.Nodes, error) {
	var s sequence
	x, m, affine := in[0], in[1], in[2]
	name := fmt.Sprintf("%d/%t/%v", n.Groups, n.Constant, n.Act)
	sums := s.apply(NormSums{shapes("normsums"+name, m.Shape(), x, m, affine, dy), n.Groups, n.Act}, x, m, affine, dy)
	if s.err != nil {
		return nil, s.err
	}
	dx := s.apply(NormGrad{shapes("normgrad"+name, x.Shape(), x, m, affine, dy, sums), n.Groups, n.Constant, n.Act}, x, m, affine, dy, sums)
	if n.Groups > 0 {
		sums = s.apply(SumRows{shapes("sumrows", affine.Shape(), sums)}, sums)
	}
	return gorgonia.Nodes{dx, nil, sums}, s.err
}

// backward returns what is known of each set; it holds 3·C floats of tmp a set.
func (s sets) backward(tmp []float32, act Act) []kernel.NormBackward {
	n := make([]kernel.NormBackward, s.n)
	c := s.c
	for i := range n {
		t := tmp[i*3*c : (i+1)*3*c]
		n[i] = kernel.NormBackward{Scale: t[:c], Shift: t[c : 2*c], Act: act, IStd: t[2*c:]}
	}
	return n
}

// NormSums is the gradient of Normalize for scale and shift, a set: Σ dz·x̂ and
// Σ dz, dz being the gradient before the activation; of inputs x, moments,
// affine and dy.
type NormSums struct {
	spec
	Groups
	Act Act
}

func (n NormSums) scratch() int {
	s := n.sets(n.In[0])
	return s.n * (2*s.tasks + 3) * s.c
}

func (n NormSums) bind(b binding) func() {
	x, m, affine, dy := b.in[0], b.in[1], b.in[2], b.in[3]
	s := n.sets(n.In[0])
	c := s.c
	back, parts := s.backward(b.tmp, n.Act), b.tmp[s.n*3*c:]
	run := s.run(b.workers, func(task, set, lo, hi int) {
		t := parts[task*2*c : (task+1)*2*c]
		clear(t)
		back[set].Sums(t[c:], t[:c], dy[lo:hi], x[lo:hi])
	})
	return func() {
		for set := range back {
			k, moments := &back[set], m[set*2*c:(set+1)*2*c]
			coefficients(k.Scale, k.Shift, moments, affine)
			k.Mean = moments[:c]
			for j := range k.IStd {
				k.IStd[j] = float32(1 / math.Sqrt(float64(moments[c+j])+epsilon))
			}
		}
		run()
		for set := range s.n {
			fold(b.out[set*2*c:(set+1)*2*c], parts[set*s.tasks*2*c:(set+1)*s.tasks*2*c])
		}
	}
}

// NormGrad is the gradient of Normalize for x: with the sums over the group,
//
//	dx = (scale·dz - mean(scale·dz) - x̂·mean(scale·dz·x̂))/σ
//
// With Constant moments there is the first term alone. Its inputs are x, moments,
// affine, dy and the sums of NormSums.
type NormGrad struct {
	spec
	Groups
	Constant bool
	Act      Act
}

func (n NormGrad) inPlace() int { return 3 }
func (n NormGrad) scratch() int {
	s := n.sets(n.In[0])
	return s.n * 6 * s.c
}

func (n NormGrad) bind(b binding) func() {
	x, m, affine, dy, sums := b.in[0], b.in[1], b.in[2], b.in[3], b.in[4]
	s := n.sets(n.In[0])
	c := s.c
	back, terms := s.backward(b.tmp, n.Act), b.tmp[s.n*3*c:]
	run := s.run(b.workers, func(_, set, lo, hi int) {
		t := terms[set*3*c:]
		back[set].Grad(b.out[lo:hi], dy[lo:hi], x[lo:hi], t[:c], t[c:2*c], t[2*c:3*c])
	})
	return func() {
		for set := range back {
			moments := m[set*2*c : (set+1)*2*c]
			coefficients(back[set].Scale, back[set].Shift, moments, affine)
			t := terms[set*3*c : (set+1)*3*c]
			if n.Constant {
				copy(t, back[set].Scale)
				clear(t[c:])
			} else {
				s.terms(t, moments, affine, sums[set*2*c:(set+1)*2*c])
			}
		}
		run()
	}
}

// terms writes a, b and d of dx = a·dz + b·x + d.
func (s sets) terms(t, moments, affine, sums []float32) {
	c, per := s.c, s.c/s.groups
	for lo := 0; lo < c; lo += per {
		var dz, dzx float64 // sums of scale·dz and of scale·dz·x̂
		for j := lo; j < lo+per; j++ {
			dzx += float64(affine[j]) * float64(sums[j])
			dz += float64(affine[j]) * float64(sums[c+j])
		}
		for j := lo; j < lo+per; j++ {
			istd := 1 / math.Sqrt(float64(moments[c+j])+epsilon)
			p := -istd * istd * dzx / s.count()
			t[j], t[c+j] = float32(float64(affine[j])*istd), float32(p)
			t[2*c+j] = float32(-istd*dz/s.count() - p*float64(moments[j]))
		}
	}
}

// Fold is the weight of a convolution with the normalisation after it, of
// inputs w, affine and running statistics.
type Fold struct{ spec }

func (f Fold) scratch() int { return 2 * f.Out[4] }
func (f Fold) bind(b binding) func() {
	c := f.Out[4]
	return func() {
		scale, shift := b.tmp[:c], b.tmp[c:2*c]
		coefficients(scale, shift, b.in[2], b.in[1])
		for i, w := range b.in[0] {
			b.out[i] = w * scale[i%c]
		}
	}
}

// FoldBias is the bias that goes with Fold, of inputs affine, running
// statistics and, if it has one, the convolution's own bias.
type FoldBias struct{ spec }

func (f FoldBias) scratch() int { return f.Out[0] }
func (f FoldBias) bind(b binding) func() {
	c := f.Out[0]
	return func() {
		coefficients(b.tmp[:c], b.out, b.in[1], b.in[0])
		if len(b.in) > 2 {
			for j := range b.out {
				b.out[j] += b.tmp[j] * b.in[2][j]
			}
		}
	}
}
