package explain

import (
	"fmt"
	"slices"
)

// permutation learns the features of a row one after the other, along random
// orders, each of them forwards and backwards; a feature's value is the mean of
// what the answer changes by when the feature becomes known (Castro et al.
// 2009, doi:10.1016/j.cor.2008.04.004; antithetic pairs: Mitchell et al. 2022,
// arXiv:2104.12199). One pair is exact for a model whose features interact by
// twos at most.
//
// The pairs are independent: their scatter gives the standard error.
type permutation struct {
	*plan
	x      []float64
	all    []float64 // the answers to x
	orders [][]int   // one a pair
	pair   []float64 // pairs × features × outputs: mean over draws
	draw   []float64 // draws × features × outputs: mean over pairs
	v      []float64 // draws × coalitions of a block × outputs

	filled int          // the block that gains are of
	gains  [2][]float64 // there and back, features × features; nil if nothing moves
	cov    []float64
}

// permutation has the plan ask for as many pairs of walks as budget pays.
func (p *plan) permutation(budget int) error {
	m := p.features
	p.block = max(1, 2*(m-1)) // both ends of a walk are known to all
	pairs := budget / p.block
	if pairs < 2 {
		return fmt.Errorf("explain: a budget of %d coalitions, two pairs of walks along %d features take %d", budget, m, 2*p.block)
	}
	if m == 1 {
		pairs = 1
	}
	p.coalitions = pairs * 2 * (m - 1)
	p.start = func(row int) player {
		w := &permutation{
			plan: p, x: p.row(row), all: p.predicted(row), orders: make([][]int, pairs), filled: -1,
			pair: make([]float64, pairs*m*p.outputs), draw: make([]float64, p.b.draws*m*p.outputs),
			v: make([]float64, p.b.draws*p.block*p.outputs),
		}
		r := stream(p.seed, "permutation", p.given(row))
		for i := range w.orders {
			w.orders[i] = r.Perm(m)
		}
		if p.b.cov != nil {
			w.cov, w.gains = make([]float64, m*m), [2][]float64{make([]float64, 0, m*m), make([]float64, 0, m*m)}
		}
		return w
	}
	return nil
}

// walks returns the order of a pair there and back.
func (w *permutation) walks(pair int) [2][]int {
	back := slices.Clone(w.orders[pair])
	slices.Reverse(back)
	return [2][]int{w.orders[pair], back}
}

func (w *permutation) fill(dst []float64, block, member int) {
	m := w.features
	for i, order := range w.walks(block) {
		if w.filled != block {
			w.gains[i] = w.b.gains(w.gains[i][:0], w.cov, order)
		}
		at := w.b.row(member)
		for t, j := range order[:m-1] {
			var gain []float64
			if w.b.cov != nil {
				gain = w.gains[i][t*m : (t+1)*m]
			}
			learn(dst[:m], at, gain, j, w.x[j])
			at, dst = dst[:m], dst[m:]
		}
	}
	w.filled = block
}

func (w *permutation) take(y []float64, block, member int) {
	if member == 0 {
		clear(w.v)
	}
	d := w.b.draw(member)
	v := w.v[d*len(y) : (d+1)*len(y)]
	weight := w.b.weight[member]
	for i, value := range y {
		v[i] += weight * value
	}
	if member == w.b.members()-1 {
		w.walked(block)
	}
}

// walked shares out what the answers changed by along the walks of a pair.
func (w *permutation) walked(pair int) {
	k, width := w.outputs, w.features*w.outputs
	sum := w.pair[pair*width : (pair+1)*width]
	v := w.v
	for d := range w.b.draws {
		draw := w.draw[d*width : (d+1)*width]
		for _, order := range w.walks(pair) {
			before := w.unknown(d)
			for t, j := range order {
				after := w.all
				if t < w.features-1 {
					after, v = v[:k], v[k:]
				}
				for o := range k {
					c := (after[o] - before[o]) / 2
					sum[j*k+o] += c / float64(w.b.draws)
					draw[j*k+o] += c / float64(len(w.orders))
				}
				before = after
			}
		}
	}
}

func (w *permutation) solve(values, variance []float64) {
	if w.coalitions == 0 { // one feature: there is nothing to walk
		w.walked(0)
	}
	// Orders and draws are crossed: the variance of a mean over both is that of
	// its means over one plus that of those over the other. What they do
	// together is counted twice, on the safe side.
	average(w.draw, values, variance)
	average(w.pair, values, variance)
}
