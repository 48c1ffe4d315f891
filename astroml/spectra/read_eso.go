package spectra

import (
	"fmt"
	"math"
	"strings"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/fits"
)

// The roles of columns in the IVOA Spectrum data model 1.1 (McDowell et al.
// 2011, arXiv:1204.3055), without the name space and in small letters.
const (
	roleWave    = "spectralaxis.value"
	roleFlux    = "fluxaxis.value"
	roleError   = "fluxaxis.accuracy.staterror"
	roleQuality = "fluxaxis.accuracy.qualitystatus"
)

// The names of columns where there are no roles, the best first.
var (
	waveNames    = []string{"WAVE", "WAVELENGTH", "LAMBDA"}
	fluxNames    = []string{"FLUX", "FLUX_REDUCED", "FLUX_DENSITY"}
	errorNames   = []string{"ERR_FLUX", "FLUX_ERR", "ERR", "ERROR", "SIGMA"}
	ivarNames    = []string{"IVAR", "FLUX_IVAR", "INVVAR"}
	qualityNames = []string{"QUAL", "QUALITY", "MASK"}
	objectNames  = []string{"CNAME", "TRG_UID", "OBJ_UID", "TRG_NME", "TARGETID", "OBJECT", "OBJID", "NAME", "ID"}
)

// wavelengthUnits are the units of TUNITn, in Å and in small letters.
var wavelengthUnits = map[string]float64{
	"angstrom": 1, "angstroms": 1, "ang": 1, "aa": 1, "a": 1, "å": 1, "0.1nm": 1, "": 1, // not stated: Å
	"nm": 10, "nanometer": 10, "nanometers": 10, "um": 1e4, "µm": 1e4, "micron": 1e4, "microns": 1e4, "micrometer": 1e4,
	"mm": 1e7, "cm": 1e8, "m": 1e10,
}

func isESO(f *fits.File) bool { return esoTable(f) != nil }

// esoTable returns the table of the spectra: the one whose columns have the
// roles, else the one with the name, else the first with a column of
// wavelengths and one of flux.
func esoTable(f *fits.File) *fits.HDU {
	var byName, byColumns *fits.HDU
	for _, h := range f.HDUs {
		if h.Axes != nil || h.Columns == nil {
			continue
		}
		wave := esoColumn(h, roleWave, waveNames)
		switch {
		case wave != nil && esoRole(wave) == roleWave:
			return h
		case byName == nil && (h.Name == "SPECTRUM" || h.Name == "PHASE3SPECTRUM"):
			byName = h
		case byColumns == nil && wave != nil && esoColumn(h, roleFlux, fluxNames) != nil:
			byColumns = h
		}
	}
	if byName != nil {
		return byName
	}
	return byColumns
}

// esoRole returns what TUTYPn says after "Data.", for ESO's products in one
// spelling: some have Accurancy.
func esoRole(c *fits.Column) string {
	_, r, _ := strings.Cut(strings.ToLower(c.UType), "data.")
	return strings.ReplaceAll(r, "accurancy", "accuracy")
}

// esoColumn returns the column with a role, else the first of these names that
// has no other role, else nil.
func esoColumn(h *fits.HDU, wanted string, names []string) *fits.Column {
	for _, c := range h.Columns {
		if wanted != "" && esoRole(c) == wanted {
			return c
		}
	}
	for _, name := range names {
		if c := h.Column(name); c != nil && esoRole(c) == "" {
			return c
		}
	}
	return nil
}

// esoColumns are the columns of a table of spectra. All but the first two may
// be nil.
type esoColumns struct{ wave, flux, sigma, ivar, quality *fits.Column }

// pickESO finds the columns. No two collections agree on the names, so roles go
// first; of several fluxes the calibrated one is taken (meta.main, and not
// stat.uncalib, in TUCDn), with the error of its own name space or unit.
func pickESO(h *fits.HDU) (c esoColumns, err error) {
	if c.wave = esoColumn(h, roleWave, waveNames); c.wave == nil {
		return c, fmt.Errorf("HDU %s has no column of wavelengths, want %s: %w", h.Name, strings.Join(waveNames, ", "), astroml.ErrFormat)
	}
	if ucd := strings.ToLower(c.wave.UCD); ucd != "" && !strings.HasPrefix(ucd, "em.wl") {
		return c, fmt.Errorf("HDU %s: column %s is %q, want em.wl, a wavelength: %w", h.Name, c.wave.Name, ucd, astroml.ErrFormat)
	}
	best := math.MaxInt
	for _, f := range h.Columns {
		ucd, rank := strings.ToLower(f.UCD), 2
		if esoRole(f) != roleFlux {
			continue
		}
		if strings.Contains(ucd, "meta.main") {
			rank--
		}
		if strings.Contains(ucd, "stat.uncalib") {
			rank += 2
		}
		if rank < best {
			c.flux, best = f, rank
		}
	}
	if c.flux == nil {
		c.flux = esoColumn(h, "", fluxNames)
	}
	if c.flux == nil {
		return c, fmt.Errorf("HDU %s has no column of flux, want %s: %w", h.Name, strings.Join(fluxNames, ", "), astroml.ErrFormat)
	}
	best = 0
	for _, e := range h.Columns {
		if esoRole(e) != roleError {
			continue
		}
		rank := 0
		if esoSpace(e) == esoSpace(c.flux) {
			rank++
		}
		if e.Unit == c.flux.Unit {
			rank += 2
		}
		if rank > best { // 0 is the error of another flux
			c.sigma, best = e, rank
		}
	}
	if c.sigma == nil {
		c.ivar = esoColumn(h, "", ivarNames)
	}
	if c.sigma == nil && c.ivar == nil {
		c.sigma = esoColumn(h, "", errorNames)
	}
	c.quality = esoColumn(h, roleQuality, qualityNames)
	return c, nil
}

// esoSpace returns the name space of TUTYPn.
func esoSpace(c *fits.Column) string {
	s, _, _ := strings.Cut(strings.ToLower(c.UType), ":")
	return s
}

// readESO reads 4MOST's L1 spectra and other spectra after the ESO Science
// Data Products Standard: a binary table with wavelengths, flux, its standard
// deviation or inverse variance, and quality (0 is good: other pixels get
// inverse variance 0). Wavelengths may have any unit of length, and are taken
// out of the air where UCD (em.wl;obs.atmos), AIRORVAC or WAVE_MEDIUM say so.
// All rows must be on one grid. Flux in erg/… is returned in 1e-17 of that,
// as SDSS and DESI write it, for its inverse variance does not fit a float32.
// A table without a good error returns IVar nil, and flux NaN where quality is
// not 0. CLASS, SUBCLASS and Z are read where rows have them.
// Data model: https://archive.eso.org/cms/eso-data/help/1dspectra.html; no L1
// file of 4MOST was public when this was written, and its column names (WAVE,
// FLUX, ERR_FLUX, QUAL in PHASE3SPECTRUM) are those of the simulated ones.
func readESO(f *fits.File) (*File, error) {
	h := esoTable(f)
	c, err := pickESO(h)
	if err != nil {
		return nil, err
	}
	cell, err := newCells(h, c.wave)
	if err != nil {
		return nil, err
	}
	wave, err := esoWave(f, h, cell, c.wave)
	if err != nil {
		return nil, err
	}
	known, err := c.known(cell)
	if err != nil {
		return nil, err
	}
	if !known {
		c.sigma, c.ivar = nil, nil
	}
	file := newFile(esoSurvey(f), cell.n, wave)
	unit := 1.0
	if strings.HasPrefix(strings.ToLower(c.flux.Unit), "erg") {
		unit = 1e17
	}
	for i := range cell.n {
		if err := c.row(cell, i, unit, file.Row(i)); err != nil {
			return nil, err
		}
		if !cell.byPixel {
			file.Class[i], file.Subclass[i], file.Z[i] = textCell(h, "CLASS", i), textCell(h, "SUBCLASS", i), numberCell(h, "Z", i)
		}
		file.IDs[i] = esoID(f, h, cell, i)
	}
	if !known {
		for p, v := range file.IVar {
			if v == 0 {
				file.Flux[p] = float32(math.NaN())
			}
		}
		file.IVar = nil
	}
	return file, nil
}

// known tells whether any pixel has a noise. The errors of FEROS and HARPS are
// all NaN, which says that nothing is known, and not that all is bad.
func (c esoColumns) known(cell cells) (bool, error) {
	noise := c.sigma
	if noise == nil {
		noise = c.ivar
	}
	for i := 0; noise != nil && i < cell.n; i++ {
		v, err := cell.row(noise, i)
		if err != nil {
			return false, err
		}
		for _, s := range v {
			if s > 0 && !math.IsInf(s, 0) {
				return true, nil
			}
		}
	}
	return false, nil
}

// row reads spectrum i into to. Without a column of noise the inverse variance
// is 1, or 0 where quality says so.
func (c esoColumns) row(cell cells, i int, unit float64, to astroml.Spectra) error {
	var values [4][]float64
	for k, column := range []*fits.Column{c.flux, c.sigma, c.ivar, c.quality} {
		if column == nil {
			continue
		}
		v, err := cell.row(column, i)
		if err != nil {
			return err
		}
		values[k] = v
	}
	flux, sigma, ivar, quality := values[0], values[1], values[2], values[3]
	for p := range flux {
		w := 1.0
		switch {
		case sigma != nil && !(sigma[p] > 0), quality != nil && quality[p] != 0:
			w = 0
		case sigma != nil:
			w = 1 / (sigma[p] * unit) / (sigma[p] * unit)
		case ivar != nil:
			w = ivar[p] / unit / unit
		}
		if w <= math.MaxFloat64 { // a sharper pixel than float32 can say is not a bad one
			w = min(w, math.MaxFloat32)
		}
		to.Flux[p], to.IVar[p] = float32(flux[p]*unit), float32(w)
	}
	return nil
}

// esoWave returns the wavelengths that all rows share, in vacuum Å.
func esoWave(f *fits.File, h *fits.HDU, cell cells, c *fits.Column) ([]float64, error) {
	scale, ok := wavelengthUnits[strings.ToLower(strings.ReplaceAll(c.Unit, " ", ""))]
	if !ok {
		return nil, fmt.Errorf("HDU %s: column %s in %q, want a unit of length: %w", h.Name, c.Name, c.Unit, astroml.ErrFormat)
	}
	wave, err := cell.row(c, 0)
	if err != nil {
		return nil, err
	}
	for i := 1; i < cell.n; i++ {
		other, err := cell.row(c, i)
		if err != nil {
			return nil, err
		}
		for p, w := range other {
			step := math.Abs(wave[min(p+1, len(wave)-1)] - wave[max(p-1, 0)])
			if !(math.Abs(w-wave[p]) <= aligned*step/2) {
				return nil, fmt.Errorf("HDU %s: wavelength %d of row %d is %g, of row 0 %g, want one grid for all rows: %w",
					h.Name, p, i, w, wave[p], astroml.ErrFormat)
			}
		}
	}
	air := esoInAir(f, h, c)
	for p := range wave {
		if wave[p] *= scale; air {
			wave[p] = vacuum(wave[p])
		}
	}
	return wave, nil
}

// esoInAir tells whether wavelengths are in air. The table's header goes
// before the primary one.
func esoInAir(f *fits.File, h *fits.HDU, c *fits.Column) bool {
	if strings.Contains(strings.ToLower(c.UCD), "obs.atmos") {
		return true
	}
	for _, header := range []fits.Header{h.Header, f.HDUs[0].Header} {
		for _, key := range []string{"AIRORVAC", "WAVE_MEDIUM", "WAVEMED"} {
			if s, ok := header.String(key); ok {
				return strings.EqualFold(strings.TrimSpace(s), "air")
			}
		}
	}
	return false
}

func esoSurvey(f *fits.File) string {
	instrument, ok := f.HDUs[0].Header.String("INSTRUME")
	instrument = strings.ToUpper(instrument)
	if !ok || strings.Contains(instrument, "QMOST") || strings.Contains(instrument, "4MOST") {
		return "4MOST"
	}
	return "ESO"
}

// esoID returns the name of spectrum i: from its row, or from the headers if it
// is the only one.
func esoID(f *fits.File, h *fits.HDU, cell cells, i int) string {
	if !cell.byPixel {
		for _, name := range objectNames {
			if s := textCell(h, name, i); s != "" {
				return s
			}
		}
	}
	if cell.n > 1 {
		return ""
	}
	for _, key := range objectNames {
		for _, header := range []fits.Header{h.Header, f.HDUs[0].Header} {
			if s, ok := header.String(key); ok {
				return s
			}
		}
	}
	return ""
}
