package spectra

import (
	"math"
	"math/rand/v2"
)

// spoil turns spectrum a into one that is of no class: the detector of unusual
// spectra learns from them what the classes are not. Kind is 0 for a blank fibre
// (noise alone), 1 for residuals of the sky, 2 for a blend with spectrum b, 3
// for its stretches in another order, 4 for itself backwards.
func spoil(kind int, flux, ivar, fluxB []float32, r *rand.Rand) {
	m := len(flux)
	sigma := func(i int) float32 {
		if ivar == nil || !(ivar[i] > 0) {
			return 0
		}
		return float32(1 / math.Sqrt(float64(ivar[i])))
	}
	switch kind {
	case 0, 1:
		if ivar == nil {
			for i := range flux {
				flux[i] = float32(r.NormFloat64())
			}
			return
		}
		// Sky that was subtracted with a small error of scale and of wavelength
		// leaves residuals where the noise is large, and a faint continuum.
		scale, slope := 0.0, 0.0
		if kind == 1 {
			scale, slope = 2*r.NormFloat64(), 2*r.NormFloat64()
		}
		offset := 0.3 * r.NormFloat64()
		var mean float32
		for i := range flux {
			mean += sigma(i) / float32(m)
		}
		for i := range flux {
			s := sigma(i)
			v := s * float32(r.NormFloat64()+offset*float64(mean)/float64(s+1e-30)*0.3)
			if kind == 1 && i > 0 && i < m-1 {
				v += float32(scale)*max(0, s-mean) + float32(slope)*(sigma(i+1)-sigma(i-1))
			}
			flux[i] = v
		}
	case 2:
		ratio := level(flux, ivar) / max(1e-30, level(fluxB, nil)) * math.Exp(0.5*r.NormFloat64())
		for i := range flux {
			if fluxB[i]-fluxB[i] == 0 {
				flux[i] += float32(ratio) * fluxB[i]
			}
		}
	case 3:
		parts := 4 + r.IntN(8)
		old := append([]float32(nil), flux...)
		at := 0
		for _, p := range r.Perm(parts) {
			at += copy(flux[at:], old[m*p/parts:m*(p+1)/parts])
		}
	case 4:
		for i, j := 0, m-1; i < j; i, j = i+1, j-1 {
			flux[i], flux[j] = flux[j], flux[i]
		}
	}
}

const spoilKinds = 5

// level returns the rms flux of the pixels that have data.
func level(flux, ivar []float32) float64 {
	var sum float64
	n := 0
	for i, f := range flux {
		if ivar != nil && !(ivar[i] > 0) || f-f != 0 {
			continue
		}
		sum += float64(f) * float64(f)
		n++
	}
	return math.Sqrt(sum / float64(max(1, n)))
}
