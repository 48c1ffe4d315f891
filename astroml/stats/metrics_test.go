package stats_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/rng"
	"github.com/goastroml/goastroml/astroml/stats"
)

// draw returns n objects of k classes: log-probabilities that are true, and
// labels drawn from them.
func draw(n, k int) (logits []float32, labels []int) {
	r := rng.New(1, "stats test")
	p := make([]float64, k)
	for range n {
		var sum float64
		for c := range p {
			z := 2 * r.NormFloat64()
			logits = append(logits, float32(z))
			p[c] = math.Exp(z)
			sum += p[c]
		}
		u, y := r.Float64()*sum, 0
		for y < k-1 && u > p[y] {
			u -= p[y]
			y++
		}
		labels = append(labels, y)
	}
	return logits, labels
}

// softmax is a Calibrator that changes nothing.
func softmax(t testing.TB, logits []float32, k int) []float32 {
	t.Helper()
	one := stats.Calibrator{Scale: slices.Repeat([]float32{1}, k), Bias: make([]float32, k)}
	prob, err := one.Apply(logits)
	if err != nil {
		t.Fatal(err)
	}
	return prob
}

func TestScoresByHand(t *testing.T) {
	tests := []struct {
		name, why               string
		prob                    []float32
		labels                  []int
		accuracy, balanced, nll float64
		brier                   float64
	}{
		{"certain and right", "the best there is",
			[]float32{1, 0, 0, 1}, []int{0, 1}, 1, 1, 0, 0},
		{"certain and wrong", "p = 0 counts as 2⁻¹⁴⁹, not as infinity",
			[]float32{0, 1, 1, 0}, []int{0, 1}, 0, 0, 149 * math.Ln2, 2},
		{"no idea", "of equals the first class counts",
			[]float32{0.5, 0.5, 0.5, 0.5}, []int{0, 1}, 0.5, 0.5, math.Ln2, 0.5},
		{"one class only", "a class without objects has no recall",
			[]float32{1, 0, 1, 0}, []int{0, 0}, 1, 1, 0, 0},
		{"uneven", "recalls 2/3 and 1",
			[]float32{1, 0, 1, 0, 0, 1, 0, 1}, []int{0, 0, 0, 1}, 0.75, 5.0 / 6, 149 * math.Ln2 / 4, 0.5},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, s := range []struct {
				name  string
				score func([]float32, []int, int) (float64, error)
				want  float64
			}{
				{"accuracy", stats.Accuracy, test.accuracy},
				{"balanced", stats.BalancedAccuracy, test.balanced},
				{"nll", stats.NLL, test.nll},
				{"brier", stats.Brier, test.brier},
			} {
				got, err := s.score(test.prob, test.labels, 2)
				if err != nil {
					t.Fatal(err)
				}
				near(t, test.why+": "+s.name, got, s.want, 1e-12)
			}
		})
	}
}

func TestScoresRefuse(t *testing.T) {
	nan := float32(math.NaN())
	tests := []struct {
		name, why string
		prob      []float32
		labels    []int
		k         int
		is        error
	}{
		{"no objects", "a mean of nothing", nil, nil, 2, astroml.ErrShape},
		{"one class", "nothing to choose", []float32{1}, []int{0}, 1, astroml.ErrShape},
		{"no classes", "division by zero", nil, nil, 0, astroml.ErrShape},
		{"few labels", "an object without label", []float32{1, 0, 1, 0}, []int{0}, 2, astroml.ErrShape},
		{"half an object", "no multiple of k", []float32{1, 0, 1}, []int{0}, 2, astroml.ErrShape},
		{"label high", "no such class", []float32{1, 0}, []int{2}, 2, nil},
		{"label low", "no such class", []float32{1, 0}, []int{-1}, 2, nil},
		{"NaN", "an object without answer", []float32{nan, nan}, []int{0}, 2, nil},
		{"negative", "no probability", []float32{-0.5, 1.5}, []int{0}, 2, nil},
		{"logits", "each within 0 to 1, but no distribution", []float32{0.9, 0.9}, []int{0}, 2, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, accuracy := stats.Accuracy(test.prob, test.labels, test.k)
			_, balanced := stats.BalancedAccuracy(test.prob, test.labels, test.k)
			_, nll := stats.NLL(test.prob, test.labels, test.k)
			_, brier := stats.Brier(test.prob, test.labels, test.k)
			_, ece := stats.ECE(test.prob, test.labels, test.k, 1)
			_, conformal := stats.NewConformal(test.prob, test.labels, test.k)
			for _, err := range []error{accuracy, balanced, nll, brier, ece, conformal} {
				if err == nil || test.is != nil && !errors.Is(err, test.is) {
					t.Errorf("%s: got %v, want an error (%v)", test.why, err, test.is)
				}
			}
		})
	}
	for _, bins := range []int{0, 3} {
		if _, err := stats.ECE([]float32{1, 0, 1, 0}, []int{0, 0}, 2, bins); !errors.Is(err, astroml.ErrShape) {
			t.Errorf("%d bins for 2 objects: got %v, want ErrShape", bins, err)
		}
	}
}

func TestEntropy(t *testing.T) {
	nan := float32(math.NaN())
	got, err := stats.Entropy([]float32{0.25, 0.25, 0.25, 0.25, 0, 1, 0, 0, nan, nan, nan, nan}, 4)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "uniform", float64(got[0]), math.Log(4), 1e-7)
	near(t, "certain", float64(got[1]), 0, 0)
	if got[2] == got[2] {
		t.Errorf("of NaN: got %g, want NaN", got[2])
	}
	if _, err := stats.Entropy(make([]float32, 3), 2); !errors.Is(err, astroml.ErrShape) {
		t.Errorf("got %v, want ErrShape", err)
	}
}

func TestReliability(t *testing.T) {
	const n, k = 1000, 3
	logits, labels := draw(n, k)
	prob := softmax(t, logits, k)
	bins, err := stats.Reliability(prob, labels, k, 7)
	if err != nil {
		t.Fatal(err)
	}
	var accuracy float64
	for i, b := range bins {
		if want := n/7 + min(1, max(0, n%7-i)); b.Count != want {
			t.Errorf("bin %d has %d objects, want %d", i, b.Count, want)
		}
		if i > 0 && b.Confidence < bins[i-1].Confidence {
			t.Errorf("bin %d is less confident than the one before", i)
		}
		accuracy += b.Accuracy * float64(b.Count) / n
	}
	want, err := stats.Accuracy(prob, labels, k)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "accuracy over the bins", accuracy, want, 1e-12)
	one, err := stats.ECE(prob, labels, k, 1)
	if err != nil {
		t.Fatal(err)
	}
	all, err := stats.Reliability(prob, labels, k, 1)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "ECE of one bin", one, math.Abs(all[0].Accuracy-all[0].Confidence), 1e-12)
}

// TestReliabilityOrder: objects of equal confidence must not score by chance.
func TestReliabilityOrder(t *testing.T) {
	prob := slices.Repeat([]float32{0.75, 0.25}, 40)
	first := append(make([]int, 30), slices.Repeat([]int{1}, 10)...) // right, then wrong
	last := slices.Clone(first)
	slices.Reverse(last)
	for _, labels := range [][]int{first, last} {
		ece, err := stats.ECE(prob, labels, 2, 8)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "ECE", ece, 0, 1e-12) // 75 % sure, 75 % right
	}
}

// TestECEOfTruth: labels drawn from the probabilities leave only the noise that
// the comment of ECE states.
func TestECEOfTruth(t *testing.T) {
	const n, k, bins = 20_000, 4, 15
	logits, labels := draw(n, k)
	prob := softmax(t, logits, k)
	got, err := stats.ECE(prob, labels, k, bins)
	if err != nil {
		t.Fatal(err)
	}
	a, err := stats.Accuracy(prob, labels, k)
	if err != nil {
		t.Fatal(err)
	}
	noise := math.Sqrt(2/math.Pi) * math.Sqrt(bins*a*(1-a)/n)
	// The sum of 15 half-normal terms scatters by 20 % about its mean.
	if got > 1.6*noise || got < 0.2*noise {
		t.Errorf("got %.4f, want about %.4f", got, noise)
	}
}

func TestAUROC(t *testing.T) {
	tests := []struct {
		name     string
		score    []float32
		positive []bool
		want     float64
	}{
		{"apart", []float32{1, 2, 3, 4}, []bool{false, false, true, true}, 1},
		{"upside down", []float32{1, 2, 3, 4}, []bool{true, true, false, false}, 0},
		{"all alike", []float32{1, 1, 1, 1}, []bool{true, false, false, true}, 0.5},
		{"infinite", []float32{float32(math.Inf(-1)), 0, float32(math.Inf(1))}, []bool{false, true, true}, 1},
		{"a tie", []float32{1, 2, 2}, []bool{false, false, true}, 0.75},
	}
	for _, test := range tests {
		got, err := stats.AUROC(test.score, test.positive)
		if err != nil {
			t.Fatal(err)
		}
		near(t, test.name, got, test.want, 1e-15)
	}
	for _, test := range tests[:1] {
		if _, err := stats.AUROC(test.score, make([]bool, 4)); err == nil {
			t.Error("no positives: got no error")
		}
		if _, err := stats.AUROC(test.score, make([]bool, 3)); !errors.Is(err, astroml.ErrShape) {
			t.Errorf("got %v, want ErrShape", err)
		}
	}
	if _, err := stats.AUROC([]float32{1, float32(math.NaN())}, []bool{true, false}); err == nil {
		t.Error("NaN: got no error")
	}
}

// TestECDF: few values are kept exactly, many rounded down to 1/1000.
func TestECDF(t *testing.T) {
	for _, n := range []int{1, 7, 1000, 1001, 12_345} {
		r := rng.New(1, "ecdf", n)
		sample := make([]float32, n)
		for i := range sample {
			sample[i] = float32(math.Round(300*r.NormFloat64()) / 100) // with ties
		}
		e, err := stats.NewECDF(sample)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := stats.ECDFFromKnots(e.Knots()); err != nil || !slices.Equal(again.Knots(), e.Knots()) {
			t.Errorf("n = %d: the knots came back otherwise (%v)", n, err)
		}
		if len(e.Knots()) != min(n, 1000) {
			t.Errorf("n = %d: got %d knots", n, len(e.Knots()))
		}
		for x := float32(-12); x <= 12; x += 0.37 {
			count := 0
			for _, v := range sample {
				if v <= x {
					count++
				}
			}
			want := float64(count) / float64(n)
			if n > 1000 {
				want = float64(1000*count/n) / 1000
			}
			near(t, "fraction", e.At(x), want, 1e-15)
		}
		near(t, "at the largest", e.At(slices.Max(sample)), 1, 0)
	}
	nan := float32(math.NaN())
	for _, sample := range [][]float32{nil, {1, nan, 2}} {
		if _, err := stats.NewECDF(sample); err == nil {
			t.Errorf("%v: got no error", sample)
		}
	}
	for _, knots := range [][]float32{nil, {2, 1}, {nan, 1}, {1, nan}} {
		if _, err := stats.ECDFFromKnots(knots); !errors.Is(err, astroml.ErrFormat) {
			t.Errorf("knots %v: got %v, want ErrFormat", knots, err)
		}
	}
	e, err := stats.NewECDF([]float32{1})
	if err != nil {
		t.Fatal(err)
	}
	if p := e.At(nan); p == p {
		t.Errorf("at NaN: got %g, want NaN", p)
	}
}
