//go:build cgo

package hdf5

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/goastroml/goastroml/astroml"
)

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.hdf5")
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w.Group("Header")
	WriteAttr(w, "Header", "Redshift", 0.5)
	WriteAttr[int32](w, "Header", "Npart", 1, 2, 3)
	w.Text("Header", "Code", "Ωₘ")
	w.Text("/", "Empty", "")
	Write(w, "a/b/f4", []float32{1, 2, 3, 4, 5, 6}, 2, 3)
	Write(w, "a/f8", []float64{-1})
	Write(w, "i4", []int32{1, -2}, 2)
	Write(w, "i8", []int64{1 << 40}, 1, 1)
	Write(w, "int", []int{-1 << 40, 7}, 2)
	Write(w, "empty", []float32(nil), 0, 7)
	w.Text("i4", "unit", "Jy")
	for range 2 {
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}

	f := open(t, path)
	f4, shape := Read[float32](f, "a/b/f4")
	f8, scalar := Read[float64](f, "a/f8")
	i4, _ := Read[int32](f, "i4")
	i8, _ := Read[int64](f, "i8")
	in, _ := Read[int](f, "int")
	empty, none := Read[float32](f, "empty")
	z, n := ReadAttr[float64](f, "Header", "Redshift"), ReadAttr[int](f, "Header", "Npart")
	texts := []string{f.Text("Header", "Code"), f.Text("/", "Empty"), f.Text("i4", "unit")}
	names := f.Names("/")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(f4, []float32{1, 2, 3, 4, 5, 6}) || !slices.Equal(shape, []int{2, 3}) || !slices.Equal(f8, []float64{-1}) || len(scalar) != 0 ||
		!slices.Equal(i4, []int32{1, -2}) || !slices.Equal(i8, []int64{1 << 40}) || !slices.Equal(in, []int{-1 << 40, 7}) ||
		len(empty) != 0 || !slices.Equal(none, []int{0, 7}) {
		t.Errorf("got %v %v %v %v %v %v %v %v %v", f4, shape, f8, scalar, i4, i8, in, empty, none)
	}
	if !slices.Equal(z, []float64{0.5}) || !slices.Equal(n, []int{1, 2, 3}) || !slices.Equal(texts, []string{"Ωₘ", "", "Jy"}) {
		t.Errorf("attributes %v %v %q", z, n, texts)
	}
	if !slices.Equal(names, []string{"Header", "a", "empty", "i4", "i8", "int"}) {
		t.Errorf("names %q", names)
	}
}

func TestWriteRefuses(t *testing.T) {
	tests := []struct {
		name, why string
		write     func(w *Writer)
		want      error
	}{
		{"short", "six numbers are no 2 × 2", func(w *Writer) { Write(w, "x", make([]float32, 6), 2, 2) }, astroml.ErrShape},
		{"no scalar", "a scalar is one number", func(w *Writer) { Write(w, "x", []float32{}) }, astroml.ErrShape},
		{"negative", "a length below zero", func(w *Writer) { Write(w, "x", make([]float32, 6), -2, -3) }, astroml.ErrShape},
		{"overflow", "2³²·2³² wraps to 0", func(w *Writer) { Write(w, "x", []float32{}, 1<<32, 1<<32) }, astroml.ErrShape},
		{"many axes", "HDF5 has 32 at most", func(w *Writer) { Write(w, "x", []float32{1}, slices.Repeat([]int{1}, 33)...) }, nil},
		{"twice", "the name is taken", func(w *Writer) { w.Group("x"); Write(w, "x", []float32{1}) }, nil},
		{"no object", "an attribute of what?", func(w *Writer) { w.Text("x", "unit", "Jy") }, nil},
		{"no numbers", "an attribute of none", func(w *Writer) { WriteAttr[float32](w, "/", "x") }, astroml.ErrShape},
		{"NUL", "C would cut it", func(w *Writer) { w.Text("/", "x", "a\x00b") }, nil},
		{"no name", "C would see none", func(w *Writer) { w.Group("\x00a") }, nil},
	}
	for _, test := range tests {
		dir := t.TempDir()
		w, err := Create(filepath.Join(dir, "a.hdf5"))
		if err != nil {
			t.Fatal(err)
		}
		folder := w.folder
		test.write(w)
		Write(w, "after", []float32{1}, 1)
		err = w.Close()
		if err == nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s (%s): got %v, want %v", test.name, test.why, err, test.want)
		}
		if entries, _ := os.ReadDir(dir); len(entries) > 0 {
			t.Errorf("%s: %s was left behind", test.name, entries[0].Name())
		}
		if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %s was left behind", test.name, folder)
		}
		if again := w.Close(); !errors.Is(again, err) {
			t.Errorf("%s: closed again got %v, want %v", test.name, again, err)
		}
	}

	var pe *fs.PathError
	w, err := Create(filepath.Join(t.TempDir(), "none", "a.hdf5"))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); !errors.As(err, &pe) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: got %v, want a PathError", err)
	}
}
