package explain_test

import (
	"reflect"
	"testing"

	"github.com/goastroml/goastroml/astroml/explain"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// TestGroupsAreTheDefinition holds the values of groups to those of a function
// of switches, each of which turns a group from the background to the row.
func TestGroupsAreTheDefinition(t *testing.T) {
	const m = 7
	groups := [][]int{{4, 0}, {2}, {6, 1, 3}, {5}}
	r := rng.New(1, "groups test")
	f, rows, background := perceptron(r, m), normals(r, 3*m), normals(r, 2*m)
	for _, cfg := range []explain.ShapleyConfig{{}, {Method: "permutation", Budget: 600}, {Method: "kernel", Budget: 600}} {
		cfg.Groups = groups
		a := shapley(t, rowwise(m, f), rows, m, 1, interventional(t, background, m, nil), cfg)
		for i := range 3 {
			switched := func(on []float64) float64 {
				var sum float64
				for j := range 2 {
					x := append([]float64(nil), background[j*m:(j+1)*m]...)
					for g, features := range groups {
						for _, c := range features {
							if on[g] == 1 {
								x[c] = rows[i*m+c]
							}
						}
					}
					sum += f(x) / 2
				}
				return sum
			}
			want := byDefinition(switched, []float64{1, 1, 1, 1}, make([]float64, 4), []float64{1})
			for g, w := range want {
				near(t, "a group by "+cfg.Method, a.Values[i*len(groups)+g], w, 1e-13+5*a.Err[i*len(groups)+g])
			}
			near(t, "the prediction", a.Predicted[i], f(rows[i*m:(i+1)*m]), 1e-13)
		}
	}
}

// TestGroupsOfOne are what features are without groups, to the bit.
func TestGroupsOfOne(t *testing.T) {
	const m = 5
	r := rng.New(2, "groups test")
	f, x, b := perceptron(r, m), normals(r, 4*m), interventional(t, normals(r, 3*m), m, nil)
	for _, cfg := range methods {
		want := shapley(t, rowwise(m, f), x, m, 1, b, cfg)
		cfg.Groups = [][]int{{0}, {1}, {2}, {3}, {4}}
		if got := shapley(t, rowwise(m, f), x, m, 1, b, cfg); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", cfg.Method, got, want)
		}
	}
}
