package fits_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/fits"
)

const testdata = "../../testdata/fits/"

// expected reads what astropy found in the test files; null stands for NaN.
func expected(t testing.TB, key string, into any) {
	t.Helper()
	text, err := os.ReadFile(testdata + "expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(all[key], into); err != nil {
		t.Fatal(err)
	}
}

type numbers []float64

func (n *numbers) UnmarshalJSON(text []byte) error {
	var all []*float64
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	for _, v := range all {
		if v == nil {
			*n = append(*n, math.NaN())
		} else {
			*n = append(*n, *v)
		}
	}
	return nil
}

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

func open(t testing.TB, name string) *fits.File {
	t.Helper()
	f, err := fits.Open(testdata + name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func unpacked(t testing.TB, name string) []byte {
	t.Helper()
	file, err := os.Open(testdata + name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestImages compares all pixels with astropy's, read whole and in boxes, from
// the compressed file and from the plain one.
func TestImages(t *testing.T) {
	var want map[string]struct {
		Shape []int
		Data  numbers
	}
	expected(t, "images", &want)
	if len(want) < 15 {
		t.Fatalf("%d images in expected.json, want all", len(want))
	}
	b := unpacked(t, "images.fits.gz")
	plain, err := fits.Read(bytes.NewReader(b), int64(len(b)), "plain")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*fits.File{open(t, "images.fits.gz"), plain} {
		for name, w := range want {
			h := f.HDU(name)
			if h == nil {
				t.Fatalf("%s: missing", name)
			}
			if fmt.Sprint(h.Axes) != fmt.Sprint(w.Shape) {
				t.Errorf("%s: axes %v, want %v", name, h.Axes, w.Shape)
				continue
			}
			all := make([]float64, len(w.Data))
			if err := h.ReadBox64(all, make([]int, len(h.Axes)), h.Axes); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			for i, v := range all {
				if !same(v, w.Data[i]) {
					t.Fatalf("%s: pixel %d is %g, want %g", name, i, v, w.Data[i])
				}
			}
			a, err := h.Read()
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range a.Data {
				if !same(float64(v), float64(float32(all[i]))) {
					t.Fatalf("%s: pixel %d is %g, want %g", name, i, v, all[i])
				}
			}
			boxes(t, h, all)
		}
	}
}

// boxes reads every box of an image, up to three lengths an axis, and compares
// it with the whole.
func boxes(t *testing.T, h *fits.HDU, all []float64) {
	lo, hi := make([]int, len(h.Axes)), make([]int, len(h.Axes))
	var try func(axis int)
	try = func(axis int) {
		if axis < len(h.Axes) {
			n := h.Axes[axis]
			for _, r := range [][2]int{{0, n}, {n / 2, n/2 + 1}, {1, n - 1}, {n / 3, n}, {2, 2}} {
				lo[axis], hi[axis] = r[0], r[1]
				try(axis + 1)
			}
			return
		}
		var want []float64
		for i, v := range all {
			inside, rest := true, i
			for a := len(h.Axes) - 1; a >= 0; a-- {
				index := rest % h.Axes[a]
				rest /= h.Axes[a]
				inside = inside && lo[a] <= index && index < hi[a]
			}
			if inside {
				want = append(want, v)
			}
		}
		got := make([]float64, len(want))
		if err := h.ReadBox64(got, lo, hi); err != nil {
			t.Fatalf("%s: box %v to %v: %v", h.Name, lo, hi, err)
		}
		for i, v := range got {
			if !same(v, want[i]) {
				t.Fatalf("%s: box %v to %v: pixel %d is %g, want %g", h.Name, lo, hi, i, v, want[i])
			}
		}
	}
	try(0)
}

func TestUnreadableCompression(t *testing.T) {
	f := open(t, "images.fits.gz")
	for _, name := range []string{"QUANTISED", "HCOMPRESS"} {
		_, err := f.HDU(name).Read()
		if !errors.Is(err, astroml.ErrFormat) || !strings.Contains(err.Error(), "funpack") {
			t.Errorf("%s: error %v, want one that says what to do", name, err)
		}
	}
}

func TestHeader(t *testing.T) {
	f := open(t, "images.fits.gz")
	h := f.HDUs[0].Header
	if s, ok := h.String("OBJECT"); !ok || s != "it's a cube" {
		t.Errorf("OBJECT %q %v", s, ok)
	}
	long := "a text of more than sixty-eight characters, which needs a CONTINUE card or two to be written whole"
	if s, _ := h.String("LONG"); s != long {
		t.Errorf("LONG %q, want %q", s, long)
	}
	if v, ok := h.Float("ESO DET DIT"); !ok || v != 1.5 {
		t.Errorf("ESO DET DIT %g %v, want 1.5", v, ok)
	}
	if v, ok := h.Float("EXPTIME"); !ok || v != 1250 {
		t.Errorf("EXPTIME %g %v, want 1250", v, ok)
	}
	if v, ok := h.Int("EXPTIME"); !ok || v != 1250 {
		t.Errorf("EXPTIME %d %v, want 1250", v, ok)
	}
	if v, ok := h.Int("COUNT"); !ok || v != 42 {
		t.Errorf("COUNT %d %v, want 42", v, ok)
	}
	if v, ok := h.Bool("GOOD"); !ok || !v {
		t.Errorf("GOOD %v %v, want true", v, ok)
	}
	for _, key := range []string{"MISSING", "OBJECT"} {
		if v, ok := h.Float(key); ok {
			t.Errorf("%s is the number %g", key, v)
		}
		if v, ok := h.Bool(key); ok {
			t.Errorf("%s is %v", key, v)
		}
	}
	if f.HDU("missing") != nil || f.HDU("") != nil {
		t.Error("an HDU that is not there")
	}
	if f.HDUs[0].Axes != nil {
		t.Errorf("axes %v of an empty HDU", f.HDUs[0].Axes)
	}
}

func TestBoxErrors(t *testing.T) {
	f := open(t, "images.fits.gz")
	h := f.HDU("I16") // 3 × 4 × 5
	for _, test := range []struct {
		name   string
		n      int
		lo, hi []int
	}{
		{"too few axes", 60, []int{0, 0}, []int{3, 4}},
		{"negative", 60, []int{-1, 0, 0}, []int{2, 4, 5}},
		{"outside", 80, []int{0, 0, 0}, []int{4, 4, 5}},
		{"backwards", 0, []int{2, 0, 0}, []int{1, 4, 5}},
		{"destination too short", 59, []int{0, 0, 0}, []int{3, 4, 5}},
		{"destination too long", 61, []int{0, 0, 0}, []int{3, 4, 5}},
	} {
		if err := h.ReadBox(make([]float32, test.n), test.lo, test.hi); !errors.Is(err, astroml.ErrShape) {
			t.Errorf("%s: error %v, want ErrShape", test.name, err)
		}
	}
	if _, err := f.HDUs[0].Read(); !errors.Is(err, astroml.ErrFormat) {
		t.Errorf("no image: error %v, want ErrFormat", err)
	}
}

// header makes a header of cards, as short as tests need it.
func header(cards ...string) string {
	var b strings.Builder
	for _, c := range append(cards, "END") {
		fmt.Fprintf(&b, "%-80s", c)
	}
	for b.Len()%2880 != 0 {
		b.WriteByte(' ')
	}
	return b.String()
}

func TestDamaged(t *testing.T) {
	simple := []string{"SIMPLE  =                    T", "BITPIX  =                  -32"}
	with := func(cards ...string) string { return header(append(simple[:2:2], cards...)...) }
	empty := header("SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0")
	table := func(cards ...string) string {
		return empty + header(append([]string{"XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2"}, cards...)...)
	}
	whole := string(unpacked(t, "images.fits.gz"))
	for _, test := range []struct{ name, file, why string }{
		{"empty", "", "SIMPLE"},
		{"text", "wavelength,flux\n", "SIMPLE"},
		{"shorter than a record", "SIMPLE  =                    T", "ends within the header"},
		{"no END", strings.Repeat("SIMPLE  =                    T"+strings.Repeat(" ", 50), 36), "ends within the header"},
		{"no BITPIX", header(simple[0]), "BITPIX missing"},
		{"odd BITPIX", header(simple[0], "BITPIX  = 12", "NAXIS   = 0"), `BITPIX "12"`},
		{"NAXIS in words", with("NAXIS   = 'abc'"), `NAXIS "abc"`},
		{"too many axes", with("NAXIS   = 100000000"), "NAXIS"},
		{"axis missing", with("NAXIS   = 1"), "NAXIS1 missing"},
		{"negative axis", with("NAXIS   = 1", "NAXIS1  = -64"), `NAXIS1 "-64"`},
		{"more data than the file has", with("NAXIS   = 1", "NAXIS1  = 1000000000000"), "4000000000000 bytes of data, the file has 0 left"},
		{"product overflows", with("NAXIS   = 3", "NAXIS1  = 4294967296", "NAXIS2  = 4294967296", "NAXIS3  = 2"), "2^63"},
		{"bytes overflow", with("NAXIS   = 1", "NAXIS1  = 9223372036854775807"), "2^63"},
		{"negative PCOUNT", with("NAXIS   = 1", "NAXIS1  = 1", "PCOUNT  = -4"), "PCOUNT"},
		{"no groups", with("NAXIS   = 1", "NAXIS1  = 1", "GCOUNT  = 0"), "GCOUNT"},
		{"truncated data", whole[:len(whole)-2850], "bytes of data, the file has"},
		{"no TFIELDS", table("NAXIS1  = 0", "NAXIS2  = 0"), "TFIELDS missing"},
		{"too many fields", table("NAXIS1  = 0", "NAXIS2  = 0", "TFIELDS = 1000000000"), "TFIELDS"},
		{"rows of nothing", table("NAXIS1  = 0", "NAXIS2  = 1000000000000", "TFIELDS = 0"), "rows of no bytes"},
		{"no TFORM", table("NAXIS1  = 0", "NAXIS2  = 0", "TFIELDS = 1"), "TFORM1"},
		{"odd TFORM", table("NAXIS1  = 0", "NAXIS2  = 0", "TFIELDS = 1", "TFORM1  = '3Y'"), `TFORM1 "3Y"`},
		{"huge repeat", table("NAXIS1  = 0", "NAXIS2  = 0", "TFIELDS = 1", "TFORM1  = '99999999999999999999E'"), "TFORM1"},
		{"columns wider than a row", table("NAXIS1  = 4", "NAXIS2  = 0", "TFIELDS = 1", "TFORM1  = '2E'"), "need 8 bytes, a row has 4"},
		{"truncated gzip", "\x1f\x8b\x08\x00\x00\x00", "gzip"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := fits.Read(strings.NewReader(test.file), int64(len(test.file)), "damaged.fits")
			if !errors.Is(err, astroml.ErrFormat) {
				t.Fatalf("error %v, want ErrFormat", err)
			}
			for _, want := range []string{"damaged.fits", test.why} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

// TestShortened reads a file that becomes shorter after it was opened.
func TestShortened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.fits")
	if err := fits.WriteImage(path, astroml.Array{Shape: []int{100, 100}, Data: make([]float32, 10000)}); err != nil {
		t.Fatal(err)
	}
	f, err := fits.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 5000); err != nil {
		t.Fatal(err)
	}
	if _, err := f.HDUs[0].Read(); !errors.Is(err, astroml.ErrFormat) {
		t.Errorf("error %v, want ErrFormat", err)
	}
}

// TestTrailer: what follows the last HDU and is no extension has no meaning,
// and the padding of the last HDU may be missing.
func TestTrailer(t *testing.T) {
	image := header("SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    1", "NAXIS1  =                    3")
	for _, tail := range []string{"\x01\x02\x03", "\x01\x02\x03" + strings.Repeat("\x00", 2877+2880*3), "\x01\x02\x03" + strings.Repeat("\x00", 2877) + "junk"} {
		b := image + tail
		f, err := fits.Read(strings.NewReader(b), int64(len(b)), "trailer")
		if err != nil {
			t.Fatal(err)
		}
		a, err := f.HDUs[0].Read()
		if err != nil || fmt.Sprint(a.Data) != "[1 2 3]" || len(f.HDUs) != 1 {
			t.Errorf("%v %v in %d HDUs, want [1 2 3] in one", a.Data, err, len(f.HDUs))
		}
	}
}

func TestOpenErrors(t *testing.T) {
	var wrong *fs.PathError
	if _, err := fits.Open(filepath.Join(t.TempDir(), "none.fits")); !errors.As(err, &wrong) {
		t.Errorf("error %v, want a PathError", err)
	}
	if _, err := fits.Open(t.TempDir()); !errors.Is(err, astroml.ErrFormat) {
		t.Errorf("a folder: error %v, want ErrFormat", err)
	}
}
