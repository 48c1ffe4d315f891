package spectra

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/fits"
)

const surveyFiles = "../../testdata/fits/"

var surveys = []string{
	"spec-4055-55359-0596.fits", "spec-4055-55359-0596-full.fits", "spec-101077-55359-27021597775913012.fits",
	"coadd-sv3-dark-26065.fits", "spectra-sv3-dark-26065.fits.gz",
	"spec-55859-F5902_sp01-001.fits.gz", "lamost-dr1-crval.fits", "spec-57035-HD111424N200151V01_sp14-102.fits",
	"4most-one.fits", "4most-rows.fits", "4most-air.fits", "4most-utypes-air.fits", "4most-pixels.fits",
}

// written is what was put into a survey file before it was written.
type written struct {
	Survey               string
	IDs, Class, Subclass []string
	Z, Wave, Flux, IVar  []*float64 // null is NaN
}

func writtenFiles(t testing.TB) map[string]json.RawMessage {
	t.Helper()
	b, err := os.ReadFile(surveyFiles + "expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// sameOrNear tells whether a is b to a relative tolerance, or both are NaN.
func sameOrNear(a float64, b *float64, tolerance float64) bool {
	if b == nil {
		return math.IsNaN(a)
	}
	return math.Abs(a-*b) <= tolerance*math.Abs(*b)
}

// TestReadSurveys reads every layout and compares it with what was written.
func TestReadSurveys(t *testing.T) {
	all := writtenFiles(t)
	for _, name := range surveys {
		t.Run(name, func(t *testing.T) {
			var want written
			if err := json.Unmarshal(all[name], &want); err != nil {
				t.Fatal(err)
			}
			f, err := Read(surveyFiles + name)
			if err != nil {
				t.Fatal(err)
			}
			if f.Survey != want.Survey || !slices.Equal(f.IDs, want.IDs) {
				t.Errorf("survey %s, spectra %q, want %s, %q", f.Survey, f.IDs, want.Survey, want.IDs)
			}
			if !slices.Equal(f.Class, want.Class) || !slices.Equal(f.Subclass, want.Subclass) {
				t.Errorf("classes %q %q, want %q %q", f.Class, f.Subclass, want.Class, want.Subclass)
			}
			for i, z := range f.Z {
				if !sameOrNear(z, want.Z[i], 1e-12) {
					t.Errorf("redshift %d is %g", i, z)
				}
			}
			if len(f.Wave) != len(want.Wave) || len(f.Flux) != len(want.Flux) || len(f.IVar) != len(want.IVar) || f.Len() != len(f.Z) {
				t.Fatalf("%d wavelengths, %d and %d values, want %d, %d, %d", len(f.Wave), len(f.Flux), len(f.IVar), len(want.Wave), len(want.Flux), len(want.IVar))
			}
			for i, w := range f.Wave {
				// Air wavelengths go through Ciddor's equation and back, to nearly its last digit.
				if !sameOrNear(w, want.Wave[i], 1e-10) {
					t.Fatalf("wavelength %d is %.9f, want %.9f", i, w, *want.Wave[i])
				}
			}
			for i, v := range f.Flux {
				// A few roundings to float32, of 6e-8 each.
				if !sameOrNear(float64(v), want.Flux[i], 3e-7) || !sameOrNear(float64(f.IVar[i]), want.IVar[i], 3e-7) {
					t.Fatalf("pixel %d is %g, ivar %g, want %g, %g", i, v, f.IVar[i], *want.Flux[i], *want.IVar[i])
				}
			}
		})
	}
}

// TestVacuum compares with the pairs of the NIST Atomic Spectra Database (Hα,
// [O III], Ca II K), and with the way from vacuum to air.
func TestVacuum(t *testing.T) {
	for _, pair := range [][2]float64{{6562.79, 6564.60}, {5006.843, 5008.240}, {3933.66, 3934.77}} {
		// The pairs are written to 0.01 Å.
		if got := vacuum(pair[0]); math.Abs(got-pair[1]) > 0.01 {
			t.Errorf("%g Å in air is %.3f in vacuum, want %.3f", pair[0], got, pair[1])
		}
	}
	for v := 2001.0; v < 25000; v += 97.3 {
		s := 1e8 / (v * v)
		air := v / (1 + 0.05792105/(238.0185-s) + 0.00167917/(57.362-s))
		if air >= 2000 && math.Abs(vacuum(air)-v) > 1e-9 {
			t.Errorf("%g Å comes back as %.12g", v, vacuum(air))
		}
	}
	if vacuum(1900) != 1900 {
		t.Error("below 2000 Å wavelengths are in vacuum")
	}
}

// The rest makes damaged files.

// fitsRecord fills text up to whole FITS records.
func fitsRecord(text string) string {
	if n := len(text) % 2880; n > 0 {
		text += strings.Repeat(" ", 2880-n)
	}
	return text
}

// fitsHDU makes an HDU of cards and data.
func fitsHDU(data string, cards ...string) string {
	var b strings.Builder
	for _, c := range append(cards, "END") {
		fmt.Fprintf(&b, "%-80s", c)
	}
	return fitsRecord(b.String()) + fitsRecord(data)
}

var emptyPrimary = fitsHDU("", "SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0")

// column64 is a column of float64 vectors, one a row.
type column64 struct {
	name string
	rows [][]float64
	more []string // cards, with # for the number of the column
}

// bintable makes a binary table.
func bintable(name string, columns ...column64) string {
	var cards []string
	rows, width := 0, 0
	for i, c := range columns {
		rows = len(c.rows)
		if rows > 0 {
			width += 8 * len(c.rows[0])
			cards = append(cards, fmt.Sprintf("TTYPE%d  = '%s'", i+1, c.name), fmt.Sprintf("TFORM%d  = '%dD'", i+1, len(c.rows[0])))
		} else {
			width += 8
			cards = append(cards, fmt.Sprintf("TTYPE%d  = '%s'", i+1, c.name), fmt.Sprintf("TFORM%d  = 'D'", i+1))
		}
		for _, m := range c.more {
			cards = append(cards, strings.ReplaceAll(m, "#", fmt.Sprint(i+1)))
		}
	}
	var data []byte
	for r := range rows {
		for _, c := range columns {
			for _, v := range c.rows[r] {
				data = binary.BigEndian.AppendUint64(data, math.Float64bits(v))
			}
		}
	}
	return fitsHDU(string(data), append([]string{"XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2", fmt.Sprintf("NAXIS1  = %d", width),
		fmt.Sprintf("NAXIS2  = %d", rows), "PCOUNT  = 0", "GCOUNT  = 1", fmt.Sprintf("TFIELDS = %d", len(columns)), fmt.Sprintf("EXTNAME = '%s'", name)}, cards...)...)
}

// image64 makes an image of float64 values.
func image64(name string, axes []int, values ...float64) string {
	cards := []string{"XTENSION= 'IMAGE   '", "BITPIX  = -64", fmt.Sprintf("NAXIS   = %d", len(axes))}
	for i := range axes {
		cards = append(cards, fmt.Sprintf("NAXIS%d  = %d", i+1, axes[len(axes)-1-i]))
	}
	var data []byte
	for _, v := range values {
		data = binary.BigEndian.AppendUint64(data, math.Float64bits(v))
	}
	return fitsHDU(string(data), append(cards, fmt.Sprintf("EXTNAME = '%s'", name))...)
}

// rowsOf makes a column of one value a row.
func rowsOf(name string, v ...float64) column64 {
	c := column64{name: name}
	for _, x := range v {
		c.rows = append(c.rows, []float64{x})
	}
	return c
}

// vectorsOf makes a column of vectors.
func vectorsOf(name string, rows ...[]float64) column64 { return column64{name: name, rows: rows} }

func (c column64) with(cards ...string) column64 { c.more = cards; return c }

// desiFile makes a DESI file of one arm and two spectra; change replaces HDUs
// by name, or leaves them out.
func desiFile(change map[string]string) string {
	b := emptyPrimary
	for _, h := range [][2]string{
		{"FIBERMAP", bintable("FIBERMAP", rowsOf("TARGETID", 0, 0))},
		{"B_WAVELENGTH", image64("B_WAVELENGTH", []int{3}, 3600, 3600.8, 3601.6)},
		{"B_FLUX", image64("B_FLUX", []int{2, 3}, 1, 2, 3, 4, 5, 6)},
		{"B_IVAR", image64("B_IVAR", []int{2, 3}, 1, 1, 1, 1, 1, 1)},
		{"B_MASK", image64("B_MASK", []int{2, 3}, 0, 0, 0, 0, 0, 0)},
	} {
		if c, ok := change[h[0]]; ok {
			b += c
		} else {
			b += h[1]
		}
	}
	return b + change["more"]
}

func TestReadErrors(t *testing.T) {
	w := []float64{5000, 5001, 5002}
	f := []float64{1, 2, 3}
	lamost := func(values string, cards ...string) string {
		return fitsHDU(values, append([]string{"SIMPLE  = T", "BITPIX  = 8"}, append(cards, "TELESCOP= 'LAMOST'")...)...)
	}
	sdss := func(c ...column64) string { return emptyPrimary + bintable("COADD", c...) }
	eso := func(c ...column64) string { return emptyPrimary + bintable("PHASE3SPECTRUM", c...) }
	whole, err := os.ReadFile(surveyFiles + "coadd-sv3-dark-26065.fits")
	if err != nil {
		t.Fatal(err)
	}
	flux := strings.Index(string(whole), "'B_FLUX") / 2880 * 2880
	for _, test := range []struct{ name, file, why string }{
		{"empty", "", "no FITS file"},
		{"text", "wave,flux\n5000,1\n", "no FITS file"},
		{"truncated", string(whole[:flux+2880+100]), "bytes of data, the file has"},
		{"truncated before the first flux", string(whole[:flux]), "want the spectra of"},
		{"no spectra", emptyPrimary, "want the spectra of SDSS, DESI, LAMOST or 4MOST"},
		{"another table", emptyPrimary + bintable("STARS", rowsOf("RA", 1, 2)), "1 STARS, want the spectra"},

		{"SDSS without ivar", sdss(rowsOf("flux", f...), rowsOf("loglam", 3.5, 3.6, 3.7)), "no column ivar, want flux, loglam, ivar"},
		{"SDSS unsorted", sdss(rowsOf("flux", f...), rowsOf("loglam", 3.5, 3.4, 3.7), rowsOf("ivar", f...)), "want increasing wavelengths"},
		{"SDSS not a number", sdss(rowsOf("flux", f...), rowsOf("loglam", 3.5, math.NaN(), 3.7), rowsOf("ivar", f...)), "want a positive number"},
		{"SDSS infinite", sdss(rowsOf("flux", f...), rowsOf("loglam", 3.5, 3.6, 400), rowsOf("ivar", f...)), "want a positive number"},
		{"SDSS no rows", sdss(rowsOf("flux"), rowsOf("loglam"), rowsOf("ivar")), "no rows"},
		{"SDSS columns of unequal lengths", sdss(vectorsOf("flux", f[:2]), vectorsOf("loglam", f), vectorsOf("ivar", f)), "column flux has 2 values for 3 wavelengths"},
		{"SDSS many", sdss(vectorsOf("flux", f, f), vectorsOf("loglam", f, f), vectorsOf("ivar", f, f)), "2 spectra, want one"},

		{"DESI no fibres", desiFile(map[string]string{"FIBERMAP": ""}), "no HDU FIBERMAP"},
		{"DESI no ivar", desiFile(map[string]string{"B_IVAR": ""}), "no HDU B_IVAR"},
		{"DESI other table", desiFile(map[string]string{"FIBERMAP": bintable("FIBERMAP", rowsOf("FIBER", 1, 2))}), "no column TARGETID"},
		{"DESI float names", desiFile(nil), "column TARGETID: type D, want integers"},
		{"DESI flux of another length", desiFile(map[string]string{"B_FLUX": image64("B_FLUX", []int{2, 2}, 1, 2, 3, 4)}), "B_FLUX has axes [2 2], want [2 3]"},
		{"DESI mask of other rows", desiFile(map[string]string{"B_MASK": image64("B_MASK", []int{1, 3}, 0, 0, 0)}), "B_MASK has axes [1 3], want [2 3]"},
		{"DESI flux of one axis", desiFile(map[string]string{"B_FLUX": image64("B_FLUX", []int{3}, 1, 2, 3)}), "axes"},
		{"DESI no spectra", desiFile(map[string]string{"B_FLUX": image64("B_FLUX", []int{0, 3}), "B_IVAR": image64("B_IVAR", []int{0, 3}), "B_MASK": ""}), "no spectra"},
		{"DESI decreasing", desiFile(map[string]string{"B_WAVELENGTH": image64("B_WAVELENGTH", []int{3}, 3602, 3601, 3600)}), "want increasing wavelengths"},
		{"DESI not a number", desiFile(map[string]string{"B_WAVELENGTH": image64("B_WAVELENGTH", []int{3}, math.NaN(), 1, 2)}), "want increasing wavelengths"},
		{"DESI not linear", desiFile(map[string]string{"B_WAVELENGTH": image64("B_WAVELENGTH", []int{3}, 3600, 3600.5, 3601.6)}), "on the grid"},
		{"DESI far apart", desiFile(map[string]string{"more": image64("Z_WAVELENGTH", []int{3}, 4400, 4400.8, 4401.6) +
			image64("Z_FLUX", []int{2, 3}, f[0], f[1], f[2], 1, 1, 1) + image64("Z_IVAR", []int{2, 3}, 1, 1, 1, 1, 1, 1)}), "spread over"},
		{"DESI very far apart", desiFile(map[string]string{"more": image64("Z_WAVELENGTH", []int{3}, 1e300, 1.1e300, 1.2e300) +
			image64("Z_FLUX", []int{2, 3}, f[0], f[1], f[2], 1, 1, 1) + image64("Z_IVAR", []int{2, 3}, 1, 1, 1, 1, 1, 1)}), "begins at"},

		{"LAMOST of four rows", lamost(strings.Repeat("\x01", 8), "NAXIS   = 2", "NAXIS1  = 2", "NAXIS2  = 4"), "want 5 rows"},
		{"LAMOST no pixels", lamost("", "NAXIS   = 2", "NAXIS1  = 0", "NAXIS2  = 5"), "want 5 rows"},
		{"LAMOST constant wavelength", lamost(strings.Repeat("\x01", 10), "NAXIS   = 2", "NAXIS1  = 2", "NAXIS2  = 5"), "want increasing wavelengths"},
		{"LAMOST nothing", lamost("", "NAXIS   = 0"), "neither an image nor a table"},
		{"LAMOST no mask", lamost("", "NAXIS   = 0") + bintable("COADD", vectorsOf("FLUX", f), vectorsOf("WAVELENGTH", w), vectorsOf("IVAR", f)), "no column ANDMASK"},
		{"LAMOST medium resolution", lamost("", "NAXIS   = 0") + bintable("COADD_B", vectorsOf("FLUX", f), vectorsOf("WAVELENGTH", w)) +
			bintable("COADD_R", vectorsOf("FLUX", f), vectorsOf("WAVELENGTH", w)), "medium-resolution files are not read"},

		{"4MOST in Hz", eso(vectorsOf("WAVE", w).with("TUNIT#  = 'Hz'"), vectorsOf("FLUX", f)), `in "Hz", want a unit of length`},
		{"ESO frequencies", eso(vectorsOf("f", w).with("TUTYP#  = 'spec:Data.SpectralAxis.Value'", "TUCD#   = 'em.freq'"), vectorsOf("FLUX", f)), "want em.wl"},
		{"4MOST no flux", eso(vectorsOf("WAVE", w), vectorsOf("SKY", f)), "no column of flux"},
		{"4MOST no wavelengths", eso(vectorsOf("FLUX", f)), "no column of wavelengths"},
		{"4MOST rows on two grids", eso(vectorsOf("WAVE", w, []float64{5000, 5001.1, 5002}), vectorsOf("FLUX", f, f)), "want one grid for all rows"},
		{"4MOST flux of another length", eso(vectorsOf("WAVE", w), vectorsOf("FLUX", f[:2])), "column FLUX has 2 values for 3 wavelengths"},
		{"4MOST unsorted", eso(vectorsOf("WAVE", []float64{3, 2, 1}), vectorsOf("FLUX", f)), "want increasing wavelengths"},
		{"4MOST no rows", eso(rowsOf("WAVE"), rowsOf("FLUX")), "no rows"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.fits")
			if err := os.WriteFile(path, []byte(test.file), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Read(path)
			if !errors.Is(err, astroml.ErrFormat) {
				t.Fatalf("error %v, want ErrFormat", err)
			}
			for _, want := range []string{"spectra: ", path, test.why} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
	_, err = Read(surveyFiles + "desi-misaligned.fits.gz")
	if !errors.Is(err, astroml.ErrFormat) || !strings.Contains(err.Error(), "R_WAVELENGTH: pixel 0 is 3628.3000, want 3628.0000 on the grid of 0.8000 Å of the arm B") {
		t.Errorf("misaligned arms: error %v", err)
	}
	var missing *fs.PathError
	if _, err := Read(filepath.Join(t.TempDir(), "none.fits")); !errors.As(err, &missing) {
		t.Errorf("missing file: error %v, want a PathError", err)
	}
}

// readText reads a file made in memory.
func readText(t testing.TB, text string) *File {
	t.Helper()
	f, err := fits.Read(strings.NewReader(text), int64(len(text)), "memory")
	if err != nil {
		t.Fatal(err)
	}
	file, err := readFile(f, "folder/memory.fits.gz")
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestUnknownNoise: a file without errors, or whose errors are all NaN, has no
// inverse variance, and quality masks by NaN.
func TestUnknownNoise(t *testing.T) {
	nan := math.NaN()
	wave, flux, bad := vectorsOf("WAVE", []float64{1, 2, 3}), vectorsOf("FLUX", []float64{1, 2, 3}), vectorsOf("QUAL", []float64{0, 1, 0})
	for name, noise := range map[string][]column64{
		"no column":   nil,
		"all NaN":     {vectorsOf("ERR", []float64{nan, nan, nan})},
		"ivar of 0":   {vectorsOf("IVAR", []float64{0, 0, 0})},
		"of negative": {vectorsOf("ERR_FLUX", []float64{-1, -1, -1})},
	} {
		f := readText(t, emptyPrimary+bintable("SPECTRUM", append([]column64{wave, flux, bad}, noise...)...))
		if f.IVar != nil || f.Flux[0] != 1 || !math.IsNaN(float64(f.Flux[1])) || f.Flux[2] != 3 {
			t.Errorf("%s: flux %v, ivar %v, want 1 NaN 3 and none", name, f.Flux, f.IVar)
		}
	}
}

// TestNoName: spectra that the file does not name are named after it.
func TestNoName(t *testing.T) {
	v := []float64{1, 2, 3}
	if f := readText(t, emptyPrimary+bintable("SPECTRUM", vectorsOf("WAVE", v), vectorsOf("FLUX", v))); !slices.Equal(f.IDs, []string{"memory"}) {
		t.Errorf("names %q, want memory", f.IDs)
	}
	if f := readText(t, emptyPrimary+bintable("SPECTRUM", vectorsOf("WAVE", v, v), vectorsOf("FLUX", v, v))); !slices.Equal(f.IDs, []string{"memory-0", "memory-1"}) {
		t.Errorf("names %q, want memory-0 and memory-1", f.IDs)
	}
}

// TestCalibratedFlux: of two fluxes the calibrated one is read, with the error
// that belongs to it.
func TestCalibratedFlux(t *testing.T) {
	col := func(name, utype, ucd, unit string, v ...float64) column64 {
		return vectorsOf(name, v).with("TUTYP#  = '"+utype+"'", "TUCD#   = '"+ucd+"'", "TUNIT#  = '"+unit+"'")
	}
	f := readText(t, emptyPrimary+bintable("SPECTRUM",
		col("WAVE", "spec:Data.SpectralAxis.Value", "em.wl", "nm", 500, 501),
		col("FLUX_REDUCED", "eso:Data.FluxAxis.Value", "phot.flux.density;em.wl;stat.uncalib", "adu", 7, 8),
		col("ERR_REDUCED", "eso:Data.FluxAxis.Accuracy.StatError", "stat.error", "adu", 9, 9),
		col("FLUX", "spec:Data.FluxAxis.Value", "phot.flux.density;em.wl;meta.main", "Jy", 1, 2),
		col("ERR", "spec:Data.FluxAxis.Accuracy.StatError", "stat.error", "Jy", 0.5, 2)))
	if !slices.Equal(f.Flux, []float32{1, 2}) || !slices.Equal(f.IVar, []float32{4, 0.25}) || !slices.Equal(f.Wave, []float64{5000, 5010}) {
		t.Errorf("flux %v, ivar %v, wave %v, want 1 2, 4 0.25, 5000 5010", f.Flux, f.IVar, f.Wave)
	}
}

// FuzzReadSurvey reads any bytes as a survey file. What is read must be whole.
func FuzzReadSurvey(f *testing.F) {
	for _, name := range surveys {
		b, err := os.ReadFile(surveyFiles + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	v := []float64{1, 2, 3}
	f.Add(desiFile(nil))
	f.Add(emptyPrimary + bintable("SPECTRUM", vectorsOf("WAVE", v, v), vectorsOf("FLUX", v, v), vectorsOf("IVAR", v, v)))
	f.Add(emptyPrimary + bintable("COADD", rowsOf("flux", v...), rowsOf("loglam", v...), rowsOf("ivar", v...)))
	f.Fuzz(func(t *testing.T, text string) {
		in, err := fits.Read(strings.NewReader(text), int64(len(text)), "fuzz")
		if err != nil {
			return
		}
		file, err := readFile(in, "fuzz")
		if err != nil {
			return
		}
		n := file.Len()
		if err := file.Check(); err != nil || n == 0 || len(file.IDs) != n || len(file.Class) != n || len(file.Subclass) != n || len(file.Z) != n {
			t.Errorf("%v: %d spectra, %d names, %d and %d classes, %d redshifts", err, n, len(file.IDs), len(file.Class), len(file.Subclass), len(file.Z))
		}
		for i, w := range file.IVar {
			if !(w >= 0) || math.IsInf(float64(w), 0) || w > 0 && math.IsNaN(float64(file.Flux[i])) {
				t.Fatalf("pixel %d is %g with inverse variance %g", i, file.Flux[i], w)
			}
		}
	})
}
