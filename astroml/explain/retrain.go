package explain

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// Fit trains a model on some columns, increasing, and returns its score on rows
// that it was not trained on, higher for a better one. It is called by several
// goroutines at once and must not keep columns.
type Fit func(ctx context.Context, columns []int, seed uint64) (score float64, err error)

// RetrainConfig holds the options of Retrain. The zero value is good.
type RetrainConfig struct {
	// Method is "drop", which leaves out each feature in turn; "keep", which
	// keeps each alone; "forward", which adds the feature that helps most, one
	// after the other; or "backward", which drops the one that is missed least.
	// The default is "drop".
	Method string `json:"method,omitempty"`
	// Steps is the number of features that "forward" adds or "backward" drops.
	// The default is as many as there are, or all but one.
	Steps int `json:"steps,omitempty"`
	// Repeats is the number of fits of each set of columns, whose mean score
	// counts. All sets get the same seeds, so that chance differs as little as
	// it can between them. The default is 1.
	Repeats int `json:"repeats,omitempty"`
	// Seed is the seed of the seeds that fits get.
	Seed uint64 `json:"seed,omitempty"`
	// Threads is the number of fits at a time. The default is the number of
	// processors. Results do not depend on it.
	Threads int `json:"threads,omitempty"`
	// Progress is told of the fits done, in Step and Steps. It may be nil.
	Progress func(astroml.Progress) `json:"-"`
}

// Trial is a set of columns and what a model of them scores.
type Trial struct {
	Columns []int   // increasing
	Feature int     // the column that was dropped, kept or added to get here
	Score   float64 // mean over repeats
	Err     float64 // its standard error, 0 if there was one fit
}

// Retraining is what Retrain found.
type Retraining struct {
	All Trial // with all columns; its Feature is -1
	// Trials has, for "drop" and "keep", one a column in their order; for
	// "forward" and "backward" one a step, of the best column.
	Trials []Trial
}

// Retrain fits a model anew with some of the columns that names name, and
// returns how its score depends on them. Unlike a Shapley value it shows what a
// model can do without a feature whose information others carry too.
//
// Equal scores go to the first column.
func Retrain(ctx context.Context, names []string, cfg RetrainConfig, fit Fit) (*Retraining, error) {
	n := len(names)
	if fit == nil {
		return nil, fmt.Errorf("explain: no function that fits")
	}
	if cfg.Steps < 0 || cfg.Repeats < 0 || cfg.Threads < 0 {
		return nil, fmt.Errorf("explain: %d steps, %d repeats, %d threads, want 0 or more", cfg.Steps, cfg.Repeats, cfg.Threads)
	}
	if cfg.Method == "" {
		cfg.Method = "drop"
	}
	steps, least, next := 1, 1, dropping
	switch cfg.Method {
	case "drop":
		least = 2
	case "keep":
		next = adding
	case "forward":
		steps, next = n, adding
	case "backward":
		steps, least = n-1, 2
	default:
		return nil, fmt.Errorf("explain: method %q, want drop, keep, forward or backward", cfg.Method)
	}
	if n < least {
		return nil, fmt.Errorf("explain: %d columns, %s wants at least %d: %w", n, cfg.Method, least, astroml.ErrShape)
	}
	if cfg.Steps > 0 {
		steps = min(steps, cfg.Steps)
	}
	t := newTrainer(names, cfg, fit)
	t.fits = 1
	for s := range steps {
		t.fits += n - s
	}
	all := []Trial{{Columns: t.every, Feature: -1}}
	if err := t.score(ctx, all); err != nil {
		return nil, err
	}
	out := &Retraining{All: all[0]}
	columns := t.every
	if cfg.Method == "keep" || cfg.Method == "forward" {
		columns = nil
	}
	for range steps {
		trials := next(columns, n)
		if err := t.score(ctx, trials); err != nil {
			return nil, err
		}
		if cfg.Method == "drop" || cfg.Method == "keep" {
			out.Trials = trials
			break
		}
		best := trials[0]
		for _, trial := range trials {
			if trial.Score > best.Score {
				best = trial
			}
		}
		out.Trials = append(out.Trials, best)
		columns = best.Columns
	}
	return out, nil
}

// dropping returns a trial without each of columns.
func dropping(columns []int, _ int) []Trial {
	trials := make([]Trial, len(columns))
	for i, c := range columns {
		trials[i] = Trial{Columns: slices.Delete(slices.Clone(columns), i, i+1), Feature: c}
	}
	return trials
}

// adding returns a trial with each of 0 to n-1 that is not among columns.
func adding(columns []int, n int) []Trial {
	var trials []Trial
	for c := range n {
		if at, found := slices.BinarySearch(columns, c); !found {
			trials = append(trials, Trial{Columns: slices.Insert(slices.Clone(columns), at, c), Feature: c})
		}
	}
	return trials
}

// trainer fits and keeps count.
type trainer struct {
	names []string
	every []int
	fit   Fit
	cfg   RetrainConfig
	seeds []uint64
	fits  int // in all

	mutex sync.Mutex
	done  int
}

func newTrainer(names []string, cfg RetrainConfig, fit Fit) *trainer {
	t := &trainer{names: names, fit: fit, cfg: cfg}
	for i := range names {
		t.every = append(t.every, i)
	}
	for i := range max(1, cfg.Repeats) {
		t.seeds = append(t.seeds, rng.New(cfg.Seed, "retrain", i).Uint64())
	}
	return t
}

// score fits the columns of trials and writes what they score.
func (t *trainer) score(ctx context.Context, trials []Trial) error {
	repeats := len(t.seeds)
	scores := make([]float64, len(trials)*repeats)
	err := overTasks(ctx, len(scores), t.cfg.Threads, func(ctx context.Context, i int) error {
		columns := trials[i/repeats].Columns
		v, err := t.fit(ctx, slices.Clone(columns), t.seeds[i%repeats])
		if err != nil {
			return err
		}
		if v-v != 0 {
			return fmt.Errorf("explain: the score with %s is %g, want a finite number", t.list(columns), v)
		}
		scores[i] = v
		t.report()
		return nil
	})
	if err != nil {
		return err
	}
	for i := range trials {
		mean, variance := make([]float64, 1), make([]float64, 1)
		average(scores[i*repeats:(i+1)*repeats], mean, variance)
		trials[i].Score, trials[i].Err = mean[0], math.Sqrt(variance[0])
	}
	return nil
}

// list names columns.
func (t *trainer) list(columns []int) string {
	words := make([]string, len(columns))
	for i, c := range columns {
		words[i] = t.names[c]
	}
	return strings.Join(words, ", ")
}

func (t *trainer) report() {
	if t.cfg.Progress == nil {
		return
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.done++
	t.cfg.Progress(astroml.Progress{Stage: "retrain", Step: t.done, Steps: t.fits * len(t.seeds), Loss: math.NaN(), Valid: math.NaN()})
}
