package train

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"slices"
	"sync"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/atomicfile"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
)

// SearchConfig holds the options of Search. The zero value is good.
type SearchConfig struct {
	// Trials is the number of options tried. The default is 30.
	Trials int `json:"trials,omitempty"`
	// Seed is the seed of the options drawn.
	Seed uint64 `json:"seed,omitempty"`
	// Method is "random", which trains each trial for all Epochs (Bergstra &
	// Bengio 2012, JMLR 13, 281), or "halving", successive halving, which
	// spends them on trials that have shown themselves good. The default is
	// random.
	Method string `json:"method,omitempty"`
	// Epochs is how long a trial is trained; with halving, on the last rung.
	// The default is 30.
	Epochs int `json:"epochs,omitempty"`
	// Eta is the factor by which, from rung to rung of halving, epochs grow and
	// trials become fewer. The default is 3. There are as many rungs as leave
	// the first one an epoch and the last one a trial: by default 30 trials of 1
	// epoch, 10 of 3, 3 of 10 and 1 of 30, in all 120 epochs where a random
	// search takes 900.
	Eta int `json:"eta,omitempty"`
	// Threads is the number of trials under way at once, which changes nothing
	// in the result. The default is 1: a training run is parallel already.
	Threads int `json:"threads,omitempty"`
	// Checkpoint is the path of a JSON file that keeps the search after each
	// trial. A search that finds it goes on with it. The default is none.
	Checkpoint string `json:"checkpoint,omitempty"`
	// Digest says what is tried, on what: a checkpoint of anything else is
	// refused.
	Digest string `json:"-"`
	// Progress is called after each trial, one call at a time: Step of Steps
	// trainings are done, Loss is the last one's and Valid the least so far. It
	// may be nil.
	Progress func(astroml.Progress) `json:"-"`
}

func (c *SearchConfig) defaults() error {
	for _, o := range []struct {
		name         string
		value        *int
		usual, least int
	}{{"trials", &c.Trials, 30, 1}, {"epochs", &c.Epochs, 30, 1}, {"eta", &c.Eta, 3, 2}, {"threads", &c.Threads, 1, 1}} {
		if *o.value == 0 {
			*o.value = o.usual
		}
		if *o.value < o.least {
			return fmt.Errorf("train: %s %d, want %d or more", o.name, *o.value, o.least)
		}
	}
	if c.Method == "" {
		c.Method = "random"
	}
	if c.Method != "random" && c.Method != "halving" {
		return fmt.Errorf("train: method %q, want random or halving", c.Method)
	}
	return nil
}

// Search tries options drawn from a space and returns the trials, best first:
// those that did not diverge before those that did, higher rungs before lower
// ones, then by loss, then by number. Of each trial it returns the last
// training.
//
// Trial i depends on the seed and i only. All are trained for the same number
// of epochs, or by successive halving (Jamieson & Talwalkar 2016,
// arXiv:1502.07943; the most aggressive bracket of Li et al. 2018,
// arXiv:1603.06560): on each rung the best 1/Eta of the trials go on to the
// next, where they are trained Eta times as long. We train them anew, since the
// step size follows the number of epochs.
//
// Evaluate trains with t.Options for so many epochs and returns the loss, the
// smaller the better; held-out, or there is nothing to be learnt from it. It
// must depend on the trial and on epochs alone, and is called from several
// goroutines if there are Threads. A trial whose loss is not finite, or whose
// error is astroml.ErrDiverged, has lost and the search goes on; any other error
// ends it. If ctx ends Search returns its error.
func Search(ctx context.Context, space Space, cfg SearchConfig, evaluate func(ctx context.Context, t Trial, epochs int) (loss float64, err error)) ([]Trial, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	if err := space.check(); err != nil {
		return nil, err
	}
	s := &search{space: space, cfg: cfg, evaluate: evaluate, done: map[place]Trial{}, least: math.NaN()}
	s.plan()
	if err := s.resume(); err != nil {
		return nil, err
	}
	if err := s.save(); err != nil { // a path that cannot be written should show before hours of work
		return nil, err
	}
	workers := kernel.NewWorkers(min(cfg.Threads, cfg.Trials))
	defer workers.Close()
	trials := make([]Trial, cfg.Trials)
	climbing := make([]int, cfg.Trials)
	for i := range climbing {
		climbing[i] = i
	}
	for rung := range s.rungs {
		if err := s.climb(ctx, workers, rung, climbing); err != nil {
			return nil, err
		}
		for _, number := range climbing {
			trials[number] = s.done[place{rung, number}]
		}
		climbing = s.best(rung, climbing)
	}
	slices.SortFunc(trials, better)
	return trials, nil
}

// better orders trials as Search returns them.
func better(a, b Trial) int {
	if lost := math.IsInf(a.Loss, 1); lost != math.IsInf(b.Loss, 1) {
		if lost {
			return 1
		}
		return -1
	}
	return cmp.Or(cmp.Compare(b.Rung, a.Rung), cmp.Compare(a.Loss, b.Loss), cmp.Compare(a.Number, b.Number))
}

// place is where a training stands in a search.
type place struct{ rung, number int }

// rung is a step of successive halving; a random search has one.
type rung struct{ trials, epochs int }

type search struct {
	space    Space
	cfg      SearchConfig
	evaluate func(context.Context, Trial, int) (float64, error)
	rungs    []rung
	steps    int // trainings, at most

	mu    sync.Mutex // of what follows
	done  map[place]Trial
	least float64 // loss so far, or NaN
	err   error
}

// plan lays out the rungs.
func (s *search) plan() {
	eta := s.cfg.Eta
	epochs := []int{s.cfg.Epochs} // of the last rung, the one before, …
	if s.cfg.Method == "halving" {
		for trials := s.cfg.Trials / eta; trials > 0 && epochs[len(epochs)-1] >= eta; trials /= eta {
			epochs = append(epochs, epochs[len(epochs)-1]/eta)
		}
	}
	slices.Reverse(epochs)
	trials := s.cfg.Trials
	for _, e := range epochs {
		s.rungs = append(s.rungs, rung{trials, e})
		s.steps += trials
		trials /= eta
	}
}

// climb trains the trials of these numbers on a rung, unless that is done.
func (s *search) climb(ctx context.Context, workers *kernel.Workers, rung int, numbers []int) error {
	var open []int
	for _, number := range numbers {
		if _, ok := s.done[place{rung, number}]; !ok {
			open = append(open, number)
		}
	}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	workers.Run(len(open), func(task, _ int) {
		if inner.Err() != nil {
			return
		}
		t := s.trial(rung, open[task])
		var err error
		t.Loss, err = s.evaluate(inner, s.trial(rung, open[task]), t.Epochs)
		if err = s.finish(t, err); err != nil {
			cancel()
		}
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.err
}

// trial returns a trial before its training on a rung.
func (s *search) trial(rung, number int) Trial {
	return Trial{Number: number, Rung: rung, Epochs: s.rungs[rung].epochs, Options: s.space.draw(s.cfg.Seed, number)}
}

// finish keeps a training, or else the first error that ends the search.
func (s *search) finish(t Trial, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case errors.Is(err, astroml.ErrDiverged):
		t.Loss, t.Error = math.Inf(1), err.Error()
	case err == nil && (math.IsNaN(t.Loss) || math.IsInf(t.Loss, 0)):
		t.Error = fmt.Sprintf("train: the loss is %g", t.Loss)
		t.Loss = math.Inf(1)
	}
	if t.Error == "" && err != nil {
		err = fmt.Errorf("train: trial %d: %w", t.Number, err)
	} else {
		s.keep(t)
		err = s.save()
	}
	if err != nil {
		if s.err == nil {
			s.err = err
		}
		return err
	}
	if s.cfg.Progress != nil {
		s.cfg.Progress(astroml.Progress{Stage: "search", Epoch: s.epochs(), Step: len(s.done), Steps: s.steps, Loss: t.Loss, Valid: s.least})
	}
	return nil
}

func (s *search) keep(t Trial) {
	s.done[place{t.Rung, t.Number}] = t
	if !(s.least <= t.Loss) && !math.IsInf(t.Loss, 1) {
		s.least = t.Loss
	}
}

// epochs returns how many have been trained in all.
func (s *search) epochs() (n int) {
	for at := range s.done {
		n += s.rungs[at.rung].epochs
	}
	return n
}

// best returns the numbers of those trials of a rung that go on to the next one,
// increasing. There are fewer than planned if too many diverged.
func (s *search) best(rung int, numbers []int) []int {
	if rung+1 == len(s.rungs) {
		return nil
	}
	var trials []Trial
	for _, number := range numbers {
		if t := s.done[place{rung, number}]; !math.IsInf(t.Loss, 1) {
			trials = append(trials, t)
		}
	}
	slices.SortFunc(trials, better)
	var out []int
	for _, t := range trials[:min(len(trials), s.rungs[rung+1].trials)] {
		out = append(out, t.Number)
	}
	slices.Sort(out)
	return out
}

// searchFile is the checkpoint of a search.
type searchFile struct {
	Search json.RawMessage   `json:"search"` // what must agree
	Trials []json.RawMessage `json:"trials"` // all trainings, by rung and number
}

// identity says what must agree for a search to be gone on with.
func (s *search) identity() ([]byte, error) {
	c := s.cfg
	c.Threads, c.Checkpoint = 0, ""
	return json.Marshal(struct {
		Digest string       `json:"digest"`
		Config SearchConfig `json:"config"`
		Space  Space        `json:"space"`
	}{c.Digest, c, s.space})
}

// save writes the checkpoint, if one is wanted.
func (s *search) save() error {
	if s.cfg.Checkpoint == "" {
		return nil
	}
	identity, err := s.identity()
	if err != nil {
		return err
	}
	f := searchFile{Search: identity, Trials: []json.RawMessage{}}
	places := slices.SortedFunc(maps.Keys(s.done), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.rung, b.rung), cmp.Compare(a.number, b.number))
	})
	for _, at := range places {
		text, err := json.Marshal(s.done[at])
		if err != nil {
			return err
		}
		f.Trials = append(f.Trials, text)
	}
	text, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return err
	}
	return atomicfile.Write(s.cfg.Checkpoint, func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
}

// resume reads the checkpoint, if there is one.
func (s *search) resume() error {
	path := s.cfg.Checkpoint
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var f searchFile
	if err := json.Unmarshal(text, &f); err != nil {
		return fmt.Errorf("train: %s: %v: %w", path, err, astroml.ErrFormat)
	}
	identity, err := s.identity()
	if err != nil {
		return err
	}
	if got := compact(f.Search); !bytes.Equal(got, identity) {
		return fmt.Errorf("train: %s is the checkpoint of another search (%s, want %s)", path, got, identity)
	}
	for i, text := range f.Trials {
		var t Trial
		if err := json.Unmarshal(text, &t); err != nil {
			return fmt.Errorf("train: %s: trial %d of the list: %v: %w", path, i, err, astroml.ErrFormat)
		}
		if t.Rung < 0 || t.Rung >= len(s.rungs) || t.Number < 0 || t.Number >= s.cfg.Trials {
			return fmt.Errorf("train: %s: rung %d of trial %d, want one of %d rungs and %d trials: %w",
				path, t.Rung, t.Number, len(s.rungs), s.cfg.Trials, astroml.ErrFormat)
		}
		// Options come from the seed, for JSON does not know an int from a
		// float64; what is read must be what would be written.
		again := s.trial(t.Rung, t.Number)
		again.Loss, again.Error = t.Loss, t.Error
		want, err := json.Marshal(again)
		if err != nil {
			return err
		}
		if got := compact(text); !bytes.Equal(got, want) {
			return fmt.Errorf("train: %s: trial %d of the list is %s, want %s: %w", path, i, got, want, astroml.ErrFormat)
		}
		s.keep(again)
	}
	return nil
}

// compact returns JSON without white space.
func compact(text []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, text) != nil {
		return text
	}
	return b.Bytes()
}
