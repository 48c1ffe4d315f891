//go:build cgo

package hdf5

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/goastroml/goastroml/astroml"
)

// Number is what numbers are read as and written from.
type Number interface {
	float32 | float64 | int32 | int64 | int
}

// Read reads a dataset whole, converts its numbers to T, and returns them
// row-major with the lengths of the axes. Integers and booleans become any T,
// floats only floats; integers that T cannot hold are an error, floats that it
// cannot are infinite. After an error, which the file keeps, both are nil.
func Read[T Number](f *File, dataset string) (data []T, shape []int) {
	f.do("dataset "+dataset, []string{dataset}, func() error {
		set, err := f.set(dataset)
		if err != nil {
			return err
		}
		a, err := rows{set: set}.describe()
		if err != nil {
			return err
		}
		r := rows{set: set}
		if len(a.shape) > 0 {
			r.hi = a.shape[0]
		}
		if data, err = read[T](r, a, f.size); err == nil {
			shape = a.shape
		}
		return err
	})
	return data, shape
}

// ReadRows reads rows lo to hi, hi excluded, of the first axis of a dataset. It
// is Read otherwise. Rows that the dataset does not have are
// astroml.ErrShape.
func ReadRows[T Number](f *File, dataset string, lo, hi int) (data []T, shape []int) {
	f.do("dataset "+dataset, []string{dataset}, func() error {
		set, err := f.set(dataset)
		if err != nil {
			return err
		}
		r := rows{set: set, lo: lo, hi: hi}
		a, err := r.describe()
		if err != nil {
			return err
		}
		if len(a.shape) == 0 || lo < 0 || hi < lo || hi > a.shape[0] {
			return fmt.Errorf("rows %d to %d of shape %v: %w", lo, hi, a.shape, astroml.ErrShape)
		}
		a.shape[0] = hi - lo
		a.count, _ = count(a.shape)
		if data, err = read[T](r, a, f.size); err == nil {
			shape = a.shape
		}
		return err
	})
	return data, shape
}

// ReadAttr reads the numbers of an attribute of a dataset or group, one if it is
// a scalar. Types are those of Read.
func ReadAttr[T Number](f *File, object, name string) (data []T) {
	f.do(fmt.Sprintf("attribute %s of %s", name, object), []string{object, name}, func() error {
		return withAttribute(f.file, object, name, func(t attribute) error {
			a, err := t.describe()
			if err != nil {
				return err
			}
			data, err = read[T](t, a, f.size)
			return err
		})
	})
	return data
}

// Text reads an attribute that is a string.
func (f *File) Text(object, name string) (text string) {
	f.do(fmt.Sprintf("attribute %s of %s", name, object), []string{object, name}, func() error {
		return withAttribute(f.file, object, name, func(t attribute) (err error) {
			text, err = t.text()
			return err
		})
	})
	return text
}

// Attributes returns the names of the attributes of a dataset or group, sorted.
func (f *File) Attributes(object string) (names []string) {
	f.do("attributes of "+object, []string{object}, func() (err error) {
		names, err = attributeNames(f.file, object)
		return err
	})
	return names
}

// Numbers that are compressed take less room in the file than in memory. Deflate
// saves 1032 in 1033 bytes at most; other filters, and numbers that were never
// written, save more, which we allow for arrays of less than sparse bytes. A
// chunk that was written has an address in the file; to look for one takes some
// microseconds, whether it is there or not.
const (
	deflate = 1032
	sparse  = 1 << 22
	address = 8
	some    = 1 << 14 // chunks
)

// read reads the numbers that a describes from a file of size bytes.
func read[T Number](from source, a *array, size int64) ([]T, error) {
	var zero T
	width := int(unsafe.Sizeof(zero))
	bytes := max(int64(a.count)*int64(max(a.size, width)), int64(a.chunk)*int64(a.size))
	if bytes > sparse && bytes/deflate > size {
		return nil, fmt.Errorf("%d bytes of numbers in a file of %d: read fewer rows at once: %w", bytes, size, astroml.ErrFormat)
	}
	if a.chunk > 0 {
		if chunks := a.count / a.chunk; chunks > some && int64(chunks) > size/address {
			return nil, fmt.Errorf("%d chunks in a file of %d bytes: read fewer rows at once: %w", chunks, size, astroml.ErrFormat)
		}
	}
	switch any(zero).(type) {
	case float32, float64:
		return direct[T](from, 'f', width, a.count)
	}
	switch {
	case a.kind == 'f':
		return nil, fmt.Errorf("it holds %s, want integers: %w", a, astroml.ErrFormat)
	case a.size < width || a.size == width && a.kind == 'i':
		return direct[T](from, 'i', width, a.count)
	case a.kind == 'i':
		wide, err := direct[int64](from, 'i', 8, a.count)
		return narrow[T](wide, err)
	}
	wide, err := direct[uint64](from, 'u', 8, a.count)
	return narrow[T](wide, err)
}

// direct reads numbers that the library converts to T, which has this kind and
// size.
func direct[T Number | uint64](from source, kind byte, size, n int) ([]T, error) {
	data := make([]T, n)
	if n == 0 {
		return data, nil
	}
	if err := from.read(kind, size, unsafe.Pointer(&data[0]), n); err != nil {
		return nil, err
	}
	return data, nil
}

// narrow converts integers to a type that may not hold them all.
func narrow[T Number, W int64 | uint64](wide []W, err error) ([]T, error) {
	if err != nil {
		return nil, err
	}
	data := make([]T, len(wide))
	for i, v := range wide {
		data[i] = T(v)
		if W(data[i]) != v || v > math.MaxInt64 && data[i] < 0 {
			return nil, fmt.Errorf("integer %d is too large for %T: %w", v, data[i], astroml.ErrFormat)
		}
	}
	return data, nil
}
