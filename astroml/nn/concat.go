package nn

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
)

// Concat is the channels of two arrays side by side.
type Concat struct{ spec }

// Concat draws the channels of x, then those of y, which agree in all other
// axes.
func (g *Graph) Concat(x, y *Node) *Node {
	if g.err != nil {
		return nil
	}
	a, b := []int(x.Shape()), []int(y.Shape())
	last := len(a) - 1
	if len(a) != len(b) || last < 0 || !same(a[:last], b[:last]) {
		return g.fail("channels of %v beside those of %v: %w", a, b, astroml.ErrShape)
	}
	out := append(append([]int(nil), a[:last]...), a[last]+b[last])
	return g.apply(Concat{shapes("concat", out, x, y)}, x, y)
}

func (c Concat) DiffWRT(n int) []bool { return all(n) }

// SymDiff takes dy apart.
func (c Concat) SymDiff(in gorgonia.Nodes, _, dy *Node) (gorgonia.Nodes, error) {
	var s sequence
	var d gorgonia.Nodes
	first := 0
	for _, x := range in {
		shape := []int(x.Shape())
		d = append(d, s.apply(Slice{shapes(fmt.Sprint("slice", first), shape, dy), first}, dy))
		first += shape[len(shape)-1]
	}
	return d, s.err
}

func (c Concat) bind(b binding) func() {
	last := len(c.Out) - 1
	n, p, q := c.Out[last], c.In[0][last], c.In[1][last]
	return b.rows(len(b.out)/n, n, func(i int) {
		row := b.out[i*n : (i+1)*n]
		copy(row, b.in[0][i*p:(i+1)*p])
		copy(row[p:], b.in[1][i*q:(i+1)*q])
	})
}

// Slice is a range of channels, from First on: what Concat's gradient is made
// of.
type Slice struct {
	spec
	First int
}

func (s Slice) bind(b binding) func() {
	last := len(s.Out) - 1
	n, m := s.Out[last], s.In[0][last]
	return b.rows(len(b.out)/n, n, func(i int) {
		copy(b.out[i*n:(i+1)*n], b.in[0][i*m+s.First:])
	})
}

// rows runs f over n rows of c values, in parallel.
func (b binding) rows(n, c int, f func(i int)) func() {
	tasks, rows := chunks(n, c)
	run := func(task, _ int) {
		for i := task * rows; i < min(n, (task+1)*rows); i++ {
			f(i)
		}
	}
	return func() { b.workers.Run(tasks, run) }
}

// Bias is x plus one value a channel.
type Bias struct{ spec }

// Bias draws x + b, b (C) of one value a channel.
func (g *Graph) Bias(x, b *Node) *Node {
	if g.err != nil {
		return nil
	}
	xs, bs := x.Shape(), b.Shape()
	if len(xs) == 0 || len(bs) != 1 || bs[0] != xs[len(xs)-1] {
		return g.fail("bias of %v for %v: %w", bs, xs, astroml.ErrShape)
	}
	return g.apply(Bias{shapes("bias", xs, x, b)}, x, b)
}

func (a Bias) inPlace() int         { return 0 }
func (a Bias) DiffWRT(n int) []bool { return all(n) }

// SymDiff returns dy, and its sum over all axes but the last.
func (a Bias) SymDiff(in gorgonia.Nodes, _, dy *Node) (gorgonia.Nodes, error) {
	var s sequence
	return gorgonia.Nodes{dy, s.apply(SumRows{shapes("sumrows", in[1].Shape(), dy)}, dy)}, s.err
}

func (a Bias) bind(b binding) func() {
	c := a.In[1][0]
	tasks, rows := chunks(len(b.out)/c, c)
	run := func(task, _ int) {
		lo, hi := task*rows*c, min(len(b.out), (task+1)*rows*c)
		kernel.Bias(b.out[lo:hi], b.in[0][lo:hi], b.in[1], c, Identity)
	}
	return func() { b.workers.Run(tasks, run) }
}
