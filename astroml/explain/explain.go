// Package explain says what an answer came from: which features, how much each,
// and how sure that is.
//
// Shapley shares a prediction out among the features of its row, exactly or by
// sampling with standard errors; NewShapley does so for a model that Go cannot
// call. ExpectedGradients does it for a differentiable model of many features.
// Retrain fits a model anew without features or with few, and compares scores.
// NewPCA and Correlate look at the data alone.
//
// Tables are float64, row-major, n × features. Whatever is drawn comes from a
// seed, and sums have a fixed order: the same input gives the same bits on any
// number of goroutines.
package explain

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// Func is a model: it writes to y, n × outputs, its answers to the n rows of x,
// n × features. It must answer each row alone, whatever rows are beside it, and
// is called by several goroutines at once. It must not change or keep x.
type Func func(ctx context.Context, x []float64, n int, y []float64) error

// checkTable returns an error unless x is n × width, n at least 1, of finite
// numbers.
func checkTable(what string, x []float64, width int) error {
	if width < 1 || len(x) == 0 || len(x)%width != 0 {
		return fmt.Errorf("explain: %d values of %s, want some rows of %d: %w", len(x), what, width, astroml.ErrShape)
	}
	return checkFinite(what, x, width)
}

func checkFinite(what string, x []float64, width int) error {
	for i, v := range x {
		if v-v != 0 { // NaN and infinities
			return fmt.Errorf("explain: row %d, column %d of %s is %g, want a finite number", i/width, i%width, what, v)
		}
	}
	return nil
}

// stream returns random numbers for one row. It is named by the row's values
// and not by its place: a row gets the same answer whatever rows are beside it.
func stream(seed uint64, purpose string, row []float64) *rand.Rand {
	index := make([]int, len(row))
	for i, v := range row {
		index[i] = int(math.Float64bits(v))
	}
	return rng.New(seed, purpose, index...)
}

// average writes to mean the mean over the rows of an n × width table, and adds
// to variance the square of its standard error if there are two rows or more.
func average(table []float64, mean, variance []float64) {
	width := len(mean)
	n := len(table) / width
	clear(mean)
	for at := range slices.Chunk(table, width) {
		for i, v := range at {
			mean[i] += v
		}
	}
	for i := range mean {
		mean[i] /= float64(n)
	}
	if n < 2 {
		return
	}
	scale := 1 / (float64(n) * float64(n-1))
	for at := range slices.Chunk(table, width) {
		for i, v := range at {
			d := v - mean[i]
			variance[i] += scale * d * d
		}
	}
}

// overTasks calls f for 0..n-1 on as many goroutines as threads says (0: one a
// processor). What f writes must depend on the index alone. The first error
// ends the others' context.
func overTasks(ctx context.Context, n, threads int, f func(ctx context.Context, i int) error) error {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(threads, n) {
		wg.Go(func() {
			for inner.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := f(inner, i); err != nil {
					cancel(err) // the first cause is kept
				}
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	return context.Cause(inner)
}
