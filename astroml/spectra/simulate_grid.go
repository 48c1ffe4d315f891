package spectra

import (
	"math"
	"slices"
)

const (
	// gridStep is the sampling of the models in log10 λ, 69.03 km/s.
	gridStep   = 1e-4
	lightSpeed = 299792.458                        // km/s
	pixelSpeed = gridStep * math.Ln10 * lightSpeed // km/s a pixel of the models
	fwhmSigmas = 2.354820045030949                 // full width at half maximum of a Gaussian in σ
	restFrom   = 1900.                             // Å, first rest-frame wavelength of stars and galaxies
)

// modelGrid holds the grids that models are computed on, in log10 λ at
// gridStep, and what is tabulated on them. It is immutable.
type modelGrid struct {
	wave   []float64 // observed frame, Å
	log0   float64   // log10 of its first
	ln     []float64 // natural logarithms of wave
	toWave *rebinner // from wave to the pixels asked for; nil if they are the same
	sigma  float64   // the spectrograph's line spread, σ in pixels

	rest     []float64   // rest frame of stars and galaxies, Å
	restLog0 float64     // log10 of its first
	lines    [][]float32 // optical depth of each of the stellar species
	ages     [][]float32 // spectra of the stellar populations, 1 at 5500 Å
	iron     [][]float32 // the quasars' iron lines, at ironWidths
	dust     []float64   // extinction over E(B-V) in mag, rest frame
}

// newModelGrid returns the grids with the tables of Simulate's models.
func newModelGrid(wave []float64, resolution float64) *modelGrid {
	g := newObservedGrid(wave, resolution)
	g.restLog0 = math.Log10(restFrom)
	last := math.Log10(g.wave[len(g.wave)-1]) + 0.01
	g.rest = gridFrom(g.restLog0, int((last-g.restLog0)/gridStep))
	g.dust = make([]float64, len(g.rest))
	for i, w := range g.rest {
		g.dust[i] = extinction(w)
	}
	g.lines = stellarLines(g.rest)
	g.ages = stellarPopulations(g)
	g.iron = ironTemplates(g.rest)
	return g
}

// newObservedGrid returns the observed frame alone.
func newObservedGrid(wave []float64, resolution float64) *modelGrid {
	g := &modelGrid{sigma: lightSpeed / resolution / fwhmSigmas / pixelSpeed}
	n := len(wave)
	g.log0 = math.Log10(wave[0])
	same := true
	for i, w := range wave {
		same = same && math.Abs(math.Log10(w)-g.log0-gridStep*float64(i)) < 1e-3*gridStep
	}
	if same {
		g.wave = wave
	} else {
		e := pixelEdges(wave)
		g.log0 = math.Log10(e[0]) - gridStep
		g.wave = gridFrom(g.log0, int((math.Log10(e[n])-g.log0)/gridStep)+3)
		g.toWave, _ = newRebinner(g.wave, wave) // both grids are good, and overlap
	}
	g.ln = make([]float64, len(g.wave))
	for i, w := range g.wave {
		g.ln[i] = math.Log(w)
	}
	return g
}

// gridFrom returns n wavelengths in Å at gridStep.
func gridFrom(log0 float64, n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = math.Pow(10, log0+gridStep*float64(i))
	}
	return w
}

// bench is the working memory of one goroutine.
type bench struct {
	rest     []float64 // a stretch of the rest-frame grid
	kernel   []float64
	flux     []float64 // observed frame, the models' grid
	narrow   []float32 // the same
	observed []float32 // the pixels asked for
	scratch  []float64
	sorted   []float32
}

func newBench(g *modelGrid, pixels int) *bench {
	return &bench{
		rest:     make([]float64, 0, len(g.rest)),
		flux:     make([]float64, len(g.wave)),
		narrow:   make([]float32, len(g.wave)),
		observed: make([]float32, pixels),
		scratch:  make([]float64, pixels),
		sorted:   make([]float32, 0, pixels),
	}
}

// median returns the median of x.
func (b *bench) median(x []float32) float64 {
	b.sorted = append(b.sorted[:0], x...)
	return float64(quickselect(b.sorted, len(x)/2))
}

// quickselect returns the k-th smallest of x, which it reorders.
func quickselect(x []float32, k int) float32 {
	lo, hi := 0, len(x)-1
	for hi-lo > 16 {
		mid := (lo + hi) / 2
		a, b, c := x[lo], x[mid], x[hi]
		pivot := max(min(a, b), min(max(a, b), c))
		i, j := lo, hi
		for i <= j {
			for x[i] < pivot {
				i++
			}
			for x[j] > pivot {
				j--
			}
			if i <= j {
				x[i], x[j] = x[j], x[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			hi = j
		case k >= i:
			lo = i
		default:
			return x[k]
		}
	}
	slices.Sort(x[lo : hi+1])
	return x[k]
}

// A window is a stretch of the rest-frame grid that, shifted to redshift z and
// broadened, fills the observed grid.
type window struct {
	lo, n  int     // the stretch: rest[lo : lo+n]
	below  int     // pixels of it that are missing below restFrom
	half   int     // half width of the kernel
	frac   float64 // shift within a pixel
	spread float64 // σ of the kernel, pixels
}

// window finds the stretch for an object whose lines have the width sigma, σ in
// km/s, beside the line spread.
func (g *modelGrid) window(z, sigma float64) window {
	return g.windowOn(g.restLog0, len(g.rest), z, math.Hypot(g.sigma, sigma/pixelSpeed))
}

// windowOn finds the stretch of any rest-frame grid of n pixels at gridStep from
// restLog0; spread is the broadening, σ in pixels.
func (g *modelGrid) windowOn(restLog0 float64, n int, z, spread float64) window {
	w := window{spread: spread}
	w.half = int(math.Ceil(4*w.spread)) + 1
	at := (g.log0-math.Log10(1+z)-restLog0)/gridStep - float64(w.half)
	floor := math.Floor(at)
	w.frac = at - floor
	lo, hi := int(floor), int(floor)+len(g.wave)+2*w.half+1
	w.below = max(-lo, 0)
	w.lo = min(max(lo, 0), n-1)
	w.n = max(min(hi, n)-w.lo, 1)
	return w
}

// project fills b.flux from b.rest, the model on the stretch w: it shifts and
// broadens in one convolution. Beyond the stretch its ends go on.
func (g *modelGrid) project(w window, b *bench) {
	taps := 2*w.half + 2
	b.kernel = append(b.kernel[:0], make([]float64, taps)...)
	var sum float64
	for k := range b.kernel {
		d := (float64(k-w.half) - w.frac) / w.spread
		b.kernel[k] = math.Exp(-d * d / 2)
		sum += b.kernel[k]
	}
	for k := range b.kernel {
		b.kernel[k] /= sum
	}
	last := len(b.rest) - 1
	for i := range b.flux {
		var s float64
		if from := i - w.below; from >= 0 && from+taps <= len(b.rest) {
			in := b.rest[from : from+taps]
			for k, c := range b.kernel {
				s += c * in[k]
			}
		} else {
			for k, c := range b.kernel {
				s += c * b.rest[min(max(from+k, 0), last)]
			}
		}
		b.flux[i] = s
	}
}

// toPixels brings b.flux to the pixels asked for. The result lies in b.
func (g *modelGrid) toPixels(b *bench) []float32 {
	into := b.narrow
	if g.toWave == nil {
		into = b.observed
	}
	for i, f := range b.flux {
		into[i] = float32(f)
	}
	if g.toWave != nil {
		g.toWave.apply(b.observed, nil, into, nil)
	}
	return b.observed
}

// addLine adds an emission line to flux: a Gaussian of rest-frame wavelength
// center (Å), flux area (flux density × rest-frame Å) and width sigma (km/s),
// seen at redshift z at the spectrograph's resolution.
func (g *modelGrid) addLine(flux []float64, center, z, area, sigma float64) {
	spread := math.Hypot(g.sigma, sigma/pixelSpeed)
	at := (math.Log10(center*(1+z)) - g.log0) / gridStep
	lo, hi := max(int(math.Ceil(at-5*spread)), 0), min(int(at+5*spread), len(flux)-1)
	if lo > hi {
		return
	}
	peak := area / (math.Sqrt(2*math.Pi) * spread * gridStep * math.Ln10 * center)
	// Neighbouring values of a Gaussian have ratios that form a geometric
	// series: two multiplications a pixel, no exponential.
	d := (float64(lo) - at) / spread
	value := peak * math.Exp(-d*d/2)
	ratio := math.Exp(-(2*d/spread + 1/(spread*spread)) / 2)
	change := math.Exp(-1 / (spread * spread))
	for i := lo; i <= hi; i++ {
		flux[i] += value
		value *= ratio
		ratio *= change
	}
}

// airToVacuum turns a wavelength in air (Å) into one in vacuum: Morton (1991),
// doi:10.1086/191601, after Edlén.
func airToVacuum(air float64) float64 {
	s := 1e8 / (air * air)
	return air * (1 + 6.4328e-5 + 2.94981e-2/(146-s) + 2.5540e-4/(41-s))
}

// extinction returns A(λ)/E(B-V) in mag, λ in Å: Cardelli, Clayton & Mathis
// (1989), doi:10.1086/167900, equations 2 to 4, R = 3.1. Beyond its range it
// stays at the last value.
func extinction(wave float64) float64 {
	const rv = 3.1
	x := math.Min(math.Max(1e4/wave, 0.3), 8)
	var a, b float64
	switch {
	case x < 1.1:
		a, b = 0.574*math.Pow(x, 1.61), -0.527*math.Pow(x, 1.61)
	case x < 3.3:
		y := x - 1.82
		a = 1 + y*(0.17699+y*(-0.50447+y*(-0.02427+y*(0.72085+y*(0.01979+y*(-0.77530+y*0.32999))))))
		b = y * (1.41338 + y*(2.28305+y*(1.07233+y*(-5.38434+y*(-0.62251+y*(5.30260-y*2.09002))))))
	default:
		a = 1.752 - 0.316*x - 0.104/((x-4.67)*(x-4.67)+0.341)
		b = -3.090 + 1.825*x + 1.206/((x-4.62)*(x-4.62)+0.263)
		if x > 5.9 {
			y := x - 5.9
			a += y * y * (-0.04473 - 0.009779*y)
			b += y * y * (0.2130 + 0.1207*y)
		}
	}
	return rv * (a + b/rv)
}

// transmit multiplies flux, whose pixels have the extinctions k, by the
// transmission of dust of reddening ebv.
func transmit(flux, k []float64, ebv float64) {
	if ebv == 0 {
		return
	}
	for i := range flux {
		flux[i] *= math.Exp(-0.4 * math.Ln10 * ebv * k[i])
	}
}
