package kernel

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// filterCase is a convolution of lines: segment s of output line l is input
// line l+s.
type filterCase struct {
	taps, segments, pixels, lines, cin, cout, pad int
}

var filterCases = []filterCase{
	{3, 1, 8, 2, 8, 16, 1},
	{3, 3, 17, 5, 16, 32, 1},  // a last tile of one pixel
	{3, 2, 6, 3, 5, 13, 0},    // no whole registers
	{2, 2, 11, 4, 9, 20, 0},   // an even number of taps
	{4, 1, 9, 1, 4, 8, 2},     //
	{5, 1, 133, 3, 17, 40, 2}, // more tiles than are held at a time
	{5, 3, 1, 3, 3, 1, 4},     // one pixel
	{3, 1, 300, 1, 1, 1, 2},   //
}

// width returns the pixels of an input line: one of padding is left above.
func (f filterCase) width() int { return max(1, f.pixels+f.taps-1-f.pad-1) }

// product returns the product for all columns.
func (f filterCase) product() *Filtered {
	g := Filtering{f.taps, f.pixels}
	line := g.Line(f.cin)
	p := &Filtered{Filtering: g, AComponent: g.Tiles() * f.cin, Packed: PackedLen(f.segments*f.cin, f.cout)}
	p.Product = Product{Width: g.Tiles(), AStep: f.cin, CStep: f.cout, KL: f.cin, N: f.cout}
	for l := range f.lines {
		p.ALine = append(p.ALine, l*line)
		p.CLine = append(p.CLine, l*f.pixels*f.cout)
	}
	for s := range f.segments {
		p.Seg = append(p.Seg, s*line)
	}
	return p
}

// each calls f for the offsets in y, x and w of each product of the definition.
func (f filterCase) each(call func(y, x, w int)) {
	for l := range f.lines {
		for p := range f.pixels {
			for s := range f.segments {
				for t := range f.taps {
					at := p + t - f.pad
					if at < 0 || at >= f.width() {
						continue
					}
					for i := range f.cin {
						for o := range f.cout {
							call((l*f.pixels+p)*f.cout+o, ((l+s)*f.width()+at)*f.cin+i, ((s*f.taps+t)*f.cin+i)*f.cout+o)
						}
					}
				}
			}
		}
	}
}

// TestFiltering compares minimal filtering with the definition, forward and for
// the weights.
func TestFiltering(t *testing.T) {
	eachSet(t, func(t *testing.T) {
		for _, f := range filterCases {
			r := rand.New(rand.NewPCG(1, 2))
			p, lines := f.product(), f.lines+f.segments-1
			x, w := random(t, r, lines*f.width()*f.cin), random(t, r, f.segments*f.taps*f.cin*f.cout)
			bias, y := random(t, r, f.cout), random(t, r, f.lines*f.pixels*f.cout)
			v := fence(t, lines*p.Line(f.cin))
			p.Data(v, x, lines, f.cin, f.pad)
			k := f.segments * f.cin
			packed := fence(t, Points*p.Packed)
			panel := make([]float32, f.taps*k*Panel)
			for j := 0; j < f.cout; j += Panel {
				clear(panel)
				for i := range f.taps * k {
					copy(panel[i*Panel:(i+1)*Panel], w[i*f.cout+j:(i+1)*f.cout])
				}
				p.Panel(packed[j*k:], p.Packed, panel, f.cin)
			}

			out, want := fence(t, len(y)), make([]float64, len(y))
			for i := range want {
				want[i] = float64(bias[i%f.cout]) + float64(y[i])
			}
			f.each(func(y, xi, wi int) { want[y] += float64(x[xi]) * float64(w[wi]) })
			for i := range want {
				want[i] = exactly(want[i], LeakyReLU)
			}
			e := Epilogue{Bias: bias, Residual: y, Act: LeakyReLU}
			p.Forward(out, v, packed, 0, p.Rows(), e)
			if d := distance(out, want); !(d < 3e-6) {
				t.Errorf("%v: forward: distance %g", f, d)
			}
			cut := fence(t, len(y))
			for m := range p.Rows() {
				p.Forward(cut, v, packed, m, m+1, e)
			}
			if !sameBits(cut, out) {
				t.Errorf("%v: tile by tile gives other bits", f)
			}

			dv := fence(t, f.lines*p.Line(f.cout))
			p.Gradient(dv, y, f.lines, f.cout)
			du, dw := make([]float32, Points*k*f.cout), fence(t, len(w))
			q := p.Product
			q.CLine = nil
			for l := range f.lines {
				q.CLine = append(q.CLine, l*p.Line(f.cout))
			}
			for i := range Points {
				q.Weights(du[i*k*f.cout:], v[i*p.AComponent:], dv[i*p.Tiles()*f.cout:], 0, q.Rows(), 0, k)
			}
			n := f.cin * f.cout
			for s := range f.segments {
				p.Collect(dw[s*f.taps*n:(s+1)*f.taps*n], du[s*n:], k*f.cout, n)
			}
			dwWant := make([]float64, len(w))
			f.each(func(yi, xi, wi int) { dwWant[wi] += float64(x[xi]) * float64(y[yi]) })
			if d := distance(dw, dwWant); !(d < 3e-6) {
				t.Errorf("%v: weights: distance %g", f, d)
			}
		}
	})
}

// TestBadFilteringPanics takes a product that fits and then spoils it.
func TestBadFilteringPanics(t *testing.T) {
	f := filterCase{taps: 3, segments: 2, pixels: 6, lines: 3, cin: 5, cout: 13}
	good := f.product()
	c, v := make([]float32, f.lines*f.pixels*f.cout), make([]float32, (f.lines+1)*good.Line(f.cin))
	w, x := make([]float32, Points*good.Packed), make([]float32, (f.lines+1)*8*f.cin)
	rows := good.Rows()
	good.Forward(c, v, w, 0, rows, Epilogue{}) // fits exactly
	for _, b := range []struct {
		name, why string
		call      func(p *Filtered)
	}{
		{"no c", "nowhere to write", func(p *Filtered) { p.Forward(nil, v, w, 0, rows, Epilogue{}) }},
		{"short c", "the last pixel", func(p *Filtered) { p.Forward(c[:len(c)-1], v, w, 0, rows, Epilogue{}) }},
		{"short v", "the last component", func(p *Filtered) { p.Forward(c, v[:len(v)-1], w, 0, rows, Epilogue{}) }},
		{"short weights", "the last component", func(p *Filtered) { p.Forward(c, v, w[:len(w)-1], 0, rows, Epilogue{}) }},
		{"short bias", "one value a column", func(p *Filtered) { p.Forward(c, v, w, 0, rows, Epilogue{Bias: w[:1]}) }},
		{"negative line", "writes before c", func(p *Filtered) { p.CLine[0] = -1; p.Forward(c, v, w, 0, rows, Epilogue{}) }},
		{"six taps", "there are six points", func(p *Filtered) { p.Taps = 6; p.Data(v, x, f.lines+1, f.cin, 0) }},
		{"other lines", "v has more", func(p *Filtered) { p.Data(v, x, f.lines, f.cin, 0) }},
		{"gradient", "lines of eight pixels", func(p *Filtered) { p.Gradient(v, x, f.lines+1, f.cin) }},
		{"panel", "half a tap", func(p *Filtered) { p.Panel(w, p.Packed, x[:100], f.cin) }},
		{"collect", "two taps of three", func(p *Filtered) { p.Collect(x[:10], v, 10, 5) }},
	} {
		t.Run(b.name, func(t *testing.T) {
			defer func() {
				if s, ok := recover().(string); !ok || !strings.HasPrefix(s, "kernel: ") {
					t.Errorf("%s: recovered %v", b.why, s)
				}
			}()
			b.call(f.product())
		})
	}
}
