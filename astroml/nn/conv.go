package nn

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
)

// Act is an activation function.
type Act = kernel.Act

// The activation functions.
const (
	Identity  = kernel.Identity
	ReLU      = kernel.ReLU
	LeakyReLU = kernel.LeakyReLU
	GELU      = kernel.GELU
	SiLU      = kernel.SiLU
	Tanh      = kernel.Tanh
	Sigmoid   = kernel.Sigmoid
)

// Window is how a convolution or a pooling slides over D, H and W.
type Window struct {
	Kernel, Stride [3]int
	Pad            [3][2]int // zeros below and above
}

// Window1D is a window over W alone.
func Window1D(kernel, stride, lo, hi int) Window {
	return Window{Kernel: [3]int{1, 1, kernel}, Stride: [3]int{1, 1, stride}, Pad: [3][2]int{2: {lo, hi}}}
}

// Same1D is a window over W that leaves ⌈W/stride⌉ positions, as "same" does
// in Keras.
func Same1D(width, kernel, stride int) Window {
	out := (width + stride - 1) / stride
	pad := max(0, (out-1)*stride+kernel-width)
	return Window1D(kernel, stride, pad/2, pad-pad/2)
}

// out returns the number of positions on each axis.
func (w Window) out(in [3]int) (out [3]int) {
	for i := range in {
		out[i] = (in[i]+w.Pad[i][0]+w.Pad[i][1]-w.Kernel[i])/w.Stride[i] + 1
	}
	return out
}

func (w Window) padded(in [3]int) (out [3]int) {
	for i := range in {
		out[i] = in[i] + w.Pad[i][0] + w.Pad[i][1]
	}
	return out
}

func (w Window) isPadded() bool { return w.Pad != [3][2]int{} }

func (w Window) isUnit() bool { return w.Stride == [3]int{1, 1, 1} }

func axes(shape []int) [3]int { return [3]int{shape[1], shape[2], shape[3]} }

// Conv is a cross-correlation over D, H and W, with bias, residual and
// activation if there are any:
//
//	y[n,o,c] = act(Σ_{t,i} x[n, o·Stride + t - Pad, i] w[t,i,c] + bias[c] + residual[n,o,c])
//
// Inputs are x (N,D,H,W,I), w (kD,kH,kW,I,C), then bias (C) and residual.
// Dense layers are convolutions over arrays of one pixel.
type Conv struct {
	spec
	Window
	Act Act
}

// Conv draws a convolution. The bias b and the residual r may be nil; with an
// activation other than Identity there is no gradient.
func (g *Graph) Conv(x, w, b, r *Node, win Window, act Act) *Node {
	if g.err != nil {
		return nil
	}
	xs, ws := x.Shape(), w.Shape()
	if len(xs) != 5 || len(ws) != 5 || xs[4] != ws[3] {
		return g.fail("convolution of %v with %v: %w", xs, ws, astroml.ErrShape)
	}
	win.Kernel = [3]int{ws[0], ws[1], ws[2]}
	o := win.out(axes(xs))
	for i := range o {
		if o[i] < 1 || win.padded(axes(xs))[i] < win.Kernel[i] {
			return g.fail("a window of %d does not fit %d pixels: %w", win.Kernel[i], win.padded(axes(xs))[i], astroml.ErrShape)
		}
	}
	in := []*Node{x, w}
	if b != nil {
		in = append(in, b)
	}
	if r != nil {
		if b == nil {
			return g.fail("a residual wants a bias")
		}
		in = append(in, r)
	}
	out := []int{xs[0], o[0], o[1], o[2], ws[4]}
	g.macs += volume(out) * volume(ws[:4])
	return g.apply(Conv{shapes(fmt.Sprintf("conv%v/%v/%v", win, act, len(in)), out, in...), win, act}, in...)
}

func (c Conv) DiffWRT(n int) []bool { return all(n) }

// SymDiff returns the gradients for x, w, bias and residual.
func (c Conv) SymDiff(in gorgonia.Nodes, y, dy *Node) (gorgonia.Nodes, error) {
	if c.Act != Identity {
		return nil, fmt.Errorf("nn: a convolution with a fused activation has no gradient")
	}
	var s sequence
	x, w := in[0], in[1]
	name := fmt.Sprint(c.Window)
	d := gorgonia.Nodes{
		s.apply(ConvGradX{shapes("convgradx"+name, x.Shape(), w, dy), c.Window}, w, dy),
		s.apply(ConvGradW{shapes("convgradw"+name, w.Shape(), x, dy), c.Window}, x, dy),
	}
	if len(in) > 2 {
		d = append(d, s.apply(SumRows{shapes("sumrows", in[2].Shape(), dy)}, dy))
	}
	if len(in) > 3 {
		d = append(d, dy)
	}
	return d, s.err
}

func (c Conv) convolution() convolution {
	return convolution{c.Window, c.In[0][0], axes(c.In[0]), c.In[0][4], c.Out[4]}
}

func (c Conv) scratch() int { return c.convolution().scratch() }

func (c Conv) bind(b binding) func() {
	w := b.in[1]
	e := epilogue{act: c.Act}
	if len(b.in) > 2 {
		e.bias = b.in[2]
	}
	if len(b.in) > 3 {
		e.residual = b.in[3]
	}
	depth, co := volume(c.In[1][:4]), c.Out[4]
	pack := func(dst []float32, panel int) { kernel.PackPanel(dst, w, depth, co, panel) }
	return c.convolution().bind(b, b.in[0], pack, b.constant[1], e)
}

// convolution is what Conv and, without strides, its gradient for x have in
// common: a window over n samples, and channels in and out.
type convolution struct {
	Window
	n      int
	in     [3]int
	ci, co int
}

// epilogue is what happens to a sum before it is stored; bias and residual may
// be nil.
type epilogue struct {
	bias, residual []float32
	act            Act
}

// filtered reports whether minimal filtering is used.
func (c convolution) filtered() bool { return c.filters(c.in, c.ci, c.co) }

func (c convolution) tasks() tasks {
	o := c.out(c.in)
	t := cut(c.n, volume(o[:]), c.co)
	t.rows = volume(o[:])
	if c.filtered() {
		t.rows = o[0] * o[1] * c.filtering(c.in).Tiles()
	}
	return t
}

func (c convolution) source() source {
	if c.filtered() {
		return c.filterer(c.in, c.ci)
	}
	return c.padder(c.in, c.ci)
}

// weights returns how many floats the packed weights take, and a panel of those
// that they are filtered from, if they are.
func (c convolution) weights() (packed, panel int) {
	depth := volume(c.Kernel[:]) * c.ci
	packed = kernel.PackedLen(depth, c.co)
	if c.filtered() {
		return kernel.Points * packed / c.Kernel[2], kernel.Panel * depth
	}
	return packed, 0
}

// panels returns the number of panels of the packed weights.
func (c convolution) panels() int { return (c.co + kernel.Panel - 1) / kernel.Panel }

func (c convolution) scratch() int {
	n, panel := c.weights()
	n += panel * min(maxWorkers, c.panels())
	if s, ok := c.stretches(); ok {
		return n + s.size()*min(maxWorkers, s.tasks())
	}
	return n + scratchOf(c.source(), c.tasks())
}

// bind returns what convolves x with weights. Pack writes one of the panels of
// these to where it stands in packed ones.
func (c convolution) bind(b binding, x []float32, pack func(dst []float32, panel int), constant bool, e epilogue) func() {
	length, panel := c.weights()
	panels := c.panels()
	packed, raw := b.tmp[:length], b.tmp[length:length+panel*min(maxWorkers, panels)]
	tmp := b.tmp[length+len(raw):]
	if constant {
		packed, raw = make([]float32, length), make([]float32, len(raw))
	}
	packPanel := func(i, worker int) {
		if panel == 0 {
			n := length / panels
			pack(packed[i*n:(i+1)*n], i)
			return
		}
		own := raw[worker*panel : (worker+1)*panel]
		pack(own, i)
		component := length / kernel.Points
		c.filtering(c.in).Panel(packed[i*(component/panels):], component, own, c.ci)
	}
	packAll := func() { b.workers.Run(panels, packPanel) }
	var run func()
	if s, ok := c.stretches(); ok {
		run = c.byStretches(b, s, x, packed, tmp, e)
	} else {
		run = c.bySamples(b, x, packed, tmp, e)
	}
	if constant {
		*b.refresh = append(*b.refresh, packAll)
		return run
	}
	return func() { packAll(); run() }
}

// bySamples convolves groups of whole samples.
func (c convolution) bySamples(b binding, x, packed, tmp []float32, e epilogue) func() {
	t, src := c.tasks().of(b.workers), c.source()
	o := c.out(c.in)
	p := c.product(src, c.padded(c.in), o, t.per)
	depth, size := len(p.Seg)*p.KL, volume(o[:])*c.co
	var multiply []multiplier
	for i := range t.cuts {
		multiply = append(multiply, c.multiplier(p, src, t.first(i+1)-t.first(i)))
	}
	return t.run(b.workers, src, x, tmp, func(a []float32, first, samples, part, cut int) {
		from, to, rows := t.first(cut), t.first(cut+1), samples*t.rows
		multiply[cut].Forward(b.out[first*size+from:], a, packed[from*depth:], rows*part/t.parts, rows*(part+1)/t.parts, e.of(first*size, from, to))
	})
}

// byStretches convolves stretches of lines, each laid out where it stays in
// cache.
func (c convolution) byStretches(b binding, s stretches, x, packed, tmp []float32, e epilogue) func() {
	p := c.product(s.src, s.laid, [3]int{1, s.per, s.out[2]}, 1)
	multiply, size := c.multiplier(p, s.src, c.co), s.size()
	line := s.out[2] * c.co
	run := func(task, worker int) {
		a := tmp[worker*size : (worker+1)*size]
		first, lines := s.lay(a, x, task)
		multiply.Forward(b.out[first*line:], a, packed, 0, lines*p.Width, e.of(first*line, 0, c.co))
	}
	return func() { b.workers.Run(s.tasks(), run) }
}

// of returns the epilogue for some columns of what begins at from.
func (e epilogue) of(from, lo, hi int) kernel.Epilogue {
	k := kernel.Epilogue{Act: e.act}
	if e.bias != nil {
		k.Bias = e.bias[lo:hi]
	}
	if e.residual != nil {
		k.Residual = e.residual[from+lo:]
	}
	return k
}

// multiplier is a product, or one by minimal filtering.
type multiplier interface {
	Forward(c, a, packed []float32, lo, hi int, e kernel.Epilogue)
}

// multiplier returns p for n of the columns.
func (c convolution) multiplier(p kernel.Product, src source, n int) multiplier {
	p.N = n
	if f, ok := src.(filterer); ok {
		packed, _ := c.weights()
		return &kernel.Filtered{Product: p, Filtering: f.Filtering, AComponent: p.Width * c.ci, Packed: packed / kernel.Points}
	}
	return &p
}

// product returns the product that makes out pixels of each of some samples
// from what src lays out, which has the axes laid.
func (c convolution) product(src source, laid, out [3]int, samples int) kernel.Product {
	p := kernel.Product{
		Width: out[2], AStep: c.Stride[2] * c.ci, CStep: c.co, KL: c.Kernel[2] * c.ci, N: c.co,
		CLine: lines(samples, out, out, [3]int{1, 1, 1}, [3]int{}, c.co),
	}
	if f, ok := src.(filterer); ok {
		p.Width, p.AStep, p.KL = f.Tiles(), c.ci, c.ci
	}
	line, grid := src.size()/src.lines(), [3]int{laid[0], laid[1], 1}
	p.ALine = lines(samples, grid, out, c.Stride, [3]int{}, line)
	p.Seg = segments(c.Kernel, grid, line)
	return p
}
