package stats

import (
	"fmt"
	"math"

	"github.com/goastroml/goastroml/astroml"
)

// Accuracy returns the fraction of objects whose most probable class is the
// true one. Of equally probable classes the first counts.
func Accuracy(prob []float32, labels []int, k int) (float64, error) {
	if err := check(prob, labels, k); err != nil {
		return 0, err
	}
	hits := 0
	for i, y := range labels {
		if top(prob[i*k:(i+1)*k]) == y {
			hits++
		}
	}
	return float64(hits) / float64(len(labels)), nil
}

// BalancedAccuracy returns the mean over the classes of the fraction of their
// objects that are found (recall). Classes without an object do not count.
func BalancedAccuracy(prob []float32, labels []int, k int) (float64, error) {
	m, err := Confusion(prob, labels, k)
	if err != nil {
		return 0, err
	}
	var sum float64
	classes := 0
	for c := range k {
		n := 0
		for _, v := range m[c*k : (c+1)*k] {
			n += v
		}
		if n > 0 {
			sum += float64(m[c*k+c]) / float64(n)
			classes++
		}
	}
	return sum / float64(classes), nil
}

// Confusion returns the k × k confusion matrix: entry t*k+c counts the objects
// of class t whose most probable class is c.
func Confusion(prob []float32, labels []int, k int) ([]int, error) {
	if err := check(prob, labels, k); err != nil {
		return nil, err
	}
	m := make([]int, k*k)
	for i, y := range labels {
		m[y*k+top(prob[i*k:(i+1)*k])]++
	}
	return m, nil
}

// NLL returns the mean negative log-likelihood −log p(true class), in nats. A
// probability of 0 counts as the smallest float32, 2⁻¹⁴⁹ (103 nats), so that one
// object that was thought impossible does not hide the others.
func NLL(prob []float32, labels []int, k int) (float64, error) {
	if err := check(prob, labels, k); err != nil {
		return 0, err
	}
	var sum float64
	for i, y := range labels {
		sum -= math.Log(max(float64(prob[i*k+y]), math.SmallestNonzeroFloat32))
	}
	return sum / float64(len(labels)), nil
}

// Brier returns the mean over the objects of Σ_c (p_c − [c is the true
// class])², from 0 to 2 (Brier 1950, Mon. Weather Rev. 78, 1). For two classes
// it is twice the score that some libraries give.
func Brier(prob []float32, labels []int, k int) (float64, error) {
	if err := check(prob, labels, k); err != nil {
		return 0, err
	}
	var sum float64
	for i, y := range labels {
		for c, p := range prob[i*k : (i+1)*k] {
			d := float64(p)
			if c == y {
				d--
			}
			sum += d * d
		}
	}
	return sum / float64(len(labels)), nil
}

// Entropy returns the entropy −Σ_c p_c log p_c of each object's probabilities,
// in nats: 0 where one class is certain, log k where all are alike, NaN where a
// probability is NaN.
func Entropy(prob []float32, k int) ([]float32, error) {
	if k < 1 || len(prob)%k != 0 {
		return nil, fmt.Errorf("stats: %d values are no multiple of %d classes: %w", len(prob), k, astroml.ErrShape)
	}
	h := make([]float32, len(prob)/k)
	for i := range h {
		var sum float64
		for _, p := range prob[i*k : (i+1)*k] {
			if p != 0 { // p log p → 0
				sum -= float64(p) * math.Log(float64(p))
			}
		}
		// A probability that is 1 plus rounding would make it negative.
		h[i] = float32(max(sum, 0))
	}
	return h, nil
}
