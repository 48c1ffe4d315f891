package fits_test

import (
	"errors"
	"math"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"codeberg.org/astrogo/fitsio"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/fits"
)

type columns struct {
	Logical, Byte, Short, Ushort, Int, Float, Double, Vector, Matrix, Many, Counts, Flux numbers
	Text, Long, Ulong                                                                    []string
}

// TestColumns compares every column with astropy's, whole and in parts.
func TestColumns(t *testing.T) {
	f := open(t, "table.fits")
	var want columns
	expected(t, "table", &want)
	h := f.HDU("alltypes")
	if h.Rows != 7 || len(h.Columns) != 16 || h.Axes != nil {
		t.Fatalf("%d rows, %d columns, axes %v", h.Rows, len(h.Columns), h.Axes)
	}
	check := func(h *fits.HDU, name string, want numbers) {
		t.Helper()
		c := h.Column(name)
		all, err := c.Float64s(0, 7)
		if err != nil {
			t.Fatal(err)
		}
		part, err := c.Float64s(2, 5)
		if err != nil {
			t.Fatal(err)
		}
		short, err := c.Float32s(0, 7)
		if err != nil {
			t.Fatal(err)
		}
		each := len(want) / 7
		if len(all) != len(want) || len(part) != 3*each || c.Repeat != each && name != "many" {
			t.Fatalf("%s: %d and %d values, repeat %d, want %d in all", name, len(all), len(part), c.Repeat, len(want))
		}
		for i, v := range all {
			if !same(v, want[i]) || !same(float64(short[i]), float64(float32(want[i]))) {
				t.Errorf("%s: value %d is %g and %g, want %g", name, i, v, short[i], want[i])
			}
			if k := i - 2*each; k >= 0 && k < len(part) && !same(part[k], v) {
				t.Errorf("%s: value %d of a part is %g, want %g", name, k, part[k], v)
			}
		}
	}
	for name, w := range map[string]numbers{"logical": want.Logical, "byte": want.Byte, "short": want.Short, "ushort": want.Ushort,
		"int": want.Int, "float": want.Float, "double": want.Double, "vector": want.Vector, "matrix": want.Matrix, "many": want.Many} {
		check(h, name, w)
	}
	check(f.HDU("SCALED"), "counts", want.Counts)
	check(f.HDU("SCALED"), "FLUX", want.Flux)

	text, err := h.Column("TEXT").Strings(0, 7)
	if err != nil || !reflect.DeepEqual(text, want.Text) {
		t.Errorf("text %q, %v, want %q", text, err, want.Text)
	}
	for name, w := range map[string][]string{"long": want.Long, "ulong": want.Ulong} {
		got, err := h.Column(name).Int64s(0, 7)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range got {
			if strconv.FormatInt(v, 10) != w[i] {
				t.Errorf("%s: value %d is %d, want %s", name, i, v, w[i])
			}
		}
	}
	short, err := h.Column("ushort").Int64s(0, 7)
	for i, v := range short {
		if float64(v) != want.Ushort[i] || err != nil {
			t.Errorf("ushort: value %d is %d, %v, want %g", i, v, err, want.Ushort[i])
		}
	}
	if c := h.Column("float"); c.Unit != "nm" || c.Type != 'E' {
		t.Errorf("float is of type %c in %q, want E in nm", c.Type, c.Unit)
	}
	if v, err := h.Column("empty").Float64s(0, 7); err != nil || len(v) != 0 {
		t.Errorf("empty: %v, %v", v, err)
	}
}

func TestColumnErrors(t *testing.T) {
	f := open(t, "table.fits")
	h := f.HDU("ALLTYPES")
	if h.Column("missing") != nil {
		t.Error("a column that is not there")
	}
	floats := func(name string, lo, hi int) error { _, err := h.Column(name).Float64s(lo, hi); return err }
	_, ints := f.HDU("SCALED").Column("counts").Int64s(0, 7)
	_, noInts := h.Column("float").Int64s(0, 7)
	_, noText := h.Column("float").Strings(0, 7)
	for _, test := range []struct {
		name string
		err  error
		want error
	}{
		{"rows outside", floats("float", 0, 8), astroml.ErrShape},
		{"rows backwards", floats("float", 3, 2), astroml.ErrShape},
		{"negative rows", floats("float", -1, 2), astroml.ErrShape},
		{"text as numbers", floats("text", 0, 7), astroml.ErrFormat},
		{"bits as numbers", floats("bits", 0, 7), astroml.ErrFormat},
		{"complex as numbers", floats("complex", 0, 7), astroml.ErrFormat},
		{"scaled as integers", ints, astroml.ErrFormat},
		{"floats as integers", noInts, astroml.ErrFormat},
		{"numbers as text", noText, astroml.ErrFormat},
	} {
		if !errors.Is(test.err, test.want) || !strings.Contains(test.err.Error(), "table.fits: HDU") {
			t.Errorf("%s: error %v, want %v and the place", test.name, test.err, test.want)
		}
	}
}

// TestAgainstFitsio reads all scalar columns of a table with astrogo/fitsio.
func TestAgainstFitsio(t *testing.T) {
	for _, name := range []string{"spec-4055-55359-0596.fits", "spec-101077-55359-27021597775913012.fits"} {
		file, err := os.Open(testdata + name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		ref, err := fitsio.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer ref.Close()
		ours := open(t, name)
		for i, h := range ours.HDUs[1:] {
			table := ref.HDU(i + 1).(*fitsio.Table)
			if int64(h.Rows) != table.NumRows() || len(h.Columns) != table.NumCols() {
				t.Fatalf("%s: %d rows and %d columns, fitsio has %d and %d", h.Name, h.Rows, len(h.Columns), table.NumRows(), table.NumCols())
			}
			rows, err := table.Read(0, table.NumRows())
			if err != nil {
				t.Fatal(err)
			}
			for row := 0; rows.Next(); row++ {
				values := map[string]any{}
				if err := rows.Scan(&values); err != nil {
					t.Fatal(err)
				}
				for _, c := range h.Columns {
					want := values[c.Name]
					if c.Type == 'A' {
						got, err := c.Strings(row, row+1)
						if err != nil || got[0] != strings.TrimRight(want.(string), " \x00") {
							t.Fatalf("%s: row %d is %q, %v, fitsio has %q", c.Name, row, got, err, want)
						}
						continue
					}
					got, err := c.Float64s(row, row+1)
					if err != nil {
						t.Fatal(err)
					}
					v := reflect.ValueOf(want)
					w := math.NaN()
					switch {
					case v.CanFloat():
						w = v.Float()
					case v.CanInt():
						w = float64(v.Int())
					}
					if !same(got[0], w) {
						t.Fatalf("%s: row %d is %g, fitsio has %v", c.Name, row, got[0], want)
					}
				}
			}
		}
	}
}
