package stats

import (
	"fmt"
	"math"
	"slices"

	"github.com/goastroml/goastroml/astroml"
)

// Ranks returns the rank of each value, 1 for the smallest. Equal values share
// the mean of their ranks. A NaN is an error.
func Ranks(x []float32) ([]float64, error) {
	order := make([]int, len(x))
	for i, v := range x {
		if v != v {
			return nil, fmt.Errorf("stats: value %d is NaN, which has no rank", i)
		}
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		switch {
		case x[i] < x[j]:
			return -1
		case x[i] > x[j]:
			return 1
		}
		return i - j
	})
	ranks := make([]float64, len(x))
	for lo := 0; lo < len(x); {
		hi := lo
		for hi < len(x) && x[order[hi]] == x[order[lo]] {
			hi++
		}
		for _, i := range order[lo:hi] {
			ranks[i] = float64(lo+hi+1) / 2
		}
		lo = hi
	}
	return ranks, nil
}

// AUROC returns the area under the receiver operating characteristic: the
// probability that a positive object, taken at random, has a higher score than
// a negative one, where equal scores count half (Mann & Whitney 1947, as in
// Hanley & McNeil 1982, Radiology 143, 29). There must be some of both.
func AUROC(score []float32, positive []bool) (float64, error) {
	if len(score) != len(positive) {
		return 0, fmt.Errorf("stats: %d scores for %d objects: %w", len(score), len(positive), astroml.ErrShape)
	}
	ranks, err := Ranks(score)
	if err != nil {
		return 0, err
	}
	var sum, pos float64
	for i, p := range positive {
		if p {
			sum += ranks[i]
			pos++
		}
	}
	neg := float64(len(score)) - pos
	if pos == 0 || neg == 0 {
		return 0, fmt.Errorf("stats: %g positive and %g negative objects, want some of both", pos, neg)
	}
	return (sum - pos*(pos+1)/2) / (pos * neg), nil
}

// maxKnots bounds what an ECDF keeps. Its error is then at most 1/maxKnots.
const maxKnots = 1000

// ECDF is the empirical distribution function of a sample. It turns a score
// into the fraction of the sample that scores no higher. It is immutable and
// safe for concurrent use.
type ECDF struct {
	knots []float32
}

// NewECDF returns the distribution function of a sample. Of more than 1,000
// values it keeps the 1,000 quantiles at 1/1000, 2/1000, …, 1: the largest
// value is among them.
func NewECDF(sample []float32) (*ECDF, error) {
	if len(sample) == 0 {
		return nil, fmt.Errorf("stats: no sample: %w", astroml.ErrShape)
	}
	sorted := slices.Clone(sample)
	slices.Sort(sorted)
	if v := sorted[0]; v != v { // NaN sorts first
		return nil, fmt.Errorf("stats: the sample holds NaN")
	}
	if n := len(sorted); n > maxKnots {
		knots := make([]float32, maxKnots)
		for j := range knots {
			knots[j] = sorted[((j+1)*n+maxKnots-1)/maxKnots-1] // the smallest value with F ≥ (j+1)/1000
		}
		sorted = knots
	}
	return &ECDF{sorted}, nil
}

// ECDFFromKnots returns the distribution function that has these Knots, as a
// model file keeps them.
func ECDFFromKnots(knots []float32) (*ECDF, error) {
	if len(knots) == 0 || !slices.IsSorted(knots) || knots[0] != knots[0] {
		return nil, fmt.Errorf("stats: %d knots, want some, increasing: %w", len(knots), astroml.ErrFormat)
	}
	return &ECDF{slices.Clone(knots)}, nil
}

// Knots returns the values, increasing, at each of which the function rises by
// 1/len(knots).
func (e *ECDF) Knots() []float32 { return slices.Clone(e.knots) }

// At returns the fraction of the sample that is not above x; NaN for NaN. If
// the sample had more than 1,000 values it is rounded down to a multiple of
// 1/1000.
func (e *ECDF) At(x float32) float64 {
	if x != x {
		return math.NaN()
	}
	n, _ := slices.BinarySearchFunc(e.knots, x, func(knot, x float32) int {
		if knot <= x {
			return -1
		}
		return 1
	})
	return float64(n) / float64(len(e.knots))
}
