package stats_test

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goastroml/goastroml/astroml/internal/rng"
	"github.com/goastroml/goastroml/astroml/stats"
)

// TestBootstrapRegressionIsABootstrap computes each score of each resampled
// sample from its rows, as Bootstrap hands them out.
func TestBootstrapRegressionIsABootstrap(t *testing.T) {
	const n, p, rounds = 60, 2, 50
	truth, mean, std := predict(2, n, p, 0.3)
	var groups []int
	weights := make([]float64, n)
	random := rng.New(1, "groups")
	for i := range n {
		groups = append(groups, 100-random.IntN(12))
		weights[i] = random.Float64()
	}
	for _, c := range []struct {
		name    string
		groups  []int
		weights []float64
	}{{"groups", groups, nil}, {"weights", groups, weights}, {"objects", nil, nil}} {
		e, err := stats.BootstrapRegression(7, c.groups, rounds, truth, mean, std, n, p, c.weights)
		if err != nil {
			t.Fatal(err)
		}
		value, err := stats.Regress(truth, mean, std, n, p, c.weights)
		if err != nil || !reflect.DeepEqual(e.Value, value) {
			t.Errorf("%s: the value is not that of Regress (%v)", c.name, err)
		}
		groups := c.groups
		if groups == nil {
			groups = rowsTo(n)
		}
		for j := range p + 1 {
			got := [3]stats.Scores{e.Err.Mean, e.Lo.Mean, e.Hi.Mean}
			if j < p {
				got = [3]stats.Scores{e.Err.Parameters[j], e.Lo.Parameters[j], e.Hi.Parameters[j]}
			}
			var want [3]stats.Scores
			for k := range reflect.TypeFor[stats.Scores]().NumField() {
				b, err := stats.Bootstrap(7, groups, rounds, func(rows []int) float64 {
					of := func(j int) float64 {
						return reflect.ValueOf(defined(truth, mean, std, p, j, rows, c.weights)).Field(k).Float()
					}
					if j < p {
						return of(j)
					}
					return (of(0) + of(1)) / 2
				})
				if err != nil {
					t.Fatal(err)
				}
				for i, v := range []float64{b.Err, b.Lo, b.Hi} {
					reflect.ValueOf(&want[i]).Elem().Field(k).SetFloat(v)
				}
			}
			for i, what := range []string{"error", "low", "high"} {
				nearScores(t, fmt.Sprint(c.name, " ", j, " ", what), got[i], want[i], 1e-11)
			}
		}
	}
}

// TestBootstrapRegressionOfGroups: the error of a bias is sd/√n with n the
// number of groups, however many objects of a group are alike.
func TestBootstrapRegressionOfGroups(t *testing.T) {
	const n, copies, rounds = 100, 5, 2000
	truth, mean, _ := predict(2, n, 1, 0.3)
	s := defined(truth, mean, truth, 1, 0, rowsTo(n), nil)
	se := math.Sqrt((s.RMSE*s.RMSE - s.Bias*s.Bias) / n)
	groups := slices.Repeat(rowsTo(n), copies)
	e, err := stats.BootstrapRegression(1, groups, rounds, slices.Repeat(truth, copies), slices.Repeat(mean, copies), nil, n*copies, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "error of the bias", e.Err.Parameters[0].Bias, se, 4*se/math.Sqrt(2*rounds))
	alone, err := stats.BootstrapRegression(1, nil, rounds, slices.Repeat(truth, copies), slices.Repeat(mean, copies), nil, n*copies, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "as if all were independent", alone.Err.Parameters[0].Bias, se/math.Sqrt(copies), 4*se/math.Sqrt(2*rounds*copies))
}

func TestR2Difference(t *testing.T) {
	const n, p, rounds = 200, 2, 300
	truth, a, _ := predict(2, n, p, 0.3)
	_, b, _ := predict(2, n, p, 0.31) // the same errors, slightly larger
	groups := make([]int, n)
	for i := range groups {
		groups[i] = i / 4
	}
	mean := func(x []float32, rows []int) float64 {
		return (defined(truth, x, truth, p, 0, rows, nil).R2 + defined(truth, x, truth, p, 1, rows, nil).R2) / 2
	}
	got, err := stats.R2Difference(3, groups, rounds, truth, a, b, n, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	want, err := stats.Bootstrap(3, groups, rounds, func(rows []int) float64 { return mean(a, rows) - mean(b, rows) })
	if err != nil {
		t.Fatal(err)
	}
	for i, pair := range [][2]float64{{got.Value, want.Value}, {got.Mean, want.Mean}, {got.Err, want.Err}, {got.Lo, want.Lo}, {got.Hi, want.Hi}} {
		near(t, fmt.Sprint("number ", i, " of the estimate"), pair[0], pair[1], 1e-13)
	}
	one, err := stats.BootstrapRegression(3, groups, rounds, truth, a, nil, n, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Lo <= 0 || got.Err > one.Err.Mean.R2/5 {
		t.Errorf("difference %.4f ± %.4f, each R2 ± %.4f: want a small error, for the errors are the same", got.Value, got.Err, one.Err.Mean.R2)
	}
	if same, err := stats.R2Difference(3, groups, rounds, truth, a, a, n, p, nil); err != nil || same.Value != 0 || same.Err != 0 {
		t.Errorf("of a and a: %+v (%v), want 0 ± 0", same, err)
	}
	back, err := stats.R2Difference(3, groups, rounds, truth, b, a, n, p, nil)
	if err != nil || back.Value != -got.Value || math.Abs(back.Err-got.Err) > 1e-15 {
		t.Errorf("of b and a: %+v (%v), want the negative of %+v", back, err, got)
	}
}

func TestBootstrapRegressionRefuses(t *testing.T) {
	truth, mean, std := predict(2, 6, 1, 0.3)
	two := []float32{1, 1, 1, 2, 2, 2} // constant in about half of all samples, with seed 1 in more
	for _, test := range []struct {
		name   string
		truth  []float32
		groups []int
		rounds int
		want   string
	}{
		{"one group", truth, []int{4, 4, 4, 4, 4, 4}, 10, "all objects are of one group"},
		{"few groups", truth, []int{1, 2, 3}, 10, "groups of 3 objects, want 6"},
		{"one round", truth, nil, 1, "1 rounds"},
		{"negative rounds", truth, nil, -7, "-7 rounds"},
		{"constant groups", two, []int{1, 1, 1, 2, 2, 2}, 1001, "rounds: R2 of parameter 0"},
	} {
		_, one := stats.BootstrapRegression(1, test.groups, test.rounds, test.truth, mean, std, 6, 1, nil)
		_, two := stats.R2Difference(1, test.groups, test.rounds, test.truth, mean, mean, 6, 1, nil)
		if one == nil || !strings.Contains(one.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.name, one, test.want)
		}
		if want, _, _ := strings.Cut(test.want, ": "); two == nil || !strings.Contains(two.Error(), want) {
			t.Errorf("%s: R2Difference: error %v, want %q", test.name, two, want)
		}
	}
}

func ExampleR2Difference() {
	// Two predictions for 40 galaxies of ten simulations. The second one knows
	// nothing of the parameter.
	var truth, a, b []float32
	var simulation []int
	for i := range 40 {
		s := i / 4
		truth = append(truth, float32(s))
		a = append(a, float32(s)+float32(i%2))
		b = append(b, 4.5)
		simulation = append(simulation, s)
	}
	d, err := stats.R2Difference(1, simulation, 1000, truth, a, b, 40, 1, nil)
	fmt.Printf("%.2f, 95 %% of samples above %.2f, %v\n", d.Value, d.Lo, err)
	// Output: 0.94, 95 % of samples above 0.90, <nil>
}
