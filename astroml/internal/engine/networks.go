package main

import (
	"fmt"

	"github.com/goastroml/goastroml/astroml/moment"
	"github.com/goastroml/goastroml/astroml/nn"
	"github.com/goastroml/goastroml/astroml/spectra"
)

// A network is one that users run, drawn for a batch of n: what comes out, and
// the loss of a training step.
type network struct {
	name  string
	batch int
	draw  func(g *nn.Graph, n int) (out, loss *nn.Node)
	small func(g *nn.Graph, n int) (out, loss *nn.Node) // for tests
}

var networks = []network{
	{"spectra", 64, classifier(4000), classifier(400)},
	{"unet2d", 8, regression(image(128, 2), unet(2, 32, 4)), regression(image(16, 2), unet(2, 8, 2))},
	{"unet3d", 1, regression(image(64, 3), unet(3, 16, 3)), regression(image(8, 3), unet(3, 8, 2))},
	{"21cmPIE", 8, regression([]int{470, 28, 28}, lightcone), regression([]int{470, 28, 28}, lightcone)},
	{"flow", 200, flow(10, 50), flow(4, 8)},
	{"diffusion", 16, diffusion(64, 32), diffusion(16, 8)},
	{"camels", 16, regression(image(256, 2), moments(6)), regression(image(256, 2), moments(1))},
}

// regression is a network of one image and its squared error.
func regression(pixels []int, body func(g *nn.Graph, x *nn.Node) *nn.Node) func(g *nn.Graph, n int) (out, loss *nn.Node) {
	return func(g *nn.Graph, n int) (out, loss *nn.Node) {
		out = body(g, g.Input("x", n, pixels[0], pixels[1], pixels[2], 1))
		if g.Err() != nil {
			return nil, nil
		}
		return out, g.SquaredError(out, g.Input("target", out.Shape()...))
	}
}

// image returns the pixels of a square or a cube.
func image(side, axes int) []int {
	pixels := []int{1, side, side}
	if axes == 3 {
		pixels[0] = side
	}
	return pixels
}

// classifier is the default network of package spectra.
func classifier(pixels int) func(g *nn.Graph, n int) (out, loss *nn.Node) {
	return func(g *nn.Graph, n int) (out, loss *nn.Node) {
		const classes = 13
		out, err := spectra.Draw(g, "default", g.Input("x", n, 1, 1, pixels, 2), classes)
		if err != nil {
			panic(err) // a bug of this table's
		}
		return out, g.CrossEntropy(out, g.Input("labels", n, classes))
	}
}

// cube is a window of k pixels on each of the last few axes.
func cube(axes, k, stride, pad int) nn.Window {
	w := nn.Window{Kernel: [3]int{1, 1, 1}, Stride: [3]int{1, 1, 1}}
	for i := 3 - axes; i < 3; i++ {
		w.Kernel[i], w.Stride[i], w.Pad[i] = k, stride, [2]int{pad, pad}
	}
	return w
}

var point = cube(3, 1, 1, 0)

// conv draws a convolution with a bias.
func conv(g *nn.Graph, name string, x *nn.Node, channels int, win nn.Window) *nn.Node {
	if g.Err() != nil {
		return nil
	}
	k, ci := win.Kernel, x.Shape()[4]
	w := g.Param(name+".weight", nn.He(k[0]*k[1]*k[2]*ci), k[0], k[1], k[2], ci, channels)
	return g.Conv(x, w, g.Param(name+".bias", nn.Constant(0), channels), nil, win, nn.Identity)
}

// dense draws a layer over the channels of one pixel.
func dense(g *nn.Graph, name string, x *nn.Node, channels int) *nn.Node {
	return conv(g, name, x, channels, point)
}

// unet is a U-Net (Ronneberger et al. 2015, arXiv:1505.04597): each level two
// convolutions with normalisation and ReLU, max pooling down, transposed
// convolution up, and the skip beside it; one channel comes out.
func unet(axes, channels, depth int) func(g *nn.Graph, x *nn.Node) *nn.Node {
	level := func(g *nn.Graph, name string, x *nn.Node, c int) *nn.Node {
		win := cube(axes, 3, 1, 1)
		for i := range 2 {
			if g.Err() != nil {
				return nil
			}
			k := win.Kernel
			x = g.ConvNorm(fmt.Sprint(name, ".", i), x, win, c, nn.He(k[0]*k[1]*k[2]*x.Shape()[4]), false, nn.ReLU)
		}
		return x
	}
	return func(g *nn.Graph, x *nn.Node) *nn.Node {
		var skips []*nn.Node
		half := cube(axes, 2, 2, 0)
		for d := range depth {
			x = level(g, fmt.Sprint("down", d), x, channels<<d)
			skips = append(skips, x)
			x = g.MaxPool(x, half)
		}
		x = level(g, "bottom", x, channels<<depth)
		for d := depth - 1; d >= 0; d-- {
			c, k := channels<<d, half.Kernel
			name := fmt.Sprint("up", d)
			w := g.Param(name+".weight", nn.He(2*c), k[0], k[1], k[2], c, 2*c)
			x = g.ConvTranspose(x, w, g.Param(name+".bias", nn.Constant(0), c), half)
			x = level(g, name, g.Concat(skips[d], x), c)
		}
		return conv(g, "out", x, 1, point)
	}
}

// lightcone is the small form of 3D-21cmPIE-Net (Neutsch, Heneka & Brüggen
// 2022, arXiv:2201.07587), for cones of 28 × 28 × 470 cells. The line of sight
// comes first here: the windows are three cells wide across it and two along it,
// and minimal filtering, which works on the last axis, gains more with three.
func lightcone(g *nn.Graph, x *nn.Node) *nn.Node {
	win := func(k, s, pad int) nn.Window {
		return nn.Window{Kernel: [3]int{k, 3, 3}, Stride: [3]int{s, 1, 1}, Pad: [3][2]int{{}, {pad, pad}, {pad, pad}}}
	}
	layer := func(i int, x *nn.Node, c int, w nn.Window) *nn.Node {
		return g.Activate(conv(g, fmt.Sprint("conv", i), x, c, w), nn.ReLU)
	}
	pool := cube(2, 2, 2, 0)
	x = layer(1, x, 32, win(20, 20, 0))
	x = layer(2, x, 32, win(2, 1, 0))
	x = g.MaxPool(x, pool)
	x = layer(3, x, 64, win(2, 1, 0))
	x = layer(4, x, 64, win(2, 1, 1))
	x = g.MaxPool(x, pool)
	x = layer(5, x, 128, win(2, 1, 0))
	x = layer(6, x, 128, win(2, 1, 1))
	x = g.MeanPool(x)
	for i := range 3 {
		x = g.Activate(dense(g, fmt.Sprint("dense", i), x, 128), nn.ReLU)
	}
	return dense(g, "out", x, 6)
}

// moments is the CAMELS network of package moment, for means and errors of six
// parameters.
func moments(hidden int) func(g *nn.Graph, x *nn.Node) *nn.Node {
	return func(g *nn.Graph, x *nn.Node) *nn.Node {
		y, err := moment.Draw(g, moment.Config{Network: "map", Hidden: hidden}, x, 12)
		if err != nil {
			panic(err) // a bug of this table's
		}
		return y
	}
}
