//go:build cgo

package hdf5

// #cgo linux CFLAGS: -I/usr/include/hdf5/serial
// #cgo linux,amd64 LDFLAGS: -L/usr/lib/x86_64-linux-gnu/hdf5/serial
// #cgo linux,arm64 LDFLAGS: -L/usr/lib/aarch64-linux-gnu/hdf5/serial
// #cgo LDFLAGS: -lhdf5
// #include <stdlib.h>
// #include "native.h"
import "C"

import (
	"errors"
	"fmt"
	"math/bits"
	"runtime"
	"sync"
	"unsafe"

	lib "gonum.org/v1/hdf5"

	"github.com/goastroml/goastroml/astroml"
)

// library is locked while the C library works: only some builds of it are made
// for threads.
var library sync.Mutex

// inLibrary runs f, on a thread where the library does not print its errors.
// The library's stack of errors is the thread's too.
func inLibrary(f func()) {
	library.Lock()
	defer library.Unlock()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	lib.DisplayErrors(false)
	f()
}

// libraryError is what the C library says of a call that failed.
type libraryError string

func (e libraryError) Error() string {
	if e == "" {
		return "libhdf5 does not say why"
	}
	return string(e)
}

// explained returns an error if f, which calls a C function, returns false.
func explained(f func(why *C.char) bool) error {
	var why [C.H5_WHY]C.char
	if f(&why[0]) {
		return nil
	}
	return libraryError(C.GoString(&why[0]))
}

// explain returns what the library says of the last call.
func explain() error {
	return explained(func(why *C.char) bool { C.h5_explain(why); return false })
}

// withText calls f with a string of C. There must be no NUL in s.
func withText(s string, f func(*C.char) error) error {
	c := C.CString(s)
	defer C.free(unsafe.Pointer(c))
	return f(c)
}

// array is what a dataset or an attribute holds.
type array struct {
	kind  byte // f, i or u
	size  int  // bytes a number in the file
	shape []int
	count int
	chunk int // numbers in a chunk, which the library reads whole; 0 if there are none
}

func (a *array) String() string { return fmt.Sprintf("%c%d", a.kind, a.size) }

// classes are the names of H5T_class_t.
var classes = []string{"integers", "floats", "times", "strings", "bit fields", "opaque bytes", "records", "references", "enumerations", "lists of variable length", "arrays"}

func newArray(a *C.struct_h5_array) (*array, error) {
	if a.kind == 0 {
		what := "an unknown type"
		if 0 <= a.class && int(a.class) < len(classes) {
			what = classes[a.class]
		}
		return nil, fmt.Errorf("it holds %s, want f4, f8, i1 to i8, u1 to u8 or booleans: %w", what, astroml.ErrFormat)
	}
	if a.rank < 0 {
		return nil, fmt.Errorf("it holds nothing, not even a scalar: %w", astroml.ErrFormat)
	}
	out := &array{kind: byte(a.kind), size: int(a.size), shape: lengths(a.axes[:a.rank])}
	var ok bool
	if out.count, ok = count(out.shape); !ok {
		return nil, fmt.Errorf("shape %v is too large: %w", out.shape, astroml.ErrFormat)
	}
	if a.chunk_rank > 0 {
		chunk := lengths(a.chunk[:a.chunk_rank])
		if out.chunk, ok = count(chunk); !ok || out.chunk == 0 || len(chunk) != len(out.shape) {
			return nil, fmt.Errorf("chunks of shape %v in shape %v: %w", chunk, out.shape, astroml.ErrFormat)
		}
	}
	return out, nil
}

// lengths converts lengths of axes. Those that no int holds become -1.
func lengths(axes []C.hsize_t) []int {
	out := make([]int, len(axes))
	for i, n := range axes {
		if out[i] = -1; uint64(n) <= uint64(maxInt) {
			out[i] = int(n)
		}
	}
	return out
}

const maxInt = int(^uint(0) >> 1)

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

// source is what numbers are read from: rows of a dataset, or an attribute.
type source interface {
	describe() (*array, error)
	// read reads n numbers of a kind and size of memory.
	read(kind byte, size int, to unsafe.Pointer, n int) error
}

type rows struct {
	set    *lib.Dataset
	lo, hi int
}

func (r rows) describe() (*array, error) {
	var a C.struct_h5_array
	err := explained(func(why *C.char) bool { return C.h5_describe_set(C.hid_t(r.set.ID()), &a, why) != 0 })
	if err != nil {
		return nil, err
	}
	return newArray(&a)
}

func (r rows) read(kind byte, size int, to unsafe.Pointer, n int) error {
	return explained(func(why *C.char) bool {
		return C.h5_read_set(C.hid_t(r.set.ID()), C.int(kind), C.int(size), C.hsize_t(r.lo), C.hsize_t(r.hi), to, C.hsize_t(n), why) != 0
	})
}

type attribute C.hid_t

// withAttribute calls f with an attribute of an object.
func withAttribute(file *lib.File, object, name string, f func(attribute) error) error {
	return withText(object, func(object *C.char) error {
		return withText(name, func(name *C.char) error {
			var id C.hid_t
			err := explained(func(why *C.char) bool {
				id = C.h5_open_attr(C.hid_t(file.ID()), object, name, why)
				return id >= 0
			})
			if err != nil {
				return err
			}
			defer C.H5Aclose(id)
			return f(attribute(id))
		})
	})
}

func (t attribute) describe() (*array, error) {
	var a C.struct_h5_array
	err := explained(func(why *C.char) bool { return C.h5_describe_attr(C.hid_t(t), &a, why) != 0 })
	if err != nil {
		return nil, err
	}
	return newArray(&a)
}

func (t attribute) read(kind byte, size int, to unsafe.Pointer, n int) error {
	return explained(func(why *C.char) bool {
		return C.h5_read_attr(C.hid_t(t), C.int(kind), C.int(size), to, C.hsize_t(n), why) != 0
	})
}

// text reads an attribute that is one string.
func (t attribute) text() (s string, err error) {
	err = explained(func(why *C.char) bool {
		c := C.h5_read_text(C.hid_t(t), why)
		if c == nil {
			return false
		}
		defer C.free(unsafe.Pointer(c))
		s = C.GoString(c)
		return true
	})
	return s, err
}

// attributeNames returns the names of an object's attributes, sorted.
func attributeNames(file *lib.File, object string) (names []string, err error) {
	const longest = 1 << 16 // bytes, as HDF5 limits them
	err = withText(object, func(object *C.char) error {
		var n C.hsize_t
		err := explained(func(why *C.char) bool { return C.h5_count_attrs(C.hid_t(file.ID()), object, &n, why) != 0 })
		buf := (*C.char)(C.malloc(longest))
		if buf == nil {
			return errors.New("out of memory")
		}
		defer C.free(unsafe.Pointer(buf))
		for i := C.hsize_t(0); i < n && err == nil; i++ {
			err = explained(func(why *C.char) bool {
				return C.h5_attr_name(C.hid_t(file.ID()), object, i, buf, longest, why) != 0
			})
			if err == nil {
				names = append(names, C.GoString(buf))
			}
		}
		return err
	})
	return names, err
}

// writeSet writes numbers of memory as a new dataset.
func writeSet(file *lib.File, name string, kind byte, size int, shape []int, from unsafe.Pointer) error {
	axes := make([]C.hsize_t, len(shape)+1) // one more, so that there is an address
	for i, n := range shape {
		axes[i] = C.hsize_t(n)
	}
	return withText(name, func(name *C.char) error {
		return explained(func(why *C.char) bool {
			return C.h5_write_set(C.hid_t(file.ID()), name, C.int(kind), C.int(size), C.int(len(shape)), &axes[0], from, why) != 0
		})
	})
}

func writeAttribute(file *lib.File, object, name string, kind byte, size, n int, from unsafe.Pointer) error {
	return withText(object, func(object *C.char) error {
		return withText(name, func(name *C.char) error {
			return explained(func(why *C.char) bool {
				return C.h5_write_attr(C.hid_t(file.ID()), object, name, C.int(kind), C.int(size), C.hsize_t(n), from, why) != 0
			})
		})
	})
}

func writeText(file *lib.File, object, name, text string) error {
	return withText(object, func(object *C.char) error {
		return withText(name, func(name *C.char) error {
			return withText(text, func(text *C.char) error {
				return explained(func(why *C.char) bool {
					return C.h5_write_text(C.hid_t(file.ID()), object, name, text, why) != 0
				})
			})
		})
	})
}
