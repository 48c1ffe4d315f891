package explain_test

import (
	"context"
	"testing"

	"github.com/goastroml/goastroml/astroml/explain"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// BenchmarkExact explains a row of 17 features, 131,072 coalitions, by a model
// that costs next to nothing: what is timed is ours. One goroutine.
func BenchmarkExact(b *testing.B) {
	const m = 17
	r := rng.New(1, "exact benchmark")
	row, x := normals(r, m), normals(r, 8*m)
	f := func(_ context.Context, x []float64, n int, y []float64) error {
		for i := range y {
			y[i] = x[i*m] * x[i*m+m-1]
		}
		return nil
	}
	background := interventional(b, row, m, nil)
	for b.Loop() {
		shapley(b, f, x, m, 1, background, explain.ShapleyConfig{Method: "exact", Threads: 1})
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N*8), "ms/row")
}
