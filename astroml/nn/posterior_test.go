package nn

import (
	"math"
	"testing"

	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// posteriorBatch returns a batch of n rows of random estimates and parameters;
// every third row has weight 0.
func posteriorBatch(e Estimate, n, p int) (x, t []float32) {
	r := rng.New(1, "batch")
	x, t = make([]float32, n*p*e.columns()), make([]float32, n*(p+1))
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	for i := range t {
		t[i] = float32(r.NormFloat64())
		if i%(p+1) == p {
			t[i] = float32(i/(p+1)%3) * 0.7
		}
	}
	return x, t
}

func TestPosteriorGradientsEqualFiniteDifferences(t *testing.T) {
	const n, p = 7, 3
	for _, e := range []Estimate{Means, Moments2, Gaussians} {
		x, target := posteriorBatch(e, n, p)
		y := make([]float64, len(x))
		for i, v := range x {
			y[i] = float64(v)
		}
		dx := make([]float32, len(x))
		posterior(e, x, target, p, dx, 2)
		at := func(i int, h float64) float64 {
			z := append([]float32(nil), x...)
			z[i] = float32(y[i] + h)
			return posterior(e, z, target, p, nil, 0)
		}
		for i := range x {
			const h = 1.0 / 1024 // exact in float32 beside values near 1
			want := 2 * (at(i, h) - at(i, -h)) / (float64(float32(y[i]+h)) - float64(float32(y[i]-h)))
			// The error of central differences is h² times third derivatives near 10.
			if d := math.Abs(float64(dx[i]) - want); d > 1e-4*(1+math.Abs(want)) {
				t.Errorf("estimate %d, value %d: gradient %g, differences %g", e, i, dx[i], want)
			}
		}
	}
}

// TestPosteriorLossesOfKnownErrors has residuals of ±1 and σ² = ½ or 1.
func TestPosteriorLossesOfKnownErrors(t *testing.T) {
	theta := []float32{1, 1, -1, 1, 9, 0} // two rows that count, of weight 1, and one that does not
	for _, c := range []struct {
		name string
		e    Estimate
		x    []float32
		want float64
	}{
		{"means", Means, []float32{0, 0, 0}, 1},
		{"moments", Moments2, []float32{0, math.Sqrt2 / 2, 0, -math.Sqrt2 / 2, 0, 5}, math.Log(1) + math.Log(0.25)},
		{"gaussians", Gaussians, []float32{0, 1, 0, -1, 0, 5}, 0.5*math.Log(2*math.Pi) + 0.5},
	} {
		if got := posterior(c.e, c.x, theta, 1, nil, 0); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("%s: %g, want %g", c.name, got, c.want)
		}
		turned := append([]float32(nil), c.x...)
		if c.e != Means {
			for i := 1; i < len(turned); i += 2 {
				turned[i] *= -1
			}
			if a, b := posterior(c.e, turned, theta, 1, nil, 0), posterior(c.e, c.x, theta, 1, nil, 0); a != b {
				t.Errorf("%s: %g with -σ, %g with σ", c.name, a, b)
			}
		}
	}
}

// TestPosteriorInAPlan trains nothing: loss and gradient of a plan are those of
// the functions, and those of a product with the Jacobian.
func TestPosteriorInAPlan(t *testing.T) {
	const n, p = 5, 2
	x, target := posteriorBatch(Gaussians, n, p)
	g := NewGraph(NewParams(1), true)
	in := g.Input("x", n, 2*p)
	loss := g.PosteriorLoss(in, g.Input("t", n, p+1), Gaussians)
	dot := g.Dot(in, g.Input("v", n, 2*p))
	plan, err := Compile(g, nil, loss, g.GradOf(loss, in)[0], dot, g.GradOf(dot, in)[0])
	if err != nil {
		t.Fatal(err)
	}
	copy(plan.Input("x"), x)
	copy(plan.Input("t"), target)
	copy(plan.Input("v"), x[1:])
	plan.Run()
	dx := make([]float32, len(x))
	if want := float32(posterior(Gaussians, x, target, p, dx, 1)); plan.Output(0)[0] != want {
		t.Errorf("loss %g, want %g", plan.Output(0)[0], want)
	}
	var sum float64
	for i := range dx {
		if plan.Output(1)[i] != dx[i] {
			t.Errorf("gradient %d: %g, want %g", i, plan.Output(1)[i], dx[i])
		}
		if v := plan.Input("v")[i]; plan.Output(3)[i] != v {
			t.Errorf("gradient of the product: %g, want %g", plan.Output(3)[i], v)
		} else {
			sum += float64(v) * float64(x[i])
		}
	}
	if got := float64(plan.Output(2)[0]); math.Abs(got-sum) > 1e-6 {
		t.Errorf("product %g, want %g", got, sum)
	}
}

func TestSoftplus(t *testing.T) {
	g := NewGraph(NewParams(1), true)
	x := g.Input("x", 5)
	y := g.Softplus(x)
	dot := g.Dot(y, g.Input("one", 5))
	plan, err := Compile(g, nil, y, g.GradOf(dot, x)[0])
	if err != nil {
		t.Fatal(err)
	}
	at := []float32{-50, -1, 0, 2, 100}
	copy(plan.Input("x"), at)
	for i := range at {
		plan.Input("one")[i] = 1
	}
	plan.Run()
	for i, v := range at {
		want, slope := math.Log1p(math.Exp(float64(v))), 1/(1+math.Exp(-float64(v)))
		// Rounding to float32.
		if got := float64(plan.Output(0)[i]); math.Abs(got-want) > 1e-7*want {
			t.Errorf("softplus(%g) = %g, want %g", v, got, want)
		}
		if got := float64(plan.Output(1)[i]); math.Abs(got-slope) > 1e-7*slope {
			t.Errorf("its slope at %g: %g, want %g", v, got, slope)
		}
	}
}
