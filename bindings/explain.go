package bindings

import (
	"context"
	"errors"
	"fmt"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/explain"
)

// ExplainBackground is an explain.Background.
type ExplainBackground struct{ b *explain.Background }

// ExplainInterventional returns the background of n rows, n × features float64,
// with n weights float64, or 0 for equal ones.
func ExplainInterventional(rows, weights uintptr, n, features int) (b *ExplainBackground, err error) {
	defer guard(&err)
	r, e0 := need[float64]("background", rows, n, features)
	w, e1 := array[float64]("weights", weights, n, 1)
	if err := firstOf(e0, e1); err != nil {
		return nil, err
	}
	t, err := explain.Interventional(r, features, w)
	if err != nil {
		return nil, err
	}
	return &ExplainBackground{t}, nil
}

// ExplainConditional returns the background of the Gaussian with this mean,
// features float64, and covariance, features × features float64. options is a
// JSON object: draws, seed.
func ExplainConditional(mean, cov uintptr, features int, options string) (b *ExplainBackground, err error) {
	defer guard(&err)
	var o struct {
		Draws int    `json:"draws"`
		Seed  uint64 `json:"seed"`
	}
	m, e0 := need[float64]("mean", mean, features, 1)
	c, e1 := need[float64]("covariance", cov, features, features)
	if err := firstOf(e0, e1, fromJSON("options", options, &o)); err != nil {
		return nil, err
	}
	t, err := explain.Conditional(m, c, o.Draws, o.Seed)
	if err != nil {
		return nil, err
	}
	return &ExplainBackground{t}, nil
}

// attribution is where an explain.Attribution goes.
type attribution struct{ values, errs, base, predicted []float64 }

// attributionOutput describes the caller's arrays: values and errs are n ×
// features (or groups of them) × outputs float64, base and predicted n × outputs.
func attributionOutput(values, errs, base, predicted uintptr, n, features, outputs int) (attribution, error) {
	var o attribution
	var e [4]error
	o.values, e[0] = need[float64]("values", values, n, features*outputs)
	o.errs, e[1] = need[float64]("errors", errs, n, features*outputs)
	o.base, e[2] = need[float64]("base", base, n, outputs)
	o.predicted, e[3] = need[float64]("predicted", predicted, n, outputs)
	return o, firstOf(e[:]...)
}

func (o attribution) write(a *explain.Attribution) {
	copy(o.values, a.Values)
	copy(o.errs, a.Err)
	copy(o.base, a.Base)
	copy(o.predicted, a.Predicted)
}

// ExplainGame is an explain.Game: Shapley values of a model that the caller
// evaluates. It is not safe for concurrent use.
type ExplainGame struct {
	g                    *explain.Game
	players              int // features, or groups of them
	n, features, outputs int
}

// ExplainShapley begins to explain n rows, n × features float64, of a model with
// so many outputs; options is the JSON of an explain.ShapleyConfig. As long as
// Asked is not 0, the caller copies Rows, evaluates them, and has the game Take
// the answers; then there is a Result.
func ExplainShapley(x uintptr, n, features, outputs int, background *ExplainBackground, options string) (g *ExplainGame, err error) {
	defer guard(&err)
	var cfg explain.ShapleyConfig
	rows, e0 := need[float64]("x", x, n, features)
	if err := firstOf(e0, fromJSON("options", options, &cfg)); err != nil {
		return nil, err
	}
	if background == nil {
		return nil, errors.New("no background")
	}
	t, err := explain.NewShapley(rows, features, outputs, background.b, cfg)
	if err != nil {
		return nil, err
	}
	return &ExplainGame{t, players(features, cfg), n, features, outputs}, nil
}

// players returns how many values a row has.
func players(features int, cfg explain.ShapleyConfig) int {
	if cfg.Groups != nil {
		return len(cfg.Groups)
	}
	return features
}

// Asked returns the number of rows to evaluate next, 0 after the last.
func (g *ExplainGame) Asked() (n int, err error) {
	defer guard(&err)
	return len(g.g.Rows()) / g.features, nil
}

// Rows writes the rows to evaluate to out, as many as Asked says × features
// float64.
func (g *ExplainGame) Rows(out uintptr, n int) (zero int, err error) {
	defer guard(&err)
	o, err := need[float64]("rows", out, n, g.features)
	if err != nil {
		return 0, err
	}
	rows := g.g.Rows()
	if len(o) != len(rows) {
		return 0, fmt.Errorf("rows: room for %d, %d are asked for: %w", n, len(rows)/g.features, astroml.ErrShape)
	}
	copy(o, rows)
	return 0, nil
}

// Take takes the model's answers to the n rows, n × outputs float64.
func (g *ExplainGame) Take(y uintptr, n int) (zero int, err error) {
	defer guard(&err)
	a, err := need[float64]("answers", y, n, g.outputs)
	if err != nil {
		return 0, err
	}
	return 0, g.g.Take(a)
}

// Evaluations writes how many rows have been evaluated, and of how many, 2
// int64, to out.
func (g *ExplainGame) Evaluations(out uintptr) (zero int, err error) {
	defer guard(&err)
	o, err := need[int64]("evaluations", out, 2, 1)
	if err != nil {
		return 0, err
	}
	done, all := g.g.Evaluations()
	o[0], o[1] = int64(done), int64(all)
	return 0, nil
}

// Result writes the explanation: values and errs are n × features (or groups) ×
// outputs float64, base and predicted n × outputs.
func (g *ExplainGame) Result(values, errs, base, predicted uintptr) (zero int, err error) {
	defer guard(&err)
	o, err := attributionOutput(values, errs, base, predicted, g.n, g.players, g.outputs)
	if err != nil {
		return 0, err
	}
	a, err := g.g.Result()
	if err != nil {
		return 0, err
	}
	o.write(a)
	return 0, nil
}

// ExplainPCA is an explain.PCA.
type ExplainPCA struct{ p *explain.PCA }

// ExplainComponents starts explain.NewPCA on n rows, n × features float64;
// options is the JSON of an explain.PCAConfig. ExplainComponentsFound has the
// job's result.
func ExplainComponents(job *Job, x uintptr, n, features int, options string) (zero int, err error) {
	defer guard(&err)
	var cfg explain.PCAConfig
	rows, e0 := need[float64]("x", x, n, features)
	if err := firstOf(e0, fromJSON("options", options, &cfg)); err != nil {
		return 0, err
	}
	rows = append([]float64(nil), rows...) // it cannot be canceled, and may outlive the job
	return 0, job.start(func(ctx context.Context, _ func(astroml.Progress)) (any, error) {
		return leave(ctx, func() (any, error) { return explain.NewPCA(rows, features, cfg) })
	})
}

// ExplainComponentsFound returns what a job of ExplainComponents has found.
func ExplainComponentsFound(job *Job) (p *ExplainPCA, err error) {
	defer guard(&err)
	t, err := result[*explain.PCA](job)
	if err != nil {
		return nil, err
	}
	return &ExplainPCA{t}, nil
}

// Info returns a JSON object that describes the components.
func (p *ExplainPCA) Info() (text string, err error) {
	defer guard(&err)
	return toJSON(struct {
		Rows        int     `json:"rows"`
		Features    int     `json:"features"`
		Components  int     `json:"components"`
		Edge        float64 `json:"edge"`
		Significant int     `json:"significant"`
	}{p.p.Rows, p.p.Features, len(p.p.Variances), p.p.Edge(), p.p.Significant()})
}

// Arrays writes what Info gives the sizes of, all float64: mean and scale of
// each feature, variance and ratio of each component, and the components,
// components × features.
func (p *ExplainPCA) Arrays(mean, scale, variances, ratio, components uintptr) (zero int, err error) {
	defer guard(&err)
	m, k := p.p.Features, len(p.p.Variances)
	for _, a := range []struct {
		name          string
		to            uintptr
		from          []float64
		rows, columns int
	}{
		{"mean", mean, p.p.Mean, m, 1},
		{"scale", scale, p.p.Scale, m, 1},
		{"variances", variances, p.p.Variances, k, 1},
		{"ratio", ratio, p.p.Ratio, k, 1},
		{"components", components, p.p.Components, k, m},
	} {
		o, err := need[float64](a.name, a.to, a.rows, a.columns)
		if err != nil {
			return 0, err
		}
		copy(o, a.from)
	}
	return 0, nil
}

// ExplainCorrelate starts to write how each feature of x, n × features float64,
// goes with each target of y, n × targets float64, to pearson, spearman and
// information: features × targets × 2 float64, each measure and its standard
// error. information may be 0. groups are n int64, or 0; options is the JSON of
// an explain.CorrelationConfig.
func ExplainCorrelate(job *Job, pearson, spearman, information, x uintptr, n, features int, y uintptr, targets int, groups uintptr, options string) (zero int, err error) {
	defer guard(&err)
	var cfg explain.CorrelationConfig
	f, e0 := need[float64]("x", x, n, features)
	t, e1 := need[float64]("y", y, n, targets)
	g, e2 := array[int64]("groups", groups, n, 1)
	p, e3 := need[float64]("pearson", pearson, features, 2*targets)
	s, e4 := need[float64]("spearman", spearman, features, 2*targets)
	i, e5 := array[float64]("information", information, features, 2*targets)
	if err := firstOf(e0, e1, e2, e3, e4, e5, fromJSON("options", options, &cfg)); err != nil {
		return 0, err
	}
	if g != nil {
		cfg.Groups = ints(g)
	}
	if information == 0 {
		cfg.Neighbours = -1
	}
	return 0, job.start(func(ctx context.Context, _ func(astroml.Progress)) (any, error) {
		c, err := explain.Correlate(ctx, f, features, t, targets, cfg)
		if err != nil {
			return nil, err
		}
		writeStrengths(p, c.Pearson)
		writeStrengths(s, c.Spearman)
		writeStrengths(i, c.Information)
		return nil, nil
	})
}

func writeStrengths(to []float64, from []explain.Strength) {
	for i, s := range from {
		to[2*i], to[2*i+1] = s.Value, s.Err
	}
}
