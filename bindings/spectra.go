package bindings

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/spectra"
)

// SpectraClassifier is a spectra.Classifier.
type SpectraClassifier struct{ c *spectra.Classifier }

// spectraInput describes n spectra of the caller's: flux and ivar of n × pixels
// float32, wave of pixels float64. The wavelengths are copied, for models keep
// them.
func spectraInput(flux, ivar uintptr, n int, wave uintptr, pixels int) (astroml.Spectra, error) {
	f, err := need[float32]("flux", flux, n, pixels)
	if err != nil {
		return astroml.Spectra{}, err
	}
	v, err := array[float32]("ivar", ivar, n, pixels)
	if err != nil {
		return astroml.Spectra{}, err
	}
	w, err := need[float64]("wave", wave, pixels, 1)
	if err != nil {
		return astroml.Spectra{}, err
	}
	return astroml.Spectra{Flux: f, IVar: v, Wave: slices.Clone(w)}, nil
}

// spectraTraining describes a labelled set of the caller's: labels are n int64,
// classes a JSON list of names.
func spectraTraining(flux, ivar uintptr, n int, wave uintptr, pixels int, labels uintptr, classes string) (spectra.Set, error) {
	x, err := spectraInput(flux, ivar, n, wave, pixels)
	if err != nil {
		return spectra.Set{}, err
	}
	l, err := need[int64]("labels", labels, n, 1)
	if err != nil {
		return spectra.Set{}, err
	}
	set := spectra.Set{Spectra: x, Labels: make([]int, len(l))}
	for i, v := range l {
		set.Labels[i] = int(v)
	}
	return set, fromJSON("classes", classes, &set.Classes)
}

// SpectraTrain starts spectra.Train on n spectra of pixels each; config is the
// JSON of a spectra.Config. The job's result is for SpectraTrained.
func SpectraTrain(job *Job, flux, ivar uintptr, n int, wave uintptr, pixels int, labels uintptr, classes, config string) (zero int, err error) {
	defer guard(&err)
	set, err := spectraTraining(flux, ivar, n, wave, pixels, labels, classes)
	if err != nil {
		return 0, err
	}
	var cfg spectra.Config
	if err := fromJSON("options", config, &cfg); err != nil {
		return 0, err
	}
	return 0, job.start(func(ctx context.Context, progress func(astroml.Progress)) (any, error) {
		return spectra.Train(ctx, set, cfg, progress)
	})
}

// FineTune starts spectra.Classifier.FineTune. The job's result is for
// SpectraTrained.
func (c *SpectraClassifier) FineTune(job *Job, flux, ivar uintptr, n int, wave uintptr, pixels int, labels uintptr, classes, config string) (zero int, err error) {
	defer guard(&err)
	set, err := spectraTraining(flux, ivar, n, wave, pixels, labels, classes)
	if err != nil {
		return 0, err
	}
	var cfg spectra.Config
	if err := fromJSON("options", config, &cfg); err != nil {
		return 0, err
	}
	return 0, job.start(func(ctx context.Context, progress func(astroml.Progress)) (any, error) {
		return c.c.FineTune(ctx, set, cfg, progress)
	})
}

// SpectraTrained returns what a job of SpectraTrain or FineTune has made.
func SpectraTrained(job *Job) (c *SpectraClassifier, err error) {
	defer guard(&err)
	t, err := result[*spectra.Classifier](job)
	if err != nil {
		return nil, err
	}
	return &SpectraClassifier{t}, nil
}

// SpectraLoad reads a classifier from a model file.
func SpectraLoad(path string) (c *SpectraClassifier, err error) {
	defer guard(&err)
	t, err := spectra.Load(path)
	if err != nil {
		return nil, err
	}
	return &SpectraClassifier{t}, nil
}

// Save writes the classifier to a model file, whole or not at all.
func (c *SpectraClassifier) Save(path string) (zero int, err error) {
	defer guard(&err)
	return 0, c.c.Save(path)
}

// spectraInfo is what Info tells.
type spectraInfo struct {
	Classes      []string       `json:"classes"`
	Pixels       int            `json:"pixels"`
	Features     int            `json:"features"`
	Parameters   int            `json:"parameters"`
	Running      int            `json:"running"`
	MultiplyAdds int            `json:"multiply_adds"`
	Config       spectra.Config `json:"config"`
}

// Info returns a JSON object that describes the classifier.
func (c *SpectraClassifier) Info() (text string, err error) {
	defer guard(&err)
	i := spectraInfo{
		Classes:  c.c.Classes(),
		Pixels:   len(c.c.Wave()),
		Features: c.c.Features(),
		Config:   c.c.Config(),
	}
	i.Parameters, i.Running, i.MultiplyAdds = c.c.Params()
	return toJSON(i)
}

// Wave writes the model's wavelength grid, in Å, to wave: pixels float64.
func (c *SpectraClassifier) Wave(wave uintptr, pixels int) (zero int, err error) {
	defer guard(&err)
	grid := c.c.Wave()
	if pixels != len(grid) {
		return 0, fmt.Errorf("wave: room for %d pixels, the model has %d: %w", pixels, len(grid), astroml.ErrShape)
	}
	w, err := need[float64]("wave", wave, pixels, 1)
	copy(w, grid)
	return 0, err
}

// spectraOutput is where a spectra.Result goes; what is nil is not wanted.
type spectraOutput struct {
	prob                             []float32
	class                            []int64
	total, aleatoric, epistemic, ood []float32
	flag                             []uint32
}

func (c *SpectraClassifier) output(prob, class, total, aleatoric, epistemic, ood, flag uintptr, n int) (o spectraOutput, err error) {
	var e [7]error
	o.prob, e[0] = array[float32]("prob", prob, n, len(c.c.Classes()))
	o.class, e[1] = array[int64]("class", class, n, 1)
	o.total, e[2] = array[float32]("total", total, n, 1)
	o.aleatoric, e[3] = array[float32]("aleatoric", aleatoric, n, 1)
	o.epistemic, e[4] = array[float32]("epistemic", epistemic, n, 1)
	o.ood, e[5] = array[float32]("ood", ood, n, 1)
	o.flag, e[6] = array[uint32]("flag", flag, n, 1)
	return o, errors.Join(e[:]...)
}

func (o spectraOutput) write(r *spectra.Result) {
	copy(o.prob, r.Prob)
	copy(o.total, r.Total)
	copy(o.aleatoric, r.Aleatoric)
	copy(o.epistemic, r.Epistemic)
	copy(o.ood, r.OOD)
	for i := range o.class {
		o.class[i] = int64(r.Class[i])
	}
	for i := range o.flag {
		o.flag[i] = uint32(r.Flag[i])
	}
}

// Classify classifies n spectra and returns when that is done. prob is n × class
// float32, class n int64, flag n uint32, the others n float32.
func (c *SpectraClassifier) Classify(prob, class, total, aleatoric, epistemic, ood, flag, flux, ivar uintptr, n int, wave uintptr, pixels int) (zero int, err error) {
	defer guard(&err)
	out, err := c.output(prob, class, total, aleatoric, epistemic, ood, flag, n)
	if err != nil {
		return 0, err
	}
	x, err := spectraInput(flux, ivar, n, wave, pixels)
	if err != nil {
		return 0, err
	}
	r, err := c.c.Classify(context.Background(), x)
	if err != nil {
		return 0, err
	}
	out.write(r)
	return 0, nil
}

// ClassifyJob is Classify as a job, which can be canceled.
func (c *SpectraClassifier) ClassifyJob(job *Job, prob, class, total, aleatoric, epistemic, ood, flag, flux, ivar uintptr, n int, wave uintptr, pixels int) (zero int, err error) {
	defer guard(&err)
	out, err := c.output(prob, class, total, aleatoric, epistemic, ood, flag, n)
	if err != nil {
		return 0, err
	}
	x, err := spectraInput(flux, ivar, n, wave, pixels)
	if err != nil {
		return 0, err
	}
	return 0, job.start(func(ctx context.Context, _ func(astroml.Progress)) (any, error) {
		r, err := c.c.Classify(ctx, x)
		if err != nil {
			return nil, err
		}
		out.write(r)
		return nil, nil
	})
}

// Embed starts to write the representation of n spectra, n × features float32,
// to out.
func (c *SpectraClassifier) Embed(job *Job, out, flux, ivar uintptr, n int, wave uintptr, pixels int) (zero int, err error) {
	defer guard(&err)
	o, err := need[float32]("features", out, n, c.c.Features())
	if err != nil {
		return 0, err
	}
	x, err := spectraInput(flux, ivar, n, wave, pixels)
	if err != nil {
		return 0, err
	}
	return 0, job.start(func(ctx context.Context, _ func(astroml.Progress)) (any, error) {
		e, err := c.c.Embed(ctx, x)
		copy(o, e)
		return nil, err
	})
}

// Sets writes n × class conformal sets of 0 and 1 to out, for prob of n × class.
func (c *SpectraClassifier) Sets(out, prob uintptr, n int, coverage float64) (zero int, err error) {
	defer guard(&err)
	k := len(c.c.Classes())
	o, err := need[uint8]("sets", out, n, k)
	if err != nil {
		return 0, err
	}
	p, err := need[float32]("prob", prob, n, k)
	if err != nil {
		return 0, err
	}
	s, err := c.c.Sets(p, coverage)
	if err != nil {
		return 0, err
	}
	for i, in := range s {
		o[i] = 0
		if in {
			o[i] = 1
		}
	}
	return 0, nil
}

// Stream classifies n spectra that may each have a grid of their own, in order,
// and says which rules hold: rules is a JSON list of spectra.Rule, triggers gets
// n × rule of 0 and 1. Spectrum i has pixels[i] (int64) pixels; flux, ivar and
// wave hold one spectrum after the other. ivar must have all spectra or none.
func (c *SpectraClassifier) Stream(job *Job, prob, class, total, aleatoric, epistemic, ood, flag, triggers, flux, ivar, wave, pixels uintptr, n int, rules string) (zero int, err error) {
	defer guard(&err)
	out, err := c.output(prob, class, total, aleatoric, epistemic, ood, flag, n)
	if err != nil {
		return 0, err
	}
	var rule []spectra.Rule
	if err := fromJSON("rules", rules, &rule); err != nil {
		return 0, err
	}
	held, err := array[uint8]("triggers", triggers, n, len(rule))
	if err != nil {
		return 0, err
	}
	size, err := need[int64]("pixels", pixels, n, 1)
	if err != nil {
		return 0, err
	}
	start := make([]int, n+1)
	for i, m := range size {
		if m < 0 || int(m) > 1<<40-start[i] {
			return 0, fmt.Errorf("pixels: %d in spectrum %d: %w", m, i, astroml.ErrShape)
		}
		start[i+1] = start[i] + int(m)
	}
	all, err := spectraInput(flux, ivar, 1, wave, start[n])
	if err != nil {
		return 0, err
	}
	classes := c.c.Classes()
	return 0, job.start(func(ctx context.Context, _ func(astroml.Progress)) (any, error) {
		in := func(yield func(spectra.Spectrum, error) bool) {
			for i := range n {
				lo, hi := start[i], start[i+1]
				s := spectra.Spectrum{Spectra: astroml.Spectra{Flux: all.Flux[lo:hi], Wave: all.Wave[lo:hi]}}
				if all.IVar != nil {
					s.IVar = all.IVar[lo:hi]
				}
				if !yield(s, nil) {
					return
				}
			}
		}
		i := 0
		for v, err := range c.c.Stream(ctx, in, rule) {
			if err != nil {
				return nil, err
			}
			out.writeVerdict(i, v, classes)
			for r := range rule {
				if held != nil {
					held[i*len(rule)+r] = 0
					if slices.Contains(v.Triggers, rule[r].Name) {
						held[i*len(rule)+r] = 1
					}
				}
			}
			i++
		}
		return nil, nil
	})
}

func (o spectraOutput) writeVerdict(i int, v spectra.Verdict, classes []string) {
	if o.prob != nil {
		copy(o.prob[i*len(classes):], v.Prob)
	}
	if o.class != nil {
		o.class[i] = int64(slices.Index(classes, v.Class))
	}
	for _, f := range []struct {
		to   []float32
		from float32
	}{{o.total, v.Total}, {o.aleatoric, v.Aleatoric}, {o.epistemic, v.Epistemic}, {o.ood, v.OOD}} {
		if f.to != nil {
			f.to[i] = f.from
		}
	}
	if o.flag != nil {
		o.flag[i] = uint32(v.Flag)
	}
}

// SpectraRebin writes n spectra of pixels each, moved to another grid, to
// outFlux and outIVar, which may be 0: n × newPixels float32.
func SpectraRebin(outFlux, outIVar, newWave uintptr, newPixels int, flux, ivar uintptr, n int, wave uintptr, pixels int) (zero int, err error) {
	defer guard(&err)
	f, err := need[float32]("flux out", outFlux, n, newPixels)
	if err != nil {
		return 0, err
	}
	v, err := array[float32]("ivar out", outIVar, n, newPixels)
	if err != nil {
		return 0, err
	}
	to, err := need[float64]("new wave", newWave, newPixels, 1)
	if err != nil {
		return 0, err
	}
	x, err := spectraInput(flux, ivar, n, wave, pixels)
	if err != nil {
		return 0, err
	}
	y, err := spectra.Rebin(x, to)
	if err != nil {
		return 0, err
	}
	copy(f, y.Flux)
	copy(v, y.IVar)
	return 0, nil
}
