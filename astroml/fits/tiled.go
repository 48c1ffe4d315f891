package fits

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/goastroml/goastroml/astroml"
)

// tiling is how a tile-compressed image is written: the table has a row for
// each tile (FITS Standard 4.0, section 10.1). The algorithms RICE_1, GZIP_1,
// GZIP_2 and NOCOMPRESS are read, for integers and for floats that are not
// quantised; these are the ones that lose nothing. DESI writes its masks so.
type tiling struct {
	lengths   []int // axes of a tile, slowest first
	algorithm string
	blockSize int // RICE_1: pixels of a block
	bytePix   int // RICE_1: bytes of a pixel
}

// expansion is the largest number of bytes that a byte may stand for: deflate
// codes at most 258 bytes in 2 bits (RFC 1951, section 3.2.5).
const expansion = 1032

// newTiling makes an image of the table h. An algorithm that we cannot read is
// an error of ReadBox only, for the file may hold more than the caller wants.
func (h *HDU) newTiling() error {
	px, err := geometry(h.Header, "Z")
	if err != nil {
		return err
	}
	t := &tiling{lengths: make([]int, len(px.axes)), blockSize: 32, bytePix: 4}
	t.algorithm, _ = h.Header.String("ZCMPTYPE")
	tiles := int64(1)
	for i, n := range px.axes {
		key := "ZTILE" + strconv.Itoa(len(px.axes)-i)
		length := int64(1)
		if i == len(px.axes)-1 {
			length = int64(n)
		}
		if v, ok := h.Header.Int(key); ok {
			length = v
		}
		if length < 1 && n > 0 || length > math.MaxInt32 {
			return fmt.Errorf("%s %s, want a positive number: %w", key, h.Header.show(key), astroml.ErrFormat)
		}
		if n > 0 {
			length = min(length, int64(n))
			if tiles *= (int64(n) + length - 1) / length; tiles > int64(h.Rows) {
				return fmt.Errorf("axes %v need more than the %d tiles of the table: %w", px.axes, h.Rows, astroml.ErrFormat)
			}
		}
		t.lengths[i] = int(length)
	}
	for i := 1; ; i++ {
		name, ok := h.Header.String("ZNAME" + strconv.Itoa(i))
		if !ok {
			break
		}
		v, _ := h.Header.Int("ZVAL" + strconv.Itoa(i))
		switch name {
		case "BLOCKSIZE":
			t.blockSize = int(v)
		case "BYTEPIX":
			t.bytePix = int(v)
		}
	}
	if n, ok := product(px.axes); !ok || n > math.MaxInt64/8 || n*int64(px.bytes()) > h.size*expansion {
		return fmt.Errorf("axes %v, which %d bytes cannot hold: %w", px.axes, h.size, astroml.ErrFormat)
	}
	h.image, h.Axes, h.tiles = px, px.axes, t
	return nil
}

// readable says why a compressed image cannot be read, if so.
func (h *HDU) readable() error {
	t, quantised := h.tiles, h.Column("ZSCALE") != nil
	if _, ok := h.Header.Float("ZSCALE"); ok {
		quantised = true
	}
	switch {
	case h.image.bitpix < 0 && (quantised || t.algorithm == "RICE_1" || t.algorithm == "RICE_ONE"):
		return h.errorf("quantised floats, which lose precision, are not read: uncompress with funpack: %w", astroml.ErrFormat)
	case t.algorithm == "GZIP_1" || t.algorithm == "GZIP_2" || t.algorithm == "NOCOMPRESS":
		return nil
	case t.algorithm != "RICE_1" && t.algorithm != "RICE_ONE":
		return h.errorf("compressed with %q, want RICE_1, GZIP_1 or GZIP_2: uncompress with funpack: %w", t.algorithm, astroml.ErrFormat)
	case t.blockSize < 1 || t.blockSize > 1<<10 || t.bytePix != h.image.bytes() || t.bytePix > 4:
		return h.errorf("RICE_1 of %d bytes a pixel in blocks of %d, want %d bytes: %w", t.bytePix, t.blockSize, h.image.bytes(), astroml.ErrFormat)
	}
	return nil
}

// readTiles reads a box of a compressed image, tile by tile.
func readTiles[T float32 | float64](h *HDU, dst []T, lo, hi []int) error {
	if err := h.readable(); err != nil {
		return err
	}
	axes, lengths := h.Axes, h.tiles.lengths
	box := make([]int, len(axes))   // lengths of the box
	first := make([]int, len(axes)) // tiles that the box touches
	grid := make([]int, len(axes))  // tiles in all
	for i := range axes {
		box[i] = hi[i] - lo[i]
		first[i] = lo[i] / lengths[i]
		grid[i] = (axes[i] + lengths[i] - 1) / lengths[i]
	}
	tile := append([]int(nil), first...)
	begin, end := make([]int, len(axes)), make([]int, len(axes)) // the tile's share of the box, within the tile
	size := make([]int, len(axes))
	for {
		row, n := 0, 1
		for i := range axes {
			row = row*grid[i] + tile[i]
			from := tile[i] * lengths[i]
			size[i] = min(lengths[i], axes[i]-from)
			n *= size[i]
			begin[i] = max(lo[i]-from, 0)
			end[i] = min(hi[i]-from, size[i])
		}
		raw, err := h.tile(row, n)
		if err != nil {
			return err
		}
		pixel := h.image.bytes()
		err = runs(size, begin, end, func(at int64, _, n int) error {
			// A run may span axes of the tile that are longer in the box.
			for n > 0 {
				to, rest, last := 0, at, len(axes)-1
				index := make([]int, len(axes))
				for i := last; i >= 0; i-- {
					index[i] = int(rest % int64(size[i]))
					rest /= int64(size[i])
				}
				for i := range axes {
					to = to*box[i] + tile[i]*lengths[i] + index[i] - lo[i]
				}
				k := min(n, end[last]-index[last])
				decode(dst[to:to+k], raw[at*int64(pixel):], h.image)
				at, n = at+int64(k), n-k
			}
			return nil
		})
		if err != nil {
			return err
		}
		i := len(axes) - 1
		for ; i >= 0; i-- {
			if tile[i]++; tile[i]*lengths[i] < hi[i] {
				break
			}
			tile[i] = first[i]
		}
		if i < 0 {
			return nil
		}
	}
}

// tile returns the n pixels of a tile as an uncompressed image has them.
func (h *HDU) tile(row, n int) ([]byte, error) {
	pixel := h.image.bytes()
	// A tile that its algorithm would make longer lies in one of the other columns.
	for _, at := range [][2]string{{"COMPRESSED_DATA", h.tiles.algorithm}, {"GZIP_COMPRESSED_DATA", "GZIP_1"}, {"UNCOMPRESSED_DATA", "NOCOMPRESS"}} {
		c, algorithm := h.Column(at[0]), at[1]
		if c == nil || c.variable == 0 {
			continue
		}
		count, at, err := c.descriptor(row)
		if err != nil {
			return nil, err
		}
		if count == 0 {
			continue
		}
		packed := make([]byte, count*int64(sizes[c.Type]))
		if err := h.readAt(packed, at); err != nil {
			return nil, err
		}
		if int64(n)*int64(pixel) > int64(len(packed))*expansion {
			return nil, h.errorf("tile %d: %d pixels in %d bytes: %w", row, n, len(packed), astroml.ErrFormat)
		}
		raw, err := h.tiles.unpack(packed, algorithm, n, pixel)
		if err != nil {
			return nil, h.errorf("tile %d: %w: %w", row, err, astroml.ErrFormat)
		}
		return raw, nil
	}
	return nil, h.errorf("tile %d has no data: %w", row, astroml.ErrFormat)
}

// unpack returns n pixels, big-endian.
func (t *tiling) unpack(packed []byte, algorithm string, n, pixel int) ([]byte, error) {
	if strings.HasPrefix(algorithm, "RICE") {
		return rice(packed, n, pixel, t.blockSize)
	}
	raw := packed
	if algorithm != "NOCOMPRESS" {
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, err
		}
		raw = make([]byte, n*pixel)
		if _, err := io.ReadFull(z, raw); err != nil {
			return nil, err
		}
	}
	if len(raw) < n*pixel {
		return nil, fmt.Errorf("%d bytes, want %d", len(raw), n*pixel)
	}
	if algorithm != "GZIP_2" {
		return raw, nil
	}
	// GZIP_2 has first the highest bytes of all pixels, then the next.
	out := make([]byte, n*pixel)
	for i := range n {
		for j := range pixel {
			out[i*pixel+j] = raw[j*n+i]
		}
	}
	return out, nil
}

// rice unpacks n integers of 1, 2 or 4 bytes (FITS Standard 4.0, section
// 10.4.1, after Rice et al. 1993, doi:10.2514/6.1993-4541): the first value as
// it is, then blocks of differences. Each block begins with a number of bits,
// plus one; a difference is its bits above these, as a number of zeros and a
// one, and then these bits.
func rice(packed []byte, n, size, blockSize int) ([]byte, error) {
	// Bits of the number that begins a block, and the number that says that
	// differences follow as they are, for 1, 2 and 4 bytes.
	width := map[int]int{1: 3, 2: 4, 4: 5}[size]
	plain := map[int]int{1: 6, 2: 14, 4: 25}[size]
	if len(packed) < size {
		return nil, io.ErrUnexpectedEOF
	}
	// A block takes width bits at least.
	if blocks := (n + blockSize - 1) / blockSize; blocks*width > 8*(len(packed)-size) {
		return nil, fmt.Errorf("%d blocks in %d bytes", blocks, len(packed))
	}
	out := make([]byte, n*size)
	last := uint32(integer(packed, size))
	bits := bitReader{b: packed[size:]}
	for i := 0; i < n; {
		low := int(bits.take(width)) - 1
		if low > plain {
			return nil, fmt.Errorf("a block of %d bits, want %d at most", low, plain)
		}
		for end := min(i+blockSize, n); i < end; i++ {
			var d uint32
			switch {
			case low < 0: // no differences
			case low == plain:
				d = bits.take(8 * size)
			default:
				d = bits.zeros()<<low | bits.take(low)
			}
			last += d>>1 ^ -(d & 1) // 0, -1, 1, -2, 2, …
			switch size {
			case 1:
				out[i] = byte(last)
			case 2:
				binary.BigEndian.PutUint16(out[2*i:], uint16(last))
			case 4:
				binary.BigEndian.PutUint32(out[4*i:], last)
			}
		}
		if bits.short {
			return nil, io.ErrUnexpectedEOF
		}
	}
	return out, nil
}

// bitReader takes bits, highest first.
type bitReader struct {
	b     []byte
	word  uint64 // bits that were loaded, the last of them lowest
	have  int    // how many of them are left
	short bool   // more was taken than there was
}

// take returns the next n bits, 32 at most.
func (r *bitReader) take(n int) uint32 {
	for r.have < n {
		if len(r.b) == 0 {
			r.short = true
			return 0
		}
		r.word = r.word<<8 | uint64(r.b[0])
		r.b, r.have = r.b[1:], r.have+8
	}
	r.have -= n
	return uint32(r.word >> r.have & (1<<n - 1))
}

// zeros takes zeros up to a one, and the one, and returns their number.
func (r *bitReader) zeros() (n uint32) {
	for !r.short && r.take(1) == 0 {
		n++
	}
	return n
}
