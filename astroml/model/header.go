package model

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/goastroml/goastroml/astroml"
)

const (
	// maxHeader bounds the header. A network with ten thousand arrays takes
	// about one MiB.
	maxHeader = 16 << 20
	// maxData bounds the data, so that no count of numbers or bytes leaves
	// the range of int64 on the way.
	maxData = 1 << 48
	maxRank = 32 // NumPy's limit was the same for long
	maxInt  = int(^uint(0) >> 1)
)

const metadataKey = "__metadata__"

// header is a checked header.
type header struct {
	start  int64   // offset of the data in the file
	arrays []entry // in the order of their data, which they cover once
	meta   map[string]string
}

// entry is one array of the header.
type entry struct {
	name       string
	dtype      dtype
	shape      []int
	count      int   // numbers
	begin, end int64 // bytes, from the start of the data
}

// bad is an ErrFormat about the header.
func bad(format string, args ...any) error {
	return fmt.Errorf("model: "+format+": %w", append(args, astroml.ErrFormat)...)
}

func readHeader(r io.ReaderAt, size int64) (*header, error) {
	var b [8]byte
	if size < int64(len(b)) {
		return nil, bad("%d bytes are too few for a safetensors file", size)
	}
	if _, err := io.ReadFull(io.NewSectionReader(r, 0, 8), b[:]); err != nil {
		return nil, ended(err)
	}
	n := binary.LittleEndian.Uint64(b[:])
	switch {
	case n > maxHeader:
		return nil, bad("no safetensors file: its header would take %d bytes, want at most %d", n, maxHeader)
	case int64(n) > size-8:
		return nil, bad("the header takes %d bytes, the file has %d", n, size)
	case size > maxData:
		return nil, bad("%d bytes, want at most %d", size, int64(maxData))
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(r, 8, int64(n)), text); err != nil {
		return nil, ended(err)
	}
	h, err := parseHeader(text)
	if err != nil {
		return nil, err
	}
	h.start = 8 + int64(n)
	return h, h.cover(size - h.start)
}

// ended says of a file that is shorter than was promised that its format is
// bad. Other errors of reading stay as they are.
func ended(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return bad("the file ends early")
	}
	return err
}

// parseHeader reads {"name": {"dtype": …, "shape": …, "data_offsets": …}, …}.
// It walks tokens, since encoding/json would take duplicate names, names in
// other cases and numbers such as 1e2 without a word.
func parseHeader(text []byte) (*header, error) {
	if len(text) == 0 || text[0] != '{' || !utf8.Valid(text) {
		return nil, bad("no safetensors file: its header is no JSON object")
	}
	h := &header{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err := object(d, func(name string) error {
		if name == metadataKey {
			h.meta = make(map[string]string)
			return object(d, func(key string) (err error) {
				h.meta[key], err = str(d)
				return err
			})
		}
		e, err := parseEntry(d, name)
		h.arrays = append(h.arrays, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	if rest := bytes.Trim(text[d.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return nil, bad("the header goes on after its JSON object")
	}
	return h, nil
}

func parseEntry(d *json.Decoder, name string) (entry, error) {
	e := entry{name: name, count: -1, begin: -1}
	err := object(d, func(key string) error {
		switch key {
		case "dtype":
			s, err := str(d)
			e.dtype = dtype(s)
			return err
		case "shape":
			dims, err := integers(d, maxRank)
			if err != nil {
				return err
			}
			e.shape = make([]int, len(dims))
			e.count = 1
			for i, n := range dims {
				if n > int64(maxInt) {
					return bad("array %q has length %d on axis %d", name, n, i)
				}
				e.shape[i] = int(n)
			}
			e.count, err = count(e.shape)
			if err != nil {
				return bad("array %q: %v", name, err)
			}
			return nil
		case "data_offsets":
			o, err := integers(d, 2)
			if err != nil {
				return err
			}
			if len(o) != 2 || o[0] > o[1] {
				return bad("array %q has data offsets %v, want begin and end", name, o)
			}
			e.begin, e.end = o[0], o[1]
			return nil
		}
		return bad("array %q has an unknown property %q", name, key)
	})
	if err != nil {
		return e, err
	}
	switch {
	case e.dtype == "" || e.count < 0 || e.begin < 0:
		return e, bad("array %q does not say its dtype, shape and data_offsets", name)
	case e.dtype.width() == 0:
		return e, bad("array %q is of type %q, want F32 (or F64, F16, BF16)", name, e.dtype)
	}
	// e.count < 2⁶³/8, so this does not overflow.
	if want := int64(e.count) * int64(e.dtype.width()); e.end-e.begin != want {
		return e, bad("array %q takes %d bytes, its shape %v of %s wants %d", name, e.end-e.begin, e.shape, e.dtype, want)
	}
	return e, nil
}

// count returns the product of a shape's lengths. The product of the lengths
// other than zero must be a sane number too, or a shape such as [0, 2⁶², 4]
// trips whoever multiplies in another order.
func count(shape []int) (int, error) {
	product, zero := uint64(1), false
	for _, n := range shape {
		if n == 0 {
			zero = true
			continue
		}
		hi, lo := bits.Mul64(product, uint64(n))
		if hi != 0 || lo > uint64(maxInt)/8 {
			return 0, fmt.Errorf("its shape %v is too large", shape)
		}
		product = lo
	}
	if zero {
		return 0, nil
	}
	return int(product), nil
}

// cover sorts the arrays by their data and checks that these fill size bytes
// without holes or overlaps.
func (h *header) cover(size int64) error {
	slices.SortFunc(h.arrays, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end), cmp.Compare(a.name, b.name))
	})
	var at int64
	for _, e := range h.arrays {
		switch {
		case e.begin < at:
			return bad("array %q overlaps another", e.name)
		case e.begin > at:
			return bad("%d bytes before array %q belong to none", e.begin-at, e.name)
		case e.end > size:
			return bad("array %q ends at byte %d, the file has %d", e.name, e.end, size)
		}
		at = e.end
	}
	if at != size {
		return bad("%d bytes at the end belong to no array", size-at)
	}
	return nil
}

// object reads a JSON object and calls value at each value. A key may come
// once only.
func object(d *json.Decoder, value func(key string) error) error {
	if err := delim(d, '{'); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for d.More() {
		key, err := str(d)
		if err != nil {
			return err
		}
		if seen[key] {
			return bad("the header names %q twice", key)
		}
		seen[key] = true
		if err := value(key); err != nil {
			return err
		}
	}
	return delim(d, '}')
}

// integers reads a JSON array of at most limit non-negative integers.
func integers(d *json.Decoder, limit int) ([]int64, error) {
	if err := delim(d, '['); err != nil {
		return nil, err
	}
	list := []int64{}
	for d.More() {
		t, err := token(d)
		if err != nil {
			return nil, err
		}
		number, _ := t.(json.Number)
		n, err := strconv.ParseInt(string(number), 10, 64)
		if err != nil || n < 0 || number[0] == '-' {
			return nil, bad("the header has %v where it wants an integer", t)
		}
		if list = append(list, n); len(list) > limit {
			return nil, bad("the header has a list of more than %d integers", limit)
		}
	}
	return list, delim(d, ']')
}

func str(d *json.Decoder) (string, error) {
	t, err := token(d)
	if err != nil {
		return "", err
	}
	s, ok := t.(string)
	if !ok {
		return "", bad("the header has %v where it wants a string", t)
	}
	return s, nil
}

func delim(d *json.Decoder, want json.Delim) error {
	t, err := token(d)
	if err != nil {
		return err
	}
	if t != want {
		return bad("the header has %v where it wants %v", t, want)
	}
	return nil
}

func token(d *json.Decoder) (json.Token, error) {
	t, err := d.Token()
	if err != nil {
		return nil, bad("the header is no JSON: %v", err)
	}
	return t, nil
}
