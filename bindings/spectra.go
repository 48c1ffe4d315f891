package bindings

import (
	"context"
	"fmt"
	"slices"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/spectra"
	"github.com/goastroml/goastroml/astroml/train"
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
// groups too (0 for none), classes a JSON list of names.
func spectraTraining(flux, ivar uintptr, n int, wave uintptr, pixels int, labels, groups uintptr, classes string) (spectra.Set, error) {
	x, err := spectraInput(flux, ivar, n, wave, pixels)
	if err != nil {
		return spectra.Set{}, err
	}
	l, err := need[int64]("labels", labels, n, 1)
	if err != nil {
		return spectra.Set{}, err
	}
	g, err := array[int64]("groups", groups, n, 1)
	if err != nil {
		return spectra.Set{}, err
	}
	set := spectra.Set{Spectra: x, Labels: ints(l), Groups: ints(g)}
	return set, fromJSON("classes", classes, &set.Classes)
}

// SpectraTrain starts spectra.Train on n spectra of pixels each; config is the
// JSON of a spectra.Config. SpectraTrained has the job's result.
func SpectraTrain(job *Job, flux, ivar uintptr, n int, wave uintptr, pixels int, labels, groups uintptr, classes, config string) (zero int, err error) {
	defer guard(&err)
	set, err := spectraTraining(flux, ivar, n, wave, pixels, labels, groups, classes)
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

// FineTune starts spectra.Classifier.FineTune. SpectraTrained has the
// job's result.
func (c *SpectraClassifier) FineTune(job *Job, flux, ivar uintptr, n int, wave uintptr, pixels int, labels, groups uintptr, classes, config string) (zero int, err error) {
	defer guard(&err)
	set, err := spectraTraining(flux, ivar, n, wave, pixels, labels, groups, classes)
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

// CalibrateJob starts spectra.Classifier.Calibrate. SpectraTrained has the
// job's result.
func (c *SpectraClassifier) CalibrateJob(job *Job, flux, ivar uintptr, n int, wave uintptr, pixels int, labels, groups uintptr, classes string) (zero int, err error) {
	defer guard(&err)
	set, err := spectraTraining(flux, ivar, n, wave, pixels, labels, groups, classes)
	if err != nil {
		return 0, err
	}
	return 0, job.start(func(ctx context.Context, _ func(astroml.Progress)) (any, error) {
		return c.c.Calibrate(ctx, set)
	})
}

// SpectraTrained returns what a job of SpectraTrain, FineTune or CalibrateJob has
// made.
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
	History      []train.Epoch  `json:"history"`
}

// Info returns a JSON object that describes the classifier.
func (c *SpectraClassifier) Info() (text string, err error) {
	defer guard(&err)
	i := spectraInfo{
		Classes:  c.c.Classes(),
		Pixels:   len(c.c.Wave()),
		Features: c.c.Features(),
		Config:   c.c.Config(),
		History:  c.c.History(),
	}
	i.Parameters, i.Running, i.MultiplyAdds = c.c.Params()
	return toJSON(i)
}

// Profile returns the nn.Profile of a batch of n spectra as JSON: of a training
// step if training is not 0.
func (c *SpectraClassifier) Profile(n, training int) (text string, err error) {
	defer guard(&err)
	p, err := c.c.Profile(n, training != 0)
	if err != nil {
		return "", err
	}
	return toJSON(p)
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
	triggers                         []uint8
	rules                            []spectra.Rule
}

// write fills the caller's arrays.
func (o *spectraOutput) write(c *spectra.Classifier, r *spectra.Result) error {
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
	if len(o.triggers) == 0 {
		return nil
	}
	clear(o.triggers)
	for j := range o.rules {
		held, err := c.Judge(r, o.rules[j:j+1])
		if err != nil {
			return err
		}
		for i, names := range held {
			if len(names) > 0 {
				o.triggers[i*len(o.rules)+j] = 1
			}
		}
	}
	return nil
}

// classify checks the arguments of Classify and returns what is left to do.
func (c *SpectraClassifier) classify(prob, class, total, aleatoric, epistemic, ood, flag, triggers, flux, ivar uintptr, n int, wave uintptr, pixels int, rules string) (func(context.Context) error, error) {
	o := new(spectraOutput)
	var e [8]error
	o.prob, e[0] = array[float32]("prob", prob, n, len(c.c.Classes()))
	o.class, e[1] = array[int64]("class", class, n, 1)
	o.total, e[2] = array[float32]("total", total, n, 1)
	o.aleatoric, e[3] = array[float32]("aleatoric", aleatoric, n, 1)
	o.epistemic, e[4] = array[float32]("epistemic", epistemic, n, 1)
	o.ood, e[5] = array[float32]("ood", ood, n, 1)
	o.flag, e[6] = array[uint32]("flag", flag, n, 1)
	if e[7] = fromJSON("rules", rules, &o.rules); e[7] == nil {
		o.triggers, e[7] = array[uint8]("triggers", triggers, n, len(o.rules))
	}
	if err := firstOf(e[:]...); err != nil {
		return nil, err
	}
	x, err := spectraInput(flux, ivar, n, wave, pixels)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		r, err := c.c.Classify(ctx, x)
		if err != nil {
			return err
		}
		return o.write(c.c, r)
	}, nil
}

// Classify classifies n spectra and returns when that is done. prob is n × class
// float32, class n int64, flag n uint32, triggers n × rule uint8 (1 where the
// rule holds), the others n float32; what is 0 is not wanted. rules is a JSON
// list of spectra.Rule.
func (c *SpectraClassifier) Classify(prob, class, total, aleatoric, epistemic, ood, flag, triggers, flux, ivar uintptr, n int, wave uintptr, pixels int, rules string) (zero int, err error) {
	defer guard(&err)
	f, err := c.classify(prob, class, total, aleatoric, epistemic, ood, flag, triggers, flux, ivar, n, wave, pixels, rules)
	if err != nil {
		return 0, err
	}
	return 0, f(context.Background())
}

// ClassifyJob is Classify as a job, which can be canceled.
func (c *SpectraClassifier) ClassifyJob(job *Job, prob, class, total, aleatoric, epistemic, ood, flag, triggers, flux, ivar uintptr, n int, wave uintptr, pixels int, rules string) (zero int, err error) {
	defer guard(&err)
	f, err := c.classify(prob, class, total, aleatoric, epistemic, ood, flag, triggers, flux, ivar, n, wave, pixels, rules)
	if err != nil {
		return 0, err
	}
	return 0, job.start(func(ctx context.Context, _ func(astroml.Progress)) (any, error) { return nil, f(ctx) })
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

// Sets writes n × class conformal sets of 0 and 1 to out, for prob of n × class
// float32. With perClass not 0, the coverage is kept for each class.
func (c *SpectraClassifier) Sets(out, prob uintptr, n int, coverage float64, perClass int) (zero int, err error) {
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
	sets := c.c.Sets
	if perClass != 0 {
		sets = c.c.ClassSets
	}
	s, err := sets(p, coverage)
	writeSets(o, s)
	return 0, err
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
	return 0, spectra.RebinTo(astroml.Spectra{Flux: f, IVar: v, Wave: to}, x)
}
