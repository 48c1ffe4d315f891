package nn

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
)

// ConvGradX is the gradient of Conv for x, of inputs w and dy; as a layer of its
// own it is the transposed convolution. With strides it falls apart into one
// convolution of dy for each phase of the stride.
type ConvGradX struct {
	spec
	Window
}

// ConvTranspose draws the transposed convolution of x (N,D,H,W,I) with w
// (kD,kH,kW,C,I), which makes (L-1)·Stride + Kernel - Pad pixels of L on each
// axis: the adjoint of the convolution with the same window (Dumoulin & Visin
// 2016, arXiv:1603.07285, chapter 4). The bias b (C) may be nil.
func (g *Graph) ConvTranspose(x, w, b *Node, win Window) *Node {
	if g.err != nil {
		return nil
	}
	xs, ws := x.Shape(), w.Shape()
	if len(xs) != 5 || len(ws) != 5 || xs[4] != ws[4] {
		return g.fail("transposed convolution of %v with %v: %w", xs, ws, astroml.ErrShape)
	}
	win.Kernel = [3]int{ws[0], ws[1], ws[2]}
	out := []int{xs[0], 0, 0, 0, ws[3]}
	for i, n := range axes(xs) {
		out[i+1] = (n-1)*win.Stride[i] + win.Kernel[i] - win.Pad[i][0] - win.Pad[i][1]
		if out[i+1] < 1 {
			return g.fail("a transposed convolution of %d pixels with a window of %d, stride %d and padding %v has none left: %w",
				n, win.Kernel[i], win.Stride[i], win.Pad[i], astroml.ErrShape)
		}
	}
	g.macs += volume(xs) * volume(ws[:4])
	y := g.apply(ConvGradX{shapes(fmt.Sprint("convgradx", win), out, w, x), win}, w, x)
	if b == nil {
		return y
	}
	return g.Bias(y, b)
}

func (c ConvGradX) DiffWRT(n int) []bool { return all(n) }

// SymDiff returns the gradients for w and for dy: it is linear in both.
func (c ConvGradX) SymDiff(in gorgonia.Nodes, _, grad *Node) (gorgonia.Nodes, error) {
	var s sequence
	w, dy := in[0], in[1]
	name := fmt.Sprint(c.Window)
	return gorgonia.Nodes{
		s.apply(ConvGradW{shapes("convgradw"+name, w.Shape(), grad, dy), c.Window}, grad, dy),
		s.apply(Conv{shapes(fmt.Sprintf("conv%v/%v/2", c.Window, Identity), dy.Shape(), grad, w), c.Window, Identity}, grad, w),
	}, s.err
}

// window returns the window, with strides as long as can be: where there is a
// single position any will do, and a pixel is then reached by one tap.
func (c ConvGradX) window() Window {
	w := c.Window
	for i, n := range axes(c.In[1]) {
		if n == 1 {
			w.Stride[i] = max(w.Stride[i], w.Kernel[i])
		}
	}
	return w
}

// phase is the set of input pixels whose distance to the window's start has
// the same remainder by the stride. Taps first + stride·j, j < taps, reach it.
type phase struct {
	first [3]int // first pixel
	count [3]int // number of pixels
	tap   [3]int // first tap
	taps  [3]int // number of taps
	start [3]int // position in padded dy of the first window
}

// reach returns how far dy is to be padded, and the phases.
func (c ConvGradX) reach() (w Window, phases []phase) {
	in, out := axes(c.Out), axes(c.In[1])
	w.Kernel, w.Stride = [3]int{1, 1, 1}, [3]int{1, 1, 1}
	for i := range in {
		w.Pad[i][0] = (c.Kernel[i]+c.Stride[i]-1)/c.Stride[i] - 1
		w.Pad[i][1] = max(0, (in[i]-1+c.Pad[i][0])/c.Stride[i]-out[i]+1)
	}
	for r0 := range c.Stride[0] {
		for r1 := range c.Stride[1] {
			for r2 := range c.Stride[2] {
				var p phase
				for i, r := range [3]int{r0, r1, r2} {
					s := c.Stride[i]
					// Pixels x with (x + Pad) mod s = r.
					p.first[i] = ((r-c.Pad[i][0])%s + s) % s
					p.count[i] = max(0, (in[i]-p.first[i]+s-1)/s)
					p.tap[i] = r
					p.taps[i] = max(0, (c.Kernel[i]-r+s-1)/s)
					q := (p.first[i] + c.Pad[i][0] - r) / s
					p.start[i] = q - p.taps[i] + 1 + w.Pad[i][0]
				}
				if volume(p.count[:]) > 0 {
					phases = append(phases, p)
				}
			}
		}
	}
	return w, phases
}

// transposed returns the convolution of dy with reversed weights that the
// gradient is where there are no strides.
func (c ConvGradX) transposed() (v convolution, ok bool) {
	if !c.isUnit() {
		return v, false
	}
	w := Window{Kernel: c.Kernel, Stride: c.Stride}
	for i, p := range c.Pad {
		w.Pad[i] = [2]int{c.Kernel[i] - 1 - p[0], c.Kernel[i] - 1 - p[1]}
		if w.Pad[i][0] < 0 || w.Pad[i][1] < 0 {
			return v, false
		}
	}
	return convolution{w, c.Out[0], axes(c.In[1]), c.In[0][4], c.In[0][3]}, true
}

func (c ConvGradX) tasks() tasks {
	in := axes(c.Out)
	return cut(c.Out[0], volume(in[:]), c.Out[4])
}

func (c ConvGradX) scratch() int {
	c.Window = c.window()
	if v, ok := c.transposed(); ok {
		return v.scratch()
	}
	w, phases := c.reach()
	n := scratchOf(w.padder(axes(c.In[1]), c.In[1][4]), c.tasks())
	for _, p := range phases {
		n += kernel.PackedLen(volume(p.taps[:])*c.In[0][4], c.In[0][3])
	}
	return n
}

func (c ConvGradX) bind(b binding) func() {
	c.Window = c.window()
	w, dy := b.in[0], b.in[1]
	win, phases := c.reach()
	if v, ok := c.transposed(); ok {
		pack := func(dst []float32, panel int) { c.pack(dst, w, phases[0], panel) }
		return v.bind(b, dy, pack, b.constant[0], epilogue{})
	}
	ci, co := c.In[0][3], c.In[0][4]
	in, out := axes(c.Out), axes(c.In[1])
	src := win.padder(out, co)
	t := c.tasks().of(b.workers)
	take := taker(b.tmp)

	type part struct {
		phase
		products []*kernel.Product // one a range of columns
		k        int               // values of a row of the product
		packed   []float32
	}
	var parts []part
	empty := false
	for _, ph := range phases {
		if volume(ph.taps[:]) == 0 {
			empty = true
			continue
		}
		q := part{phase: ph, k: volume(ph.taps[:]) * co}
		p := kernel.Product{
			Width: ph.count[2], AStep: co, CStep: c.Stride[2] * ci, KL: ph.taps[2] * co,
			ALine: lines(t.per, src.out, ph.count, [3]int{1, 1, 1}, ph.start, co),
			CLine: lines(t.per, in, ph.count, c.Stride, ph.first, ci),
			Seg:   segments(ph.taps, src.out, co),
		}
		for cut := range t.cuts {
			own := p
			own.N = t.first(cut+1) - t.first(cut)
			q.products = append(q.products, &own)
		}
		q.packed = take(kernel.PackedLen(q.k, ci))
		parts = append(parts, q)
	}
	to := volume(in[:]) * ci
	run := t.run(b.workers, src, dy, take(scratchOf(src, c.tasks())), func(a []float32, first, samples, piece, cut int) {
		from := t.first(cut)
		for _, q := range parts {
			rows := samples * volume(q.count[:])
			q.products[cut].Forward(b.out[first*to+from:], a, q.packed[from*q.k:], rows*piece/t.parts, rows*(piece+1)/t.parts, kernel.Epilogue{})
		}
	})
	panels := (ci + kernel.Panel - 1) / kernel.Panel
	pack := func(task, _ int) {
		q := parts[task/panels]
		n := kernel.Panel * q.k
		c.pack(q.packed[task%panels*n:(task%panels+1)*n], w, q.phase, task%panels)
	}
	return func() {
		b.workers.Run(len(parts)*panels, pack)
		if empty {
			clear(b.out)
		}
		run()
	}
}

// pack packs one panel of the taps of a phase to dst: backwards, with the
// channels exchanged.
func (c ConvGradX) pack(dst, w []float32, p phase, panel int) {
	const few = 128 // output channels at a time, so that their rows stay in cache
	ci, co := c.In[0][3], c.In[0][4]
	lo := panel * kernel.Panel
	hi := min(lo+kernel.Panel, ci)
	if hi-lo < kernel.Panel {
		clear(dst)
	}
	for d := p.taps[0] - 1; d >= 0; d-- {
		for h := p.taps[1] - 1; h >= 0; h-- {
			for x := p.taps[2] - 1; x >= 0; x-- {
				t := (((p.tap[0]+d*c.Stride[0])*c.Kernel[1]+p.tap[1]+h*c.Stride[1])*c.Kernel[2] + p.tap[2] + x*c.Stride[2]) * ci * co
				for o := 0; o < co; o += few {
					last := min(o+few, co)
					for j := lo; j < hi; j++ {
						at := j - lo
						for _, v := range w[t+j*co+o : t+j*co+last] {
							dst[at] = v
							at += kernel.Panel
						}
					}
					dst = dst[(last-o)*kernel.Panel:]
				}
			}
		}
	}
}
