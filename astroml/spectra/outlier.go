package spectra

import (
	"math"
	"math/rand/v2"
)

// spoilt are the ways to spoil a spectrum, in turn; those that look most like a
// known class twice.
var spoilt = []int{blank, badSky, blended, shuffled, reversed, banded, spliced, smeared, blended, banded}

const (
	blank    = iota // noise alone
	badSky          // residuals of the sky
	blended         // another spectrum added
	shuffled        // its stretches in another order
	reversed        // backwards
	banded          // multiplied with broad bands that no one has seen
	spliced         // the blue end of one, the red end of another
	smeared         // with lines broader than any
)

// spoil turns a spectrum into one that is of no class; other is the flux of
// another, for blends and splices. From such the network learns what the classes
// are not (outlier exposure, Hendrycks et al. 2019, arXiv:1812.04606).
func spoil(kind int, flux, ivar, other []float32, r *rand.Rand) {
	m := len(flux)
	switch kind {
	case blank, badSky:
		empty(flux, ivar, kind == badSky, r)
	case blended:
		ratio := level(flux, ivar) / max(1e-30, level(other, nil)) * math.Exp(0.5*r.NormFloat64())
		for i, f := range other {
			if f-f == 0 {
				flux[i] += float32(ratio) * f
			}
		}
	case shuffled:
		parts := 4 + r.IntN(8)
		old := append([]float32(nil), flux...)
		at := 0
		for _, p := range r.Perm(parts) {
			at += copy(flux[at:], old[m*p/parts:m*(p+1)/parts])
		}
	case reversed:
		for i, j := 0, m-1; i < j; i, j = i+1, j-1 {
			flux[i], flux[j] = flux[j], flux[i]
		}
	case banded:
		multiply(flux, ivar, bands(m, r), r)
	case spliced:
		// The levels meet where the spectra do.
		at, width := int(float64(m)*(0.25+0.5*r.Float64())), 0.02*float64(m)
		near := m / 20
		a, b := level(flux[at-near:at+near], nil), level(other[at-near:at+near], nil)
		for i, f := range other {
			if f-f == 0 {
				share := float32(1 / (1 + math.Exp(-float64(i-at)/width)))
				flux[i] += share * (f*float32(a/max(1e-30, b)) - flux[i])
			}
		}
	case smeared:
		smear(flux, ivar, int(float64(m)*0.003*math.Exp(r.Float64()*math.Log(8))), r)
	}
}

// empty leaves noise alone, and a faint continuum; with sky, what is left of a
// sky that was subtracted with an error of scale and of wavelength.
func empty(flux, ivar []float32, sky bool, r *rand.Rand) {
	sigma := make([]float64, len(flux))
	var mean, n float64
	for i := range sigma {
		if v := 1.0; ivar == nil || ivar[i] > 0 {
			if ivar != nil {
				v = 1 / math.Sqrt(float64(ivar[i]))
			}
			sigma[i] = v
			mean += v
			n++
		}
	}
	mean /= max(1, n)
	offset, scale, slope := 0.1*r.NormFloat64(), 0.0, 0.0
	if sky {
		scale = 0.3 * math.Exp(r.Float64()*math.Log(40)) * math.Copysign(1, r.Float64()-0.3)
		slope = 2 * r.NormFloat64()
	}
	for i, s := range sigma {
		v := s*r.NormFloat64() + offset*mean
		if sky && s > 0 {
			// Where the sky limits, the variance has its shape.
			v += scale*s*s/mean + slope*(sigma[min(i+1, len(sigma)-1)]-sigma[max(i-1, 0)])
		}
		flux[i] = float32(v)
	}
}

// smear averages the flux over 2·half+1 pixels, twice, makes what is left of
// its lines up to three times deeper, and gives it back the noise that is lost.
func smear(flux, ivar []float32, half int, r *rand.Rand) {
	m := len(flux)
	sum, count := make([]float64, m+1), make([]float64, m+1)
	for range 2 {
		for i, f := range flux {
			sum[i+1], count[i+1] = sum[i], count[i]
			if f-f == 0 && (ivar == nil || ivar[i] > 0) {
				sum[i+1] += float64(f)
				count[i+1]++
			}
		}
		for i := range flux {
			lo, hi := max(0, i-half), min(m, i+half+1)
			flux[i] = float32((sum[hi] - sum[lo]) / max(1, count[hi]-count[lo]))
		}
	}
	scale, power := level(flux, nil), 1+2*r.Float64()
	for i, f := range flux {
		if f > 0 {
			flux[i] = float32(scale * math.Pow(float64(f)/scale, power))
		}
	}
	for i, v := range ivar {
		if v > 0 {
			flux[i] += float32(r.NormFloat64() / math.Sqrt(float64(v)))
		}
	}
}

// bands draws a factor a pixel: up to nine bumps and troughs, of 0.3 to 8 % of
// the spectrum's length, most of them troughs.
func bands(m int, r *rand.Rand) []float64 {
	f := make([]float64, m)
	for range 2 + r.IntN(8) {
		at, width := r.Float64()*float64(m), float64(m)*0.003*math.Exp(r.Float64()*math.Log(27))
		depth := -0.3 - 1.2*r.Float64()
		if r.Float64() < 0.3 {
			depth = -depth / 2
		}
		for i := max(0, int(at-3*width)); i < min(m, int(at+3*width)); i++ {
			x := (float64(i) - at) / width
			f[i] += depth * math.Exp(-x*x/2)
		}
	}
	for i, v := range f {
		f[i] = math.Exp(v)
	}
	return f
}

// multiply multiplies the flux with a factor a pixel, and leaves the noise as it
// was where the factor is below one; else it grows.
func multiply(flux, ivar []float32, factor []float64, r *rand.Rand) {
	for i, f := range factor {
		flux[i] *= float32(f)
		switch {
		case ivar == nil || !(ivar[i] > 0):
		case f < 1:
			flux[i] += float32(math.Sqrt((1-f*f)/float64(ivar[i])) * r.NormFloat64())
		default:
			ivar[i] /= float32(f * f)
		}
	}
}

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
