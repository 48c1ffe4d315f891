package nn

import "github.com/goastroml/goastroml/astroml/internal/kernel"

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

// maxWorkers bounds the scratch that operations hold for each worker.
const maxWorkers = kernel.MaxWorkers

// tasks is how a batch is cut: groups of samples; for few large samples ranges
// of rows, and for few rows in all ranges of columns.
type tasks struct {
	n, rows, per, parts int // samples, rows of a sample's product, samples a group, parts of a group
	columns, cuts       int // columns, ranges of columns
}

// strip is a multiple of the columns of a tile, whatever the instruction set.
const strip = 32

// cut returns the tasks of n samples with the given number of pixels and columns.
func cut(n, pixels, columns int) tasks {
	t := tasks{n: n, per: group(n, pixels), parts: 1, columns: columns, cuts: 1}
	if n < 8 && pixels > 4096 {
		t.parts = (pixels + 4095) / 4096
	}
	if g := t.groups(); t.parts == 1 && g < 8 && n*pixels >= 32 {
		t.cuts = max(1, min(columns/(2*strip), 8/g))
	}
	return t
}

func (t tasks) groups() int { return (t.n + t.per - 1) / t.per }

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

// first returns the first column of a range.
func (t tasks) first(cut int) int {
	strips := (t.columns + strip - 1) / strip
	return min(strips*cut/t.cuts*strip, t.columns)
}

// source lays samples out as products read them.
type source interface {
	given() int                       // floats of a sample as it is given
	size() int                        // floats of a sample as it is laid out
	lines() int                       // lines of a sample as it is laid out
	lay(dst, x []float32, lo, hi int) // lays out lines lo to hi-1 of a sample, from the start of dst
	asGiven() bool                    // nothing is to be done
}

// scratchOf returns how many floats the samples take that are laid out at a time.
func scratchOf(src source, t tasks) int {
	switch {
	case src.asGiven():
		return 0
	case t.shared():
		return src.size() * t.n
	}
	return src.size() * t.per * min(maxWorkers, t.groups())
}

// run calls f for each task: with the samples of its group, as they are laid
// out, the number of the first and how many there are.
func (t tasks) run(w *kernel.Workers, src source, x, tmp []float32, f func(a []float32, first, samples, part, cut int)) func() {
	given, size := src.given(), src.size()
	run := func(task, worker int) {
		g, part, cut := task/t.cuts/t.parts, task/t.cuts%t.parts, task%t.cuts
		first := g * t.per
		samples := min(t.per, t.n-first)
		var a []float32
		switch {
		case src.asGiven():
			a = x[first*given:]
		case t.shared():
			a = tmp[first*size:]
		default:
			a = tmp[worker*t.per*size : (worker+1)*t.per*size]
			for i := range samples {
				src.lay(a[i*size:(i+1)*size], x[(first+i)*given:(first+i+1)*given], 0, src.lines())
			}
		}
		f(a, first, samples, part, cut)
	}
	lay := layAll(w, src, x, tmp, t.n)
	n := t.groups() * t.parts * t.cuts
	return func() {
		if t.shared() {
			lay()
		}
		w.Run(n, run)
	}
}

// layAll lays out n samples in parallel.
func layAll(w *kernel.Workers, src source, x, tmp []float32, n int) func() {
	if src.asGiven() {
		return func() {}
	}
	given, size, lines := src.given(), src.size(), src.lines()
	parts, per := chunks(lines, size/lines)
	lay := func(task, _ int) {
		i, lo := task/parts, task%parts*per
		src.lay(tmp[i*size+lo*(size/lines):(i+1)*size], x[i*given:(i+1)*given], lo, min(lines, lo+per))
	}
	return func() { w.Run(n*parts, lay) }
}

// padder is a source of samples with zeros around them.
type padder struct {
	in, out, lo [3]int
	c           int
}

func (w Window) padder(in [3]int, c int) padder {
	return padder{in, w.padded(in), [3]int{w.Pad[0][0], w.Pad[1][0], w.Pad[2][0]}, c}
}

func (p padder) given() int    { return volume(p.in[:]) * p.c }
func (p padder) size() int     { return volume(p.out[:]) * p.c }
func (p padder) lines() int    { return p.out[0] * p.out[1] }
func (p padder) asGiven() bool { return p.in == p.out }

func (p padder) lay(dst, x []float32, lo, hi int) {
	from, to := p.in[2]*p.c, p.out[2]*p.c
	for l := lo; l < hi; l++ {
		line := dst[(l-lo)*to : (l-lo+1)*to]
		if i, ok := p.line(l); ok {
			clear(line[:p.lo[2]*p.c])
			clear(line[p.lo[2]*p.c+copy(line[p.lo[2]*p.c:], x[i*from:(i+1)*from]):])
		} else {
			clear(line)
		}
	}
}

// line returns which line of the sample stands in padded line l, if any.
func (p padder) line(l int) (line int, ok bool) {
	d, h := l/p.out[1]-p.lo[0], l%p.out[1]-p.lo[1]
	return d*p.in[1] + h, d >= 0 && d < p.in[0] && h >= 0 && h < p.in[1]
}

// filterer is a source of samples for minimal filtering along W, with zeros
// around them.
type filterer struct {
	padder
	kernel.Filtering
}

// filters reports whether a convolution is worth to be filtered: a tile has
// fewer products than the definition by a quarter at least, and there are enough
// channels for that to outweigh sums before and after.
func (w Window) filters(in [3]int, ci, co int) bool {
	const few = 16
	k, o := w.Kernel[2], w.out(in)
	if k < 2 || k > 5 || w.Stride[2] != 1 || ci < few || co < few {
		return false
	}
	return 4*kernel.Points*w.filtering(in).Tiles() <= 3*k*o[2]
}

func (w Window) filtering(in [3]int) kernel.Filtering {
	return kernel.Filtering{Taps: w.Kernel[2], Pixels: w.out(in)[2]}
}

func (w Window) filterer(in [3]int, c int) filterer {
	return filterer{w.padder(in, c), w.filtering(in)}
}

func (f filterer) size() int     { return f.lines() * f.Line(f.c) }
func (f filterer) asGiven() bool { return false }

func (f filterer) lay(dst, x []float32, lo, hi int) {
	from, to := f.in[2]*f.c, f.Line(f.c)
	for l := lo; l < hi; {
		i, ok := f.line(l)
		if !ok {
			clear(dst[:to])
			dst = dst[to:]
			l++
			continue
		}
		// Lines of one plane lie together in both.
		n := min(hi-l, f.in[1]-i%f.in[1])
		f.Data(dst[:n*to], x[i*from:(i+n)*from], n, f.c, f.lo[2])
		dst = dst[n*to:]
		l += n
	}
}
