package stats_test

import (
	"errors"
	"math"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/rng"
	"github.com/goastroml/goastroml/astroml/stats"
)

// TestBootstrapOfMean: the standard error of a mean is σ/√n, with n the number
// of groups if the rows of a group are alike.
func TestBootstrapOfMean(t *testing.T) {
	const n, rounds = 200, 2000
	r := rng.New(1, "bootstrap test")
	single := make([]float64, n)
	var mean, square float64
	for i := range single {
		single[i] = r.NormFloat64()
		mean += single[i] / n
		square += single[i] * single[i] / n
	}
	sigma := math.Sqrt(square - mean*mean)
	for _, copies := range []int{1, 5} {
		var values []float64
		var groups []int
		for range copies {
			for i, v := range single {
				values, groups = append(values, v), append(groups, -7*i)
			}
		}
		stat := func(rows []int) float64 {
			if len(rows) != len(values) { // all groups are of one size
				t.Errorf("got %d rows, want %d", len(rows), len(values))
			}
			var sum float64
			for _, i := range rows {
				sum += values[i]
			}
			return sum / float64(len(rows))
		}
		e, err := stats.Bootstrap(3, groups, rounds, stat)
		if err != nil {
			t.Fatal(err)
		}
		se := sigma / math.Sqrt(n)
		near(t, "value", e.Value, mean, 1e-12)
		near(t, "mean", e.Mean, mean, 4*se/math.Sqrt(rounds))
		near(t, "error", e.Err, se, 4*se/math.Sqrt(2*rounds))
		// A normal distribution's; the 2.5 percentile scatters by 2.7/√rounds σ.
		near(t, "low", e.Lo, mean-1.96*se, 4*2.7*se/math.Sqrt(rounds))
		near(t, "high", e.Hi, mean+1.96*se, 4*2.7*se/math.Sqrt(rounds))
		again, err := stats.Bootstrap(3, groups, rounds, stat)
		if err != nil || again != e {
			t.Errorf("the same seed gave %v, then %v (%v)", e, again, err)
		}
		if other, err := stats.Bootstrap(4, groups, rounds, stat); err != nil || other.Mean == e.Mean {
			t.Errorf("another seed gave the same (%v)", err)
		}
	}
}

func TestBootstrapNaN(t *testing.T) {
	nan := func([]int) float64 { return math.NaN() }
	if _, err := stats.Bootstrap(1, []int{0, 1}, 10, nan); err == nil {
		t.Error("NaN always: got no error")
	}
	// Only samples with row 0 count: of two rows, three of four samples.
	e, err := stats.Bootstrap(1, []int{0, 1}, 1000, func(rows []int) float64 {
		if rows[0] != 0 && rows[1] != 0 {
			return math.NaN()
		}
		return 1
	})
	if err != nil || e.Mean != 1 || e.Err != 0 || math.Abs(float64(e.Rounds)-750) > 60 {
		t.Errorf("got %+v (%v), want 1 in about 750 rounds", e, err)
	}
}

func TestBootstrapRefuses(t *testing.T) {
	one := func([]int) float64 { return 1 }
	if _, err := stats.Bootstrap(1, nil, 10, one); !errors.Is(err, astroml.ErrShape) {
		t.Errorf("no rows: got %v, want ErrShape", err)
	}
	if _, err := stats.Bootstrap(1, []int{0}, 1, one); !errors.Is(err, astroml.ErrShape) {
		t.Errorf("one round: got %v, want ErrShape", err)
	}
}
