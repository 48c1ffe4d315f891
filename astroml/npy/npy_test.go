package npy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goastroml/goastroml/astroml"
)

// reference is a file of testdata/npy, written by NumPy.
func reference(name string) string { return filepath.Join("..", "..", "testdata", "npy", name) }

func TestReadReference(t *testing.T) {
	shape := []int{2, 3, 4}
	tests := []struct {
		name string
		zero int // the first number
	}{
		{"f4", -4}, {"f4_big", -4}, {"f8", -4}, {"f8_big", -4},
		{"i1", -4}, {"i2", -4}, {"i4_big", -4}, {"i8", -4},
		{"u1", 0}, {"u2_big", 0}, {"u4", 0}, {"u8", 0},
		{"fortran", -4}, {"v2", -4}, {"v3", -4},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f4, s4, err4 := Read[float32](reference(test.name + ".npy"))
			f8, s8, err8 := Read[float64](reference(test.name + ".npy"))
			if err := errors.Join(err4, err8); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(s4, shape) || !slices.Equal(s8, shape) || len(f4) != 24 || len(f8) != 24 {
				t.Fatalf("got %d numbers of shape %v, %d of %v, want 24 of %v", len(f4), s4, len(f8), s8, shape)
			}
			integers, _, err := Read[int](reference(test.name + ".npy"))
			if float := test.name[0] == 'f' || test.name[0] == 'v'; float != (err != nil) {
				t.Fatalf("as integers: got %v", err)
			}
			for i := range 24 {
				want := test.zero + i
				if f4[i] != float32(want) || f8[i] != float64(want) || err == nil && integers[i] != want {
					t.Fatalf("number %d is %g and %g, want %d", i, f4[i], f8[i], want)
				}
			}
		})
	}
	b, _, err := Read[int](reference("b1.npy"))
	if err != nil || len(b) != 24 || b[0] != 0 || b[1] != 1 {
		t.Errorf("booleans: got %v (%v), want 0 1 0 1 …", b, err)
	}
	for _, name := range []string{"complex", "records", "large"} {
		if _, _, err := Read[int](reference(name + ".npy")); !errors.Is(err, astroml.ErrFormat) {
			t.Errorf("%s: got %v, want ErrFormat", name, err)
		}
	}
}

func TestMapReference(t *testing.T) {
	for _, name := range []string{"f4", "v2", "v3"} {
		f, err := Map(reference(name + ".npy"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(f.Shape, []int{2, 3, 4}) || len(f.Data) != 24 || f.Data[0] != -4 || f.Data[23] != 19 {
			t.Errorf("%s: got %v of shape %v", name, f.Data, f.Shape)
		}
		for range 2 {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	for _, name := range []string{"f4_big", "f8", "i1", "fortran", "complex", "records"} {
		if f, err := Map(reference(name + ".npy")); !errors.Is(err, astroml.ErrFormat) {
			t.Errorf("%s: got %v (%v), want ErrFormat", name, f, err)
		}
	}
	f, err := Map(reference("empty.npy"))
	if err != nil || len(f.Data) != 0 || !slices.Equal(f.Shape, []int{0, 7}) {
		t.Errorf("empty: got %v (%v), want shape [0 7]", f, err)
	}
}

// TestWriteReference: what we write is what numpy.save writes.
func TestWriteReference(t *testing.T) {
	for _, name := range []string{"f4.npy", "scalar.npy", "vector.npy", "empty.npy"} {
		f, err := Map(reference(name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		path := filepath.Join(t.TempDir(), name)
		if err := Write(path, f.Array()); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(reference(name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got %q\nwant %q", name, got, want)
		}
	}
}

// TestMapUnaligned: an odd writer need not align the numbers.
func TestMapUnaligned(t *testing.T) {
	b := raw("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}\n", 0, 0, 0x80, 0x3f, 0, 0, 0, 0x40)
	for pad := range 4 {
		path := filepath.Join(t.TempDir(), "a.npy")
		text := string(b[10:len(b)-8]) + strings.Repeat(" ", pad)
		if err := os.WriteFile(path, raw(text, b[len(b)-8:]...), 0o666); err != nil {
			t.Fatal(err)
		}
		f, err := Map(path)
		if err != nil || !slices.Equal(f.Data, []float32{1, 2}) {
			t.Errorf("%d spaces: got %v (%v), want [1 2]", pad, f, err)
			continue
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestRefuses(t *testing.T) {
	dir := t.TempDir()
	var pe *fs.PathError
	if _, err := Map(filepath.Join(dir, "none")); !errors.As(err, &pe) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: got %v, want a PathError", err)
	}
	if _, err := Map(dir); !errors.As(err, &pe) {
		t.Errorf("folder: got %v, want a PathError", err)
	}
	for _, shape := range [][]int{{2}, {-1, -1}, {1 << 32, 1 << 32}, make([]int, 65)} {
		if err := Write(filepath.Join(dir, "a"), astroml.Array{Shape: shape, Data: make([]float32, 1)}); !errors.Is(err, astroml.ErrShape) {
			t.Errorf("shape %v: got %v, want ErrShape", shape, err)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("%s was left behind", entries[0].Name())
	}
}

// raw returns a file of version 1 with this header and data.
func raw(header string, data ...byte) []byte {
	b := append([]byte(magic), 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(header)))
	return append(append(b, header...), data...)
}

func TestHostile(t *testing.T) {
	dict := func(descr, order, shape string) string {
		return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }"
	}
	four := make([]byte, 4)
	tests := []struct {
		name, why string
		file      []byte
		ok        bool
	}{
		{"as NumPy", "what numpy.save writes", raw(dict("'<f4'", "False", "(1,)"), four...), true},
		{"other order", "a dictionary has none", raw(`{"shape":(1,),"fortran_order":True,"descr":"<f4"}`, four...), true},
		{"Python 2", "its integers had an L", raw(dict("'<f4'", "False", "(1L,)"), four...), true},
		{"more behind", "numpy.save appends", raw(dict("'<f4'", "False", "(1,)"), make([]byte, 100)...), true},
		{"scalar", "no axes", raw(dict("'<f4'", "False", "()"), four...), true},

		{"empty file", "no magic", nil, false},
		{"html", "a download that failed", []byte("<!DOCTYPE html><html>"), false},
		{"zip", "an .npz file", []byte("PK\x03\x04\x14\x00\x00\x00\x00\x00\x00\x00"), false},
		{"version 4", "unknown", append([]byte(magic), 4, 0, 0, 0, 0, 0), false},
		{"version 0", "unknown", append([]byte(magic), 0, 0, 0, 0, 0, 0), false},
		{"long header", "longer than the file", append([]byte(magic), 1, 0, 0xff, 0xff, '{', '}'), false},
		{"huge header", "four GiB must not be allocated", append([]byte(magic), 2, 0, 0xff, 0xff, 0xff, 0xff, '{', '}'), false},
		{"no header", "no dictionary", raw(""), false},
		{"incomplete", "no shape", raw("{'descr': '<f4', 'fortran_order': False}", four...), false},
		{"twice", "which holds?", raw("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'shape': (1,)}", four...), false},
		{"unknown key", "we do not know what it changes", raw("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", four...), false},
		{"two dictionaries", "which holds?", raw(dict("'<f4'", "False", "(1,)")+"{}", four...), false},
		{"no comma", "no Python", raw("{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}", four...), false},
		{"escape", "a text without escapes is all we read", raw(dict(`'<f\x34'`, "False", "(1,)"), four...), false},
		{"no end of text", "stops", raw("{'descr': '<f4"), false},
		{"object", "a pickle, which would run code", raw(dict("'|O'", "False", "(1,)"), four...), false},
		{"text", "no numbers", raw(dict("'<U1'", "False", "(1,)"), four...), false},
		{"no order", "four bytes have one", raw(dict("'|f4'", "False", "(1,)"), four...), false},
		{"half", "a type we do not read", raw(dict("'<f2'", "False", "(2,)"), four...), false},
		{"boolean", "0 is not False", raw(dict("'<f4'", "0", "(1,)"), four...), false},
		{"no tuple", "(1) is a number", raw(dict("'<f4'", "False", "(1)"), four...), false},
		{"list", "no tuple", raw(dict("'<f4'", "False", "[1]"), four...), false},
		{"nested", "a million brackets must not eat the stack", raw(dict("'<f4'", "False", strings.Repeat("(", 60000))), false},
		{"negative", "a length below zero", raw(dict("'<f4'", "False", "(-1,)"), four...), false},
		{"float", "no integer", raw(dict("'<f4'", "False", "(1.0,)"), four...), false},
		{"overflow", "2³²·2³² wraps to 0", raw(dict("'<f4'", "False", "(4294967296, 4294967296)")), false},
		{"zero overflow", "0·2⁶²·4: another order of factors overflows", raw(dict("'<f4'", "False", "(0, 4611686018427387904, 4)")), false},
		{"2⁶⁴", "no int", raw(dict("'<f4'", "False", "(18446744073709551616,)")), false},
		{"many axes", "65", raw(dict("'<f4'", "False", "("+strings.Repeat("1,", 65)+")"), four...), false},
		{"short", "a byte is missing", raw(dict("'<f4'", "False", "(1,)"), four[:3]...), false},
		{"terabytes", "must not be allocated", raw(dict("'<f8'", "False", "(1000000000000,)"), four...), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.npy")
			if err := os.WriteFile(path, test.file, 0o666); err != nil {
				t.Fatal(err)
			}
			_, _, err := Read[float32](path)
			if (err == nil) != test.ok || err != nil && !errors.Is(err, astroml.ErrFormat) {
				t.Errorf("%s: got %v", test.why, err)
			}
			f, mapErr := Map(path)
			if mapErr == nil {
				f.Close()
			}
			if err != nil && !errors.Is(mapErr, astroml.ErrFormat) {
				t.Errorf("%s: Map says %v, Read %v", test.why, mapErr, err)
			}
		})
	}
}

// TestTruncated cuts a file at every byte.
func TestTruncated(t *testing.T) {
	b, err := os.ReadFile(reference("f4.npy"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.npy")
	for n := range b {
		if err := os.WriteFile(path, b[:n], 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := Map(path); !errors.Is(err, astroml.ErrFormat) {
			t.Fatalf("cut at %d of %d bytes: got %v, want ErrFormat", n, len(b), err)
		}
	}
}

func FuzzRead(f *testing.F) {
	paths, _ := filepath.Glob(reference("*.npy"))
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := readHeader(bytes.NewReader(b), int64(len(b)))
		var x []float32
		if err == nil {
			x, err = decode[float32](bytes.NewReader(b), h)
		}
		if err != nil {
			if !errors.Is(err, astroml.ErrFormat) {
				t.Fatalf("got %v, want ErrFormat", err)
			}
			return
		}
		n, ok := count(h.shape)
		if !ok || n != len(x) || n > len(b) {
			t.Fatalf("%d numbers of shape %v from %d bytes", len(x), h.shape, len(b))
		}
		// Our own header says the same again.
		head := formatHeader(h.shape)
		again, err := readHeader(bytes.NewReader(append(head, make([]byte, 4*n)...)), int64(len(head)+4*n))
		if err != nil || !slices.Equal(again.shape, h.shape) || again.start%64 != 0 {
			t.Fatalf("got %+v (%v), want shape %v", again, err, h.shape)
		}
	})
}

func TestRowMajor(t *testing.T) {
	// Fortran's order of an array with a[i,j,k] = 100i + 10j + k.
	var in, want []int
	for k := range 4 {
		for j := range 3 {
			for i := range 2 {
				in = append(in, 100*i+10*j+k)
			}
		}
	}
	want = slices.Clone(in)
	slices.Sort(want)
	if got := rowMajor(in, []int{2, 3, 4}); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if x, _, err := Read[float32](reference("vector.npy")); err != nil || x[0] == x[0] || !math.IsInf(float64(x[1]), 1) || !math.Signbit(float64(x[2])) {
		t.Errorf("got %v (%v), want NaN, Inf, -0", x, err)
	}
}
