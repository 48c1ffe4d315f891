package spectra

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/fits"
)

// arm is one arm of the spectrographs: its HDUs and where it lies on the
// common grid.
type arm struct {
	name             string
	wave             []float64
	flux, ivar, mask *fits.HDU // mask may be nil
	at               int       // pixel of the common grid where the arm begins
}

// aligned is how far, in pixels, wavelengths may lie off the common grid.
const aligned = 0.01

func isDESI(f *fits.File) bool {
	for _, h := range f.HDUs {
		if name, ok := strings.CutSuffix(h.Name, "_WAVELENGTH"); ok && f.HDU(name+"_FLUX") != nil {
			return true
		}
	}
	return false
}

// readDESI reads a coadd-*.fits or spectra-*.fits: for each arm X, which is
// B, R and Z and may be any, the images X_WAVELENGTH (vacuum Å), X_FLUX (n ×
// pixel, 1e-17 erg/s/cm²/Å), X_IVAR and X_MASK, which may be compressed, and
// the table FIBERMAP with TARGETID. A pixel with any bit of MASK set has
// inverse variance 0. Where arms overlap, flux is the mean weighted with the
// inverse variances, and these add; where no arm has a good pixel both are 0.
// The arms must lie on one linear grid, which is DESI's of 0.8 Å: nothing is
// interpolated.
//
// Classes and redshifts are in files of Redrock's beside, and not read.
// Data model: https://desidatamodel.readthedocs.io (coadd-SURVEY-PROGRAM-PIXNUM).
func readDESI(f *fits.File) (*File, error) {
	arms, err := desiArms(f)
	if err != nil {
		return nil, err
	}
	wave, err := desiGrid(arms)
	if err != nil {
		return nil, err
	}
	n := arms[0].flux.Axes[0]
	ids, err := desiIDs(f, n)
	if err != nil {
		return nil, err
	}
	file := newFile("DESI", n, wave)
	file.IDs = ids
	for _, a := range arms {
		if err := a.add(file); err != nil {
			return nil, err
		}
	}
	return file, nil
}

// desiArms finds the arms, in order of wavelength, and checks their shapes.
func desiArms(f *fits.File) (arms []arm, err error) {
	n := -1
	for _, h := range f.HDUs {
		name, ok := strings.CutSuffix(h.Name, "_WAVELENGTH")
		if !ok || f.HDU(name+"_FLUX") == nil {
			continue
		}
		a := arm{name: name, flux: f.HDU(name + "_FLUX"), ivar: f.HDU(name + "_IVAR"), mask: f.HDU(name + "_MASK")}
		if a.ivar == nil {
			return nil, fmt.Errorf("no HDU %s_IVAR: %w", name, astroml.ErrFormat)
		}
		if len(h.Axes) != 1 || h.Axes[0] < 2 {
			return nil, fmt.Errorf("HDU %s has axes %v, want 2 wavelengths or more: %w", h.Name, h.Axes, astroml.ErrFormat)
		}
		if n < 0 && len(a.flux.Axes) == 2 {
			n = a.flux.Axes[0]
		}
		shape := []int{n, h.Axes[0]}
		for _, image := range []*fits.HDU{a.flux, a.ivar, a.mask} {
			if image != nil && !slices.Equal(image.Axes, shape) {
				return nil, fmt.Errorf("HDU %s has axes %v, want %v: %w", image.Name, image.Axes, shape, astroml.ErrFormat)
			}
		}
		a.wave = make([]float64, h.Axes[0])
		if err := h.ReadBox64(a.wave, []int{0}, h.Axes); err != nil {
			return nil, err
		}
		arms = append(arms, a)
	}
	if n < 1 {
		return nil, fmt.Errorf("no spectra: %w", astroml.ErrFormat)
	}
	slices.SortStableFunc(arms, func(a, b arm) int {
		switch {
		case a.wave[0] < b.wave[0]:
			return -1
		case a.wave[0] > b.wave[0]:
			return 1
		}
		return 0
	})
	return arms, nil
}

// desiGrid returns the wavelengths of the common grid and places the arms on it.
func desiGrid(arms []arm) ([]float64, error) {
	first, pixels, sum := arms[0].wave, 0, 0
	step := (first[len(first)-1] - first[0]) / float64(len(first)-1)
	if !(step > 0) || math.IsInf(step, 0) {
		return nil, fmt.Errorf("HDU %s_WAVELENGTH goes from %g to %g, want increasing wavelengths: %w",
			arms[0].name, first[0], first[len(first)-1], astroml.ErrFormat)
	}
	for k := range arms {
		a := &arms[k]
		at := math.Round((a.wave[0] - first[0]) / step)
		if !(at >= 0 && at < 1<<30) {
			return nil, fmt.Errorf("HDU %s_WAVELENGTH begins at %g, %g pixels from the first arm: %w", a.name, a.wave[0], at, astroml.ErrFormat)
		}
		a.at = int(at)
		for i, w := range a.wave {
			if on := first[0] + float64(a.at+i)*step; !(math.Abs(w-on) <= aligned*step) {
				return nil, fmt.Errorf("HDU %s_WAVELENGTH: pixel %d is %.4f, want %.4f on the grid of %.4f Å of the arm %s: %w",
					a.name, i, w, on, step, arms[0].name, astroml.ErrFormat)
			}
		}
		pixels, sum = max(pixels, a.at+len(a.wave)), sum+len(a.wave)
	}
	if pixels > 2*sum { // the arms do not account for so much memory
		return nil, fmt.Errorf("arms of %d pixels are spread over %d: %w", sum, pixels, astroml.ErrFormat)
	}
	grid := make([]float64, pixels)
	for i := range grid {
		grid[i] = first[0] + float64(i)*step
	}
	for k := range arms { // as the file writes them, of overlapping arms the bluer
		a := arms[len(arms)-1-k]
		copy(grid[a.at:], a.wave)
	}
	return grid, nil
}

func desiIDs(f *fits.File, n int) ([]string, error) {
	h := f.HDU("FIBERMAP")
	if h == nil {
		return nil, fmt.Errorf("no HDU FIBERMAP: %w", astroml.ErrFormat)
	}
	columns, err := needColumns(h, "TARGETID")
	if err != nil {
		return nil, err
	}
	id, err := columns[0].Int64s(0, h.Rows)
	if err != nil {
		return nil, err
	}
	if len(id) != n {
		return nil, fmt.Errorf("HDU FIBERMAP has %d targets for %d spectra: %w", len(id), n, astroml.ErrFormat)
	}
	ids := make([]string, n)
	for i, v := range id {
		ids[i] = strconv.FormatInt(v, 10)
	}
	return ids, nil
}

// add adds the arm to file, where Flux is the weighted mean of the arms so far.
// It reads one spectrum at a time.
func (a arm) add(file *File) error {
	m := len(a.wave)
	flux, ivar, mask := make([]float32, m), make([]float32, m), make([]float32, m)
	for i := range file.IDs {
		lo, hi := []int{i, 0}, []int{i + 1, m}
		if err := a.flux.ReadBox(flux, lo, hi); err != nil {
			return err
		}
		if err := a.ivar.ReadBox(ivar, lo, hi); err != nil {
			return err
		}
		if a.mask != nil {
			if err := a.mask.ReadBox(mask, lo, hi); err != nil {
				return err
			}
		}
		row := file.Row(i)
		for p, v := range flux {
			w := ivar[p]
			if mask[p] != 0 || !(w > 0) || w > math.MaxFloat32 || v-v != 0 { // v-v is 0 if v is finite
				continue
			}
			if have := row.IVar[a.at+p]; have > 0 {
				sum := float64(have) + float64(w)
				v = float32((float64(have)*float64(row.Flux[a.at+p]) + float64(w)*float64(v)) / sum)
				w = float32(sum)
			}
			row.Flux[a.at+p], row.IVar[a.at+p] = v, w
		}
	}
	return nil
}
