package spectra

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// SimConfig holds the options of Simulate and Outliers. The zero value is good.
type SimConfig struct {
	// Seed is the seed of everything that is drawn. Spectrum j of a class
	// depends on Seed, the class and j alone.
	Seed uint64 `json:"seed,omitempty"`
	// PerClass is the number of spectra of each class. The default is 100.
	PerClass int `json:"per_class,omitempty"`
	// Classes are the classes to make, from Classes13. The default is all.
	Classes []string `json:"classes,omitempty"`
	// Wave holds the wavelengths of the pixel centres in Å (vacuum), between
	// 3000 and 12000. The default is SDSS's: 4000 pixels at 10^(3.56 + 1e-4 i).
	Wave []float64 `json:"wave,omitempty"`
	// SNMin and SNMax bound the median signal-to-noise ratio a pixel: its
	// logarithm is normal, and the bounds lie 2 σ from its mean. The defaults
	// are 2 and 30.
	SNMin float64 `json:"sn_min,omitempty"`
	SNMax float64 `json:"sn_max,omitempty"`
	// Resolution is λ/Δλ of the spectrograph, Δλ the full width at half
	// maximum. The default is 2000.
	Resolution float64 `json:"resolution,omitempty"`
	// Hardness scales what stands between the object and a clean spectrum
	// beside photon noise: dust in the Milky Way, errors of the flux
	// calibration, residuals of sky lines. The default is 1. If negative, there
	// are none.
	Hardness float64 `json:"hardness,omitempty"`
	// Noiseless leaves noise, masks and sky residuals away. IVar is still that
	// of an observation with the drawn signal-to-noise ratio.
	Noiseless bool `json:"noiseless,omitempty"`
	// Threads is the number of goroutines. The default is the number of
	// processors. Results do not depend on it.
	Threads int `json:"threads,omitempty"`
}

// withDefaults fills in defaults, or says which option is no good.
func (c SimConfig) withDefaults() (SimConfig, error) {
	if c.PerClass == 0 {
		c.PerClass = 100
	}
	if c.Classes == nil {
		c.Classes = Classes13
	}
	if c.Wave == nil {
		c.Wave = make([]float64, 4000)
		for i := range c.Wave {
			c.Wave[i] = math.Pow(10, 3.56+1e-4*float64(i))
		}
	}
	if c.SNMin == 0 {
		c.SNMin = 2
	}
	if c.SNMax == 0 {
		c.SNMax = math.Max(30, c.SNMin)
	}
	if c.Resolution == 0 {
		c.Resolution = 2000
	}
	if c.Hardness == 0 {
		c.Hardness = 1
	}
	c.Hardness = math.Max(c.Hardness, 0)
	if err := (astroml.Spectra{Wave: c.Wave}).Check(); err != nil {
		return c, err
	}
	lo, hi := c.Wave[0], c.Wave[len(c.Wave)-1]
	switch {
	case c.PerClass < 0:
		return c, fmt.Errorf("spectra: %d spectra a class, want a positive number", c.PerClass)
	case len(c.Classes) == 0:
		return c, fmt.Errorf("spectra: no classes, want some of %v", Classes13)
	case len(c.Wave) < 100 || lo < 3000 || hi > 12000:
		return c, fmt.Errorf("spectra: %d wavelengths from %g to %g Å, want 100 or more between 3000 and 12000", len(c.Wave), lo, hi)
	case !(c.SNMin > 0) || !(c.SNMax >= c.SNMin) || math.IsInf(c.SNMax, 0):
		return c, fmt.Errorf("spectra: signal-to-noise ratios from %g to %g, want 0 < SNMin ≤ SNMax", c.SNMin, c.SNMax)
	case !(c.Resolution >= 300 && c.Resolution <= 4000):
		return c, fmt.Errorf("spectra: resolution %g, want 300 to 4000 (the models are sampled at 69 km/s)", c.Resolution)
	case !(c.Hardness <= 10):
		return c, fmt.Errorf("spectra: hardness %g, want 10 or less", c.Hardness)
	}
	for i, name := range c.Classes {
		switch {
		case !slices.Contains(Classes13, name):
			return c, fmt.Errorf("spectra: class %q, want one of %v", name, Classes13)
		case slices.Contains(c.Classes[:i], name):
			return c, fmt.Errorf("spectra: class %q twice", name)
		}
	}
	return c, nil
}

// Truth is what a simulated spectrum was made of. Values that its kind of
// object does not have are 0.
type Truth struct {
	Class string  `json:"class"`
	Z     float64 `json:"z"`   // redshift; of a star, radial velocity over c
	SN    float64 `json:"sn"`  // median signal-to-noise ratio a pixel
	EBV   float64 `json:"ebv"` // E(B-V) of the Milky Way, mag

	Teff float64 `json:"teff,omitempty"` // K
	FeH  float64 `json:"feh,omitempty"`  // [Fe/H], dex
	LogG float64 `json:"logg,omitempty"` // log10 of cm/s²

	Dispersion float64 `json:"dispersion,omitempty"`  // stellar velocity dispersion, km/s
	EWHalpha   float64 `json:"ew_halpha,omitempty"`   // rest-frame equivalent width of Hα in emission, Å
	LogNIIHa   float64 `json:"log_nii_ha,omitempty"`  // log10 [N II] 6585 / Hα, without dust
	LogOIIIHb  float64 `json:"log_oiii_hb,omitempty"` // log10 [O III] 5008 / Hβ, without dust

	FWHM     float64 `json:"fwhm,omitempty"`     // width of a quasar's permitted lines, km/s
	Strength float64 `json:"strength,omitempty"` // equivalent widths of a quasar's permitted lines in units of the mean quasar's
}

// Simulate makes labelled spectra of the thirteen classes, PerClass of each,
// and says what each was made of. Classes alternate: spectrum i is of class
// i mod len(Classes).
//
// The spectra are no copies of a library: each is computed from continuous
// parameters, by laws that follow what is known of such objects (starModel,
// galaxyModel and quasarModel say which), and the class is a region of these
// parameters with hard borders.
//
//   - STAR_*: intervals of effective temperature, in K: K5 4100–4480,
//     K3 4690–4920, K1 5160–5360, G2 5600–5800, F9 6040–6230, F5 6500–7200,
//     A0 7900–11000. Metallicity, gravity, rotation, velocity scatter within a
//     class.
//   - GALAXY (passive): rest-frame equivalent width of Hα, EW, below 1 Å, to
//     redshift 0.5; the subclasses, which need Hα and [N II] on the grid, to 0.3.
//     GALAXY_STARFORMING: EW 6–42 Å, GALAXY_STARBURST: EW 60–400 Å (SDSS draws
//     the line at 50 Å), both below the curve of Kauffmann et al. (2003, doi:10.1111/j.1365-2966.2003.07154.x)
//     in [N II]/Hα and [O III]/Hβ. GALAXY_AGN: EW 6–80 Å, above the curve of
//     Kewley et al. (2001, doi:10.1086/321545).
//   - QSO_BROADLINE: permitted lines of 2300–9000 km/s full width at half
//     maximum; QSO: 600–1700 km/s (SDSS leaves the subclass of such narrow-line
//     quasars blank), or lines of any width at less than a sixth of their usual
//     strength; redshifts 0.1–4.
//
// A stellar class takes the stars about the template that it is named after;
// stars half-way between two classes are not drawn, nor are galaxies between
// Kauffmann's and Kewley's curves: nothing could tell where they belong. What
// makes the task hard is noise, unknown redshift, dust, and errors of the flux
// calibration. ModelFit says how well one can do who knows the models.
func Simulate(cfg SimConfig) (Set, []Truth, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return Set{}, nil, err
	}
	set := Set{Classes: slices.Clone(cfg.Classes), Labels: make([]int, cfg.PerClass*len(cfg.Classes))}
	for i := range set.Labels {
		set.Labels[i] = i % len(cfg.Classes)
	}
	var truth []Truth
	set.Spectra, truth = newSimulator(cfg).simulate(len(set.Labels), func(i int) (*rand.Rand, string) {
		class := cfg.Classes[i%len(cfg.Classes)]
		return rng.New(cfg.Seed, "simulate", slices.Index(Classes13, class), i/len(cfg.Classes)), class
	})
	return set, truth, nil
}

// OutlierKinds are the kinds of spectra that Outliers makes.
var OutlierKinds = []string{"blank", "sky", "blend", "unknown"}

// Outliers makes PerClass spectra that belong to none of the thirteen classes,
// to try out-of-distribution scores on. Kind is "blank" (noise alone), "sky" (a
// badly subtracted sky: continuum and lines), "blend" (two objects of different
// classes, which give between a third and three times each other's median
// flux), or "unknown": in turn an M dwarf, a carbon star, a white dwarf, a type
// Ia supernova near maximum, a broad-absorption-line quasar. Truth.Class says
// which. Signal-to-noise ratios of blank and sky spectra are those that an
// object of the sky's brightness would have had.
func Outliers(cfg SimConfig, kind string) (astroml.Spectra, []Truth, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return astroml.Spectra{}, nil, err
	}
	k := slices.Index(OutlierKinds, kind)
	if k < 0 {
		return astroml.Spectra{}, nil, fmt.Errorf("spectra: outliers of kind %q, want one of %v", kind, OutlierKinds)
	}
	x, truth := newSimulator(cfg).simulate(cfg.PerClass, func(i int) (*rand.Rand, string) {
		r := rng.New(cfg.Seed, "outliers", k, i)
		if kind == "unknown" {
			return r, unknownKinds[i%len(unknownKinds)]
		}
		return r, kind
	})
	return x, truth, nil
}

// A simulator holds what all spectra of one SimConfig share. It is immutable.
type simulator struct {
	cfg    SimConfig
	models *modelGrid
	inst   *instrument
}

func newSimulator(cfg SimConfig) *simulator {
	return &simulator{cfg: cfg, models: newModelGrid(cfg.Wave, cfg.Resolution), inst: newInstrument(cfg.Wave, cfg.Resolution)}
}

// simulate makes n spectra. The function name gives the stream and the class of
// spectrum i.
func (s *simulator) simulate(n int, name func(i int) (*rand.Rand, string)) (astroml.Spectra, []Truth) {
	m := len(s.cfg.Wave)
	x := astroml.Spectra{Wave: slices.Clone(s.cfg.Wave), Flux: make([]float32, n*m), IVar: make([]float32, n*m)}
	truth := make([]Truth, n)
	overSpectra(n, s.cfg.Threads, func(lo, hi int) {
		b := newBench(s.models, m)
		for i := lo; i < hi; i++ {
			r, class := name(i)
			row := x.Row(i)
			s.one(r, class, b, row.Flux, row.IVar, &truth[i])
		}
	})
	return x, truth
}

// one makes one spectrum.
func (s *simulator) one(r *rand.Rand, class string, b *bench, flux, ivar []float32, t *Truth) {
	o := drawObservation(r, s.cfg)
	*t = Truth{Class: class, SN: o.sn, EBV: o.ebv}
	switch class {
	case "blank":
		o.empty = true
		clear(b.observed)
	case "sky":
		o.empty, o.badSky = true, true
		clear(b.observed)
	case "blend":
		i := r.IntN(len(Classes13))
		k := (i + 1 + r.IntN(len(Classes13)-1)) % len(Classes13)
		first := append([]float32(nil), s.render(s.draw(r, Classes13[i]), b)...)
		second := s.render(s.draw(r, Classes13[k]), b)
		ratio := math.Pow(3, 2*r.Float64()-1) * b.median(first) / b.median(second)
		for j, f := range first {
			second[j] = f + float32(ratio)*second[j]
		}
		t.Class = Classes13[i] + "+" + Classes13[k]
	default:
		seen := s.draw(r, class)
		s.render(seen, b)
		seen.describe(t)
	}
	s.inst.observe(r, o, s.cfg, b, flux, ivar)
}

// An object is what a fibre sees: a model with parameters.
type object interface {
	// render writes the flux density, in any unit, at the resolution of the
	// spectrograph, on the grid of b.
	render(g *modelGrid, b *bench)
	// describe writes the parameters down.
	describe(t *Truth)
	// class returns the class that the parameters lie in, and in a gap between
	// classes the nearer one.
	class() string
	// knobs returns the parameters that ModelFit may turn.
	knobs() []knob
	// clone returns a copy.
	clone() object
}

// A knob is a parameter to fit.
type knob struct {
	value *float64
	step  float64 // for differences
	prior float64 // scatter within all classes of its kind of object
}

// draw draws an object of a class.
func (s *simulator) draw(r *rand.Rand, class string) object {
	if i := slices.Index(starClasses, class); i >= 0 {
		return drawStar(r, i)
	}
	switch class {
	case "QSO", "QSO_BROADLINE":
		return drawQuasar(r, class)
	case "GALAXY", "GALAXY_STARFORMING", "GALAXY_STARBURST", "GALAXY_AGN":
		return drawGalaxy(r, class, s.cfg.Wave)
	}
	return drawUnknown(r, class)
}

// render computes an object's flux on the simulator's pixels. It lies in b.
func (s *simulator) render(seen object, b *bench) []float32 {
	seen.render(s.models, b)
	return s.models.toPixels(b)
}

// uniform returns a number between lo and hi.
func uniform(r *rand.Rand, lo, hi float64) float64 { return lo + (hi-lo)*r.Float64() }

// logUniform returns a number between lo and hi, uniform in its logarithm.
func logUniform(r *rand.Rand, lo, hi float64) float64 {
	return lo * math.Exp(math.Log(hi/lo)*r.Float64())
}

// within returns a standard normal number of at most bound.
func within(r *rand.Rand, bound float64) float64 {
	for {
		if x := r.NormFloat64(); math.Abs(x) <= bound {
			return x
		}
	}
}
