package bindings

import (
	"fmt"

	"github.com/goastroml/goastroml/astroml/stats"
)

// scored describes probabilities of n objects for k classes (float32) and their
// true classes (int64).
func scored(prob, labels uintptr, n, k int) ([]float32, []int, error) {
	p, err := need[float32]("prob", prob, n, k)
	if err != nil {
		return nil, nil, err
	}
	l, err := need[int64]("labels", labels, n, 1)
	if err != nil {
		return nil, nil, err
	}
	return p, ints(l), nil
}

// StatsScore returns a score of n objects and k classes by name: "accuracy",
// "balanced_accuracy", "nll", "brier", or "ece", which alone looks at bins.
func StatsScore(name string, prob, labels uintptr, n, k, bins int) (score float64, err error) {
	defer guard(&err)
	p, y, err := scored(prob, labels, n, k)
	if err != nil {
		return 0, err
	}
	switch name {
	case "accuracy":
		return stats.Accuracy(p, y, k)
	case "balanced_accuracy":
		return stats.BalancedAccuracy(p, y, k)
	case "nll":
		return stats.NLL(p, y, k)
	case "brier":
		return stats.Brier(p, y, k)
	case "ece":
		return stats.ECE(p, y, k, bins)
	}
	return 0, fmt.Errorf("stats: score %q, want accuracy, balanced_accuracy, nll, brier or ece", name)
}

// StatsConfusion writes the confusion matrix, k × k int64, to out.
func StatsConfusion(out, prob, labels uintptr, n, k int) (zero int, err error) {
	defer guard(&err)
	o, err := need[int64]("confusion", out, k, k)
	if err != nil {
		return 0, err
	}
	p, y, err := scored(prob, labels, n, k)
	if err != nil {
		return 0, err
	}
	m, err := stats.Confusion(p, y, k)
	for i, v := range m {
		o[i] = int64(v)
	}
	return 0, err
}

// StatsReliability writes the reliability diagram: confidence and accuracy of
// bins float64, count of bins int64.
func StatsReliability(confidence, accuracy, count, prob, labels uintptr, n, k, bins int) (zero int, err error) {
	defer guard(&err)
	c, e0 := need[float64]("confidence", confidence, bins, 1)
	a, e1 := need[float64]("accuracy", accuracy, bins, 1)
	m, e2 := need[int64]("count", count, bins, 1)
	p, y, e3 := scored(prob, labels, n, k)
	if err := firstOf(e0, e1, e2, e3); err != nil {
		return 0, err
	}
	r, err := stats.Reliability(p, y, k, bins)
	for i, b := range r {
		c[i], a[i], m[i] = b.Confidence, b.Accuracy, int64(b.Count)
	}
	return 0, err
}

// StatsEntropy writes the entropy of n rows of k probabilities, n float32, to out.
func StatsEntropy(out, prob uintptr, n, k int) (zero int, err error) {
	defer guard(&err)
	o, e0 := need[float32]("entropy", out, n, 1)
	p, e1 := need[float32]("prob", prob, n, k)
	if err := firstOf(e0, e1); err != nil {
		return 0, err
	}
	h, err := stats.Entropy(p, k)
	copy(o, h)
	return 0, err
}

// StatsAUROC returns the area under the receiver operating characteristic of n
// scores (float32), positive where the uint8 is not 0.
func StatsAUROC(score, positive uintptr, n int) (area float64, err error) {
	defer guard(&err)
	s, e0 := need[float32]("score", score, n, 1)
	u, e1 := need[uint8]("positive", positive, n, 1)
	if err := firstOf(e0, e1); err != nil {
		return 0, err
	}
	b := make([]bool, len(u))
	for i, v := range u {
		b[i] = v != 0
	}
	return stats.AUROC(s, b)
}

// StatsConformal writes conformal sets for n rows of k probabilities, n × k
// uint8, to out; calibration is by m rows of known class. With perClass not 0,
// the coverage is kept for each class.
func StatsConformal(out, prob uintptr, n int, calibration, labels uintptr, m, k int, coverage float64, perClass int) (zero int, err error) {
	defer guard(&err)
	o, e0 := need[uint8]("sets", out, n, k)
	p, e1 := need[float32]("prob", prob, n, k)
	q, y, e2 := scored(calibration, labels, m, k)
	if err := firstOf(e0, e1, e2); err != nil {
		return 0, err
	}
	c, err := stats.NewConformal(q, y, k)
	if err != nil {
		return 0, err
	}
	thresholds := c.Threshold
	if perClass != 0 {
		thresholds = c.ClassThresholds
	}
	t, err := thresholds(coverage)
	if err != nil {
		return 0, err
	}
	s, err := t.Sets(p)
	writeSets(o, s)
	return 0, err
}

func writeSets(to []uint8, sets []bool) {
	for i, in := range sets {
		to[i] = 0
		if in {
			to[i] = 1
		}
	}
}
