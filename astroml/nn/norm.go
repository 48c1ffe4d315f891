package nn

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"

	"github.com/goastroml/goastroml/astroml/internal/kernel"
)

// epsilon is added to variances.
const epsilon = 1e-5

// Momentum is how much of a running statistic a batch replaces.
const Momentum = 0.1

// BatchNorm normalises each channel to mean 0 and variance 1 over the batch,
// then scales and shifts it (Ioffe & Szegedy 2015, arXiv:1502.03167). With
// running statistics it is folded into the convolution before it.
type BatchNorm struct {
	spec
	Act Act // Identity or ReLU
}

// Moments is the mean and the variance of each channel: (2, C).
type Moments struct{ spec }

// normParams names the arrays of a normalisation: scale and shift in one (2, C)
// array, running mean and variance in another.
func (g *Graph) normParams(name string, c int) (affine, stats *Node, p *Param) {
	affine = g.Param(name+".affine", Rows(1, 0), 2, c)
	stats, p = g.param(name+".running", Rows(0, 1), []int{2, c})
	if p != nil {
		p.Running = true
	}
	return affine, stats, p
}

// ConvNorm draws convolution, batch normalisation and activation. Bias says
// whether the convolution has one of its own.
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
		return g.Conv(x,
			g.apply(Fold{shapes("fold", w.Shape(), w, affine, stats)}, w, affine, stats),
			g.apply(FoldBias{shapes("foldbias", []int{channels}, fold...)}, fold...),
			nil, win, act)
	}
	return g.norm(g.Conv(x, w, b, nil, win, Identity), affine, p, act)
}

func (g *Graph) norm(x, affine *Node, p *Param, act Act) *Node {
	if g.err != nil {
		return nil
	}
	c := x.Shape()[4]
	m := g.apply(Moments{shapes("moments", []int{2, c}, x)}, x)
	if g.err != nil {
		return nil
	}
	g.running = append(g.running, running{p, m})
	fused := Identity
	if act == ReLU {
		fused, act = ReLU, Identity
	}
	y := g.apply(BatchNorm{shapes(fmt.Sprintf("batchnorm%v", fused), x.Shape(), x, m, affine), fused}, x, m, affine)
	return g.Activate(y, act)
}

func (m Moments) scratch() int {
	n, _ := chunks(volume(m.In[0][:4]), m.In[0][4])
	return n * 2 * m.In[0][4]
}

// bind combines the moments of chunks as Chan, Golub & LeVeque (1983) do.
func (m Moments) bind(b binding) func() {
	c, x := m.In[0][4], b.in[0]
	n, rows := chunks(len(x)/c, c)
	run := func(task, _ int) {
		t := b.tmp[task*2*c:]
		kernel.Moments(t[:c], t[c:2*c], x[task*rows*c:min(len(x), (task+1)*rows*c)], c)
	}
	return func() {
		b.workers.Run(n, run)
		for j := range c {
			var count, mean, m2 float64
			for i := range n {
				k := float64(min(rows, len(x)/c-i*rows))
				d := float64(b.tmp[i*2*c+j]) - mean
				count += k
				mean += d * k / count
				m2 += float64(b.tmp[i*2*c+c+j]) + d*d*k*(count-k)/count
			}
			b.out[j], b.out[c+j] = float32(mean), float32(m2/count)
		}
	}
}

func (n BatchNorm) inPlace() int       { return -1 }
func (n BatchNorm) DiffWRT(int) []bool { return []bool{true, false, true} }
func (n BatchNorm) scratch() int       { return 2 * n.In[0][4] }

// coefficients writes scale and shift of y = scale·x + shift.
func coefficients(scale, shift, moments, affine []float32) {
	c := len(scale)
	for j := range c {
		s := float64(affine[j]) / math.Sqrt(float64(moments[c+j])+epsilon)
		scale[j] = float32(s)
		shift[j] = float32(float64(affine[c+j]) - s*float64(moments[j]))
	}
}

func (n BatchNorm) bind(b binding) func() {
	c := n.In[0][4]
	scale, shift := b.tmp[:c], b.tmp[c:2*c]
	tasks, rows := chunks(len(b.out)/c, c)
	run := func(task, _ int) {
		lo, hi := task*rows*c, min(len(b.out), (task+1)*rows*c)
		kernel.Affine(b.out[lo:hi], b.in[0][lo:hi], scale, shift, c, n.Act)
	}
	return func() {
		coefficients(scale, shift, b.in[1], b.in[2])
		b.workers.Run(tasks, run)
	}
}

// SymDiff returns the gradients for x and for scale and shift; the moments'
// part is in that of x.
func (n BatchNorm) SymDiff(in gorgonia.Nodes, y, dy *Node) (gorgonia.Nodes, error) {
	var s sequence
	x, m, affine := in[0], in[1], in[2]
	if n.Act == ReLU {
		dy = s.apply(ActivateGrad{shapes("activategradrelu", dy.Shape(), y, dy), ReLU}, y, dy)
		if s.err != nil {
			return nil, s.err
		}
	}
	sums := s.apply(NormSums{shapes("normsums", affine.Shape(), x, m, dy)}, x, m, dy)
	if s.err != nil {
		return nil, s.err
	}
	dx := s.apply(NormGrad{shapes("normgrad", x.Shape(), x, m, affine, dy, sums)}, x, m, affine, dy, sums)
	return gorgonia.Nodes{dx, nil, sums}, s.err
}

// NormSums is the gradient of BatchNorm for scale and shift: Σ dy·x̂ and Σ dy,
// of inputs x, moments and dy.
type NormSums struct{ spec }

func (n NormSums) scratch() int {
	t, _ := chunks(volume(n.In[0][:4]), n.In[0][4])
	return (2*t + 1) * n.In[0][4]
}

func (n NormSums) bind(b binding) func() {
	c, x, m, dy := n.In[0][4], b.in[0], b.in[1], b.in[2]
	tasks, rows := chunks(len(x)/c, c)
	istd, parts := b.tmp[:c], b.tmp[c:]
	run := func(task, _ int) {
		t := parts[task*2*c : (task+1)*2*c]
		clear(t)
		lo, hi := task*rows*c, min(len(x), (task+1)*rows*c)
		kernel.NormSums(t[c:], t[:c], dy[lo:hi], x[lo:hi], m[:c], istd, c)
	}
	return func() {
		for j := range istd {
			istd[j] = float32(1 / math.Sqrt(float64(m[c+j])+epsilon))
		}
		b.workers.Run(tasks, run)
		fold(b.out, parts[:tasks*2*c])
	}
}

// NormGrad is the gradient of BatchNorm for x:
//
//	dx = scale/σ · (dy - mean(dy) - x̂·mean(dy·x̂))
//
// of inputs x, moments, affine, dy and the sums of NormSums.
type NormGrad struct{ spec }

func (n NormGrad) inPlace() int { return 3 }
func (n NormGrad) scratch() int { return 3 * n.In[0][4] }
func (n NormGrad) bind(b binding) func() {
	c, x, m, affine, dy, sums := n.In[0][4], b.in[0], b.in[1], b.in[2], b.in[3], b.in[4]
	ka, kb, kd := b.tmp[:c], b.tmp[c:2*c], b.tmp[2*c:3*c]
	tasks, rows := chunks(len(x)/c, c)
	run := func(task, _ int) {
		lo, hi := task*rows*c, min(len(x), (task+1)*rows*c)
		kernel.Affine2(b.out[lo:hi], dy[lo:hi], x[lo:hi], ka, kb, kd, c)
	}
	count := float64(len(x) / c)
	return func() {
		for j := range c {
			istd := 1 / math.Sqrt(float64(m[c+j])+epsilon)
			a := float64(affine[j]) * istd
			p := -a * istd * float64(sums[j]) / count
			ka[j], kb[j] = float32(a), float32(p)
			kd[j] = float32(-a*float64(sums[c+j])/count - p*float64(m[j]))
		}
		b.workers.Run(tasks, run)
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
