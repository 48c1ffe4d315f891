package spectra

import (
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/fits"
)

// File holds the spectra of one survey file, n of them.
type File struct {
	// Spectra are n × pixel on one grid, in vacuum Å and in the velocity frame
	// of the file. A pixel that the survey rejects has inverse variance 0 or, in
	// a file that does not tell the noise, flux NaN.
	astroml.Spectra
	// Survey is "SDSS", "DESI", "LAMOST", "4MOST", or "ESO" for the Phase 3
	// spectra of other instruments.
	Survey string
	// IDs are the names of the spectra: plate-mjd-fiber, TARGETID, OBSID, …
	IDs []string
	// Class and Subclass are the answer of the survey's own pipeline, empty
	// where the file has none.
	Class, Subclass []string
	// Z is the redshift that the survey's own pipeline found, NaN where the
	// file has none.
	Z []float64
}

// layouts are the surveys that Read knows, the most telling first.
var layouts = []struct {
	survey string
	is     func(*fits.File) bool
	read   func(*fits.File) (*File, error)
}{
	{"DESI", isDESI, readDESI},
	{"SDSS", isSDSS, readSDSS},
	{"LAMOST", isLAMOST, readLAMOST},
	{"4MOST", isESO, readESO},
}

// Read reads a survey's FITS file of spectra, which may be compressed with
// gzip, and recognises the survey by what is in the file:
//
//   - SDSS, BOSS, eBOSS and SDSS-V: spec-*.fits, lite and full;
//   - DESI: coadd-*.fits and spectra-*.fits, the arms joined;
//   - LAMOST: the low-resolution spec-*.fits, images (to DR7) and tables;
//   - 4MOST and other ESO Phase 3 spectra: a binary table of a row for each
//     object, of one row of vectors, or of a row for each pixel.
//
// Inverse variance is 0 where it is not a positive number, where flux is not
// finite, and where the survey's mask says so: see the comments on each. The
// error wraps astroml.ErrFormat if the file is none of these, or is damaged.
func Read(path string) (*File, error) {
	f, err := fits.Open(path)
	if err != nil {
		return nil, fmt.Errorf("spectra: %w", err)
	}
	defer f.Close()
	return readFile(f, path)
}

func readFile(f *fits.File, path string) (*File, error) {
	for _, l := range layouts {
		if !l.is(f) {
			continue
		}
		file, err := l.read(f)
		if err == nil {
			name := strings.TrimSuffix(filepath.Base(path), ".gz")
			err = file.finish(strings.TrimSuffix(name, filepath.Ext(name)))
		}
		if err != nil {
			return nil, fmt.Errorf("spectra: %s: read as %s: %w", path, l.survey, err)
		}
		return file, nil
	}
	var found []string
	for i, h := range f.HDUs[:min(20, len(f.HDUs))] {
		found = append(found, strings.TrimSpace(fmt.Sprint(i, " ", h.Name)))
	}
	return nil, fmt.Errorf("spectra: %s: HDUs %s, want the spectra of SDSS, DESI, LAMOST or 4MOST: %w",
		path, strings.Join(found, ", "), astroml.ErrFormat)
}

// newFile returns a file of n spectra on a grid, without class and redshift.
func newFile(survey string, n int, wave []float64) *File {
	f := &File{
		Spectra: astroml.Spectra{Flux: make([]float32, n*len(wave)), IVar: make([]float32, n*len(wave)), Wave: wave},
		Survey:  survey, IDs: make([]string, n), Class: make([]string, n), Subclass: make([]string, n), Z: make([]float64, n),
	}
	for i := range f.Z {
		f.Z[i] = math.NaN()
	}
	return f
}

// finish checks the wavelengths, masks what is no number, and names what has no
// name.
func (f *File) finish(name string) error {
	if f.Len() == 0 {
		return fmt.Errorf("no spectra: %w", astroml.ErrFormat)
	}
	if err := f.Check(); err != nil {
		return fmt.Errorf("%w: %w", err, astroml.ErrFormat)
	}
	for i, v := range f.IVar {
		flux := float64(f.Flux[i])
		if !(v > 0) || math.IsInf(float64(v), 0) || math.IsNaN(flux) || math.IsInf(flux, 0) {
			f.IVar[i] = 0
		}
	}
	for i, id := range f.IDs {
		switch {
		case id != "":
		case len(f.IDs) == 1:
			f.IDs[i] = name
		default:
			f.IDs[i] = name + "-" + strconv.Itoa(i)
		}
	}
	return nil
}

// cells reads the vectors of a table, whose rows are spectra or, if every cell
// has one value, pixels of one spectrum.
type cells struct {
	hdu      *fits.HDU
	n, pixel int
	byPixel  bool
}

// newCells measures a table by its column of wavelengths.
func newCells(h *fits.HDU, wave *fits.Column) (cells, error) {
	c := cells{hdu: h, n: h.Rows}
	if h.Rows == 0 {
		return c, fmt.Errorf("HDU %s has no rows: %w", h.Name, astroml.ErrFormat)
	}
	if c.byPixel = wave.Repeat == 1 && h.Rows > 1; c.byPixel {
		c.n, c.pixel = 1, h.Rows
		return c, nil
	}
	if c.pixel = wave.Repeat; c.pixel == 0 {
		// Of variable length. To read all rows compares their lengths, so that
		// one long row does not stand for many.
		w, err := wave.Float64s(0, h.Rows)
		if err != nil {
			return c, err
		}
		c.pixel = len(w) / h.Rows
	}
	if c.pixel == 0 {
		return c, fmt.Errorf("column %s is empty: %w", wave.Name, astroml.ErrFormat)
	}
	return c, nil
}

// row returns what a column has for spectrum i.
func (c cells) row(column *fits.Column, i int) ([]float64, error) {
	lo, hi := i, i+1
	if c.byPixel {
		lo, hi = 0, c.hdu.Rows
	}
	v, err := column.Float64s(lo, hi)
	if err == nil && len(v) != c.pixel {
		return nil, fmt.Errorf("column %s has %d values for %d wavelengths: %w", column.Name, len(v), c.pixel, astroml.ErrFormat)
	}
	return v, err
}

// needColumns returns the columns of these names, or an error that names the first
// that is missing.
func needColumns(h *fits.HDU, names ...string) ([]*fits.Column, error) {
	columns := make([]*fits.Column, len(names))
	for i, name := range names {
		if columns[i] = h.Column(name); columns[i] == nil {
			return nil, fmt.Errorf("HDU %s has no column %s, want %s: %w", h.Name, name, strings.Join(names, ", "), astroml.ErrFormat)
		}
	}
	return columns, nil
}

// tableWith returns the first table that has all these columns, or nil.
func tableWith(f *fits.File, names ...string) *fits.HDU {
	for _, h := range f.HDUs {
		if _, err := needColumns(h, names...); err == nil {
			return h
		}
	}
	return nil
}

// textCell returns row i of a column of text or of integers, or "" if there is none.
func textCell(h *fits.HDU, name string, i int) string {
	c := h.Column(name)
	if c == nil || i >= h.Rows {
		return ""
	}
	if c.Type == 'A' {
		s, err := c.Strings(i, i+1)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(s[0])
	}
	if v, err := c.Int64s(i, i+1); err == nil && len(v) == 1 {
		return strconv.FormatInt(v[0], 10)
	}
	return ""
}

// numberCell returns row i of a column of numbers, or NaN if there is none.
func numberCell(h *fits.HDU, name string, i int) float64 {
	c := h.Column(name)
	if c == nil || i >= h.Rows {
		return math.NaN()
	}
	if v, err := c.Float64s(i, i+1); err == nil && len(v) == 1 {
		return v[0]
	}
	return math.NaN()
}

// vacuum turns a wavelength in standard air into one in vacuum, in Å, with the
// refractive index of Ciddor (1996), doi:10.1364/AO.35.001566, equation 1, for
// 450 ppm of CO₂. It solves λ = λ_air · n(λ). Below 2000 Å wavelengths are
// in vacuum by convention, and stay.
func vacuum(air float64) float64 {
	if air < 2000 {
		return air
	}
	v := air
	for range 4 { // each round gains five digits
		s := 1e8 / (v * v) // µm⁻²
		v = air * (1 + 0.05792105/(238.0185-s) + 0.00167917/(57.362-s))
	}
	return v
}
