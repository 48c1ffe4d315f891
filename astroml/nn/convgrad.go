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

func (c ConvGradX) tasks() tasks {
	in := axes(c.Out)
	return cut(c.Out[0], volume(in[:]), c.Out[4])
}

func (c ConvGradX) scratch() int {
	w, phases := c.reach()
	n := 0
	for _, p := range phases {
		n += kernel.PackedLen(volume(p.taps[:])*c.In[0][4], c.In[0][3])
	}
	if w.isPadded() {
		pd := w.padder(axes(c.In[1]), c.In[1][4])
		n += pd.size() * c.tasks().samples()
	}
	return n
}

func (c ConvGradX) bind(b binding) func() {
	w, dy := b.in[0], b.in[1]
	ci, co := c.In[0][3], c.In[0][4]
	win, phases := c.reach()
	in, out := axes(c.Out), axes(c.In[1])
	pd := win.padder(out, co)
	t := c.tasks().of(b.workers)
	tmp := b.tmp
	take := func(n int) []float32 { s := tmp[:n]; tmp = tmp[n:]; return s }

	type part struct {
		phase
		p       []*kernel.Product // one a range of columns
		columns []int
		k       int // values of a row of the product
		packed  []float32
	}
	var parts []part
	empty := false
	for _, ph := range phases {
		if volume(ph.taps[:]) == 0 {
			empty = true
			continue
		}
		p := &kernel.Product{
			Width: ph.count[2], AStep: co, CStep: c.Stride[2] * ci, KL: ph.taps[2] * co, N: ci,
			ALine: lines(t.per, pd.out, ph.count, [3]int{1, 1, 1}, ph.start, co),
			CLine: lines(t.per, in, ph.count, c.Stride, ph.first, ci),
			Seg:   segments(ph.taps, pd.out, co),
		}
		q := part{phase: ph, k: volume(ph.taps[:]) * co}
		q.p, q.columns = t.cutProduct(p)
		q.packed = take(kernel.PackedLen(q.k, ci))
		parts = append(parts, q)
	}
	size, from, to := pd.size(), volume(out[:])*co, volume(in[:])*ci
	pads := tmp
	padAll := func(i, _ int) { pd.group(pads[i*size:], dy[i*from:(i+1)*from], 1) }
	run := func(task, worker int) {
		g, piece, cut := task/t.cuts/t.parts, task/t.cuts%t.parts, task%t.cuts
		first := g * t.per
		samples := min(t.per, t.n-first)
		var a []float32
		switch {
		case !t.shared():
			a = pd.group(pads[min(len(pads), worker*t.per*size):], dy[first*from:], samples)
		case pd.in != pd.out:
			a = pads[first*size:]
		default:
			a = dy[first*from:]
		}
		for _, q := range parts {
			rows, column := samples*volume(q.count[:]), q.columns[cut]
			q.p[cut].Forward(b.out[first*to+column:], a, q.packed[column*q.k:], rows*piece/t.parts, rows*(piece+1)/t.parts, kernel.Epilogue{})
		}
	}
	n := t.groups() * t.parts * t.cuts
	panels := (ci + kernel.Panel - 1) / kernel.Panel
	pack := func(task, _ int) {
		q := parts[task/panels]
		c.pack(q.packed, w, q.phase, task%panels)
	}
	return func() {
		b.workers.Run(len(parts)*panels, pack)
		if empty {
			clear(b.out)
		}
		if t.shared() && pd.in != pd.out {
			b.workers.Run(t.n, padAll)
		}
		b.workers.Run(n, run)
	}
}

// pack packs one panel of the taps of a phase: backwards, with the channels
// exchanged.
func (c ConvGradX) pack(packed, w []float32, p phase, panel int) {
	const few = 128 // output channels at a time, so that their rows stay in cache
	ci, co := c.In[0][3], c.In[0][4]
	k := volume(p.taps[:]) * co
	lo := panel * kernel.Panel
	hi := min(lo+kernel.Panel, ci)
	dst := packed[lo*k : (lo+kernel.Panel)*k]
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

// ConvGradW is the gradient of Conv for w, of inputs x and dy.
type ConvGradW struct {
	spec
	Window
}

// shards returns into how many ranges of rows, each with sums of its own, or
// else ranges of weights the work is cut. Ranges of rows read the data once, but
// need as many sums: they must not take more memory than the data. Neither
// depends on the workers.
func (c ConvGradW) shards() (rows, weights int) {
	sums, k := volume(c.Out), volume(c.Out[:4])
	rows = min(16, volume(c.In[1][:4])/512)
	if rows >= 4 && rows*sums <= volume(c.In[0])+volume(c.In[1])+1<<18 {
		return rows, 1
	}
	return 1, min(16, (k+79)/80)
}

func (c ConvGradW) scratch() int {
	s, _ := c.shards()
	n := 0
	if s > 1 {
		n = s * volume(c.Out)
	}
	if c.isPadded() {
		pd := c.padder(axes(c.In[0]), c.In[0][4])
		n += pd.size() * c.In[0][0]
	}
	return n
}

func (c ConvGradW) bind(b binding) func() {
	x, dy := b.in[0], b.in[1]
	n, ci, co := c.In[0][0], c.In[0][4], c.Out[4]
	pd := c.padder(axes(c.In[0]), ci)
	o := axes(c.In[1])
	k := volume(c.Out[:4])
	shards, cuts := c.shards()
	p := &kernel.Product{
		Width: o[2], AStep: c.Stride[2] * ci, CStep: co, KL: c.Kernel[2] * ci, N: co,
		ALine: lines(n, pd.out, o, c.Stride, [3]int{}, ci),
		CLine: lines(n, o, o, [3]int{1, 1, 1}, [3]int{}, co),
		Seg:   segments(c.Kernel, pd.out, ci),
	}
	sums, pads := b.out, b.tmp
	if shards > 1 {
		sums, pads = b.tmp[:shards*k*co], b.tmp[shards*k*co:]
	}
	rows, size, from := n*volume(o[:]), pd.size(), volume(pd.in[:])*ci
	a := x
	if pd.in != pd.out {
		a = pads
	}
	padAll := func(i, _ int) { pd.group(pads[i*size:], x[i*from:(i+1)*from], 1) }
	run := func(task, _ int) {
		s, cut := task/cuts, task%cuts
		dw := sums[s*k*co : (s+1)*k*co]
		lo, hi := k*cut/cuts, k*(cut+1)/cuts
		clear(dw[lo*co : hi*co])
		p.Weights(dw, a, dy, rows*s/shards, rows*(s+1)/shards, lo, hi)
	}
	total := each(b.workers, len(b.out), func(lo, hi int) {
		copy(b.out[lo:hi], sums[lo:hi])
		for s := 1; s < shards; s++ {
			kernel.Axpy(b.out[lo:hi], 1, sums[s*k*co+lo:s*k*co+hi])
		}
	})
	return func() {
		if pd.in != pd.out {
			b.workers.Run(n, padAll)
		}
		b.workers.Run(shards*cuts, run)
		if shards > 1 {
			total()
		}
	}
}
