package spectra

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/goastroml/goastroml/astroml"
)

// check returns an error for a set that a network of so many pixels at least
// can learn nothing from.
func (s Set) check(pixels int) error {
	if err := s.Spectra.Check(); err != nil {
		return err
	}
	n := s.Len()
	switch {
	case n == 0:
		return fmt.Errorf("spectra: no spectra to train on: %w", astroml.ErrShape)
	case len(s.Labels) != n:
		return fmt.Errorf("spectra: %d labels for %d spectra: %w", len(s.Labels), n, astroml.ErrShape)
	case s.Groups != nil && len(s.Groups) != n:
		return fmt.Errorf("spectra: %d groups for %d spectra: %w", len(s.Groups), n, astroml.ErrShape)
	case len(s.Classes) < 2:
		return fmt.Errorf("spectra: %d classes, want at least two", len(s.Classes))
	case len(s.Wave) < pixels:
		return fmt.Errorf("spectra: %d pixels, the network wants at least %d: %w", len(s.Wave), pixels, astroml.ErrShape)
	}
	seen := map[string]bool{}
	for _, c := range s.Classes {
		if c == "" || seen[c] {
			return fmt.Errorf("spectra: class name %q is empty or there twice", c)
		}
		seen[c] = true
	}
	count := make([]int, len(s.Classes))
	for i, l := range s.Labels {
		if l < 0 || l >= len(s.Classes) {
			return fmt.Errorf("spectra: label %d of spectrum %d, want 0 to %d", l, i, len(s.Classes)-1)
		}
		count[l]++
	}
	for c, n := range count {
		if n < 2 {
			return fmt.Errorf("spectra: class %s has %d spectra, want at least two: one to learn from, one held out", s.Classes[c], n)
		}
	}
	return negative(s.Spectra)
}

// negative returns an error if an inverse variance is below zero.
func negative(x astroml.Spectra) error {
	for i, v := range x.IVar {
		if v < 0 {
			m := len(x.Wave)
			return fmt.Errorf("spectra: inverse variance %g in spectrum %d, pixel %d, want 0 (masked) or more", v, i/m, i%m)
		}
	}
	return nil
}

// augment changes a spectrum as an observation might have: more noise, drawn
// from its inverse variance; a masked stretch; a flux calibration that is off by
// a smooth factor; a shift of a few pixels, which on a logarithmic grid is a
// redshift. Strength 1 is usual.
func augment(flux, ivar []float32, strength float64, r *rand.Rand) {
	m := len(flux)
	// All numbers are drawn first, so that each change has its own.
	noise, maskAt, maskLen := r.Float64(), r.Float64(), r.Float64()
	tilt, bend, shift := r.NormFloat64(), r.NormFloat64(), r.IntN(5)-2
	a1, a2 := float32(0.05*strength*tilt), float32(0.03*strength*bend)
	for i := range flux {
		x := 2*float32(i)/float32(m) - 1
		k := 1 + a1*x + a2*(2*x*x-1)
		flux[i] *= k
		if ivar != nil {
			ivar[i] /= k * k
		}
	}
	if strength >= 0.5 && shift != 0 {
		roll(flux, shift)
		if ivar != nil {
			roll(ivar, shift)
		}
	}
	if ivar == nil {
		// Of unknown noise: up to a tenth of the rms.
		a := float32(0.1 * noise * strength * level(flux, nil))
		for i := range flux {
			flux[i] += a * float32(r.NormFloat64())
		}
		return
	}
	if noise < 0.5 {
		a := float32(2 * noise * strength) // up to twice the variance at strength 1
		for i, v := range ivar {
			if v > 0 {
				flux[i] += a * float32(r.NormFloat64()/math.Sqrt(float64(v)))
				ivar[i] = v / (1 + a*a)
			}
		}
	}
	if maskLen < 0.5 {
		n := int(0.1 * maskLen * strength * float64(m))
		at := int(maskAt * float64(m))
		clear(ivar[at:min(m, at+n)])
	}
}

// roll shifts values by k pixels; the end pixels are repeated.
func roll(x []float32, k int) {
	if k > 0 {
		copy(x[k:], x)
	} else {
		copy(x, x[-k:])
	}
}
