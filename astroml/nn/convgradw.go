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
	if c.convolution().filtered() {
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
	return 1, min((15+components)/components, (size/c.Out[4]+79)/80)
}

// stretches returns how the rows of a shard are laid out bit by bit, if they are.
func (c ConvGradW) stretches() (s stretches, ok bool) {
	shards, _ := c.shards()
	s, ok = c.convolution().stretches()
	return s, ok && shards > 1 && s.tasks() >= shards
}

// layer lays out what a product reads.
type layer struct {
	x    source
	dy   func(dst, dy []float32, lines int) // nil if dy is read as it is given
	line int                                // floats of a line of dy as it is laid out
}

func (c ConvGradW) layer() layer {
	v := c.convolution()
	l := layer{x: v.source(), line: c.In[1][3] * v.co}
	if f, ok := l.x.(filterer); ok {
		l.line = f.Line(v.co)
		l.dy = func(dst, dy []float32, lines int) { f.Gradient(dst, dy, lines, v.co) }
	}
	return l
}

func (c ConvGradW) scratch() int {
	shards, _ := c.shards()
	components, size := c.sums()
	l, n := c.layer(), 0
	if components > 1 || shards > 1 {
		n = shards * components * size
	}
	if s, ok := c.stretches(); ok {
		return n + min(maxWorkers, shards)*(s.size()+s.per*l.line)
	}
	if !l.x.asGiven() {
		n += l.x.size() * c.In[0][0]
	}
	if l.dy != nil {
		n += l.line * volume(c.In[1][:3])
	}
	return n
}

func (c ConvGradW) bind(b binding) func() {
	shards, _ := c.shards()
	components, size := c.sums()
	sums, tmp := b.out, b.tmp
	if components > 1 || shards > 1 {
		sums, tmp = tmp[:shards*components*size], tmp[shards*components*size:]
	}
	finish := c.finish(b, sums, shards)
	var run func()
	if s, ok := c.stretches(); ok {
		run = c.byStretches(b, s, sums, tmp)
	} else {
		run = c.bySamples(b, sums, tmp)
	}
	return func() { run(); finish() }
}

// add adds to the sums of a component what rows lo to hi-1 of p contribute to
// weights klo to khi-1.
func (c ConvGradW) add(p *kernel.Product, component int, sums, x, dy []float32, lo, hi, klo, khi int) {
	_, size := c.sums()
	p.Weights(sums[component*size:(component+1)*size], x[component*p.Width*p.AStep:], dy[component*p.Width*p.CStep:], lo, hi, klo, khi)
}

// product returns the product of one component; out and samples as for a
// convolution.
func (c ConvGradW) product(l layer, laid, out [3]int, samples int) *kernel.Product {
	p := c.convolution().product(l.x, laid, out, samples)
	for i := range p.CLine {
		p.CLine[i] = i * l.line
	}
	return &p
}

// bySamples lays all samples out, and cuts the rows of all or the weights.
func (c ConvGradW) bySamples(b binding, sums, tmp []float32) func() {
	l, v := c.layer(), c.convolution()
	x, dy := b.in[0], b.in[1]
	count := volume(c.In[1][:3])
	if !l.x.asGiven() {
		x, tmp = tmp[:l.x.size()*v.n], tmp[l.x.size()*v.n:]
	}
	layX := layAll(b.workers, l.x, b.in[0], x, v.n)
	layY := func() {}
	if l.dy != nil {
		dy = tmp[:l.line*count]
		from := len(b.in[1]) / count
		tasks, per := chunks(count, l.line)
		spread := func(task, _ int) {
			lo, hi := task*per, min(count, (task+1)*per)
			l.dy(dy[lo*l.line:hi*l.line], b.in[1][lo*from:hi*from], hi-lo)
		}
		layY = func() { b.workers.Run(tasks, spread) }
	}
	p := c.product(l, v.padded(v.in), axes(c.In[1]), v.n)
	shards, cuts := c.shards()
	components, size := c.sums()
	rows, k := p.Rows(), len(p.Seg)*p.KL
	run := func(task, _ int) {
		s, i, cut := task/cuts/components, task/cuts%components, task%cuts
		lo, hi := k*cut/cuts, k*(cut+1)/cuts
		own := sums[s*components*size : (s+1)*components*size]
		clear(own[i*size+lo*v.co : i*size+hi*v.co])
		c.add(p, i, own, x, dy, rows*s/shards, rows*(s+1)/shards, lo, hi)
	}
	return func() {
		layX()
		layY()
		b.workers.Run(shards*components*cuts, run)
	}
}

// byStretches lays out stretches of lines, each where it stays in cache.
func (c ConvGradW) byStretches(b binding, s stretches, sums, tmp []float32) func() {
	l := c.layer()
	x, dy := b.in[0], b.in[1]
	p := c.product(l, s.laid, [3]int{1, s.per, s.out[2]}, 1)
	shards, _ := c.shards()
	components, size := c.sums()
	k, from, own := len(p.Seg)*p.KL, s.out[2]*p.N, s.size()+s.per*l.line
	run := func(shard, worker int) {
		a, y := tmp[worker*own:][:s.size()], tmp[worker*own+s.size():(worker+1)*own]
		total := sums[shard*components*size : (shard+1)*components*size]
		clear(total)
		for task := s.tasks() * shard / shards; task < s.tasks()*(shard+1)/shards; task++ {
			first, lines := s.lay(a, x, task)
			g := dy[first*from : (first+lines)*from]
			if l.dy != nil {
				l.dy(y[:lines*l.line], g, lines)
				g = y
			}
			for i := range components {
				c.add(p, i, total, a, g, 0, lines*p.Width, 0, k)
			}
		}
	}
	return func() { b.workers.Run(shards, run) }
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
