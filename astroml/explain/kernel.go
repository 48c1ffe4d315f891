package explain

import (
	"fmt"
	"slices"
	"sort"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/combin"
)

// kernel fits an additive function to the values of coalitions by least
// squares, with the weights of the Shapley kernel (Lundberg & Lee 2017,
// arXiv:1705.07874, theorem 2)
//
//	π(s) = (M-1) / (C(M,s) s (M-s)) for s of M features
//
// and the constraint that its values sum to v(all) - v(none). Sizes are taken
// whole from the outside (1 and M-1, 2 and M-2, …) as long as the budget would
// draw each of their coalitions once on average; of the other sizes as many
// coalitions are drawn, by weight, as are left to ask for, each with its
// complement (paired sampling: Covert & Lee 2021, arXiv:2012.01536). If all
// sizes are taken whole the fit is the Shapley value. Nothing is regularised.
//
// With z the indicator of a coalition less its mean s/M, the constraint is kept
// by φ = (v(all) - v(none))/M + u, where u sums to 0 because every z does:
//
//	A u = b,  A = Σ π z zᵀ,  b = Σ π z (v(S) - v(none) - (v(all) - v(none)) s/M)
type kernel struct {
	*kernelPlan
	x      []float64
	all    []float64 // the answers to x
	known  []bool    // coalitions × features
	v      []float64 // draws × coalitions × outputs
	filled int       // the block that gains are of
	gains  [][]float64
	cov    []float64
}

type kernelPlan struct {
	*plan
	whole  []bool    // coalitions taken whole × features
	weight []float64 // of all coalitions, the drawn ones last, in pairs
	chance []float64 // how often a drawn coalition has no more than s features, by s < M, up to a factor
}

// kernel has the plan ask for the coalitions that budget pays.
func (p *plan) kernel(budget int) error {
	m := p.features
	if least := 2*m + 4; budget < least {
		return fmt.Errorf("explain: a budget of %d coalitions, the kernel of %d features takes at least %d", budget, m, least)
	}
	q := &kernelPlan{plan: p, chance: make([]float64, m)}
	var left float64 // weight of the sizes that are not taken whole
	for s := 1; s < m; s++ {
		q.chance[s] = float64(m-1) / (float64(s) * float64(m-s))
		left += q.chance[s]
	}
	s := 1
	for ; 2*s <= m; s++ {
		count, weight := combin.GeneralizedBinomial(float64(m), float64(s)), q.chance[s]
		each := weight / count
		if 2*s < m {
			count, weight = 2*count, 2*weight
		}
		rest := float64(budget - len(q.weight))
		// The last size has all the weight that is left, but for rounding.
		if s > 1 && count*left > rest*weight*(1+1e-9) {
			break
		}
		q.takeWhole(s, each)
		q.chance[s], q.chance[m-s] = 0, 0
		left -= weight
	}
	if 2*s <= m {
		pairs := (budget - len(q.weight)) / 2
		q.weight = append(q.weight, slices.Repeat([]float64{left / float64(2*pairs)}, 2*pairs)...)
		for s := 1; s < m; s++ {
			q.chance[s] += q.chance[s-1]
		}
	}
	p.coalitions, p.block = len(q.weight), 256
	if p.b.cov != nil { // a coalition keeps features² gains
		p.block = max(1, min(p.block, 1<<20/(m*m)))
	}
	p.start = q.player
	return nil
}

// takeWhole adds all coalitions of s features, and of all but s.
func (q *kernelPlan) takeWhole(s int, weight float64) {
	m := q.features
	gen := combin.NewCombinationGenerator(m, s)
	for in := make([]int, s); gen.Next(); {
		gen.Combination(in)
		q.whole = with(q.whole, m, in)
		q.weight = append(q.weight, weight)
		if 2*s < m {
			q.whole = without(q.whole, m)
			q.weight = append(q.weight, weight)
		}
	}
}

// with appends the coalition that knows the features in.
func with(known []bool, m int, in []int) []bool {
	n := len(known)
	known = append(known, make([]bool, m)...)
	for _, j := range in {
		known[n+j] = true
	}
	return known
}

// without appends the complement of the last coalition.
func without(known []bool, m int) []bool {
	for _, k := range known[len(known)-m:] {
		known = append(known, !k)
	}
	return known
}

func (q *kernelPlan) player(row int) player {
	m := q.features
	k := &kernel{
		kernelPlan: q, x: q.row(row), all: q.predicted(row), filled: -1,
		known: slices.Clone(q.whole), v: make([]float64, q.b.draws*q.coalitions*q.outputs),
		gains: make([][]float64, q.block), cov: make([]float64, len(q.b.cov)),
	}
	r := stream(q.seed, "kernel", q.given(row))
	for len(k.known) < q.coalitions*m {
		u := r.Float64() * q.chance[m-1]
		s := sort.Search(m-1, func(s int) bool { return q.chance[s] > u })
		k.known = with(k.known, m, r.Perm(m)[:s])
		k.known = without(k.known, m)
	}
	return k
}

// learnt returns how features move as those of a coalition become known, in
// their order.
func (k *kernel) learnt(dst []float64, known []bool) []float64 {
	var in []int
	for j, yes := range known {
		if yes {
			in = append(in, j)
		}
	}
	return k.b.gains(slices.Grow(dst, len(in)*k.features), k.cov, in)
}

func (k *kernel) fill(dst []float64, block, member int) {
	m := k.features
	for i := range len(dst) / m {
		at := (block*k.block + i) * m
		known := k.known[at : at+m]
		if k.b.cov != nil && k.filled != block {
			k.gains[i] = k.learnt(k.gains[i][:0], known)
		}
		row, gains := dst[i*m:(i+1)*m], k.gains[i]
		copy(row, k.b.row(member))
		for j, yes := range known {
			switch {
			case !yes:
			case gains == nil:
				row[j] = k.x[j]
			default:
				learn(row, row, gains[:m], j, k.x[j])
				gains = gains[m:]
			}
		}
	}
	k.filled = block
}

func (k *kernel) take(y []float64, block, member int) {
	at := (k.b.draw(member)*k.coalitions + block*k.block) * k.outputs
	v := k.v[at : at+len(y)]
	weight := k.b.weight[member]
	for i, value := range y {
		v[i] += weight * value
	}
}

func (k *kernel) solve(values, variance []float64) {
	m, width := k.features, len(values)
	z := k.centred()
	inverse := k.inverse(z)
	each := make([]float64, k.b.draws*width)
	mean := make([]float64, k.coalitions*k.outputs) // of the targets over draws
	for d := range k.b.draws {
		for o := range k.outputs {
			gap := k.all[o] - k.unknown(d)[o]
			b := make([]float64, m)
			for i, w := range k.weight {
				y := k.v[(d*k.coalitions+i)*k.outputs+o] - k.unknown(d)[o] - gap*k.share(z, i)
				mean[i*k.outputs+o] += y / float64(k.b.draws)
				for j, zj := range z[i*m : (i+1)*m] {
					b[j] += w * zj * y
				}
			}
			phi := each[d*width:]
			var sum float64
			for j := range m {
				u := dot(inverse[j*m:(j+1)*m], b)
				phi[j*k.outputs+o] = u
				sum += u
			}
			for j := range m {
				phi[j*k.outputs+o] += (gap - sum) / float64(m)
			}
		}
	}
	average(each, values, variance)
	k.scatter(values, variance, mean, z, inverse)
}

// centred returns the indicators of the coalitions less their means, coalitions
// × features.
func (k *kernel) centred() []float64 {
	m := k.features
	z := make([]float64, len(k.known))
	for i := range k.weight {
		n := 0
		for j, known := range k.known[i*m : (i+1)*m] {
			if known {
				z[i*m+j] = 1
				n++
			}
		}
		for j := range m {
			z[i*m+j] -= float64(n) / float64(m)
		}
	}
	return z
}

// share returns which fraction of all features a coalition knows.
func (k *kernel) share(z []float64, i int) float64 {
	if z[i*k.features] < 0 {
		return -z[i*k.features]
	}
	return 1 - z[i*k.features]
}

// inverse returns that of A, on what sums to 0.
func (k *kernel) inverse(z []float64) []float64 {
	m := k.features
	a := mat.NewSymDense(m, nil)
	data := a.RawSymmetric().Data
	for i, w := range k.weight {
		z := z[i*m : (i+1)*m]
		for r, zr := range z {
			row := data[r*m : (r+1)*m]
			for c := r; c < m; c++ {
				row[c] += w * zr * z[c]
			}
		}
	}
	// A is blind to what all features have in common: any number will do there.
	common := a.Trace() / float64(m)
	if common == 0 { // one feature
		common = 1
	}
	for r := range m {
		for c := r; c < m; c++ {
			data[r*m+c] += common / float64(m)
		}
	}
	var root mat.Cholesky
	var inverse mat.SymDense
	if !root.Factorize(a) || root.InverseTo(&inverse) != nil {
		panic("explain: single features, taken whole, leave the fit undetermined")
	}
	out := make([]float64, 0, m*m)
	for r := range m {
		for c := range m {
			out = append(out, inverse.At(r, c))
		}
	}
	return out
}

// scatter adds what the choice of coalitions adds to the variance of values. To
// first order the fit is a sum over the drawn pairs (an M-estimator), whose
// scatter is taken from its terms. Each residual is divided by 1 less its
// leverage, since the fit has been drawn towards it (HC3 of MacKinnon & White
// 1985, doi:10.1016/0304-4076(85)90158-7).
func (k *kernel) scatter(values, variance, y, z, inverse []float64) {
	m := k.features
	first := len(k.whole) / m
	pairs := (k.coalitions - first) / 2
	if pairs == 0 {
		return
	}
	terms := make([]float64, 0, pairs*len(values))
	pull := make([]float64, m)
	for i := first; i < k.coalitions; i += 2 {
		z, w := z[i*m:(i+1)*m], k.weight[i]
		for j := range pull {
			pull[j] = dot(inverse[j*m:(j+1)*m], z)
		}
		scale := float64(pairs) * w / (1 - 2*w*dot(z, pull))
		terms = terms[:len(terms)+len(values)]
		term := terms[len(terms)-len(values):]
		for o := range k.outputs {
			// The complement has the indicator -z.
			residual := y[i*k.outputs+o] - y[(i+1)*k.outputs+o]
			for j, zj := range z {
				residual -= 2 * zj * values[j*k.outputs+o]
			}
			for j, p := range pull {
				term[j*k.outputs+o] = scale * p * residual
			}
		}
	}
	average(terms, make([]float64, len(values)), variance)
}

func dot(x, y []float64) float64 {
	var s float64
	for i, v := range x {
		s += v * y[i]
	}
	return s
}
