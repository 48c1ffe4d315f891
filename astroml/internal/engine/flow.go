package main

import (
	"fmt"

	"github.com/goastroml/goastroml/astroml/nn"
)

// flow is a normalising flow of five coupling transforms by splines of ten bins
// (Durkan et al. 2019, arXiv:1906.04032), whose parameters come from a residual
// network of two blocks, gated by the context; as in package sbi, less the
// linear layers between transforms.
func flow(dim, hidden int) func(g *nn.Graph, n int) (out, loss *nn.Node) {
	const transforms, bins, bound = 5, 10, 3
	return func(g *nn.Graph, n int) (out, loss *nn.Node) {
		theta, context := g.Input("theta", n, dim), g.Input("context", n, 1, 1, 1, dim)
		h := dim / 2
		half := [2]*nn.Node{g.Slice(theta, 0, h), g.Slice(theta, h, dim-h)}
		var logs [2]*nn.Node
		for t := range transforms {
			name := fmt.Sprint("transform", t)
			from, to := t%2, 1-t%2
			if g.Err() != nil {
				return nil, nil
			}
			size := half[to].Shape()[1]
			p := conditioner(g, name, half[from], context, hidden, size*(3*bins-1))
			var l *nn.Node
			half[to], l = g.Spline(half[to], p, bins, bound)
			if logs[to] != nil {
				l = g.Add(logs[to], l)
			}
			logs[to] = l
		}
		out = g.Concat(half[0], half[1])
		return out, g.NormalLoss(out, g.Concat(logs[0], logs[1]))
	}
}

// conditioner draws dense layers from the values that a transform leaves alone
// and the context to the parameters of its splines.
func conditioner(g *nn.Graph, name string, x, context *nn.Node, hidden, parameters int) *nn.Node {
	if g.Err() != nil {
		return nil
	}
	n := x.Shape()[0]
	y := dense(g, name+".in", g.Concat(g.Reshape(x, n, 1, 1, 1, x.Shape()[1]), context), hidden)
	for b := range 2 {
		block := fmt.Sprint(name, ".block", b)
		z := dense(g, block+".0", g.Activate(y, nn.ReLU), hidden)
		z = dense(g, block+".1", g.Activate(z, nn.ReLU), hidden)
		gate := g.Activate(dense(g, block+".gate", context, hidden), nn.Sigmoid)
		y = g.Add(y, g.Mul(z, gate))
	}
	return g.Reshape(dense(g, name+".out", y, parameters), n, parameters)
}
