package fits

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/goastroml/goastroml/astroml"
)

// Column is a column of a binary table. It may be read by several goroutines.
type Column struct {
	Name string // TTYPEn, without blanks around it
	Unit string // TUNITn, or empty
	// Type is the letter of TFORMn: L logical, B, I, J, K integers of 8, 16, 32
	// and 64 bits, E and D float32 and float64, A text, X bits, C and M complex.
	Type byte
	// Repeat is the number of values in a row, or of characters. It is 0 for a
	// column of variable length.
	Repeat int
	// UType and UCD are TUTYPn and TUCDn, what the Virtual Observatory calls
	// the column, or empty.
	UType, UCD string

	hdu         *HDU
	offset      int64 // within a row
	variable    byte  // P or Q, or 0
	scale, zero float64
	null        int64
	hasNull     bool
}

// sizes are the bytes of a value by the letter of TFORMn.
var sizes = map[byte]int{'L': 1, 'B': 1, 'I': 2, 'J': 4, 'K': 8, 'E': 4, 'D': 8, 'A': 1, 'C': 8, 'M': 16}

// table reads the columns of a binary table (FITS Standard 4.0, section 7.3).
func (h *HDU) table(px *pixels) error {
	fields, ok := h.Header.Int("TFIELDS")
	if !ok || fields < 0 || fields > 999 {
		return fmt.Errorf("TFIELDS %s, want 0 to 999: %w", h.Header.show("TFIELDS"), astroml.ErrFormat)
	}
	if len(px.axes) != 2 || px.bitpix != 8 {
		return fmt.Errorf("a table of BITPIX %d and %d axes, want 8 and 2: %w", px.bitpix, len(px.axes), astroml.ErrFormat)
	}
	if g, ok := h.Header.Int("GCOUNT"); ok && g != 1 {
		return fmt.Errorf("a table of GCOUNT %d, want 1: %w", g, astroml.ErrFormat)
	}
	h.Rows, h.width = px.axes[0], int64(px.axes[1])
	if h.width == 0 && h.Rows > 0 {
		return fmt.Errorf("%d rows of no bytes, want a byte or more: %w", h.Rows, astroml.ErrFormat)
	}
	at := int64(0)
	h.Columns = make([]*Column, fields)
	for i := range h.Columns {
		c, bytes, err := newColumn(h.Header, i+1)
		if err != nil {
			return err
		}
		c.hdu, c.offset = h, at
		if at += bytes; at > h.width {
			return fmt.Errorf("columns to %d (%s) need %d bytes, a row has %d: %w", i+1, c.Name, at, h.width, astroml.ErrFormat)
		}
		h.Columns[i] = c
	}
	if compressed, _ := h.Header.Bool("ZIMAGE"); compressed {
		return h.newTiling()
	}
	return nil
}

// newColumn reads the keywords of column n and returns the bytes it has in a
// row.
func newColumn(header Header, n int) (c *Column, width int64, err error) {
	text := func(key string) string {
		s, _ := header.String(key + strconv.Itoa(n))
		return strings.TrimSpace(s)
	}
	c = &Column{Name: text("TTYPE"), Unit: text("TUNIT"), UType: text("TUTYP"), UCD: text("TUCD"), scale: 1}
	if v, ok := header.Float("TSCAL" + strconv.Itoa(n)); ok {
		c.scale = v
	}
	if v, ok := header.Float("TZERO" + strconv.Itoa(n)); ok {
		c.zero = v
	}
	c.null, c.hasNull = header.Int("TNULL" + strconv.Itoa(n))

	form := text("TFORM")
	wrong := fmt.Errorf("TFORM%d %q, want a number and one of LXBIJKAEDCMPQ: %w", n, form, astroml.ErrFormat)
	digits := len(form) - len(strings.TrimLeft(form, "0123456789"))
	repeat := int64(1)
	if digits > 0 {
		if repeat, err = strconv.ParseInt(form[:digits], 10, 32); err != nil {
			return nil, 0, wrong
		}
	}
	if form = form[digits:]; form == "" {
		return nil, 0, wrong
	}
	c.Type, c.Repeat = form[0], int(repeat)
	switch size, ok := sizes[c.Type]; {
	case ok:
		return c, repeat * int64(size), nil
	case c.Type == 'X':
		return c, (repeat + 7) / 8, nil
	case (c.Type == 'P' || c.Type == 'Q') && repeat <= 1 && len(form) > 1 && (sizes[form[1]] > 0 || form[1] == 'X'):
		width = repeat * 16
		if c.Type == 'P' {
			width = repeat * 8
		}
		if repeat == 1 { // else an empty column, as 0E is
			c.variable = c.Type
		}
		c.Type, c.Repeat = form[1], 0
		return c, width, nil
	}
	return nil, 0, wrong
}

// Column returns the column of that name, whatever its case, or nil.
func (h *HDU) Column(name string) *Column {
	for _, c := range h.Columns {
		if strings.EqualFold(c.Name, name) {
			return c
		}
	}
	return nil
}

// Float64s returns the values of rows lo to hi, hi excluded: (hi-lo) × Repeat
// numbers, TZERO + TSCAL · value, and NaN where an integer is TNULL or a
// logical is undefined. A column of variable length can be read in rows that
// are equally long. Text, bits and complex numbers are errors.
func (c *Column) Float64s(lo, hi int) ([]float64, error) {
	return columnFloats[float64](c, lo, hi)
}

// Float32s is Float64s in float32.
func (c *Column) Float32s(lo, hi int) ([]float32, error) {
	return columnFloats[float32](c, lo, hi)
}

func columnFloats[T float32 | float64](c *Column, lo, hi int) (out []T, err error) {
	var convert func(b []byte) float64
	scaled := func(v float64) float64 { return c.zero + c.scale*v }
	switch c.Type {
	case 'E':
		convert = func(b []byte) float64 { return scaled(float64(math.Float32frombits(binary.BigEndian.Uint32(b)))) }
	case 'D':
		convert = func(b []byte) float64 { return scaled(math.Float64frombits(binary.BigEndian.Uint64(b))) }
	case 'B', 'I', 'J', 'K':
		convert = func(b []byte) float64 {
			v := integer(b, len(b))
			if c.hasNull && v == c.null {
				return math.NaN()
			}
			return scaled(float64(v))
		}
	case 'L':
		convert = func(b []byte) float64 {
			switch b[0] {
			case 'T':
				return 1
			case 'F':
				return 0
			}
			return math.NaN()
		}
	default:
		return nil, c.errorf("type %c, want numbers: %w", c.Type, astroml.ErrFormat)
	}
	err = c.each(lo, hi, func(n int) { out = make([]T, 0, n) }, func(b []byte) error {
		out = append(out, T(convert(b)))
		return nil
	})
	return out, err
}

// Int64s returns the values of rows lo to hi, hi excluded, of a column of
// integers or logicals (1 for T, else 0): (hi-lo) × Repeat numbers with TZERO
// added, TNULL as it is. A TSCAL other than 1, or a sum that no int64 holds, is
// an error.
func (c *Column) Int64s(lo, hi int) (out []int64, err error) {
	const half = 1 << 63 // TZERO of unsigned 64-bit integers
	switch {
	case c.Type == 'L':
	case c.Type != 'B' && c.Type != 'I' && c.Type != 'J' && c.Type != 'K':
		return nil, c.errorf("type %c, want integers: %w", c.Type, astroml.ErrFormat)
	case c.scale != 1 || c.zero != math.Trunc(c.zero) || math.Abs(c.zero) > 1<<53 && c.zero != half:
		return nil, c.errorf("TSCAL %g and TZERO %g, want integers: %w", c.scale, c.zero, astroml.ErrFormat)
	}
	err = c.each(lo, hi, func(n int) { out = make([]int64, 0, n) }, func(b []byte) error {
		v := integer(b, len(b))
		switch {
		case c.Type == 'L':
			v = 0
			if b[0] == 'T' {
				v = 1
			}
		case c.hasNull && v == c.null || c.zero == 0:
		case c.zero == half:
			if v >= 0 {
				return c.errorf("2^63 + %d, want less than 2^63: %w", v, astroml.ErrFormat)
			}
			v ^= math.MinInt64
		default:
			zero := int64(c.zero)
			if sum := v + zero; (sum > v) == (zero > 0) {
				v = sum
			} else {
				return c.errorf("%d + %d, want less than 2^63: %w", v, zero, astroml.ErrFormat)
			}
		}
		out = append(out, v)
		return nil
	})
	return out, err
}

// Strings returns the values of rows lo to hi, hi excluded, of a column of
// text: hi-lo strings without what follows a NUL and without trailing blanks.
func (c *Column) Strings(lo, hi int) ([]string, error) {
	if c.Type != 'A' || c.variable != 0 {
		return nil, c.errorf("type %c, want text: %w", c.Type, astroml.ErrFormat)
	}
	if err := c.check(lo, hi); err != nil {
		return nil, err
	}
	out := make([]string, 0, hi-lo)
	err := c.rows(lo, hi, int64(c.Repeat), func(b []byte) error {
		if i := bytes.IndexByte(b, 0); i >= 0 {
			b = b[:i]
		}
		out = append(out, strings.TrimRight(string(b), " "))
		return nil
	})
	return out, err
}

// errorf returns an error about c, which names the file and the column.
func (c *Column) errorf(format string, args ...any) error {
	return c.hdu.errorf("column %s: "+format, append([]any{c.Name}, args...)...)
}

func (c *Column) check(lo, hi int) error {
	if lo < 0 || hi < lo || hi > c.hdu.Rows {
		return c.errorf("rows %d to %d, the table has %d: %w", lo, hi, c.hdu.Rows, astroml.ErrShape)
	}
	return nil
}

// each calls alloc with the number of values in rows lo to hi, then f with the
// bytes of each.
func (c *Column) each(lo, hi int, alloc func(n int), f func(b []byte) error) error {
	if err := c.check(lo, hi); err != nil {
		return err
	}
	size := sizes[c.Type]
	split := func(b []byte) error {
		for ; len(b) > 0; b = b[size:] {
			if err := f(b[:size]); err != nil {
				return err
			}
		}
		return nil
	}
	if c.variable == 0 {
		alloc((hi - lo) * c.Repeat)
		return c.rows(lo, hi, int64(c.Repeat)*int64(size), split)
	}
	length := int64(0)
	for row := lo; row < hi; row++ {
		n, at, err := c.descriptor(row)
		if err != nil {
			return err
		}
		if row == lo {
			// Rows that share their values would let a small file ask for much memory.
			if length = n; length > c.hdu.size/int64(size)/int64(hi-lo) {
				return c.errorf("%d rows of %d values in %d bytes: %w", hi-lo, n, c.hdu.size, astroml.ErrFormat)
			}
			alloc(int(length) * (hi - lo))
		}
		if n != length {
			return c.errorf("row %d has %d values, row %d has %d: read them one by one: %w", row, n, lo, length, astroml.ErrShape)
		}
		b := make([]byte, n*int64(size))
		if err := c.hdu.readAt(b, at); err != nil {
			return err
		}
		if err := split(b); err != nil {
			return err
		}
	}
	return nil
}

// rows calls f with the bytes of the column in each of the rows lo to hi. It
// reads many rows at once if they are short.
func (c *Column) rows(lo, hi int, bytes int64, f func(b []byte) error) error {
	if bytes == 0 {
		for ; lo < hi; lo++ {
			if err := f(nil); err != nil {
				return err
			}
		}
		return nil
	}
	width := c.hdu.width
	if width > 16*bytes+4096 { // the rest of a row is most of it: do not read that
		buf := make([]byte, bytes)
		for ; lo < hi; lo++ {
			if err := c.hdu.readAt(buf, int64(lo)*width+c.offset); err != nil {
				return err
			}
			if err := f(buf); err != nil {
				return err
			}
		}
		return nil
	}
	step := int(max(1, bufBytes/width))
	buf := make([]byte, width*int64(min(step, hi-lo)))
	for ; lo < hi; lo += step {
		n := min(step, hi-lo)
		if err := c.hdu.readAt(buf[:width*int64(n)], int64(lo)*width); err != nil {
			return err
		}
		for i := range n {
			at := width*int64(i) + c.offset
			if err := f(buf[at : at+bytes]); err != nil {
				return err
			}
		}
	}
	return nil
}

// descriptor returns the number of values that a column of variable length has
// in a row, and their offset in the data.
func (c *Column) descriptor(row int) (n, at int64, err error) {
	var b [16]byte
	half := 4
	if c.variable == 'Q' {
		half = 8
	}
	if err := c.hdu.readAt(b[:2*half], int64(row)*c.hdu.width+c.offset); err != nil {
		return 0, 0, err
	}
	n, at = integer(b[:half], half), integer(b[half:], half)
	table := int64(c.hdu.Rows) * c.hdu.width
	heap := table // THEAP is counted from the beginning of the data
	if v, ok := c.hdu.Header.Int("THEAP"); ok {
		heap = v
	}
	size := int64(sizes[c.Type])
	if heap < table || heap > c.hdu.size || n < 0 || at < 0 || at > c.hdu.size-heap || size == 0 || n > (c.hdu.size-heap-at)/size {
		return 0, 0, c.errorf("row %d has %d values at byte %d of a heap of %d: %w", row, n, at, c.hdu.size-heap, astroml.ErrFormat)
	}
	return n, heap + at, nil
}
