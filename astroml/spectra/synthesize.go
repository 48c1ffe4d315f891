package spectra

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// Templates are noiseless spectra of one class in their rest frame, on one
// grid: single templates, or a basis whose sums are templates.
type Templates struct {
	Class string
	// Wave holds wavelengths in Å (vacuum), increasing.
	Wave []float64
	// Flux holds row × wave flux densities F_λ in any unit, row-major: templates
	// or, with Coeff or Scatter, the rows of a basis.
	Flux []float32
	// Coeff holds set × row coefficients, if Flux is a basis: each set makes a
	// template.
	Coeff []float32
	// Mean and Scatter describe a basis without Coeff, one number a row: the
	// coefficients are normal. Coefficients whose spectrum is not positive in 95 %
	// of the pixels are drawn again.
	Mean, Scatter []float64
	// ZMin and ZMax bound the redshift, uniform in log(1+z). Stars have
	// velocities: ±0.001 is ±300 km/s. Pixels that a template does not reach are
	// masked, so choose ranges in which it covers the grid, lest a classifier
	// learn the masks.
	ZMin, ZMax float64
	// Resolution is λ/Δλ of the templates. The default is one far above that of
	// the spectrograph.
	Resolution float64
	// Weight is the share of these templates in their class. The default is 1.
	Weight float64
}

// SynthConfig holds the options of Synthesize. The zero value is good.
type SynthConfig struct {
	// Seed is the seed of everything that is drawn. Spectrum j of a class
	// depends on Seed, the class's place and j alone.
	Seed uint64 `json:"seed,omitempty"`
	// PerClass is the number of spectra of each class. The default is 100.
	PerClass int `json:"per_class,omitempty"`
	// Wave, SNMin, SNMax, Resolution, Hardness, Noiseless and Threads are those
	// of SimConfig.
	Wave       []float64 `json:"wave,omitempty"`
	SNMin      float64   `json:"sn_min,omitempty"`
	SNMax      float64   `json:"sn_max,omitempty"`
	Resolution float64   `json:"resolution,omitempty"`
	Hardness   float64   `json:"hardness,omitempty"`
	Noiseless  bool      `json:"noiseless,omitempty"`
	Threads    int       `json:"threads,omitempty"`
	// Mix is the share of spectra that are the mean, with random weights, of two
	// templates of the same Templates: it fills the gaps of a small library. The
	// default is 0.
	Mix float64 `json:"mix,omitempty"`
	// Noise holds observed spectra, of which the inverse variances are used and
	// nothing else: each spectrum gets the noise pattern and the masks of one of
	// them, scaled to the signal-to-noise ratio drawn. The default is a model of
	// the SDSS spectrographs. If the classifier is to be tested on the same
	// spectra, say so: their noise is then known, though not their flux.
	Noise astroml.Spectra `json:"-"`
}

// Synthesize makes labelled spectra from templates, PerClass of each class, and
// says what each was made of: redshifted, brought to the resolution and the
// pixels of the spectrograph, dimmed by dust in the Milky Way, with errors of
// the flux calibration, noise and masks. Classes are in the order of the
// templates, and alternate: spectrum i is of class i mod len(Classes).
//
// The error wraps astroml.ErrShape if shapes disagree; templates that are not
// finite, or cover less than half of the grid at an end of their redshift
// range, are errors too.
func Synthesize(templates []Templates, cfg SynthConfig) (Set, []Truth, error) {
	s, err := newSynthesizer(templates, cfg)
	if err != nil {
		return Set{}, nil, err
	}
	n, m := s.cfg.PerClass*len(s.classes), len(s.cfg.Wave)
	set := Set{Classes: s.classes, Labels: make([]int, n)}
	set.Spectra = astroml.Spectra{Wave: slices.Clone(s.cfg.Wave), Flux: make([]float32, n*m), IVar: make([]float32, n*m)}
	truth := make([]Truth, n)
	failed := make([]error, n)
	overSpectra(n, s.cfg.Threads, func(lo, hi int) {
		b := newBench(s.grid, m)
		noise := make([]float32, 2*m)
		for i := lo; i < hi; i++ {
			set.Labels[i] = i % len(s.classes)
			r := rng.New(s.cfg.Seed, "synthesize", set.Labels[i], i/len(s.classes))
			row := set.Row(i)
			truth[i], failed[i] = s.one(r, set.Labels[i], b, noise, row.Flux, row.IVar)
		}
	})
	for _, err := range failed {
		if err != nil {
			return Set{}, nil, err
		}
	}
	return set, truth, nil
}

// synthesizer holds what all spectra share. It is immutable.
type synthesizer struct {
	cfg     SimConfig
	mix     float64
	classes []string
	library [][]library // by class
	grid    *modelGrid
	inst    *instrument
	noise   astroml.Spectra
	toNoise *rebinner // from the noise's grid to the spectra's; nil without noise
}

// library is Templates on the models' grid.
type library struct {
	Templates
	log0   float64     // log10 of the first wavelength
	rows   [][]float32 // flux at gridStep
	sets   int         // templates
	spread float64     // broadening to the spectrograph's resolution, σ in pixels
	share  float64     // of this and all before it in the class
}

func newSynthesizer(templates []Templates, c SynthConfig) (*synthesizer, error) {
	cfg, err := SimConfig{
		Seed: c.Seed, PerClass: c.PerClass, Wave: c.Wave, SNMin: c.SNMin, SNMax: c.SNMax,
		Resolution: c.Resolution, Hardness: c.Hardness, Noiseless: c.Noiseless, Threads: c.Threads,
	}.withDefaults()
	if err != nil {
		return nil, err
	}
	if len(templates) == 0 {
		return nil, fmt.Errorf("spectra: no templates, want those of one class at least")
	}
	if !(c.Mix >= 0 && c.Mix <= 1) {
		return nil, fmt.Errorf("spectra: a share of %g mixed templates, want 0 to 1", c.Mix)
	}
	s := &synthesizer{cfg: cfg, mix: c.Mix, grid: newObservedGrid(cfg.Wave, cfg.Resolution), inst: newInstrument(cfg.Wave, cfg.Resolution)}
	for i, t := range templates {
		l, err := s.prepare(t)
		if err != nil {
			return nil, fmt.Errorf("templates %d, class %q: %w", i, t.Class, err)
		}
		k := slices.Index(s.classes, t.Class)
		if k < 0 {
			k = len(s.classes)
			s.classes = append(s.classes, t.Class)
			s.library = append(s.library, nil)
		}
		if before := s.library[k]; len(before) > 0 {
			l.share += before[len(before)-1].share
		}
		s.library[k] = append(s.library[k], l)
	}
	if c.Noise.Len() > 0 {
		if err := s.useNoise(c.Noise); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// useNoise checks the observed inverse variances.
func (s *synthesizer) useNoise(x astroml.Spectra) error {
	if err := x.Check(); err != nil {
		return fmt.Errorf("noise: %w", err)
	}
	if x.IVar == nil {
		return fmt.Errorf("spectra: noise without inverse variances: %w", astroml.ErrShape)
	}
	var err error
	if s.toNoise, err = newRebinner(x.Wave, s.cfg.Wave); err != nil {
		return fmt.Errorf("noise: %w", err)
	}
	// Spectra that say little of the grid are of no use as patterns.
	m := len(s.cfg.Wave)
	s.noise = astroml.Spectra{Wave: s.cfg.Wave}
	zero := make([]float32, len(x.Wave))
	flux, ivar := make([]float32, m), make([]float32, m)
	for i := range x.Len() {
		s.toNoise.apply(flux, ivar, zero, x.Row(i).IVar)
		good := 0
		for _, v := range ivar {
			if v > 0 {
				good++
			}
		}
		if good >= m/2 {
			s.noise.IVar = append(s.noise.IVar, ivar...)
			s.noise.Flux = append(s.noise.Flux, flux...)
		}
	}
	if s.noise.Len() == 0 {
		return fmt.Errorf("spectra: none of %d noise spectra has inverse variances for half of the grid", x.Len())
	}
	return nil
}

// prepare checks templates and brings them to the models' grid.
func (s *synthesizer) prepare(t Templates) (library, error) {
	l := library{Templates: t, share: t.Weight}
	x := astroml.Spectra{Wave: t.Wave, Flux: t.Flux}
	if err := x.Check(); err != nil {
		return l, err
	}
	rows := x.Len()
	switch {
	case t.Class == "":
		return l, fmt.Errorf("spectra: no class")
	case rows == 0 || len(t.Wave) < 2:
		return l, fmt.Errorf("spectra: %d templates of %d pixels: %w", rows, len(t.Wave), astroml.ErrShape)
	case len(t.Coeff)%rows != 0:
		return l, fmt.Errorf("spectra: %d coefficients are no multiple of %d rows: %w", len(t.Coeff), rows, astroml.ErrShape)
	case t.Coeff != nil && t.Scatter != nil:
		return l, fmt.Errorf("spectra: both Coeff and Scatter, want one of them")
	case t.Scatter == nil && t.Mean != nil || t.Scatter != nil && (len(t.Mean) != rows || len(t.Scatter) != rows):
		return l, fmt.Errorf("spectra: %d means and %d scatters for %d rows: %w", len(t.Mean), len(t.Scatter), rows, astroml.ErrShape)
	case !(t.ZMin > -1) || !(t.ZMax >= t.ZMin) || math.IsInf(t.ZMax, 0):
		return l, fmt.Errorf("spectra: redshifts from %g to %g, want -1 < ZMin ≤ ZMax", t.ZMin, t.ZMax)
	case t.Weight < 0 || math.IsNaN(t.Weight) || t.Resolution < 0 || math.IsNaN(t.Resolution):
		return l, fmt.Errorf("spectra: weight %g and resolution %g, want 0 (the default) or more", t.Weight, t.Resolution)
	}
	for _, values := range [][]float32{t.Flux, t.Coeff} {
		for i, v := range values {
			if v-v != 0 {
				return l, fmt.Errorf("spectra: value %d is %g, want finite templates", i, v)
			}
		}
	}
	if l.share == 0 {
		l.share = 1
	}
	l.sets = rows
	if t.Coeff != nil {
		l.sets = len(t.Coeff) / rows
	}
	grid := s.grid
	for _, z := range []float64{t.ZMin, t.ZMax} {
		lo := math.Max(t.Wave[0]*(1+z), grid.wave[0])
		hi := math.Min(t.Wave[len(t.Wave)-1]*(1+z), grid.wave[len(grid.wave)-1])
		if n := len(grid.wave); !(math.Log10(hi/lo) >= minCover*gridStep*float64(n-1)) {
			return l, fmt.Errorf("spectra: at redshift %g templates reach from %g to %g Å, want half of the range %g to %g",
				z, t.Wave[0]*(1+z), t.Wave[len(t.Wave)-1]*(1+z), grid.wave[0], grid.wave[n-1])
		}
	}

	first, last := math.Log10(t.Wave[0]), math.Log10(t.Wave[len(t.Wave)-1])
	l.log0 = first
	wave := gridFrom(first, int((last-first)/gridStep)+1)
	for i := range rows {
		l.rows = append(l.rows, resample(t.Wave, x.Row(i).Flux, wave))
	}
	l.spread = grid.sigma
	if t.Resolution > 0 {
		own := lightSpeed / t.Resolution / fwhmSigmas / pixelSpeed
		// A kernel narrower than half a pixel is no interpolation any more.
		l.spread = math.Max(math.Sqrt(math.Max(grid.sigma*grid.sigma-own*own, 0)), 0.5)
	}
	return l, nil
}

// resample brings a template to the models' grid: by the mean where it is
// finer, on a straight line between its pixels where it is coarser.
func resample(from []float64, flux []float32, to []float64) []float32 {
	out := make([]float32, len(to))
	a, b := pixelEdges(from), pixelEdges(to)
	lo, at := 0, 0
	for k, w := range to {
		for lo < len(from)-1 && a[lo+1] <= b[k] {
			lo++
		}
		var sum, cover float64
		hi := lo
		for ; hi < len(from) && a[hi] < b[k+1]; hi++ {
			d := math.Min(a[hi+1], b[k+1]) - math.Max(a[hi], b[k])
			sum += d * float64(flux[hi])
			cover += d
		}
		if hi-lo > 2 {
			out[k] = float32(sum / cover)
			continue
		}
		for at < len(from)-2 && from[at+1] < w {
			at++
		}
		t := math.Min(math.Max((w-from[at])/(from[at+1]-from[at]), 0), 1)
		out[k] = float32((1-t)*float64(flux[at]) + t*float64(flux[at+1]))
	}
	return out
}

// one makes one spectrum.
func (s *synthesizer) one(r *rand.Rand, class int, b *bench, noise, flux, ivar []float32) (Truth, error) {
	o := drawObservation(r, s.cfg)
	libraries := s.library[class]
	l := libraries[len(libraries)-1]
	for k, x := 0, r.Float64()*l.share; k < len(libraries); k++ {
		if x < libraries[k].share {
			l = libraries[k]
			break
		}
	}
	t := Truth{Class: s.classes[class], SN: o.sn, EBV: o.ebv}
	for range 100 {
		t.Z = math.Exp(uniform(r, math.Log1p(l.ZMin), math.Log1p(l.ZMax))) - 1
		if s.render(r, l, t.Z, b) {
			m := len(s.cfg.Wave)
			if s.toNoise != nil {
				i := r.IntN(s.noise.Len())
				o.pattern = s.noise.IVar[i*m:][:m]
			}
			s.inst.observe(r, o, s.cfg, b, flux, ivar)
			from, to := l.Wave[0]*(1+t.Z), l.Wave[len(l.Wave)-1]*(1+t.Z)
			for i, w := range s.cfg.Wave {
				if w < from || w > to {
					flux[i], ivar[i] = 0, 0
				}
			}
			return t, nil
		}
	}
	return t, fmt.Errorf("spectra: 100 draws from the templates of class %q gave no positive flux", t.Class)
}

// render draws a template and computes its flux on the pixels. It says whether
// the flux is that of an object: positive in 95 % of the pixels.
func (s *synthesizer) render(r *rand.Rand, l library, z float64, b *bench) bool {
	w := s.grid.windowOn(l.log0, len(l.rows[0]), z, l.spread)
	b.rest = slices.Grow(b.rest[:0], w.n)[:w.n]
	clear(b.rest)
	if first := r.IntN(l.sets); s.mix > 0 && l.Scatter == nil && r.Float64() < s.mix {
		second, share := r.IntN(l.sets), r.Float64()
		x, y := l.level(first, w), l.level(second, w)
		if !(x > 0 && y > 0) {
			return false
		}
		l.add(b.rest, first, w, share/x)
		l.add(b.rest, second, w, (1-share)/y)
	} else if l.Scatter != nil {
		for k, row := range l.rows {
			c := l.Mean[k] + l.Scatter[k]*r.NormFloat64()
			for i, f := range row[w.lo:][:w.n] {
				b.rest[i] += c * float64(f)
			}
		}
	} else {
		l.add(b.rest, first, w, 1)
	}
	s.grid.project(w, b)
	positive := 0
	for _, f := range s.grid.toPixels(b) {
		if f > 0 {
			positive++
		}
	}
	return positive*20 >= 19*len(b.observed) && b.median(b.observed) > 0
}

// add adds template k, times a factor, on a stretch of its grid.
func (l *library) add(sum []float64, k int, w window, factor float64) {
	if l.Coeff == nil {
		for i, f := range l.rows[k][w.lo:][:w.n] {
			sum[i] += factor * float64(f)
		}
		return
	}
	n := len(l.rows)
	for j, c := range l.Coeff[k*n:][:n] {
		for i, f := range l.rows[j][w.lo:][:w.n] {
			sum[i] += factor * float64(c) * float64(f)
		}
	}
}

// level returns the mean flux of template k on a stretch.
func (l *library) level(k int, w window) float64 {
	sum := make([]float64, w.n)
	l.add(sum, k, w, 1)
	var mean float64
	for _, f := range sum {
		mean += f / float64(w.n)
	}
	return mean
}
