// Package stats measures probabilities and repairs them: scores of classifiers,
// reliability, calibration on held-out data, conformal sets, and the bootstrap;
// and it scores posterior means and standard deviations.
//
// Probabilities are n × class float32, row-major: prob[i*k+c] is what a
// classifier gives class c for object i. Labels are the true classes, 0 to k−1.
// Functions that compare the two want every row to be a distribution; leave out
// objects without an answer (NaN) before.
//
// Sums are taken in float64 in the order of the objects, so that the same input
// gives the same bits.
package stats

import (
	"fmt"
	"math"

	"github.com/goastroml/goastroml/astroml"
)

// check returns an error unless prob holds one distribution over k classes for
// each label, and labels are classes.
func check(prob []float32, labels []int, k int) error {
	if err := checkLabels(len(prob), labels, k); err != nil {
		return err
	}
	for i := range labels {
		if err := checkRow(prob[i*k:(i+1)*k], i); err != nil {
			return err
		}
	}
	return nil
}

// checkLabels checks the shapes of n × k values and of labels, and the labels.
func checkLabels(values int, labels []int, k int) error {
	switch {
	case k < 2:
		return fmt.Errorf("stats: %d classes, want at least 2: %w", k, astroml.ErrShape)
	case len(labels) == 0:
		return fmt.Errorf("stats: no objects: %w", astroml.ErrShape)
	case values%k != 0 || values/k != len(labels):
		return fmt.Errorf("stats: %d values for %d labels of %d classes, want %d × %d: %w",
			values, len(labels), k, len(labels), k, astroml.ErrShape)
	}
	for i, y := range labels {
		if y < 0 || y >= k {
			return fmt.Errorf("stats: label %d is %d, want 0 to %d", i, y, k-1)
		}
	}
	return nil
}

// sumTolerance is how far from 1 a row may sum. Rows that a float32 softmax
// made sum to 1 within 1e-6 even for thousands of classes; logits do not.
const sumTolerance = 1e-3

func checkRow(p []float32, i int) error {
	var sum float64
	for c, v := range p {
		if !(v >= 0 && v <= 1+sumTolerance) {
			return fmt.Errorf("stats: object %d has probability %g for class %d, want 0 to 1", i, v, c)
		}
		sum += float64(v)
	}
	if math.Abs(sum-1) > sumTolerance {
		return fmt.Errorf("stats: probabilities of object %d sum to %g, want 1", i, sum)
	}
	return nil
}

// top returns the most probable class, the first of equals.
func top(p []float32) int {
	best := 0
	for c, v := range p {
		if v > p[best] {
			best = c
		}
	}
	return best
}
