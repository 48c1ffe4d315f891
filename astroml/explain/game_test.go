package explain_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/explain"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

func equal(a, b *explain.Attribution) bool {
	return slices.Equal(a.Values, b.Values) && slices.Equal(a.Err, b.Err) && slices.Equal(a.Base, b.Base) && slices.Equal(a.Predicted, b.Predicted)
}

// TestSameBits: on one goroutine and on eight, asked and told, twice, and each
// row alone.
func TestSameBits(t *testing.T) {
	const m, n = 6, 12 // three rows a chunk where they are exact with 80 background rows
	r := rng.New(1, "bits test")
	x, f := normals(r, n*m), rowwise(m, perceptron(r, m), tree(r, m))
	conditional, err := explain.Conditional(make([]float64, m), covariance(r, m), 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	many := interventional(t, normals(r, 80*m), m, nil)
	for _, method := range []string{"exact", "permutation", "kernel"} {
		for name, b := range map[string]*explain.Background{"interventional": many, "conditional": conditional} {
			name = method + " " + name
			cfg := explain.ShapleyConfig{Method: method, Budget: 30, Seed: 4, Threads: 1}
			one := shapley(t, f, x, m, 2, b, cfg)
			cfg.Threads = 8
			if !equal(shapley(t, f, x, m, 2, b, cfg), one) {
				t.Errorf("%s: eight goroutines give other bits than one", name)
			}
			g, err := explain.NewShapley(x, m, 2, b, cfg)
			if err != nil {
				t.Fatal(err)
			}
			if told, _ := tell(t, g, f, m, 2); !equal(told, one) {
				t.Errorf("%s: asking and telling gives other bits", name)
			}
			alone := shapley(t, f, x[5*m:6*m], m, 2, b, cfg)
			if !slices.Equal(alone.Values, one.Values[5*m*2:6*m*2]) || !slices.Equal(alone.Err, one.Err[5*m*2:6*m*2]) {
				t.Errorf("%s: a row alone gets another answer than among others", name)
			}
			cfg.Seed = 5
			if other := shapley(t, f, x, m, 2, b, cfg); method != "exact" && slices.Equal(other.Values, one.Values) {
				t.Errorf("%s: another seed gave the same", name)
			}
		}
	}
}

// tell plays a game to its end and returns how often it asked.
func tell(t *testing.T, g *explain.Game, f explain.Func, features, outputs int) (a *explain.Attribution, chunks int) {
	t.Helper()
	evaluated := 0
	for rows := g.Rows(); rows != nil; rows = g.Rows() {
		n := len(rows) / features
		if n > 1<<14 {
			t.Errorf("got %d rows at a time, want at most %d", n, 1<<14)
		}
		y := make([]float64, n*outputs)
		if err := f(context.Background(), rows, n, y); err != nil {
			t.Fatal(err)
		}
		if err := g.Take(y); err != nil {
			t.Fatal(err)
		}
		evaluated += n
		chunks++
		if done, all := g.Evaluations(); done != evaluated || done > all {
			t.Errorf("%d of %d evaluations are done, want %d", done, all, evaluated)
		}
	}
	if done, all := g.Evaluations(); done != all {
		t.Errorf("the game is over after %d of %d evaluations", done, all)
	}
	a, err := g.Result()
	if err != nil {
		t.Fatal(err)
	}
	return a, chunks
}

// TestChunksAreFull: few features do not make for many calls.
func TestChunksAreFull(t *testing.T) {
	const m, n = 3, 5000
	r := rng.New(2, "chunks test")
	g, err := explain.NewShapley(normals(r, n*m), m, 1, interventional(t, normals(r, m), m, nil), explain.ShapleyConfig{})
	if err != nil {
		t.Fatal(err)
	}
	_, all := g.Evaluations()
	if _, chunks := tell(t, g, rowwise(m, tree(r, m)), m, 1); all != 1+n*9 || chunks != 3 {
		t.Errorf("%d rows in %d chunks, want %d in 3", all, chunks, 1+n*9)
	}
}

func TestGameRefuses(t *testing.T) {
	g, err := explain.NewShapley([]float64{1, 2}, 2, 1, interventional(t, []float64{0, 0}, 2, nil), explain.ShapleyConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Take([]float64{1}); err == nil || !strings.Contains(err.Error(), "no rows were asked for") {
		t.Errorf("answers before Rows: got %v", err)
	}
	rows := slices.Clone(g.Rows())
	if !slices.Equal(g.Rows(), rows) {
		t.Error("asking twice gave other rows")
	}
	if err := g.Take(make([]float64, 5)); !errors.Is(err, astroml.ErrShape) {
		t.Errorf("five answers: got %v, want ErrShape", err)
	}
	n := len(rows) / 2
	if err := g.Take(slices.Repeat([]float64{math.NaN()}, n)); err == nil || !strings.Contains(err.Error(), "answers is NaN") {
		t.Errorf("NaN: got %v", err)
	}
	if _, err := g.Result(); err == nil {
		t.Error("result before the end: got no error")
	}
	if err := g.Take(make([]float64, n)); err != nil { // after errors it goes on
		t.Errorf("got %v", err)
	}
	if rows := g.Rows(); rows != nil {
		t.Errorf("got %d rows more", len(rows))
	}
	if err := g.Take(nil); err == nil {
		t.Error("answers after the end: got no error")
	}
	if _, err := g.Result(); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestShapleyRefuses(t *testing.T) {
	two := interventional(t, []float64{0, 0}, 2, nil)
	wide := interventional(t, make([]float64, 21), 21, nil)
	drawn, err := explain.Conditional([]float64{0, 0}, []float64{1, 0, 0, 1}, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	groups := func(g ...[]int) explain.ShapleyConfig { return explain.ShapleyConfig{Groups: g} }
	tests := []struct {
		name, says        string
		shape             bool
		x                 []float64
		features, outputs int
		b                 *explain.Background
		cfg               explain.ShapleyConfig
	}{
		{"empty", "0 values", true, nil, 2, 1, two, explain.ShapleyConfig{}},
		{"odd", "3 values", true, []float64{1, 2, 3}, 2, 1, two, explain.ShapleyConfig{}},
		{"no features", "rows of 0", true, []float64{1}, 0, 1, two, explain.ShapleyConfig{}},
		{"no outputs", "0 outputs", true, []float64{1, 2}, 2, 0, two, explain.ShapleyConfig{}},
		{"infinity", "row 0, column 1", false, []float64{1, math.Inf(-1)}, 2, 1, two, explain.ShapleyConfig{}},
		{"no background", "no background", false, []float64{1, 2}, 2, 1, nil, explain.ShapleyConfig{}},
		{"background of another width", "background has 2 features", true, []float64{1, 2, 3}, 3, 1, two, explain.ShapleyConfig{}},
		{"method", `"tree"`, false, []float64{1, 2}, 2, 1, two, explain.ShapleyConfig{Method: "tree"}},
		{"budget", "budget -1", false, []float64{1, 2}, 2, 1, two, explain.ShapleyConfig{Budget: -1}},
		{"threads", "threads -1", false, []float64{1, 2}, 2, 1, two, explain.ShapleyConfig{Threads: -1}},
		{"exact", "try permutation, kernel or fewer features", false, make([]float64, 21), 21, 1, wide, explain.ShapleyConfig{Method: "exact"}},
		{"walks", "two pairs of walks along 21 features take 80", false, make([]float64, 21), 21, 1, wide, explain.ShapleyConfig{Budget: 79}},
		{"a feature in two groups", "feature 1 in group 1", true, []float64{1, 2}, 2, 1, two, groups([]int{0, 1}, []int{1})},
		{"a feature in no group", "groups of 1 features, there are 2", true, []float64{1, 2}, 2, 1, two, groups([]int{0})},
		{"a group of nothing", "no features in group 1", false, []float64{1, 2}, 2, 1, two, groups([]int{0, 1}, nil)},
		{"no groups", "groups of 0 features", true, []float64{1, 2}, 2, 1, two, explain.ShapleyConfig{Groups: [][]int{}}},
		{"a feature that is not there", "feature 2 in group 0", true, []float64{1, 2}, 2, 1, two, groups([]int{0, 2})},
		{"groups of drawn features", "want an interventional one", false, []float64{1, 2}, 2, 1, drawn, groups([]int{0, 1})},
		{"kernel", "at least 46", false, make([]float64, 21), 21, 1, wide, explain.ShapleyConfig{Method: "kernel", Budget: 45}},
	}
	for _, test := range tests {
		_, err := explain.NewShapley(test.x, test.features, test.outputs, test.b, test.cfg)
		if err == nil || !strings.Contains(err.Error(), test.says) || errors.Is(err, astroml.ErrShape) != test.shape {
			t.Errorf("%s: got %v", test.name, err)
		}
		never := func(context.Context, []float64, int, []float64) error { panic("called") }
		if _, other := explain.Shapley(context.Background(), never, test.x, test.features, test.outputs, test.b, test.cfg); other == nil || other.Error() != err.Error() {
			t.Errorf("%s: got %v from one and %v from the other", test.name, err, other)
		}
	}
}

func TestNoModel(t *testing.T) {
	if _, err := explain.Shapley(context.Background(), nil, []float64{1}, 1, 1, interventional(t, []float64{0}, 1, nil), explain.ShapleyConfig{}); err == nil {
		t.Error("no model: got no error")
	}
}

// TestShapleyStops: a context that ends and a model that fails end the call
// with their errors.
func TestShapleyStops(t *testing.T) {
	const m = 14
	r := rng.New(3, "stop test")
	x, b := normals(r, 20*m), interventional(t, normals(r, m), m, nil)
	broken := errors.New("broken")
	for _, threads := range []int{1, 8} {
		ctx, cancel := context.WithCancel(context.Background())
		var mutex sync.Mutex
		calls := 0
		count := func() int { mutex.Lock(); defer mutex.Unlock(); calls++; return calls }
		cfg := explain.ShapleyConfig{Method: "exact", Threads: threads}
		_, err := explain.Shapley(ctx, func(ctx context.Context, x []float64, n int, y []float64) error {
			if count() == 5 {
				cancel()
			}
			return nil
		}, x, m, 1, b, cfg)
		if !errors.Is(err, context.Canceled) || calls > 5+threads {
			t.Errorf("canceled: got %v after %d calls", err, calls)
		}
		calls = 0
		_, err = explain.Shapley(context.Background(), func(context.Context, []float64, int, []float64) error {
			if count() == 5 {
				return broken
			}
			return nil
		}, x, m, 1, b, cfg)
		if err != broken {
			t.Errorf("broken model: got %v", err)
		}
		if _, err := explain.Shapley(context.Background(), rowwise(m, func([]float64) float64 { return math.NaN() }), x, m, 1, b, cfg); err == nil {
			t.Error("NaN: got no error")
		}
	}
}

func TestShapleyProgress(t *testing.T) {
	const m = 14
	r := rng.New(4, "progress test")
	last := astroml.Progress{}
	cfg := explain.ShapleyConfig{Method: "exact", Threads: 4, Progress: func(p astroml.Progress) {
		if p.Step <= last.Step || p.Step > p.Steps {
			t.Errorf("%d of %d after %d", p.Step, p.Steps, last.Step)
		}
		last = p
	}}
	shapley(t, rowwise(m, tree(r, m)), normals(r, 5*m), m, 1, interventional(t, normals(r, m), m, nil), cfg)
	if last.Step != last.Steps || last.Steps != 1+5*(1<<m+1) {
		t.Errorf("ended at %d of %d", last.Step, last.Steps)
	}
}

// TestSeventeen features, those of a galaxy in CAMELS, are explained exactly:
// 131,072 coalitions. Twenty are the most that there may be.
func TestSeventeen(t *testing.T) {
	r := rng.New(5, "seventeen test")
	for _, m := range []int{17, 20} {
		if testing.Short() && m == 20 {
			continue
		}
		// Features 0 and m-1, 1 and m-2, … are multiplied.
		f := func(x []float64) float64 {
			var y float64
			for j := range m / 2 {
				y += float64(j+1) * x[j] * x[m-1-j]
			}
			return y
		}
		x, row := normals(r, m), normals(r, m)
		a := shapley(t, rowwise(m, f), x, m, 1, interventional(t, row, m, nil), explain.ShapleyConfig{Method: "exact"})
		for j := range m / 2 {
			i, scale := m-1-j, float64(j+1)
			near(t, "value", a.Values[j], scale*(x[j]-row[j])*(x[i]+row[i])/2, 1e-12)
			near(t, "value of the other", a.Values[i], scale*(x[i]-row[i])*(x[j]+row[j])/2, 1e-12)
		}
	}
}
