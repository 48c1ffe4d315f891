package explain_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/explain"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// regression is y = b·x + noise, for features of a covariance: the score of a
// set of columns is minus the residual variance of the least-squares fit, from
// moments, so that there is no sampling noise.
type regression struct {
	cov   []float64 // of the features
	b     []float64
	noise float64
}

func (r regression) fit(_ context.Context, columns []int, _ uint64) (float64, error) {
	m, n := len(r.b), len(columns)
	all := mat.NewSymDense(m, r.cov)
	var with mat.VecDense // covariance of features with y
	b := mat.NewVecDense(m, r.b)
	with.MulVec(all, b)
	block, c := mat.NewSymDense(n, nil), mat.NewVecDense(n, nil)
	for i, p := range columns {
		c.SetVec(i, with.AtVec(p))
		for j, q := range columns {
			block.SetSym(i, j, all.At(p, q))
		}
	}
	var beta mat.VecDense
	if err := beta.SolveVec(block, c); err != nil {
		return 0, err
	}
	return -(r.noise + mat.Dot(b, &with) - mat.Dot(&beta, c)), nil
}

func retrain(t *testing.T, names []string, cfg explain.RetrainConfig, fit explain.Fit) *explain.Retraining {
	t.Helper()
	r, err := explain.Retrain(context.Background(), names, cfg, fit)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRetrainRegression: dropping column j raises the residual variance by
// b_j²/(S⁻¹)_jj, and a column alone explains (cov with y)²/S_jj.
func TestRetrainRegression(t *testing.T) {
	const m = 6
	r := rng.New(1, "retrain test")
	reg := regression{covariance(r, m), normals(r, m), 0.4}
	var inverse mat.Dense
	if err := inverse.Inverse(mat.NewDense(m, m, reg.cov)); err != nil {
		t.Fatal(err)
	}
	names := make([]string, m)
	drop := retrain(t, names, explain.RetrainConfig{}, reg.fit)
	near(t, "all", drop.All.Score, -reg.noise, 1e-12)
	for j, trial := range drop.Trials {
		if trial.Feature != j || len(trial.Columns) != m-1 {
			t.Errorf("trial %d drops %d, keeps %v", j, trial.Feature, trial.Columns)
		}
		near(t, fmt.Sprintf("drop %d", j), drop.All.Score-trial.Score, reg.b[j]*reg.b[j]/inverse.At(j, j), 1e-12)
	}
	var with mat.VecDense
	with.MulVec(mat.NewDense(m, m, reg.cov), mat.NewVecDense(m, reg.b))
	total := reg.noise + mat.Dot(&with, mat.NewVecDense(m, reg.b))
	for j, trial := range retrain(t, names, explain.RetrainConfig{Method: "keep"}, reg.fit).Trials {
		if trial.Feature != j || len(trial.Columns) != 1 || trial.Columns[0] != j {
			t.Errorf("trial %d keeps %d, %v", j, trial.Feature, trial.Columns)
		}
		near(t, fmt.Sprintf("keep %d", j), trial.Score, with.AtVec(j)*with.AtVec(j)/reg.cov[j*m+j]-total, 1e-12)
	}
}

// TestRetrainGreedy: with independent columns both ways find them by b², ends
// are those of all and of one, and ties go to the first.
func TestRetrainGreedy(t *testing.T) {
	const m = 5
	reg := regression{cov: make([]float64, m*m), b: []float64{1, -3, 0, 2, 1}}
	for j := range m {
		reg.cov[j*m+j] = 1
	}
	names := []string{"a", "b", "c", "d", "e"}
	features := func(r *explain.Retraining) (f []int) {
		for _, trial := range r.Trials {
			f = append(f, trial.Feature)
		}
		return f
	}
	forward := retrain(t, names, explain.RetrainConfig{Method: "forward"}, reg.fit)
	if got := features(forward); !reflect.DeepEqual(got, []int{1, 3, 0, 4, 2}) {
		t.Errorf("forward takes %v", got)
	}
	if last := forward.Trials[m-1]; last.Score != forward.All.Score || !reflect.DeepEqual(last.Columns, []int{0, 1, 2, 3, 4}) {
		t.Errorf("forward ends with %v, all is %v", last, forward.All)
	}
	backward := retrain(t, names, explain.RetrainConfig{Method: "backward"}, reg.fit)
	if got := features(backward); !reflect.DeepEqual(got, []int{2, 0, 4, 3}) {
		t.Errorf("backward drops %v", got)
	}
	for i, want := range []float64{0, -1, -2, -6} {
		near(t, "backward", backward.Trials[i].Score, want, 1e-12)
	}
	if last := backward.Trials[3]; !reflect.DeepEqual(last.Columns, []int{1}) {
		t.Errorf("backward ends with %v", last)
	}
	two := retrain(t, names, explain.RetrainConfig{Method: "forward", Steps: 2}, reg.fit)
	if !reflect.DeepEqual(two.Trials, forward.Trials[:2]) {
		t.Errorf("two steps take %v", two.Trials)
	}
}

// TestRetrainRepeats: the mean of fits with other seeds and its error, the same
// on any number of goroutines; all sets get the same seeds.
func TestRetrainRepeats(t *testing.T) {
	fit := func(_ context.Context, columns []int, seed uint64) (float64, error) {
		return rng.New(seed, "score").NormFloat64() + float64(len(columns)), nil
	}
	names := make([]string, 4)
	cfg := explain.RetrainConfig{Repeats: 50, Seed: 7, Threads: 1}
	var last astroml.Progress
	cfg.Progress = func(p astroml.Progress) { last = p }
	one := retrain(t, names, cfg, fit)
	if last.Step != 250 || last.Steps != 250 {
		t.Errorf("ended at %d of %d fits, want 250", last.Step, last.Steps)
	}
	near(t, "mean", one.All.Score, 4, 4/math.Sqrt(50))
	near(t, "error", one.All.Err, 1/math.Sqrt(50), 4/math.Sqrt(2*50*50))
	near(t, "difference", one.All.Score-one.Trials[2].Score, 1, 1e-12)
	cfg.Threads = 8
	if many := retrain(t, names, cfg, fit); !reflect.DeepEqual(many, one) {
		t.Error("eight goroutines give other numbers than one")
	}
}

func TestRetrainRefuses(t *testing.T) {
	fine := func(context.Context, []int, uint64) (float64, error) { return 1, nil }
	broken := errors.New("broken")
	tests := []struct {
		name, says string
		columns    int
		fit        explain.Fit
		cfg        explain.RetrainConfig
	}{
		{"no function", "no function", 3, nil, explain.RetrainConfig{}},
		{"no columns", "0 columns", 0, fine, explain.RetrainConfig{Method: "keep"}},
		{"one to drop", "1 columns", 1, fine, explain.RetrainConfig{}},
		{"method", `"sideways"`, 3, fine, explain.RetrainConfig{Method: "sideways"}},
		{"steps", "-1 steps", 3, fine, explain.RetrainConfig{Steps: -1}},
		{"NaN", "the score with x0, x2 is NaN", 3, func(_ context.Context, columns []int, _ uint64) (float64, error) {
			if reflect.DeepEqual(columns, []int{0, 2}) {
				return math.NaN(), nil
			}
			return 1, nil
		}, explain.RetrainConfig{Threads: 1}},
		{"broken fit", "broken", 3, func(context.Context, []int, uint64) (float64, error) { return 0, broken }, explain.RetrainConfig{}},
	}
	for _, test := range tests {
		var names []string
		for j := range test.columns {
			names = append(names, fmt.Sprint("x", j))
		}
		if _, err := explain.Retrain(context.Background(), names, test.cfg, test.fit); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	calls := 0
	_, err := explain.Retrain(ctx, []string{"a", "b", "c"}, explain.RetrainConfig{Method: "backward", Threads: 1}, func(ctx context.Context, _ []int, _ uint64) (float64, error) {
		if calls++; calls == 2 {
			cancel()
		}
		return 1, nil
	})
	if !errors.Is(err, context.Canceled) || calls != 2 {
		t.Errorf("canceled: got %v after %d fits", err, calls)
	}
}
