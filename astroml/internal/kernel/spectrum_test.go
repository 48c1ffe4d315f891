package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// standardized is Standardize in double precision, as its comment has it.
func standardized(flux, ivar []float32) (out [2][]float64, good int) {
	has := func(i int) bool {
		v := float32(1)
		if ivar != nil {
			v = ivar[i]
		}
		return flux[i]-flux[i] == 0 && v > 0 && v <= math.MaxFloat32
	}
	var squares, weights float64
	for i, f := range flux {
		if v := 1.0; has(i) {
			if ivar != nil {
				v = float64(ivar[i])
			}
			squares += float64(f) * float64(f) * v
			weights += v
			good++
		}
	}
	for i, f := range flux {
		var y, t float64
		if has(i) && squares > 0 {
			y = max(-20, min(20, float64(f)/math.Sqrt(squares/weights)))
			if ivar != nil {
				s := float64(f) * math.Sqrt(float64(ivar[i]))
				t = s / (2 + math.Abs(s)/4)
			}
		}
		out[0], out[1] = append(out[0], y), append(out[1], t)
	}
	return out, good
}

func TestStandardize(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct {
		name  string
		n     int
		scale float32 // of the flux
		spoil func(flux, ivar []float32)
	}{
		{"a spectrum", 4000, 1, func(_, _ []float32) {}},
		{"in erg/s/cm²/Å", 1000, 1e-17, func(_, _ []float32) {}},
		{"very faint", 100, 1e-30, func(_, _ []float32) {}},
		{"very bright", 100, 1e17, func(_, _ []float32) {}},
		{"one pixel", 1, 1, func(_, _ []float32) {}},
		{"masked", 61, 1, func(flux, ivar []float32) {
			ivar[3], ivar[4], ivar[5], ivar[6] = 0, nan, inf, -1
			flux[8], flux[9], flux[60] = nan, inf, -inf
		}},
		{"a cosmic ray", 33, 1, func(flux, _ []float32) { flux[32] = 1e6 }},
		{"nothing", 17, 1, func(_, ivar []float32) { clear(ivar) }},
		{"zeros", 9, 0, func(_, _ []float32) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachSet(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, 2))
				flux, ivar := make([]float32, c.n), make([]float32, c.n)
				for i := range flux {
					flux[i] = c.scale * float32(3+r.NormFloat64())
					ivar[i] = float32(r.Float64()+0.1) / max(c.scale*c.scale, 1e-37)
				}
				c.spoil(flux, ivar)
				for _, v := range [][]float32{ivar, nil} {
					want, count := standardized(flux, v)
					for channels := 1; channels <= 2; channels++ {
						got := fence(t, channels*c.n)
						below := 0
						for _, x := range v {
							if x < 0 {
								below++
							}
						}
						if good, negative := Standardize(got, flux, v, channels); good != count || negative != below {
							t.Errorf("%d good pixels, %d of negative variance, want %d and %d", good, negative, count, below)
						}
						for i, y := range got {
							w := want[i%channels][i/channels]
							if math.Abs(float64(y)-w) > 1e-5*max(1e-3, math.Abs(w)) {
								t.Fatalf("pixel %d, channel %d of %d, ivar %t: %g, want %g", i/channels, i%channels, channels, v != nil, y, w)
							}
						}
					}
				}
			})
		})
	}
}
