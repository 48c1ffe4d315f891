package nn

import (
	"gorgonia.org/gorgonia"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
)

// Bias adds one value a channel, or a sample and channel.
type Bias struct{ spec }

// Bias draws x + b, b (C) of one value a channel, or (N,1,1,1,C) of one a sample
// and channel.
func (g *Graph) Bias(x, b *Node) *Node {
	if g.err != nil {
		return nil
	}
	xs, bs := x.Shape(), b.Shape()
	last := len(xs) - 1
	channels := last >= 0 && len(bs) == 1 && bs[0] == xs[last]
	samples := last == 4 && same(bs, []int{xs[0], 1, 1, 1, xs[4]})
	if !channels && !samples {
		return g.fail("bias of %v for %v: %w", bs, xs, astroml.ErrShape)
	}
	return g.apply(Bias{shapes("bias", xs, x, b)}, x, b)
}

func (a Bias) inPlace() int         { return 0 }
func (a Bias) DiffWRT(n int) []bool { return all(n) }

// SymDiff returns dy, and its sums over what b does not have.
func (a Bias) SymDiff(in gorgonia.Nodes, _, dy *Node) (gorgonia.Nodes, error) {
	var s sequence
	if len(in[1].Shape()) > 1 {
		return gorgonia.Nodes{dy, s.apply(pixelSum(dy, 1), dy)}, s.err
	}
	return gorgonia.Nodes{dy, s.apply(SumRows{shapes("sumrows", in[1].Shape(), dy)}, dy)}, s.err
}

func (a Bias) bind(b binding) func() {
	c := a.Out[len(a.Out)-1]
	sets := len(b.in[1]) / c
	size := len(b.out) / sets
	tasks, rows := chunks(size/c, c)
	run := func(task, _ int) {
		set, part := task/tasks, task%tasks
		lo, hi := set*size+part*rows*c, set*size+min(size, (part+1)*rows*c)
		kernel.Bias(b.out[lo:hi], b.in[0][lo:hi], b.in[1][set*c:(set+1)*c], c, Identity)
	}
	return func() { b.workers.Run(sets*tasks, run) }
}
