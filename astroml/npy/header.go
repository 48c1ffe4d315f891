package npy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"strconv"
	"strings"

	"github.com/goastroml/goastroml/astroml"
)

const (
	magic = "\x93NUMPY"
	// maxHeader bounds the header. That of an array of numbers takes some
	// hundred bytes, of which NumPy pads most.
	maxHeader = 1 << 16
	maxRank   = 64 // NumPy's limit
	maxInt    = int(^uint(0) >> 1)
)

// header is a checked header.
type header struct {
	kind      byte // f, i, u or b, as in NumPy
	size      int  // bytes a number
	bigEndian bool
	fortran   bool
	shape     []int
	count     int   // numbers
	start     int64 // offset of the numbers in the file
}

// String returns the type as NumPy writes it.
func (h *header) String() string {
	order, axes := "<", ""
	switch {
	case h.size == 1:
		order = "|"
	case h.bigEndian:
		order = ">"
	}
	if h.fortran {
		axes = " in Fortran order"
	}
	return fmt.Sprintf("%s%c%d%s", order, h.kind, h.size, axes)
}

func bad(format string, args ...any) error {
	return fmt.Errorf("npy: "+format+": %w", append(args, astroml.ErrFormat)...)
}

// ended says of a file that is shorter than was promised that its format is
// bad. Other errors of reading stay as they are.
func ended(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return bad("the file ends early")
	}
	return err
}

// readHeader reads the header of a file of size bytes, and checks that the
// numbers fit in. More bytes may follow: numpy.save appends arrays so.
func readHeader(r io.ReaderAt, size int64) (*header, error) {
	b := make([]byte, 12) // magic, version, length of the header in 2 or 4 bytes
	n, err := r.ReadAt(b, 0)
	if n < 10 && err != nil && err != io.EOF {
		return nil, err
	}
	if n < 10 || string(b[:len(magic)]) != magic {
		return nil, bad("no .npy file")
	}
	var length int64
	h := &header{}
	switch version := b[6]; {
	case version == 1:
		h.start, length = 10, int64(binary.LittleEndian.Uint16(b[8:]))
	case version <= 3 && version > 0 && n == 12:
		h.start, length = 12, int64(binary.LittleEndian.Uint32(b[8:]))
	default:
		return nil, bad("version %d.%d of the .npy format, want 1 to 3", b[6], b[7])
	}
	switch {
	case length > maxHeader:
		return nil, bad("the header takes %d bytes, want at most %d", length, maxHeader)
	case h.start+length > size:
		return nil, bad("the header takes %d bytes, the file has %d", length, size)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(io.NewSectionReader(r, h.start, length), text); err != nil {
		return nil, ended(err)
	}
	h.start += length
	if err := h.parse(string(text)); err != nil {
		return nil, err
	}
	if hi, want := bits.Mul64(uint64(h.count), uint64(h.size)); hi != 0 || want > uint64(size-h.start) {
		return nil, bad("shape %v of %s wants %d × %d bytes, the file has %d: it ends early", h.shape, h, h.count, h.size, size-h.start)
	}
	return h, nil
}

// parse reads {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }, a
// literal of Python, with its keys in any order.
func (h *header) parse(text string) error {
	p := &parser{rest: text}
	seen := make(map[string]bool)
	p.want("{")
	for !p.next("}") {
		key := p.text()
		p.want(":")
		switch {
		case p.err != nil:
			return p.err
		case seen[key]:
			return bad("the header has %q twice", key)
		}
		seen[key] = true
		switch key {
		case "descr":
			if p.peek() == '[' {
				return bad("the array holds records, want numbers")
			}
			if err := h.describe(p.text()); p.err == nil && err != nil {
				return err
			}
		case "fortran_order":
			h.fortran = p.boolean()
		case "shape":
			h.shape = p.tuple()
		default:
			return bad("the header has an unknown key %q", key)
		}
		if !p.next(",") && p.peek() != '}' {
			p.fail("a comma")
		}
		if p.err != nil {
			return p.err
		}
	}
	if p.err != nil {
		return p.err
	}
	if p.peek() != 0 {
		return bad("the header goes on with %q", p.rest)
	}
	if len(seen) != 3 {
		return bad("the header wants descr, fortran_order and shape")
	}
	var ok bool
	if h.count, ok = count(h.shape); !ok {
		return bad("shape %v is too large", h.shape)
	}
	return nil
}

// describe reads a type such as <f4.
func (h *header) describe(descr string) error {
	switch descr {
	case "<f4", "<f8", ">f4", ">f8",
		"|i1", "<i2", "<i4", "<i8", ">i2", ">i4", ">i8",
		"|u1", "<u2", "<u4", "<u8", ">u2", ">u4", ">u8", "|b1":
		h.bigEndian = descr[0] == '>'
		h.kind, h.size = descr[1], int(descr[2]-'0')
		return nil
	}
	return bad("numbers of type %q, want f4, f8, i1 to i8, u1 to u8 or b1", descr)
}

// count returns the product of lengths, and whether it and all products of its
// factors other than zero stay far from overflow.
func count(shape []int) (n int, ok bool) {
	product, zero := uint64(1), false
	for _, v := range shape {
		if v < 0 {
			return 0, false
		}
		if v == 0 {
			zero = true
			continue
		}
		hi, lo := bits.Mul64(product, uint64(v))
		if hi != 0 || lo > uint64(maxInt)/8 {
			return 0, false
		}
		product = lo
	}
	if zero {
		return 0, true
	}
	return int(product), true
}

// parser reads the few literals of Python that a header has. After the first
// error it stands still.
type parser struct {
	rest string
	err  error
}

func (p *parser) fail(want string) {
	if p.err == nil {
		p.err = bad("the header has %.20q where it wants %s", p.rest, want)
	}
	p.rest = ""
}

// peek skips white space and returns the next byte, 0 at the end.
func (p *parser) peek() byte {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	if p.rest == "" {
		return 0
	}
	return p.rest[0]
}

// next skips s if it comes next. After an error all comes next, so that loops
// end.
func (p *parser) next(s string) bool {
	p.peek()
	if p.err != nil {
		return true
	}
	rest, ok := strings.CutPrefix(p.rest, s)
	p.rest = rest
	return ok
}

func (p *parser) want(s string) {
	if !p.next(s) {
		p.fail(strconv.Quote(s))
	}
}

// text reads 'text' or "text" without escapes.
func (p *parser) text() string {
	quote := p.peek()
	if quote != '\'' && quote != '"' {
		p.fail("a text")
		return ""
	}
	s, rest, ok := strings.Cut(p.rest[1:], string(quote))
	if !ok || strings.Contains(s, `\`) {
		p.fail("a text")
		return ""
	}
	p.rest = rest
	return s
}

func (p *parser) boolean() bool {
	if p.next("True") {
		return true
	}
	p.want("False")
	return false
}

// tuple reads (), (3,) or (3, 4), with the L after numbers that Python 2 wrote.
func (p *parser) tuple() []int {
	shape := []int{}
	p.want("(")
	for !p.next(")") {
		p.peek()
		digits := len(p.rest) - len(strings.TrimLeft(p.rest, "0123456789"))
		n, err := strconv.Atoi(p.rest[:digits])
		if err != nil || len(shape) == maxRank {
			p.fail("a length")
			return nil
		}
		shape = append(shape, n)
		p.rest = strings.TrimPrefix(p.rest[digits:], "L")
		if comma := p.next(","); !comma && (p.peek() != ')' || len(shape) == 1) {
			p.fail("a comma")
		}
	}
	return shape
}

// formatHeader returns all that comes before the numbers, as NumPy 2 writes it:
// with room for the first length to grow to 21 digits, and padded to 64 bytes.
func formatHeader(shape []int) []byte {
	var b bytes.Buffer
	b.WriteString(magic + "\x01\x00\x00\x00{'descr': '<f4', 'fortran_order': False, 'shape': (")
	for i, n := range shape {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(n))
	}
	if len(shape) == 1 {
		b.WriteByte(',')
	}
	b.WriteString("), }")
	if len(shape) > 0 {
		b.WriteString(strings.Repeat(" ", 21-len(strconv.Itoa(shape[0]))))
	}
	for (b.Len()+1)%64 != 0 {
		b.WriteByte(' ')
	}
	b.WriteByte('\n')
	binary.LittleEndian.PutUint16(b.Bytes()[8:], uint16(b.Len()-10))
	return b.Bytes()
}
