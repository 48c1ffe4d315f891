package astroml

import (
	"fmt"
	"math"
)

// Spectra are n spectra on one wavelength grid.
type Spectra struct {
	// Flux holds n × pixel values in any unit, row-major. NaN is a masked pixel.
	Flux []float32
	// IVar holds n × pixel inverse variances of Flux. 0 is a masked pixel,
	// and so is NaN. Nil means that the noise is not known.
	IVar []float32
	// Wave holds the wavelengths of the pixel centres in Å, increasing.
	Wave []float64
}

// Len returns the number of spectra.
func (s Spectra) Len() int {
	if len(s.Wave) == 0 {
		return 0
	}
	return len(s.Flux) / len(s.Wave)
}

// Row returns spectrum i alone. It shares memory with s.
func (s Spectra) Row(i int) Spectra { return s.Rows(i, i+1) }

// Rows returns spectra lo to hi, hi excluded. They share memory with s.
func (s Spectra) Rows(lo, hi int) Spectra {
	m := len(s.Wave)
	r := Spectra{Flux: s.Flux[lo*m : hi*m], Wave: s.Wave}
	if s.IVar != nil {
		r.IVar = s.IVar[lo*m : hi*m]
	}
	return r
}

// Check returns an error if the shapes disagree, or if wavelengths are not
// positive, finite and increasing. It does not read Flux and IVar.
func (s Spectra) Check() error {
	if len(s.Wave) == 0 {
		return fmt.Errorf("spectra: no wavelengths: %w", ErrShape)
	}
	for i, w := range s.Wave {
		switch {
		case !(w > 0) || math.IsInf(w, 0):
			return fmt.Errorf("spectra: wavelength %d is %g, want a positive number of Å", i, w)
		case i > 0 && w <= s.Wave[i-1]:
			return fmt.Errorf("spectra: wavelength %d is %g after %g, want increasing wavelengths", i, w, s.Wave[i-1])
		}
	}
	if len(s.Flux)%len(s.Wave) != 0 {
		return fmt.Errorf("spectra: %d flux values are no multiple of %d wavelengths: %w", len(s.Flux), len(s.Wave), ErrShape)
	}
	if s.IVar != nil && len(s.IVar) != len(s.Flux) {
		return fmt.Errorf("spectra: %d inverse variances for %d flux values: %w", len(s.IVar), len(s.Flux), ErrShape)
	}
	return nil
}
