package explain_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/explain"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// covariance returns a random one, of features that go together.
func covariance(r *rand.Rand, m int) []float64 {
	a := mat.NewDense(m, m, normals(r, m*m))
	var c mat.Dense
	c.Mul(a, a.T())
	for j := range m {
		c.Set(j, j, c.At(j, j)+0.5)
	}
	return c.RawMatrix().Data
}

// given returns mean and covariance of all features given those of x that are
// in the coalition s, by inverting a block of the covariance.
func given(s int, x, mean, cov []float64) (m, c []float64) {
	n := len(x)
	var in []int
	for j := range n {
		if s>>j&1 == 1 {
			in = append(in, j)
		}
	}
	m, c = slices.Clone(mean), slices.Clone(cov)
	if len(in) == 0 {
		return m, c
	}
	block, cross, d := mat.NewDense(len(in), len(in), nil), mat.NewDense(n, len(in), nil), mat.NewVecDense(len(in), nil)
	for a, i := range in {
		d.SetVec(a, x[i]-mean[i])
		for b, j := range in {
			block.Set(a, b, cov[i*n+j])
		}
		for j := range n {
			cross.Set(j, a, cov[j*n+i])
		}
	}
	var inverse, gain, less mat.Dense
	var shift mat.VecDense
	if err := inverse.Inverse(block); err != nil {
		panic(err)
	}
	gain.Mul(cross, &inverse)
	shift.MulVec(&gain, d)
	less.Mul(&gain, cross.T())
	for i := range n {
		m[i] += shift.AtVec(i)
		for j := range n {
			c[i*n+j] -= less.At(i, j)
		}
	}
	return m, c
}

// TestConditionalLinear: the values of a linear model are its values at the
// conditional means, for any draws.
func TestConditionalLinear(t *testing.T) {
	r := rng.New(1, "conditional test")
	for _, m := range []int{2, 5, 9} {
		cov, mean, x, w := covariance(r, m), normals(r, m), normals(r, 2*m), normals(r, m)
		b, err := explain.Conditional(mean, cov, 3, 5)
		if err != nil {
			t.Fatal(err)
		}
		a := shapley(t, rowwise(m, dotted(w)), x, m, 1, b, explain.ShapleyConfig{Method: "exact"})
		kernel := shapley(t, rowwise(m, dotted(w)), x, m, 1, b, explain.ShapleyConfig{Method: "kernel", Budget: 1<<m + 6})
		for i := range 2 {
			v := make([]float64, 1<<m)
			for s := range v {
				at, _ := given(s, x[i*m:(i+1)*m], mean, cov)
				v[s] = dotted(w)(at)
			}
			near(t, "base", a.Base[i], v[0], 1e-12)
			for j, want := range fromValues(v, m, 1) {
				name := fmt.Sprintf("%d features, row %d, feature %d", m, i, j)
				near(t, name, a.Values[i*m+j], want, 1e-12)
				near(t, name+" of the kernel", kernel.Values[i*m+j], want, 1e-12)
				near(t, name+", error", a.Err[i*m+j], 0, 1e-12)
			}
		}
	}
}

// TestConditionalTwo: two features of unit variance and correlation ρ have
// φ₁ = (w₁x₁ + w₂ρx₁ + w₁x₁ - w₁ρx₂)/2.
func TestConditionalTwo(t *testing.T) {
	const rho = 0.7
	w, x := []float64{2, -3}, []float64{0.4, 1.5}
	b, err := explain.Conditional([]float64{0, 0}, []float64{1, rho, rho, 1}, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"exact", "permutation", "kernel"} {
		a := shapley(t, rowwise(2, dotted(w)), x, 2, 1, b, explain.ShapleyConfig{Method: method})
		near(t, method+" φ₁", a.Values[0], (2*w[0]*x[0]+rho*(w[1]*x[0]-w[0]*x[1]))/2, 1e-12)
		near(t, method+" φ₂", a.Values[1], (2*w[1]*x[1]+rho*(w[0]*x[1]-w[1]*x[0]))/2, 1e-12)
	}
}

// TestConditionalErrors compares the values of a quadratic model, which are those
// of the conditional mean and covariance, with what draws give: over 100 seeds
// differences are what the errors say. 32 draws give Student's t, of mean square
// 1.07; features of one seed go together, so the root scatters by about 0.06.
// Sampled methods count what orders and draws do together twice: we allow for
// errors that are a little large.
func TestConditionalErrors(t *testing.T) {
	if testing.Short() {
		t.Skip("statistics of many runs")
	}
	const m = 5
	r := rng.New(2, "conditional test")
	cov, mean, x := covariance(r, m), normals(r, m), normals(r, m)
	f := func(x []float64) float64 { return x[0]*x[0] + x[1]*x[2] }
	v := make([]float64, 1<<m)
	for s := range v {
		at, c := given(s, x, mean, cov)
		v[s] = f(at) + c[0] + c[1*m+2]
	}
	want := fromValues(v, m, 1)
	for _, cfg := range []explain.ShapleyConfig{{Method: "exact"}, {Method: "permutation", Budget: 320}, {Method: "kernel", Budget: 24}} {
		var got, wants, errs []float64
		for seed := range uint64(100) {
			b, err := explain.Conditional(mean, cov, 0, seed)
			if err != nil {
				t.Fatal(err)
			}
			cfg.Seed = seed
			a := shapley(t, rowwise(m, f), x, m, 1, b, cfg)
			got, wants, errs = append(got, a.Values...), append(wants, want...), append(errs, a.Err...)
		}
		rms, beyond := calibration(got, wants, errs)
		t.Logf("%s: rms of difference/error %.3f, %.2f %% beyond 3", cfg.Method, rms, 100*beyond)
		if rms < 0.85 || rms > 1.15 || beyond > 0.02 {
			t.Errorf("%s: rms of difference/error %.3f, %.2f %% beyond 3", cfg.Method, rms, 100*beyond)
		}
	}
}

func TestBackgroundRefuses(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	tests := []struct {
		name, says string
		shape      bool
		make       func() (*explain.Background, error)
	}{
		{"no rows", "want some rows of 2", true, func() (*explain.Background, error) { return explain.Interventional(nil, 2, nil) }},
		{"no features", "want some rows of 0", true, func() (*explain.Background, error) { return explain.Interventional([]float64{1}, 0, nil) }},
		{"odd values", "3 values", true, func() (*explain.Background, error) { return explain.Interventional([]float64{1, 2, 3}, 2, nil) }},
		{"NaN", "row 1, column 0", false, func() (*explain.Background, error) { return explain.Interventional([]float64{1, 2, nan, 4}, 2, nil) }},
		{"weights", "2 weights of 1", true, func() (*explain.Background, error) {
			return explain.Interventional([]float64{1, 2}, 2, []float64{1, 1})
		}},
		{"negative weight", "weight 0", false, func() (*explain.Background, error) { return explain.Interventional([]float64{1}, 1, []float64{-1}) }},
		{"infinite weight", "weight 0", false, func() (*explain.Background, error) { return explain.Interventional([]float64{1}, 1, []float64{inf}) }},
		{"zero weights", "sum to 0", false, func() (*explain.Background, error) { return explain.Interventional([]float64{1}, 1, []float64{0}) }},
		{"no mean", "0 values", true, func() (*explain.Background, error) { return explain.Conditional(nil, nil, 1, 1) }},
		{"covariance of another size", "3 covariances", true, func() (*explain.Background, error) {
			return explain.Conditional([]float64{0, 0}, []float64{1, 0, 1}, 1, 1)
		}},
		{"infinite covariance", "row 0, column 0", false, func() (*explain.Background, error) { return explain.Conditional([]float64{0}, []float64{inf}, 1, 1) }},
		{"draws", "-1 draws", false, func() (*explain.Background, error) { return explain.Conditional([]float64{0}, []float64{1}, -1, 1) }},
		{"no variance", "feature 1 has variance 0", false, func() (*explain.Background, error) {
			return explain.Conditional([]float64{0, 0}, []float64{1, 0, 0, 0}, 1, 1)
		}},
		{"not symmetric", "one way", false, func() (*explain.Background, error) {
			return explain.Conditional([]float64{0, 0}, []float64{1, 0.5, 0.4, 1}, 1, 1)
		}},
		{"singular", "feature 2 is a linear function", false, func() (*explain.Background, error) {
			return explain.Conditional(make([]float64, 3), []float64{1, 0, 1, 0, 1, 1, 1, 1, 2}, 1, 1)
		}},
		{"not positive", "linear function", false, func() (*explain.Background, error) {
			return explain.Conditional([]float64{0, 0}, []float64{1, 2, 2, 1}, 1, 1)
		}},
	}
	for _, test := range tests {
		_, err := test.make()
		if err == nil || !strings.Contains(err.Error(), test.says) || errors.Is(err, astroml.ErrShape) != test.shape {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
}
