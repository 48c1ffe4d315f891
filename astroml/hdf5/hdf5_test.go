//go:build cgo

package hdf5

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	lib "gonum.org/v1/hdf5"

	"github.com/goastroml/goastroml/astroml"
)

// reference is a file of testdata/hdf5, written by h5py.
func reference(name string) string { return filepath.Join("..", "..", "testdata", "hdf5", name) }

// open opens a file for a test, which must read it without error.
func open(t testing.TB, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestReadReference(t *testing.T) {
	f := open(t, reference("types.hdf5"))
	names := f.Names("read")
	if len(names) != 22 || !slices.IsSorted(names) {
		t.Errorf("datasets %q (%v), want 22", names, f.Err())
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			f := open(t, reference("types.hdf5"))
			f4, shape := Read[float32](f, "read/"+name)
			f8, _ := Read[float64](f, "/read/"+name)
			rows, part := ReadRows[float32](f, "read/"+name, 1, 2)
			none, empty := ReadRows[float32](f, "read/"+name, 1, 1)
			if err := f.Err(); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(shape, []int{2, 3, 4}) || !slices.Equal(shape, f.Shape("read/"+name)) {
				t.Fatalf("shape %v, want [2 3 4]", shape)
			}
			if !slices.Equal(part, []int{1, 3, 4}) || !slices.Equal(rows, f4[12:]) {
				t.Errorf("row 1 is %v of shape %v, want %v", rows, part, f4[12:])
			}
			if !slices.Equal(empty, []int{0, 3, 4}) || len(none) != 0 {
				t.Errorf("no rows are %v of shape %v", none, empty)
			}
			zero := -4
			if name[0] == 'u' {
				zero = 0
			}
			for i := range 24 {
				if f4[i] != float32(zero+i) || f8[i] != float64(zero+i) {
					t.Fatalf("number %d is %g and %g, want %d", i, f4[i], f8[i], zero+i)
				}
			}
			i4, _ := Read[int32](f, "read/"+name)
			i8, _ := Read[int64](f, "read/"+name)
			in, _ := Read[int](f, "read/"+name)
			if integers := name[0] == 'i' || name[0] == 'u'; integers != (f.Err() == nil) {
				t.Fatalf("as integers: got %v", f.Err())
			} else if !integers {
				return
			}
			for i := range 24 {
				if i4[i] != int32(zero+i) || i8[i] != int64(zero+i) || in[i] != zero+i {
					t.Fatalf("number %d is %d, %d and %d, want %d", i, i4[i], i8[i], in[i], zero+i)
				}
			}
		})
	}
}

func TestReadOdd(t *testing.T) {
	f := open(t, reference("types.hdf5"))
	for i, v := range must(t, f, "booleans", Read[int]) {
		if v != i%2 {
			t.Errorf("boolean %d is %d", i, v)
		}
	}
	for i, v := range must(t, f, "booleans", Read[float32]) {
		if v != float32(i%2) {
			t.Errorf("boolean %d is %g", i, v)
		}
	}
	if x := must(t, f, "scalar", Read[float64]); len(x) != 1 || x[0] != 2.5 || len(f.Shape("scalar")) != 0 {
		t.Errorf("scalar %v of shape %v", x, f.Shape("scalar"))
	}
	if x, shape := Read[float32](f, "empty"); len(x) != 0 || !slices.Equal(shape, []int{0, 7}) {
		t.Errorf("empty: %v of shape %v", x, shape)
	}
	x := must(t, f, "special", Read[float32])
	if x[0] == x[0] || !math.IsInf(float64(x[1]), 1) || !math.Signbit(float64(x[2])) {
		t.Errorf("got %v, want NaN, Inf, -0", x)
	}
	if x := must(t, f, "double", Read[float32]); !math.IsInf(float64(x[0]), 1) || x[1] != 1.0/(1<<30) {
		t.Errorf("got %v, want Inf, 2^-30", x)
	}
	if x := must(t, f, "large", Read[float64]); x[0] != 1<<64 {
		t.Errorf("got %g, want 2^64", x[0])
	}
	if x := must(t, f, "wide", Read[int64]); x[0] != 1<<40 || x[1] != -1 {
		t.Errorf("got %v, want 2^40, -1", x)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}

	f = open(t, reference("latest.hdf5"))
	if x := must(t, f, "read/f4", Read[float32]); x[23] != 19 || f.Text("read", "unit") != "Jy" {
		t.Errorf("newest layout: got %v (%v)", x, f.Err())
	}
}

// must reads a dataset that has no error.
func must[T Number](t *testing.T, f *File, name string, read func(*File, string) ([]T, []int)) []T {
	t.Helper()
	data, _ := read(f, name)
	if err := f.Err(); err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRefuses(t *testing.T) {
	var names []string
	for _, name := range open(t, reference("types.hdf5")).Names("refused") {
		names = append(names, "refused/"+name)
	}
	if len(names) != 11 {
		t.Errorf("%q, want 11 datasets", names)
	}
	names = append(names, "none", "none/none", "read", "", "f4\x00", "scalar/x", "large", "wide")
	for _, name := range names {
		f := open(t, reference("types.hdf5"))
		data, shape := Read[int32](f, name)
		err := f.Err()
		if !errors.Is(err, astroml.ErrFormat) || data != nil || shape != nil {
			t.Errorf("%s: got %v of shape %v (%v), want ErrFormat", name, data, shape, err)
		}
		// The error stays, and nothing more is read.
		if x, _ := Read[float32](f, "scalar"); x != nil || f.Names("/") != nil || f.Close() != err || f.Close() != err {
			t.Errorf("%s: after the error got %v (%v)", name, x, f.Close())
		}
	}
	for _, rows := range [][2]int{{-1, 1}, {1, 0}, {0, 3}, {3, 3}, {math.MinInt, math.MaxInt}} {
		f := open(t, reference("types.hdf5"))
		if x, _ := ReadRows[float32](f, "read/f4", rows[0], rows[1]); x != nil || !errors.Is(f.Err(), astroml.ErrShape) {
			t.Errorf("rows %d: got %v (%v), want ErrShape", rows, x, f.Err())
		}
	}
	f := open(t, reference("types.hdf5"))
	if ReadRows[float32](f, "scalar", 0, 1); !errors.Is(f.Err(), astroml.ErrShape) {
		t.Errorf("row of a scalar: got %v, want ErrShape", f.Err())
	}
}

func TestAttributes(t *testing.T) {
	f := open(t, reference("types.hdf5"))
	if names := f.Attributes("header"); !slices.Equal(names, []string{"files", "fixed", "mass", "none", "redshift", "spaced", "true", "variable"}) {
		t.Errorf("got %q (%v)", names, f.Err())
	}
	if names := f.Attributes("scalar"); len(names) != 0 || f.Err() != nil {
		t.Errorf("got %q (%v), want none", names, f.Err())
	}
	z, mass := ReadAttr[float64](f, "header", "redshift"), ReadAttr[float32](f, "header", "mass")
	files, yes := ReadAttr[int](f, "/header", "files"), ReadAttr[int64](f, "header", "true")
	if err := f.Err(); err != nil {
		t.Fatal(err)
	}
	if z[0] != 0.5 || len(z) != 1 || !slices.Equal(mass, []float32{0, 1, 2, 3, 4, 5}) || files[0] != 448 || yes[0] != 1 {
		t.Errorf("got %v %v %v %v", z, mass, files, yes)
	}
	for name, want := range map[string]string{"variable": "Ωₘ", "fixed": "TNG100", "spaced": "TNG"} {
		if s := f.Text("header", name); s != want {
			t.Errorf("%s is %q (%v), want %q", name, s, f.Err(), want)
		}
	}
	for name, read := range map[string]func(*File){
		"integers of floats": func(f *File) { ReadAttr[int](f, "header", "redshift") },
		"numbers of text":    func(f *File) { ReadAttr[float32](f, "header", "fixed") },
		"text of numbers":    func(f *File) { f.Text("header", "mass") },
		"nothing":            func(f *File) { ReadAttr[float32](f, "header", "none") },
		"no attribute":       func(f *File) { ReadAttr[float32](f, "header", "x") },
		"no object":          func(f *File) { f.Text("x", "x") },
		"names of no object": func(f *File) { f.Attributes("x") },
		"no group":           func(f *File) { f.Names("scalar") },
		"no text":            func(f *File) { f.Text("header", "none") },
	} {
		f := open(t, reference("types.hdf5"))
		if read(f); !errors.Is(f.Err(), astroml.ErrFormat) {
			t.Errorf("%s: got %v, want ErrFormat", name, f.Err())
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	var pe *fs.PathError
	if _, err := Open(filepath.Join(dir, "none")); !errors.As(err, &pe) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: got %v, want a PathError", err)
	}
	if _, err := Open(dir); !errors.As(err, &pe) {
		t.Errorf("folder: got %v, want a PathError", err)
	}
	for _, text := range []string{"", "<!DOCTYPE html><html>", "\x89HDF\r\n\x1a\n"} {
		path := filepath.Join(dir, "a.hdf5")
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); !errors.Is(err, astroml.ErrFormat) {
			t.Errorf("%q: got %v, want ErrFormat", text, err)
		}
	}
	f := open(t, reference("types.hdf5"))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if x, _ := Read[float32](f, "scalar"); x != nil || !errors.Is(f.Err(), fs.ErrClosed) {
		t.Errorf("after Close: got %v (%v), want ErrClosed", x, f.Err())
	}
}

// TestTruncated cuts a file at every byte.
func TestTruncated(t *testing.T) {
	b, err := os.ReadFile(reference("small.hdf5"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.hdf5")
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	for n := len(b) - 1; n >= 0; n-- {
		if err := os.Truncate(path, int64(n)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); !errors.Is(err, astroml.ErrFormat) {
			t.Fatalf("cut at %d of %d bytes: got %v, want ErrFormat", n, len(b), err)
		}
	}
}

// TestBomb: a small file may claim arrays and chunks that no memory holds.
func TestBomb(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.hdf5")
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	chunked := func(name string, chunk uint, shape ...uint) error {
		list, err := lib.NewPropList(lib.P_DATASET_CREATE)
		if err != nil {
			return err
		}
		defer list.Close()
		space, err := lib.CreateSimpleDataspace(shape, nil)
		if err != nil {
			return err
		}
		defer space.Close()
		if err := list.SetChunk([]uint{chunk}); err != nil {
			return err
		}
		set, err := w.file.CreateDatasetWith(name, lib.T_NATIVE_FLOAT, space, list)
		if err != nil {
			return err
		}
		return set.Close()
	}
	w.do("bombs", nil, func() error {
		return errors.Join(
			writeSet(w.file, "large", 'f', 4, []int{1 << 20, 1 << 20}, nil),
			chunked("large chunk", 1<<29, 1<<29),
			chunked("many chunks", 1, 1<<20))
	})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f := open(t, path)
	if x, _ := ReadRows[float32](f, "large", 5, 6); len(x) != 1<<20 || slices.Max(x) != 0 {
		t.Errorf("a row of numbers never written: %d of them (%v)", len(x), f.Err())
	}
	if x, _ := ReadRows[float32](f, "many chunks", 5, 1000); len(x) != 995 {
		t.Errorf("chunks never written: %d of 995 (%v)", len(x), f.Err())
	}
	for _, name := range []string{"large", "large chunk", "many chunks"} {
		f := open(t, path)
		if x, _ := ReadRows[float32](f, name, 0, f.Shape(name)[0]); x != nil || !errors.Is(f.Err(), astroml.ErrFormat) || !strings.Contains(f.Err().Error(), "fewer rows") {
			t.Errorf("%s: got %d numbers (%v), want ErrFormat", name, len(x), f.Err())
		}
	}
	if ReadRows[float32](f, "large chunk", 0, 1); !errors.Is(f.Err(), astroml.ErrFormat) {
		t.Errorf("a row of a chunk that is too large: got %v, want ErrFormat", f.Err())
	}
}

// TestTogether reads one file and others from many goroutines.
func TestTogether(t *testing.T) {
	shared := open(t, reference("types.hdf5"))
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			own := open(t, reference("types.hdf5"))
			for range 20 {
				a, _ := Read[float32](shared, "read/gzip")
				b, _ := Read[float64](own, fmt.Sprint("read/", []string{"i4_big", "chunked"}[i%2]))
				if err := errors.Join(shared.Err(), own.Err()); err != nil || a[23] != 19 || b[0] != -4 {
					t.Errorf("got %v %v (%v)", a, b, err)
					return
				}
			}
		})
	}
	group.Wait()
}
