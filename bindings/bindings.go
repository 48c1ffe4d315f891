// Package bindings is the flat API: the only Go package that Python and C see.
// gopy wraps it into the Python extension; the astroml_* functions in it are the
// C ABI, whose contract is astroml.h.
//
// Arguments are int, float64, string, uintptr or a pointer to a type of this
// package; a uintptr is the address of a row-major array of the caller's, an
// output where it comes before the receiver's inputs. Zero stands for an array
// that is not given. Results are (T, error), for gopy knows nothing else (and
// leaks where a function returns an error alone: such functions return 0 and
// an error).
//
// Every function and every goroutine recovers from panics. No address is kept
// after the return, or after the end of the Job: until then the caller keeps
// the arrays alive and as they are.
package bindings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"unsafe"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/model"
)

// Version returns the library's version.
func Version() (string, error) { return astroml.Version, nil }

// Panic panics, for tests of what holds panics back.
func Panic() (zero int, err error) {
	defer guard(&err)
	panic("on purpose")
}

// array returns the caller's array of rows × columns values as a slice, nil if
// the address is 0.
func array[T float32 | float64 | int64 | uint32 | uint8](name string, addr uintptr, rows, columns int) ([]T, error) {
	var zero T
	size := unsafe.Sizeof(zero)
	switch {
	case rows < 0 || columns < 0:
		return nil, fmt.Errorf("%s: %d × %d values, want no negative number: %w", name, rows, columns, astroml.ErrShape)
	case columns > 0 && rows > math.MaxInt/int(size)/columns:
		return nil, fmt.Errorf("%s: %d × %d values do not fit in memory: %w", name, rows, columns, astroml.ErrShape)
	case addr == 0:
		return nil, nil
	case addr%size != 0:
		return nil, fmt.Errorf("%s: address %#x is no multiple of %d", name, addr, size)
	}
	return unsafe.Slice((*T)(pointer(addr)), rows*columns), nil
}

// need is array for what must be there.
func need[T float32 | float64 | int64 | uint32 | uint8](name string, addr uintptr, rows, columns int) ([]T, error) {
	if addr == 0 && rows > 0 && columns > 0 {
		return nil, fmt.Errorf("%s: no array, want %d × %d values", name, rows, columns)
	}
	return array[T](name, addr, rows, columns)
}

// pointer keeps go vet's unsafeptr check quiet in one place: the address is not
// of Go memory, so the collector has no business with it.
func pointer(a uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&a)) }

// ints returns a copy of the caller's numbers, nil for nil.
func ints(x []int64) []int {
	if x == nil {
		return nil
	}
	y := make([]int, len(x))
	for i, v := range x {
		y[i] = int(v)
	}
	return y
}

// fromJSON reads options. The empty string stands for none; an unknown name is
// an error.
func fromJSON(name, text string, to any) error {
	if text == "" {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return fmt.Errorf("%s: %s is a %s, want %s", name, wrong.Field, wrong.Value, wrong.Type)
		}
		return fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%s: text after the JSON value", name)
	}
	return nil
}

func toJSON(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

// ModelKind returns what a model file holds, such as "spectra.Classifier".
func ModelKind(path string) (kind string, err error) {
	defer guard(&err)
	f, err := model.Read(path)
	if err != nil {
		return "", err
	}
	return f.Kind, nil
}
