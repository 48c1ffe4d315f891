package nn

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
)

// Wrap pads each axis with pixels from its other end, as a periodic box wants.
type Wrap struct {
	spec
	Pad [3][2]int // pixels below and above
}

// Wrap draws x padded with pixels from the other end of each axis. A
// convolution of the result without padding of its own is one over a periodic
// box.
func (g *Graph) Wrap(x *Node, pad [3][2]int) *Node {
	if g.err != nil {
		return nil
	}
	s := x.Shape()
	if len(s) != 5 {
		return g.fail("periodic padding of %v: %w", s, astroml.ErrShape)
	}
	out := append([]int(nil), s...)
	for i, p := range pad {
		if p[0] < 0 || p[1] < 0 || max(p[0], p[1]) > s[i+1] {
			return g.fail("periodic padding of %d pixels by %v: %w", s[i+1], p, astroml.ErrShape)
		}
		out[i+1] += p[0] + p[1]
	}
	return g.apply(Wrap{shapes(fmt.Sprint("wrap", pad), out, x), pad}, x)
}

func (w Wrap) DiffWRT(n int) []bool { return all(n) }

// SymDiff adds the gradients of a pixel's copies to its own.
func (w Wrap) SymDiff(in gorgonia.Nodes, _, dy *Node) (gorgonia.Nodes, error) {
	var s sequence
	return gorgonia.Nodes{s.apply(WrapGrad{shapes(fmt.Sprint("wrapgrad", w.Pad), in[0].Shape(), dy), w.Pad}, dy)}, s.err
}

// wrapped calls f with the stretches of a sample that lie together both in the box,
// from box on, and in the padded one, from padded on: n pixels.
func wrapped(box []int, pad [3][2]int, f func(box, padded, n int)) {
	in := axes(box)
	var out [3]int
	for i := range in {
		out[i] = in[i] + pad[i][0] + pad[i][1]
	}
	lo, hi := pad[2][0], pad[2][1]
	for d := range out[0] {
		for h := range out[1] {
			line := ((d-pad[0][0]+in[0])%in[0]*in[1] + (h-pad[1][0]+in[1])%in[1]) * in[2]
			at := (d*out[1] + h) * out[2]
			f(line+in[2]-lo, at, lo)
			f(line, at+lo, in[2])
			f(line, at+lo+in[2], hi)
		}
	}
}

func (w Wrap) bind(b binding) func() {
	n, c := w.Out[0], w.Out[4]
	from, to := len(b.in[0])/n, len(b.out)/n
	run := func(i, _ int) {
		x, y := b.in[0][i*from:(i+1)*from], b.out[i*to:(i+1)*to]
		wrapped(w.In[0], w.Pad, func(box, padded, n int) { copy(y[padded*c:(padded+n)*c], x[box*c:]) })
	}
	return func() { b.workers.Run(n, run) }
}

// WrapGrad is the gradient of Wrap, of input dy.
type WrapGrad struct {
	spec
	Pad [3][2]int
}

func (w WrapGrad) bind(b binding) func() {
	n, c := w.Out[0], w.Out[4]
	from, to := len(b.out)/n, len(b.in[0])/n
	run := func(i, _ int) {
		dx, dy := b.out[i*from:(i+1)*from], b.in[0][i*to:(i+1)*to]
		clear(dx)
		wrapped(w.Out, w.Pad, func(box, padded, n int) {
			d := dx[box*c : (box+n)*c]
			kernel.Add(d, d, dy[padded*c:(padded+n)*c])
		})
	}
	return func() { b.workers.Run(n, run) }
}
