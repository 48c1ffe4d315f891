package nn

import (
	"fmt"
	"slices"
	"testing"

	"github.com/goastroml/goastroml/astroml/internal/kernel"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// Networks that users run, to test and to time the plan on.
var networks = []struct {
	name         string
	small, large []int // inputs: of tests, of benchmarks
	draw         func(g *Graph, x *Node) *Node
}{
	{"unet2d", []int{2, 1, 16, 16, 1}, []int{8, 1, 128, 128, 1}, func(g *Graph, x *Node) *Node { return unet(g, x, 2, 32, 4) }},
	{"unet3d", []int{1, 8, 8, 8, 1}, []int{1, 64, 64, 64, 1}, func(g *Graph, x *Node) *Node { return unet(g, x, 3, 16, 3) }},
	{"21cmPIE", []int{2, 28, 28, 470, 1}, []int{8, 28, 28, 470, 1}, lightcone},
}

// cube is a window of k pixels on each of the last few axes.
func cube(axes, k, stride, pad int) Window {
	w := Window{Kernel: [3]int{1, 1, 1}, Stride: [3]int{1, 1, 1}}
	for i := 3 - axes; i < 3; i++ {
		w.Kernel[i], w.Stride[i], w.Pad[i] = k, stride, [2]int{pad, pad}
	}
	return w
}

// unet draws a U-Net (Ronneberger et al. 2015, arXiv:1505.04597): each level two
// convolutions with normalisation and ReLU, max pooling down, transposed
// convolution up, and the skip beside it; one channel comes out.
func unet(g *Graph, x *Node, axes, channels, depth int) *Node {
	level := func(name string, x *Node, c int) *Node {
		win := cube(axes, 3, 1, 1)
		for i := range 2 {
			x = g.ConvNorm(fmt.Sprint(name, i), x, win, c, He(volume(win.Kernel[:])*x.Shape()[4]), false, ReLU)
		}
		return x
	}
	var skips []*Node
	for d := range depth {
		x = level(fmt.Sprint("down", d), x, channels<<d)
		skips = append(skips, x)
		x = g.MaxPool(x, cube(axes, 2, 2, 0))
	}
	x = level("bottom", x, channels<<depth)
	for d := depth - 1; d >= 0; d-- {
		c, k := channels<<d, cube(axes, 2, 2, 0).Kernel
		name := fmt.Sprint("up", d)
		w := g.Param(name+".weight", He(2*c), k[0], k[1], k[2], c, 2*c)
		x = g.ConvTranspose(x, w, g.Param(name+".bias", Constant(0), c), cube(axes, 2, 2, 0))
		x = level(name, g.Concat(skips[d], x), c)
	}
	return g.Conv(x, g.Param("out.weight", He(channels), 1, 1, 1, channels, 1), g.Param("out.bias", Constant(0), 1), nil, cube(axes, 1, 1, 0), Identity)
}

// lightcone draws the small form of 3D-21cmPIE-Net (Neutsch, Heneka & Brüggen
// 2022, arXiv:2201.07587), for cones of 28 × 28 × 470 cells.
func lightcone(g *Graph, x *Node) *Node {
	conv := func(name string, x *Node, c int, win Window) *Node {
		k, ci := win.Kernel, x.Shape()[4]
		return g.Conv(x, g.Param(name+".weight", He(volume(k[:])*ci), k[0], k[1], k[2], ci, c), g.Param(name+".bias", Constant(0), c), nil, win, Identity)
	}
	win := func(k, s, pad int) Window {
		return Window{Kernel: [3]int{3, 3, k}, Stride: [3]int{1, 1, s}, Pad: [3][2]int{{pad, pad}, {pad, pad}, {}}}
	}
	pool := Window{Kernel: [3]int{2, 2, 1}, Stride: [3]int{2, 2, 1}}
	x = g.Activate(conv("conv1", x, 32, win(20, 20, 0)), ReLU)
	x = g.Activate(conv("conv2", x, 32, win(2, 1, 0)), ReLU)
	x = g.MaxPool(x, pool)
	x = g.Activate(conv("conv3", x, 64, win(2, 1, 0)), ReLU)
	x = g.Activate(conv("conv4", x, 64, win(2, 1, 1)), ReLU)
	x = g.MaxPool(x, pool)
	x = g.Activate(conv("conv5", x, 128, win(2, 1, 0)), ReLU)
	x = g.Activate(conv("conv6", x, 128, win(2, 1, 1)), ReLU)
	x = g.MeanPool(x)
	for i := range 3 {
		x = g.Activate(conv(fmt.Sprint("dense", i), x, 128, Window1D(1, 1, 0, 0)), ReLU)
	}
	return conv("out", x, 6, Window1D(1, 1, 0, 0))
}

// compileNetwork compiles a training step, with inputs drawn.
func compileNetwork(tb testing.TB, draw func(g *Graph, x *Node) *Node, shape []int, training bool, w *kernel.Workers) (*Plan, *Params) {
	params := NewParams(1)
	g := NewGraph(params, training)
	y := draw(g, g.Input("x", shape...))
	outputs := []*Node{y}
	if training {
		loss := project(g, y)
		_, grads := g.Grad(loss)
		outputs = append(grads, loss)
	}
	p, err := Compile(g, w, outputs...)
	if err != nil {
		tb.Fatal(err)
	}
	r := rng.New(2, "networks")
	for _, name := range []string{"x", "targets"} {
		in := p.Input(name)
		for i := range in {
			in[i] = float32(r.NormFloat64())
		}
	}
	return p, params
}

// TestNetworksHaveTheSameBits takes a training step on several numbers of
// workers, and twice on one.
func TestNetworksHaveTheSameBits(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds a network")
	}
	for _, n := range networks {
		var want [][]float32
		for _, workers := range []int{1, 2, 3, 8} {
			w := kernel.NewWorkers(workers)
			p, _ := compileNetwork(t, n.draw, n.small, true, w)
			for range 2 {
				p.Run()
				for i := range p.outputs {
					if len(want) <= i {
						want = append(want, slices.Clone(p.Output(i)))
					}
					if !slices.Equal(p.Output(i), want[i]) {
						t.Errorf("%s, %d workers: gradient %d has other bits", n.name, workers, i)
					}
				}
			}
			w.Close()
		}
	}
}

func TestLightconeNetworkHasTheParametersOfThePaper(t *testing.T) {
	_, params := compileNetwork(t, lightcone, []int{1, 28, 28, 470, 1}, false, nil)
	if total, _ := params.Size(); total != 627910 {
		t.Errorf("%d parameters, want 627,910", total)
	}
}

// BenchmarkNetworks times a training step (forward and backward), inference of
// the batch and of one sample, on all processors.
func BenchmarkNetworks(b *testing.B) {
	for _, n := range networks {
		one := append([]int{1}, n.large[1:]...)
		for _, c := range []struct {
			name     string
			shape    []int
			training bool
		}{{"step", n.large, true}, {"batch", n.large, false}, {"one", one, false}} {
			b.Run(n.name+"/"+c.name, func(b *testing.B) {
				w := kernel.NewWorkers(0)
				defer w.Close()
				p, _ := compileNetwork(b, n.draw, c.shape, c.training, w)
				p.Run()
				for b.Loop() {
					p.Run()
				}
				rate := float64(p.Profile(1).Total().FLOPs) * float64(b.N) / b.Elapsed().Seconds()
				b.ReportMetric(1e-9*rate, "GFLOP/s")
			})
		}
	}
}
