package spectra

import (
	"math"
	"testing"

	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// TestSpoilKeepsTheNoise spoils spectra of noise alone, of a tenth of which is
// masked: what comes out has the noise that its inverse variance says.
func TestSpoilKeepsTheNoise(t *testing.T) {
	const m = 4000
	for _, c := range []struct {
		name string
		kind int
		rms  float64 // of flux·√ivar
	}{
		{"blank", blank, 1},
		{"shuffled", shuffled, 1},
		{"reversed", reversed, 1},
		{"banded", banded, 1},
		{"smeared", smeared, 1},
		{"blended", blended, math.Sqrt2}, // the other spectrum's noise is as large, and ivar does not say so
	} {
		r := rng.New(1, "spoil test", c.kind)
		flux, ivar, other := make([]float32, m), make([]float32, m), make([]float32, m)
		for i := range flux {
			ivar[i] = 4
			flux[i], other[i] = float32(r.NormFloat64()/2), float32(r.NormFloat64()/2)
			if i%10 == 0 {
				ivar[i] = 0
			}
		}
		var sum, n float64
		for range 20 {
			f, v := append([]float32(nil), flux...), append([]float32(nil), ivar...)
			spoil(c.kind, f, v, other, r)
			for i, x := range f {
				if x-x != 0 || !(v[i] >= 0) {
					t.Fatalf("%s: flux %g, inverse variance %g in pixel %d", c.name, x, v[i], i)
				}
				if v[i] > 0 {
					sum += float64(x) * float64(x) * float64(v[i])
					n++
				}
			}
		}
		// Blank fibres keep a continuum of a tenth of the noise, blends have
		// ratios about one.
		if rms := math.Sqrt(sum / n); math.Abs(rms-c.rms) > 0.15*c.rms {
			t.Errorf("%s: flux has %.3f times the noise that its inverse variance says, want %.3f", c.name, rms, c.rms)
		}
	}
}

// TestSpoilWithoutIVar spoils spectra whose noise is unknown.
func TestSpoilWithoutIVar(t *testing.T) {
	for _, kind := range spoilt {
		r := rng.New(2, "spoil test", kind)
		flux, other := make([]float32, 300), make([]float32, 300)
		for i := range flux {
			flux[i], other[i] = 1, float32(i)
		}
		other[7] = float32(math.NaN())
		spoil(kind, flux, nil, other, r)
		for i, v := range flux {
			if v-v != 0 {
				t.Errorf("kind %d: flux %g in pixel %d", kind, v, i)
			}
		}
	}
}

func TestExposedSlots(t *testing.T) {
	for _, c := range []struct {
		exposure float64
		batch    int
		want     int
	}{{0.125, 64, 8}, {0.25, 10, 2}, {-1, 64, 0}, {0.125, 4, 0}} {
		l := lesson{c: &Classifier{cfg: Config{Exposure: c.exposure}}}
		got := 0
		for slot := range c.batch {
			if l.exposed(slot) {
				got++
			}
		}
		if got != c.want {
			t.Errorf("exposure %g: %d of %d slots are spoilt, want %d", c.exposure, got, c.batch, c.want)
		}
	}
}
