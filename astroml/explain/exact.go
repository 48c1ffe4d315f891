package explain

import (
	"fmt"
	"math/bits"
)

// maxExact is the largest number of features of the exact method: a million
// coalitions.
const maxExact = 20

// exactBlock is the logarithm of the number of coalitions in a block.
const exactBlock = 14

// exact plays all coalitions S of the features. A coalition's number has the
// bits of the features that it knows.
//
// Shapley's sum over coalitions without and with feature i,
//
//	φᵢ = Σ_{S∌i} |S|!(M-|S|-1)!/M! · (v(S∪i) - v(S)),
//
// is gathered by S. With u(s) = (s-1)!(M-s-1)!/(M-1)!, the sum of the weights
// with which a coalition of s features counts for those in it and against those
// outside, it is
//
//	φᵢ = Tᵢ - Σⱼ Tⱼ/M + (v(all) - v(none))/M,  Tᵢ = Σ_{S∋i} u(|S|) v(S)
//
// over all S but none and all. The last terms make the values sum to
// v(all) - v(none), as they must. All Tᵢ together cost 2·2^M additions, since
// what is summed for the highest feature halves what is left to sum over.
type exact struct {
	*exactPlan
	x   []float64
	all []float64 // the answers to x
	v   []float64 // draws × outputs × 2^features: 32 MB for 32 draws of 17 features
}

type exactPlan struct {
	*plan
	weight []float64 // u by number of features; 0 for none and all
	gains  []float64 // 2^features × features: how learning a coalition's lowest feature last moves the rest; nil if nothing
}

// exact has the plan ask for all coalitions.
func (p *plan) exact() error {
	m := p.features
	if m > maxExact {
		return fmt.Errorf("explain: %d features make 2^%d coalitions, exact takes at most %d features: try permutation, kernel or fewer features", m, m, maxExact)
	}
	p.coalitions, p.block = 1<<m, 1<<min(m, exactBlock)
	e := &exactPlan{plan: p, weight: make([]float64, m+1)}
	if m > 1 {
		e.weight[1] = 1 / float64(m-1)
	}
	for s := 2; s < m; s++ {
		e.weight[s] = e.weight[s-1] * float64(s-1) / float64(m-s)
	}
	if p.b.cov != nil {
		e.gains = make([]float64, m<<m)
		e.descend(0, m, p.b.cov)
	}
	p.start = func(row int) player {
		return &exact{e, p.row(row), p.predicted(row), make([]float64, p.b.draws*p.outputs<<m)}
	}
	return nil
}

// descend writes the gains of all coalitions that add lower features to one
// whose lowest feature is given, and whose covariance is cov.
func (e *exactPlan) descend(coalition, lowest int, cov []float64) {
	if lowest == 0 {
		return
	}
	rest := make([]float64, len(cov))
	for j := range lowest {
		next := coalition | 1<<j
		copy(rest, cov)
		condition(rest, e.gain(next), j)
		e.descend(next, j, rest)
	}
}

func (e *exactPlan) gain(coalition int) []float64 {
	if e.gains == nil {
		return nil
	}
	return e.gains[coalition*e.features : (coalition+1)*e.features]
}

func (e *exact) fill(dst []float64, block, member int) {
	m, x := e.features, e.x
	low := min(m, exactBlock)
	first := block << low
	top := dst[:m]
	copy(top, e.b.row(member))
	for j := m - 1; j >= low; j-- {
		if first>>j&1 == 1 {
			learn(top, top, e.gain(first>>j<<j), j, x[j])
		}
	}
	if e.gains == nil {
		// Twice the coalitions are those before, and those with one feature.
		for j := range low {
			n := m << j
			copy(dst[n:2*n], dst[:n])
			for at := n + j; at < 2*n; at += m {
				dst[at] = x[j]
			}
		}
		return
	}
	for s := 1; s < 1<<low; s++ {
		parent := s & (s - 1)
		j := bits.TrailingZeros(uint(s))
		learn(dst[s*m:(s+1)*m], dst[parent*m:(parent+1)*m], e.gain(first|s), j, x[j])
	}
}

func (e *exact) take(y []float64, block, member int) {
	weight := e.b.weight[member]
	size := len(y) / e.outputs
	for k := range e.outputs {
		at := (e.b.draw(member)*e.outputs+k)<<e.features + block*e.block
		v := e.v[at : at+size]
		for s := range v {
			v[s] += weight * y[s*e.outputs+k]
		}
	}
}

func (e *exact) solve(values, variance []float64) {
	m := e.features
	each := make([]float64, e.b.draws*len(values))
	for d := range e.b.draws {
		for k := range e.outputs {
			at := d*e.outputs + k
			e.gather(each[d*len(values)+k:], e.v[at<<m:(at+1)<<m], e.unknown(d)[k], e.all[k])
		}
	}
	average(each, values, variance)
}

// gather writes the Shapley values of a game to every so many places of phi. It
// changes v.
func (e *exact) gather(phi, v []float64, none, all float64) {
	m := e.features
	for s, value := range v {
		v[s] = e.weight[bits.OnesCount(uint(s))] * (value - none)
	}
	var total float64
	for i := m - 1; i >= 0; i-- {
		without, with := v[:1<<i], v[1<<i:2<<i]
		t := pairwise(with)
		phi[i*e.outputs] = t
		total += t
		for s, w := range with {
			without[s] += w
		}
	}
	for i := range m {
		phi[i*e.outputs] += ((all - none) - total) / float64(m)
	}
}

// pairwise returns the sum of x, whose length is a power of two, with a rounding
// error that grows with the logarithm of its length.
func pairwise(x []float64) float64 {
	if len(x) > 128 {
		return pairwise(x[:len(x)/2]) + pairwise(x[len(x)/2:])
	}
	var a, b, c, d float64
	for len(x) >= 4 {
		a += x[0]
		b += x[1]
		c += x[2]
		d += x[3]
		x = x[4:]
	}
	for _, v := range x {
		a += v
	}
	return (a + b) + (c + d)
}
