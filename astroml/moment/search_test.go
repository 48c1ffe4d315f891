package moment

import (
	"context"
	"encoding/json"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/rng"
	"github.com/goastroml/goastroml/astroml/train"
)

// linear returns n rows of three features, of which a parameter is a linear
// function but for some noise.
func linear(n int) Set {
	random := rng.New(1, "line")
	s := Set{X: astroml.Array{Shape: []int{n, 3}}, Theta: astroml.Array{Shape: []int{n, 1}}}
	for range n {
		a, b, c := random.NormFloat64(), random.NormFloat64(), random.NormFloat64()
		s.X.Data = append(s.X.Data, float32(a), float32(b), float32(c))
		s.Theta.Data = append(s.Theta.Data, float32(2*a-b+0.1*random.NormFloat64()))
	}
	return s
}

func TestSearch(t *testing.T) {
	set := linear(120)
	space := train.Space{
		"hidden":     {Low: 2, High: 16, Log: true, Integer: true},
		"learn_rate": {Low: 1e-5, High: 1e-2, Log: true},
		"inputs":     {Choices: []any{"linear", "asinh"}},
	}
	cfg := Config{Layers: 1, Dropout: -1, BatchSize: 16}
	var seen []astroml.Progress
	sc := train.SearchConfig{Trials: 4, Epochs: 3, Seed: 2, Progress: func(p astroml.Progress) { seen = append(seen, p) }}
	trials, err := Search(context.Background(), set, cfg, space, sc)
	if err != nil {
		t.Fatal(err)
	}
	if len(trials) != 4 || len(seen) != 4 || seen[3].Step != 4 || seen[3].Valid != trials[0].Loss {
		t.Errorf("%d trials, %d calls of progress, want 4 and 4: %v", len(trials), len(seen), seen)
	}
	for i, trial := range trials {
		if math.IsInf(trial.Loss, 0) || i > 0 && trial.Loss < trials[i-1].Loss {
			t.Errorf("trial %d has loss %g, after %g", i, trial.Loss, trials[max(0, i-1)].Loss)
		}
	}

	// The best options, trained by hand, have the same loss.
	best, err := cfg.with(trials[0].Options)
	if err != nil {
		t.Fatal(err)
	}
	best.Folds, best.Epochs, best.Patience = 1, 3, -1
	n, err := Train(context.Background(), set, best, nil)
	if err != nil {
		t.Fatal(err)
	}
	least := math.Inf(1)
	for _, e := range n.History()[0] {
		least = min(least, e.Valid)
	}
	if least != trials[0].Loss {
		t.Errorf("trained by hand, the best trial has loss %g, want %g", least, trials[0].Loss)
	}

	// Nothing depends on goroutines, or on being stopped.
	path := filepath.Join(t.TempDir(), "search")
	sc.Checkpoint, sc.Progress = path, nil
	ctx, cancel := context.WithCancel(context.Background())
	sc.Progress = func(p astroml.Progress) {
		if p.Step == 2 {
			cancel()
		}
	}
	cfg.Threads = 1
	if _, err := Search(ctx, set, cfg, space, sc); err != context.Canceled {
		t.Fatalf("error %v, want that of the context", err)
	}
	cfg.Threads, sc.Progress = 2, nil
	again, err := Search(context.Background(), set, cfg, space, sc)
	if err != nil || !reflect.DeepEqual(again, trials) {
		t.Errorf("gone on with: %v, %v, want %v", again, err, trials)
	}
	set.X.Data[0]++
	if _, err := Search(context.Background(), set, cfg, space, sc); err == nil || !strings.Contains(err.Error(), "checkpoint of another search") {
		t.Errorf("other data: error %v", err)
	}
}

func TestSearchErrors(t *testing.T) {
	good := train.Space{"hidden": {Low: 2, High: 4, Integer: true}}
	for _, c := range []struct {
		name, why string
		space     train.Space
		change    func(*Set, *Config)
		want      string
	}{
		{"no space", "", nil, nil, "a space without options"},
		{"epochs", "the search's own", train.Space{"epochs": {Low: 1, High: 2}}, nil, `option "epochs" cannot be searched`},
		{"covariance", "the second stage is not trained", train.Space{"covariance": {Choices: []any{true, false}}}, nil, `option "covariance" cannot be searched`},
		{"loss", "losses of several kinds cannot be compared", train.Space{"loss": {Choices: []any{"camels"}}}, nil, `option "loss" cannot be searched`},
		{"unknown", "before the first training", train.Space{"hiden": {Low: 1, High: 2}}, nil, `unknown field "hiden"`},
		{"kind", "a number with a fraction", train.Space{"hidden": {Low: 2.1, High: 2.2}}, nil, "hidden"},
		{"value", "Train's own error", train.Space{"hidden": {Low: -2, High: -1, Integer: true}}, nil, "hidden -"},
		{"folds", "", good, func(s *Set, _ *Config) { s.Folds = make([]int, 20) }, "folds given"},
		{"set", "", good, func(s *Set, _ *Config) { s.Groups = []int{1} }, "1 groups for 20 rows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			set, cfg := linear(20), Config{Layers: 1}
			if c.change != nil {
				c.change(&set, &cfg)
			}
			_, err := Search(context.Background(), set, cfg, c.space, train.SearchConfig{Trials: 1, Epochs: 1})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestConfigWith(t *testing.T) {
	cfg := Config{Hidden: 3, Bounds: [][2]float64{{0, 1}}}
	got, err := cfg.with(map[string]any{"layers": 2, "learn_rate": 0.5, "bounds": [][2]float64{{0, 2}}, "hidden": nil})
	if err != nil {
		t.Fatal(err)
	}
	want := Config{Hidden: 3, Layers: 2, LearnRate: 0.5, Bounds: [][2]float64{{0, 2}}}
	if !reflect.DeepEqual(got, want) || cfg.Bounds[0][1] != 1 {
		a, _ := json.Marshal(got)
		t.Errorf("%s, and %v of the old ones", a, cfg.Bounds)
	}
}
