package rng_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// TestGolden holds the streams still: models and simulations of all released
// versions depend on them. The numbers come from a second implementation, in
// Python, of the derivation in New and of PCG-DXSM as in math/rand/v2.
func TestGolden(t *testing.T) {
	tests := []struct {
		seed    uint64
		purpose string
		index   []int
		want    [3]uint64
	}{
		{0, "", nil, [3]uint64{0x2b9db35ab6ade116, 0x57683dd5034a1502, 0x597efb35b29fc9af}},
		{1, "init", nil, [3]uint64{0x41e8fb0fe74c36cd, 0x06e6091f59fb8195, 0xbd6785683d82ad93}},
		{1, "init", []int{0}, [3]uint64{0x6eff8df795b14e60, 0x69db11cff885d1f0, 0x4ea8e846452e530c}},
		{1, "order", []int{3, -1}, [3]uint64{0x8731e861fd4dc93d, 0x881b23706c6059be, 0x89e6306a74e7747b}},
		{math.MaxUint64, "naïve", []int{7}, [3]uint64{0xadff7f4b8f59842c, 0xc48f7e29a230f583, 0xbd0a12e5a661caf}},
	}
	for _, test := range tests {
		r := rng.New(test.seed, test.purpose, test.index...)
		if got := [3]uint64{r.Uint64(), r.Uint64(), r.Uint64()}; got != test.want {
			t.Errorf("New(%d, %q, %v) gives %#x, want %#x", test.seed, test.purpose, test.index, got, test.want)
		}
	}
}

// TestGoldenMethods holds the methods of rand.Rand still that the library uses.
// They are as Go 1.26 has them; its promise of compatibility does not cover
// them in so many words.
func TestGoldenMethods(t *testing.T) {
	r := rng.New(1, "methods")
	got := fmt.Sprintf("%.17g %.9g %.17g %.17g %d %v", r.Float64(), r.Float32(), r.NormFloat64(), r.ExpFloat64(), r.IntN(1000), r.Perm(8))
	const want = "0.073080975709777451 0.221167207 -0.23288380961890986 2.4159251302376816 687 [6 1 0 5 3 7 4 2]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestDistinct: whatever differs in the arguments makes another stream.
func TestDistinct(t *testing.T) {
	seen := make(map[uint64]string)
	add := func(seed uint64, purpose string, index ...int) {
		name := fmt.Sprint(seed, purpose, index)
		v := rng.New(seed, purpose, index...).Uint64()
		if other, ok := seen[v]; ok {
			t.Errorf("%s begins like %s", name, other)
		}
		seen[v] = name
	}
	for seed := range uint64(100) {
		for _, purpose := range []string{"", "a", "b", "ab", "ba", "aa"} {
			add(seed, purpose)
			for i := range 20 {
				add(seed, purpose, i)
				add(seed, purpose, i, 0)
				add(seed, purpose, 0, i+1)
			}
		}
	}
}

// moments compares the mean and the central moments 2 to 4 of x within 4
// standard errors, which are se/√n.
func moments(t *testing.T, x []float64, want, se [4]float64) {
	t.Helper()
	n := float64(len(x))
	var m [4]float64
	for _, v := range x {
		m[0] += v / n
	}
	for _, v := range x {
		d := v - m[0]
		for k := 1; k < 4; k++ {
			m[k] += math.Pow(d, float64(k+1)) / n
		}
	}
	for k := range m {
		if math.Abs(m[k]-want[k]) > 4*se[k]/math.Sqrt(n) {
			t.Errorf("central moment %d is %.5f, want %.5f ± %.5f", k+1, m[k], want[k], se[k]/math.Sqrt(n))
		}
	}
}

// TestMoments looks along one stream and across the first draws of many, as
// augmentation uses them: one stream a row.
func TestMoments(t *testing.T) {
	const n = 50_000
	for _, name := range []string{"along", "across"} {
		t.Run(name, func(t *testing.T) {
			uniform, normal := make([]float64, n), make([]float64, n)
			ru, rn := rng.New(7, "uniform"), rng.New(7, "normal")
			for i := range n {
				if name == "across" {
					ru, rn = rng.New(7, "uniform", i), rng.New(7, "normal", i)
				}
				uniform[i], normal[i] = ru.Float64(), rn.NormFloat64()
			}
			// The variance of the k-th central moment of n draws is, with the
			// true moments μ, (μ₂ₖ − μₖ² + k²μ₂μₖ₋₁² − 2kμₖ₋₁μₖ₊₁)/n: Kendall &
			// Stuart, The Advanced Theory of Statistics, section 10.5. A
			// uniform distribution has μ = 1/12, 0, 1/80, 0, 1/448, 0, 1/2304,
			// a normal one 1, 0, 3, 0, 15, 0, 105.
			moments(t, uniform, [4]float64{0.5, 1. / 12, 0, 1. / 80}, [4]float64{0.289, 0.0745, 0.0345, 0.0167})
			moments(t, normal, [4]float64{0, 1, 0, 3}, [4]float64{1, 1.41, 2.45, 9.8})
			var neighbour float64
			for i := 1; i < n; i++ {
				neighbour += normal[i] * normal[i-1] / n
			}
			if math.Abs(neighbour) > 4/math.Sqrt(n) {
				t.Errorf("neighbours correlate by %.4f, want 0 ± %.4f", neighbour, 1/math.Sqrt(n))
			}
		})
	}
}

// TestPermutations: all orders of four things come alike often.
func TestPermutations(t *testing.T) {
	const n = 24_000
	count := make(map[string]int)
	for i := range n {
		count[fmt.Sprint(rng.New(7, "order", i).Perm(4))]++
	}
	var chi2 float64
	for _, c := range count {
		d := float64(c) - n/24.
		chi2 += d * d / (n / 24.)
	}
	// χ² with 23 degrees of freedom exceeds 49.7 once in a thousand.
	if len(count) != 24 || chi2 > 49.7 {
		t.Errorf("got %d orders, χ² %.1f", len(count), chi2)
	}
	if a, b := rng.New(7, "order", 1).Perm(50), rng.New(7, "order", 1).Perm(50); !slices.Equal(a, b) {
		t.Error("the same stream gave another order")
	}
}
