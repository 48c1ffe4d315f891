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

// group returns how many samples a task of a convolution takes: enough rows to
// fill the tiles, few enough to stay in cache, and all tasks alike.
func group(n, rows int) int {
	most := min(n, max(1, 256/rows))
	groups := (n + most - 1) / most
	return (n + groups - 1) / groups
}

// lines returns where the lines of samples start in an array of the given
// axes, for the positions of out, with sub-grid step and first.
func lines(samples int, axes, out, step, first [3]int, c int) []int {
	var l []int
	for n := range samples {
		for d := range out[0] {
			for h := range out[1] {
				l = append(l, c*(((n*axes[0]+d*step[0]+first[0])*axes[1]+h*step[1]+first[1])*axes[2]+first[2]))
			}
		}
	}
	return l
}

// segments returns where the (kD, kH) taps start.
func segments(kernel, axes [3]int, c int) []int {
	var s []int
	for d := range kernel[0] {
		for h := range kernel[1] {
			s = append(s, c*(d*axes[1]+h)*axes[2])
		}
	}
	return s
}

// pad copies one sample into the middle of a larger one; the rest is zero.
func pad(dst, src []float32, in, out [3]int, lo [3]int, c int) {
	clear(dst)
	for d := range in[0] {
		for h := range in[1] {
			from := (d*in[1] + h) * in[2] * c
			to := (((d+lo[0])*out[1]+h+lo[1])*out[2] + lo[2]) * c
			copy(dst[to:to+in[2]*c], src[from:])
		}
	}
}

// maxWorkers bounds the scratch that operations hold for each worker.
const maxWorkers = 64

// padder gives tasks their padded samples.
type padder struct {
	in, out, lo [3]int
	c           int
}

func (w Window) padder(in [3]int, c int) padder {
	return padder{in, w.padded(in), [3]int{w.Pad[0][0], w.Pad[1][0], w.Pad[2][0]}, c}
}

func (p padder) size() int { return volume(p.out[:]) * p.c }

// group pads the samples of x into tmp; it returns x where nothing is to pad.
func (p padder) group(tmp, x []float32, samples int) []float32 {
	if p.in == p.out {
		return x
	}
	from, to := volume(p.in[:])*p.c, p.size()
	for i := range samples {
		pad(tmp[i*to:(i+1)*to], x[i*from:(i+1)*from], p.in, p.out, p.lo, p.c)
	}
	return tmp
}

func (c Conv) scratch() int {
	n := kernel.PackedLen(volume(c.In[1][:4]), c.Out[4])
	if c.isPadded() {
		p := c.padder(axes(c.In[0]), c.In[0][4])
		n += p.size() * c.tasks().samples()
	}
	return n
}

// tasks is how a batch is cut: groups of samples; for few large samples ranges
// of rows, and for few rows in all ranges of columns.
type tasks struct {
	n, rows, per, parts int // samples, rows a sample, samples a group, parts of a group
	columns, cuts       int // columns, ranges of columns
}

// strip is a multiple of the columns of a tile, whatever the instruction set.
const strip = 32

// cut returns the tasks of n samples with the given number of rows and columns.
func cut(n, rows, columns int) tasks {
	t := tasks{n: n, rows: rows, per: group(n, rows), parts: 1, columns: columns, cuts: 1}
	if n < 8 && rows > 4096 {
		t.parts = (rows + 4095) / 4096
	}
	if g := t.groups(); t.parts == 1 && g < 8 && n*rows >= 32 {
		t.cuts = max(1, min(columns/(2*strip), 8/g))
	}
	return t
}

func (c Conv) tasks() tasks {
	o := axes(c.Out)
	return cut(c.Out[0], volume(o[:]), c.Out[4])
}

func (t tasks) groups() int { return (t.n + t.per - 1) / t.per }

// samples returns how many padded samples are alive at a time.
func (t tasks) samples() int {
	if t.shared() {
		return t.n
	}
	return t.per * min(maxWorkers, t.groups())
}

// shared reports whether several tasks read the same samples.
func (t tasks) shared() bool { return t.parts*t.cuts > 1 }

// of returns the tasks for a crew. A single worker needs no ranges of columns,
// and no result depends on them.
func (t tasks) of(w *kernel.Workers) tasks {
	if w.N() == 1 {
		t.cuts = 1
	}
	return t
}

// cutProduct returns p for each range of columns, and where the ranges start.
func (t tasks) cutProduct(p *kernel.Product) (cut []*kernel.Product, first []int) {
	strips := (t.columns + strip - 1) / strip
	for i := range t.cuts {
		lo, hi := strips*i/t.cuts*strip, min(strips*(i+1)/t.cuts*strip, t.columns)
		q := *p
		q.N = hi - lo
		cut, first = append(cut, &q), append(first, lo)
	}
	return cut, first
}

// product runs p over a batch: C = A·B, k values deep.
func (t tasks) product(b binding, p *kernel.Product, k int, pd padder, x, packed, tmp, bias, residual []float32, act Act) func() {
	in, out := volume(pd.in[:])*pd.c, t.rows*t.columns
	size := pd.size()
	products, columns := t.cutProduct(p)
	run := func(task, worker int) {
		g, part, cut := task/t.cuts/t.parts, task/t.cuts%t.parts, task%t.cuts
		first := g * t.per
		samples := min(t.per, t.n-first)
		var a []float32
		switch {
		case !t.shared():
			a = pd.group(tmp[min(len(tmp), worker*t.per*size):], x[first*in:], samples)
		case pd.in != pd.out:
			a = tmp[first*size:]
		default:
			a = x[first*in:]
		}
		rows := samples * t.rows
		q, from := products[cut], columns[cut]
		e := kernel.Epilogue{Act: act}
		if bias != nil {
			e.Bias = bias[from : from+q.N]
		}
		if residual != nil {
			e.Residual = residual[first*out+from:]
		}
		q.Forward(b.out[first*out+from:], a, packed[from*k:], rows*part/t.parts, rows*(part+1)/t.parts, e)
	}
	padAll := func(i, _ int) { pd.group(tmp[i*size:], x[i*in:(i+1)*in], 1) }
	n := t.groups() * t.parts * t.cuts
	return func() {
		if t.shared() && pd.in != pd.out {
			b.workers.Run(t.n, padAll)
		}
		b.workers.Run(n, run)
	}
}

// packing returns a function that packs the k×n matrix w.
func (b binding) packing(packed, w []float32, k, n int) func() {
	pack := func(panel, _ int) { kernel.PackPanel(packed, w, k, n, panel) }
	panels := (n + kernel.Panel - 1) / kernel.Panel
	return func() { b.workers.Run(panels, pack) }
}

func (c Conv) bind(b binding) func() {
	x, w := b.in[0], b.in[1]
	t, ci, co := c.tasks().of(b.workers), c.In[0][4], c.Out[4]
	pd := c.padder(axes(c.In[0]), ci)
	o := axes(c.Out)
	k := c.Kernel
	p := &kernel.Product{
		Width: o[2], AStep: c.Stride[2] * ci, CStep: co, KL: k[2] * ci, N: co,
		ALine: lines(t.per, pd.out, o, c.Stride, [3]int{}, ci),
		CLine: lines(t.per, o, o, [3]int{1, 1, 1}, [3]int{}, co),
		Seg:   segments(k, pd.out, ci),
	}
	depth := len(p.Seg) * p.KL
	packed := b.tmp[:kernel.PackedLen(depth, co)]
	tmp := b.tmp[len(packed):]
	if b.constant[1] {
		packed = make([]float32, len(packed))
	}
	pack := b.packing(packed, w, depth, co)
	var bias, residual []float32
	if len(b.in) > 2 {
		bias = b.in[2]
	}
	if len(b.in) > 3 {
		residual = b.in[3]
	}
	run := t.product(b, p, depth, pd, x, packed, tmp, bias, residual, c.Act)
	if b.constant[1] {
		*b.refresh = append(*b.refresh, pack)
		return run
	}
	return func() { pack(); run() }
}
