package kernel

import "fmt"

// Panel is the number of columns that lie together in packed weights.
const Panel = 16

// Product is a matrix product whose left rows may overlap:
//
//	C[m,n] = Σ_s Σ_k A[aoff(m) + Seg[s] + k] · B[s*KL + k, n],   m = line*Width + w,
//
// where aoff(m) = ALine[line] + w*AStep, and row m of C starts at
// CLine[line] + w*CStep. In channels-last layout the window of an output pixel
// is one contiguous run per (depth, height) tap, so a convolution over one,
// two or three axes is such a product, as is a dense layer, and, with flipped
// weights, the gradient with respect to a convolution's input.
//
// A Product is not changed by its methods, and they may run concurrently.
type Product struct {
	Width        int   // rows a line
	ALine, CLine []int // where each line starts in A and in C, in floats
	AStep, CStep int   // from one row to the next in a line, in floats
	Seg          []int // where the segments of a row start, one per (depth, height) tap
	KL           int   // length of a segment: taps along the width × input channels
	N            int   // columns (output channels), at least 1
}

// Epilogue is what happens to a sum before it is stored:
// C = act(sum + Bias + Residual). The zero value stores the sum.
type Epilogue struct {
	Bias     []float32 // N values, or nil
	Residual []float32 // laid out as C, or nil; may be C itself, to accumulate
	Act      Act
}

// PackedLen returns the number of floats that Pack writes for a k×n matrix.
func PackedLen(k, n int) int { return (n + Panel - 1) / Panel * Panel * k }

// Pack writes the row-major k×n matrix b to dst as Forward reads it: in panels
// of 16 columns, the last one padded with zeros.
func Pack(dst, b []float32, k, n int) {
	if len(b) != k*n || len(dst) < PackedLen(k, n) {
		panic(fmt.Sprintf("kernel: Pack: %d floats into %d, a %d×%d matrix wants %d into %d",
			len(b), len(dst), k, n, k*n, PackedLen(k, n)))
	}
	for j := 0; j < n; j += Panel {
		PackPanel(dst[j*k:], b, k, n, j/Panel)
	}
}

// PackPanel writes one of the panels of Pack.
func PackPanel(dst, b []float32, k, n, panel int) {
	j := panel * Panel
	used := min(Panel, n-j)
	dst = dst[:k*Panel]
	for i := range k {
		row := dst[i*Panel:][:Panel]
		copy(row, b[i*n+j:][:used])
		clear(row[used:])
	}
}

// Rows returns the number of rows of the product.
func (p *Product) Rows() int { return p.Width * len(p.ALine) }

// Forward computes rows lo to hi-1 of c from a and the packed weights. The sum
// of an element has one order, k within s, so that its bits depend neither on
// lo and hi nor on the rows beside it.
func (p *Product) Forward(c, a, packed []float32, lo, hi int, e Epilogue) {
	end := p.check("Forward", c, a, lo, hi)
	if want := PackedLen(len(p.Seg)*p.KL, p.N); len(packed) < want {
		panic(fmt.Sprintf("kernel: Forward: %d packed weights, want %d", len(packed), want))
	}
	if e.Bias != nil && len(e.Bias) != p.N {
		panic(fmt.Sprintf("kernel: Forward: %d biases, want %d", len(e.Bias), p.N))
	}
	if e.Residual != nil && len(e.Residual) < end {
		panic(fmt.Sprintf("kernel: Forward: residual of %d floats, want %d", len(e.Residual), end))
	}
	if hi > lo {
		current.forward(p, c, a, packed, lo, hi, e)
	}
}

// Weights adds to the weight gradient what rows lo to hi-1 contribute:
//
//	dw[(s*KL+k)*N + n] += Σ_m A[aoff(m) + Seg[s] + k] · Y[yoff(m) + n]
//
// for the flat weight rows klo <= s*KL+k < khi. The rows of y, the gradient
// with respect to C, lie as those of C do. An element's sum runs over m
// upwards, starting from what dw holds, so that consecutive calls with rows
// lo..mid and mid..hi give the bits of one call with lo..hi.
func (p *Product) Weights(dw, a, y []float32, lo, hi, klo, khi int) {
	p.check("Weights", y, a, lo, hi)
	k := len(p.Seg) * p.KL
	if klo < 0 || khi < klo || khi > k || len(dw) < k*p.N {
		panic(fmt.Sprintf("kernel: Weights: rows %d to %d of %d floats, the matrix is %d×%d",
			klo, khi, len(dw), k, p.N))
	}
	if hi > lo && khi > klo {
		current.weights(p, dw, a, y, lo, hi, klo, khi)
	}
}

// check panics unless all that rows lo to hi-1 touch lies inside c and a: the
// loops below do not look. It returns where the rows end in c.
func (p *Product) check(op string, c, a []float32, lo, hi int) (end int) {
	p.checkReads(op, a, lo, hi)
	if hi == lo {
		return 0
	}
	for l := lo / p.Width; l <= (hi-1)/p.Width; l++ {
		w0, w1 := max(lo-l*p.Width, 0), min(hi-l*p.Width, p.Width)-1
		if p.CLine[l]+w0*p.CStep < 0 || p.CLine[l]+w1*p.CStep+p.N > len(c) {
			panic(fmt.Sprintf("kernel: %s: line %d touches floats %d to %d of %d", op, l,
				p.CLine[l]+w0*p.CStep, p.CLine[l]+w1*p.CStep+p.N, len(c)))
		}
		end = max(end, p.CLine[l]+w1*p.CStep+p.N)
	}
	return end
}

// checkReads is check for the product itself and a.
func (p *Product) checkReads(op string, a []float32, lo, hi int) {
	if len(p.ALine) != len(p.CLine) || p.Width < 1 || p.AStep < 0 || p.CStep < 0 ||
		len(p.Seg) < 1 || p.KL < 1 || p.N < 1 || lo < 0 || hi < lo || hi > p.Rows() {
		panic(fmt.Sprintf("kernel: %s: rows %d to %d of a bad product: width %d, lines %d and %d, steps %d and %d, %d segments of %d, %d columns",
			op, lo, hi, p.Width, len(p.ALine), len(p.CLine), p.AStep, p.CStep, len(p.Seg), p.KL, p.N))
	}
	if hi == lo {
		return
	}
	first, last := p.Seg[0], p.Seg[0]
	for _, s := range p.Seg {
		first, last = min(first, s), max(last, s)
	}
	for l := lo / p.Width; l <= (hi-1)/p.Width; l++ {
		w0, w1 := max(lo-l*p.Width, 0), min(hi-l*p.Width, p.Width)-1
		if p.ALine[l]+w0*p.AStep+first < 0 || p.ALine[l]+w1*p.AStep+last+p.KL > len(a) {
			panic(fmt.Sprintf("kernel: %s: line %d reads floats %d to %d of %d", op, l,
				p.ALine[l]+w0*p.AStep+first, p.ALine[l]+w1*p.AStep+last+p.KL, len(a)))
		}
	}
}
