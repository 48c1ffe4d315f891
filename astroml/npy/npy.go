// Package npy reads and writes arrays in NumPy's .npy format, versions 1 to 3
// (numpy.lib.format). Training sets larger than memory come in such files: Map
// gives them as a slice of which the operating system loads what is used.
package npy

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"unsafe"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/atomicfile"
)

// File is an array of float32 in a file.
type File struct {
	// Data holds the numbers, row-major. They may lie in the file itself: do
	// not write to them, and do not use them after Close.
	Data []float32
	// Shape holds the lengths of the axes.
	Shape []int

	memory []byte // the mapping; nil if Data were read
}

// Map opens an array of little-endian float32 in C order ("<f4") without
// reading it. Where the operating system cannot map files it is read whole.
//
// The file must stay as it is until Close: if another program cuts it short,
// touching the lost part kills the process.
//
// A file that cannot be opened is a *fs.PathError. One that is no .npy file, is
// shorter than its shape wants, or holds other numbers is astroml.ErrFormat.
func Map(path string) (*File, error) {
	f, size, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // a mapping outlives it
	m, err := mapped(f, size)
	if err != nil {
		return nil, locate(path, err)
	}
	return m, nil
}

func mapped(f *os.File, size int64) (*File, error) {
	h, err := readHeader(f, size)
	if err != nil {
		return nil, err
	}
	if h.kind != 'f' || h.size != 4 || h.bigEndian || h.fortran {
		return nil, fmt.Errorf("npy: numbers of type %s, want <f4 in C order: %w", h, astroml.ErrFormat)
	}
	// Writers align the numbers to 16 bytes at least, but need not.
	little := binary.NativeEndian.Uint16([]byte{1, 0}) == 1
	if little && h.start%4 == 0 && h.count > 0 {
		memory, err := mmap(f, int(h.start)+4*h.count)
		if err == nil {
			first := (*float32)(unsafe.Pointer(&memory[h.start]))
			return &File{Data: unsafe.Slice(first, h.count), Shape: h.shape, memory: memory}, nil
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			return nil, err
		}
	}
	data, err := decode[float32](f, h)
	if err != nil {
		return nil, err
	}
	return &File{Data: data, Shape: h.shape}, nil
}

// Array returns the array. It shares memory with f.
func (f *File) Array() astroml.Array { return astroml.Array{Shape: f.Shape, Data: f.Data} }

// Close gives the memory back. Data must not be used any more.
func (f *File) Close() error {
	memory := f.memory
	f.Data, f.memory = nil, nil
	if memory == nil {
		return nil
	}
	return munmap(memory)
}

// Number is what Read returns.
type Number interface{ float32 | float64 | int }

// Read reads an array of numbers of any type, order of bytes and order of axes,
// converts it to T and to C order. Integers and booleans become any T, floats
// only floats; integers that T cannot hold are an error. Errors are those of
// Map.
func Read[T Number](path string) (data []T, shape []int, err error) {
	f, size, err := open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	h, err := readHeader(f, size)
	if err == nil {
		data, err = decode[T](f, h)
	}
	if err != nil {
		return nil, nil, locate(path, err)
	}
	return data, h.shape, nil
}

// open opens a regular file and returns its size. Opening a pipe would wait for
// its writer.
func open(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, &fs.PathError{Op: "read", Path: path, Err: errors.New("is no regular file")}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	if info, err = f.Stat(); err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

func locate(path string, err error) error { return fmt.Errorf("%s: %w", path, err) }

// decode reads the numbers after a header.
func decode[T Number](r io.ReaderAt, h *header) ([]T, error) {
	if _, integer := any(T(0)).(int); integer && h.kind == 'f' {
		return nil, fmt.Errorf("npy: numbers of type %s, want integers: %w", h, astroml.ErrFormat)
	}
	var order binary.ByteOrder = binary.LittleEndian
	if h.bigEndian {
		order = binary.BigEndian
	}
	data := make([]T, h.count)
	in := bufio.NewReaderSize(io.NewSectionReader(r, h.start, int64(h.count*h.size)), 1<<16)
	b := make([]byte, h.size)
	for i := range data {
		if _, err := io.ReadFull(in, b); err != nil {
			return nil, ended(err)
		}
		var err error
		if data[i], err = number[T](h, order, b); err != nil {
			return nil, err
		}
	}
	if h.fortran {
		data = rowMajor(data, h.shape)
	}
	return data, nil
}

// number converts the bytes of one number.
func number[T Number](h *header, order binary.ByteOrder, b []byte) (T, error) {
	var bits uint64
	switch h.size {
	case 1:
		bits = uint64(b[0])
	case 2:
		bits = uint64(order.Uint16(b))
	case 4:
		bits = uint64(order.Uint32(b))
	case 8:
		bits = order.Uint64(b)
	}
	switch h.kind {
	case 'f':
		if h.size == 4 {
			return T(math.Float32frombits(uint32(bits))), nil
		}
		return T(math.Float64frombits(bits)), nil
	case 'i':
		unused := 64 - 8*h.size
		v := int64(bits<<unused) >> unused // spread the sign
		if _, integer := any(T(0)).(int); integer && int64(int(v)) != v {
			return 0, fmt.Errorf("npy: integer %d is too large: %w", v, astroml.ErrFormat)
		}
		return T(v), nil
	}
	if _, integer := any(T(0)).(int); integer && bits > uint64(maxInt) {
		return 0, fmt.Errorf("npy: integer %d is too large: %w", bits, astroml.ErrFormat)
	}
	return T(bits), nil
}

// rowMajor returns numbers whose first axis runs fastest in an order where the
// last one does.
func rowMajor[T Number](data []T, shape []int) []T {
	out := make([]T, len(data))
	stride := make([]int, len(shape))
	for axis, s := len(shape)-1, 1; axis >= 0; axis-- {
		stride[axis] = s
		s *= shape[axis]
	}
	index := make([]int, len(shape))
	at := 0
	for _, v := range data {
		out[at] = v
		for axis := range shape {
			index[axis]++
			at += stride[axis]
			if index[axis] < shape[axis] {
				break
			}
			at -= index[axis] * stride[axis]
			index[axis] = 0
		}
	}
	return out
}

// Write writes an array as "<f4" in C order, whole or not at all. The bytes are
// those of numpy.save.
func Write(path string, a astroml.Array) error {
	n, ok := count(a.Shape)
	if !ok || n != len(a.Data) || len(a.Shape) > maxRank {
		return fmt.Errorf("npy: %d numbers do not have shape %v: %w", len(a.Data), a.Shape, astroml.ErrShape)
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		if _, err := w.Write(formatHeader(a.Shape)); err != nil {
			return err
		}
		buf := make([]byte, 0, 1<<16)
		for part := range slices.Chunk(a.Data, cap(buf)/4) {
			b := buf
			for _, v := range part {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
			}
			if _, err := w.Write(b); err != nil {
				return err
			}
		}
		return nil
	})
}
