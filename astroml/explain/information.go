package explain

import (
	"fmt"
	"math"
	"sort"
)

// MutualInformation returns what two columns say about each other, in nats, by
// their nearest neighbours (Kraskov, Stögbauer & Grassberger 2004,
// arXiv:cond-mat/0305641, algorithm 1): 0 if they are independent, and
// -ln(1-ρ²)/2 if they are Gaussian. neighbours is the paper's k (0 means 3).
// Estimates scatter around the truth, also below 0.
//
// Mutual information is that of any increasing functions of the columns. Values
// are replaced by the normal scores of their ranks, so that neither units nor
// outliers matter; equal values are ordered at random, by seed, which stands for
// the tiny noise of the paper.
func MutualInformation(x, y []float64, neighbours int, seed uint64) (float64, error) {
	if neighbours < 0 {
		return 0, fmt.Errorf("explain: %d neighbours, want at least 1", neighbours)
	}
	if neighbours == 0 {
		neighbours = 3
	}
	if err := checkPair(x, y, neighbours+1); err != nil {
		return 0, err
	}
	k := newNeighbours(len(x), neighbours)
	return k.information(ordered(x, ties(seed, 0, len(x))), ordered(y, ties(seed, 1, len(y)))), nil
}

// neighbours tells the mutual information of columns of n rows.
type neighbours struct {
	k     int
	score []float64 // normal scores of ranks 0 to n-1
	psi   []float64 // digamma function of 1 to n, at these places
	rank  []int     // of y, by row
	y     []float64 // scores of y in the order of x
	place []int     // ranks of y in the order of x
	near  []float64 // distances of the k nearest, increasing
}

// newNeighbours returns nil if k is negative.
func newNeighbours(n, k int) *neighbours {
	if k < 0 {
		return nil
	}
	const euler = 0.57721566490153286060651209008240243
	b := &neighbours{
		k: k, score: make([]float64, n), psi: make([]float64, n+1), rank: make([]int, n),
		y: make([]float64, n), place: make([]int, n), near: make([]float64, k),
	}
	for i := range b.score {
		b.score[i] = math.Sqrt2 * math.Erfinv(float64(2*i+1-n)/float64(n))
	}
	b.psi[1] = -euler
	for i := 1; i < n; i++ {
		b.psi[i+1] = b.psi[i] + 1/float64(i)
	}
	return b
}

// information returns the estimate for two columns whose rows come in these
// orders, equation 8 of the paper.
func (b *neighbours) information(x, y []int) float64 {
	n := len(x)
	for r, i := range y {
		b.rank[i] = r
	}
	for r, i := range x {
		b.place[r] = b.rank[i]
		b.y[r] = b.score[b.place[r]]
	}
	var sum float64
	for i := range n {
		distance := b.nearest(i)
		sum += b.psi[b.within(i, distance)] + b.psi[b.within(b.place[i], distance)]
	}
	return b.psi[b.k] + b.psi[n] - sum/float64(n)
}

// nearest returns the distance of the k-th neighbour of the row of rank i in x,
// the larger of those along x and y. It looks at rows by their distance in x,
// about √(kn) of n rows for columns that are independent.
func (b *neighbours) nearest(i int) float64 {
	for j := range b.near {
		b.near[j] = math.Inf(1)
	}
	last := len(b.near) - 1
	at, y := b.score[i], b.y[i]
	below, above := i-1, i+1
	left, right := math.Inf(1), math.Inf(1)
	if below >= 0 {
		left = at - b.score[below]
	}
	if above < len(b.score) {
		right = b.score[above] - at
	}
	for min(left, right) < b.near[last] {
		var d float64
		if left <= right {
			d = max(left, math.Abs(b.y[below]-y))
			below--
			left = math.Inf(1)
			if below >= 0 {
				left = at - b.score[below]
			}
		} else {
			d = max(right, math.Abs(b.y[above]-y))
			above++
			right = math.Inf(1)
			if above < len(b.score) {
				right = b.score[above] - at
			}
		}
		if d < b.near[last] {
			j := last
			for ; j > 0 && b.near[j-1] > d; j-- {
				b.near[j] = b.near[j-1]
			}
			b.near[j] = d
		}
	}
	return b.near[last]
}

// within returns how many scores are nearer to that of a rank than distance,
// its own included.
func (b *neighbours) within(rank int, distance float64) int {
	at := b.score[rank]
	lo := sort.Search(rank, func(i int) bool { return at-b.score[i] < distance })
	hi := rank + sort.Search(len(b.score)-rank, func(i int) bool { return b.score[rank+i]-at >= distance })
	return hi - lo
}
