package train_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
	"github.com/goastroml/goastroml/astroml/internal/rng"
	"github.com/goastroml/goastroml/astroml/train"
)

// bowl is a loss with its minimum at a learn rate of 0.003 and two layers. It
// falls with epochs, and diverges where the learn rate is large.
func bowl(_ context.Context, t train.Trial, epochs int) (float64, error) {
	rate := t.Options["learn_rate"].(float64)
	if rate > 0.05 {
		return 0, fmt.Errorf("learn rate %.3g: %w", rate, astroml.ErrDiverged)
	}
	d := math.Log10(rate / 0.003)
	return d*d + math.Abs(float64(t.Options["layers"].(int)-2))/4 + 1/float64(epochs), nil
}

func TestSearchFinds(t *testing.T) {
	for _, method := range []string{"random", "halving"} {
		cfg := train.SearchConfig{Trials: 200, Seed: 1, Method: method}
		trials, err := train.Search(context.Background(), space(), cfg, bowl)
		if err != nil {
			t.Fatal(err)
		}
		// One of five has two layers, and of those 40 the best should lie within
		// a tenth of the four decades.
		best := trials[0]
		if rate := best.Options["learn_rate"].(float64); best.Options["layers"] != 2 || math.Abs(math.Log10(rate/0.003)) > 0.4 || best.Epochs != 30 {
			t.Errorf("%s: best trial %+v", method, best)
		}
		if len(trials) != 200 {
			t.Errorf("%s: %d trials, want 200", method, len(trials))
		}
	}
}

func TestSearchThreadsChangeNothing(t *testing.T) {
	for _, method := range []string{"random", "halving"} {
		var want []train.Trial
		for _, threads := range []int{1, 3, 8} {
			cfg := train.SearchConfig{Trials: 40, Seed: 3, Method: method, Threads: threads}
			got, err := train.Search(context.Background(), space(), cfg, bowl)
			if err != nil {
				t.Fatal(err)
			}
			if want == nil {
				want = got
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %d threads give another table than one", method, threads)
			}
		}
	}
}

// TestSearchHalves follows the trainings from rung to rung.
func TestSearchHalves(t *testing.T) {
	type rung struct{ trials, epochs int }
	for _, test := range []struct {
		name, why           string
		trials, epochs, eta int
		want                []rung
	}{
		{"defaults", "as the comment of Eta says", 0, 0, 0, []rung{{30, 1}, {10, 3}, {3, 10}, {1, 30}}},
		{"few epochs", "the first rung has one", 27, 4, 2, []rung{{27, 1}, {13, 2}, {6, 4}}},
		{"few trials", "the last rung has one", 3, 100, 2, []rung{{3, 50}, {1, 100}}},
		{"one trial", "there is nothing to choose", 1, 100, 2, []rung{{1, 100}}},
		{"one epoch", "it cannot be divided", 5, 1, 2, []rung{{5, 1}}},
		{"powers", "nothing is rounded", 16, 64, 4, []rung{{16, 4}, {4, 16}, {1, 64}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []rung
			var seen []astroml.Progress
			cfg := train.SearchConfig{Seed: 1, Method: "halving", Trials: test.trials, Epochs: test.epochs, Eta: test.eta,
				Progress: func(p astroml.Progress) { seen = append(seen, p) }}
			loss := func(number int) float64 { return math.Abs(float64(number) - 7.2) }
			trials, err := train.Search(context.Background(), space(), cfg, func(_ context.Context, trial train.Trial, epochs int) (float64, error) {
				if epochs != trial.Epochs {
					t.Errorf("%d epochs, the trial says %d", epochs, trial.Epochs)
				}
				for len(got) <= trial.Rung {
					got = append(got, rung{})
				}
				got[trial.Rung].trials++
				got[trial.Rung].epochs = epochs
				return loss(trial.Number), nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("%s: rungs %v, want %v", test.why, got, test.want)
			}
			steps, epochs := 0, 0
			for _, r := range test.want {
				steps, epochs = steps+r.trials, epochs+r.trials*r.epochs
			}
			last := seen[len(seen)-1]
			if len(seen) != steps || last.Stage != "search" || last.Step != steps || last.Steps != steps || last.Epoch != epochs || last.Valid != trials[0].Loss {
				t.Errorf("%d times progress, last %+v, want %d steps of %d epochs in all", len(seen), last, steps, epochs)
			}
			for i := 1; i < len(trials); i++ {
				a, b := trials[i-1], trials[i]
				if a.Rung < b.Rung || a.Rung == b.Rung && a.Loss > b.Loss {
					t.Errorf("trial %+v stands before %+v", a, b)
				}
				// With a loss that does not change from rung to rung, the best go up.
				if a.Rung > b.Rung && loss(a.Number) > loss(b.Number) {
					t.Errorf("trial %d went up, %d did not", a.Number, b.Number)
				}
			}
		})
	}
}

func TestSearchDiverges(t *testing.T) {
	nan := math.NaN()
	losses := []float64{3, nan, 1, math.Inf(-1), 2, nan, nan, math.Inf(1), 4}
	evaluate := func(_ context.Context, t train.Trial, epochs int) (float64, error) {
		if t.Number == 2 && t.Rung == 1 {
			return 0, fmt.Errorf("the last but not the best: %w", astroml.ErrDiverged)
		}
		return losses[t.Number], nil
	}
	for _, test := range []struct {
		method  string
		numbers []int // in order; those that diverged last
		finite  int
	}{
		{"random", []int{2, 4, 0, 8, 1, 3, 5, 6, 7}, 4},
		// Three of the four that did not diverge go up, of which trial 2 diverges
		// there; trial 4 is the best of the last rung.
		{"halving", []int{4, 0, 8, 2, 1, 3, 5, 6, 7}, 3},
	} {
		var seen []astroml.Progress
		cfg := train.SearchConfig{Trials: len(losses), Method: test.method, Progress: func(p astroml.Progress) { seen = append(seen, p) }}
		trials, err := train.Search(context.Background(), space(), cfg, evaluate)
		if err != nil {
			t.Fatal(err)
		}
		for i, trial := range trials {
			if trial.Number != test.numbers[i] {
				t.Errorf("%s: place %d has trial %d, want %d", test.method, i, trial.Number, test.numbers[i])
			}
			if lost := math.IsInf(trial.Loss, 1); lost != (i >= test.finite) || lost != (trial.Error != "") {
				t.Errorf("%s: loss %g, error %q in place %d", test.method, trial.Loss, trial.Error, i)
			}
		}
		if last := seen[len(seen)-1]; last.Valid != 1 {
			t.Errorf("%s: the least loss is %g, want 1", test.method, last.Valid)
		}
	}
	all := func(context.Context, train.Trial, int) (float64, error) { return nan, nil }
	trials, err := train.Search(context.Background(), space(), train.SearchConfig{Trials: 9, Method: "halving"}, all)
	if err != nil || trials[0].Error != "train: the loss is NaN" {
		t.Errorf("all diverge: best %+v (%v)", trials[0], err)
	}
}

func TestSearchResumes(t *testing.T) {
	for _, method := range []string{"random", "halving"} {
		dir := t.TempDir()
		cfg := train.SearchConfig{Trials: 12, Seed: 5, Method: method, Digest: "bowl", Checkpoint: filepath.Join(dir, "whole")}
		trainings := 0
		want, err := train.Search(context.Background(), space(), cfg, func(ctx context.Context, t train.Trial, epochs int) (float64, error) {
			trainings++
			return bowl(ctx, t, epochs)
		})
		if err != nil {
			t.Fatal(err)
		}
		whole, err := os.ReadFile(cfg.Checkpoint)
		if err != nil {
			t.Fatal(err)
		}
		for stop := range trainings {
			cfg := cfg
			cfg.Checkpoint = filepath.Join(dir, fmt.Sprint("stopped", stop))
			ctx, cancel := context.WithCancel(context.Background())
			n := 0
			_, err := train.Search(ctx, space(), cfg, func(ctx context.Context, t train.Trial, epochs int) (float64, error) {
				if n++; n > stop {
					cancel()
					return 0, fmt.Errorf("a training: %w", ctx.Err())
				}
				return bowl(ctx, t, epochs)
			})
			if err != context.Canceled {
				t.Fatalf("%s, stopped in training %d: %v", method, stop, err)
			}
			cfg.Threads = 1 + stop%3
			var mu sync.Mutex
			rest := 0
			got, err := train.Search(context.Background(), space(), cfg, func(ctx context.Context, t train.Trial, epochs int) (float64, error) {
				mu.Lock()
				rest++
				mu.Unlock()
				return bowl(ctx, t, epochs)
			})
			if err != nil {
				t.Fatal(err)
			}
			if rest != trainings-stop || !reflect.DeepEqual(got, want) {
				t.Errorf("%s, stopped in training %d of %d: %d more to another table", method, stop, trainings, rest)
			}
			if file, err := os.ReadFile(cfg.Checkpoint); err != nil || string(file) != string(whole) {
				t.Errorf("%s, stopped in training %d: the checkpoint ends otherwise (%v)", method, stop, err)
			}
		}
	}
}

// TestSearchEndsWithAnError: another error than ErrDiverged ends the search, not
// what was done before.
func TestSearchEndsWithAnError(t *testing.T) {
	full := errors.New("no space left")
	for _, threads := range []int{1, 4} {
		cfg := train.SearchConfig{Trials: 20, Seed: 1, Threads: threads, Checkpoint: filepath.Join(t.TempDir(), "search")}
		_, err := train.Search(context.Background(), space(), cfg, func(ctx context.Context, t train.Trial, epochs int) (float64, error) {
			if t.Number == 10 {
				return 0, full
			}
			return bowl(ctx, t, epochs)
		})
		if !errors.Is(err, full) || !strings.HasPrefix(err.Error(), "train: trial 10: ") {
			t.Errorf("%d threads: error %v, want that of trial 10", threads, err)
		}
		var rest []int
		cfg.Threads = 1
		if _, err := train.Search(context.Background(), space(), cfg, func(ctx context.Context, t train.Trial, epochs int) (float64, error) {
			rest = append(rest, t.Number)
			return bowl(ctx, t, epochs)
		}); err != nil {
			t.Fatal(err)
		}
		if rest[0] > 10 || len(rest) > 10+threads {
			t.Errorf("%d threads: trials %v were done again", threads, rest)
		}
	}
}

// TestSearchCancels: trainings under way see that ctx has ended, and so do those
// beside one that failed.
func TestSearchCancels(t *testing.T) {
	full := errors.New("no space left")
	for _, test := range []struct {
		name   string
		failed error
	}{{"by the caller", context.Canceled}, {"by an error", full}} {
		ctx, cancel := context.WithCancel(context.Background())
		_, err := train.Search(ctx, space(), train.SearchConfig{Threads: 2}, func(ctx context.Context, t train.Trial, epochs int) (float64, error) {
			if t.Number == 1 {
				if test.failed == full {
					return 0, full
				}
				cancel()
			}
			<-ctx.Done()
			return 0, ctx.Err()
		})
		if !errors.Is(err, test.failed) {
			t.Errorf("%s: error %v, want %v", test.name, err, test.failed)
		}
		cancel()
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := train.Search(ctx, space(), train.SearchConfig{}, nil); err != context.Canceled {
		t.Errorf("before the first training: error %v", err)
	}
}

func TestSearchPanics(t *testing.T) {
	defer func() {
		if p, ok := recover().(*kernel.TaskPanic); !ok || p.Value != "on purpose" {
			t.Errorf("recovered %v, want the panic of a training", p)
		}
	}()
	train.Search(context.Background(), space(), train.SearchConfig{Threads: 2}, func(context.Context, train.Trial, int) (float64, error) { panic("on purpose") })
}

func TestSearchRefuses(t *testing.T) {
	options := func(s string) (out train.Space) {
		if err := json.Unmarshal([]byte(s), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	good := options(`{"rate": {"low": 1e-5, "high": 1e-2, "log": true}}`)
	for _, test := range []struct {
		space train.Space
		cfg   train.SearchConfig
		want  string
	}{
		{nil, train.SearchConfig{}, `train: a space without options`},
		{options(`{"layers": {"low": 5, "high": 1}, "rate": {}}`), train.SearchConfig{}, `train: range of "layers": low 5, high 1, want low no larger than high`},
		{options(`{"layers": {}}`), train.SearchConfig{}, `train: range of "layers": neither numbers nor choices`},
		{options(`{"layers": {"choices": []}}`), train.SearchConfig{}, `train: range of "layers": neither numbers nor choices`},
		{options(`{"layers": {"low": 1, "high": 2.5, "integer": true}}`), train.SearchConfig{}, `train: range of "layers": low 1, high 2.5, want whole numbers`},
		{options(`{"layers": {"low": 1, "high": 1e16, "integer": true}}`), train.SearchConfig{}, `train: range of "layers": low 1, high 1e+16, want whole numbers`},
		{options(`{"rate": {"high": 1, "log": true}}`), train.SearchConfig{}, `train: range of "rate": low 0, high 1, want low above 0 for a logarithm`},
		{options(`{"loss": {"choices": ["a"], "high": 1}}`), train.SearchConfig{}, `train: range of "loss": choices and numbers, want one of them`},
		{train.Space{"rate": {Low: 1, High: math.Inf(1)}}, train.SearchConfig{}, `train: range of "rate": low 1, high +Inf, want finite numbers`},
		{train.Space{"rate": {Low: math.NaN(), High: 1}}, train.SearchConfig{}, `train: range of "rate": low NaN, high 1, want finite numbers`},
		{train.Space{"loss": {Choices: []any{1, math.NaN()}}}, train.SearchConfig{}, `train: range of "loss": choice 1: json: unsupported value: NaN`},
		{good, train.SearchConfig{Trials: -1}, `train: trials -1, want 1 or more`},
		{good, train.SearchConfig{Epochs: -1}, `train: epochs -1, want 1 or more`},
		{good, train.SearchConfig{Eta: 1}, `train: eta 1, want 2 or more`},
		{good, train.SearchConfig{Threads: -1}, `train: threads -1, want 1 or more`},
		{good, train.SearchConfig{Method: "grid"}, `train: method "grid", want random or halving`},
	} {
		if _, err := train.Search(context.Background(), test.space, test.cfg, nil); err == nil || err.Error() != test.want {
			t.Errorf("error  %v\nwant   %s", err, test.want)
		}
	}
	nowhere := train.SearchConfig{Checkpoint: filepath.Join(t.TempDir(), "none", "search")}
	if _, err := train.Search(context.Background(), good, nowhere, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such folder: error %v before the first training, want ErrNotExist", err)
	}
}

func TestSearchRefusesCheckpoints(t *testing.T) {
	cfg := train.SearchConfig{Trials: 4, Seed: 1, Method: "halving", Checkpoint: filepath.Join(t.TempDir(), "search")}
	if _, err := train.Search(context.Background(), space(), cfg, bowl); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(cfg.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) string {
		out := strings.Replace(string(text), old, new, 1)
		if out == string(text) {
			t.Fatalf("the checkpoint has no %s", old)
		}
		return out
	}
	for _, test := range []struct {
		name, file string
		change     func(*train.SearchConfig, train.Space)
		format     bool
		want       string
	}{
		{"seed", string(text), func(c *train.SearchConfig, _ train.Space) { c.Seed = 2 }, false, "another search"},
		{"trials", string(text), func(c *train.SearchConfig, _ train.Space) { c.Trials = 5 }, false, "another search"},
		{"method", string(text), func(c *train.SearchConfig, _ train.Space) { c.Method = "random" }, false, "another search"},
		{"epochs", string(text), func(c *train.SearchConfig, _ train.Space) { c.Epochs = 31 }, false, "another search"},
		{"digest", string(text), func(c *train.SearchConfig, _ train.Space) { c.Digest = "other data" }, false, "another search"},
		{"space", string(text), func(_ *train.SearchConfig, s train.Space) { s["layers"] = train.Range{Low: 1, High: 6, Integer: true} }, false, "another search"},
		{"empty", "", nil, true, "unexpected end"},
		{"cut", string(text[:len(text)/2]), nil, true, "unexpected end"},
		{"another file", "{}", nil, false, "another search"},
		{"no trial", replace(`"number": 0`, `"number": 4`), nil, true, "rung 0 of trial 4"},
		{"no rung", replace(`"rung": 1`, `"rung": 2`), nil, true, "rung 2 of trial"},
		{"other options", replace(`"options": {`, `"options": {"depth": 1,`), nil, true, "want {"},
		{"other epochs", replace(`"epochs": 10,`, `"epochs": 20,`), nil, true, "want {"},
		{"words for a loss", replace(`"loss": `, `"loss": "`), nil, true, "invalid"},
		{"null", replace(`"trials": [`, `"trials": [null,`), nil, true, "want {"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, s := cfg, space()
			c.Checkpoint = filepath.Join(t.TempDir(), "search")
			if err := os.WriteFile(c.Checkpoint, []byte(test.file), 0o666); err != nil {
				t.Fatal(err)
			}
			if test.change != nil {
				test.change(&c, s)
			}
			_, err := train.Search(context.Background(), s, c, bowl)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), c.Checkpoint) || errors.Is(err, astroml.ErrFormat) != test.format {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if after, err := os.ReadFile(c.Checkpoint); err != nil || string(after) != test.file {
				t.Errorf("the file that was refused is another now (%v)", err)
			}
		})
	}
}

// FuzzSearchCheckpoint: whatever the file holds, the search goes on with it or
// returns an error.
func FuzzSearchCheckpoint(f *testing.F) {
	one := train.Space{"rate": {Low: 1e-5, High: 1e-2, Log: true}}
	cfg := train.SearchConfig{Trials: 3, Epochs: 3, Method: "halving"}
	evaluate := func(_ context.Context, t train.Trial, _ int) (float64, error) {
		return rng.New(1, "loss", t.Number).NormFloat64(), nil
	}
	cfg.Checkpoint = filepath.Join(f.TempDir(), "search")
	want, err := train.Search(context.Background(), one, cfg, evaluate)
	if err != nil {
		f.Fatal(err)
	}
	text, err := os.ReadFile(cfg.Checkpoint)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg := cfg
		cfg.Checkpoint = filepath.Join(t.TempDir(), "search")
		if err := os.WriteFile(cfg.Checkpoint, text, 0o666); err != nil {
			t.Fatal(err)
		}
		got, err := train.Search(context.Background(), one, cfg, evaluate)
		if err == nil && len(got) != len(want) {
			t.Errorf("%d trials, want %d", len(got), len(want))
		}
	})
}

func ExampleSearch() {
	space := train.Space{
		"learn_rate": {Low: 1e-5, High: 1e-1, Log: true},
		"layers":     {Low: 1, High: 5, Integer: true},
		"loss":       {Choices: []any{"camels", "gaussian"}},
	}
	cfg := train.SearchConfig{Seed: 1, Method: "halving"}
	// In earnest: a training of so many epochs, and its held-out loss.
	evaluate := func(_ context.Context, t train.Trial, epochs int) (float64, error) {
		d := math.Log10(t.Options["learn_rate"].(float64) / 1e-3)
		return d*d + 1/float64(epochs), nil
	}
	trials, err := train.Search(context.Background(), space, cfg, evaluate)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, t := range trials[:3] {
		fmt.Printf("trial %2d: %.4f after %d epochs, learn rate %.2g\n", t.Number, t.Loss, t.Epochs, t.Options["learn_rate"])
	}
	// Output:
	// trial  2: 0.0345 after 30 epochs, learn rate 0.0011
	// trial  4: 0.1160 after 10 epochs, learn rate 0.0013
	// trial 27: 0.1248 after 10 epochs, learn rate 0.0014
}
