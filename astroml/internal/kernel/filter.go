package kernel

import "fmt"

// Points is the number of products that minimal filtering takes.
const Points = 6

// Filtering is a convolution along one axis by minimal filtering (Winograd
// 1980; Lavin & Gray 2016, arXiv:1509.09308): Points products give a tile of
// Tile neighbouring outputs, for which the definition takes Taps·Tile. Data and
// weights are polynomials that are multiplied where their variable is 0, ±3/4,
// ±3/2 and ∞: with these points, which are exact in binary, rounding errors are
// three times those of the definition.
//
// What is laid out for it stands by lines: Points components of Tiles rows of C
// channels each.
type Filtering struct {
	Taps   int // 2 to 5
	Pixels int // of a line of outputs
}

// Tile returns the number of outputs of a tile.
func (f Filtering) Tile() int { return Points + 1 - f.Taps }

// Tiles returns the number of tiles of a line.
func (f Filtering) Tiles() int { return (f.Pixels + f.Tile() - 1) / f.Tile() }

// Line returns the number of floats of a line that is laid out.
func (f Filtering) Line(c int) int { return Points * f.Tiles() * c }

func (f Filtering) check(op string, lines, c int, x, v []float32) int {
	if f.Taps < 2 || f.Taps > 5 || f.Pixels < 1 || c < 1 || lines < 1 || len(x)%(lines*c) != 0 || len(v) != lines*f.Line(c) {
		panic(fmt.Sprintf("kernel: %s: %d taps, %d pixels, %d lines of %d channels, %d and %d floats", op, f.Taps, f.Pixels, lines, c, len(x), len(v)))
	}
	return len(x) / (lines * c)
}

// Data lays out lines of input pixels, before the first of which pad zeros
// stand, and after the last as many as are needed.
func (f Filtering) Data(v, x []float32, lines, c, pad int) {
	w := f.check("Data", lines, c, x, v)
	current.filterData(f, v, x, lines, w, c, pad)
}

// Gradient lays out lines of the gradient of Pixels outputs.
func (f Filtering) Gradient(v, dy []float32, lines, c int) {
	if w := f.check("Gradient", lines, c, dy, v); w != f.Pixels {
		panic(fmt.Sprintf("kernel: Gradient: lines of %d pixels, want %d", w, f.Pixels))
	}
	current.filterGradient(f, v, dy, lines, c)
}

// Panel turns a packed panel (segment, tap, k, column) of weights into one a
// component (segment, k, column), which stand step apart.
func (f Filtering) Panel(packed []float32, step int, panel []float32, k int) {
	segments := len(panel) / (f.Taps * k * Panel)
	if len(panel) != segments*f.Taps*k*Panel || len(packed) < (Points-1)*step+segments*k*Panel {
		panic(fmt.Sprintf("kernel: Filtering.Panel: a panel of %d floats to %d, %d apart", len(panel), len(packed), step))
	}
	current.filterWeights(f, packed, step, panel, segments, k)
}

// Collect turns the gradient of the components, which stand step apart, into
// that of the taps, which are n floats each.
func (f Filtering) Collect(dw, du []float32, step, n int) {
	if len(dw) != f.Taps*n || len(du) < (Points-1)*step+n {
		panic(fmt.Sprintf("kernel: Collect: %d floats to %d, %d taps of %d", len(du), len(dw), f.Taps, n))
	}
	current.filterCollect(f, dw, du, step, n)
}

// Filtered is a product of tiles by minimal filtering. Its Product is that of
// one component: a line has Tiles rows, CStep leads from one output pixel to
// the next, and weights are packed for KL·len(Seg) values.
type Filtered struct {
	Product
	Filtering
	AComponent, Packed int // from one component to the next, in a and in packed weights
}

// Forward computes the outputs of tiles lo to hi-1; see Product.Forward.
func (p *Filtered) Forward(c, v, packed []float32, lo, hi int, e Epilogue) {
	if hi <= lo {
		return
	}
	p.checkReads("Filtered.Forward", v[:max(0, len(v)-(Points-1)*p.AComponent)], lo, hi)
	// The last tile of a line may reach beyond the line's last pixel.
	tiles, first, last := p.Tiles(), 0, 0
	for l := lo / p.Width; l <= (hi-1)/p.Width; l++ {
		pixels := min(min(hi-l*p.Width, tiles)*p.Tile(), p.Pixels)
		first, last = min(first, p.CLine[l]), max(last, p.CLine[l]+(pixels-1)*p.CStep+p.N)
	}
	k := len(p.Seg) * p.KL
	if p.Width != tiles || first < 0 || last > len(c) || len(packed) < (Points-1)*p.Packed+PackedLen(k, p.N) ||
		e.Bias != nil && len(e.Bias) != p.N || e.Residual != nil && len(e.Residual) < last {
		panic(fmt.Sprintf("kernel: Filtered.Forward: tiles %d to %d of lines of %d end at %d of %d, %d weights, %d biases, residual of %d",
			lo, hi, p.Width, last, len(c), len(packed), len(e.Bias), len(e.Residual)))
	}
	current.filtered(p, c, v, packed, lo, hi, e)
}
