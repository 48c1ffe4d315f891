package explain_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/explain"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

func newPCA(t *testing.T, x []float64, features int, cfg explain.PCAConfig) *explain.PCA {
	t.Helper()
	p, err := explain.NewPCA(x, features, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPCAKnown: rows on the axes of a turned ellipse, whose variances are 4·2²/7,
// …: two rows at ± each axis, and their mean added twice.
func TestPCAKnown(t *testing.T) {
	axes := [][]float64{{2. / 3, 2. / 3, 1. / 3}, {-2. / 3, 1. / 3, 2. / 3}, {1. / 3, -2. / 3, 2. / 3}}
	lengths, mean := []float64{3, 2, 1}, []float64{10, -5, 1}
	var x []float64
	for c, axis := range axes {
		for _, sign := range []float64{1, -1} {
			for j, e := range axis {
				x = append(x, mean[j]+sign*lengths[c]*e)
			}
		}
	}
	x = append(x, mean...)
	p := newPCA(t, x, 3, explain.PCAConfig{})
	for c, axis := range axes {
		near(t, "variance", p.Variances[c], 2*lengths[c]*lengths[c]/6, 1e-14)
		near(t, "ratio", p.Ratio[c], lengths[c]*lengths[c]/14, 1e-14)
		near(t, "mean", p.Mean[c], mean[c], 1e-14)
		sign := 1.0
		if axis[0]*p.Components[c*3] < 0 {
			sign = -1
		}
		for j, e := range axis {
			near(t, fmt.Sprintf("component %d", c), p.Components[c*3+j], sign*e, 1e-14)
		}
	}
	z, err := p.Transform(x[:3])
	if err != nil {
		t.Fatal(err)
	}
	for c, want := range []float64{3, 0, 0} {
		near(t, "transformed", math.Abs(z[c]), want, 1e-13)
	}
}

// TestPCAInverse: rows come back from all components, with more rows than
// features and with fewer; components are at right angles and of length 1.
func TestPCAInverse(t *testing.T) {
	r := rng.New(1, "pca test")
	for _, shape := range []struct{ n, m int }{{30, 6}, {6, 30}, {7, 7}, {8, 7}, {2, 1}, {2, 5}} {
		for _, standardise := range []bool{false, true} {
			name := fmt.Sprintf("%d × %d, standardise %v", shape.n, shape.m, standardise)
			x := normals(r, shape.n*shape.m)
			for i := range x {
				x[i] = 5 + x[i]*float64(1+i%shape.m)
			}
			p := newPCA(t, x, shape.m, explain.PCAConfig{Standardise: standardise})
			k := min(shape.n-1, shape.m)
			if len(p.Variances) != k {
				t.Fatalf("%s: %d components, want %d", name, len(p.Variances), k)
			}
			z, err := p.Transform(x)
			if err != nil {
				t.Fatal(err)
			}
			back, err := p.Inverse(z, k)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range x {
				near(t, name+": value", back[i], v, 1e-11)
			}
			var ratio float64
			for a := range k {
				ratio += p.Ratio[a]
				var square float64
				for i := range shape.n {
					square += z[i*k+a] * z[i*k+a]
				}
				near(t, name+": variance", square/float64(shape.n-1), p.Variances[a], 1e-12*p.Variances[0])
				for b := range k {
					want := 0.0
					if a == b {
						want = 1
					}
					got := dotted(p.Components[a*shape.m : (a+1)*shape.m])(p.Components[b*shape.m : (b+1)*shape.m])
					near(t, name+": product", got, want, 1e-11)
				}
			}
			near(t, name+": sum of ratios", ratio, 1, 1e-12)
		}
	}
}

// TestStandardised: units do not matter.
func TestStandardised(t *testing.T) {
	r := rng.New(2, "pca test")
	const n, m = 50, 4
	x := normals(r, n*m)
	y := make([]float64, n*m)
	for i, v := range x {
		y[i] = 1e6*float64(i%m) + v*math.Pow(1000, float64(i%m))
	}
	p, q := newPCA(t, x, m, explain.PCAConfig{Standardise: true}), newPCA(t, y, m, explain.PCAConfig{Standardise: true})
	for i, v := range p.Components {
		near(t, "component", q.Components[i], v, 1e-8)
	}
}

// TestEdge: of noise the largest variance is about the edge and exceeds it in
// about one table of six; signals well above it are found, whatever their
// number, with more features than rows and with fewer.
func TestEdge(t *testing.T) {
	if testing.Short() {
		t.Skip("statistics of many runs")
	}
	r := rng.New(3, "edge test")
	const tables = 20
	for _, shape := range []struct{ n, m, signals int }{
		{1000, 17, 0}, {160, 80, 0}, {50, 200, 0}, {100, 101, 0},
		{1000, 17, 2}, {1000, 17, 7}, {160, 80, 5}, {50, 200, 3},
	} {
		found, over := 0, 0.0
		for range tables {
			x := normals(r, shape.n*shape.m)
			directions := normals(r, shape.signals*shape.m)
			for i := range shape.n {
				for s := range shape.signals {
					// A direction of m normals has length √m; the signal has 9
					// and more times the variance that is told from noise,
					// √(m/n) (Baik et al. 2005, arXiv:math/0403022).
					a := r.NormFloat64() * 3 * math.Sqrt(float64(s+1)) / math.Sqrt(float64(shape.m)) * max(1, math.Pow(float64(shape.m)/float64(shape.n), 0.25))
					for j := range shape.m {
						x[i*shape.m+j] += a * directions[s*shape.m+j]
					}
				}
				for j := range shape.m { // noise of variance 4
					x[i*shape.m+j] *= 2
				}
			}
			p := newPCA(t, x, shape.m, explain.PCAConfig{})
			found += p.Significant()
			over += p.Variances[0] / p.Edge() / tables
			want := 4 * math.Pow(1+math.Sqrt(float64(shape.m)/float64(shape.n)), 2)
			near(t, fmt.Sprintf("edge of %+v", shape), p.Edge(), want, 0.12*want)
		}
		mean := float64(found) / tables
		t.Logf("%+v: %.2f significant, largest variance %.3f edges", shape, mean, over)
		if mean < float64(shape.signals)-0.05 || mean > float64(shape.signals)+0.5 {
			t.Errorf("%+v: %.2f significant on average", shape, mean)
		}
	}
}

func TestPCARefuses(t *testing.T) {
	tests := []struct {
		name, says string
		shape      bool
		x          []float64
		features   int
		cfg        explain.PCAConfig
	}{
		{"empty", "0 values", true, nil, 2, explain.PCAConfig{}},
		{"odd", "3 values", true, []float64{1, 2, 3}, 2, explain.PCAConfig{}},
		{"one row", "1 row", true, []float64{1, 2}, 2, explain.PCAConfig{}},
		{"NaN", "row 1, column 0", false, []float64{1, 2, math.NaN(), 4}, 2, explain.PCAConfig{}},
		{"all constant", "variance of all features is 0", false, []float64{1, 2, 1, 2}, 2, explain.PCAConfig{}},
		{"constant", "feature 1 is constant", false, []float64{1, 0.1, 2, 0.1, 4, 0.1}, 2, explain.PCAConfig{Standardise: true}},
		{"tiny", "feature 0 is constant", false, []float64{1e-200, 1, 2e-200, 2}, 2, explain.PCAConfig{Standardise: true}},
		{"overflow", "variance of all features", false, []float64{-1e200, 1e200}, 1, explain.PCAConfig{}},
	}
	for _, test := range tests {
		_, err := explain.NewPCA(test.x, test.features, test.cfg)
		if err == nil || !strings.Contains(err.Error(), test.says) || errors.Is(err, astroml.ErrShape) != test.shape {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
	p := newPCA(t, []float64{1, 2, 3, 4, 6, 5}, 2, explain.PCAConfig{})
	if _, err := p.Transform([]float64{1, 2, 3}); !errors.Is(err, astroml.ErrShape) {
		t.Errorf("transform of 3 values: got %v", err)
	}
	if _, err := p.Inverse([]float64{1, 2, 3}, 3); !errors.Is(err, astroml.ErrShape) {
		t.Errorf("inverse of 3 components: got %v", err)
	}
	if _, err := p.Inverse([]float64{1}, 0); !errors.Is(err, astroml.ErrShape) {
		t.Errorf("inverse of no components: got %v", err)
	}
}
