package nn

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
)

// Upsample repeats each pixel Factor times on each axis.
type Upsample struct {
	spec
	Factor [3]int
}

// Upsample draws x with each pixel repeated so many times on D, H and W.
func (g *Graph) Upsample(x *Node, factor [3]int) *Node {
	if g.err != nil {
		return nil
	}
	out := append([]int(nil), x.Shape()...)
	if len(out) != 5 || min(factor[0], factor[1], factor[2]) < 1 {
		return g.fail("%v upsampled by %v: %w", out, factor, astroml.ErrShape)
	}
	for i, f := range factor {
		out[i+1] *= f
	}
	return g.apply(Upsample{shapes(fmt.Sprint("upsample", factor), out, x), factor}, x)
}

func (u Upsample) DiffWRT(n int) []bool { return all(n) }

// SymDiff adds the gradients of a pixel's copies.
func (u Upsample) SymDiff(in gorgonia.Nodes, _, dy *Node) (gorgonia.Nodes, error) {
	var s sequence
	return gorgonia.Nodes{s.apply(UpsampleGrad{shapes(fmt.Sprint("upsamplegrad", u.Factor), in[0].Shape(), dy), u.Factor}, dy)}, s.err
}

// lines runs f for each line of the small array, and for the lines of the large
// one that repeat it; a line is W pixels of c channels.
func (b binding) lines(small []int, factor [3]int, f func(small, large int)) func() {
	d, h := small[1], small[2]
	run := func(task, _ int) {
		n, z := task/d, task%d
		for y := range h {
			for i := range factor[0] {
				for j := range factor[1] {
					f((n*d+z)*h+y, ((n*d+z)*factor[0]+i)*h*factor[1]+y*factor[1]+j)
				}
			}
		}
	}
	return func() { b.workers.Run(small[0]*d, run) }
}

func (u Upsample) bind(b binding) func() {
	w, c, k := u.In[0][3], u.In[0][4], u.Factor[2]
	return b.lines(u.In[0], u.Factor, func(small, large int) {
		x, y := b.in[0][small*w*c:(small+1)*w*c], b.out[large*w*k*c:(large+1)*w*k*c]
		for ; len(x) > 0; x = x[c:] {
			for range k {
				y = y[copy(y, x[:c]):]
			}
		}
	})
}

// UpsampleGrad is the gradient of Upsample, of input dy.
type UpsampleGrad struct {
	spec
	Factor [3]int
}

func (u UpsampleGrad) bind(b binding) func() {
	w, c, k := u.Out[3], u.Out[4], u.Factor[2]
	sum := b.lines(u.Out, u.Factor, func(small, large int) {
		dx, dy := b.out[small*w*c:(small+1)*w*c], b.in[0][large*w*k*c:(large+1)*w*k*c]
		for ; len(dx) > 0; dx, dy = dx[c:], dy[k*c:] {
			kernel.Sums(dx[:c], dy[:k*c], c)
		}
	})
	return func() {
		clear(b.out)
		sum()
	}
}
