package moment

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"

	"github.com/goastroml/goastroml/astroml/model"
	"github.com/goastroml/goastroml/astroml/train"
)

// What a space may not hold: how long, on how many processors, on which rows a
// trial is trained is the search's to say; losses of other kinds, or of
// parameters scaled otherwise, cannot be compared; and trials do not come to the
// second stage of two_stage.
var fixed = []string{"epochs", "patience", "folds", "held_out", "seed", "threads", "checkpoint", "loss", "bounds", "moments", "covariance"}

// Search tries options of Train, by name as in the JSON of Config, and returns
// the trials, best first: see train.Search. Each trial trains with the options
// of cfg and its own, with 1 for Folds, for as many epochs as it is given, and
// its loss is the least held-out one. With two_stage the means alone are
// trained. All hold out the same rows, HeldOut of the groups.
//
// cfg.Threads goroutines compute, by default as many as there are processors.
// Of tables and profiles, as many trials are under way at once; of maps and
// cubes one, unless sc.Threads says otherwise. Results do not depend on either.
// sc.Digest is Search's to fill in.
func Search(ctx context.Context, set Set, cfg Config, space train.Space, sc train.SearchConfig) ([]train.Trial, error) {
	if err := set.check(); err != nil {
		return nil, err
	}
	if set.Folds != nil {
		return nil, fmt.Errorf("moment: folds given, want none: a search holds out one part of the groups")
	}
	if cfg.Threads == 0 {
		cfg.Threads = runtime.GOMAXPROCS(0)
	}
	if sc.Threads == 0 && len(set.X.Shape) < 4 {
		sc.Threads = cfg.Threads
	}
	cfg.Folds, cfg.Patience = 1, -1
	cfg.Threads, cfg.Checkpoint = max(1, cfg.Threads/max(1, sc.Threads)), ""
	for _, name := range slices.Sorted(maps.Keys(space)) {
		if slices.Contains(fixed, strings.ToLower(name)) { // as JSON takes names
			return nil, fmt.Errorf("moment: option %q cannot be searched", name)
		}
		if _, err := cfg.with(map[string]any{name: nil}); err != nil {
			return nil, err
		}
	}
	sc.Digest = set.digest() + " " + cfg.identity()
	return train.Search(ctx, space, sc, func(ctx context.Context, t train.Trial, epochs int) (float64, error) {
		c, err := cfg.with(t.Options)
		if err != nil {
			return 0, err
		}
		c.Epochs = epochs
		training, err := newTraining(set, c)
		if err != nil {
			return 0, err
		}
		n := training.n
		if err := training.stage(ctx, n.firstStage(), n.scaled(set), n.p); err != nil {
			return 0, err
		}
		least := math.Inf(1)
		for _, e := range n.History()[0] {
			least = min(least, e.Valid)
		}
		return least, nil
	})
}

// with returns the options with others, by their JSON names, in their place.
func (c Config) with(options map[string]any) (Config, error) {
	text, err := json.Marshal(options)
	if err != nil {
		return c, err
	}
	c.Bounds = slices.Clone(c.Bounds)
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, fmt.Errorf("moment: options %s: %v", text, err)
	}
	return c, nil
}

// identity says what of the options a trial's loss depends on.
func (c Config) identity() string {
	c.Threads, c.Checkpoint = 0, ""
	text, err := json.Marshal(c)
	if err != nil { // NaN, which Train refuses
		return err.Error()
	}
	return string(text)
}

// digest says what the set holds.
func (s *Set) digest() string {
	h := new(model.Hash)
	h.Ints(s.X.Shape)
	h.Float32s(s.X.Data)
	h.Float32s(s.Theta.Data)
	h.Ints([]int{len(s.Groups), len(s.Folds), len(s.Weights)})
	h.Ints(s.Groups)
	h.Ints(s.Folds)
	h.Float64s(s.Weights)
	return h.String()
}
