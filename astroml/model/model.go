// Package model reads and writes model files.
//
// A model file is a safetensors file (github.com/huggingface/safetensors,
// section "Format" of its README): the length of a header, the header in JSON,
// and little-endian, row-major numbers. Any safetensors library opens it. What
// makes it a model of ours stands in the header's free text, __metadata__:
//
//	goastroml  version of the library that wrote the file
//	format     version of what is described here, an integer; now 1
//	kind       what the model is, "spectra" for instance
//	config     its options and whatever else is no array, JSON
//
// and, beside these, any provenance that the writer gave.
package model

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"

	"github.com/goastroml/goastroml/astroml"
)

// Format is the version of the files that Write makes. Decode reads this and
// all before it.
const Format = 1

// File is what a model file holds.
type File struct {
	// Kind says what the model is. It is empty in a safetensors file of
	// another library, whose whole __metadata__ is then Meta.
	Kind string
	// Config holds the model's options, a JSON value. Nil is written as {}.
	Config json.RawMessage
	// Meta is free provenance: seed, data digest, history. The names
	// goastroml, format, kind and config are taken.
	Meta map[string]string
	// Arrays are the model's arrays by name, such as "trunk.0.weight".
	Arrays map[string]astroml.Array
	// Library is the version of the library that wrote the file. Decode sets
	// it; Write writes astroml.Version.
	Library string
}

// Names of our own in __metadata__.
const (
	keyLibrary = "goastroml"
	keyFormat  = "format"
	keyKind    = "kind"
	keyConfig  = "config"
)

// Read reads the model file at path. A file that cannot be opened is a
// *fs.PathError; for the others see Decode.
func Read(path string) (*File, error) {
	// Opening a pipe would wait for its writer, so look first.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("is no regular file")}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	m, err := Decode(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// Decode reads a model file of size bytes. All that the header says is
// checked against size before memory is taken for arrays: names, shapes, and
// that the data are covered once, without holes. Arrays of type F32 come as
// they are; F64, F16 and BF16 are converted, F64 rounded.
//
// A file that is no safetensors file, or holds other types, is
// astroml.ErrFormat; a model file of a newer library is astroml.ErrVersion.
func Decode(r io.ReaderAt, size int64) (*File, error) {
	h, err := readHeader(r, size)
	if err != nil {
		return nil, err
	}
	m, err := describe(h.meta)
	if err != nil {
		return nil, err
	}
	m.Arrays = make(map[string]astroml.Array, len(h.arrays))
	buf := make([]byte, 1<<16)
	for _, e := range h.arrays {
		a := astroml.Array{Shape: e.shape, Data: make([]float32, e.count)}
		if err := e.read(a.Data, io.NewSectionReader(r, h.start+e.begin, e.end-e.begin), buf); err != nil {
			return nil, fmt.Errorf("model: array %q: %w", e.name, err)
		}
		m.Arrays[e.name] = a
	}
	return m, nil
}

// describe takes our own names out of the metadata.
func describe(meta map[string]string) (*File, error) {
	library, ours := meta[keyLibrary]
	if !ours {
		return &File{Meta: meta}, nil
	}
	format, err := strconv.Atoi(meta[keyFormat])
	switch {
	case err != nil || format < 1:
		return nil, fmt.Errorf("model: file format is %q, want a positive integer: %w", meta[keyFormat], astroml.ErrFormat)
	case format > Format:
		return nil, fmt.Errorf("model: file format %d of goastroml %s, this is %s and reads up to %d: %w",
			format, library, astroml.Version, Format, astroml.ErrVersion)
	case meta[keyKind] == "":
		return nil, fmt.Errorf("model: the file does not say its kind: %w", astroml.ErrFormat)
	case !json.Valid([]byte(meta[keyConfig])):
		return nil, fmt.Errorf("model: config is no JSON: %w", astroml.ErrFormat)
	}
	m := &File{Kind: meta[keyKind], Config: json.RawMessage(meta[keyConfig]), Library: library}
	for _, key := range []string{keyLibrary, keyFormat, keyKind, keyConfig} {
		delete(meta, key)
	}
	if len(meta) > 0 {
		m.Meta = meta
	}
	return m, nil
}

// read fills dst with the entry's numbers, by way of buf.
func (e *entry) read(dst []float32, r io.Reader, buf []byte) error {
	width := e.dtype.width()
	for len(dst) > 0 {
		n := min(len(dst), len(buf)/width)
		b := buf[:n*width]
		if _, err := io.ReadFull(r, b); err != nil {
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				return fmt.Errorf("the file ends early: %w", astroml.ErrFormat)
			}
			return err
		}
		e.dtype.convert(dst[:n], b)
		dst = dst[n:]
	}
	return nil
}

// dtype is a type of numbers by its safetensors name.
type dtype string

// width returns the bytes a number takes, 0 for types that we do not read.
func (t dtype) width() int {
	switch t {
	case "F64":
		return 8
	case "F32":
		return 4
	case "F16", "BF16":
		return 2
	}
	return 0
}

// convert turns little-endian numbers into float32.
func (t dtype) convert(dst []float32, b []byte) {
	switch t {
	case "F64":
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:])))
		}
	case "F32":
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
	case "F16":
		for i := range dst {
			dst[i] = half(binary.LittleEndian.Uint16(b[2*i:]))
		}
	case "BF16":
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(b[2*i:])) << 16)
		}
	}
}

// half returns the value of an IEEE 754 binary16.
func half(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10)&0x1f, uint32(h)&0x3ff
	switch exp {
	case 0: // zero or subnormal: frac × 2⁻²⁴, exact in float32
		return math.Float32frombits(sign | math.Float32bits(float32(frac)*0x1p-24))
	case 0x1f: // infinite or NaN
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}

// Array returns the array of a name, and an error if there is none or its
// shape is another. A negative length in shape stands for any.
func (m *File) Array(name string, shape ...int) (astroml.Array, error) {
	a, ok := m.Arrays[name]
	if !ok {
		return astroml.Array{}, fmt.Errorf("model: no array %q: %w", name, astroml.ErrFormat)
	}
	same := func(got, want int) bool { return want < 0 || got == want }
	if !slices.EqualFunc(a.Shape, shape, same) {
		return astroml.Array{}, fmt.Errorf("model: array %q has shape %v, want %v: %w", name, a.Shape, shape, astroml.ErrShape)
	}
	return a, nil
}
