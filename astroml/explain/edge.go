package explain

import (
	"math"
	"sort"
)

// Edge returns the largest variance that a component of pure noise would have,
// the upper edge of the distribution of Marchenko & Pastur (1967),
//
//	σ² (1 + √(p/n))² for p features and n rows,
//
// where n is less by one since the mean was taken off. The variance σ² of the
// noise comes from the median of the Variances, over that of the distribution
// (as Gavish & Donoho 2014, arXiv:1305.5870, estimate it). Unlike them we then
// leave out the components above the edge, and begin again with the rest, until
// no more are found: of few features, a few signals would lift the median.
//
// The edge means what it says only if what is not signal is noise of one
// variance in all features. For noise alone the largest variance of a finite
// table exceeds the edge now and then, in about one of six (Johnstone 2001,
// doi:10.1214/aos/1009210544).
func (p *PCA) Edge() float64 {
	n := float64(p.Rows - 1)
	for signals := 0; ; {
		bulk := p.Variances[signals:]
		features := float64(p.Features - signals)
		// With more features than rows only n variances are not 0; they are
		// those of the transposed table, by p/n.
		ratio, scale := features/n, 1.0
		if ratio > 1 {
			ratio, scale = 1/ratio, ratio
		}
		noise := median(bulk) / (scale * bulkMedian(ratio))
		edge := noise * math.Pow(1+math.Sqrt(float64(p.Features)/n), 2)
		above := signals
		for above < len(p.Variances) && p.Variances[above] > edge {
			above++
		}
		// A median is never above its edge: something is left of the bulk.
		if above == signals || above >= len(p.Variances)-1 {
			return edge
		}
		signals = above
	}
}

// Significant returns the number of components whose variance is above Edge.
func (p *PCA) Significant() int {
	edge := p.Edge()
	n := 0
	for n < len(p.Variances) && p.Variances[n] > edge {
		n++
	}
	return n
}

// median returns the middle of decreasing numbers.
func median(decreasing []float64) float64 {
	n := len(decreasing)
	return (decreasing[n/2] + decreasing[(n-1)/2]) / 2
}

// bulkMedian returns the median of the Marchenko-Pastur distribution of unit
// variance, for a ratio of features to rows of at most 1.
//
// With t = 1 + β - 2√β cos θ its density √((t₊-t)(t-t₋))/(2πβt) dt becomes
// (2/π) sin²θ/t dθ, which is smooth: the trapezoidal rule, of equal steps in θ,
// converges fast.
func bulkMedian(beta float64) float64 {
	const steps = 4096
	at := func(i int) float64 { return 1 + beta - 2*math.Sqrt(beta)*math.Cos(math.Pi*float64(i)/steps) }
	cumulative := make([]float64, steps+1)
	before := 0.0
	if beta == 1 {
		before = 2 / math.Pi // the limit of sin²θ/t at 0
	}
	for i := 1; i <= steps; i++ {
		sin := math.Sin(math.Pi * float64(i) / steps)
		density := 2 / math.Pi * sin * sin / at(i)
		cumulative[i] = cumulative[i-1] + (before+density)/2*math.Pi/steps
		before = density
	}
	i := sort.SearchFloat64s(cumulative, 0.5)
	f := (0.5 - cumulative[i-1]) / (cumulative[i] - cumulative[i-1])
	return at(i-1)*(1-f) + at(i)*f
}
