package bindings

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/moment"
	"github.com/goastroml/goastroml/astroml/train"
)

// MomentNetwork is a moment.Network.
type MomentNetwork struct{ n *moment.Network }

// momentInput describes the caller's array x of float32, whose shape is a JSON
// list: the number of rows first.
func momentInput(x uintptr, shape string) (astroml.Array, error) {
	var a astroml.Array
	if err := fromJSON("shape", shape, &a.Shape); err != nil {
		return a, err
	}
	if len(a.Shape) < 2 {
		return a, fmt.Errorf("x: shape %v, want rows and what each row holds: %w", a.Shape, astroml.ErrShape)
	}
	size := 1
	for _, l := range a.Shape[1:] {
		if l < 0 || l > 0 && size > math.MaxInt/l {
			return a, fmt.Errorf("x: shape %v, want lengths that fit in memory: %w", a.Shape, astroml.ErrShape)
		}
		size *= l
	}
	var err error
	a.Data, err = need[float32]("x", x, a.Shape[0], size)
	return a, err
}

// momentTraining describes a training set of the caller's: theta is n × p
// float32, names a JSON list or "", groups and folds n int64 and weights n
// float64 (0 for none).
func momentTraining(x uintptr, shape string, theta uintptr, p int, names string, groups, folds, weights uintptr) (moment.Set, error) {
	a, err := momentInput(x, shape)
	if err != nil {
		return moment.Set{}, err
	}
	n := a.Shape[0]
	t, e0 := need[float32]("theta", theta, n, p)
	g, e1 := array[int64]("groups", groups, n, 1)
	f, e2 := array[int64]("folds", folds, n, 1)
	w, e3 := array[float64]("weights", weights, n, 1)
	set := moment.Set{X: a, Theta: astroml.Array{Shape: []int{n, p}, Data: t}, Groups: ints(g), Folds: ints(f), Weights: w}
	return set, firstOf(e0, e1, e2, e3, fromJSON("names", names, &set.Names))
}

// MomentTrain starts moment.Train on an array x whose shape, a JSON list, begins
// with the number of rows; config is the JSON of a moment.Config. MomentTrained
// has the job's result.
func MomentTrain(job *Job, x uintptr, shape string, theta uintptr, p int, names string, groups, folds, weights uintptr, config string) (zero int, err error) {
	defer guard(&err)
	set, err := momentTraining(x, shape, theta, p, names, groups, folds, weights)
	if err != nil {
		return 0, err
	}
	var cfg moment.Config
	if err := fromJSON("options", config, &cfg); err != nil {
		return 0, err
	}
	return 0, job.start(func(ctx context.Context, progress func(astroml.Progress)) (any, error) {
		return moment.Train(ctx, set, cfg, progress)
	})
}

// MomentTrained returns what a job of MomentTrain has made.
func MomentTrained(job *Job) (n *MomentNetwork, err error) {
	defer guard(&err)
	t, err := result[*moment.Network](job)
	if err != nil {
		return nil, err
	}
	return &MomentNetwork{t}, nil
}

// MomentLoad reads a network from a model file.
func MomentLoad(path string) (n *MomentNetwork, err error) {
	defer guard(&err)
	t, err := moment.Load(path)
	if err != nil {
		return nil, err
	}
	return &MomentNetwork{t}, nil
}

// Save writes the network to a model file, whole or not at all.
func (n *MomentNetwork) Save(path string) (zero int, err error) {
	defer guard(&err)
	return 0, n.n.Save(path)
}

// momentInfo is what Info tells.
type momentInfo struct {
	Config       moment.Config   `json:"config"`
	Names        []string        `json:"names"`
	Shape        []int           `json:"shape"`
	History      [][]train.Epoch `json:"history"`
	Parameters   int             `json:"parameters"`
	MultiplyAdds int             `json:"multiply_adds"`
}

// Info returns a JSON object that describes the network. Its parameters and
// multiply_adds are those of one fold's first network.
func (n *MomentNetwork) Info() (text string, err error) {
	defer guard(&err)
	i := momentInfo{Config: n.n.Config(), Names: n.n.Names(), Shape: n.n.Shape(), History: n.n.History()}
	i.Parameters, i.MultiplyAdds = n.n.Size()
	return toJSON(i)
}

// moments checks the arguments of Moments and returns what is left to do.
func (n *MomentNetwork) moments(mean, std, covariance, skewness, kurtosis, x uintptr, shape string) (func(context.Context) error, error) {
	a, err := momentInput(x, shape)
	if err != nil {
		return nil, err
	}
	rows, p := a.Shape[0], len(n.n.Names())
	m, e0 := array[float32]("mean", mean, rows, p)
	s, e1 := array[float32]("std", std, rows, p)
	c, e2 := array[float32]("covariance", covariance, rows, p*p)
	sk, e3 := array[float32]("skewness", skewness, rows, p)
	k, e4 := array[float32]("kurtosis", kurtosis, rows, p)
	if err := firstOf(e0, e1, e2, e3, e4); err != nil {
		return nil, err
	}
	cfg := n.n.Config()
	switch {
	case covariance != 0 && !cfg.Covariance:
		return nil, errors.New("covariance: the network was trained without, want one with the option covariance")
	case skewness != 0 && cfg.Moments < 3:
		return nil, fmt.Errorf("skewness: the network was trained for %d moments, want 3", cfg.Moments)
	case kurtosis != 0 && cfg.Moments < 4:
		return nil, fmt.Errorf("kurtosis: the network was trained for %d moments, want 4", cfg.Moments)
	}
	return func(ctx context.Context) error {
		r, err := n.n.Moments(ctx, a)
		if err != nil {
			return err
		}
		copy(m, r.Mean)
		copy(s, r.Std)
		copy(c, r.Covariance)
		copy(sk, r.Skewness)
		copy(k, r.Kurtosis)
		return nil
	}, nil
}

// predict is Predict without a job.
func (n *MomentNetwork) predict(mean, std, x uintptr, shape string) error {
	f, err := n.moments(mean, std, 0, 0, 0, x, shape)
	if err != nil {
		return err
	}
	return f(context.Background())
}

// Predict starts to write posterior means and standard deviations, n × parameter
// float32 each, of an array x whose shape is a JSON list. What is 0 is not
// wanted.
func (n *MomentNetwork) Predict(job *Job, mean, std, x uintptr, shape string) (zero int, err error) {
	return n.Moments(job, mean, std, 0, 0, 0, x, shape)
}

// Moments is Predict, and starts to write covariances, n × parameter × parameter
// float32, and skewness and kurtosis, n × parameter. What is 0 is not wanted;
// what is wanted but was not learnt is an error.
func (n *MomentNetwork) Moments(job *Job, mean, std, covariance, skewness, kurtosis, x uintptr, shape string) (zero int, err error) {
	defer guard(&err)
	f, err := n.moments(mean, std, covariance, skewness, kurtosis, x, shape)
	if err != nil {
		return 0, err
	}
	return 0, job.start(func(ctx context.Context, _ func(astroml.Progress)) (any, error) { return nil, f(ctx) })
}

// Gradient starts to write the derivative of the mean of one parameter by each
// value of x, an array of the shape of x, to out.
func (n *MomentNetwork) Gradient(job *Job, out, x uintptr, shape string, parameter int) (zero int, err error) {
	defer guard(&err)
	a, err := momentInput(x, shape)
	if err != nil {
		return 0, err
	}
	o, err := need[float32]("gradient", out, len(a.Data), 1)
	if err != nil {
		return 0, err
	}
	return 0, job.start(func(ctx context.Context, _ func(astroml.Progress)) (any, error) {
		g, err := n.n.Gradient(ctx, a, parameter)
		copy(o, g)
		return nil, err
	})
}

// MomentSearch starts moment.Search on a set as MomentTrain has it; config is the
// JSON of the moment.Config that all trials begin with, space of a train.Space,
// search of a train.SearchConfig. MomentSearched has the job's result.
func MomentSearch(job *Job, x uintptr, shape string, theta uintptr, p int, groups, weights uintptr, config, space, search string) (zero int, err error) {
	defer guard(&err)
	set, err := momentTraining(x, shape, theta, p, "", groups, 0, weights)
	if err != nil {
		return 0, err
	}
	var cfg moment.Config
	var s train.Space
	var sc train.SearchConfig
	if err := firstOf(fromJSON("options", config, &cfg), fromJSON("space", space, &s), fromJSON("search", search, &sc)); err != nil {
		return 0, err
	}
	return 0, job.start(func(ctx context.Context, progress func(astroml.Progress)) (any, error) {
		sc.Progress = progress
		return moment.Search(ctx, set, cfg, s, sc)
	})
}

// MomentSearched returns the trials that a job of MomentSearch has made, best
// first, as a JSON list of train.Trial.
func MomentSearched(job *Job) (text string, err error) {
	defer guard(&err)
	trials, err := result[[]train.Trial](job)
	if err != nil {
		return "", err
	}
	return toJSON(trials)
}
