package moment

import (
	"context"
	"fmt"
	"sync"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
	"github.com/goastroml/goastroml/astroml/nn"
)

// Gradient returns the derivative of the mean of one parameter by each value of
// x: the saliency map of a map or cube (Simonyan, Vedaldi & Zisserman 2013,
// arXiv:1312.6034). The result has the shape of x, in units of the parameter
// over those of x.
func (n *Network) Gradient(ctx context.Context, x astroml.Array, parameter int) ([]float32, error) {
	rows, err := n.scale.check(x)
	if err != nil {
		return nil, err
	}
	if parameter < 0 || parameter >= n.p {
		return nil, fmt.Errorf("moment: parameter %d of %d", parameter, n.p)
	}
	if rows == 0 {
		return nil, ctx.Err()
	}
	out := make([]float32, len(x.Data))
	for _, m := range n.members {
		if err := n.addGradient(ctx, out, m.first, x, rows, parameter); err != nil {
			return nil, err
		}
	}
	slope := make([]float32, len(x.Data)/rows)
	unit := float32(n.scale.width[parameter] / float64(len(n.members)))
	for i := range rows {
		g := out[i*len(slope) : (i+1)*len(slope)]
		n.scale.slope(slope, rowOf(x, i))
		kernel.Mul(g, g, slope)
		kernel.Scale(g, g, unit)
	}
	return out, nil
}

// addGradient adds one network's gradient for its scaled inputs, laid out as x.
func (n *Network) addGradient(ctx context.Context, out []float32, params *nn.Params, x astroml.Array, rows, parameter int) error {
	s := n.firstStage()
	batch, k := n.batch(rows), n.outputs(s)
	tasks := (rows + batch - 1) / batch
	workers := kernel.NewWorkers(max(1, min(n.cfg.Threads, tasks)))
	defer workers.Close()
	seats := make([]*nn.Plan, workers.N())
	for i := range seats {
		g := nn.NewGraph(params, false)
		g.Differentiable = true
		y := n.draw(g, s, batch)
		if g.Err() != nil {
			return g.Err()
		}
		dot := g.Dot(y, g.Input("which", batch, k))
		grad := g.GradOf(dot, g.Named("x"))
		if g.Err() != nil {
			return g.Err()
		}
		var err error
		if seats[i], err = nn.Compile(g, nil, grad...); err != nil {
			return err
		}
		which := seats[i].Input("which")
		for j := parameter; j < len(which); j += k {
			which[j] = 1
		}
	}
	size, fields := len(x.Data)/rows, n.scale.shape[0]
	if len(n.scale.shape) == 1 {
		fields = 1
	}
	var scratch sync.Pool
	workers.Run(tasks, func(task, worker int) {
		if ctx.Err() != nil {
			return
		}
		y, _ := scratch.Get().([]float32)
		if y == nil {
			y = make([]float32, size)
		}
		defer scratch.Put(y)
		p := seats[worker]
		lo, hi := task*batch, min(rows, (task+1)*batch)
		in := p.Input("x")
		for i := lo; i < hi; i++ {
			n.scale.scale(y, rowOf(x, i))
			n.scale.lay(in[(i-lo)*size:(i-lo+1)*size], y, nil)
		}
		p.Run()
		g := p.Output(0)
		pixels := size / fields
		for i := lo; i < hi; i++ {
			from, to := g[(i-lo)*size:(i-lo+1)*size], out[i*size:(i+1)*size]
			for f := range fields {
				for j := range pixels {
					to[f*pixels+j] += from[j*fields+f]
				}
			}
		}
	})
	return ctx.Err()
}
