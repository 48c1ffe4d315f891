package nn

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
)

// Attention is scaled dot-product attention of all positions of a sample to
// each other, with several heads (Vaswani et al. 2017, arXiv:1706.03762, eq. 1):
//
//	y = softmax(q kᵀ / √d) v,  d = C/Heads
//
// for each head. The channels of the input qkv (N,D,H,W,3C) are q, k and v, each
// the heads side by side; y is (N,D,H,W,C).
type Attention struct {
	spec
	Heads int
}

// Attention draws the attention of each sample's positions to each other. The
// channels of qkv are three times those of the result.
func (g *Graph) Attention(qkv *Node, heads int) *Node {
	if g.err != nil {
		return nil
	}
	s := []int(qkv.Shape())
	if len(s) != 5 || heads < 1 || volume(s) < 1 || s[4]%(3*heads) != 0 {
		return g.fail("attention of %v with %d heads, want (N,D,H,W,3C) and C a multiple of the heads: %w", s, heads, astroml.ErrShape)
	}
	out := []int{s[0], s[1], s[2], s[3], s[4] / 3}
	g.macs += 2 * volume(out) * volume(s[1:4])
	return g.apply(Attention{shapes(fmt.Sprint("attention", heads), out, qkv), heads}, qkv)
}

func (op Attention) DiffWRT(n int) []bool { return all(n) }

// SymDiff returns the gradient for qkv. It computes the probabilities anew, so
// that only y is kept.
func (op Attention) SymDiff(in gorgonia.Nodes, y, dy *Node) (gorgonia.Nodes, error) {
	var s sequence
	qkv := in[0]
	grad := AttentionGrad{shapes(fmt.Sprint("attentiongrad", op.Heads), qkv.Shape(), qkv, y, dy), op.Heads}
	return gorgonia.Nodes{s.apply(grad, qkv, y, dy)}, s.err
}

// Queries are worked on in blocks of queryBlock or somewhat less, and then
// keyBlock keys at a time, so that what is at hand stays in cache. Blocks of 32
// or 128 queries were not clearly faster, on a machine that was not quiet.
const (
	queryBlock = 64
	keyBlock   = 192
)

// attention is what Attention and its gradient share. The scores of a block of
// queries lie transposed, keys × queries: the softmax then runs along the
// vectors, and K and V are read where they lie.
type attention struct {
	n, heads      int
	t, c, d       int // positions, channels, channels of a head
	blocks, width int // blocks of queries, and the queries of one, in whole panels
	top           *kernel.Pool
	score         *kernel.Product // keys × queries: rows of K or V times packed queries
	mix           *kernel.Product // its Weights are queries × d: keys × queries, transposed, times V or K
}

func newAttention(qkv []int, heads int) *attention {
	a := &attention{n: qkv[0], heads: heads, t: volume(qkv[1:4]), c: qkv[4] / 3}
	a.d = a.c / heads
	a.blocks = (a.t + queryBlock - 1) / queryBlock
	a.width = roundUp((a.t+a.blocks-1)/a.blocks, kernel.Panel)
	one, all := [3]int{1, 1, 1}, [3]int{1, 1, a.t}
	a.top = &kernel.Pool{In: all, Out: one, Kernel: all, Stride: one, C: a.width}
	first := []int{0}
	a.score = &kernel.Product{
		Width: a.t, ALine: first, CLine: first, AStep: 3 * a.c, CStep: a.width, Seg: first, KL: a.d, N: a.width,
	}
	a.mix = &kernel.Product{
		Width: a.t, ALine: first, CLine: first, AStep: a.width, CStep: 3 * a.c, Seg: first, KL: a.width, N: a.d,
	}
	return a
}

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }

// span returns the positions of a block of queries.
func (a *attention) span(block int) (lo, hi int) {
	return a.t * block / a.blocks, a.t * (block + 1) / a.blocks
}

// of returns q, k and v of a head, of rows 3C apart.
func (a *attention) of(x []float32, sample, head int) (q, k, v []float32) {
	x = x[sample*a.t*3*a.c+head*a.d:]
	return x, x[a.c:], x[2*a.c:]
}

// queries is the memory of a worker for a block of queries.
type queries struct {
	rows     []float32 // queries × d, zeros where there are no more queries
	across   []float32 // the same, packed d deep
	p        []float32 // keys × queries
	top, sum []float32 // of a query: -max of its scores, Σ exp(score - max)
	o        []float32 // queries × d
}

func (a *attention) queriesLen() int { return a.width * (3*a.d + a.t + 2) }

func (a *attention) newQueries(take func(n int) []float32) queries {
	n := a.width * a.d
	return queries{take(n), take(n), take(a.t * a.width), take(a.width), take(a.width), take(n)}
}

// load sets dst to rows of d values, step apart, and zeros after them.
func load(dst, x []float32, rows, d, step int) {
	for i := range rows {
		copy(dst[i*d:(i+1)*d], x[i*step:])
	}
	clear(dst[rows*d:])
}

// packAcross packs the transpose of rows of d values: d deep. The rows fill
// whole panels.
func packAcross(packed, x []float32, d int) {
	const panel = kernel.Panel
	for ; len(x) > 0; x, packed = x[panel*d:], packed[panel*d:] {
		for k := range d {
			row := packed[k*panel:][:panel]
			for j := range row {
				row[j] = x[j*d+k]
			}
		}
	}
}

// load takes the queries from lo to hi-1, scaled.
func (q *queries) load(a *attention, x []float32, lo, hi int) {
	load(q.rows, x[lo*3*a.c:], hi-lo, a.d, 3*a.c)
	kernel.Scale(q.rows, q.rows, float32(1/math.Sqrt(float64(a.d))))
	packAcross(q.across, q.rows, a.d)
}

// softmax sets p to exp(score - max), not yet divided by its sum over the keys.
func (q *queries) softmax(a *attention, k []float32) {
	a.score.Forward(q.p, k, q.across, 0, a.t, kernel.Epilogue{})
	a.top.Max(q.top, q.p)
	kernel.Scale(q.top, q.top, -1)
	clear(q.sum)
	for lo := 0; lo < a.t; lo += keyBlock {
		p := q.p[lo*a.width : min(lo+keyBlock, a.t)*a.width]
		kernel.Bias(p, p, q.top, a.width, Identity)
		kernel.Exp(p, p)
		kernel.Sums(q.sum, p, a.width)
	}
}

func (op Attention) scratch() int {
	a := newAttention(op.In[0], op.Heads)
	return min(maxWorkers, a.n*a.heads*a.blocks) * a.queriesLen()
}

func (op Attention) bind(b binding) func() {
	a := newAttention(op.In[0], op.Heads)
	tasks := a.n * a.heads * a.blocks
	take := taker(b.tmp)
	crew := make([]queries, min(maxWorkers, tasks))
	for i := range crew {
		crew[i] = a.newQueries(take)
	}
	run := func(task, worker int) {
		sample, head, block := task/a.blocks/a.heads, task/a.blocks%a.heads, task%a.blocks
		lo, hi := a.span(block)
		m := &crew[worker]
		q, k, v := a.of(b.in[0], sample, head)
		m.load(a, q, lo, hi)
		m.softmax(a, k)
		clear(m.o)
		a.mix.Weights(m.o, m.p, v, 0, a.t, 0, a.width)
		y := b.out[(sample*a.t+lo)*a.c+head*a.d:]
		for i := range hi - lo {
			f := 1 / m.sum[i]
			row := y[i*a.c:][:a.d]
			for j, v := range m.o[i*a.d : (i+1)*a.d] {
				row[j] = f * v
			}
		}
	}
	return func() { b.workers.Run(tasks, run) }
}

// AttentionGrad is the gradient of Attention, of inputs qkv, y and dy. With the
// probabilities P of a head and the rows dO of dy
//
//	dV = Pᵀ dO,  dS = P ∘ (dO Vᵀ - D),  dQ = dS K / √d,  dK = dSᵀ Q / √d,
//
// where D is Σ dy·y of each query (Dao et al. 2022, arXiv:2205.14135, appendix
// B). A query's 1/Σ exp is put into dO and D, not into P.
type AttentionGrad struct {
	spec
	Heads int
}

// shards returns into how many ranges of queries, each with sums dK and dV of
// its own, a head's work is cut: there are eight tasks or more, where there are
// as many blocks. It does not depend on the workers.
func (a *attention) shards() int {
	pairs := a.n * a.heads
	return min(a.blocks, (8+pairs-1)/pairs)
}

// queriesGrad is the memory of a worker for the gradient of a block of queries.
type queriesGrad struct {
	queries
	packed   []float32 // the queries, as many deep
	dy       []float32 // queries × d, divided by the sum
	dyAcross []float32 // the same, packed d deep
	dyPacked []float32 // the same, packed queries deep
	minusD   []float32 // of a query
	dp       []float32 // keyBlock keys × queries
}

func (a *attention) queriesGradLen() int {
	return a.queriesLen() + a.width*(2*a.d+1+min(keyBlock, a.t)) + 2*kernel.PackedLen(a.width, a.d)
}

func (a *attention) newQueriesGrad(take func(n int) []float32) queriesGrad {
	n, packed := a.width*a.d, kernel.PackedLen(a.width, a.d)
	return queriesGrad{
		a.newQueries(take), take(packed), take(n), take(n), take(packed), take(a.width), take(min(keyBlock, a.t) * a.width),
	}
}

// loadGrad takes dy of the queries from lo to hi-1, and y.
func (q *queriesGrad) loadGrad(a *attention, y, dy []float32, lo, hi int) {
	load(q.dy, dy[lo*a.c:], hi-lo, a.d, a.c)
	clear(q.minusD)
	for i := range hi - lo {
		f := 1 / q.sum[i]
		var sum float64
		row := q.dy[i*a.d : (i+1)*a.d]
		for j, v := range y[(lo+i)*a.c:][:a.d] {
			row[j] *= f
			sum += float64(row[j]) * float64(v)
		}
		q.minusD[i] = float32(-sum)
	}
	packAcross(q.dyAcross, q.dy, a.d)
	kernel.Pack(q.dyPacked, q.dy, a.width, a.d)
}

// grad adds what the queries at hand give to dk and dv, of rows that spread
// says, and sets q.o to their own gradient, but for the scale.
func (q *queriesGrad) grad(a *attention, spread *kernel.Product, dk, dv, k, v []float32, first bool) {
	clear(q.o)
	for lo := 0; lo < a.t; lo += keyBlock {
		n := min(keyBlock, a.t-lo)
		p, dp := q.p[lo*a.width:(lo+n)*a.width], q.dp[:n*a.width]
		dk, dv, k, v := dk[lo*spread.CStep:], dv[lo*spread.CStep:], k[lo*3*a.c:], v[lo*3*a.c:]
		var ek, ev kernel.Epilogue
		if !first {
			ek.Residual, ev.Residual = dk, dv
		}
		spread.Forward(dv, p, q.dyPacked, 0, n, ev)
		a.score.Forward(dp, v, q.dyAcross, 0, n, kernel.Epilogue{Bias: q.minusD})
		kernel.Mul(dp, dp, p)
		a.mix.Weights(q.o, dp, k, 0, n, 0, a.width)
		spread.Forward(dk, dp, q.packed, 0, n, ek)
	}
}

func (op AttentionGrad) scratch() int {
	a := newAttention(op.In[0], op.Heads)
	tasks := a.n * a.heads * a.shards()
	n := min(maxWorkers, tasks) * a.queriesGradLen()
	if a.shards() > 1 {
		n += tasks * a.t * 2 * a.d
	}
	return n
}

func (op AttentionGrad) bind(b binding) func() {
	a := newAttention(op.In[0], op.Heads)
	shards := a.shards()
	tasks := a.n * a.heads * shards
	take := taker(b.tmp)
	crew := make([]queriesGrad, min(maxWorkers, tasks))
	for i := range crew {
		crew[i] = a.newQueriesGrad(take)
	}
	step := 3 * a.c
	var sums []float32
	size := a.t * 2 * a.d
	if shards > 1 {
		step, sums = 2*a.d, take(tasks*size)
	}
	first := []int{0}
	spread := &kernel.Product{
		Width: a.t, ALine: first, CLine: first, AStep: a.width, CStep: step, Seg: first, KL: a.width, N: a.d,
	}
	scale := float32(1 / math.Sqrt(float64(a.d)))
	run := func(task, worker int) {
		sample, head, shard := task/shards/a.heads, task/shards%a.heads, task%shards
		m := &crew[worker]
		q, k, v := a.of(b.in[0], sample, head)
		dq, dk, dv := a.of(b.out, sample, head)
		if shards > 1 {
			dk, dv = sums[task*size:(task+1)*size], sums[task*size+a.d:(task+1)*size]
		}
		at := sample*a.t*a.c + head*a.d
		from, to := a.blocks*shard/shards, a.blocks*(shard+1)/shards
		for block := from; block < to; block++ {
			lo, hi := a.span(block)
			m.load(a, q, lo, hi)
			kernel.Pack(m.packed, m.rows, a.width, a.d)
			m.softmax(a, k)
			m.loadGrad(a, b.in[1][at:], b.in[2][at:], lo, hi)
			m.grad(a, spread, dk, dv, k, v, block == from)
			kernel.Scale(m.o, m.o, scale)
			for i := range hi - lo {
				copy(dq[(lo+i)*3*a.c:][:a.d], m.o[i*a.d:])
			}
		}
	}
	// total adds the sums of the shards for some keys.
	total := func(task, _ int) {
		pair, block := task/a.blocks, task%a.blocks
		lo, hi := a.span(block)
		_, dk, dv := a.of(b.out, pair/a.heads, pair%a.heads)
		sum := sums[(pair*shards*a.t+lo)*2*a.d:][:(hi-lo)*2*a.d]
		for s := 1; s < shards; s++ {
			kernel.Axpy(sum, 1, sums[((pair*shards+s)*a.t+lo)*2*a.d:][:len(sum)])
		}
		for i := range hi - lo {
			copy(dk[(lo+i)*3*a.c:][:a.d], sum[i*2*a.d:])
			copy(dv[(lo+i)*3*a.c:][:a.d], sum[i*2*a.d+a.d:])
		}
	}
	return func() {
		b.workers.Run(tasks, run)
		if shards > 1 {
			b.workers.Run(a.n*a.heads*a.blocks, total)
		}
	}
}
