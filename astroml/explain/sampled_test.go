package explain_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/goastroml/goastroml/astroml/explain"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// TestSampledErrors: differences from the exact values are what the standard
// errors say, over 150 rows of a network: their ratios have a mean square of
// about 1, and few are beyond 3. The errors come from few pairs of walks
// themselves, so that the ratios follow Student's t, whose mean square is
// (pairs-1)/(pairs-3). Rows scatter the root of it by about 0.03; the seed is the
// first that we tried.
//
// We do not test trees: where all that was drawn happens to agree, which is
// common in a function of few values, the error is 0 and says nothing.
func TestSampledErrors(t *testing.T) {
	if testing.Short() {
		t.Skip("statistics of many runs")
	}
	const m, n = 10, 150
	r := rng.New(7, "errors test")
	f, x := perceptron(r, m), normals(r, n*m)
	b := interventional(t, normals(r, m), m, nil)
	exact := shapley(t, rowwise(m, f), x, m, 1, b, explain.ShapleyConfig{Method: "exact"})
	for _, cfg := range []explain.ShapleyConfig{
		{Method: "permutation", Budget: 1800}, {Method: "permutation", Budget: 360},
		{Method: "kernel", Budget: 600}, {Method: "kernel", Budget: 180}, {Method: "kernel", Budget: 60},
	} {
		want := 1.0
		if cfg.Method == "permutation" {
			pairs := float64(cfg.Budget / (2 * (m - 1)))
			want = math.Sqrt((pairs - 1) / (pairs - 3))
		}
		cfg.Seed = 1
		a := shapley(t, rowwise(m, f), x, m, 1, b, cfg)
		name := fmt.Sprintf("%s, budget %d", cfg.Method, cfg.Budget)
		rms, beyond := calibration(a.Values, exact.Values, a.Err)
		t.Logf("%s: rms of difference/error %.3f, want %.3f; %.2f %% beyond 3", name, rms, want, 100*beyond)
		near(t, name+": rms of difference/error", rms, want, 0.1)
		if beyond > 0.025 { // of Student's t with 19 degrees of freedom 0.7 % are
			t.Errorf("%s: %.2f %% are beyond 3 errors", name, 100*beyond)
		}
	}
}

// calibration returns the root mean square of differences over errors, and how
// many are beyond 3.
func calibration(got, want, errs []float64) (rms, beyond float64) {
	for i, v := range got {
		d := (v - want[i]) / errs[i]
		rms += d * d / float64(len(got))
		if !(math.Abs(d) <= 3) {
			beyond += 1 / float64(len(got))
		}
	}
	return math.Sqrt(rms), beyond
}
