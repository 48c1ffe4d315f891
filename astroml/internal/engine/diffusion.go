package main

import (
	"fmt"

	"github.com/goastroml/goastroml/astroml/nn"
)

// groups is the number of groups of a normalisation.
const groups = 8

// diffusion is a denoising U-Net as Dhariwal & Nichol (2021), arXiv:2105.05233,
// draw it: three levels of two residual blocks with the embedded time added,
// attention of four heads where images are 16 pixels wide, strided convolutions
// down, repeated pixels and a convolution up.
func diffusion(side, channels int) func(g *nn.Graph, n int) (out, loss *nn.Node) {
	const levels, blocks = 3, 2
	return func(g *nn.Graph, n int) (out, loss *nn.Node) {
		t := dense(g, "time.0", g.Input("time", n, 1, 1, 1, channels), 4*channels)
		t = g.Activate(dense(g, "time.1", g.Activate(t, nn.SiLU), 4*channels), nn.SiLU)
		same := cube(2, 3, 1, 1)
		x := conv(g, "in", g.Input("x", n, 1, side, side, 1), channels, same)
		block := func(name string, x *nn.Node, c, side int) *nn.Node {
			x = residual(g, name, x, t, c)
			if side == 16 {
				x = attention(g, name+".attention", x)
			}
			return x
		}
		skips := []*nn.Node{x}
		for l := range levels {
			for b := range blocks {
				x = block(fmt.Sprintf("down%d.%d", l, b), x, channels<<l, side>>l)
				skips = append(skips, x)
			}
			if l < levels-1 {
				x = conv(g, fmt.Sprintf("down%d.half", l), x, channels<<l, cube(2, 3, 2, 1))
				skips = append(skips, x)
			}
		}
		x = residual(g, "middle.0", x, t, channels<<(levels-1))
		x = attention(g, "middle.attention", x)
		x = residual(g, "middle.1", x, t, channels<<(levels-1))
		for l := levels - 1; l >= 0; l-- {
			for b := range blocks + 1 {
				last := len(skips) - 1
				x = block(fmt.Sprintf("up%d.%d", l, b), g.Concat(x, skips[last]), channels<<l, side>>l)
				skips = skips[:last]
			}
			if l > 0 {
				x = conv(g, fmt.Sprintf("up%d.twice", l), g.Upsample(x, [3]int{1, 2, 2}), channels<<l, same)
			}
		}
		out = conv(g, "out", g.GroupNorm("out", x, groups, nn.SiLU), 1, same)
		return out, g.SquaredError(out, g.Input("noise", n, 1, side, side, 1))
	}
}

// residual draws x + conv(norm(conv(norm(x)) + time)).
func residual(g *nn.Graph, name string, x, time *nn.Node, channels int) *nn.Node {
	if g.Err() != nil {
		return nil
	}
	same := cube(2, 3, 1, 1)
	y := conv(g, name+".0", g.GroupNorm(name+".0", x, groups, nn.SiLU), channels, same)
	y = g.Bias(y, dense(g, name+".time", time, channels))
	y = conv(g, name+".1", g.GroupNorm(name+".1", y, groups, nn.SiLU), channels, same)
	if x.Shape()[4] != channels {
		x = conv(g, name+".skip", x, channels, point)
	}
	return g.Add(x, y)
}

// attention draws x + dense(attention(dense(norm(x)))).
func attention(g *nn.Graph, name string, x *nn.Node) *nn.Node {
	if g.Err() != nil {
		return nil
	}
	c := x.Shape()[4]
	y := conv(g, name+".qkv", g.GroupNorm(name, x, groups, nn.Identity), 3*c, point)
	return g.Add(x, conv(g, name+".out", g.Attention(y, 4), c, point))
}
