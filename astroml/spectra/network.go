package spectra

import (
	"fmt"
	"maps"
	"slices"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/nn"
)

// network draws a classifier's network: from x (N,1,1,pixel,channel) to
// features (N, d) and logits (N, class).
type network interface {
	channels() int // of the input: flux, and for 2 its significance
	features() int
	pixels() int // at least, for each stage to have something to look at
	draw(g *nn.Graph, x *nn.Node) (features *nn.Node)
}

var networks = map[string]network{"default": strided{}, "gasnet2": gasnet2{}}

// Draw draws the named network of Config, for those who train it themselves:
// from x (N,1,1,pixel,channel), where "default" reads flux and significance and
// "gasnet2" flux alone, to logits (N, class).
func Draw(g *nn.Graph, name string, x *nn.Node, classes int) (*nn.Node, error) {
	n := networks[name]
	if n == nil {
		return nil, fmt.Errorf("spectra: no network %q, there are %v", name, slices.Sorted(maps.Keys(networks)))
	}
	if g.Err() != nil {
		return nil, g.Err()
	}
	if s := x.Shape(); len(s) != 5 || s[3] < n.pixels() || s[4] != n.channels() || classes < 2 {
		return nil, fmt.Errorf("spectra: %v for %d classes, network %q wants (N,1,1,pixel,%d), at least %d pixels and 2 classes: %w",
			s, classes, name, n.channels(), n.pixels(), astroml.ErrShape)
	}
	z := logits(g, n.draw(g, x), classes)
	return z, g.Err()
}

// logits draws the last layer, which the Bayesian treatment is about.
func logits(g *nn.Graph, features *nn.Node, classes int) *nn.Node {
	if g.Err() != nil {
		return nil
	}
	s := features.Shape()
	x := g.Reshape(features, s[0], 1, 1, 1, s[1])
	z := g.Conv(x,
		g.Param("class.weight", nn.He(s[1]), 1, 1, 1, s[1], classes),
		g.Param("class.bias", nn.Constant(0), classes), nil, point, nn.Identity)
	return g.Reshape(z, s[0], classes)
}

var point = nn.Window1D(1, 1, 0, 0)

// strided is the default network: a stem that reads the lines, four strided
// stages, and one dense layer over what is left of the wavelengths.
// Each stage is y = ReLU(BN(conv(x))), with a residual bottleneck where it is
// cheap. At 4,700 pixels it takes less than five million multiply-adds.
type strided struct{}

func (strided) channels() int { return 2 }
func (strided) features() int { return 128 }
func (strided) pixels() int   { return 200 }

func (n strided) draw(g *nn.Graph, x *nn.Node) *nn.Node {
	x = conv(g, "stem", x, 16, 15, 5)
	x = conv(g, "stage1", x, 32, 5, 3)
	x = conv(g, "stage2", x, 64, 5, 3)
	x = residual(g, "stage2.residual", x, 24)
	x = conv(g, "stage3", x, 88, 3, 2)
	x = conv(g, "stage4", x, 96, 3, 2)
	return dense(g, "features", x, n.features())
}

// conv draws a strided convolution with normalisation and ReLU.
func conv(g *nn.Graph, name string, x *nn.Node, channels, kernel, stride int) *nn.Node {
	if g.Err() != nil {
		return nil
	}
	s := x.Shape()
	return g.ConvNorm(name, x, nn.Same1D(s[3], kernel, stride), channels, nn.He(kernel*s[4]), false, nn.ReLU)
}

// residual draws y = x + conv3(conv1(x)), a bottleneck of a few hidden channels
// (He et al. 2016, arXiv:1512.03385).
func residual(g *nn.Graph, name string, x *nn.Node, hidden int) *nn.Node {
	if g.Err() != nil {
		return nil
	}
	s := x.Shape()
	y := conv(g, name+".in", x, hidden, 1, 1)
	y = conv(g, name+".out", y, s[4], 3, 1)
	return g.Add(x, y)
}

// dense flattens x and draws a dense layer with normalisation and ReLU.
func dense(g *nn.Graph, name string, x *nn.Node, features int) *nn.Node {
	if g.Err() != nil {
		return nil
	}
	s := x.Shape()
	n := s[3] * s[4]
	x = g.Dropout(g.Reshape(x, s[0], 1, 1, 1, n), 0.2)
	y := g.ConvNorm(name, x, point, features, nn.He(n), false, nn.ReLU)
	return g.Reshape(y, s[0], features)
}

// gasnet2 is the network of Zhong et al. (2024), arXiv:2311.04146: six
// residual blocks of kernel 5 and stride 3, then a dense layer. At 3,600 pixels
// and 13 classes it has 3,901,181 parameters, 4,032 of them running statistics.
// We deviate in the first weights (He et al. 2015, where they draw from
// Normal(0, 0.001)).
type gasnet2 struct{}

func (gasnet2) channels() int { return 1 }
func (gasnet2) features() int { return 256 }
func (gasnet2) pixels() int   { return 1457 } // six times kernel 5, stride 3

func (n gasnet2) draw(g *nn.Graph, x *nn.Node) *nn.Node {
	for i, c := range []int{16, 32, 64, 128, 256, 512} {
		x = n.block(g, fmt.Sprintf("block%d", i+1), x, c)
	}
	if g.Err() != nil {
		return nil
	}
	s := x.Shape()
	k := s[3] * s[4]
	x = g.Dropout(g.Reshape(x, s[0], 1, 1, 1, k), 0.5)
	y := g.Conv(x, g.Param("features.weight", nn.He(k), 1, 1, 1, k, n.features()),
		g.Param("features.bias", nn.Constant(0), n.features()), nil, point, nn.Identity)
	return g.Reshape(g.Activate(y, nn.ReLU), s[0], n.features())
}

// block draws maxpool(conv(conv(x))) + conv(x), the first convolution of stride
// 1, the others of stride 3 without padding.
func (gasnet2) block(g *nn.Graph, name string, x *nn.Node, c int) *nn.Node {
	if g.Err() != nil {
		return nil
	}
	s := x.Shape()
	down := nn.Window1D(5, 3, 0, 0)
	y := g.ConvNorm(name+".conv1", x, nn.Same1D(s[3], 5, 1), c, nn.He(5*s[4]), true, nn.ReLU)
	y = g.ConvNorm(name+".conv2", y, down, c, nn.He(5*c), true, nn.ReLU)
	if g.Err() != nil {
		return nil
	}
	y = g.MaxPool(y, nn.Same1D(y.Shape()[3], 5, 1))
	return g.Conv(x, g.Param(name+".shortcut.weight", nn.He(5*s[4]), 1, 1, 5, s[4], c),
		g.Param(name+".shortcut.bias", nn.Constant(0), c), y, down, nn.Identity)
}
