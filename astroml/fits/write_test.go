package fits_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/fits"
)

// TestWriteRead: what is written is read, bit for bit.
func TestWriteRead(t *testing.T) {
	nan := float32(math.NaN())
	for _, shape := range [][]int{{1}, {720}, {721}, {2, 3, 4}, {7, 1, 11, 13}, {0, 5}} {
		n := 1
		for _, a := range shape {
			n *= a
		}
		image := astroml.Array{Shape: shape, Data: make([]float32, n)}
		for i := range image.Data {
			image.Data[i] = float32(math.Sin(float64(i))) * 1e-20
		}
		if n > 1 {
			image.Data[n/2] = nan
		}
		path := filepath.Join(t.TempDir(), "image.fits")
		cards := []fits.Card{{"OBJECT", "M 31's disc", "a name"}, {"CRVAL1", 1.42040575e9, "Hz"}, {"N", 12, ""}, {"MASK", true, ""}, {"BIG", 1e300, ""}, {"LOW", float32(0.1), ""}}
		if err := fits.WriteImage(path, image, cards...); err != nil {
			t.Fatal(err)
		}
		f, err := fits.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got, err := f.HDUs[0].Read()
		if err != nil || fmt.Sprint(got.Shape) != fmt.Sprint(shape) {
			t.Fatalf("%v, %v, want %v", got.Shape, err, shape)
		}
		for i, v := range got.Data {
			if math.Float32bits(v) != math.Float32bits(image.Data[i]) {
				t.Fatalf("%v: pixel %d is %g, want %g", shape, i, v, image.Data[i])
			}
		}
		h := f.HDUs[0].Header
		if s, _ := h.String("OBJECT"); s != "M 31's disc" {
			t.Errorf("OBJECT %q", s)
		}
		for key, want := range map[string]float64{"CRVAL1": 1.42040575e9, "N": 12, "BIG": 1e300, "LOW": 0.1} {
			if v, ok := h.Float(key); !ok || v != want {
				t.Errorf("%s is %g, want %g", key, v, want)
			}
		}
		if v, ok := h.Bool("MASK"); !v || !ok {
			t.Errorf("MASK is %v, want true", v)
		}
		if info, err := os.Stat(path); err != nil || info.Size()%2880 != 0 {
			t.Errorf("%d bytes, %v, want whole records", info.Size(), err)
		}
	}
}

// TestWriteErrors: an error leaves the old file as it was, and no other.
func TestWriteErrors(t *testing.T) {
	image := astroml.Array{Shape: []int{2}, Data: make([]float32, 2)}
	folder := t.TempDir()
	path := filepath.Join(folder, "image.fits")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		image astroml.Array
		card  fits.Card
	}{
		{"shape", astroml.Array{Shape: []int{3}, Data: make([]float32, 2)}, fits.Card{Key: "A", Value: 1}},
		{"no axes", astroml.Array{Data: make([]float32, 1)}, fits.Card{Key: "A", Value: 1}},
		{"geometry", image, fits.Card{Key: "NAXIS3", Value: 4}},
		{"scale", image, fits.Card{Key: "BSCALE", Value: 4.0}},
		{"long key", image, fits.Card{Key: "TOOLONGKEY", Value: 4}},
		{"small letters", image, fits.Card{Key: "object", Value: "M31"}},
		{"no key", image, fits.Card{Value: "M31"}},
		{"long text", image, fits.Card{Key: "OBJECT", Value: strings.Repeat("x", 69)}},
		{"not ASCII", image, fits.Card{Key: "OBJECT", Value: "Å"}},
		{"line break", image, fits.Card{Key: "OBJECT", Value: "a\nb"}},
		{"NaN", image, fits.Card{Key: "A", Value: math.NaN()}},
		{"type", image, fits.Card{Key: "A", Value: []int{1}}},
	} {
		if err := fits.WriteImage(path, test.image, test.card); err == nil {
			t.Errorf("%s: no error", test.name)
		}
	}
	if b, _ := os.ReadFile(path); string(b) != "old" {
		t.Errorf("the old file is %q", b)
	}
	var wrong *fs.PathError
	if err := fits.WriteImage(filepath.Join(folder, "no", "a.fits"), image); !errors.As(err, &wrong) {
		t.Errorf("no folder: error %v, want a PathError", err)
	}
	if err := fits.WriteImage(folder, image); err == nil {
		t.Error("a folder: no error")
	}
	if files, _ := os.ReadDir(folder); len(files) != 1 {
		t.Errorf("%d files, want the old one", len(files))
	}
}
