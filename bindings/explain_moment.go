package bindings

import (
	"context"
	"errors"
	"fmt"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/explain"
)

// needTable returns an error unless the network is one of tables of so many
// features.
func (n *MomentNetwork) needTable(features int) error {
	shape := n.n.Shape()
	if len(shape) != 1 {
		return fmt.Errorf("explain: a network of rows of shape %v, want one of tables, (n, feature): Gradient shows what a network of profiles, maps or cubes looks at: %w", shape, astroml.ErrShape)
	}
	if features != shape[0] {
		return fmt.Errorf("explain: rows of %d features, the network has %d: %w", features, shape[0], astroml.ErrShape)
	}
	return nil
}

// table returns n rows of numbers as the network takes them.
func table(x []float64, n int) astroml.Array {
	data := make([]float32, len(x))
	for i, v := range x {
		data[i] = float32(v)
	}
	return astroml.Array{Shape: []int{n, len(x) / n}, Data: data}
}

// Shapley starts explain.Shapley on n rows, n × features float64, for the p
// posterior means of a network of tables, and with "std" in options also for the
// p standard deviations, which come behind. Outputs are those of
// ExplainGame.Result; options is the JSON of an explain.ShapleyConfig, and std.
func (n *MomentNetwork) Shapley(job *Job, values, errs, base, predicted, x uintptr, rows, features int, background *ExplainBackground, options string) (zero int, err error) {
	defer guard(&err)
	var o struct {
		explain.ShapleyConfig
		Std bool `json:"std"`
	}
	if err := firstOf(n.needTable(features), fromJSON("options", options, &o)); err != nil {
		return 0, err
	}
	if background == nil {
		return 0, errors.New("no background")
	}
	p := len(n.n.Names())
	outputs := p
	if o.Std {
		outputs = 2 * p
	}
	to, e0 := attributionOutput(values, errs, base, predicted, rows, players(features, o.ShapleyConfig), outputs)
	t, e1 := need[float64]("x", x, rows, features)
	if err := firstOf(e0, e1); err != nil {
		return 0, err
	}
	answer := func(ctx context.Context, x []float64, m int, y []float64) error {
		var mean, std []float32
		var err error
		if o.Std {
			mean, std, err = n.n.Predict(ctx, table(x, m))
		} else {
			mean, err = n.n.Means(ctx, table(x, m))
		}
		for i, v := range mean {
			at := i/p*outputs + i%p
			y[at] = float64(v)
			if o.Std {
				y[at+p] = float64(std[i])
			}
		}
		return err
	}
	cfg := o.ShapleyConfig
	return 0, job.start(func(ctx context.Context, progress func(astroml.Progress)) (any, error) {
		cfg.Progress = progress
		a, err := explain.Shapley(ctx, answer, t, features, outputs, background.b, cfg)
		if err != nil {
			return nil, err
		}
		to.write(a)
		return nil, nil
	})
}

// ExpectedGradients starts explain.ExpectedGradients on n rows, n × features
// float64, for the posterior mean of one parameter of a network of tables, from
// m rows of background. Outputs are those of ExplainGame.Result, of one output;
// options is the JSON of an explain.GradientConfig.
func (n *MomentNetwork) ExpectedGradients(job *Job, values, errs, base, predicted, x uintptr, rows, features int, background uintptr, m, parameter int, options string) (zero int, err error) {
	defer guard(&err)
	var cfg explain.GradientConfig
	if err := firstOf(n.needTable(features), fromJSON("options", options, &cfg)); err != nil {
		return 0, err
	}
	p := len(n.n.Names())
	if parameter < 0 || parameter >= p {
		return 0, fmt.Errorf("explain: parameter %d, want 0 to %d", parameter, p-1)
	}
	to, e0 := attributionOutput(values, errs, base, predicted, rows, features, 1)
	t, e1 := need[float64]("x", x, rows, features)
	b, e2 := need[float64]("background", background, m, features)
	if err := firstOf(e0, e1, e2); err != nil {
		return 0, err
	}
	gradient := func(ctx context.Context, x []float64, m int, f, df []float64) error {
		in := table(x, m)
		mean, err := n.n.Means(ctx, in)
		if err != nil {
			return err
		}
		for i := range f {
			f[i] = float64(mean[i*p+parameter])
		}
		slope, err := n.n.Gradient(ctx, in, parameter)
		for i, v := range slope {
			df[i] = float64(v)
		}
		return err
	}
	return 0, job.start(func(ctx context.Context, _ func(astroml.Progress)) (any, error) {
		a, err := explain.ExpectedGradients(ctx, gradient, t, b, features, cfg)
		if err != nil {
			return nil, err
		}
		to.write(a)
		return nil, nil
	})
}
