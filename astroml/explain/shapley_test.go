package explain_test

import (
	"context"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/goastroml/goastroml/astroml/explain"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// near fails the test unless got is within tol of want.
func near(t *testing.T, name string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s is %.15g, want %.15g ± %g", name, got, want, tol)
	}
}

// rowwise makes a model of outputs functions of one row.
func rowwise(features int, outputs ...func(x []float64) float64) explain.Func {
	return func(_ context.Context, x []float64, n int, y []float64) error {
		if len(x) != n*features || len(y) != n*len(outputs) {
			return fmt.Errorf("called with %d values, %d answers for %d rows", len(x), len(y), n)
		}
		for i := range n {
			for k, f := range outputs {
				y[i*len(outputs)+k] = f(x[i*features : (i+1)*features])
			}
		}
		return nil
	}
}

func normals(r *rand.Rand, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = r.NormFloat64()
	}
	return out
}

// perceptron is a random network of one hidden layer.
func perceptron(r *rand.Rand, features int) func(x []float64) float64 {
	const hidden = 8
	w, v := normals(r, hidden*(features+1)), normals(r, hidden)
	return func(x []float64) float64 {
		var y float64
		for h := range hidden {
			row := w[h*(features+1) : (h+1)*(features+1)]
			s := row[features]
			for j, xj := range x {
				s += row[j] * xj
			}
			y += v[h] * math.Tanh(s)
		}
		return y
	}
}

// tree is a random tree of five decisions.
func tree(r *rand.Rand, features int) func(x []float64) float64 {
	const depth = 5
	feature, cut, leaf := make([]int, 1<<depth), normals(r, 1<<depth), normals(r, 1<<depth)
	for i := range feature {
		feature[i] = r.IntN(features)
	}
	return func(x []float64) float64 {
		at := 1
		for range depth {
			at *= 2
			if x[feature[at/2]] > cut[at/2] {
				at++
			}
		}
		return leaf[at-1<<depth]
	}
}

// dotted is a linear function.
func dotted(w []float64) func(x []float64) float64 {
	return func(x []float64) float64 {
		var s float64
		for j, v := range x {
			s += w[j] * v
		}
		return s
	}
}

// byDefinition returns Shapley values by the sum over coalitions with and
// without each feature, for the mean over background rows.
func byDefinition(f func(x []float64) float64, x, rows, weights []float64) []float64 {
	m := len(x)
	v := make([]float64, 1<<m)
	var total float64
	for b := range len(rows) / m {
		w := 1.0
		if weights != nil {
			w = weights[b]
		}
		total += w
		z := make([]float64, m)
		for s := range v {
			for j := range m {
				z[j] = rows[b*m+j]
				if s>>j&1 == 1 {
					z[j] = x[j]
				}
			}
			v[s] += w * f(z)
		}
	}
	return fromValues(v, m, total)
}

func fromValues(v []float64, m int, scale float64) []float64 {
	factorial := func(n int) float64 { return math.Gamma(float64(n + 1)) }
	phi := make([]float64, m)
	for i := range m {
		for s := range v {
			if s>>i&1 == 0 {
				n := bits.OnesCount(uint(s))
				phi[i] += factorial(n) * factorial(m-n-1) / factorial(m) * (v[s|1<<i] - v[s]) / scale
			}
		}
	}
	return phi
}

// inEveryOrder returns Shapley values as the mean over all orders.
func inEveryOrder(f func(x []float64) float64, x, row []float64) []float64 {
	m := len(x)
	phi, z := make([]float64, m), slices.Clone(row)
	var orders float64
	var walk func(left []int, before float64, path []float64)
	walk = func(left []int, before float64, path []float64) {
		if len(left) == 0 {
			orders++
			for j, v := range path {
				phi[j] += v
			}
			return
		}
		for i, j := range left {
			z[j] = x[j]
			after := f(z)
			path[j] = after - before
			walk(slices.Delete(slices.Clone(left), i, i+1), after, path)
			z[j] = row[j]
		}
	}
	every := make([]int, m)
	for i := range every {
		every[i] = i
	}
	walk(every, f(z), make([]float64, m))
	for j := range phi {
		phi[j] /= orders
	}
	return phi
}

func interventional(t testing.TB, rows []float64, features int, weights []float64) *explain.Background {
	t.Helper()
	b, err := explain.Interventional(rows, features, weights)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func shapley(t testing.TB, f explain.Func, x []float64, features, outputs int, b *explain.Background, cfg explain.ShapleyConfig) *explain.Attribution {
	t.Helper()
	a, err := explain.Shapley(context.Background(), f, x, features, outputs, b, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestExactIsTheDefinition(t *testing.T) {
	r := rng.New(1, "exact test")
	for _, m := range []int{1, 2, 3, 5, 8, 11} {
		rows, weights := normals(r, 3*m), []float64{1, 0.5, 2}
		x := normals(r, 4*m)
		for name, f := range map[string]func([]float64) float64{"network": perceptron(r, m), "tree": tree(r, m)} {
			other := dotted(normals(r, m))
			a := shapley(t, rowwise(m, f, other), x, m, 2, interventional(t, rows, m, weights), explain.ShapleyConfig{Method: "exact"})
			for i := range 4 {
				for k, f := range []func([]float64) float64{f, other} {
					want := byDefinition(f, x[i*m:(i+1)*m], rows, weights)
					for j, w := range want {
						at := (i*m+j)*2 + k
						near(t, fmt.Sprintf("%s of %d features, row %d, feature %d, output %d", name, m, i, j, k), a.Values[at], w, 1e-13)
						if a.Err[at] != 0 {
							t.Errorf("error %g of an exact value", a.Err[at])
						}
					}
				}
			}
		}
	}
	for _, m := range []int{1, 4, 7} {
		f, x, row := tree(r, m), normals(r, m), normals(r, m)
		a := shapley(t, rowwise(m, f), x, m, 1, interventional(t, row, m, nil), explain.ShapleyConfig{Method: "exact"})
		for j, w := range inEveryOrder(f, x, row) {
			near(t, fmt.Sprintf("%d features in every order, feature %d", m, j), a.Values[j], w, 1e-13)
		}
	}
}

// methods are ways to play, the sampled ones with little budget.
var methods = []explain.ShapleyConfig{
	{Method: "exact"},
	{Method: "permutation", Budget: 60, Seed: 3},
	{Method: "kernel", Budget: 40, Seed: 3},
}

// TestAxioms holds the four properties that define the Shapley value, which
// sampling must keep too, apart from symmetry.
func TestAxioms(t *testing.T) {
	const m, n = 7, 5
	r := rng.New(2, "axioms test")
	net := perceptron(r, m)
	f := func(x []float64) float64 { // feature 6 is a dummy
		return net(append(slices.Clone(x[:6]), 0)) + 100
	}
	g := tree(r, m)
	sum := func(x []float64) float64 { return 2*f(x) - 3*g(x) }
	rows, x := normals(r, 4*m), normals(r, n*m)
	mean := make([]float64, m)
	for i, v := range rows {
		mean[i%m] += v / 4
	}
	cov := slices.Repeat([]float64{0.3}, m*m)
	for j := range m {
		cov[j*m+j] = 1
	}
	conditional, err := explain.Conditional(mean, cov, 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, cfg := range methods {
		for name, b := range map[string]*explain.Background{"interventional": interventional(t, rows, m, nil), "conditional": conditional} {
			name = cfg.Method + " " + name
			a := shapley(t, rowwise(m, f, g, sum), x, m, 3, b, cfg)
			for i := range n {
				for k, f := range []func([]float64) float64{f, g, sum} {
					at := i*3 + k
					if want := f(x[i*m : (i+1)*m]); a.Predicted[at] != want {
						t.Errorf("%s: predicted %g, want %g", name, a.Predicted[at], want)
					}
					var all float64
					for j := range m {
						all += a.Values[(i*m+j)*3+k]
					}
					near(t, name+": sum", all, a.Predicted[at]-a.Base[at], 1e-12)
				}
				for j := range m {
					at := (i*m + j) * 3
					near(t, name+": linearity", a.Values[at+2], 2*a.Values[at]-3*a.Values[at+1], 1e-12)
				}
				// Given others, a feature that the model ignores is no dummy. A
				// fit to some coalitions finds one to within its errors only.
				if b != conditional && cfg.Method != "kernel" {
					near(t, name+": dummy", a.Values[(i*m+6)*3], 0, 1e-13)
				}
			}
		}
	}
	for k := range 2 {
		var base float64
		for b := range 4 {
			base += []func([]float64) float64{f, g}[k](rows[b*m:(b+1)*m]) / 4
		}
		a := shapley(t, rowwise(m, f, g), x, m, 2, interventional(t, rows, m, nil), methods[0])
		near(t, "base", a.Base[k], base, 1e-13)
	}
}

// TestSymmetry: features that the model treats alike, of like values, are
// worth the same.
func TestSymmetry(t *testing.T) {
	const m = 6
	f := func(x []float64) float64 { return math.Exp(x[1]*x[4]) + x[0]*(x[1]+x[4]) - x[2]*x[3]*x[5] }
	r := rng.New(3, "symmetry test")
	x, row := normals(r, m), normals(r, m)
	x[4], row[4] = x[1], row[1]
	a := shapley(t, rowwise(m, f), x, m, 1, interventional(t, row, m, nil), explain.ShapleyConfig{})
	near(t, "the twin", a.Values[4], a.Values[1], 1e-14*math.Abs(a.Values[1])+1e-15)
}

// TestLinear: wᵢ(xᵢ - E xᵢ), by every method, with every budget.
func TestLinear(t *testing.T) {
	r := rng.New(4, "linear test")
	for _, m := range []int{1, 2, 3, 6, 14, 40} {
		w, x, rows := normals(r, m), normals(r, 3*m), normals(r, 5*m)
		for _, method := range []string{"exact", "permutation", "kernel"} {
			for _, budget := range []int{0, 4*m + 4} {
				if method == "exact" && m > 14 {
					continue
				}
				cfg := explain.ShapleyConfig{Method: method, Budget: budget}
				a := shapley(t, rowwise(m, dotted(w)), x, m, 1, interventional(t, rows, m, nil), cfg)
				for i, xi := range x {
					var mean float64
					for b := range 5 {
						mean += rows[b*m+i%m] / 5
					}
					near(t, fmt.Sprintf("%s of %d features, value %d", method, m, i), a.Values[i], w[i%m]*(xi-mean), 1e-12)
					near(t, "its error", a.Err[i], 0, 1e-12)
				}
			}
		}
	}
}

// TestPairwise: x₁x₂ gives (x₁-m₁)(x₂+m₂)/2 where the background is
// independent, and one pair of walks, there and back, gives all that features
// add by twos exactly, but not by threes.
func TestPairwise(t *testing.T) {
	rows := []float64{1, 3, 1, 7, 2, 3, 2, 7} // all pairs: independent; means 1.5 and 5
	product := rowwise(2, func(x []float64) float64 { return x[0] * x[1] })
	for _, method := range []string{"exact", "permutation", "kernel"} {
		a := shapley(t, product, []float64{4, -1}, 2, 1, interventional(t, rows, 2, nil), explain.ShapleyConfig{Method: method})
		near(t, method+" φ₁", a.Values[0], (4-1.5)*(-1+5)/2, 1e-13)
		near(t, method+" φ₂", a.Values[1], (-1-5)*(4+1.5)/2, 1e-13)
	}
	const m = 9
	r := rng.New(5, "pairwise test")
	q := normals(r, m*m)
	pairs := func(x []float64) float64 {
		var s float64
		for i, v := range x {
			s += v * dotted(q[i*m:(i+1)*m])(x)
		}
		return s
	}
	triple := func(x []float64) float64 { return x[0] * x[1] * x[2] }
	x, b := normals(r, m), interventional(t, normals(r, 2*m), m, nil)
	exact := shapley(t, rowwise(m, pairs, triple), x, m, 2, b, explain.ShapleyConfig{Method: "exact"})
	walks := shapley(t, rowwise(m, pairs, triple), x, m, 2, b, explain.ShapleyConfig{Method: "permutation", Budget: 4 * (m - 1)})
	var off float64
	for j := range m {
		near(t, "pairwise", walks.Values[2*j], exact.Values[2*j], 1e-12)
		near(t, "its error", walks.Err[2*j], 0, 1e-12)
		off = max(off, math.Abs(walks.Values[2*j+1]-exact.Values[2*j+1]))
	}
	if off < 1e-3 {
		t.Errorf("two pairs of walks are exact to %g for a triple product, which they cannot be", off)
	}
}

// TestKernelTakenWhole: with budget for all coalitions the weighted least
// squares of Lundberg & Lee are the Shapley values.
func TestKernelTakenWhole(t *testing.T) {
	r := rng.New(6, "kernel test")
	for _, m := range []int{2, 3, 4, 7, 8, 11} {
		f, x, b := tree(r, m), normals(r, 2*m), interventional(t, normals(r, 2*m), m, nil)
		net := perceptron(r, m)
		exact := shapley(t, rowwise(m, f, net), x, m, 2, b, explain.ShapleyConfig{Method: "exact"})
		kernel := shapley(t, rowwise(m, f, net), x, m, 2, b, explain.ShapleyConfig{Method: "kernel", Budget: max(1<<m-2, 2*m+4)})
		for i, want := range exact.Values {
			near(t, fmt.Sprintf("%d features", m), kernel.Values[i], want, 1e-12)
			if kernel.Err[i] != 0 {
				t.Errorf("%d features: error %g where nothing was sampled", m, kernel.Err[i])
			}
		}
	}
}
