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
	pack := func(packed []float32, panel int) { kernel.PackPanel(packed, w, depth, co, panel) }
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

func (c convolution) tasks() tasks {
	o := c.out(c.in)
	t := cut(c.n, volume(o[:]), c.co)
	t.rows = volume(o[:])
	if c.filters(c.in, c.ci, c.co) {
		t.rows = o[0] * o[1] * c.filtering(c.in).Tiles()
	}
	return t
}

func (c convolution) source() source {
	if c.filters(c.in, c.ci, c.co) {
		return c.filterer(c.in, c.ci)
	}
	return c.padder(c.in, c.ci)
}

// weights returns how many floats the packed weights take, and those that they
// are filtered from.
func (c convolution) weights() (packed, raw int) {
	k := c.Kernel
	packed = kernel.PackedLen(volume(k[:])*c.ci, c.co)
	if c.filters(c.in, c.ci, c.co) {
		return kernel.Points * packed / k[2], packed
	}
	return packed, 0
}

func (c convolution) scratch() int {
	packed, raw := c.weights()
	return packed + raw + scratchOf(c.source(), c.tasks())
}

// bind returns what convolves x with weights that pack packs, panel by panel.
func (c convolution) bind(b binding, x []float32, pack func(packed []float32, panel int), constant bool, e epilogue) func() {
	t, src := c.tasks().of(b.workers), c.source()
	length, rest := c.weights()
	packed, raw := b.tmp[:length], b.tmp[length:length+rest]
	tmp := b.tmp[length+rest:]
	if constant {
		packed, raw = make([]float32, length), make([]float32, rest)
	}
	multiply, depth := c.products(t, src)
	o := c.out(c.in)
	size := volume(o[:]) * c.co
	run := t.run(b.workers, src, x, tmp, func(a []float32, first, samples, part, cut int) {
		q, from := multiply[cut], t.first(cut)
		ep := kernel.Epilogue{Act: e.act}
		if e.bias != nil {
			ep.Bias = e.bias[from:t.first(cut+1)]
		}
		if e.residual != nil {
			ep.Residual = e.residual[first*size+from:]
		}
		rows := samples * t.rows
		q.Forward(b.out[first*size+from:], a, packed[from*depth:], rows*part/t.parts, rows*(part+1)/t.parts, ep)
	})
	panels := (c.co + kernel.Panel - 1) / kernel.Panel
	packPanel := func(panel, _ int) {
		if rest == 0 {
			pack(packed, panel)
			return
		}
		pack(raw, panel)
		k := len(raw) / panels
		c.filtering(c.in).Panel(packed[panel*kernel.Panel*depth:], length/kernel.Points, raw[panel*k:(panel+1)*k], c.ci)
	}
	packAll := func() { b.workers.Run(panels, packPanel) }
	if constant {
		*b.refresh = append(*b.refresh, packAll)
		return run
	}
	return func() { packAll(); run() }
}

// multiplier is a product, or one by minimal filtering.
type multiplier interface {
	Forward(c, a, packed []float32, lo, hi int, e kernel.Epilogue)
}

// products returns the product for each range of columns, and its depth.
func (c convolution) products(t tasks, src source) (m []multiplier, depth int) {
	o := c.out(c.in)
	p := kernel.Product{
		Width: o[2], AStep: c.Stride[2] * c.ci, CStep: c.co, KL: c.Kernel[2] * c.ci,
		CLine: lines(t.per, o, o, [3]int{1, 1, 1}, [3]int{}, c.co),
	}
	f, filtered := src.(filterer)
	if filtered {
		p.Width, p.AStep, p.KL = f.Tiles(), c.ci, c.ci
	}
	p.ALine, p.Seg = c.reads(src, t.per)
	for i := range t.cuts {
		q := p
		q.N = t.first(i+1) - t.first(i)
		if filtered {
			packed, _ := c.weights()
			m = append(m, &kernel.Filtered{Product: q, Filtering: f.Filtering, AComponent: p.Width * c.ci, Packed: packed / kernel.Points})
		} else {
			m = append(m, &q)
		}
	}
	return m, len(p.Seg) * p.KL
}

// reads returns where the lines of outputs of some samples begin in what src
// lays out, and where the segments of a window do.
func (c convolution) reads(src source, samples int) (start, segments []int) {
	o, laid, line := c.out(c.in), c.padded(c.in), src.size()/src.lines()
	for n := range samples {
		for d := range o[0] {
			for h := range o[1] {
				start = append(start, line*((n*laid[0]+d*c.Stride[0])*laid[1]+h*c.Stride[1]))
			}
		}
	}
	for d := range c.Kernel[0] {
		for h := range c.Kernel[1] {
			segments = append(segments, line*(d*laid[1]+h))
		}
	}
	return start, segments
}
