// Package fits reads and writes FITS files (Pence et al. 2010,
// doi:10.1051/0004-6361/201015362; FITS Standard 4.0): images and cubes of any
// number of axes by box, so that a cube may be larger than memory; tile-compressed
// integer images; and the columns of binary tables by row range.
//
// Nothing is believed that a header says before it has been compared with the
// size of the file: damaged, truncated and hostile files are errors, and no
// more memory is taken than the file can account for.
//
// Axes are in row-major order, slowest first: a cube has Axes (channel, y, x),
// which FITS calls NAXIS3, NAXIS2, NAXIS1.
//
// Tables are read here and not by codeberg.org/astrogo/fitsio, which has the
// rest of the format but takes whole files into memory (twice 219 MB to learn
// the names in one DESI coadd), ignores TSCALn and TZEROn, and panics or runs
// out of memory on a wrong NAXISn. The columns of a table are fixed-width
// records, and reading those takes less code than guarding against the rest.
// fitsio is the reference in the tests.
package fits

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"github.com/goastroml/goastroml/astroml"
)

const (
	block    = 2880    // bytes of a FITS record
	bufBytes = 1 << 20 // most bytes that one read takes at once

	// maxHeader is the largest header that is read, in records: 36,864 cards.
	maxHeader = 1024
	// maxHDUs is the largest number of HDUs that is read.
	maxHDUs = 1 << 16
)

// File is an open FITS file. Its HDUs may be read by several goroutines.
type File struct {
	// HDUs are the primary HDU and the extensions, in the order of the file.
	HDUs []*HDU

	name  string
	close func() error
}

// HDU is a header with its data: an image, a binary table, or neither.
type HDU struct {
	// Name is EXTNAME in capital letters, or empty.
	Name string
	// Header holds all cards of the header.
	Header Header
	// Axes are the lengths of an image's axes, slowest first. It is nil if
	// there is no image. Tile-compressed images are images.
	Axes []int
	// Columns are the columns of a binary table. A tile-compressed image has
	// both Axes and, of no use to most, Columns.
	Columns []*Column
	// Rows is the number of rows of a binary table.
	Rows int

	where string // file and HDU, for errors
	r     io.ReaderAt
	data  int64 // offset of the data
	size  int64 // bytes of the data, heap included
	width int64 // bytes of a row, for tables
	image *pixels
	tiles *tiling // nil if the image is not compressed
}

// Open opens a FITS file and reads its headers. A file compressed with gzip is
// unpacked into memory if it is smaller than 1 GiB. A file that is no FITS file, or that ends
// before its data do, is an error that wraps astroml.ErrFormat.
func Open(path string) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("fits: %w", err)
	}
	f, err := open(file, path)
	if err != nil {
		file.Close()
		return nil, err
	}
	return f, nil
}

func open(file *os.File, path string) (*File, error) {
	stat, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("fits: %w", err)
	}
	if !stat.Mode().IsRegular() {
		return nil, fmt.Errorf("fits: %s: not a regular file: %w", path, astroml.ErrFormat)
	}
	f, err := read(file, stat.Size(), path)
	if err != nil {
		return nil, err
	}
	f.close = file.Close
	return f, nil
}

// Read reads the headers of a FITS file of size bytes that lies in r. The name
// is for errors. Close does not close r.
func Read(r io.ReaderAt, size int64, name string) (*File, error) {
	return read(r, size, name)
}

func read(r io.ReaderAt, size int64, name string) (*File, error) {
	packed, err := isGzip(r, size)
	if err != nil {
		return nil, fmt.Errorf("fits: %s: %w", name, err)
	}
	if packed {
		m, err := gunzip(io.NewSectionReader(r, 0, size), maxUnpacked)
		if err != nil {
			return nil, fmt.Errorf("fits: %s: %w", name, err)
		}
		r, size = m, m.size
	}
	f := &File{name: name}
	for at := int64(0); ; {
		i := len(f.HDUs)
		cards, length, err := readHeader(r, at, size, i == 0)
		if err == errSpecial {
			return f, nil // records after the last extension have no meaning (FITS Standard 4.0, section 3.5)
		}
		if err != nil {
			return nil, fmt.Errorf("fits: %s: HDU %d: %w", name, i, err)
		}
		if i == maxHDUs {
			return nil, fmt.Errorf("fits: %s: more than %d HDUs: %w", name, maxHDUs, astroml.ErrFormat)
		}
		h, err := newHDU(r, cards, at+length, size)
		if err != nil {
			return nil, fmt.Errorf("fits: %s: HDU %d: %w", name, i, err)
		}
		h.where = fmt.Sprintf("%s: HDU %d", name, i)
		if h.Name != "" {
			h.where += " (" + h.Name + ")"
		}
		f.HDUs = append(f.HDUs, h)
		at = h.data + (h.size+block-1)/block*block
		if at >= size {
			return f, nil
		}
	}
}

// Close closes the file. What was read stays.
func (f *File) Close() error {
	if f.close == nil {
		return nil
	}
	return f.close()
}

// HDU returns the first HDU of that name, whatever its case, or nil.
func (f *File) HDU(name string) *HDU {
	for _, h := range f.HDUs {
		if h.Name != "" && strings.EqualFold(h.Name, name) {
			return h
		}
	}
	return nil
}

// newHDU checks a header against the bytes that are left after it.
func newHDU(r io.ReaderAt, header Header, at, size int64) (*HDU, error) {
	h := &HDU{Header: header, r: r, data: at}
	if name, ok := header.String("EXTNAME"); ok {
		h.Name = strings.ToUpper(name)
	}
	px, err := geometry(header, "")
	if err != nil {
		return nil, err
	}
	if h.size, err = dataSize(header, px); err != nil {
		return nil, err
	}
	if h.size > size-at {
		return nil, fmt.Errorf("%d bytes of data, the file has %d left: %w", h.size, max(size-at, 0), astroml.ErrFormat)
	}
	kind, extension := header.String("XTENSION")
	switch {
	case extension && kind == "BINTABLE":
		err = h.table(px)
	case !extension || kind == "IMAGE":
		groups, _ := header.Bool("GROUPS")
		if len(px.axes) > 0 && !groups {
			h.image, h.Axes = px, px.axes
		}
	}
	return h, err
}

// pixels is how the pixels of an image are written.
type pixels struct {
	bitpix      int
	axes        []int // slowest first
	scale, zero float64
	blank       int64
	hasBlank    bool
}

// bytes returns the bytes of a pixel.
func (p *pixels) bytes() int { return max(p.bitpix, -p.bitpix) / 8 }

// geometry reads BITPIX, NAXISn, BSCALE, BZERO and BLANK, or with the prefix
// "Z" the keywords of a tile-compressed image.
func geometry(h Header, prefix string) (*pixels, error) {
	bitpix, ok := h.Int(prefix + "BITPIX")
	switch bitpix {
	case 8, 16, 32, 64, -32, -64:
	default:
		return nil, fmt.Errorf("%sBITPIX %s, want 8, 16, 32, 64, -32 or -64: %w", prefix, h.show(prefix+"BITPIX"), astroml.ErrFormat)
	}
	n, ok := h.Int(prefix + "NAXIS")
	if !ok || n < 0 || n > 999 {
		return nil, fmt.Errorf("%sNAXIS %s, want 0 to 999: %w", prefix, h.show(prefix+"NAXIS"), astroml.ErrFormat)
	}
	p := &pixels{bitpix: int(bitpix), scale: 1}
	for i := n; i > 0; i-- {
		key := fmt.Sprintf("%sNAXIS%d", prefix, i)
		v, ok := h.Int(key)
		if !ok || v < 0 || v > math.MaxInt {
			return nil, fmt.Errorf("%s %s, want a number that is not negative: %w", key, h.show(key), astroml.ErrFormat)
		}
		p.axes = append(p.axes, int(v))
	}
	// A compressed image keeps BSCALE, BZERO and, in some files, BLANK under
	// their own names, which no table has (FITS Standard 4.0, section 10.1.1).
	for key, v := range map[string]*float64{"BSCALE": &p.scale, "BZERO": &p.zero} {
		if x, ok := h.Float(key); ok {
			*v = x
		}
	}
	if p.bitpix > 0 {
		if p.blank, p.hasBlank = h.Int(prefix + "BLANK"); !p.hasBlank {
			p.blank, p.hasBlank = h.Int("BLANK")
		}
	}
	return p, nil
}

// dataSize returns |BITPIX|/8 · GCOUNT · (PCOUNT + NAXIS1 · NAXIS2 · …), the
// bytes of an HDU's data (FITS Standard 4.0, equations 1, 2 and 4).
func dataSize(h Header, p *pixels) (int64, error) {
	if len(p.axes) == 0 {
		return 0, nil
	}
	axes := p.axes
	if groups, _ := h.Bool("GROUPS"); groups && axes[len(axes)-1] == 0 {
		axes = axes[:len(axes)-1] // random groups: NAXIS1 = 0 does not count
	}
	pcount, gcount := int64(0), int64(1)
	if v, ok := h.Int("PCOUNT"); ok {
		pcount = v
	}
	if v, ok := h.Int("GCOUNT"); ok {
		gcount = v
	}
	if pcount < 0 || gcount < 1 {
		return 0, fmt.Errorf("PCOUNT %d and GCOUNT %d, want 0 and 1 or more: %w", pcount, gcount, astroml.ErrFormat)
	}
	n, ok := product(axes)
	if ok {
		n, ok = addMul(n, pcount, gcount, int64(p.bytes()))
	}
	if !ok {
		return 0, fmt.Errorf("axes %v, want less than 2^63 bytes: %w", p.axes, astroml.ErrFormat)
	}
	return n, nil
}

// product multiplies; ok is false if the product does not fit.
func product(axes []int) (n int64, ok bool) {
	n = 1
	for _, a := range axes {
		if a == 0 {
			return 0, true
		}
	}
	for _, a := range axes {
		if n > math.MaxInt64/int64(a) {
			return 0, false
		}
		n *= int64(a)
	}
	return n, true
}

// addMul returns (n + p) · g · b; ok is false if it does not fit.
func addMul(n, p, g, b int64) (v int64, ok bool) {
	if n > math.MaxInt64-p {
		return 0, false
	}
	v = n + p
	for _, f := range []int64{g, b} {
		if f != 0 && v > math.MaxInt64/f {
			return 0, false
		}
		v *= f
	}
	return v, true
}

// errorf returns an error about h, which names the file and the HDU.
func (h *HDU) errorf(format string, args ...any) error {
	return fmt.Errorf("fits: %s: "+format, append([]any{h.where}, args...)...)
}

// readAt fills b from offset at of the data. What lies outside of the data is
// a bug of ours; what the file no longer has is a format error.
func (h *HDU) readAt(b []byte, at int64) error {
	if at < 0 || at+int64(len(b)) > h.size {
		panic("fits: read outside of the data")
	}
	n, err := h.r.ReadAt(b, h.data+at)
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return h.errorf("the file ends %d bytes early: %w", len(b)-n, astroml.ErrFormat)
	}
	return h.errorf("%w", err)
}
