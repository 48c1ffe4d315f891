package nn

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
)

// Activate is an activation function, value by value.
type Activate struct {
	spec
	Act Act
}

// Activate draws y = act(x).
func (g *Graph) Activate(x *Node, act Act) *Node {
	if g.err != nil || act == Identity {
		return x
	}
	return g.apply(Activate{shapes(fmt.Sprintf("activate%v", act), x.Shape(), x), act}, x)
}

func (a Activate) inPlace() int         { return 0 }
func (a Activate) DiffWRT(n int) []bool { return all(n) }

// SymDiff returns act'(x)·dy, from y where that is enough, so that x need not be
// kept.
func (a Activate) SymDiff(in gorgonia.Nodes, y, dy *Node) (gorgonia.Nodes, error) {
	var s sequence
	v := y
	if a.Act.NeedsX() {
		v = in[0]
	}
	return gorgonia.Nodes{s.apply(ActivateGrad{shapes(fmt.Sprintf("activategrad%v", a.Act), dy.Shape(), v, dy), a.Act}, v, dy)}, s.err
}

func (a Activate) bind(b binding) func() {
	return each(b.workers, len(b.out), func(lo, hi int) {
		kernel.Activate(b.out[lo:hi], b.in[0][lo:hi], a.Act)
	})
}

// ActivateGrad is the gradient of Activate, of inputs y, or x if the activation
// needs it, and dy.
type ActivateGrad struct {
	spec
	Act Act
}

func (a ActivateGrad) inPlace() int { return 1 }
func (a ActivateGrad) bind(b binding) func() {
	return each(b.workers, len(b.out), func(lo, hi int) {
		v := b.in[0][lo:hi]
		kernel.ActivateGrad(b.out[lo:hi], v, v, b.in[1][lo:hi], a.Act)
	})
}

// Add is the sum of two arrays of one shape. Gorgonia's own addition, which
// joins the paths of a gradient, is lowered to it.
type Add struct{ spec }

// Add draws x + y.
func (g *Graph) Add(x, y *Node) *Node { return g.pair(x, y, func(s spec) Op { return Add{s} }, "add") }

func (a Add) inPlace() int         { return 0 }
func (a Add) DiffWRT(n int) []bool { return all(n) }

// SymDiff returns dy twice.
func (a Add) SymDiff(_ gorgonia.Nodes, _, dy *Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{dy, dy}, nil
}
func (a Add) bind(b binding) func() {
	return each(b.workers, len(b.out), func(lo, hi int) { kernel.Add(b.out[lo:hi], b.in[0][lo:hi], b.in[1][lo:hi]) })
}

// Mul is the product of two arrays of one shape, value by value.
type Mul struct{ spec }

// Mul draws x·y.
func (g *Graph) Mul(x, y *Node) *Node { return g.pair(x, y, func(s spec) Op { return Mul{s} }, "mul") }

func (m Mul) inPlace() int         { return 0 }
func (m Mul) DiffWRT(n int) []bool { return all(n) }

// SymDiff returns dy·y and dy·x.
func (m Mul) SymDiff(in gorgonia.Nodes, _, dy *Node) (gorgonia.Nodes, error) {
	var s sequence
	n := shapes("mul", dy.Shape(), dy, dy)
	return gorgonia.Nodes{s.apply(Mul{n}, dy, in[1]), s.apply(Mul{n}, dy, in[0])}, s.err
}
func (m Mul) bind(b binding) func() {
	return each(b.workers, len(b.out), func(lo, hi int) { kernel.Mul(b.out[lo:hi], b.in[0][lo:hi], b.in[1][lo:hi]) })
}

func (g *Graph) pair(x, y *Node, op func(spec) Op, name string) *Node {
	if g.err != nil {
		return nil
	}
	if !same(x.Shape(), y.Shape()) {
		return g.fail("%s of %v and %v: %w", name, x.Shape(), y.Shape(), astroml.ErrShape)
	}
	return g.apply(op(shapes(name, x.Shape(), x, y)), x, y)
}

// Dropout draws, in training, the product with a random mask that is zero for
// a fraction rate of the values and 1/(1-rate) for the others (Srivastava et
// al. 2014). Plan.Drop draws the mask.
func (g *Graph) Dropout(x *Node, rate float64) *Node {
	if g.err != nil || !g.Training || rate <= 0 {
		return x
	}
	m := g.Input(fmt.Sprintf("dropout %d", len(g.dropouts)), x.Shape()...)
	g.dropouts = append(g.dropouts, dropout{m, rate})
	return g.Mul(x, m)
}

// Reshape is the same values in another shape.
type Reshape struct{ spec }

// Reshape draws x in another shape.
func (g *Graph) Reshape(x *Node, shape ...int) *Node {
	if g.err != nil {
		return nil
	}
	if volume(shape) != volume(x.Shape()) {
		return g.fail("%v does not fit into %v: %w", x.Shape(), shape, astroml.ErrShape)
	}
	return g.apply(Reshape{shapes("reshape", shape, x)}, x)
}

func (r Reshape) inPlace() int         { return 0 }
func (r Reshape) DiffWRT(n int) []bool { return all(n) }

// SymDiff returns dy in the shape of x.
func (r Reshape) SymDiff(in gorgonia.Nodes, _, dy *Node) (gorgonia.Nodes, error) {
	var s sequence
	return gorgonia.Nodes{s.apply(Reshape{shapes("reshape", in[0].Shape(), dy)}, dy)}, s.err
}
func (r Reshape) bind(b binding) func() {
	if len(b.out) > 0 && &b.out[0] == &b.in[0][0] {
		return func() {}
	}
	return func() { copy(b.out, b.in[0]) }
}

// SumRows is the sum over the leading axes, those that the result does not have.
type SumRows struct{ spec }

func (s SumRows) scratch() int {
	c := volume(s.Out)
	n, _ := chunks(volume(s.In[0])/c, c)
	return n * c
}

func (s SumRows) bind(b binding) func() {
	c := len(b.out)
	x := b.in[0]
	n, rows := chunks(len(x)/c, c)
	run := func(task, _ int) {
		t := b.tmp[task*c : (task+1)*c]
		clear(t)
		kernel.Sums(t, x[task*rows*c:min(len(x), (task+1)*rows*c)], c)
	}
	return func() {
		b.workers.Run(n, run)
		fold(b.out, b.tmp[:n*c])
	}
}

// fold sums the rows of parts in order.
func fold(dst, parts []float32) {
	clear(dst)
	for ; len(parts) > 0; parts = parts[len(dst):] {
		kernel.Axpy(dst, 1, parts[:len(dst)])
	}
}
