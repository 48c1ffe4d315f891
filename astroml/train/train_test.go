package train

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
	"github.com/goastroml/goastroml/astroml/internal/rng"
	"github.com/goastroml/goastroml/astroml/nn"
)

// rings is a problem with a known answer: is a point inside of a circle?
type rings struct{ scale float32 }

func (p rings) Loss(g *nn.Graph, n int) *nn.Node {
	x := g.Input("x", n, 1, 1, 1, 2)
	one := nn.Window1D(1, 1, 0, 0)
	y := g.ConvNorm("hidden", x, one, 32, nn.He(2), true, nn.ReLU)
	y = g.Dropout(y, 0.1)
	w := g.Param("out.weight", nn.He(32), 1, 1, 1, 32, 2)
	z := g.Conv(y, w, g.Param("out.bias", nn.Constant(0), 2), nil, one, nn.Identity)
	return g.CrossEntropy(g.Reshape(z, n, 2), g.Input("t", n, 2))
}

func (p rings) Fill(input func(string) []float32, slot, i, epoch int) {
	x, t := input("x")[2*slot:2*slot+2], input("t")[2*slot:2*slot+2]
	t[0], t[1] = 0, 0
	if i < 0 {
		return
	}
	r := rng.New(9, "point", i)
	u, v := r.Float64()*2-1, r.Float64()*2-1
	x[0], x[1] = float32(u)*p.scale, float32(v)*p.scale
	inside := 0
	if math.Hypot(u, v) < 0.7 {
		inside = 1
	}
	t[inside] = 1
}

func rows(lo, hi int) (r []int) {
	for i := lo; i < hi; i++ {
		r = append(r, i)
	}
	return r
}

func weights(p *nn.Params) (out [][]float32) {
	for _, q := range p.List {
		out = append(out, q.Data)
	}
	return out
}

func TestRunLearns(t *testing.T) {
	params := nn.NewParams(1)
	h, err := Run(context.Background(), params, rings{1}, rows(0, 2000), rows(2000, 2500), Config{Epochs: 20, LearnRate: 0.01})
	if err != nil {
		t.Fatal(err)
	}
	// Chance is 0.67 nats: the disc covers 0.38 of the square.
	if best := h[len(h)-1].Valid; best > 0.15 {
		t.Errorf("held-out loss %g after %d epochs, want less than 0.15", best, len(h))
	}
}

func TestResumeEndsInTheSameBits(t *testing.T) {
	cfg := Config{Epochs: 6, BatchSize: 50, LearnRate: 0.01, Settle: 0.4} // of which two
	train, held := rows(0, 500), rows(500, 620)
	whole := nn.NewParams(1)
	want, err := Run(context.Background(), whole, rings{1}, train, held, cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, stop := range []int{1, 10, 25, 59} {
		cfg := cfg
		cfg.Checkpoint = filepath.Join(t.TempDir(), "run")
		ctx, cancel := context.WithCancel(context.Background())
		steps := 0
		cfg.Progress = func(astroml.Progress) {
			if steps++; steps == stop {
				cancel()
			}
		}
		if _, err := Run(ctx, nn.NewParams(1), rings{1}, train, held, cfg); !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped at step %d: %v", stop, err)
		}
		cfg.Workers = kernel.NewWorkers(3)
		again := nn.NewParams(1)
		got, err := Run(context.Background(), again, rings{1}, train, held, cfg)
		cfg.Workers.Close()
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(weights(again), weights(whole)) {
			t.Errorf("stopped at step %d and gone on with 3 workers: other bits than in one go", stop)
		}
	}
}

// TestSettledStatisticsStay watches the running statistics of a network.
func TestSettledStatisticsStay(t *testing.T) {
	run := func(epochs int, settle float64) []float32 {
		params := nn.NewParams(1)
		cfg := Config{Epochs: epochs, LearnRate: 0.01, Average: -1, Settle: settle}
		if _, err := Run(context.Background(), params, rings{1}, rows(0, 500), nil, cfg); err != nil {
			t.Fatal(err)
		}
		return params.Get("hidden.running").Data
	}
	first := nn.NewParams(1)
	rings{1}.Loss(nn.NewGraph(first, true), 1)
	if !slices.Equal(run(3, 1), first.Get("hidden.running").Data) {
		t.Error("settled from the start on, running statistics are not the first ones")
	}
	if slices.Equal(run(3, 0.3), run(3, 0)) {
		t.Error("settled in the last epoch, running statistics are those of a run that never settles")
	}
}

// TestTheLastWeightsAreKept asks for no averaging: the run goes the way of one
// that averages, and leaves its weights, not their mean.
func TestTheLastWeightsAreKept(t *testing.T) {
	run := func(average float64) ([]Epoch, [][]float32) {
		params := nn.NewParams(1)
		h, err := Run(context.Background(), params, rings{1}, rows(0, 500), nil, Config{Epochs: 3, LearnRate: 0.01, Average: average})
		if err != nil {
			t.Fatal(err)
		}
		return h, weights(params)
	}
	h, last := run(-1)
	same, mean := run(0.9)
	if !slices.Equal(h, same) {
		t.Errorf("losses %v, with averages %v", h, same)
	}
	if slices.Equal(last[0], mean[0]) {
		t.Error("the last weights are those of the mean")
	}
	if _, again := run(-1); !slices.Equal(last[0], again[0]) {
		t.Error("a second run leaves other weights")
	}
}

func TestRunRefuses(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other")
	if _, err := Run(context.Background(), nn.NewParams(1), rings{1}, rows(0, 100), nil, Config{Epochs: 1, Checkpoint: other}); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, "broken")
	if err := os.WriteFile(broken, []byte("not a checkpoint"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, why string
		rows      []int
		scale     float32
		cfg       Config
		want      error
	}{
		{"no rows", "there is nothing to learn from", nil, 1, Config{}, nil},
		{"another run's checkpoint", "the epochs differ", rows(0, 100), 1, Config{Epochs: 2, Checkpoint: other}, nil},
		{"broken checkpoint", "not a model file", rows(0, 100), 1, Config{Epochs: 2, Checkpoint: broken}, astroml.ErrFormat},
		{"divergence", "infinite inputs", rows(0, 100), float32(math.Inf(1)), Config{}, astroml.ErrDiverged},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Run(context.Background(), nn.NewParams(1), rings{c.scale}, c.rows, nil, c.cfg)
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%s: error %v, want %v", c.why, err, c.want)
			}
		})
	}
}
