package bindings

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/spectra"
)

// SpectraSet holds spectra that were simulated or read, until the caller has
// copied them.
type SpectraSet struct {
	set  spectra.Set
	rows any // what is known of each spectrum, a list
}

// SpectraNames returns a JSON list: the names of the "classes13", or of the kinds
// of "outliers".
func SpectraNames(of string) (text string, err error) {
	defer guard(&err)
	switch of {
	case "classes13":
		return toJSON(spectra.Classes13)
	case "outliers":
		return toJSON(spectra.OutlierKinds)
	}
	return "", fmt.Errorf("names of %q, want classes13 or outliers", of)
}

// SpectraSimulate starts spectra.Simulate; config is the JSON of a
// spectra.SimConfig. SpectraMade has the job's result.
func SpectraSimulate(job *Job, config string) (zero int, err error) {
	defer guard(&err)
	var cfg spectra.SimConfig
	if err := fromJSON("options", config, &cfg); err != nil {
		return 0, err
	}
	return 0, job.start(func(ctx context.Context, _ func(astroml.Progress)) (any, error) {
		return leave(ctx, func() (any, error) {
			set, truth, err := spectra.Simulate(cfg)
			return &SpectraSet{set, truth}, err
		})
	})
}

// SpectraOutliers starts spectra.Outliers of a kind. SpectraMade has the job's
// result, a set without labels.
func SpectraOutliers(job *Job, kind, config string) (zero int, err error) {
	defer guard(&err)
	var cfg spectra.SimConfig
	if err := fromJSON("options", config, &cfg); err != nil {
		return 0, err
	}
	return 0, job.start(func(ctx context.Context, _ func(astroml.Progress)) (any, error) {
		return leave(ctx, func() (any, error) {
			x, truth, err := spectra.Outliers(cfg, kind)
			return &SpectraSet{spectra.Set{Spectra: x}, truth}, err
		})
	})
}

// SpectraLibrary holds templates to synthesise spectra from.
type SpectraLibrary struct{ templates []spectra.Templates }

// NewSpectraLibrary returns a library without templates.
func NewSpectraLibrary() (*SpectraLibrary, error) { return new(SpectraLibrary), nil }

// templateOptions are the fields of spectra.Templates that are no arrays.
type templateOptions struct {
	Class      string  `json:"class"`
	ZMin       float64 `json:"z_min"`
	ZMax       float64 `json:"z_max"`
	Resolution float64 `json:"resolution"`
	Weight     float64 `json:"weight"`
}

// Add adds spectra.Templates of rows × pixels float32 on a grid of pixels
// float64: templates or a basis. A basis has coeff, sets × rows float32, or mean
// and scatter, rows float64 each; else these are 0. options is a JSON object:
// class, z_min, z_max, resolution, weight. All is copied.
func (l *SpectraLibrary) Add(flux uintptr, rows int, wave uintptr, pixels int, coeff uintptr, sets int, mean, scatter uintptr, options string) (zero int, err error) {
	defer guard(&err)
	var o templateOptions
	if err := fromJSON("template", options, &o); err != nil {
		return 0, err
	}
	f, e0 := need[float32]("template: flux", flux, rows, pixels)
	w, e1 := need[float64]("template: wave", wave, pixels, 1)
	c, e2 := array[float32]("template: coeff", coeff, sets, rows)
	m, e3 := array[float64]("template: mean", mean, rows, 1)
	s, e4 := array[float64]("template: scatter", scatter, rows, 1)
	if err := firstOf(e0, e1, e2, e3, e4); err != nil {
		return 0, err
	}
	l.templates = append(l.templates, spectra.Templates{
		Class: o.Class, ZMin: o.ZMin, ZMax: o.ZMax, Resolution: o.Resolution, Weight: o.Weight,
		Flux: slices.Clone(f), Wave: slices.Clone(w), Coeff: slices.Clone(c), Mean: slices.Clone(m), Scatter: slices.Clone(s),
	})
	return 0, nil
}

// SpectraSynthesize starts spectra.Synthesize; config is the JSON of a
// spectra.SynthConfig. Noise and masks are those of n × pixels inverse
// variances, if ivar is not 0. SpectraMade has the job's result.
func SpectraSynthesize(job *Job, l *SpectraLibrary, ivar uintptr, n int, wave uintptr, pixels int, config string) (zero int, err error) {
	defer guard(&err)
	var cfg spectra.SynthConfig
	if err := fromJSON("options", config, &cfg); err != nil {
		return 0, err
	}
	if ivar != 0 { // the flux of observed noise is not looked at
		if cfg.Noise, err = spectraInput(ivar, ivar, n, wave, pixels); err != nil {
			return 0, err
		}
	}
	templates := slices.Clone(l.templates)
	return 0, job.start(func(ctx context.Context, _ func(astroml.Progress)) (any, error) {
		set, truth, err := spectra.Synthesize(templates, cfg)
		return &SpectraSet{set, truth}, firstOf(err, ctx.Err())
	})
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// SpectraMade returns what a job of SpectraSimulate, SpectraOutliers,
// SpectraSynthesize or SpectraRead has made.
func SpectraMade(job *Job) (s *SpectraSet, err error) {
	defer guard(&err)
	return result[*SpectraSet](job)
}

// fileRow is what a survey file tells of one spectrum; Z is nil where it does
// not tell it.
type fileRow struct {
	ID       string   `json:"id"`
	Survey   string   `json:"survey"`
	Class    string   `json:"class"`
	Subclass string   `json:"subclass"`
	Z        *float64 `json:"z"`
}

// SpectraRead starts spectra.Read. SpectraMade has the job's result, a set
// without labels.
func SpectraRead(job *Job, path string) (zero int, err error) {
	defer guard(&err)
	return 0, job.start(func(ctx context.Context, _ func(astroml.Progress)) (any, error) {
		f, err := spectra.Read(path)
		if err != nil {
			return nil, err
		}
		rows := make([]fileRow, f.Len())
		for i := range rows {
			rows[i] = fileRow{ID: f.IDs[i], Survey: f.Survey, Class: f.Class[i], Subclass: f.Subclass[i]}
			if !math.IsNaN(f.Z[i]) {
				rows[i].Z = &f.Z[i]
			}
		}
		return &SpectraSet{spectra.Set{Spectra: f.Spectra}, rows}, ctx.Err()
	})
}

// Info returns a JSON object: "n", "pixels", "classes" (none if there are no
// labels), "ivar" (whether there is any).
func (s *SpectraSet) Info() (text string, err error) {
	defer guard(&err)
	return toJSON(struct {
		N       int      `json:"n"`
		Pixels  int      `json:"pixels"`
		Classes []string `json:"classes"`
		IVar    bool     `json:"ivar"`
	}{s.set.Len(), len(s.set.Wave), s.set.Classes, s.set.IVar != nil})
}

// Rows returns a JSON list of what is known of each spectrum.
func (s *SpectraSet) Rows() (text string, err error) {
	defer guard(&err)
	return toJSON(s.rows)
}

// Copy writes the spectra to the caller's arrays: flux and ivar of n × pixels
// float32, wave of pixels float64, labels of n int64. What is 0 is not wanted.
func (s *SpectraSet) Copy(flux, ivar, wave, labels uintptr, n, pixels int) (zero int, err error) {
	defer guard(&err)
	if n != s.set.Len() || pixels != len(s.set.Wave) {
		return 0, fmt.Errorf("room for %d × %d values, there are %d × %d: %w", n, pixels, s.set.Len(), len(s.set.Wave), astroml.ErrShape)
	}
	f, e0 := array[float32]("flux", flux, n, pixels)
	v, e1 := array[float32]("ivar", ivar, n, pixels)
	w, e2 := array[float64]("wave", wave, pixels, 1)
	l, e3 := array[int64]("labels", labels, n, 1)
	if err := firstOf(e0, e1, e2, e3); err != nil {
		return 0, err
	}
	switch {
	case v != nil && s.set.IVar == nil:
		return 0, fmt.Errorf("ivar: the spectra have none")
	case l != nil && s.set.Labels == nil:
		return 0, fmt.Errorf("labels: the spectra have none")
	}
	copy(f, s.set.Flux)
	copy(v, s.set.IVar)
	copy(w, s.set.Wave)
	for i := range l {
		l[i] = int64(s.set.Labels[i])
	}
	return 0, nil
}
