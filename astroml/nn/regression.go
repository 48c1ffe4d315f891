package nn

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"

	"github.com/goastroml/goastroml/astroml/internal/kernel"
)

// SquaredError is the mean of (x - t)² over all values.
type SquaredError struct{ spec }

// SquaredError draws the mean squared difference of x and t.
func (g *Graph) SquaredError(x, t *Node) *Node {
	return g.loss(x, t, same, func(s spec) Op { return SquaredError{s} }, "squarederror")
}

func (q SquaredError) DiffWRT(int) []bool { return []bool{true, false} }

// SymDiff returns 2(x - t)/n.
func (q SquaredError) SymDiff(in gorgonia.Nodes, _, dl *Node) (gorgonia.Nodes, error) {
	var s sequence
	return gorgonia.Nodes{s.apply(SquaredErrorGrad{shapes("squarederrorgrad", in[0].Shape(), in[0], in[1], dl)}, in[0], in[1], dl), nil}, s.err
}

func (q SquaredError) scratch() int { return min(maxWorkers, tasksOf(volume(q.In[0]))) * block }

func (q SquaredError) bind(b binding) func() {
	n := len(b.in[0])
	sums := make([]float64, tasksOf(n))
	run := func(task, worker int) {
		lo, hi := task*block, min(n, (task+1)*block)
		d := b.tmp[worker*block:][:hi-lo]
		kernel.Scale(d, b.in[1][lo:hi], -1)
		kernel.Add(d, d, b.in[0][lo:hi])
		sums[task] = kernel.SumSquares(d)
	}
	return func() {
		b.workers.Run(len(sums), run)
		var sum float64
		for _, s := range sums {
			sum += s
		}
		b.out[0] = float32(sum / float64(n))
	}
}

// SquaredErrorGrad is the gradient of SquaredError for x, of inputs x, t and
// the gradient of the loss.
type SquaredErrorGrad struct{ spec }

func (q SquaredErrorGrad) inPlace() int { return 0 }
func (q SquaredErrorGrad) bind(b binding) func() {
	return each(b.workers, len(b.out), func(lo, hi int) {
		s := 2 * b.in[2][0] / float32(len(b.out))
		d := b.out[lo:hi]
		kernel.Scale(d, b.in[0][lo:hi], s)
		kernel.Axpy(d, -s, b.in[1][lo:hi])
	})
}

// NormalLoss is the loss of a normalising flow (Papamakarios et al. 2021,
// arXiv:1912.02762, eq. 13): the mean over rows of
//
//	-log p = Σ_j ½ z_j² + ½ log 2π - l_j
//
// of inputs z and l (N, d), the values that should be standard normal and the
// logarithms of their derivatives.
type NormalLoss struct{ spec }

// NormalLoss draws the mean negative log-density.
func (g *Graph) NormalLoss(z, l *Node) *Node {
	return g.loss(z, l, same, func(s spec) Op { return NormalLoss{s} }, "normalloss")
}

func (q NormalLoss) DiffWRT(n int) []bool { return all(n) }

// SymDiff returns z/N and -1/N.
func (q NormalLoss) SymDiff(in gorgonia.Nodes, _, dl *Node) (gorgonia.Nodes, error) {
	var s sequence
	grad := func(x *Node, which int) *Node {
		return s.apply(NormalLossGrad{shapes(fmt.Sprint("normallossgrad", which), x.Shape(), x, dl), which}, x, dl)
	}
	return gorgonia.Nodes{grad(in[0], 0), grad(in[1], 1)}, s.err
}

func (q NormalLoss) bind(b binding) func() {
	return func() {
		var sum float64
		for i, z := range b.in[0] {
			sum += float64(z)*float64(z)/2 - float64(b.in[1][i])
		}
		n := float64(q.In[0][0])
		b.out[0] = float32(sum/n + float64(len(b.in[0]))/n*0.5*math.Log(2*math.Pi))
	}
}

// NormalLossGrad is the gradient of NormalLoss for z (Which 0) or l (1), of that
// input and the gradient of the loss.
type NormalLossGrad struct {
	spec
	Which int
}

func (q NormalLossGrad) bind(b binding) func() {
	n := float32(q.Out[0])
	return func() {
		d := b.in[1][0] / n
		if q.Which == 0 {
			kernel.Scale(b.out, b.in[0], d)
			return
		}
		for i := range b.out {
			b.out[i] = -d
		}
	}
}
