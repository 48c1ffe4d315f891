package nn

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"github.com/goastroml/goastroml/astroml/internal/kernel"
)

// MaxPool is the largest value of each window; padding counts as absent.
type MaxPool struct {
	spec
	Window
}

// MaxPool draws the largest value of each window.
func (g *Graph) MaxPool(x *Node, win Window) *Node {
	if g.err != nil {
		return nil
	}
	s := x.Shape()
	o := win.out(axes(s))
	return g.apply(MaxPool{shapes(fmt.Sprint("maxpool", win), []int{s[0], o[0], o[1], o[2], s[4]}, x), win}, x)
}

// pool returns the pooling of n samples as one of more and smaller ones where
// windows lie side by side: along D, and along H where D has a single pixel.
func (w Window) pool(n int, in, out [3]int, c int) (p *kernel.Pool, samples int) {
	for i := range 2 {
		k := w.Kernel[i]
		if w.Stride[i] != k || w.Pad[i][0] > 0 || in[i] != out[i]*k {
			break
		}
		n *= out[i]
		in[i], out[i] = k, 1
		if k > 1 {
			break
		}
	}
	return &kernel.Pool{In: in, Out: out, Kernel: w.Kernel, Stride: w.Stride, Pad: [3]int{w.Pad[0][0], w.Pad[1][0], w.Pad[2][0]}, C: c}, n
}

func (m MaxPool) DiffWRT(n int) []bool { return all(n) }

// SymDiff gives dy to the first largest value of each window.
func (m MaxPool) SymDiff(in gorgonia.Nodes, y, dy *Node) (gorgonia.Nodes, error) {
	var s sequence
	x := in[0]
	return gorgonia.Nodes{s.apply(MaxPoolGrad{shapes(fmt.Sprint("maxpoolgrad", m.Window), x.Shape(), x, y, dy), m.Window}, x, y, dy)}, s.err
}

func (m MaxPool) bind(b binding) func() {
	p, n := m.pool(m.Out[0], axes(m.In[0]), axes(m.Out), m.Out[4])
	from, to := len(b.in[0])/n, len(b.out)/n
	run := func(i, _ int) { p.Max(b.out[i*to:(i+1)*to], b.in[0][i*from:(i+1)*from]) }
	return func() { b.workers.Run(n, run) }
}

// MaxPoolGrad is the gradient of MaxPool, of inputs x, y and dy.
type MaxPoolGrad struct {
	spec
	Window
}

func (m MaxPoolGrad) bind(b binding) func() {
	p, n := m.pool(m.Out[0], axes(m.In[0]), axes(m.In[1]), m.Out[4])
	from, to := len(b.out)/n, len(b.in[1])/n
	run := func(i, _ int) {
		p.MaxGrad(b.out[i*from:(i+1)*from], b.in[0][i*from:(i+1)*from], b.in[1][i*to:(i+1)*to], b.in[2][i*to:(i+1)*to])
	}
	return func() { b.workers.Run(n, run) }
}

// PixelSum is Scale times the sum over D, H and W.
type PixelSum struct {
	spec
	Scale float32
}

// MeanPool draws the mean over D, H and W: (N,1,1,1,C).
func (g *Graph) MeanPool(x *Node) *Node {
	if g.err != nil {
		return nil
	}
	s := x.Shape()
	return g.apply(pixelSum(x, 1/float32(volume(s[1:4]))), x)
}

func pixelSum(x *Node, scale float32) PixelSum {
	s := x.Shape()
	return PixelSum{shapes(fmt.Sprint("pixelsum", scale), []int{s[0], 1, 1, 1, s[4]}, x), scale}
}

func (p PixelSum) DiffWRT(n int) []bool { return all(n) }

// SymDiff spreads dy over the pixels.
func (p PixelSum) SymDiff(in gorgonia.Nodes, _, dy *Node) (gorgonia.Nodes, error) {
	var s sequence
	return gorgonia.Nodes{s.apply(Spread{shapes(fmt.Sprint("spread", p.Scale), in[0].Shape(), dy), p.Scale}, dy)}, s.err
}

func (p PixelSum) bind(b binding) func() {
	n, c := p.Out[0], p.Out[4]
	from := len(b.in[0]) / n
	run := func(i, _ int) {
		y := b.out[i*c : (i+1)*c]
		clear(y)
		kernel.Sums(y, b.in[0][i*from:(i+1)*from], c)
		kernel.Scale(y, y, p.Scale)
	}
	return func() { b.workers.Run(n, run) }
}

// Spread is the gradient of PixelSum: Scale times dy for each pixel.
type Spread struct {
	spec
	Scale float32
}

func (s Spread) bind(b binding) func() {
	n, c := s.Out[0], s.Out[4]
	to := len(b.out) / n
	run := func(i, _ int) {
		y := b.out[i*to : (i+1)*to]
		kernel.Scale(y[:c], b.in[0][i*c:(i+1)*c], s.Scale)
		for j := c; j < to; j += c {
			copy(y[j:j+c], y[:c])
		}
	}
	return func() { b.workers.Run(n, run) }
}
