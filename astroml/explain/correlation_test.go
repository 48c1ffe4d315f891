package explain_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/explain"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// gaussians returns two columns of n rows with correlation rho.
func gaussians(seed uint64, n int, rho float64) (x, y []float64) {
	r := rng.New(seed, "correlation test")
	for range n {
		a, b := r.NormFloat64(), r.NormFloat64()
		x, y = append(x, a), append(y, rho*a+math.Sqrt(1-rho*rho)*b)
	}
	return x, y
}

func correlate(t *testing.T, x []float64, features int, y []float64, targets int, cfg explain.CorrelationConfig) *explain.Correlations {
	t.Helper()
	c, err := explain.Correlate(context.Background(), x, features, y, targets, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPearsonSpearman(t *testing.T) {
	tests := []struct {
		name              string
		x, y              []float64
		pearson, spearman float64
		why               string
	}{
		{"line", []float64{1, 2, 3}, []float64{-10, -20, -30}, -1, -1, "falls"},
		{"cube", []float64{-2, -1, 0, 1, 2}, []float64{-8, -1, 0, 1, 8}, 34 / math.Sqrt(10*130), 1, "monotone, not linear"},
		{"ties", []float64{1, 1, 2, 3}, []float64{1, 2, 2, 3}, 2 / 2.75 * 2.75 * 2 / math.Sqrt(2.75*2) / 2, 3.75 / 4.5, "ranks 1.5 1.5 3 4 and 1 2.5 2.5 4"},
		{"large and small", []float64{1e300, 2e300, 4e300}, []float64{1e-300, 2e-300, 4e-300}, 1, 1, "squares are no float64"},
		{"far from 0", []float64{1e9 + 1, 1e9 + 2, 1e9 + 4}, []float64{1, 2, 4}, 1, 1, "the mean is taken off first"},
	}
	for _, test := range tests {
		p, err := explain.Pearson(test.x, test.y)
		if err != nil {
			t.Fatal(err)
		}
		s, err := explain.Spearman(test.x, test.y)
		if err != nil {
			t.Fatal(err)
		}
		near(t, test.name+", Pearson", p, test.pearson, 1e-14)
		near(t, test.name+", Spearman", s, test.spearman, 1e-14)
	}
}

// TestInformationOfGaussians: -ln(1-ρ²)/2. The error of 3,000 rows is about
// 0.015.
func TestInformationOfGaussians(t *testing.T) {
	for _, rho := range []float64{0, 0.3, -0.6, 0.9, 0.99} {
		for _, k := range []int{0, 1, 10} {
			x, y := gaussians(1, 3000, rho)
			got, err := explain.MutualInformation(x, y, k, 1)
			if err != nil {
				t.Fatal(err)
			}
			near(t, fmt.Sprintf("ρ %g, k %d", rho, k), got, -math.Log(1-rho*rho)/2, 0.05)
			// Of any increasing functions the same, to the bit; x and y may
			// change places.
			for i := range x {
				x[i] = math.Exp(3 * x[i])
			}
			other, err := explain.MutualInformation(x, y, k, 1)
			if err != nil || other != got {
				t.Errorf("the information of exp(3x) is %g, of x %g (%v)", other, got, err)
			}
			turned, err := explain.MutualInformation(y, x, k, 1)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "turned", turned, got, 1e-12)
		}
	}
}

// TestInformationIsTheDefinition looks at all neighbours of all rows.
func TestInformationIsTheDefinition(t *testing.T) {
	const n, k = 300, 4
	x, y := gaussians(2, n, 0.5)
	scores := func(x []float64) []float64 {
		out := make([]float64, n)
		for i, v := range x {
			rank := 0
			for _, w := range x {
				if w < v {
					rank++
				}
			}
			out[i] = math.Sqrt2 * math.Erfinv(2*(float64(rank)+0.5)/n-1)
		}
		return out
	}
	psi := func(n int) float64 {
		s := -0.5772156649015329
		for i := 1; i < n; i++ {
			s += 1 / float64(i)
		}
		return s
	}
	u, v := scores(x), scores(y)
	want := psi(k) + psi(n)
	for i := range n {
		var d []float64
		for j := range n {
			if j != i {
				d = append(d, max(math.Abs(u[i]-u[j]), math.Abs(v[i]-v[j])))
			}
		}
		slices.Sort(d)
		nx, ny := 0, 0
		for j := range n {
			if j != i && math.Abs(u[i]-u[j]) < d[k-1] {
				nx++
			}
			if j != i && math.Abs(v[i]-v[j]) < d[k-1] {
				ny++
			}
		}
		want -= (psi(nx+1) + psi(ny+1)) / n
	}
	got, err := explain.MutualInformation(x, y, k, 0)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "information", got, want, 1e-12)
}

// TestInformationOfClasses: of a class of four and a number that is in one of
// four ranges by class, ln 4; of a class and itself the same; ties are no harm.
func TestInformationOfClasses(t *testing.T) {
	const n = 4000
	r := rng.New(3, "classes test")
	class, value, noise := make([]float64, n), make([]float64, n), normals(r, n)
	for i := range n {
		class[i] = float64(r.IntN(4))
		value[i] = class[i] + r.Float64()
	}
	for name, y := range map[string][]float64{"values": value, "itself": class} {
		got, err := explain.MutualInformation(class, y, 3, 1)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "classes and "+name, got, math.Log(4), 0.05)
	}
	got, err := explain.MutualInformation(class, noise, 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "classes and noise", got, 0, 0.05)
}

// TestStrengthErrors: over 60 sets of 300 rows the standard errors are as large
// as the scatter, which is itself known to 1/√120 = 9 % (over 100 sets of 500
// they are 1.01, 1.05 and 0.95 times as large); for groups of five alike rows
// they are as large as for a fifth of the rows.
func TestStrengthErrors(t *testing.T) {
	if testing.Short() {
		t.Skip("statistics of many runs")
	}
	const sets, n, rho = 60, 300, 0.6
	for _, copies := range []int{1, 5} {
		var got [3][]float64
		var errs [3]float64
		for seed := range uint64(sets) {
			x, y := gaussians(10+seed, n, rho)
			var groups []int
			var manyX, manyY []float64
			for range copies {
				manyX, manyY = append(manyX, x...), append(manyY, y...)
				for i := range n {
					groups = append(groups, i)
				}
			}
			cfg := explain.CorrelationConfig{Groups: groups, Seed: seed}
			if copies > 1 {
				cfg.Neighbours = -1 // copies of a row have no distance
			}
			c := correlate(t, manyX, 1, manyY, 1, cfg)
			for i, s := range [][]explain.Strength{c.Pearson, c.Spearman, c.Information} {
				if s != nil {
					got[i] = append(got[i], s[0].Value)
					errs[i] += s[0].Err * s[0].Err / sets
				}
			}
		}
		near(t, "Pearson's error", math.Sqrt(errs[0]), (1-rho*rho)/math.Sqrt(n), 0.1*(1-rho*rho)/math.Sqrt(n))
		for i, values := range got {
			if values == nil {
				continue
			}
			var mean, square float64
			for _, v := range values {
				mean += v / sets
			}
			for _, v := range values {
				square += (v - mean) * (v - mean) / (sets - 1)
			}
			name := []string{"Pearson", "Spearman", "information"}[i]
			t.Logf("%d copies, %s: mean %.4f, scatter %.4f, error %.4f", copies, name, mean, math.Sqrt(square), math.Sqrt(errs[i]))
			if ratio := math.Sqrt(errs[i] / square); ratio < 0.75 || ratio > 1.25 {
				t.Errorf("%d copies, %s: errors are %.2f times the scatter", copies, name, ratio)
			}
		}
	}
}

// TestCorrelate: a table is its pairs, the same on any number of goroutines.
func TestCorrelate(t *testing.T) {
	const n, features, targets = 200, 3, 2
	r := rng.New(4, "table test")
	x, y := normals(r, n*features), make([]float64, n*targets)
	for i := range n {
		y[2*i], y[2*i+1] = x[3*i]+r.NormFloat64(), x[3*i+1]*x[3*i+1]
	}
	cfg := explain.CorrelationConfig{Seed: 1, Threads: 1}
	one := correlate(t, x, features, y, targets, cfg)
	cfg.Threads = 8
	if !reflect.DeepEqual(correlate(t, x, features, y, targets, cfg), one) {
		t.Error("eight goroutines give other bits than one")
	}
	column := func(x []float64, width, j int) (c []float64) {
		for i := j; i < len(x); i += width {
			c = append(c, x[i])
		}
		return c
	}
	for f := range features {
		for g := range targets {
			u, v, at := column(x, features, f), column(y, targets, g), f*targets+g
			p, _ := explain.Pearson(u, v)
			s, _ := explain.Spearman(u, v)
			i, _ := explain.MutualInformation(u, v, 3, 1)
			if one.Pearson[at].Value != p || one.Spearman[at].Value != s || one.Information[at].Value != i {
				t.Errorf("feature %d, target %d: %v, %v, %v, want %v, %v, %v", f, g, one.Pearson[at], one.Spearman[at], one.Information[at], p, s, i)
			}
		}
	}
	// What is neither linear nor monotone shows in the information alone.
	square := 1*targets + 1
	if p, i := one.Pearson[square], one.Information[square]; math.Abs(p.Value) > 4*p.Err || i.Value < 10*i.Err {
		t.Errorf("of x and x² Pearson is %v, the information %v", p, i)
	}
	bare := correlate(t, x, features, y, targets, explain.CorrelationConfig{Halvings: -1, Neighbours: -1})
	if bare.Information != nil || bare.Pearson[0] != (explain.Strength{Value: one.Pearson[0].Value}) {
		t.Errorf("without errors and information: %v", bare)
	}
}

// TestRareValue: a column that is constant but for one row has no error.
func TestRareValue(t *testing.T) {
	x, y := make([]float64, 50), normals(rng.New(5, "rare test"), 50)
	x[7] = 1
	c := correlate(t, x, 1, y, 1, explain.CorrelationConfig{Neighbours: -1})
	if s := c.Pearson[0]; math.IsNaN(s.Value) || !math.IsNaN(s.Err) {
		t.Errorf("got %v, want a value and NaN", s)
	}
}

// TestInformationIsQuick: 10,000 rows take about a second at most, also of the
// most awkward kind, independent ones.
func TestInformationIsQuick(t *testing.T) {
	x, y := gaussians(6, 10_000, 0)
	begin := time.Now()
	if _, err := explain.MutualInformation(x, y, 3, 1); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin)
	t.Logf("10,000 rows took %v", took)
	if took > 2*time.Second {
		t.Errorf("10,000 rows took %v", took)
	}
}

func TestCorrelateRefuses(t *testing.T) {
	x, y := []float64{1, 2, 3, 4, 5, 6, 7, 8}, []float64{1, 3, 2, 4, 6, 5, 8, 7}
	tests := []struct {
		name, says string
		shape      bool
		x, y       []float64
		features   int
		cfg        explain.CorrelationConfig
	}{
		{"empty", "0 values", true, nil, y, 1, explain.CorrelationConfig{}},
		{"lengths", "4 rows of features, 8 of targets", true, x, y, 2, explain.CorrelationConfig{}},
		{"NaN", "row 0, column 0 of the features", false, []float64{math.NaN(), 1}, []float64{1, 2}, 1, explain.CorrelationConfig{}},
		{"infinity", "row 1, column 0 of the targets", false, []float64{0, 1}, []float64{1, math.Inf(1)}, 1, explain.CorrelationConfig{}},
		{"constant", "feature 1 (Z_gas) is constant", false, []float64{1, 5, 2, 5}, []float64{1, 2}, 2, explain.CorrelationConfig{Names: []string{"M", "Z_gas"}}},
		{"constant target", "target 0 is constant", false, []float64{1, 2}, []float64{3, 3}, 1, explain.CorrelationConfig{}},
		{"names", "1 names of 2 features", true, x, y[:4], 2, explain.CorrelationConfig{Names: []string{"a"}}},
		{"target names", "2 names of 1 targets", true, x, y, 1, explain.CorrelationConfig{TargetNames: []string{"a", "b"}}},
		{"groups", "1 groups of 8 rows", true, x, y, 1, explain.CorrelationConfig{Groups: []int{1}}},
		{"one group", "in 1 groups has 0 rows", true, x, y, 1, explain.CorrelationConfig{Groups: make([]int, 8)}},
		{"threads", "-1 threads", false, x, y, 1, explain.CorrelationConfig{Threads: -1}},
		{"few rows", "8 rows, want at least 9", true, x, y, 1, explain.CorrelationConfig{Neighbours: 8}},
		{"few rows in a half", "has 4 rows, want at least 5", true, x, y, 1, explain.CorrelationConfig{Neighbours: 4}},
	}
	for _, test := range tests {
		_, err := explain.Correlate(context.Background(), test.x, test.features, test.y, 1, test.cfg)
		if err == nil || !strings.Contains(err.Error(), test.says) || errors.Is(err, astroml.ErrShape) != test.shape {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := explain.Correlate(ctx, x, 1, y, 1, explain.CorrelationConfig{}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: got %v", err)
	}
	for _, f := range []func(x, y []float64) (float64, error){explain.Pearson, explain.Spearman, func(x, y []float64) (float64, error) { return explain.MutualInformation(x, y, 3, 0) }} {
		for _, pair := range [][2][]float64{{x, y[:7]}, {nil, nil}, {x[:1], y[:1]}} {
			if _, err := f(pair[0], pair[1]); !errors.Is(err, astroml.ErrShape) {
				t.Errorf("%d and %d rows: got %v, want ErrShape", len(pair[0]), len(pair[1]), err)
			}
		}
		if _, err := f(x, make([]float64, 8)); err == nil || !strings.Contains(err.Error(), "y is constant") {
			t.Errorf("constant: got %v", err)
		}
		if _, err := f(slices.Repeat([]float64{math.Inf(1)}, 8), y); err == nil || !strings.Contains(err.Error(), "finite") {
			t.Errorf("infinite: got %v", err)
		}
	}
	if _, err := explain.MutualInformation(x, y, -1, 0); err == nil {
		t.Error("-1 neighbours: got no error")
	}
}
