//go:build cgo

package camels

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/hdf5"
)

// reference is a file of testdata/camels, written by h5py.
func reference(name string) string { return filepath.Join("..", "..", "testdata", "camels", name) }

var (
	lh     = []string{reference("LH_3/fof_subhalo_tab_033.hdf5"), reference("LH_8/fof_subhalo_tab_033.hdf5")}
	chunks = []string{reference("groups_099/fof_subhalo_tab_099.0.hdf5"), reference("groups_099/fof_subhalo_tab_099.1.hdf5"), reference("groups_099/fof_subhalo_tab_099.2.hdf5")}
)

// golden is what make.py computed, by file.
func golden(t *testing.T, files ...string) (values [][]float64, rows []int) {
	t.Helper()
	b, err := os.ReadFile(reference("expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]struct {
		Row    []int
		Values [][]float64
	}
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		values, rows = append(values, all[f].Values...), append(rows, all[f].Row...)
	}
	return values, rows
}

func TestReadGroups(t *testing.T) {
	tests := []struct {
		name                   string
		paths, files, folders  []string
		galaxies, file, groups []int
		header                 Header
	}{
		{"CAMELS", lh, []string{"LH_3", "LH_8"}, []string{"LH_3", "LH_8"}, []int{6, 1}, []int{0, 1}, []int{0, 1},
			Header{Redshift: 0, Time: 1, HubbleParam: 0.6711, Omega0: 0.3, OmegaLambda: 0.7, BoxSize: 25000, Subhalos: 8, Files: 1}},
		{"IllustrisTNG", chunks, []string{"chunk 0", "chunk 2"}, []string{"groups_099"}, []int{2, 1}, []int{0, 2}, []int{0, 0},
			Header{Redshift: 0.5, Time: 1 / 1.5, HubbleParam: 0.6711, Omega0: 0.3, OmegaLambda: 0.7, BoxSize: 25000, Subhalos: 3, Files: 3}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g, err := ReadGroups(t.Context(), test.paths, Options{})
			if err != nil {
				t.Fatal(err)
			}
			want, rows := golden(t, test.files...)
			var simulation, file []int
			for i, n := range test.galaxies {
				simulation = append(simulation, slices.Repeat(test.groups[i:i+1], n)...)
				file = append(file, slices.Repeat(test.file[i:i+1], n)...)
			}
			if !slices.Equal(g.Row, rows) || !slices.Equal(g.Simulation, simulation) || !slices.Equal(g.File, file) || !slices.Equal(g.Simulations, test.folders) {
				t.Errorf("rows %v of %v, simulations %v of %q", g.Row, g.File, g.Simulation, g.Simulations)
			}
			if len(g.Headers) != len(test.paths) || g.Headers[0] != test.header {
				t.Errorf("headers %+v, want %+v", g.Headers, test.header)
			}
			if !slices.Equal(g.Values.Shape, []int{len(want), 17}) || len(g.Names) != 17 || len(g.Units) != 17 || len(g.Values.Data) != 17*len(want) {
				t.Fatalf("%d values of shape %v of %q", len(g.Values.Data), g.Values.Shape, g.Names)
			}
			for i, row := range want {
				for j, v := range row {
					// One rounding to float32.
					if got := float64(g.Values.Data[17*i+j]); math.Abs(got-v) > 6e-8*math.Abs(v) {
						t.Errorf("galaxy %d: %s is %g, want %g", i, g.Names[j], got, v)
					}
				}
			}
		})
	}
}

func TestOptions(t *testing.T) {
	tests := []struct {
		name, why string
		options   Options
		lh, tng   int // galaxies
	}{
		{"default", "20 star particles and more", Options{}, 7, 3},
		{"paper", "more than 20", Options{MinStars: 21}, 5, 2},
		{"all", "with none too", Options{MinStars: -1}, 10, 4},
		{"one", "a galaxy has a star", Options{MinStars: 1}, 8, 4},
		{"flagged", "fragments too", Options{KeepFlagged: true}, 7, 4},
		{"mass", "57 stars of 1.3e7 Msun/h weigh 7.4e8", Options{MinStellarMass: 7e8}, 3, 1},
		{"none", "an empty catalogue is one", Options{MinStellarMass: 1e20}, 0, 0},
	}
	for _, test := range tests {
		a, err1 := ReadGroups(t.Context(), lh, test.options)
		b, err2 := ReadGroups(t.Context(), chunks, test.options)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if len(a.Row) != test.lh || len(b.Row) != test.tng || a.Values.Shape[0] != test.lh {
			t.Errorf("%s (%s): %d and %d galaxies, want %d and %d", test.name, test.why, len(a.Row), len(b.Row), test.lh, test.tng)
		}
	}
	all, err1 := ReadGroups(t.Context(), lh, Options{})
	some, err2 := ReadGroups(t.Context(), lh, Options{NoPhotometry: true})
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(some.Values.Shape, []int{7, 14}) || !slices.Equal(some.Names, all.Names[:14]) || !slices.Equal(some.Values.Data[:14], all.Values.Data[:14]) {
		t.Errorf("without photometry: %q of shape %v", some.Names, some.Values.Shape)
	}
}

// TestSimulations: chunks of two folders are two simulations, whatever their
// order; one file is one, however often it comes.
func TestSimulations(t *testing.T) {
	other := t.TempDir()
	for _, path := range chunks {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(other, filepath.Base(path)), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	paths := []string{chunks[2], filepath.Join(other, filepath.Base(chunks[2])), lh[1], chunks[0], lh[1]}
	g, err := ReadGroups(t.Context(), paths, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(g.Simulation, []int{0, 1, 2, 0, 0, 2}) || !slices.Equal(g.Simulations, []string{"groups_099", filepath.Base(other), "LH_8"}) {
		t.Errorf("simulations %v of %q", g.Simulation, g.Simulations)
	}
}

// catalogue writes a group catalogue of two subhalos, after change.
func catalogue(t *testing.T, change func(columns map[string]int, header map[string]float64)) string {
	t.Helper()
	columns := map[string]int{"SubhaloLenType": 6}
	for _, f := range features {
		columns[f.dataset] = f.columns
	}
	header := map[string]float64{"Nsubgroups_ThisFile": 2, "Redshift": 1}
	change(columns, header)
	path := filepath.Join(t.TempDir(), "fof_subhalo_tab_033.hdf5")
	w, err := hdf5.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w.Group("Header")
	for name, v := range header {
		hdf5.WriteAttr(w, "Header", name, v)
	}
	for name, n := range columns {
		if n == 0 {
			hdf5.Write(w, "Subhalo/"+name, []float32{1, 2}, 2)
		} else {
			hdf5.Write(w, "Subhalo/"+name, slices.Repeat([]float32{30}, 2*n), 2, n)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadGroupsRefuses(t *testing.T) {
	tests := []struct {
		name, why string
		change    func(columns map[string]int, header map[string]float64)
		ok        bool
	}{
		{"as it is", "what the code writes", func(map[string]int, map[string]float64) {}, true},
		{"flags", "of type float, which compare all the same", func(c map[string]int, _ map[string]float64) { c["SubhaloFlag"] = 0 }, true},
		{"Gadget-4", "calls the number of subhalos otherwise", func(_ map[string]int, h map[string]float64) {
			delete(h, "Nsubgroups_ThisFile")
			h["Nsubhalos_ThisFile"] = 2
		}, true},
		{"no number", "how many subhalos?", func(_ map[string]int, h map[string]float64) { delete(h, "Nsubgroups_ThisFile") }, false},
		{"negative", "how many?", func(_ map[string]int, h map[string]float64) { h["Nsubgroups_ThisFile"] = -1 }, false},
		{"other number", "the datasets have two", func(_ map[string]int, h map[string]float64) { h["Nsubgroups_ThisFile"] = 3 }, false},
		{"no dataset", "no feature", func(c map[string]int, _ map[string]float64) { delete(c, "SubhaloVmax") }, false},
		{"no stars", "which are galaxies?", func(c map[string]int, _ map[string]float64) { delete(c, "SubhaloLenType") }, false},
		{"few types", "stars are type 4", func(c map[string]int, _ map[string]float64) { c["SubhaloMassType"] = 4 }, false},
		{"vector", "a speed has one number", func(c map[string]int, _ map[string]float64) { c["SubhaloVmax"] = 3 }, false},
	}
	for _, test := range tests {
		g, err := ReadGroups(t.Context(), []string{catalogue(t, test.change)}, Options{})
		if test.ok != (err == nil) || err != nil && !errors.Is(err, astroml.ErrFormat) {
			t.Errorf("%s (%s): got %v (%v)", test.name, test.why, g, err)
		}
	}
	if g, err := ReadGroups(t.Context(), []string{catalogue(t, func(map[string]int, map[string]float64) {})}, Options{}); err != nil || !math.IsNaN(g.Headers[0].Omega0) || g.Headers[0].Redshift != 1 {
		t.Errorf("a header of little: got %+v (%v), want NaN", g, err)
	}

	var pe *fs.PathError
	if _, err := ReadGroups(t.Context(), []string{lh[0], filepath.Join(t.TempDir(), "none")}, Options{}); !errors.As(err, &pe) {
		t.Errorf("missing file: got %v, want a PathError", err)
	}
	if _, err := ReadGroups(t.Context(), []string{reference("expected.json")}, Options{}); !errors.Is(err, astroml.ErrFormat) {
		t.Errorf("no HDF5: got %v, want ErrFormat", err)
	}
	if _, err := ReadGroups(t.Context(), nil, Options{}); err == nil {
		t.Error("no files: no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ReadGroups(ctx, lh, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}
