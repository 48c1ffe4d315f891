package explain

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/goastroml/goastroml/astroml"
)

// ShapleyConfig holds the options of Shapley. The zero value is good.
type ShapleyConfig struct {
	// Method is "exact", which asks for all 2^features coalitions, at most 20
	// features; "kernel", a least-squares fit to some of them; or
	// "permutation", walks that learn one feature after the other. The default
	// is "exact" up to 12 features, else "permutation", which has no bias at
	// any budget. The kernel's is of second order; at the same budget its errors
	// were half as large for random networks of 10 to 17 features.
	Method string `json:"method,omitempty"`
	// Budget is the number of coalitions whose value a sampled method asks for,
	// a row; each costs an evaluation a row of the background. The default is
	// 2·features + 2048, or what two pairs of walks need if that is more.
	Budget int `json:"budget,omitempty"`
	// Groups are sets of features that become known together, such as those that
	// say much the same: they share one value. Each feature is in one of them.
	// What is said of features and their number is then said of groups. They
	// want an interventional background. The default is one group a feature.
	Groups [][]int `json:"groups,omitempty"`
	// Seed is the seed of what is sampled.
	Seed uint64 `json:"seed,omitempty"`
	// Threads is the number of goroutines that call the model. The default is
	// the number of processors. Results do not depend on it.
	Threads int `json:"threads,omitempty"`
	// Progress is told of the masked rows evaluated, in Step and Steps. It may
	// be nil.
	Progress func(astroml.Progress) `json:"-"`
}

// Attribution is what an answer is made of: for each row and output the Values
// of the features sum to Predicted - Base, those of ExpectedGradients nearly.
type Attribution struct {
	Values    []float64 // n × features × outputs, or n × groups × outputs
	Err       []float64 // their standard errors, 0 where nothing was sampled
	Base      []float64 // n × outputs, expected with nothing known
	Predicted []float64 // n × outputs, with all features known
}

// newAttribution returns one of n rows, to be filled.
func newAttribution(n, features, outputs int) *Attribution {
	return &Attribution{
		Values: make([]float64, n*features*outputs), Err: make([]float64, n*features*outputs),
		Base: make([]float64, n*outputs), Predicted: make([]float64, n*outputs),
	}
}

// Shapley returns the Shapley values (Shapley 1953; Lundberg & Lee 2017,
// arXiv:1705.07874, equation 8) of the rows of x, n × features, for a model with
// so many outputs: how much each feature adds to the answer when it becomes
// known, averaged over all orders in which features can become known. Features
// that are not known are those of the background.
func Shapley(ctx context.Context, f Func, x []float64, features, outputs int, b *Background, cfg ShapleyConfig) (*Attribution, error) {
	if f == nil {
		return nil, fmt.Errorf("explain: no model")
	}
	p, err := newPlan(x, features, outputs, b, cfg)
	if err != nil {
		return nil, err
	}
	var mutex sync.Mutex
	done := 0
	report := func(rows int) {
		if cfg.Progress != nil {
			mutex.Lock()
			defer mutex.Unlock()
			done += rows
			cfg.Progress(astroml.Progress{Stage: "explain", Step: done, Steps: p.evaluations(), Loss: math.NaN(), Valid: math.NaN()})
		}
	}
	if err := newRun(p, -1, 0).play(ctx, f, report); err != nil {
		return nil, err
	}
	// Tasks of about a chunk: their size must not depend on Threads, lest a
	// model that answers many rows otherwise than few show it.
	rows := max(1, p.limit/p.evaluationsOfRow())
	var spare sync.Pool // of runs, for their memory
	err = overTasks(ctx, (p.n+rows-1)/rows, cfg.Threads, func(ctx context.Context, i int) error {
		r, ok := spare.Get().(*run)
		if !ok {
			r = newRun(p, 0, 0)
		}
		r.next.row, r.end = i*rows, min((i+1)*rows, p.n)
		if err := r.play(ctx, f, report); err != nil {
			return err
		}
		spare.Put(r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p.out, nil
}
