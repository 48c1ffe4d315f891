package nn

import "github.com/goastroml/goastroml/astroml/internal/kernel"

// ConvGradW is the gradient of Conv for w, of inputs x and dy.
type ConvGradW struct {
	spec
	Window
}

func (c ConvGradW) convolution() convolution {
	return convolution{c.Window, c.In[0][0], axes(c.In[0]), c.In[0][4], c.Out[4]}
}

// sums is the number of components of the gradient and the floats of each: one,
// or those of minimal filtering.
func (c ConvGradW) sums() (components, size int) {
	v := c.convolution()
	if v.filters(v.in, v.ci, v.co) {
		return kernel.Points, volume(c.Out) / c.Kernel[2]
	}
	return 1, volume(c.Out)
}

// shards returns into how many ranges of rows, each with sums of its own, or
// else ranges of weights the work is cut. Ranges of rows read the data once, but
// need as many sums: they must not take more memory than the data. Neither
// depends on the workers.
func (c ConvGradW) shards() (rows, weights int) {
	components, size := c.sums()
	rows = min(16, volume(c.In[1][:4])/512)
	if rows >= 4 && rows*components*size <= volume(c.In[0])+volume(c.In[1])+1<<18 {
		return rows, 1
	}
	return 1, min(16, (size/c.Out[4]+79)/80)
}

// spread returns the floats of all samples of dy as they are laid out.
func (c ConvGradW) spread() int {
	v := c.convolution()
	if v.filters(v.in, v.ci, v.co) {
		return volume(c.In[1][:3]) * v.filtering(v.in).Line(v.co)
	}
	return 0
}

func (c ConvGradW) scratch() int {
	v := c.convolution()
	n := c.spread()
	if src := v.source(); !src.asGiven() {
		n += src.size() * v.n
	}
	if components, size := c.sums(); components > 1 {
		n += components * size * c.rows()
	} else if c.rows() > 1 {
		n += size * c.rows()
	}
	return n
}

func (c ConvGradW) rows() int { rows, _ := c.shards(); return rows }

func (c ConvGradW) bind(b binding) func() {
	x, dy := b.in[0], b.in[1]
	v := c.convolution()
	src := v.source()
	rowShards, cuts := c.shards()
	components, size := c.sums()
	tmp := b.tmp
	take := func(n int) []float32 { s := tmp[:n]; tmp = tmp[n:]; return s }

	sums, laid, gradient := b.out, x, dy
	if components > 1 || rowShards > 1 {
		sums = take(rowShards * components * size)
	}
	if !src.asGiven() {
		laid = take(src.size() * v.n)
	}
	lay := layAll(b.workers, src, x, laid, v.n)
	if components > 1 {
		gradient = take(c.spread())
	}
	p, a, y := c.product(src)
	rows, k := p.Rows(), len(p.Seg)*p.KL
	run := func(task, _ int) {
		s, cut := task/cuts, task%cuts
		lo, hi := k*cut/cuts, k*(cut+1)/cuts
		for i := range components {
			dw := sums[(s*components+i)*size:][:size]
			clear(dw[lo*v.co : hi*v.co])
			p.Weights(dw, laid[i*a:], gradient[i*y:], rows*s/rowShards, rows*(s+1)/rowShards, lo, hi)
		}
	}
	finish := c.finish(b, sums, rowShards)
	spread := c.spreader(b.workers, gradient, dy)
	return func() {
		lay()
		spread()
		b.workers.Run(rowShards*cuts, run)
		finish()
	}
}

// product returns the product of a component, and how far components are apart
// in x and in dy as they are laid out.
func (c ConvGradW) product(src source) (p *kernel.Product, a, y int) {
	v := c.convolution()
	o := axes(c.In[1])
	p = &kernel.Product{
		Width: o[2], AStep: c.Stride[2] * v.ci, CStep: v.co, KL: c.Kernel[2] * v.ci, N: v.co,
		CLine: lines(v.n, o, o, [3]int{1, 1, 1}, [3]int{}, v.co),
	}
	p.ALine, p.Seg = v.reads(src, v.n)
	if f, ok := src.(filterer); ok {
		p.Width, p.AStep, p.KL = f.Tiles(), v.ci, v.ci
		for i := range p.CLine {
			p.CLine[i] = i * f.Line(v.co)
		}
		a, y = p.Width*v.ci, p.Width*v.co
	}
	return p, a, y
}

// spreader returns what lays out dy for minimal filtering.
func (c ConvGradW) spreader(w *kernel.Workers, gradient, dy []float32) func() {
	v := c.convolution()
	f, ok := v.source().(filterer)
	if !ok {
		return func() {}
	}
	lines := volume(c.In[1][:3])
	from, to := len(dy)/lines, f.Line(v.co)
	tasks, per := chunks(lines, to)
	run := func(task, _ int) {
		lo, hi := task*per, min(lines, (task+1)*per)
		f.Gradient(gradient[lo*to:hi*to], dy[lo*from:hi*from], hi-lo, v.co)
	}
	return func() { w.Run(tasks, run) }
}

// finish returns what adds the sums of all shards, and makes weights of their
// components.
func (c ConvGradW) finish(b binding, sums []float32, shards int) func() {
	components, size := c.sums()
	if components == 1 && shards == 1 {
		return func() {}
	}
	total := sums[:components*size]
	if components == 1 {
		total = b.out
	}
	add := each(b.workers, len(total), func(lo, hi int) {
		if components == 1 {
			copy(total[lo:hi], sums[lo:hi])
		}
		for s := 1; s < shards; s++ {
			kernel.Axpy(total[lo:hi], 1, sums[s*components*size+lo:][:hi-lo])
		}
	})
	if components == 1 {
		return add
	}
	v := c.convolution()
	n, f := v.ci*v.co, v.filtering(v.in)
	collect := func(s, _ int) {
		f.Collect(b.out[s*f.Taps*n:(s+1)*f.Taps*n], total[s*n:], size, n)
	}
	return func() {
		add()
		b.workers.Run(c.Kernel[0]*c.Kernel[1], collect)
	}
}
