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

// TestConformalPromise: over many held-out sets of n objects the coverage is
// ⌈(n+1)c⌉/(n+1), exactly, whatever the classifier (here a bad one).
func TestConformalPromise(t *testing.T) {
	const n, rounds, k = 37, 4000, 2
	tests := []struct {
		name     string
		coverage float64
		sets     func(*stats.Conformal, float64) (stats.Thresholds, error)
	}{
		{"all 0.9", 0.9, (*stats.Conformal).Threshold},
		{"all 0.5", 0.5, (*stats.Conformal).Threshold},
		{"class 0.8", 0.8, (*stats.Conformal).ClassThresholds},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := rng.New(1, test.name)
			object := func(prob []float32, y int) {
				// Class 0 is often taken for class 1.
				p := float32(math.Pow(r.Float64(), []float64{0.3, 2}[y]))
				prob[0], prob[1] = p, 1-p
			}
			var in, all [k]float64
			prob, labels := make([]float32, 2*n*k), make([]int, 2*n)
			for range rounds {
				for i := range labels {
					labels[i] = i % k
					object(prob[i*k:(i+1)*k], labels[i])
				}
				c, err := stats.NewConformal(prob[2*k:], labels[2:], k)
				if err != nil {
					t.Fatal(err)
				}
				thresholds, err := test.sets(c, test.coverage)
				if err != nil {
					t.Fatal(err)
				}
				sets, err := thresholds.Sets(prob[:2*k])
				if err != nil {
					t.Fatal(err)
				}
				for y := range k {
					all[y]++
					if sets[y*k+y] {
						in[y]++
					}
				}
			}
			promise := func(n int) float64 { return math.Ceil(float64(n+1)*test.coverage) / float64(n+1) }
			if test.name[0] == 'c' {
				for y := range k {
					// 4 standard errors.
					near(t, "coverage of a class", in[y]/all[y], promise(n-1), 4*math.Sqrt(0.25/rounds))
				}
				return
			}
			near(t, "coverage", (in[0]+in[1])/(all[0]+all[1]), promise(2*n-2), 4*math.Sqrt(0.25/(2*rounds)))
		})
	}
}

func TestConformalSets(t *testing.T) {
	nan := float32(math.NaN())
	// 19 objects, p of the true class 0.05, 0.10, …, 0.95; class 2 has one.
	var prob []float32
	var labels []int
	for i := range 19 {
		p := float32(i+1) / 20
		switch {
		case i == 18:
			prob, labels = append(prob, 1-p, 0, p), append(labels, 2)
		case i%2 == 0:
			prob, labels = append(prob, p, 1-p, 0), append(labels, 0)
		default:
			prob, labels = append(prob, 1-p, p, 0), append(labels, 1)
		}
	}
	c, err := stats.NewConformal(prob, labels, 3)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, why string
		coverage  float64
		prob      []float32
		want      []bool
	}{
		{"rank 10", "the tenth largest p is 0.5: both classes reach it", 0.5, []float32{0.5, 0.5, 0}, []bool{true, true, false}},
		{"empty", "no class reaches 0.5", 0.5, []float32{0.4, 0.3, 0.3}, []bool{false, false, false}},
		{"rank 19", "95 % of 20 is 19, and the smallest p 0.05", 0.95, []float32{0.9, 0.06, 0.04}, []bool{true, true, false}},
		{"too few", "96 % want 20 of 19 objects: all classes", 0.96, []float32{1, 0, 0}, []bool{true, true, true}},
		{"no answer", "NaN is in no set", 0.5, []float32{nan, nan, nan}, []bool{false, false, false}},
	}
	for _, test := range tests {
		thresholds, err := c.Threshold(test.coverage)
		if err != nil {
			t.Fatal(err)
		}
		got, err := thresholds.Sets(test.prob)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s (%s): got %v (%v), want %v", test.name, test.why, got, err, test.want)
		}
	}
	all, err := c.Threshold(0.8)
	if err != nil {
		t.Fatal(err)
	}
	class, err := c.ClassThresholds(0.8)
	if err != nil {
		t.Fatal(err)
	}
	if class[2] != all[2] || class[0] == all[0] {
		t.Errorf("got class thresholds %v and %v for all, want them alike for class 2 only, which has one object", class, all)
	}
	again, err := stats.ConformalFromScores(c.Scores())
	if err != nil {
		t.Fatal(err)
	}
	if same, err := again.ClassThresholds(0.8); err != nil || !slices.Equal(same, class) {
		t.Errorf("from its scores: got %v (%v), want %v", same, err, class)
	}
}

func TestConformalRefuses(t *testing.T) {
	c, err := stats.NewConformal([]float32{1, 0}, []int{0}, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, coverage := range []float64{0, 1, -1, 90, math.NaN()} {
		if _, err := c.Threshold(coverage); err == nil {
			t.Errorf("coverage %g: got no error", coverage)
		}
		if _, err := c.ClassThresholds(coverage); err == nil {
			t.Errorf("coverage %g by class: got no error", coverage)
		}
	}
	for _, scores := range [][][]float32{nil, {{1}}, {nil, nil}, {{0.1, 0.2}, nil}, {{2}, nil}, {{float32(math.NaN())}, nil}} {
		if _, err := stats.ConformalFromScores(scores); !errors.Is(err, astroml.ErrFormat) {
			t.Errorf("scores %v: got %v, want ErrFormat", scores, err)
		}
	}
	if _, err := (stats.Thresholds{0.5, 0.5}).Sets(make([]float32, 3)); !errors.Is(err, astroml.ErrShape) {
		t.Errorf("got %v, want ErrShape", err)
	}
}
