package spectra

import (
	"math"
	"math/rand/v2"
)

// instrument holds what sky and spectrograph have on each pixel, after the SDSS
// spectrographs. It is immutable.
type instrument struct {
	throughput []float64 // of atmosphere and spectrograph, 1 at best
	sky        []float64 // flux density of the night sky, its continuum at 5500 Å is 1
	skyLines   []float64 // the lines in sky
	skyGroup   []uint8   // the group of lines, each with a residual of its own
	telluric   []float64 // optical depth of the atmosphere's absorption bands
	dust       []float64 // extinction over E(B-V), mag
	x          []float64 // log λ from -1 to 1
	red        []float64 // 0 in the blue arm, 1 in the red one
	green      int       // pixel of the sky line at 5577 Å, far away if it is off the grid
}

// nightSky are strong lines of the night sky: wavelength in air (Å, Osterbrock
// et al. 1996, doi:10.1086/133722, rounded) and peak over the continuum there at
// a resolution of 2000.
var nightSky = []struct{ air, peak float64 }{
	{4046.6, 0.8}, {4358.3, 1.2}, {5460.7, 2.0}, {5577.3, 25}, {5889.9, 4}, {5895.9, 2.5}, {6300.3, 10}, {6363.8, 3.5},
	{6498.7, 1}, {6533.0, 1.2}, {6553.6, 1}, {6863.9, 2}, {6923.2, 2}, {6949.0, 1.5}, {7276.4, 4}, {7284.4, 2}, {7316.3, 5}, {7329.1, 2}, {7340.9, 5}, {7369.3, 3}, {7401.9, 2},
	{7524.1, 1.5}, {7571.7, 1.5}, {7716.9, 3}, {7750.6, 8}, {7759.9, 3}, {7780.5, 2}, {7794.1, 9}, {7808.5, 3}, {7821.5, 8}, {7841.3, 4}, {7853.3, 6}, {7870.8, 3}, {7890.0, 3}, {7913.7, 11}, {7921.0, 4},
	{7949.2, 4}, {7964.6, 10}, {7993.3, 10}, {8014.1, 2}, {8025.8, 7}, {8062.4, 4}, {8288.6, 5}, {8298.7, 5}, {8310.7, 3}, {8344.6, 12}, {8353.0, 4}, {8382.4, 6}, {8399.2, 16}, {8415.2, 5}, {8430.2, 15},
	{8452.3, 8}, {8465.4, 11}, {8493.4, 9}, {8504.6, 6}, {8538.7, 3}, {8548.7, 3}, {8760.0, 3}, {8767.9, 9}, {8778.3, 9}, {8791.2, 6}, {8810.4, 3}, {8827.1, 14}, {8836.0, 9}, {8850.0, 8}, {8867.6, 8}, {8885.9, 20}, {8903.1, 8},
	{8919.7, 19}, {8943.4, 11}, {8958.1, 13}, {8988.4, 9}, {9001.1, 7}, {9038.1, 10}, {9049.2, 5}, {9104.0, 3}, {9375.9, 12}, {9419.7, 13}, {9439.7, 14}, {9458.5, 9}, {9476.8, 10}, {9502.8, 14}, {9519.2, 7},
	{9552.5, 10}, {9567.1, 10}, {9608.0, 7}, {9620.6, 5}, {9698.0, 5}, {9719.8, 8}, {9741.0, 4}, {9793.7, 10}, {9872.1, 10}, {9914.7, 9}, {10010.5, 7}, {10082, 6}, {10124, 5}, {10214, 5}, {10289, 5}, {10376, 4},
}

func newInstrument(wave []float64, resolution float64) *instrument {
	n := len(wave)
	s := &instrument{
		throughput: make([]float64, n), sky: make([]float64, n), skyLines: make([]float64, n), skyGroup: make([]uint8, n),
		telluric: make([]float64, n), dust: make([]float64, n), x: make([]float64, n), red: make([]float64, n),
	}
	s.green = -n
	first, last := math.Log(wave[0]), math.Log(wave[n-1])
	for i, w := range wave {
		s.x[i] = 2*(math.Log(w)-first)/(last-first) - 1
		s.dust[i] = extinction(w)
		s.red[i] = 1 / (1 + math.Exp((6050-w)/60))
		// Two arms, each with a blaze; ozone and the atmosphere cut the blue,
		// silicon the red.
		blue := 0.85 * math.Exp(-math.Pow((w-5100)/1150, 2)/2)
		red := 1.0 * math.Exp(-math.Pow((w-7400)/1500, 2)/2)
		t := (1-s.red[i])*blue + s.red[i]*red
		s.throughput[i] = 0.04 + 0.96*t/(1+math.Exp((3720-w)/90))
		for _, b := range [...]struct{ center, width, depth float64 }{
			{6880, 14, 0.35}, {7620, 22, 0.9}, {7250, 60, 0.10}, {8220, 70, 0.10}, {9050, 90, 0.15}, {9380, 90, 0.5},
		} {
			d := (w - b.center) / b.width
			s.telluric[i] += b.depth * math.Exp(-d*d/2)
		}
		s.throughput[i] *= math.Exp(-s.telluric[i])
		s.sky[i] = 1 + 0.5*math.Exp((3800-w)/200) + 0.6/(1+math.Exp((6500-w)/900))
		if w < 5579 && i+1 < n && wave[i+1] >= 5579 {
			s.green = i
		}
		spread := w / resolution / fwhmSigmas
		group := 0
		for _, l := range nightSky {
			center := airToVacuum(l.air)
			if d := (w - center) / spread; math.Abs(d) < 6 {
				s.skyLines[i] += l.peak * math.Exp(-d*d/2) * (resolution / 2000)
			}
			if w > center {
				group++
			}
		}
		s.skyGroup[i] = uint8((group + 1) / 2)
		s.sky[i] += s.skyLines[i]
	}
	return s
}

// observation says how an object is observed.
type observation struct {
	sn     float64 // median signal-to-noise ratio a pixel
	ebv    float64 // of the Milky Way, mag
	empty  bool    // there is no object
	badSky bool    // a large part of the sky is left over
	// pattern holds inverse variances, in any unit, to use instead of the
	// instrument's own; 0 is a mask.
	pattern []float32
}

// drawObservation draws signal-to-noise ratio and dust.
func drawObservation(r *rand.Rand, cfg SimConfig) observation {
	o := observation{sn: cfg.SNMin, ebv: cfg.Hardness * math.Min(0.03*r.ExpFloat64(), 0.3)}
	if ratio := math.Log(cfg.SNMax / cfg.SNMin); ratio > 0 {
		o.sn = math.Sqrt(cfg.SNMin*cfg.SNMax) * math.Exp(ratio/4*within(r, 3))
	}
	return o
}

// observe turns the flux in b.observed, in any unit, into what a pipeline would
// hand on, in units of 1e-17 erg/s/cm²/Å: dust, errors of flux calibration,
// photon and read-out noise, residuals of sky lines, masks. Inverse variances
// are those of the noise and of the mean residual; they do not know of the
// calibration.
func (s *instrument) observe(r *rand.Rand, o observation, cfg SimConfig, b *bench, flux, ivar []float32) {
	level := 4 * math.Pow(o.sn/8, 0.9) * math.Exp(0.5*within(r, 2.5)) // brighter objects have more signal
	object := b.scratch
	clear(object)
	if !o.empty {
		s.distort(r, o, cfg.Hardness, b.observed, object)
		for i, f := range object {
			flux[i] = float32(f)
		}
		scale := level / b.median(flux)
		for i := range object {
			object[i] *= scale
		}
	}
	// The fainter the object, the more the sky is what limits.
	sky := level * 4 / o.sn * math.Exp(0.3*within(r, 2.5))
	readNoise := 0.15 * (level + sky)

	// Noise up to a factor, then the factor that gives the median wanted.
	b.sorted = b.sorted[:0]
	for i, f := range object {
		if t := s.throughput[i]; o.pattern == nil {
			ivar[i] = float32(t / (math.Max(f, 0) + sky*s.sky[i] + readNoise/t))
		} else {
			ivar[i] = o.pattern[i]
		}
		signal := f
		if o.empty {
			signal = level
		}
		if ivar[i] > 0 {
			b.sorted = append(b.sorted, float32(signal*math.Sqrt(float64(ivar[i]))))
		}
	}
	factor := o.sn / float64(quickselect(b.sorted, len(b.sorted)/2))
	factor *= factor

	const skyError = 0.015 // of the sky lines' flux
	lines := skyError * cfg.Hardness * sky
	var residual [64]float64
	for k := range residual {
		residual[k] = lines * r.NormFloat64()
	}
	left := 0.0
	if o.badSky {
		left = uniform(r, 0.1, 0.4) * math.Copysign(1, r.Float64()-0.3) * sky
	}
	for i, f := range object {
		if ivar[i] == 0 {
			flux[i] = 0
			continue
		}
		variance := 1 / (float64(ivar[i]) * factor)
		if o.pattern == nil { // an observed pattern has this already
			variance += 0.5 * lines * lines * s.skyLines[i] * s.skyLines[i]
		}
		ivar[i] = float32(1 / variance)
		if !cfg.Noiseless {
			f += r.NormFloat64() * math.Sqrt(variance)
			if o.pattern == nil {
				f += residual[s.skyGroup[i]&63] * s.skyLines[i]
			}
		}
		flux[i] = float32(f + left*s.sky[i])
	}
	if !cfg.Noiseless && o.pattern == nil {
		s.mask(r, flux, ivar)
	}
}

// distort multiplies by foreground dust and by the error of the flux
// calibration: a smooth curve of a few per cent, a ripple, a step between the
// arms, and what is left of the atmosphere's bands.
func (s *instrument) distort(r *rand.Rand, o observation, hardness float64, in []float32, out []float64) {
	var c [7]float64
	for k := range c {
		c[k] = 0.03 / (1 + 0.3*float64(k)) * hardness * within(r, 3)
	}
	ripple := hardness * 0.01 * within(r, 3)
	period, phase := uniform(r, 12, 40), uniform(r, 0, 2*math.Pi)
	step := hardness * 0.02 * within(r, 3)
	band := hardness * 0.06 * within(r, 3)
	const stride = 8 // the curve is smooth: computed every few pixels, straight between
	var at, by, last float64
	for i := range in {
		if i%stride == 0 {
			curve := func(i int) float64 {
				x := s.x[i]
				lower, p := 1.0, x
				var e float64
				for k, c := range c {
					e += c * p
					n := float64(k + 1)
					lower, p = p, ((2*n+1)*x*p-n*lower)/(n+1)
				}
				return e + ripple*math.Sin(period*x+phase) + step*s.red[i] - 0.4*math.Ln10*o.ebv*s.dust[i]
			}
			if i == 0 {
				last = curve(0)
			}
			next := curve(min(i+stride, len(in)-1))
			at, by = last, (next-last)/stride
			last = next
		}
		e := at + by*float64(i%stride)
		out[i] = float64(in[i]) * math.Exp(e-band*s.telluric[i])
	}
}

// mask sets inverse variance and flux to 0 over stretches of bad pixels: cosmic
// rays and bad columns, now and then a whole stretch of the detector, and in
// one spectrum of three the sky line at 5577 Å.
func (s *instrument) mask(r *rand.Rand, flux, ivar []float32) {
	n := len(flux)
	blank := func(lo, hi int) {
		lo, hi = min(max(lo, 0), n), min(max(hi, 0), n)
		clear(flux[lo:hi])
		clear(ivar[lo:hi])
	}
	for range r.IntN(6) {
		lo := r.IntN(n)
		blank(lo, lo+1+r.IntN(max(n/300, 1)))
	}
	if r.Float64() < 0.1 {
		lo := r.IntN(n)
		blank(lo, lo+n/80+r.IntN(n/15+1))
	}
	if r.Float64() < 1./3 {
		blank(s.green-n/400, s.green+n/400)
	}
}
