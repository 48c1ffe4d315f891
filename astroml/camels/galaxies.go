//go:build cgo

package camels

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/hdf5"
)

// Options says which subhalos are galaxies, and which of their features are
// wanted.
type Options struct {
	// MinStars is the fewest star particles of a galaxy. The default is 20. If
	// negative, no star is needed. Villaescusa-Navarro et al. (2022,
	// arXiv:2201.02202) take galaxies of more than 20: their sample is that of 21.
	MinStars int `json:"min_stars,omitempty"`
	// MinStellarMass is the least stellar mass of a galaxy in Msun/h. The
	// default is 0.
	MinStellarMass float64 `json:"min_stellar_mass,omitempty"`
	// KeepFlagged keeps subhalos whose SubhaloFlag is 0: IllustrisTNG calls
	// them fragments of galaxies. CAMELS has no flag, and keeps all.
	KeepFlagged bool `json:"keep_flagged,omitempty"`
	// NoPhotometry leaves the magnitudes U, K and g away. In SIMBA's catalogues
	// these numbers mean nothing.
	NoPhotometry bool `json:"no_photometry,omitempty"`
}

// Galaxies are the galaxies of one or more group catalogues.
type Galaxies struct {
	// Names and Units are those of the features; a fraction has no unit.
	Names, Units []string
	// Values are galaxy × feature.
	Values astroml.Array
	// Simulation is, for each galaxy, the index of its simulation in
	// Simulations. Galaxies of one simulation belong on one side of a split.
	Simulation []int
	// Simulations are the simulations by the folders that their files lie in:
	// LH_0, LH_1, … for CAMELS, as in Params.Runs. They are in the order of the
	// paths, which need not be that of the parameters: sorted by name, LH_10
	// comes before LH_2.
	Simulations []string
	// File and Row are, for each galaxy, the index of its file in the paths, and
	// that of its subhalo in the file.
	File, Row []int
	// Headers are those of the files.
	Headers []Header
}

// Header is what a group catalogue tells of its simulation. What it does not
// tell is NaN.
type Header struct {
	Redshift, Time      float64 // Time is the scale factor
	HubbleParam         float64 // in 100 km/s/Mpc
	Omega0, OmegaLambda float64
	BoxSize             float64 // comoving kpc/h
	Subhalos            int     // in this file
	Files               int     // of this snapshot
}

// feature is a number of a galaxy.
type feature struct {
	name, unit string
	dataset    string // of the group Subhalo
	columns    int    // of the dataset, 0 if it has one axis
	column     int    // or norm
	scale      float64
}

// norm, as a column, is the Euclidean norm of all.
const norm = -1

// Types of particles.
const (
	gas   = 0
	stars = 4
	types = 6
)

// Features of Villaescusa-Navarro et al. (2022), section 2.2, in their order and
// units. Lengths are comoving. Masses in the files are 1e10 Msun/h, lengths
// kpc/h; the magnitudes are bands 0, 3 and 4 of U B V K g r i z.
var features = []feature{
	{"M_gas", "Msun/h", "SubhaloMassType", types, gas, 1e10},
	{"M_star", "Msun/h", "SubhaloMassType", types, stars, 1e10},
	{"M_bh", "Msun/h", "SubhaloBHMass", 0, 0, 1e10},
	{"M_tot", "Msun/h", "SubhaloMass", 0, 0, 1e10},
	{"V_max", "km/s", "SubhaloVmax", 0, 0, 1},
	{"sigma_v", "km/s", "SubhaloVelDisp", 0, 0, 1},
	{"Z_gas", "", "SubhaloGasMetallicity", 0, 0, 1},
	{"Z_star", "", "SubhaloStarMetallicity", 0, 0, 1},
	{"SFR", "Msun/yr", "SubhaloSFR", 0, 0, 1},
	{"J", "kpc/h km/s", "SubhaloSpin", 3, norm, 1},
	{"V", "km/s", "SubhaloVel", 3, norm, 1},
	{"R_star", "Mpc/h", "SubhaloHalfmassRadType", types, stars, 1e-3},
	{"R_tot", "Mpc/h", "SubhaloHalfmassRad", 0, 0, 1e-3},
	{"R_max", "Mpc/h", "SubhaloVmaxRad", 0, 0, 1e-3},
	{"U", "mag", "SubhaloStellarPhotometrics", 8, 0, 1},
	{"K", "mag", "SubhaloStellarPhotometrics", 8, 3, 1},
	{"g", "mag", "SubhaloStellarPhotometrics", 8, 4, 1},
}

const photometry = 3 // of the features, at their end

// ReadGroups reads group catalogues of SUBFIND in the layout of IllustrisTNG:
// fof_subhalo_tab_033.hdf5 of CAMELS, one file a simulation, and the chunks
// fof_subhalo_tab_099.0.hdf5, … of IllustrisTNG, of which some may be missing.
// Chunks in one folder are one simulation.
//
// A file that cannot be opened is a *fs.PathError; one that has no such
// datasets, or is damaged, is astroml.ErrFormat.
func ReadGroups(ctx context.Context, paths []string, options Options) (*Galaxies, error) {
	if len(paths) == 0 {
		return nil, errors.New("camels: no files, want one or more")
	}
	if options.MinStars == 0 {
		options.MinStars = 20
	}
	wanted := features
	if options.NoPhotometry {
		wanted = wanted[:len(wanted)-photometry]
	}
	g := &Galaxies{}
	for _, f := range wanted {
		g.Names, g.Units = append(g.Names, f.name), append(g.Units, f.unit)
	}
	seen := make(map[string]int)
	for i, path := range paths {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		header, rows, err := g.readGroup(path, wanted, options)
		if err != nil {
			return nil, fmt.Errorf("camels: %w", err)
		}
		key := path
		if header.Files > 1 {
			key = withoutChunk(path)
		}
		simulation, ok := seen[key]
		if !ok {
			simulation = len(g.Simulations)
			seen[key] = simulation
			g.Simulations = append(g.Simulations, folder(path))
		}
		g.Headers = append(g.Headers, header)
		for _, row := range rows {
			g.Simulation, g.File, g.Row = append(g.Simulation, simulation), append(g.File, i), append(g.Row, row)
		}
	}
	g.Values.Shape = []int{len(g.Row), len(wanted)}
	return g, nil
}

// withoutChunk returns a path without the number of the chunk, the 7 of
// fof_subhalo_tab_099.7.hdf5.
func withoutChunk(path string) string {
	path = filepath.Clean(path)
	whole := strings.TrimSuffix(path, filepath.Ext(path))
	return strings.TrimSuffix(whole, filepath.Ext(whole))
}

// folder returns the name of the folder that a file lies in.
func folder(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	return filepath.Base(filepath.Dir(path))
}

// readGroup adds the features of the galaxies of a file, and returns their rows
// in it.
func (g *Galaxies) readGroup(path string, wanted []feature, o Options) (h Header, rows []int, err error) {
	f, err := hdf5.Open(path)
	if err != nil {
		return h, nil, err
	}
	defer f.Close()
	t := &table{file: f, path: path, columns: make(map[string][]float64)}
	if h, err = t.header(); err != nil || h.Subhalos == 0 {
		return h, nil, err // chunks without subhalos lack the datasets
	}
	t.rows = h.Subhalos

	counts := t.read("SubhaloLenType", types)
	masses := t.read("SubhaloMassType", types)
	flags := t.flags(o)
	for _, f := range wanted {
		t.read(f.dataset, f.columns)
	}
	if t.err != nil {
		return h, nil, t.err
	}
	for i := range t.rows {
		if counts[i*types+stars] >= float64(o.MinStars) && masses[i*types+stars]*1e10 >= o.MinStellarMass && (flags == nil || flags[i] != 0) {
			rows = append(rows, i)
		}
	}
	for _, i := range rows {
		for _, f := range wanted {
			g.Values.Data = append(g.Values.Data, f.of(t.columns[f.dataset], i))
		}
	}
	return h, rows, nil
}

// of computes the feature of row i.
func (f feature) of(data []float64, i int) float32 {
	if f.columns == 0 {
		return float32(data[i] * f.scale)
	}
	row := data[i*f.columns : (i+1)*f.columns]
	if f.column != norm {
		return float32(row[f.column] * f.scale)
	}
	sum := 0.0
	for _, v := range row {
		sum += float64(v * v)
	}
	return float32(math.Sqrt(sum) * f.scale)
}

// table reads the group Subhalo of a file. The first error stays.
type table struct {
	file    *hdf5.File
	path    string
	rows    int
	columns map[string][]float64
	err     error
}

// header reads the group Header.
func (t *table) header() (h Header, err error) {
	names := t.file.Attributes("Header")
	number := func(name string) float64 {
		if !slices.Contains(names, name) {
			return math.NaN()
		}
		x := hdf5.ReadAttr[float64](t.file, "Header", name)
		if len(x) != 1 {
			return math.NaN()
		}
		return x[0]
	}
	h = Header{
		Redshift: number("Redshift"), Time: number("Time"), HubbleParam: number("HubbleParam"),
		Omega0: number("Omega0"), OmegaLambda: number("OmegaLambda"), BoxSize: number("BoxSize"), Files: 1,
	}
	if n := number("NumFiles"); n >= 1 && n < 1<<31 {
		h.Files = int(n)
	}
	subhalos := number("Nsubgroups_ThisFile")
	if math.IsNaN(subhalos) {
		subhalos = number("Nsubhalos_ThisFile") // as Gadget-4 calls it
	}
	if err := t.file.Err(); err != nil {
		return h, err
	}
	if !(subhalos >= 0 && subhalos < 1<<31) {
		return h, fmt.Errorf("%s: Nsubgroups_ThisFile of Header is %g, want the number of subhalos: %w", t.path, subhalos, astroml.ErrFormat)
	}
	h.Subhalos = int(subhalos)
	return h, nil
}

// read reads a dataset of as many rows as there are subhalos, once.
func (t *table) read(name string, columns int) []float64 {
	if data := t.columns[name]; data != nil || t.err != nil {
		return data
	}
	want := []int{t.rows}
	if columns > 0 {
		want = append(want, columns)
	}
	data, shape := hdf5.Read[float64](t.file, "Subhalo/"+name)
	if t.err = t.file.Err(); t.err == nil && !slices.Equal(shape, want) {
		t.err = fmt.Errorf("%s: dataset Subhalo/%s has shape %v, want %v: %w", t.path, name, shape, want, astroml.ErrFormat)
	}
	t.columns[name] = data
	return data
}

// flags reads SubhaloFlag, and returns nil if it does not matter.
func (t *table) flags(o Options) []float64 {
	if o.KeepFlagged || !slices.Contains(t.file.Names("Subhalo"), "SubhaloFlag") {
		return nil
	}
	return t.read("SubhaloFlag", 0)
}
