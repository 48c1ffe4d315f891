//go:build cgo

package hdf5

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/goastroml/goastroml/astroml"
)

// readAll reads all numbers of a file in every way, and returns how many there
// were. Errors must be of the format.
func readAll(t testing.TB, path string) (n int) {
	t.Helper()
	f, err := Open(path)
	// With reads something, and opens the file again after an error, which stays.
	with := func(read func(f *File)) {
		if err == nil {
			read(f)
			if err = f.Err(); err != nil {
				f.Close()
			}
		}
		if err != nil {
			if !errors.Is(err, astroml.ErrFormat) {
				t.Errorf("got %v, want ErrFormat", err)
			}
			f, err = Open(path)
		}
	}
	var visit func(object string, depth int)
	visit = func(object string, depth int) {
		var names, attributes []string
		with(func(f *File) { names = f.Names(object) })
		with(func(f *File) { attributes = f.Attributes(object) })
		with(func(f *File) {
			x, _ := Read[float32](f, object)
			n += len(x)
		})
		with(func(f *File) { Read[int32](f, object) })
		for _, a := range attributes {
			with(func(f *File) { n += len(ReadAttr[float64](f, object, a)) })
		}
		for _, name := range names {
			if depth < 3 { // a damaged group may be its own
				visit(object+"/"+name, depth+1)
			}
		}
	}
	visit("/", 0)
	if err == nil {
		err = f.Close()
	}
	if err != nil && !errors.Is(err, astroml.ErrFormat) {
		t.Errorf("got %v, want ErrFormat", err)
	}
	return n
}

// TestDamaged spoils one byte of a file after the other. libhdf5 1.10.8 survived
// eight spoilt values of every byte of this file and of latest.hdf5, and two of
// each of testdata/camels/LH_3. Of the bytes of types.hdf5 with two values each, 7 of 34776 made it crash: 6 of types
// of booleans, which are enumerations, and a flag of the header of a dataset.
// Text is not read here: the heap of strings of variable length is worse, with 13
// such bytes in a file of one string.
func TestDamaged(t *testing.T) {
	b, err := os.ReadFile(reference("small.hdf5"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.hdf5")
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	if n := readAll(t, path); n != 7 {
		t.Fatalf("%d numbers, want 7", n)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	step := 3
	if testing.Short() {
		step = 23
	}
	for i := 0; i < len(b); i += step {
		if _, err := f.WriteAt([]byte{^b[i]}, int64(i)); err != nil {
			t.Fatal(err)
		}
		readAll(t, path)
		if _, err := f.WriteAt(b[i:i+1], int64(i)); err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzRead reads any bytes as a file. With -fuzz it wants -fuzzminimizetime 1x too:
// C is not seen by what makes inputs shorter.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"small.hdf5", "latest.hdf5", "types.hdf5"} {
		b, err := os.ReadFile(reference(name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	path := filepath.Join(f.TempDir(), "a.hdf5")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		// An array that was never written may be much larger than its file.
		if n := readAll(t, path); n > sparse && n/deflate > len(b) {
			t.Errorf("%d numbers from %d bytes", n, len(b))
		}
	})
}
