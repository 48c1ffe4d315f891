package explain_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/explain"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// smooth makes a model of a function of one row and its derivatives.
func smooth(features int, f func(x, df []float64) float64) explain.Gradient {
	return func(_ context.Context, x []float64, n int, y, df []float64) error {
		if len(x) != n*features || len(y) != n || len(df) != n*features {
			return fmt.Errorf("called with %d values, %d answers, %d derivatives for %d rows", len(x), len(y), len(df), n)
		}
		for i := range n {
			y[i] = f(x[i*features:(i+1)*features], df[i*features:(i+1)*features])
		}
		return nil
	}
}

func gradients(t *testing.T, g explain.Gradient, x, background []float64, features int, cfg explain.GradientConfig) *explain.Attribution {
	t.Helper()
	a, err := explain.ExpectedGradients(context.Background(), g, x, background, features, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// wave is a smooth function of all features together.
func wave(x, df []float64) float64 {
	var s, q float64
	for j, v := range x {
		s += v / float64(j+1)
		q += v * v
	}
	for j, v := range x {
		df[j] = math.Cos(s)/float64(j+1) - 2*v*math.Exp(-q)
	}
	return math.Sin(s) + math.Exp(-q)
}

func TestGradientsLinear(t *testing.T) {
	const m = 5
	r := rng.New(1, "gradient test")
	w, x, rows := normals(r, m), normals(r, 3*m), normals(r, 7*m)
	linear := smooth(m, func(x, df []float64) float64 { copy(df, w); return dotted(w)(x) })
	for _, samples := range []int{0, 1, 100} {
		a := gradients(t, linear, x, rows, m, explain.GradientConfig{Samples: samples})
		for i, v := range x {
			var mean float64
			for b := range 7 {
				mean += rows[b*m+i%m] / 7
			}
			near(t, "value", a.Values[i], w[i%m]*(v-mean), 1e-13)
			near(t, "error", a.Err[i], 0, 1e-13)
		}
	}
}

// TestGradientsQuadratic: the path integral of x_jx_k halves a product as
// Shapley does, so that a quadratic form has values in closed form; strata of
// 1/64 leave an error of at most their width squared.
func TestGradientsQuadratic(t *testing.T) {
	const m = 4
	r := rng.New(2, "gradient test")
	q, x, row := normals(r, m*m), normals(r, m), normals(r, m)
	for j := range m {
		for i := range j {
			q[i*m+j] = q[j*m+i]
		}
	}
	form := func(x, df []float64) float64 {
		var y float64
		for i, v := range x {
			df[i] = 2 * dotted(q[i*m:(i+1)*m])(x)
			y += v * df[i] / 2
		}
		return y
	}
	a := gradients(t, smooth(m, form), x, row, m, explain.GradientConfig{})
	b := interventional(t, row, m, nil)
	shap := shapley(t, rowwise(m, func(x []float64) float64 { return form(x, make([]float64, m)) }), x, m, 1, b, explain.ShapleyConfig{})
	for j := range m {
		middle := make([]float64, m)
		for i := range m {
			middle[i] = (x[i] + row[i]) / 2
		}
		want := (x[j] - row[j]) * 2 * dotted(q[j*m:(j+1)*m])(middle)
		near(t, "value", a.Values[j], want, 5*a.Err[j]) // of 3 degrees of freedom
		near(t, "Shapley value", shap.Values[j], want, 1e-12)
		if a.Err[j] > 0.02*math.Abs(want) {
			t.Errorf("error %g of %g", a.Err[j], want)
		}
	}
}

// TestGradientsErrors: the sum of the values approaches Predicted - Base as the
// strata become finer, by the 3/2 power of their number, and so do the errors.
// Values differ from those of many samples by what the errors say: few of the 20
// background rows, with 3 degrees of freedom each, make most of the error, so
// that ratios follow Student's t of perhaps 10, of mean square 1.25.
func TestGradientsErrors(t *testing.T) {
	if testing.Short() {
		t.Skip("statistics of many runs")
	}
	const m, n = 6, 100
	r := rng.New(3, "gradient test")
	x, rows := normals(r, n*m), normals(r, 20*m)
	g := smooth(m, wave)
	truth := gradients(t, g, x, rows, m, explain.GradientConfig{Samples: 16000, Seed: 1})
	var gaps, errs []float64
	for _, samples := range []int{160, 1280} {
		a := gradients(t, g, x, rows, m, explain.GradientConfig{Samples: samples, Seed: 2})
		var gap, err float64
		for i := range n {
			sum := a.Base[i] - a.Predicted[i]
			for j := range m {
				sum += a.Values[i*m+j]
				err += a.Err[i*m+j] * a.Err[i*m+j]
			}
			gap += sum * sum
		}
		gaps, errs = append(gaps, math.Sqrt(gap/n)), append(errs, math.Sqrt(err/n))
		rms, beyond := calibration(a.Values, truth.Values, a.Err)
		t.Logf("%d samples: sums are off by %.2g, errors %.2g, rms of difference/error %.3f, %.2f %% beyond 3", samples, gaps[len(gaps)-1], errs[len(errs)-1], rms, 100*beyond)
		if rms < 0.95 || rms > 1.25 {
			t.Errorf("%d samples: rms of difference/error is %.3f, want about 1", samples, rms)
		}
	}
	// 8^1.5 is 22.6.
	if gaps[0] < 15*gaps[1] || errs[0] < 15*errs[1] {
		t.Errorf("eight times the samples take gaps from %g to %g, errors from %g to %g", gaps[0], gaps[1], errs[0], errs[1])
	}
}

func TestGradientsSameBits(t *testing.T) {
	const m, n = 6, 20
	r := rng.New(4, "gradient test")
	x, rows := normals(r, n*m), normals(r, 9*m)
	cfg := explain.GradientConfig{Seed: 3, Threads: 1}
	one := gradients(t, smooth(m, wave), x, rows, m, cfg)
	cfg.Threads = 8
	if !equal(gradients(t, smooth(m, wave), x, rows, m, cfg), one) {
		t.Error("eight goroutines give other bits than one")
	}
	alone := gradients(t, smooth(m, wave), x[m:2*m], rows, m, cfg)
	if !slices.Equal(alone.Values, one.Values[m:2*m]) {
		t.Error("a row alone gets another answer than among others")
	}
	cfg.Seed = 4
	if equal(gradients(t, smooth(m, wave), x, rows, m, cfg), one) {
		t.Error("another seed gave the same")
	}
}

func TestGradientsRefuses(t *testing.T) {
	nan := math.NaN()
	fine := smooth(2, wave)
	broken := errors.New("broken")
	tests := []struct {
		name, says    string
		shape         bool
		g             explain.Gradient
		x, background []float64
		cfg           explain.GradientConfig
	}{
		{"no gradient", "no gradient", false, nil, []float64{1, 2}, []float64{1, 2}, explain.GradientConfig{}},
		{"empty", "0 values of the rows", true, fine, nil, []float64{1, 2}, explain.GradientConfig{}},
		{"background", "3 values of the background", true, fine, []float64{1, 2}, []float64{1, 2, 3}, explain.GradientConfig{}},
		{"NaN", "row 0, column 1 of the background", false, fine, []float64{1, 2}, []float64{1, nan}, explain.GradientConfig{}},
		{"samples", "-1 samples", false, fine, []float64{1, 2}, []float64{1, 2}, explain.GradientConfig{Samples: -1}},
		{"NaN answer", "answers is NaN", false, smooth(2, func(x, df []float64) float64 { return nan }), []float64{1, 2}, []float64{1, 2}, explain.GradientConfig{}},
		{"NaN slope", "row 0, column 1 of the model's gradients", false, smooth(2, func(x, df []float64) float64 { df[1] = nan; return 1 }), []float64{1, 2}, []float64{1, 2}, explain.GradientConfig{}},
		{"broken model", "broken", false, func(context.Context, []float64, int, []float64, []float64) error { return broken }, []float64{1, 2}, []float64{1, 2}, explain.GradientConfig{}},
	}
	for _, test := range tests {
		_, err := explain.ExpectedGradients(context.Background(), test.g, test.x, test.background, 2, test.cfg)
		if err == nil || !strings.Contains(err.Error(), test.says) || errors.Is(err, astroml.ErrShape) != test.shape {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := explain.ExpectedGradients(ctx, fine, []float64{1, 2}, []float64{1, 2}, 2, explain.GradientConfig{}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: got %v", err)
	}
}
