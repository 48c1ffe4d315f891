package stats

import (
	"fmt"
	"math"
	"slices"

	"github.com/goastroml/goastroml/astroml"
)

// Conformal makes sets of classes that hold the true one as often as asked, by
// split conformal prediction: whatever the classifier, if new objects are like
// the held-out ones (exchangeable with them), the promise is kept for finite
// samples, on average over held-out sets.
//
// The score is 1 − p of the true class, that of the least ambiguous sets of
// Sadinle, Lei & Wasserman (2019), arXiv:1609.00451, which are the smallest on
// average. We keep p itself and not 1 − p, whose float32 makes all small
// probabilities alike. It is immutable and safe for concurrent use.
type Conformal struct {
	class [][]float32 // for each true class the probabilities it got, decreasing
	all   []float32   // these together, decreasing
}

// NewConformal learns from the probabilities of held-out objects, that is,
// objects which neither the classifier nor its calibration was trained on.
// (Objects used for a calibration of a few numbers do little harm, but the
// promise then holds nearly, not exactly.)
func NewConformal(prob []float32, labels []int, k int) (*Conformal, error) {
	if err := check(prob, labels, k); err != nil {
		return nil, err
	}
	class := make([][]float32, k)
	for i, y := range labels {
		class[y] = append(class[y], prob[i*k+y])
	}
	for _, p := range class {
		decreasing(p)
	}
	return newConformal(class), nil
}

// ConformalFromScores returns what Scores was taken from, as a model file keeps
// it.
func ConformalFromScores(scores [][]float32) (*Conformal, error) {
	class := make([][]float32, len(scores))
	n := 0
	for c, list := range scores {
		for i, p := range list {
			if !(p >= 0 && p <= 1+sumTolerance) || i > 0 && p > list[i-1] {
				return nil, fmt.Errorf("stats: score %d of class %d is %g, want 0 to 1, decreasing: %w", i, c, p, astroml.ErrFormat)
			}
		}
		class[c] = slices.Clone(list)
		n += len(list)
	}
	if len(class) < 2 || n == 0 {
		return nil, fmt.Errorf("stats: %d conformal scores of %d classes: %w", n, len(class), astroml.ErrFormat)
	}
	return newConformal(class), nil
}

func newConformal(class [][]float32) *Conformal {
	all := slices.Concat(class...)
	decreasing(all)
	return &Conformal{class: class, all: all}
}

func decreasing(p []float32) {
	slices.Sort(p)
	slices.Reverse(p)
}

// Scores returns, for each class, the probabilities that its held-out objects
// were given for it, decreasing.
func (c *Conformal) Scores() [][]float32 {
	out := make([][]float32, len(c.class))
	for i, p := range c.class {
		out[i] = slices.Clone(p)
	}
	return out
}

// Thresholds are, for each class, the least probability with which it belongs
// to a set.
type Thresholds []float32

// Threshold returns the same threshold for all classes, with which a fraction
// coverage of all objects has its true class in its set: the probability of
// rank ⌈(n+1)·coverage⌉ among the n held-out ones. If n is too small for such a
// coverage the threshold is 0, and every class is in every set.
func (c *Conformal) Threshold(coverage float64) (Thresholds, error) {
	if err := checkCoverage(coverage); err != nil {
		return nil, err
	}
	p, _ := quantile(c.all, coverage)
	return slices.Repeat(Thresholds{p}, len(c.class)), nil
}

// ClassThresholds returns a threshold for each class, with which a fraction
// coverage of the objects of each class has its true class in its set
// (class-conditional or Mondrian prediction, Vovk 2012, arXiv:1209.2673). A
// class with fewer than coverage/(1−coverage) held-out objects, 9 for 90 %,
// falls back on Threshold.
func (c *Conformal) ClassThresholds(coverage float64) (Thresholds, error) {
	t, err := c.Threshold(coverage)
	if err != nil {
		return nil, err
	}
	for i, scores := range c.class {
		if p, ok := quantile(scores, coverage); ok {
			t[i] = p
		}
	}
	return t, nil
}

func checkCoverage(coverage float64) error {
	if !(coverage > 0 && coverage < 1) {
		return fmt.Errorf("stats: coverage %g, want between 0 and 1", coverage)
	}
	return nil
}

// quantile returns the value of rank ⌈(n+1)·coverage⌉ in a decreasing list, and
// false if it is too short to have one.
func quantile(decreasing []float32, coverage float64) (float32, bool) {
	n := len(decreasing)
	// 30 · 0.1 is 3.0000000000000004 for some pairs of numbers: take that as 3.
	rank := int(math.Ceil(float64(n+1) * coverage * (1 - 1e-12)))
	if rank > n {
		return 0, false
	}
	return decreasing[rank-1], true
}

// Sets returns n × class booleans for n × class probabilities: whether the
// class is in the object's set.
//
// A set may be empty: then no class is as probable as the true one usually is,
// a sign that the object is unlike all classes at this coverage. Filling such
// sets with the most probable class would hide that, and cover more than was
// asked. Where probabilities are NaN the set is empty too.
func (t Thresholds) Sets(prob []float32) ([]bool, error) {
	k := len(t)
	if k == 0 || len(prob)%k != 0 {
		return nil, fmt.Errorf("stats: %d values are no multiple of %d classes: %w", len(prob), k, astroml.ErrShape)
	}
	sets := make([]bool, len(prob))
	for i, p := range prob {
		sets[i] = p >= t[i%k]
	}
	return sets, nil
}
