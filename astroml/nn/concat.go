package nn

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"github.com/goastroml/goastroml/astroml"
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

// Slice is a range of channels, from First on.
type Slice struct {
	spec
	First int
}

// Slice draws so many channels of x, from first on.
func (g *Graph) Slice(x *Node, first, channels int) *Node {
	if g.err != nil {
		return nil
	}
	out := append([]int(nil), x.Shape()...)
	last := len(out) - 1
	if last < 0 || first < 0 || channels < 1 || first+channels > out[last] {
		return g.fail("channels %d to %d of %v: %w", first, first+channels, x.Shape(), astroml.ErrShape)
	}
	out[last] = channels
	return g.apply(Slice{shapes(fmt.Sprint("slice", first), out, x), first}, x)
}

func (s Slice) DiffWRT(n int) []bool { return all(n) }

// SymDiff puts dy in its place.
func (s Slice) SymDiff(in gorgonia.Nodes, _, dy *Node) (gorgonia.Nodes, error) {
	var q sequence
	return gorgonia.Nodes{q.apply(Place{shapes(fmt.Sprint("place", s.First), in[0].Shape(), dy), s.First}, dy)}, q.err
}

func (s Slice) bind(b binding) func() {
	last := len(s.Out) - 1
	n, m := s.Out[last], s.In[0][last]
	return b.rows(len(b.out)/n, n, func(i int) {
		copy(b.out[i*n:(i+1)*n], b.in[0][i*m+s.First:])
	})
}

// Place is the gradient of Slice: channels from First on, zeros beside them.
type Place struct {
	spec
	First int
}

func (p Place) bind(b binding) func() {
	last := len(p.Out) - 1
	n, m := p.Out[last], p.In[0][last]
	return b.rows(len(b.out)/n, n, func(i int) {
		row := b.out[i*n : (i+1)*n]
		clear(row[:p.First])
		clear(row[p.First+copy(row[p.First:], b.in[0][i*m:(i+1)*m]):])
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
