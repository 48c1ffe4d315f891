package nn

// stretches is how large samples are cut: into stretches of lines of outputs,
// each of which is laid out, with what its windows reach, where it stays in
// cache.
type stretches struct {
	src    source
	win    Window
	n      int
	out    [3]int // pixels of a sample's outputs
	padded [3]int
	per    int    // lines of a stretch
	laid   [3]int // what is laid out for a stretch
}

// stretches returns how c is cut, and whether that is worth it: small samples
// are taken whole, so that weights are read for many rows at a time.
func (c convolution) stretches() (s stretches, ok bool) {
	const (
		pixels = 1024     // of a sample
		cached = 80 << 10 // floats
	)
	s = stretches{src: c.source(), win: c.Window, n: c.n, out: c.out(c.in), padded: c.padded(c.in)}
	if s.src.asGiven() || s.out[1] == 1 || volume(s.out[:]) < pixels {
		return s, false
	}
	lines := cached / (s.src.size() / s.src.lines() * c.Kernel[0]) // a plane
	s.per = min(s.out[1], max(2, (lines-c.Kernel[1])/c.Stride[1]+1))
	count := (s.out[1] + s.per - 1) / s.per
	s.per = (s.out[1] + count - 1) / count // all alike
	s.laid = [3]int{c.Kernel[0], (s.per-1)*c.Stride[1] + c.Kernel[1], 1}
	return s, true
}

// size returns the floats that a stretch takes.
func (s stretches) size() int { return s.laid[0] * s.laid[1] * (s.src.size() / s.src.lines()) }

// plane returns the number of stretches of a plane.
func (s stretches) plane() int { return (s.out[1] + s.per - 1) / s.per }

func (s stretches) tasks() int { return s.n * s.out[0] * s.plane() }

// lay lays out what a task needs of x; it returns the first line of outputs,
// among those of all samples, and how many there are.
func (s stretches) lay(dst, x []float32, task int) (first, lines int) {
	plane, h := task/s.plane(), task%s.plane()*s.per
	n, d := plane/s.out[0], plane%s.out[0]
	lines = min(s.per, s.out[1]-h)
	given, line := s.src.given(), s.src.size()/s.src.lines()
	for i := range s.laid[0] {
		lo := (d*s.win.Stride[0]+i)*s.padded[1] + h*s.win.Stride[1]
		s.src.lay(dst[i*s.laid[1]*line:], x[n*given:(n+1)*given], lo, lo+(lines-1)*s.win.Stride[1]+s.win.Kernel[1])
	}
	return plane*s.out[1] + h, lines
}
