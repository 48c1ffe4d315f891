package fits

import (
	"encoding/binary"
	"math"

	"github.com/goastroml/goastroml/astroml"
)

// ReadBox reads the pixels lo ≤ index < hi of every axis into dst, row-major.
// Physical values are returned: BZERO + BSCALE · pixel, and NaN where an
// integer pixel is BLANK. It needs 1 MiB of memory beyond dst, or one tile of
// a compressed image.
func (h *HDU) ReadBox(dst []float32, lo, hi []int) error { return readBox(h, dst, lo, hi) }

// ReadBox64 is ReadBox in float64, which loses nothing of float64 pixels and
// of integers up to 2⁵³.
func (h *HDU) ReadBox64(dst []float64, lo, hi []int) error { return readBox(h, dst, lo, hi) }

// Read reads the whole image. It needs the memory of its pixels, which for a
// compressed image may be a thousand times the size of the file; compare Axes
// with what you expect first.
func (h *HDU) Read() (astroml.Array, error) {
	n, err := h.Pixels()
	if err != nil {
		return astroml.Array{}, err
	}
	a := astroml.Array{Shape: append([]int(nil), h.Axes...), Data: make([]float32, n)}
	return a, h.ReadBox(a.Data, make([]int, len(h.Axes)), h.Axes)
}

// Pixels returns the number of pixels of an image.
func (h *HDU) Pixels() (int, error) {
	if h.image == nil {
		return 0, h.errorf("no image: %w", astroml.ErrFormat)
	}
	n, ok := product(h.Axes)
	if !ok || n > math.MaxInt/8 {
		return 0, h.errorf("axes %v, want fewer than 2^60 pixels: %w", h.Axes, astroml.ErrFormat)
	}
	return int(n), nil
}

func readBox[T float32 | float64](h *HDU, dst []T, lo, hi []int) error {
	if h.image == nil {
		return h.errorf("no image: %w", astroml.ErrFormat)
	}
	if len(lo) != len(h.Axes) || len(hi) != len(h.Axes) {
		return h.errorf("a box of %d and %d indices, the image has %d axes: %w", len(lo), len(hi), len(h.Axes), astroml.ErrShape)
	}
	lengths := make([]int, len(lo))
	for i, n := range h.Axes {
		if lo[i] < 0 || hi[i] < lo[i] || hi[i] > n {
			return h.errorf("box %v to %v, the image has axes %v: %w", lo, hi, h.Axes, astroml.ErrShape)
		}
		lengths[i] = hi[i] - lo[i]
	}
	if n, ok := product(lengths); !ok || n != int64(len(dst)) {
		return h.errorf("a box %v to %v for %d values: %w", lo, hi, len(dst), astroml.ErrShape)
	}
	if len(dst) == 0 {
		return nil
	}
	if h.tiles != nil {
		return readTiles(h, dst, lo, hi)
	}
	return runs(h.Axes, lo, hi, func(at int64, from, n int) error {
		return readRun(h, dst[from:from+n], at)
	})
}

// runs calls f for every longest run of pixels of a box that lie one after the
// other in an array of these axes: the array's index of the first, the box's
// index of the first, and their number.
func runs(axes, lo, hi []int, f func(at int64, from, n int) error) error {
	// Axes after the inner one are taken whole, so a run spans all of them.
	inner, run := len(axes)-1, 1
	for ; inner > 0 && lo[inner] == 0 && hi[inner] == axes[inner]; inner-- {
		run *= axes[inner]
	}
	run *= hi[inner] - lo[inner]
	index := append([]int(nil), lo...)
	for from := 0; ; from += run {
		at := int64(0)
		for i, n := range axes {
			at = at*int64(n) + int64(index[i])
		}
		if err := f(at, from, run); err != nil {
			return err
		}
		i := inner - 1
		for ; i >= 0; i-- {
			if index[i]++; index[i] < hi[i] {
				break
			}
			index[i] = lo[i]
		}
		if i < 0 {
			return nil
		}
	}
}

// readRun reads pixels that lie one after the other, from pixel at.
func readRun[T float32 | float64](h *HDU, dst []T, at int64) error {
	size := h.image.bytes()
	buf := make([]byte, min(bufBytes, len(dst)*size))
	for len(dst) > 0 {
		n := min(len(dst), len(buf)/size)
		if err := h.readAt(buf[:n*size], at*int64(size)); err != nil {
			return err
		}
		decode(dst[:n], buf[:n*size], h.image)
		dst, at = dst[n:], at+int64(n)
	}
	return nil
}

// decode turns big-endian pixels into physical values.
func decode[T float32 | float64](dst []T, raw []byte, p *pixels) {
	switch p.bitpix {
	case -32:
		for i := range dst {
			dst[i] = T(math.Float32frombits(binary.BigEndian.Uint32(raw[4*i:])))
		}
	case -64:
		for i := range dst {
			v := math.Float64frombits(binary.BigEndian.Uint64(raw[8*i:]))
			dst[i] = T(p.zero + p.scale*v)
		}
		return
	default:
		size := p.bytes()
		for i := range dst {
			dst[i] = T(p.physical(integer(raw[i*size:], size)))
		}
		return
	}
	if p.scale != 1 || p.zero != 0 {
		for i, v := range dst {
			dst[i] = T(p.zero + p.scale*float64(v))
		}
	}
}

// physical returns the value of an integer pixel.
func (p *pixels) physical(v int64) float64 {
	if p.hasBlank && v == p.blank {
		return math.NaN()
	}
	return p.zero + p.scale*float64(v)
}

// integer reads a big-endian integer of 1 byte (unsigned), 2, 4 or 8 bytes.
func integer(b []byte, size int) int64 {
	switch size {
	case 1:
		return int64(b[0])
	case 2:
		return int64(int16(binary.BigEndian.Uint16(b)))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(b)))
	}
	return int64(binary.BigEndian.Uint64(b))
}
