package spectra

import (
	"fmt"
	"math"
	"strings"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/fits"
)

func isLAMOST(f *fits.File) bool {
	head := f.HDUs[0]
	telescope, _ := head.Header.String("TELESCOP")
	if strings.EqualFold(telescope, "LAMOST") {
		return true
	}
	_, log := head.Header.Float("COEFF0")
	if log && len(head.Axes) == 2 && head.Axes[0] == 5 {
		return !strings.HasPrefix(telescope, "SDSS") // spSpec files of SDSS DR7 have other rows
	}
	return tableWith(f, "FLUX", "WAVELENGTH", "ANDMASK") != nil
}

// readLAMOST reads a low-resolution spectrum, spec-LMJD-PLANID_spXX-FFF.fits:
// to DR7 a primary image of five rows (flux, inverse variance, wavelength,
// and-mask, or-mask), with the grid in COEFF0 and COEFF1; since DR8 a table of
// one row with FLUX, IVAR, WAVELENGTH, ANDMASK, ORMASK. Flux is relative,
// wavelengths are in vacuum, or in air if VACUUM says F. A pixel that is bad in
// all exposures (and-mask not 0) has inverse variance 0. The header has OBSID,
// CLASS, SUBCLASS and Z, which is -9999 where there is none.
// Data model: http://www.lamost.org/dr8/v1.0/doc/lr-data-production-description, section 2.
func readLAMOST(f *fits.File) (file *File, err error) {
	head := f.HDUs[0]
	if len(head.Axes) > 0 {
		file, err = lamostImage(head)
	} else {
		file, err = lamostTable(f)
	}
	if err != nil {
		return nil, err
	}
	if inVacuum, ok := head.Header.Bool("VACUUM"); ok && !inVacuum {
		for i, w := range file.Wave {
			file.Wave[i] = vacuum(w)
		}
	}
	file.IDs[0], _ = head.Header.String("OBSID")
	file.Class[0], _ = head.Header.String("CLASS")
	file.Subclass[0], _ = head.Header.String("SUBCLASS")
	if z, ok := head.Header.Float("Z"); ok && z > -1 {
		file.Z[0] = z
	}
	return file, nil
}

func lamostImage(h *fits.HDU) (*File, error) {
	if len(h.Axes) != 2 || h.Axes[0] != 5 || h.Axes[1] < 1 {
		return nil, fmt.Errorf("an image of axes %v, want 5 rows (flux, inverse variance, wavelength, and-mask, or-mask): %w", h.Axes, astroml.ErrFormat)
	}
	m := h.Axes[1]
	row := func(i int) ([]float64, error) {
		v := make([]float64, m)
		return v, h.ReadBox64(v, []int{i, 0}, []int{i + 1, m})
	}
	wave, err := row(2)
	if err != nil {
		return nil, err
	}
	// The header has more digits than the row, which in the pilot survey is
	// something else: the spectrum less its continuum.
	if start, step, ok := lamostGrid(h.Header); ok {
		for i := range wave {
			wave[i] = math.Pow(10, start+float64(i)*step)
		}
	}
	file := newFile("LAMOST", 1, wave)
	if err := h.ReadBox(file.Flux, []int{0, 0}, []int{1, m}); err != nil {
		return nil, err
	}
	if err := h.ReadBox(file.IVar, []int{1, 0}, []int{2, m}); err != nil {
		return nil, err
	}
	mask, err := row(3)
	if err != nil {
		return nil, err
	}
	file.reject(mask)
	return file, nil
}

// lamostGrid returns the first log10 λ/Å and the step of log10 λ.
func lamostGrid(h fits.Header) (start, step float64, ok bool) {
	start, ok0 := h.Float("COEFF0")
	step, ok1 := h.Float("COEFF1")
	if ok0 && ok1 {
		return start, step, true
	}
	start, ok0 = h.Float("CRVAL1")
	step, ok1 = h.Float("CD1_1")
	if !ok1 {
		step, ok1 = h.Float("CDELT1")
	}
	if pixel, ok := h.Float("CRPIX1"); ok {
		start -= (pixel - 1) * step
	}
	return start, step, ok0 && ok1 && start < 5 // else in Å
}

func lamostTable(f *fits.File) (*File, error) {
	var spectrum *fits.HDU
	for _, h := range f.HDUs {
		if h.Column("FLUX") == nil || h.Column("WAVELENGTH") == nil {
			continue
		}
		if spectrum != nil {
			return nil, fmt.Errorf("spectra in HDU %s and HDU %s, want one; medium-resolution files are not read: %w", spectrum.Name, h.Name, astroml.ErrFormat)
		}
		spectrum = h
	}
	if spectrum == nil {
		return nil, fmt.Errorf("neither an image nor a table with FLUX and WAVELENGTH: %w", astroml.ErrFormat)
	}
	columns, err := needColumns(spectrum, "WAVELENGTH", "FLUX", "IVAR", "ANDMASK")
	if err != nil {
		return nil, err
	}
	cell, err := newCells(spectrum, columns[0])
	if err != nil {
		return nil, err
	}
	if cell.n != 1 {
		return nil, fmt.Errorf("HDU %s has %d rows, want one: %w", spectrum.Name, cell.n, astroml.ErrFormat)
	}
	var values [4][]float64
	for i, c := range columns {
		if values[i], err = cell.row(c, 0); err != nil {
			return nil, err
		}
	}
	file := newFile("LAMOST", 1, values[0])
	for p := range file.Wave {
		file.Flux[p], file.IVar[p] = float32(values[1][p]), float32(values[2][p])
	}
	file.reject(values[3])
	return file, nil
}

// reject masks the pixels of a single spectrum whose mask is not 0.
func (f *File) reject(mask []float64) {
	for p, m := range mask {
		if m != 0 {
			f.IVar[p] = 0
		}
	}
}
