package nn

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// project ends a network in a scalar: cross-entropy of its values, as logits,
// against fixed targets, so that every value has a gradient of its own.
func project(g *Graph, x *Node) *Node {
	s := x.Shape()
	n := s[0]
	k := volume(s) / n
	return g.CrossEntropy(g.Reshape(x, n, k), g.Input("targets", n, k))
}

func TestGradientsEqualFiniteDifferences(t *testing.T) {
	w1 := func(k, s, lo, hi int) Window { return Window1D(k, s, lo, hi) }
	conv := func(win Window, ci, co int, bias bool) func(g *Graph, x *Node) *Node {
		return func(g *Graph, x *Node) *Node {
			w := g.Param("w", Normal(0.3), win.Kernel[0], win.Kernel[1], win.Kernel[2], ci, co)
			var b *Node
			if bias {
				b = g.Param("b", Normal(0.3), co)
			}
			return g.Conv(x, w, b, nil, win, Identity)
		}
	}
	transposed := func(win Window, ci, co int) func(g *Graph, x *Node) *Node {
		return func(g *Graph, x *Node) *Node {
			w := g.Param("w", Normal(0.3), win.Kernel[0], win.Kernel[1], win.Kernel[2], co, ci)
			return g.ConvTranspose(x, w, g.Param("b", Normal(0.3), co), win)
		}
	}
	for _, c := range []struct {
		name, why string
		in        []int
		net       func(g *Graph, x *Node) *Node
	}{
		{"conv same", "padding on both sides", []int{2, 1, 1, 7, 3}, conv(w1(3, 1, 1, 1), 3, 4, true)},
		{"conv stride 2", "two phases of the gradient", []int{2, 1, 1, 9, 2}, conv(w1(5, 2, 2, 1), 2, 5, false)},
		{"conv stride 3", "as in GaSNet-II", []int{2, 1, 1, 11, 2}, conv(w1(5, 3, 0, 0), 2, 3, true)},
		{"conv stride 4 kernel 3", "pixels that no tap reaches", []int{2, 1, 1, 13, 1}, conv(w1(3, 4, 1, 0), 1, 2, false)},
		{"conv 2-D", "segments, uneven padding", []int{2, 1, 5, 6, 2}, conv(Window{[3]int{1, 3, 3}, [3]int{1, 2, 1}, [3][2]int{{}, {1, 1}, {0, 1}}}, 2, 3, true)},
		{"conv 3-D", "all three axes", []int{1, 4, 5, 4, 2}, conv(Window{[3]int{2, 3, 3}, [3]int{2, 1, 2}, [3][2]int{{1, 0}, {1, 1}, {1, 1}}}, 2, 3, true)},
		{"conv of one position", "each pixel has one tap", []int{2, 1, 3, 4, 2}, conv(Window{[3]int{1, 3, 4}, [3]int{1, 1, 1}, [3][2]int{}}, 2, 5, true)},
		{"conv of one position, padded", "pixels and taps that do not meet", []int{2, 1, 2, 5, 2}, conv(Window{[3]int{1, 3, 3}, [3]int{1, 1, 4}, [3][2]int{1: {1, 0}}}, 2, 3, true)},
		{"conv filtered", "a last tile of one pixel", []int{2, 1, 1, 9, 16}, conv(w1(3, 1, 1, 1), 16, 16, true)},
		{"conv filtered, 5 taps", "uneven padding", []int{1, 1, 1, 12, 16}, conv(w1(5, 1, 1, 3), 16, 17, false)},
		{"conv filtered 2-D", "a stride of lines, an even number of taps", []int{1, 1, 5, 10, 16}, conv(Window{[3]int{1, 3, 2}, [3]int{1, 2, 1}, [3][2]int{{}, {1, 1}, {0, 1}}}, 16, 16, true)},
		{"conv filtered 3-D", "padding on all axes", []int{1, 2, 3, 4, 16}, conv(Window{[3]int{3, 3, 3}, [3]int{1, 1, 1}, [3][2]int{{1, 1}, {1, 1}, {1, 1}}}, 16, 16, true)},
		{"transposed conv", "a stride that the kernel does not divide", []int{2, 1, 1, 5, 3}, transposed(w1(5, 2, 1, 2), 3, 4)},
		{"transposed conv 2-D", "as U-Nets go up", []int{2, 1, 3, 4, 3}, transposed(Window{[3]int{1, 2, 2}, [3]int{1, 2, 2}, [3][2]int{}}, 3, 2)},
		{"transposed conv 3-D", "all three axes", []int{1, 2, 3, 2, 2}, transposed(Window{[3]int{2, 3, 3}, [3]int{2, 1, 2}, [3][2]int{{}, {1, 1}, {1, 0}}}, 2, 3)},
		{"concat", "a skip beside what comes up", []int{2, 1, 3, 4, 3}, func(g *Graph, x *Node) *Node {
			y := g.Conv(x, g.Param("w", Normal(0.5), 1, 1, 1, 3, 2), nil, nil, w1(1, 1, 0, 0), Identity)
			return g.Concat(g.Activate(y, Tanh), x)
		}},
		{"periodic", "copies of a pixel on all axes", []int{2, 2, 3, 4, 2}, func(g *Graph, x *Node) *Node {
			y := g.Wrap(x, [3][2]int{{1, 0}, {1, 1}, {2, 4}})
			return g.Conv(y, g.Param("w", Normal(0.3), 2, 3, 3, 2, 3), nil, nil, Window{Stride: [3]int{1, 1, 1}}, Identity)
		}},
		{"dense", "one pixel", []int{4, 1, 1, 1, 6}, conv(w1(1, 1, 0, 0), 6, 5, true)},
		{"residual", "paths join, in Gorgonia's own addition", []int{2, 1, 1, 6, 4}, func(g *Graph, x *Node) *Node {
			w := g.Param("w", Normal(0.3), 1, 1, 3, 4, 4)
			y := g.Conv(x, w, nil, nil, w1(3, 1, 1, 1), Identity)
			return g.Add(g.Activate(g.Conv(y, w, nil, nil, w1(3, 1, 1, 1), Identity), Tanh), y)
		}},
		{"activations", "those known from x and from y", []int{2, 1, 1, 5, 4}, func(g *Graph, x *Node) *Node {
			s := g.Mul(x, g.Param("w", Constant(0.7), 2, 1, 1, 5, 4))
			return g.Add(g.Add(g.Activate(s, Tanh), g.Activate(s, GELU)), g.Activate(s, SiLU))
		}},
		{"batch norm", "the moments depend on x", []int{3, 1, 1, 5, 4}, func(g *Graph, x *Node) *Node {
			return g.ConvNorm("c", x, w1(3, 1, 1, 1), 3, Normal(0.5), true, Identity)
		}},
		{"batch norm, silu", "an activation after it", []int{3, 1, 1, 5, 4}, func(g *Graph, x *Node) *Node {
			return g.ConvNorm("c", x, w1(3, 1, 1, 1), 3, Normal(0.5), false, SiLU)
		}},
		{"batch norm, relu", "an activation within it", []int{3, 1, 1, 5, 4}, func(g *Graph, x *Node) *Node {
			return g.ConvNorm("c", x, w1(3, 1, 1, 1), 3, Normal(0.5), false, LeakyReLU)
		}},
		{"batch norm, frozen", "the moments are constants", []int{3, 1, 1, 5, 4}, func(g *Graph, x *Node) *Node {
			g.Frozen = true
			return g.ConvNorm("c", x, w1(3, 1, 1, 1), 3, Normal(0.5), true, SiLU)
		}},
		{"sample bias", "one value a sample and channel", []int{2, 1, 2, 3, 4}, func(g *Graph, x *Node) *Node {
			return g.Activate(g.Bias(g.Mul(x, x), g.Activate(g.MeanPool(x), Sigmoid)), Tanh)
		}},
		{"upsample", "different factors", []int{2, 2, 1, 3, 3}, func(g *Graph, x *Node) *Node {
			y := g.Upsample(g.Mul(x, x), [3]int{1, 2, 3})
			return g.Mul(y, g.Param("w", Normal(1), 2, 2, 2, 9, 3))
		}},
		{"group norm", "moments of samples, over two channels", []int{3, 1, 2, 5, 6}, func(g *Graph, x *Node) *Node {
			y := g.GroupNorm("n", x, 3, SiLU)
			return g.Mul(g.Activate(y, Tanh), x)
		}},
		{"layer norm", "one group", []int{2, 1, 1, 1, 6}, func(g *Graph, x *Node) *Node { return g.GroupNorm("n", x, 1, Identity) }},
		{"slices", "channels apart, a stretch of them twice", []int{2, 1, 1, 3, 5}, func(g *Graph, x *Node) *Node {
			return g.Concat(g.Mul(g.Slice(x, 0, 2), g.Slice(x, 1, 2)), g.Activate(g.Slice(x, 3, 2), LeakyReLU))
		}},
		{"max pool", "overlapping windows", []int{2, 1, 1, 9, 3}, func(g *Graph, x *Node) *Node {
			y := g.Conv(x, g.Param("w", Normal(0.5), 1, 1, 1, 3, 3), nil, nil, w1(1, 1, 0, 0), Identity)
			return g.MaxPool(y, w1(5, 1, 2, 2))
		}},
		{"max pool side by side", "samples taken apart", []int{2, 1, 4, 6, 2}, func(g *Graph, x *Node) *Node {
			return g.MaxPool(g.Mul(x, x), Window{[3]int{1, 2, 3}, [3]int{1, 2, 3}, [3][2]int{}})
		}},
		{"max pool 3-D", "planes taken apart", []int{1, 4, 5, 4, 2}, func(g *Graph, x *Node) *Node {
			return g.MaxPool(g.Mul(x, x), Window{[3]int{2, 2, 2}, [3]int{2, 2, 2}, [3][2]int{}})
		}},
		{"mean pool", "spread evenly", []int{2, 1, 1, 9, 3}, func(g *Graph, x *Node) *Node {
			return g.MeanPool(g.Conv(x, g.Param("w", Normal(0.5), 1, 1, 1, 3, 4), nil, nil, w1(1, 1, 0, 0), Identity))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			params := NewParams(1)
			g := NewGraph(params, true)
			x := g.Input("x", c.in...)
			// A parameter before the network, so that it has a gradient for x.
			y := c.net(g, g.Add(x, g.Param("x0", Normal(0.1), c.in...)))
			checkGradient(t, g, project(g, y))
		})
	}
}

// TestTransposedConvolutionIsTheAdjoint compares ⟨conv(x), y⟩ with
// ⟨x, transposed(y)⟩ for the same weights.
func TestTransposedConvolutionIsTheAdjoint(t *testing.T) {
	win := Window{[3]int{2, 3, 3}, [3]int{1, 2, 1}, [3][2]int{{0, 1}, {1, 0}, {1, 1}}}
	g := NewGraph(NewParams(1), false)
	x, y := g.Input("x", 2, 3, 6, 5, 3), g.Input("y", 2, 3, 3, 5, 4)
	w := g.Param("w", Normal(1), 2, 3, 3, 3, 4)
	forward, back := g.Conv(x, w, nil, nil, win, Identity), g.ConvTranspose(y, w, nil, win)
	if g.Err() != nil {
		t.Fatal(g.Err())
	}
	if !same(forward.Shape(), y.Shape()) || !same(back.Shape(), x.Shape()) {
		t.Fatalf("shapes %v and %v, want %v and %v", forward.Shape(), back.Shape(), y.Shape(), x.Shape())
	}
	p, err := Compile(g, nil, forward, back)
	if err != nil {
		t.Fatal(err)
	}
	r := rng.New(1, "adjoint")
	for _, name := range []string{"x", "y"} {
		in := p.Input(name)
		for i := range in {
			in[i] = float32(r.NormFloat64())
		}
	}
	p.Run()
	dot := func(a, b []float32) (s float64) {
		for i := range a {
			s += float64(a[i]) * float64(b[i])
		}
		return s
	}
	// A few hundred float32 terms a value, some hundred values.
	if a, b := dot(p.Output(0), p.Input("y")), dot(p.Input("x"), p.Output(1)); math.Abs(a-b) > 1e-4*math.Abs(a) {
		t.Errorf("⟨conv(x), y⟩ = %g, ⟨x, transposed(y)⟩ = %g", a, b)
	}
}

// TestPeriodicConvolutionTurns turns a periodic box: what a convolution makes of
// it turns with it, bit for bit.
func TestPeriodicConvolutionTurns(t *testing.T) {
	const n = 6
	g := NewGraph(NewParams(1), false)
	x := g.Input("x", 1, 1, n, n, 2)
	y := g.Conv(g.Wrap(x, [3][2]int{{}, {1, 1}, {1, 1}}), g.Param("w", Normal(1), 1, 3, 3, 2, 3), nil, nil, Window{Stride: [3]int{1, 1, 1}}, Identity)
	p, err := Compile(g, nil, y)
	if err != nil {
		t.Fatal(err)
	}
	r := rng.New(1, "box")
	box := make([]float32, n*n*2)
	for i := range box {
		box[i] = float32(r.NormFloat64())
	}
	look := func(down, right int) []float32 {
		in := p.Input("x")
		for h := range n {
			for w := range n {
				to := ((h+down)%n*n + (w+right)%n) * 2
				copy(in[to:to+2], box[(h*n+w)*2:])
			}
		}
		p.Run()
		return append([]float32(nil), p.Output(0)...)
	}
	still, turned := look(0, 0), look(2, 5)
	for h := range n {
		for w := range n {
			for c := range 3 {
				if a, b := still[(h*n+w)*3+c], turned[((h+2)%n*n+(w+5)%n)*3+c]; a != b {
					t.Fatalf("pixel %d, %d: %g, turned %g", h, w, a, b)
				}
			}
		}
	}
}

func TestLayersRefuseWrongShapes(t *testing.T) {
	for _, c := range []struct {
		name, why string
		draw      func(g *Graph, x *Node)
	}{
		{"transposed", "two channels, weights for three", func(g *Graph, x *Node) {
			g.ConvTranspose(x, g.Param("w", Constant(0), 1, 1, 3, 4, 3), nil, Window1D(3, 1, 0, 0))
		}},
		{"nothing left", "more padding than pixels", func(g *Graph, x *Node) {
			g.ConvTranspose(x, g.Param("w", Constant(0), 1, 1, 1, 4, 2), nil, Window1D(1, 1, 4, 4))
		}},
		{"concat", "other widths", func(g *Graph, x *Node) { g.Concat(x, g.Input("y", 1, 1, 1, 6, 2)) }},
		{"periodic", "more than a box", func(g *Graph, x *Node) { g.Wrap(x, [3][2]int{{}, {}, {6, 0}}) }},
		{"cross-entropy", "as many rows, other classes", func(g *Graph, x *Node) { g.CrossEntropy(g.Reshape(x, 5, 2), g.Input("t", 5, 3)) }},
		{"contrast", "two labels a row", func(g *Graph, x *Node) { g.SupCon(g.Reshape(x, 5, 2), g.Input("t", 5, 2), 1) }},
		{"squared error", "other pixels", func(g *Graph, x *Node) { g.SquaredError(x, g.Input("t", 1, 1, 1, 4, 2)) }},
		{"posterior", "no weights", func(g *Graph, x *Node) { g.PosteriorLoss(g.Reshape(x, 5, 2), g.Input("t", 5, 1), Gaussians) }},
		{"product", "other values", func(g *Graph, x *Node) { g.Dot(g.Reshape(x, 5, 2), g.Input("t", 2, 5)) }},
		{"flow's loss", "a logarithm for each value", func(g *Graph, x *Node) { g.NormalLoss(g.Reshape(x, 5, 2), g.Input("l", 5, 1)) }},
		{"group norm", "two channels in three groups", func(g *Graph, x *Node) { g.GroupNorm("n", x, 3, ReLU) }},
		{"slice", "channels that are not there", func(g *Graph, x *Node) { g.Slice(x, 1, 2) }},
		{"upsample", "by nothing", func(g *Graph, x *Node) { g.Upsample(x, [3]int{1, 0, 1}) }},
		{"bias", "three values for two channels", func(g *Graph, x *Node) { g.Bias(x, g.Param("b", Constant(0), 3)) }},
	} {
		g := NewGraph(NewParams(1), false)
		c.draw(g, g.Input("x", 1, 1, 1, 5, 2))
		if !errors.Is(g.Err(), astroml.ErrShape) {
			t.Errorf("%s (%s): error %v, want ErrShape", c.name, c.why, g.Err())
		}
	}
}

func TestGradientOfSupCon(t *testing.T) {
	params := NewParams(3)
	g := NewGraph(params, true)
	z := g.Param("z", Normal(1), 7, 1, 1, 1, 5)
	loss := g.SupCon(g.Reshape(z, 7, 5), g.Input("labels", 7, 1), 0.3)
	checkGradient(t, g, loss)
}

func checkGradient(t *testing.T, g *Graph, loss *Node) {
	t.Helper()
	params, grads := g.Grad(loss)
	p, err := Compile(g, kernel.NewWorkers(2), append([]*Node{loss}, grads...)...)
	if err != nil {
		t.Fatal(err)
	}
	r := rng.New(5, "test")
	fill := func() {
		for _, name := range []string{"x", "targets", "labels"} {
			in := p.Input(name)
			for i := range in {
				switch name {
				case "labels":
					in[i] = float32(i % 3)
				default:
					in[i] = float32(r.NormFloat64())
				}
			}
		}
	}
	fill()
	p.Run()
	got := make([][]float32, len(grads))
	for i := range grads {
		got[i] = append([]float32(nil), p.Output(i+1)...)
	}
	// Central differences of a float32 loss of size 1 to 30 with step h: error
	// about 1e-6/h from rounding and h² from the third derivative.
	const h = 1e-2
	for i, q := range params {
		var num, den float64
		for j := range q.Data {
			if len(q.Data) > 60 && j%3 != 0 {
				continue
			}
			v := q.Data[j]
			q.Data[j] = v + h
			p.Run()
			up := p.Output(0)[0]
			q.Data[j] = v - h
			p.Run()
			down := p.Output(0)[0]
			q.Data[j] = v
			d := float64(up-down) / (2 * h)
			num += (d - float64(got[i][j])) * (d - float64(got[i][j]))
			den += d * d
		}
		if rel := math.Sqrt(num / (den + 1e-6)); rel > 1e-2 {
			t.Errorf("gradient of %s differs from finite differences by %.2g of its norm", q.Name, rel)
		}
	}
}

func TestBitsDoNotDependOnWorkers(t *testing.T) {
	var want []string
	for _, n := range []int{1, 2, 8} {
		params := NewParams(1)
		g := NewGraph(params, true)
		x := g.Input("x", 9, 1, 1, 200, 2)
		y := g.ConvNorm("a", x, Same1D(200, 9, 2), 17, He(18), true, ReLU)
		y = g.Dropout(y, 0.3)
		y = g.ConvNorm("b", y, Same1D(100, 5, 3), 33, He(85), false, SiLU)
		y = g.ConvNorm("deep", y, Window1D(5, 3, 0, 0), 150, He(165), false, ReLU) // few rows, many columns
		y = g.ConvNorm("deeper", y, Same1D(10, 3, 1), 130, He(450), false, ReLU)
		loss := project(g, g.MeanPool(y))
		_, grads := g.Grad(loss)
		w := kernel.NewWorkers(n)
		p, err := Compile(g, w, append([]*Node{loss}, grads...)...)
		if err != nil {
			t.Fatal(err)
		}
		r := rng.New(5, "test")
		for _, name := range []string{"x", "targets"} {
			in := p.Input(name)
			for i := range in {
				in[i] = float32(r.NormFloat64())
			}
		}
		p.Drop(7, 0)
		p.Run()
		var got []string
		for i := range grads {
			got = append(got, fmt.Sprintf("%x", p.Output(i+1)))
		}
		w.Close()
		if want == nil {
			want = got
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("gradient %d differs on %d workers", i, n)
			}
		}
	}
}

func TestFoldedNormalisationEqualsRunning(t *testing.T) {
	params := NewParams(1)
	build := func(training, frozen bool) *Plan {
		g := NewGraph(params, training)
		g.Frozen = frozen
		y := g.ConvNorm("a", g.Input("x", 4, 1, 1, 50, 3), Same1D(50, 5, 1), 6, He(15), true, ReLU)
		p, err := Compile(g, nil, y)
		if err != nil {
			t.Fatal(err)
		}
		r := rng.New(2, "x")
		for i := range p.Input("x") {
			p.Input("x")[i] = float32(r.NormFloat64() + 0.3)
		}
		return p
	}
	train := build(true, false)
	for range 200 { // 0.9^200 leaves nothing of the first values
		train.Run()
		train.Track()
	}
	infer, frozen := build(false, false), build(true, true)
	infer.Run()
	train.Run()
	for range 2 { // as if there were something to track
		frozen.Run()
		frozen.Track()
	}
	for i, v := range infer.Output(0) {
		if d := math.Abs(float64(v - train.Output(0)[i])); d > 1e-4 {
			t.Fatalf("value %d: folded %g, with batch statistics %g", i, v, train.Output(0)[i])
		}
		if d := math.Abs(float64(v - frozen.Output(0)[i])); d > 1e-5 {
			t.Fatalf("value %d: folded %g, frozen %g", i, v, frozen.Output(0)[i])
		}
	}
}

func TestRunAllocatesNothing(t *testing.T) {
	params := NewParams(1)
	g := NewGraph(params, true)
	y := g.ConvNorm("a", g.Input("x", 16, 1, 1, 64, 3), Same1D(64, 5, 2), 16, He(15), true, ReLU)
	loss := project(g, g.MeanPool(y))
	_, grads := g.Grad(loss)
	p, err := Compile(g, kernel.NewWorkers(2), append(grads, loss)...)
	if err != nil {
		t.Fatal(err)
	}
	p.Run()
	if n := testing.AllocsPerRun(20, p.Run); n > 0 {
		t.Errorf("a training step allocates %g times", n)
	}
}
