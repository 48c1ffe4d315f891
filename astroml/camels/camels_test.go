package camels

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/npy"
)

// write writes a file for a test.
func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadParams(t *testing.T) {
	two := []float32{0.309, 0.979, 3.11234, 1.12194, 0.6685, 0.53182, 0.3026, 0.9394, 3.42001, 3.96137, 1.03311, 1.1607}
	tests := []struct {
		name, why, text string
		names           []string
		values          []float32
		runs            []string
		seeds           []int
	}{
		{"CosmoAstroSeed", "names, header, seeds, blanks in front",
			"#Name  Omega_m  sigma_8  A_SN1     A_AGN1  A_SN2  A_AGN2  seed\n" +
				"  LH_0 0.30900 0.97900   3.11234   1.12194 0.66850 0.53182 5000\n  LH_1 0.30260 0.93940   3.42001   3.96137 1.03311 1.16070 5001\n",
			six, two, []string{"LH_0", "LH_1"}, []int{5000, 5001}},
		{"latin_hypercube", "numbers alone",
			"0.30900 0.97900 3.11234 1.12194 0.66850 0.53182\n0.30260 0.93940 3.42001 3.96137 1.03311 1.16070", six, two, nil, nil},
		{"seven", "the last is the seed", "0.30900 0.97900 3.11234 1.12194 0.66850 0.53182 0\r\n0.30260 0.93940 3.42001 3.96137 1.03311 1.16070 1\r\n",
			six, two, nil, []int{0, 1}},
		{"comments", "the last that fits is the header, and blank lines do not count",
			"# x y\n# a b\n# made by hand\n#\n\n1 2\n# of the second\n3 4\n", []string{"a", "b"}, []float32{1, 2, 3, 4}, nil, nil},
		{"no header", "the six names would be wrong", "SB_0 1 2\nSB_1 3 4", []string{"p1", "p2"}, []float32{1, 2, 3, 4}, []string{"SB_0", "SB_1"}, nil},
		{"seed alone", "a column of that name which is all there is", "# seed\n1\n", []string{"seed"}, []float32{1}, nil, nil},
		{"names", "no number in front: a number may follow", "#name x\n1P_p1_n2 5\n", []string{"x"}, []float32{5}, []string{"1P_p1_n2"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := ReadParams(write(t, "params.txt", test.text))
			if err != nil {
				t.Fatalf("%s: %v", test.why, err)
			}
			shape := []int{len(test.values) / len(test.names), len(test.names)}
			if !slices.Equal(p.Names, test.names) || !slices.Equal(p.Values.Data, test.values) || !slices.Equal(p.Values.Shape, shape) ||
				!slices.Equal(p.Runs, test.runs) || !slices.Equal(p.Seeds, test.seeds) {
				t.Errorf("%s: got %+v", test.why, p)
			}
		})
	}
}

func TestReadParamsRefuses(t *testing.T) {
	row := "0.309 0.979 3.11234 1.12194 0.6685 0.53182"
	for _, test := range []struct{ name, why, text string }{
		{"empty", "no parameters", ""},
		{"header alone", "no parameters", "#Name Omega_m\n"},
		{"html", "a download that failed", "<!DOCTYPE html>\n<html>"},
		{"table", "the tables of the documentation are drawn", "+------+---------+\n| Name | Omega_m |\n"},
		{"short", "a number is missing", row + "\n" + row[6:]},
		{"long", "one too many", row + "\n" + row + " 1"},
		{"name", "the first line had none", row + "\nLH_1 " + row},
		{"no name", "the first line had one", "LH_0 " + row + "\n" + row},
		{"word", "no number", row + "\n0.3 0.9 x 1 1 1"},
		{"NaN", "no number either", row + "\n0.3 0.9 nan 1 1 1"},
		{"huge", "no float32", row + "\n0.3 0.9 1e300 1 1 1"},
		{"seed", "no integer", row + " 0.5"},
		{"large seed", "no integer that a float64 tells from its neighbours", row + " 1e300"},
		{"name alone", "no number at all", "LH_0\n"},
		{"long line", "no file of parameters", strings.Repeat("1 ", 1<<20)},
	} {
		p, err := ReadParams(write(t, "params.txt", test.text))
		if !errors.Is(err, astroml.ErrFormat) {
			t.Errorf("%s (%s): got %v (%v), want ErrFormat", test.name, test.why, p, err)
		}
	}
	var pe *fs.PathError
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "none")} {
		if _, err := ReadParams(path); !errors.As(err, &pe) {
			t.Errorf("%s: got %v, want a PathError", path, err)
		}
	}
}

func FuzzReadParams(f *testing.F) {
	f.Add("#Name Omega_m seed\nLH_0 0.3 1\n")
	f.Add("1 2 3 4 5 6\n# x\n1 2 3 4 5 6 7\n")
	path := filepath.Join(f.TempDir(), "params.txt")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		p, err := ReadParams(path)
		if err != nil {
			if !errors.Is(err, astroml.ErrFormat) {
				t.Fatalf("got %v, want ErrFormat", err)
			}
			return
		}
		n := p.Values.Shape[0]
		if n < 1 || len(p.Names) < 1 || len(p.Values.Data) != n*len(p.Names) || p.Runs != nil && len(p.Runs) != n || p.Seeds != nil && len(p.Seeds) != n {
			t.Fatalf("got %+v", p)
		}
	})
}

// someMaps writes n maps of 2 × 3 pixels, counted through.
func someMaps(t testing.TB, shape ...int) string {
	t.Helper()
	a := astroml.Array{Shape: shape, Data: make([]float32, 1)}
	for _, n := range shape {
		a.Data = slices.Repeat(a.Data, n)
	}
	for i := range a.Data {
		a.Data[i] = float32(i)
	}
	path := filepath.Join(t.TempDir(), "Maps_HI_IllustrisTNG_LH_z=0.00.npy")
	if err := npy.Write(path, a); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadMaps(t *testing.T) {
	params := write(t, "params_LH_IllustrisTNG.txt", "1 2 3 4 5 6\n7 8 9 10 11 12\n")
	m, err := ReadMaps(someMaps(t, 30, 2, 3), params)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(m.Maps.Shape, []int{30, 2, 3}) || !slices.Equal(m.Params.Shape, []int{30, 6}) || !slices.Equal(m.Names, six) || len(m.Simulation) != 30 {
		t.Fatalf("maps %v, parameters %v %q, %d simulations", m.Maps.Shape, m.Params.Shape, m.Names, len(m.Simulation))
	}
	for i, s := range m.Simulation {
		// CMD's documentation: params[map_number//15].
		if s != i/15 || m.Params.Data[6*i] != float32(1+6*s) || m.Params.Data[6*i+5] != float32(6+6*s) || m.Maps.Data[6*i+5] != float32(6*i+5) {
			t.Fatalf("map %d: simulation %d, parameters %v", i, s, m.Params.Data[6*i:6*i+6])
		}
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, shape := range [][]int{{29, 2, 3}, {45, 2, 3}, {2, 3}, {30, 6}, {30, 1, 2, 3}, {0, 2, 3}} {
		if m, err := ReadMaps(someMaps(t, shape...), params); !errors.Is(err, astroml.ErrShape) {
			t.Errorf("shape %v: got %v (%v), want ErrShape", shape, m, err)
		}
	}
	var pe *fs.PathError
	if _, err := ReadMaps(filepath.Join(t.TempDir(), "none"), params); !errors.As(err, &pe) {
		t.Errorf("no maps: got %v, want a PathError", err)
	}
	if _, err := ReadMaps(someMaps(t, 30, 2, 3), "none"); !errors.As(err, &pe) {
		t.Errorf("no parameters: got %v, want a PathError", err)
	}
	if _, err := ReadMaps(params, params); !errors.Is(err, astroml.ErrFormat) {
		t.Errorf("maps that are none: got %v, want ErrFormat", err)
	}
}
