package spectra

import (
	"fmt"
	"math"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/fits"
)

// sdssReject are the bits of and_mask that mask a pixel, those that the
// SPPIXMASK of the SDSS data model says hold no information on the object:
// FULLREJECT (18), NOSKY (22), BRIGHTSKY (23), NODATA (24) and REDMONSTER (28).
// The pipeline sets ivar to 0 for most of these itself; the other bits warn of
// noise that is in ivar already.
const sdssReject = 1<<18 | 1<<22 | 1<<23 | 1<<24 | 1<<28

func isSDSS(f *fits.File) bool { return tableWith(f, "flux", "loglam") != nil }

// readSDSS reads a spec-PLATE-MJD-FIBER.fits, lite or full, or SDSS-V's
// spec-FIELD-MJD-CATALOGID.fits: HDU COADD with flux (1e-17 erg/s/cm²/Å),
// loglam (log10 of vacuum Å), ivar, and_mask; HDU SPECOBJ or SPALL with CLASS,
// SUBCLASS, Z. Full files go on with the single exposures, which are left.
// Data model: https://data.sdss.org/datamodel/files/BOSS_SPECTRO_REDUX/RUN2D/spectra/PLATE4/spec.html
func readSDSS(f *fits.File) (*File, error) {
	h := f.HDU("COADD")
	if h == nil { // early files do not name it
		h = tableWith(f, "flux", "loglam")
	}
	columns, err := needColumns(h, "flux", "loglam", "ivar")
	if err != nil {
		return nil, err
	}
	cell, err := newCells(h, columns[1])
	if err != nil {
		return nil, err
	}
	if cell.n != 1 {
		return nil, fmt.Errorf("HDU %s has %d spectra, want one: %w", h.Name, cell.n, astroml.ErrFormat)
	}
	var values [3][]float64
	for i, c := range columns {
		if values[i], err = cell.row(c, 0); err != nil {
			return nil, err
		}
	}
	file := newFile("SDSS", 1, values[1])
	for p, v := range file.Wave {
		file.Wave[p] = math.Pow(10, v)
		file.Flux[p], file.IVar[p] = float32(values[0][p]), float32(values[2][p])
	}
	if c := h.Column("and_mask"); c != nil {
		mask, err := c.Int64s(0, h.Rows)
		if err != nil {
			return nil, err
		}
		if len(mask) != len(file.IVar) {
			return nil, fmt.Errorf("column and_mask has %d values for %d wavelengths: %w", len(mask), len(file.IVar), astroml.ErrFormat)
		}
		for p, m := range mask {
			if m&sdssReject != 0 {
				file.IVar[p] = 0
			}
		}
	}
	for _, name := range []string{"SPECOBJ", "SPALL"} {
		if h := f.HDU(name); h != nil && h.Rows > 0 {
			file.Class[0], file.Subclass[0], file.Z[0] = textCell(h, "CLASS", 0), textCell(h, "SUBCLASS", 0), numberCell(h, "Z", 0)
		}
	}
	file.IDs[0] = sdssID(f)
	return file, nil
}

// sdssID returns plate-mjd-fiber, or field-mjd-catalogid for SDSS-V, as in the
// names of the files. It is empty if the file does not tell.
func sdssID(f *fits.File) string {
	for _, name := range []string{"SPECOBJ", "SPALL"} {
		h := f.HDU(name)
		if h == nil || h.Rows == 0 {
			continue
		}
		plate, mjd, fiber := numberCell(h, "PLATE", 0), numberCell(h, "MJD", 0), numberCell(h, "FIBERID", 0)
		if plate > 0 && mjd > 0 && fiber > 0 {
			return fmt.Sprintf("%04.0f-%05.0f-%04.0f", plate, mjd, fiber)
		}
		field, id := textCell(h, "FIELD", 0), textCell(h, "CATALOGID", 0)
		if field != "" && mjd > 0 && id != "" {
			return fmt.Sprintf("%s-%05.0f-%s", field, mjd, id)
		}
	}
	head := f.HDUs[0].Header
	plate, _ := head.Int("PLATEID")
	mjd, _ := head.Int("MJD")
	if fiber, ok := head.Int("FIBERID"); ok && plate > 0 && mjd > 0 && fiber > 0 {
		return fmt.Sprintf("%04d-%05d-%04d", plate, mjd, fiber)
	}
	return ""
}
