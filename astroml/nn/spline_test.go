package nn

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

const testBound = 3

// splineOf is the spline of section 3.1 of Durkan et al. (2019), knot by knot in
// double precision.
func splineOf(x float64, theta []float64, bins int) (y, log float64) {
	if math.Abs(x) > testBound {
		return x, 0
	}
	knots := func(z []float64) []float64 {
		var sum float64
		top := z[0]
		for _, v := range z {
			top = max(top, v)
		}
		for _, v := range z {
			sum += math.Exp(v - top)
		}
		k := []float64{-testBound}
		for i, v := range z {
			k = append(k, k[i]+2*testBound*(1e-3+(1-1e-3*float64(bins))*math.Exp(v-top)/sum))
		}
		k[bins] = testBound
		return k
	}
	xs, ys := knots(theta[:bins]), knots(theta[bins:2*bins])
	d := []float64{1}
	for _, v := range theta[2*bins:] {
		d = append(d, 1e-3+max(v, 0)+math.Log1p(math.Exp(-math.Abs(v))))
	}
	d = append(d, 1)
	k := min(bins-1, sort.Search(bins, func(i int) bool { return x < xs[i+1] }))
	w, h := xs[k+1]-xs[k], ys[k+1]-ys[k]
	s, t := h/w, (x-xs[k])/w
	below := s + (d[k+1]+d[k]-2*s)*t*(1-t)
	y = ys[k] + h*(s*t*t+d[k]*t*(1-t))/below
	return y, math.Log(s * s * (d[k+1]*t*t + 2*s*t*(1-t) + d[k]*(1-t)*(1-t)) / (below * below))
}

// splineCase is inputs x and θ of splines, some values beyond the bound, at and
// near it.
type splineCase struct {
	n, d, bins int
	x, theta   []float32
}

func newSplineCase(n, d, bins int, spread float64) splineCase {
	c := splineCase{n, d, bins, make([]float32, n*d), make([]float32, n*d*(3*bins-1))}
	r := rng.New(1, "splines")
	for i := range c.x {
		c.x[i] = float32(1.5 * r.NormFloat64())
	}
	copy(c.x, []float32{testBound, -testBound, testBound - 1e-3, testBound + 1e-3, 1e-3 - testBound, -1e-3 - testBound, 50, -50, 0})
	for i := range c.theta {
		c.theta[i] = float32(spread * r.NormFloat64())
	}
	return c
}

// of returns the parameters of value i.
func (c splineCase) of(i int) []float64 {
	p := 3*c.bins - 1
	theta := make([]float64, p)
	for j, v := range c.theta[i*p : (i+1)*p] {
		theta[j] = float64(v)
	}
	return theta
}

// plan compiles what draw makes of x and θ.
func (c splineCase) plan(t testing.TB, w *kernel.Workers, draw func(g *Graph, x, theta *Node) []*Node) *Plan {
	t.Helper()
	g := NewGraph(NewParams(1), false)
	out := draw(g, g.Input("x", c.n, c.d), g.Input("theta", c.n, c.d*(3*c.bins-1)))
	p, err := Compile(g, w, out...)
	if err != nil {
		t.Fatal(err)
	}
	copy(p.Input("x"), c.x)
	copy(p.Input("theta"), c.theta)
	return p
}

func (c splineCase) forward(g *Graph, x, theta *Node) []*Node {
	y, l := g.Spline(x, theta, c.bins, testBound)
	return []*Node{y, l}
}

func (c splineCase) back(g *Graph, x, theta *Node) []*Node {
	y, l := g.SplineInverse(x, theta, c.bins, testBound)
	return []*Node{y, l}
}

func (c splineCase) roundTrip(g *Graph, x, theta *Node) []*Node {
	y, l := g.Spline(x, theta, c.bins, testBound)
	z, m := g.SplineInverse(y, theta, c.bins, testBound)
	return []*Node{z, l, m}
}

func (c splineCase) gradient(g *Graph, x, theta *Node) []*Node {
	dout := g.Input("dout", c.n, 2*c.d)
	op := SplineGrad{shapes("splinegrad", []int{c.n, c.d * 3 * c.bins}, x, theta, dout), c.bins, testBound}
	return []*Node{g.apply(op, x, theta, dout)}
}

// near reports whether a is b to 1e-5 of its size, or of 1.
func near(a float32, b float64) bool { return math.Abs(float64(a)-b) <= 1e-5*max(1, math.Abs(b)) }

// onAllSets runs f with the kernel of each instruction set.
func onAllSets(t *testing.T, f func(t *testing.T)) {
	for _, name := range kernel.Sets() {
		t.Run(name, func(t *testing.T) {
			defer kernel.Use(name)()
			f(t)
		})
	}
}

func TestSplineEqualsDoublePrecision(t *testing.T) {
	onAllSets(t, func(t *testing.T) {
		for _, c := range []splineCase{
			newSplineCase(67, 5, 10, 1),
			newSplineCase(200, 1, 2, 2),
			newSplineCase(1, 300, 8, 0.1),
			newSplineCase(60, 3, 4, 5),
		} {
			p := c.plan(t, nil, c.forward)
			p.Run()
			for i, x := range c.x {
				y, l := splineOf(float64(x), c.of(i), c.bins)
				if !near(p.Output(0)[i], y) || !near(p.Output(1)[i], l) {
					t.Errorf("%d bins, x = %g: y = %g, log dy/dx = %g, want %g, %g", c.bins, x, p.Output(0)[i], p.Output(1)[i], y, l)
				}
			}
		}
	})
}

// TestSoftplusIsGoodWhereItIsSmall goes to where 1 + exp v rounds to 1.
func TestSoftplusIsGoodWhereItIsSmall(t *testing.T) {
	onAllSets(t, func(t *testing.T) {
		for v := float32(-30); v < 30; v += 0.37 {
			e, log := []float32{v}, []float32{0}
			kernel.Exp(e, e)
			kernel.Log(log, []float32{1 + e[0]})
			got, want := softplus(v, e[0], log[0]), max(float64(v), 0)+math.Log1p(math.Exp(-math.Abs(float64(v))))
			// A few roundings of single precision.
			if !(math.Abs(got-want) <= 5e-7*want) {
				t.Errorf("softplus(%g) = %g, want %g", v, got, want)
			}
		}
	})
}

func TestGradientOfSpline(t *testing.T) {
	onAllSets(t, func(t *testing.T) {
		for _, c := range []splineCase{newSplineCase(20, 3, 10, 1), newSplineCase(30, 1, 2, 2), newSplineCase(1, 150, 5, 3)} {
			testGradientOfSpline(t, c)
		}
	})
}

// testGradientOfSpline compares gradients with finite differences in double
// precision, value by value.
func testGradientOfSpline(t *testing.T, c splineCase) {
	p := c.plan(t, nil, c.gradient)
	r := rng.New(2, "dout")
	dout := p.Input("dout")
	for i := range dout {
		dout[i] = float32(r.NormFloat64())
	}
	// What the gradient does not write stays NaN.
	for i := range p.Output(0) {
		p.Output(0)[i] = float32(math.NaN())
	}
	p.Run()
	// Central differences lose 1e-16/h to rounding, and h² times a third
	// derivative.
	const h = 1e-5
	params := 3*c.bins - 1
	for i, x := range c.x {
		if math.Abs(float64(x)) == testBound {
			continue // the logarithm has a kink there
		}
		row, j := i/c.d, i%c.d
		got := p.Output(0)[row*c.d*(1+params):]
		theta := c.of(i)
		loss := func(x float64) float64 {
			y, l := splineOf(x, theta, c.bins)
			return float64(dout[row*2*c.d+j])*y + float64(dout[row*2*c.d+c.d+j])*l
		}
		check := func(name string, got float32, want float64) {
			// The differences are good to 1e-8. In narrow bins the rounding of exp θ
			// shows in the derivatives of the logarithm.
			if !(math.Abs(float64(got)-want) <= 1e-4*max(1, math.Abs(want))) {
				t.Errorf("%d bins, x = %g: gradient for %s %g, want %g", c.bins, x, name, got, want)
			}
		}
		check("x", got[j], (loss(float64(x)+h)-loss(float64(x)-h))/(2*h))
		for k := range theta {
			v := theta[k]
			theta[k] = v + h
			up := loss(float64(x))
			theta[k] = v - h
			down := loss(float64(x))
			theta[k] = v
			check(fmt.Sprint("θ ", k), got[c.d+j*params+k], (up-down)/(2*h))
		}
	}
}

// TestSplineInANetwork checks that the gradient's parts go where they belong.
func TestSplineInANetwork(t *testing.T) {
	g := NewGraph(NewParams(1), true)
	x := g.Add(g.Input("x", 6, 2), g.Param("x0", Normal(0.1), 6, 2))
	y, l := g.Spline(x, g.Param("theta", Normal(0.5), 6, 2*8), 3, testBound)
	checkGradient(t, g, project(g, g.Concat(y, l)))
}

func TestSplineInverse(t *testing.T) {
	onAllSets(t, func(t *testing.T) {
		c := newSplineCase(100, 5, 10, 1)
		p := c.plan(t, nil, c.roundTrip)
		p.Run()
		for i, x := range c.x {
			z, l, m := p.Output(0)[i], p.Output(1)[i], p.Output(2)[i]
			// y was rounded, which the inverse magnifies where the slope is small.
			small := max(1, math.Exp(-float64(l)))
			if math.Abs(float64(z-x)) > 1e-5*small || math.Abs(float64(l+m)) > 2e-5*small {
				t.Errorf("x = %g comes back as %g; logarithms of the derivatives %g and %g", x, z, l, m)
			}
		}
	})
}

// TestSplineIsMonotone goes through one spline in small steps: it rises, without
// jumps at knots and bounds, and its derivative is the one said.
func TestSplineIsMonotone(t *testing.T) {
	const n, step = 7001, 1e-3
	c := newSplineCase(n, 1, 10, 0.7)
	for i := range n {
		c.x[i] = float32(-3.5 + step*float64(i))
		copy(c.theta[i*29:], c.theta[:29])
	}
	p := c.plan(t, nil, c.forward)
	p.Run()
	y, l := p.Output(0), p.Output(1)
	for i := 1; i < n-1; i++ {
		if y[i] <= y[i-1] {
			t.Fatalf("y = %g at x = %g, %g before", y[i], c.x[i], y[i-1])
		}
		// The rounding of x and y is 2e-7/step each, in units of 1 and of the
		// slope. Kinks of the derivative add a step times its change.
		slope, want := float64(y[i+1]-y[i-1])/float64(c.x[i+1]-c.x[i-1]), math.Exp(float64(l[i]))
		if math.Abs(slope-want) > 5e-4+3e-2*want {
			t.Errorf("x = %g: dy/dx is said to be %g, differences say %g", c.x[i], want, slope)
		}
	}
}

func TestSplineAtTheBound(t *testing.T) {
	c := newSplineCase(4, 1, 10, 1)
	up := math.Nextafter32(testBound, 4)
	copy(c.x, []float32{testBound, up, -testBound, -up})
	p := c.plan(t, nil, c.forward)
	p.Run()
	for i, x := range c.x {
		if p.Output(0)[i] != x || math.Abs(float64(p.Output(1)[i])) > 1e-6 {
			t.Errorf("x = %g: y = %g, log dy/dx = %g", x, p.Output(0)[i], p.Output(1)[i])
		}
	}
}

func TestEvenSplineIsTheIdentity(t *testing.T) {
	c := newSplineCase(50, 2, 8, 0)
	one := float32(math.Log(math.Expm1(1 - 1e-3))) // softplus of it is 1 - 1e-3
	for i := range c.theta {
		switch j := i % 23; {
		case j < 16:
			c.theta[i] = 0.7
		default:
			c.theta[i] = one
		}
	}
	for _, draw := range []func(g *Graph, x, theta *Node) []*Node{c.forward, c.back} {
		p := c.plan(t, nil, draw)
		p.Run()
		for i, x := range c.x {
			if !near(p.Output(0)[i], float64(x)) || math.Abs(float64(p.Output(1)[i])) > 1e-6 {
				t.Errorf("x = %g: y = %g, log dy/dx = %g", x, p.Output(0)[i], p.Output(1)[i])
			}
		}
	}
}

func TestSplineBitsDoNotDependOnWorkers(t *testing.T) {
	c := newSplineCase(200, 5, 10, 1)
	for _, draw := range []func(g *Graph, x, theta *Node) []*Node{c.forward, c.back, c.gradient} {
		var want string
		for _, n := range []int{1, 2, 3, 8} {
			w := kernel.NewWorkers(n)
			p := c.plan(t, w, draw)
			for i := range p.Input("dout") {
				p.Input("dout")[i] = float32(i%7) - 3
			}
			var got string
			for range 2 {
				p.Run()
				got = ""
				for i := range p.Outputs() {
					got += fmt.Sprintf("%x", p.Output(i))
				}
				if want == "" {
					want = got
				}
				if got != want {
					t.Errorf("%d workers: other bits", n)
				}
			}
			w.Close()
		}
	}
}

func TestSplineAllocatesNothing(t *testing.T) {
	c := newSplineCase(200, 5, 10, 1)
	for _, draw := range []func(g *Graph, x, theta *Node) []*Node{c.forward, c.back, c.gradient} {
		p := c.plan(t, kernel.NewWorkers(2), draw)
		p.Run()
		if n := testing.AllocsPerRun(20, p.Run); n > 0 {
			t.Errorf("a run allocates %g times", n)
		}
	}
}

// TestSplineOfStrangeNumbers looks at what is neither small nor a number: what
// depends on NaN is NaN, the rest stays finite, and nothing panics.
func TestSplineOfStrangeNumbers(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		name, why string
		x         float64
		first     int // of the parameters that have the value
		last      int
		value     float64
		nan       bool
	}{
		{"x", "inside for want of a better place", nan, 0, 0, 0, true},
		{"+Inf", "outside", inf, 0, 0, 0, false},
		{"-Inf", "outside", -inf, 0, 0, 0, false},
		{"a width", "the softmax spreads it", 1, 2, 3, nan, true},
		{"a height", "the softmax spreads it", 1, 6, 7, nan, true},
		{"all derivatives", "one of them at least is at hand", 1, 8, 11, nan, true},
		{"all", "of a value outside nothing is looked at", 4, 0, 11, nan, false},
		{"infinite width", "∞ - ∞", 1, 0, 1, inf, true},
		{"no width", "the least width is left", 1, 0, 1, -inf, false},
		{"no widths", "0/0", 1, 0, 4, -inf, true},
		{"large width", "its exponential is not a float", 1, 0, 1, 1e4, false},
		{"large widths", "all alike", 1, 0, 4, 1e4, false},
		{"small widths", "all alike", 1, 0, 4, -1e4, false},
		{"small heights", "all alike, their exponentials almost zero", 1, 4, 8, -95, false},
		{"large height", "its exponential is not a float", 1, 4, 5, 1e4, false},
		{"large derivatives", "linear", 1, 8, 11, 1e4, false},
		{"small derivatives", "the least derivative is left", 1, 8, 11, -1e4, false},
		{"all large", "alike", -1, 0, 11, 1e4, false},
		{"largest", "float32", -1, 0, 11, math.MaxFloat32, false},
		{"smallest", "float32", -1, 0, 11, -math.MaxFloat32, false},
	} {
		s := newSplineCase(1, 1, 4, 0.5)
		s.x[0] = float32(c.x)
		for i := c.first; i < c.last; i++ {
			s.theta[i] = float32(c.value)
		}
		onAllSets(t, func(t *testing.T) {
			for verb, draw := range map[string]func(g *Graph, x, theta *Node) []*Node{"spline": s.forward, "inverse": s.back, "gradient": s.gradient} {
				p := s.plan(t, nil, draw)
				for i := range p.Input("dout") {
					p.Input("dout")[i] = 1
				}
				p.Run()
				for o := range p.Outputs() {
					for i, v := range p.Output(o) {
						switch bad := math.IsNaN(float64(v)); {
						case bad && !c.nan:
							t.Errorf("%s (%s): %s: output %d has NaN at %d", c.name, c.why, verb, o, i)
						case !bad && c.nan && i == 0:
							t.Errorf("%s (%s): %s: output %d is %g, want NaN", c.name, c.why, verb, o, v)
						}
					}
				}
				if y := p.Output(0)[0]; !c.nan && verb == "spline" {
					if want, _ := splineOf(float64(s.x[0]), s.of(0), 4); !near(y, want) && !math.IsInf(c.x, 0) && !math.IsNaN(want) {
						t.Errorf("%s (%s): y = %g, want %g", c.name, c.why, y, want)
					}
				}
			}
		})
	}
}

func TestSplineRefusesWrongShapes(t *testing.T) {
	for _, c := range []struct {
		name, why string
		x, theta  []int
		bins      int
		bound     float64
	}{
		{"one axis", "no rows", []int{6}, []int{6, 8}, 3, 3},
		{"pixels", "too many axes", []int{2, 3, 1}, []int{2, 24}, 3, 3},
		{"parameters as pixels", "too many axes", []int{2, 3}, []int{2, 3, 8}, 3, 3},
		{"rows", "two and four", []int{2, 3}, []int{4, 24}, 3, 3},
		{"parameters", "of derivatives at the bounds too", []int{2, 3}, []int{2, 30}, 3, 3},
		{"one bin", "no inner knot", []int{2, 3}, []int{2, 6}, 1, 3},
		{"no bins", "no parameters", []int{2, 3}, []int{2, 6}, 0, 3},
		{"many bins", "the least widths are more than all", []int{2, 1}, []int{2, 3002}, 1001, 3},
		{"bound", "zero", []int{2, 3}, []int{2, 24}, 3, 0},
		{"negative bound", "nothing within", []int{2, 3}, []int{2, 24}, 3, -1},
		{"no bound", "not a number", []int{2, 3}, []int{2, 24}, 3, math.NaN()},
		{"infinite bound", "no even spline", []int{2, 3}, []int{2, 24}, 3, math.Inf(1)},
	} {
		for name, draw := range map[string]func(g *Graph, x, theta *Node, bins int, bound float64) (y, l *Node){"spline": (*Graph).Spline, "inverse": (*Graph).SplineInverse} {
			g := NewGraph(NewParams(1), false)
			y, l := draw(g, g.Input("x", c.x...), g.Input("theta", c.theta...), c.bins, c.bound)
			if !errors.Is(g.Err(), astroml.ErrShape) || y != nil || l != nil {
				t.Errorf("%s (%s): %s: error %v, want ErrShape", c.name, c.why, name, g.Err())
			}
		}
	}
}

func BenchmarkSpline(b *testing.B) {
	c := newSplineCase(200, 5, 10, 1)
	for name, draw := range map[string]func(g *Graph, x, theta *Node) []*Node{"forward": c.forward, "inverse": c.back, "gradient": c.gradient} {
		b.Run(name, func(b *testing.B) {
			p := c.plan(b, nil, draw)
			for i := range p.Input("dout") {
				p.Input("dout")[i] = 1
			}
			for b.Loop() {
				p.Run()
			}
		})
	}
}
