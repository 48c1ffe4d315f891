package stats

import (
	"fmt"
	"math"
	"slices"

	"github.com/goastroml/goastroml/astroml"
)

// Bin is one point of a reliability diagram.
type Bin struct {
	Confidence float64 // mean probability of the most probable class
	Accuracy   float64 // fraction whose most probable class is the true one
	Count      int     // objects
}

// Reliability sorts the objects by the probability of their most probable
// class, cuts them into bins of equal counts (the first ones hold one more if
// the counts do not come out even), and compares, bin by bin, how sure the
// classifier was with how often it was right. The diagram is that of DeGroot &
// Fienberg (1983), The Statistician 32, 12.
//
// Bins of equal counts, not widths: good classifiers are sure of most objects,
// and bins of equal widths then leave all but the last nearly empty (Nixon et
// al. 2019, arXiv:1904.01685, section 4). Objects with the same probability
// share their hits evenly, so that the answer does not depend on their order.
func Reliability(prob []float32, labels []int, k, bins int) ([]Bin, error) {
	if err := check(prob, labels, k); err != nil {
		return nil, err
	}
	n := len(labels)
	if bins < 1 || bins > n {
		return nil, fmt.Errorf("stats: %d bins for %d objects, want 1 to %d: %w", bins, n, n, astroml.ErrShape)
	}
	type guess struct{ confidence, hit float64 }
	guesses := make([]guess, n)
	for i, y := range labels {
		p := prob[i*k : (i+1)*k]
		c := top(p)
		guesses[i].confidence = float64(p[c])
		if c == y {
			guesses[i].hit = 1
		}
	}
	slices.SortStableFunc(guesses, func(a, b guess) int {
		switch {
		case a.confidence < b.confidence:
			return -1
		case a.confidence > b.confidence:
			return 1
		}
		return 0
	})
	for lo := 0; lo < n; {
		hi, hits := lo, 0.0
		for ; hi < n && guesses[hi].confidence == guesses[lo].confidence; hi++ {
			hits += guesses[hi].hit
		}
		for i := lo; i < hi; i++ {
			guesses[i].hit = hits / float64(hi-lo)
		}
		lo = hi
	}
	out := make([]Bin, bins)
	at := 0
	for b := range out {
		count := n / bins
		if b < n%bins {
			count++
		}
		for _, g := range guesses[at : at+count] {
			out[b].Confidence += g.confidence
			out[b].Accuracy += g.hit
		}
		out[b].Confidence /= float64(count)
		out[b].Accuracy /= float64(count)
		out[b].Count = count
		at += count
	}
	return out, nil
}

// ECE returns the expected calibration error of the most probable class,
//
//	Σ_b n_b/n · |accuracy_b − confidence_b|
//
// (Naeini et al. 2015, AAAI, eq. 1) over the bins of Reliability: of equal
// counts, which Nixon et al. (2019), arXiv:1904.01685, call adaptive. Even a
// perfectly calibrated classifier of accuracy a scores up to about
// 0.8·√(bins·a(1−a)/n): chance alone makes the bins differ.
func ECE(prob []float32, labels []int, k, bins int) (float64, error) {
	r, err := Reliability(prob, labels, k, bins)
	if err != nil {
		return 0, err
	}
	var sum float64
	for _, b := range r {
		sum += float64(b.Count) * math.Abs(b.Accuracy-b.Confidence)
	}
	return sum / float64(len(labels)), nil
}
