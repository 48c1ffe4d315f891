package moment

import (
	"fmt"
	"math"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/nn"
)

var point = nn.Window{Kernel: [3]int{1, 1, 1}, Stride: [3]int{1, 1, 1}}

// Draw draws the network of a Config, for those who train it themselves: from x
// (N,1,1,1,feature), (N,1,1,bin,channel), (N,1,y,x,field) or (N,x,y,z,field) to
// outputs (N, out). Of the Config it reads Network, Layers, Hidden and Dropout,
// all of which must be set.
func Draw(g *nn.Graph, cfg Config, x *nn.Node, out int) (*nn.Node, error) {
	if g.Err() != nil {
		return nil, g.Err()
	}
	s := x.Shape()
	var y *nn.Node
	switch cfg.Network {
	case "mlp":
		y = perceptron(g, x, cfg.Layers, cfg.Hidden, cfg.Dropout)
	case "profile":
		y = profile(g, x, cfg.Hidden, cfg.Dropout)
	case "map", "cube":
		axes := map[string]int{"map": 2, "cube": 3}[cfg.Network]
		if err := fits(s[4-axes : 4]); err != nil {
			return nil, err
		}
		y = camels(g, x, axes, cfg.Hidden, cfg.Dropout)
	default:
		return nil, fmt.Errorf("moment: no network %q", cfg.Network)
	}
	if g.Err() != nil {
		return nil, g.Err()
	}
	// Small weights: training starts at nearly the same answer for all rows.
	y = dense(g, "out", y, out, nn.Normal(0.1/math.Sqrt(float64(y.Shape()[4]))))
	if cfg.Network == "mlp" || cfg.Network == "profile" {
		// What a linear regression can say need not be learnt by units.
		y = g.Add(y, dense(g, "linear", flat(g, x), out, nn.Constant(0)))
	}
	if g.Err() != nil {
		return nil, g.Err()
	}
	return g.Reshape(y, s[0], out), g.Err()
}

// flat draws x as rows of one pixel.
func flat(g *nn.Graph, x *nn.Node) *nn.Node {
	if g.Err() != nil {
		return nil
	}
	s := x.Shape()
	return g.Reshape(x, s[0], 1, 1, 1, s[1]*s[2]*s[3]*s[4])
}

// dense draws a layer over the channels of one pixel.
func dense(g *nn.Graph, name string, x *nn.Node, channels int, init nn.Init) *nn.Node {
	return conv(g, name, x, channels, point, init)
}

// conv draws a convolution with a bias.
func conv(g *nn.Graph, name string, x *nn.Node, channels int, win nn.Window, init nn.Init) *nn.Node {
	if g.Err() != nil {
		return nil
	}
	k, ci := win.Kernel, x.Shape()[4]
	if init == nil {
		init = nn.He(k[0] * k[1] * k[2] * ci)
	}
	w := g.Param(name+".weight", init, k[0], k[1], k[2], ci, channels)
	return g.Conv(x, w, g.Param(name+".bias", nn.Constant(0), channels), nil, win, nn.Identity)
}

// perceptron is a few dense layers (Rumelhart, Hinton & Williams 1986), as in
// Villaescusa-Navarro et al. (2022), arXiv:2201.02202.
func perceptron(g *nn.Graph, x *nn.Node, layers, hidden int, dropout float64) *nn.Node {
	for i := range layers {
		x = g.Activate(dense(g, fmt.Sprint("layer", i), x, hidden, nil), nn.LeakyReLU)
		x = g.Dropout(x, max(0, dropout))
	}
	return x
}

// profile is two convolutions along a profile and a dense layer.
func profile(g *nn.Graph, x *nn.Node, hidden int, dropout float64) *nn.Node {
	if g.Err() != nil {
		return nil
	}
	bins := x.Shape()[3]
	x = g.Activate(conv(g, "conv0", x, hidden, nn.Same1D(bins, 5, 1), nil), nn.LeakyReLU)
	x = g.Activate(conv(g, "conv1", x, 2*hidden, nn.Same1D(bins, 3, 2), nil), nn.LeakyReLU)
	x = g.Dropout(flat(g, x), max(0, dropout))
	x = g.Activate(dense(g, "dense", x, 4*hidden, nil), nn.LeakyReLU)
	return g.Dropout(x, max(0, dropout))
}

// fits returns an error unless each side can be halved to the four pixels, or
// up to seven, that the last convolution sees.
func fits(sides []int) error {
	least := sides[0]
	for _, s := range sides {
		least = min(least, s)
	}
	for _, s := range sides {
		if n := stages(least); n == 0 || s%(1<<n) != 0 {
			return fmt.Errorf("moment: sides of %v pixels, want 8 or more that can be halved until 4 to 7 are left, as 64 or 256 can: %w", sides, astroml.ErrShape)
		}
	}
	return nil
}

// stages returns how often a side is halved.
func stages(side int) (n int) {
	for side >= 8 {
		side /= 2
		n++
	}
	return n
}

// camels is the network of Villaescusa-Navarro et al. (2021), arXiv:2109.10360,
// "o3_err" of its code: stages of two periodic convolutions and one of stride 2,
// a last one over 4 pixels, and two dense layers, of which the second is Draw's.
// For maps of 256² there are 19 convolutions. Over three axes it is the same
// with windows of three axes.
func camels(g *nn.Graph, x *nn.Node, axes, hidden int, dropout float64) *nn.Node {
	window := func(k, stride int) nn.Window {
		w := point
		for i := 3 - axes; i < 3; i++ {
			w.Kernel[i], w.Stride[i] = k, stride
		}
		return w
	}
	wrap := func(x *nn.Node) *nn.Node {
		var ring [3][2]int
		for i := 3 - axes; i < 3; i++ {
			ring[i] = [2]int{1, 1}
		}
		return g.Wrap(x, ring)
	}
	norm := func(name string, x *nn.Node, c int, win nn.Window) *nn.Node {
		if g.Err() != nil {
			return nil
		}
		k := win.Kernel
		return g.ConvNorm(name, x, win, c, nn.He(k[0]*k[1]*k[2]*x.Shape()[4]), true, nn.LeakyReLU)
	}
	s := x.Shape()
	least := s[3]
	for _, n := range s[4-axes : 4] {
		least = min(least, n)
	}
	n := stages(least)
	for i := range n {
		c, name := hidden<<(i+1), fmt.Sprint("stage", i)
		if i == 0 {
			x = g.Activate(conv(g, name+".0", wrap(x), c, window(3, 1), nil), nn.LeakyReLU)
		} else {
			x = norm(name+".0", wrap(x), c, window(3, 1))
		}
		x = norm(name+".1", wrap(x), c, window(3, 1))
		x = norm(name+".2", x, c, window(2, 2))
	}
	x = norm("last", x, hidden<<(n+1), window(4, 1))
	x = g.Dropout(g.MeanPool(x), max(0, dropout))
	x = g.Activate(dense(g, "dense", x, hidden<<n, nil), nn.LeakyReLU)
	return g.Dropout(x, max(0, dropout))
}
