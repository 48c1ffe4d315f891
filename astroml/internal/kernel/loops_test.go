package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// exactly is act(x) in double precision, exactSlope its derivative.
func exactly(x float64, act Act) float64 {
	switch act {
	case ReLU:
		return max(x, 0)
	case LeakyReLU:
		return max(x, 0.2*x)
	case GELU:
		return x / 2 * math.Erfc(-x/math.Sqrt2)
	case SiLU:
		return x / (1 + math.Exp(-x))
	case Tanh:
		return math.Tanh(x)
	case Sigmoid:
		return 1 / (1 + math.Exp(-x))
	}
	return x
}

func exactSlope(x float64, act Act) float64 {
	h := 1e-6
	if act == ReLU || act == LeakyReLU {
		h = 0.1 * math.Abs(x) // this side of the kink
	}
	return (exactly(x+h, act) - exactly(x-h, act)) / (2 * h)
}

var acts = []Act{Identity, ReLU, LeakyReLU, GELU, SiLU, Tanh, Sigmoid}

// ulps is the distance of x from want in units of want's last place.
func ulps(x float32, want float64) float64 {
	w := float32(want)
	switch {
	case want != want || math.IsInf(float64(w), 0) || w == 0 && want == 0:
		if x == w || x != x && want != want {
			return 0
		}
		if math.IsInf(float64(w), 0) && !math.IsInf(want, 0) { // rounding to the largest float is half an ulp off
			return 1
		}
		return math.Inf(1)
	}
	unit := math.Ldexp(1, max(math.Ilogb(want)-23, -149))
	return math.Abs(float64(x)-want) / unit
}

// Every 4001st float32, and the special ones, against Go's math.
func TestElementary(t *testing.T) {
	functions := []struct {
		name  string
		f     func(y, x []float32)
		exact func(float64) float64
		worst float64 // ulp, as elementary.h states
	}{
		{"Exp", Exp, math.Exp, 1},
		{"Log", Log, math.Log, 0.9},
		{"Erf", Erf, math.Erf, 1.5},
		{"tanh", func(y, x []float32) { Activate(y, x, Tanh) }, math.Tanh, 1.4},
	}
	var x []float32
	for b := uint64(0); b < 1<<32; b += 4001 {
		x = append(x, math.Float32frombits(uint32(b)))
	}
	inf := float32(math.Inf(1))
	x = append(x, 0, float32(math.Copysign(0, -1)), inf, -inf, float32(math.NaN()), 1, -1, 88.72, 88.73, -87.4, -103.9, -104,
		0.625, 0.9, 0.8999999, math.SmallestNonzeroFloat32, 0x1p-126, math.MaxFloat32)
	for v := float32(0.25); v < 4; v += 1e-5 { // where polynomials meet
		x = append(x, v, -v)
	}
	y := make([]float32, len(x))
	eachSet(t, func(t *testing.T) {
		for _, f := range functions {
			f.f(y, x)
			worst, at := 0.0, float32(0)
			for i, v := range x {
				if u := ulps(y[i], f.exact(float64(v))); u > worst {
					worst, at = u, v
				}
			}
			t.Logf("%s: %.2f ulp at %g", f.name, worst, at)
			if worst > f.worst {
				t.Errorf("%s: %.2f ulp at %g, stated are %g", f.name, worst, at, f.worst)
			}
		}
	})
}

func TestActivate(t *testing.T) {
	var x []float32
	for v := float32(-20); v < 20; v += 1e-3 {
		x = append(x, v)
	}
	y, dx, dy := make([]float32, len(x)), make([]float32, len(x)), make([]float32, len(x))
	for i := range dy {
		dy[i] = 2
	}
	eachSet(t, func(t *testing.T) {
		for _, act := range acts {
			Activate(y, x, act)
			var gx, gy []float32
			if act.NeedsX() {
				gx = x
			} else if act != Identity {
				gy = y
			}
			ActivateGrad(dx, gx, gy, dy, act)
			for i, v := range x {
				want := exactly(float64(v), act)
				// In its tail GELU is x·exp(-x²/2)·…: the roundings of x/√2 and x²/2 count x² times.
				if math.Abs(float64(y[i])-want) > 1e-7*(3+float64(v*v))*math.Abs(want)+1e-36 {
					t.Fatalf("act %d: f(%g) = %g, want %g", act, v, y[i], want)
				}
				slope := exactSlope(float64(v), act)
				if math.Abs(float64(dx[i])-2*slope) > 1e-6 {
					t.Fatalf("act %d: 2f'(%g) = %g, want %g", act, v, dx[i], 2*slope)
				}
			}
		}
	})
}

// NaN must survive every activation: a training run that diverges has to show.
func TestActivateKeepsNaN(t *testing.T) {
	x := []float32{float32(math.NaN())}
	y := make([]float32, 1)
	eachSet(t, func(t *testing.T) {
		for _, act := range acts {
			if Activate(y, x, act); y[0] == y[0] {
				t.Errorf("act %d: %g", act, y[0])
			}
		}
	})
}

// An array's results do not depend on where it is cut: the incomplete register
// at an end computes as all others do.
func TestElementwisePositions(t *testing.T) {
	const n, c = 101, 3
	r := rand.New(rand.NewPCG(7, 8))
	x, y, p := random(t, r, n*c), random(t, r, n*c), random(t, r, c)
	loops := []struct {
		name string
		f    func(dst, x, y []float32)
	}{
		{"exp", func(d, x, _ []float32) { Exp(d, x) }},
		{"erf", func(d, x, _ []float32) { Erf(d, x) }},
		{"axpy", func(d, x, _ []float32) { Axpy(d, 0.3, x) }},
		{"gelu", func(d, x, _ []float32) { Activate(d, x, GELU) }},
		{"silu slope", func(d, x, y []float32) { ActivateGrad(d, x, nil, y, SiLU) }},
		{"gelu slope", func(d, x, y []float32) { ActivateGrad(d, x, nil, y, GELU) }},
		{"bias", func(d, x, _ []float32) { Bias(d, x, p, c, Tanh) }},
		{"affine", func(d, x, _ []float32) { Affine(d, x, p, p, c, SiLU) }},
		{"norm grad", func(d, x, y []float32) { NormBackward{Scale: p, Shift: p, Act: SiLU}.Grad(d, y, x, p, p, p) }},
		{"adamw", func(d, x, y []float32) {
			m, v := slices.Clone(y), make([]float32, len(x))
			AdamW{0.1, 0.9, 0.99, 1e-8, 0.1, 0.1, 0.01}.Step(d, m, v, x, 0.7)
		}},
	}
	eachSet(t, func(t *testing.T) {
		for _, l := range loops {
			whole := make([]float32, n*c)
			l.f(whole, x, y)
			for cut := 0; cut <= n*c; cut += c {
				d := fence(t, n*c)
				l.f(d[:cut], x[:cut], y[:cut])
				l.f(d[cut:], x[cut:], y[cut:])
				if !sameBits(d, whole) {
					t.Fatalf("%s: cut at %d gives other bits", l.name, cut)
				}
			}
		}
	})
}

var (
	channelCounts = []int{1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 24, 31, 32, 33, 48, 63, 64, 65, 80, 100, 128, 200}
	rowCounts     = []int{0, 1, 2, 3, 5, 17, 127, 128, 129, 700}
)

// Channel loops against their formulas in double precision.
func TestChannels(t *testing.T) {
	eachSet(t, func(t *testing.T) {
		for _, c := range channelCounts {
			for _, rows := range rowCounts {
				r := rand.New(rand.NewPCG(uint64(c), uint64(rows)))
				x, y := random(t, r, rows*c), random(t, r, rows*c)
				a, b, d := random(t, r, c), random(t, r, c), random(t, r, c)
				for i := range x {
					x[i] += 10 * b[i%c] // means that are not small
				}
				each := func(f func(i, j int) float64) []float64 {
					want := make([]float64, rows*c)
					for i := range want {
						want[i] = f(i, i%c)
					}
					return want
				}
				total := func(f func(i, j int) float64) []float64 {
					want := make([]float64, c)
					for i := range rows * c {
						want[i%c] += f(i, i%c)
					}
					return want
				}
				tolerance := 1e-5
				check := func(op string, got []float32, want []float64) {
					t.Helper()
					if dist := distance(got, want); !(dist <= tolerance) {
						t.Fatalf("%s, %d rows of %d: distance %g", op, rows, c, dist)
					}
				}
				X := func(i int) float64 { return float64(x[i]) }
				Y := func(i int) float64 { return float64(y[i]) }
				A := func(j int) float64 { return float64(a[j]) }
				B := func(j int) float64 { return float64(b[j]) }

				out := fence(t, rows*c)
				Bias(out, x, a, c, ReLU)
				check("Bias", out, each(func(i, j int) float64 { return max(X(i)+A(j), 0) }))
				Affine(out, x, a, b, c, Tanh)
				check("Affine", out, each(func(i, j int) float64 { return math.Tanh(A(j)*X(i) + B(j)) }))

				sums := fence(t, c)
				copy(sums, a)
				Sums(sums, x, c)
				want := total(func(i, _ int) float64 { return X(i) })
				for j := range want {
					want[j] += A(j)
				}
				check("Sums", sums, want)

				mean, m2 := fence(t, c), fence(t, c)
				Moments(mean, m2, x, c)
				mu := total(func(i, _ int) float64 { return X(i) / float64(rows) })
				check("Moments, mean", mean, mu)
				check("Moments, m2", m2, total(func(i, j int) float64 { return (X(i) - mu[j]) * (X(i) - mu[j]) }))

				for _, act := range acts {
					if act == Tanh || act == Sigmoid {
						tolerance = 1e-4 // their slope is a difference: 1 - y
					}
					n := NormBackward{Scale: a, Shift: b, Act: act, Mean: mean, IStd: d}
					dz := each(func(i, j int) float64 { return Y(i) * exactSlope(float64(a[j]*x[i])+B(j), act) })
					sdz, sdzx := fence(t, c), fence(t, c)
					copy(sdz, a)
					copy(sdzx, b)
					n.Sums(sdz, sdzx, y, x)
					want := total(func(i, _ int) float64 { return dz[i] })
					wantx := total(func(i, j int) float64 { return dz[i] * (X(i) - float64(mean[j])) * float64(d[j]) })
					for j := range want {
						want[j] += A(j)
						wantx[j] += B(j)
					}
					check(fmt.Sprint("NormBackward.Sums, dz, act ", act), sdz, want)
					check(fmt.Sprint("NormBackward.Sums, dz·x, act ", act), sdzx, wantx)
					n.Grad(out, y, x, b, a, d)
					check(fmt.Sprint("NormBackward.Grad, act ", act), out, each(func(i, j int) float64 { return B(j)*dz[i] + A(j)*X(i) + float64(d[j]) }))
				}
			}
		}
	})
}

// Results may overwrite arguments where the comments say so.
func TestInPlace(t *testing.T) {
	const c, n = 5, 5 * 77
	r := rand.New(rand.NewPCG(9, 9))
	x, y, p := random(t, r, n), random(t, r, n), random(t, r, c)
	ops := []struct {
		name string
		f    func(dst, x, y []float32)
	}{
		{"Add", Add},
		{"Mul", Mul},
		{"Scale", func(d, x, _ []float32) { Scale(d, x, 3) }},
		{"Exp", func(d, x, _ []float32) { Exp(d, x) }},
		{"Log", func(d, x, _ []float32) { Log(d, x) }},
		{"Erf", func(d, x, _ []float32) { Erf(d, x) }},
		{"Activate", func(d, x, _ []float32) { Activate(d, x, GELU) }},
		{"Bias", func(d, x, _ []float32) { Bias(d, x, p, c, ReLU) }},
		{"Affine", func(d, x, _ []float32) { Affine(d, x, p, p, c, ReLU) }},
		{"norm grad", func(d, x, y []float32) { NormBackward{Scale: p, Shift: p, Act: LeakyReLU}.Grad(d, y, x, p, p, p) }},
		{"ActivateGrad", func(d, x, y []float32) { ActivateGrad(d, y, nil, x, SiLU) }},
	}
	eachSet(t, func(t *testing.T) {
		for _, op := range ops {
			want, got := make([]float32, n), slices.Clone(x)
			op.f(want, x, y)
			if op.f(got, got, y); !slices.EqualFunc(got, want, func(a, b float32) bool { return a == b || a != a && b != b }) {
				t.Errorf("%s: in place differs", op.name)
			}
		}
	})
}

func TestVectors(t *testing.T) {
	eachSet(t, func(t *testing.T) {
		for n := range 70 {
			r := rand.New(rand.NewPCG(uint64(n), 5))
			x, y := random(t, r, n), random(t, r, n)
			sum, prod, scaled, moved := fence(t, n), fence(t, n), fence(t, n), fence(t, n)
			copy(moved, y)
			Add(sum, x, y)
			Mul(prod, x, y)
			Scale(scaled, x, 0.3)
			Axpy(moved, 0.3, x)
			squares := 0.0
			for i := range x {
				squares += float64(x[i]) * float64(x[i])
				if sum[i] != x[i]+y[i] || prod[i] != x[i]*y[i] || scaled[i] != 0.3*x[i] ||
					math.Abs(float64(moved[i])-float64(y[i])-float64(float32(0.3))*float64(x[i])) > 1e-6 {
					t.Fatalf("%d floats: element %d", n, i)
				}
			}
			if got := SumSquares(x); math.Abs(got-squares) > 1e-14*squares {
				t.Errorf("%d floats: SumSquares %v, want %v", n, got, squares)
			}
		}
		if got := SumSquares([]float32{1e30, 1e30}); math.Abs(got-2e60) > 1e54 { // 1e30 is not a float32
			t.Errorf("SumSquares overflows: %g", got)
		}
	})
}

// Three steps of AdamW against the equations in double precision.
func TestAdamW(t *testing.T) {
	const n, scale = 37, 0.5
	eachSet(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		w, m, v := random(t, r, n), fence(t, n), fence(t, n)
		W, M, V := doubles(w), make([]float64, n), make([]float64, n)
		o := AdamW{LearnRate: 0.01, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.05}
		for step := 1; step <= 3; step++ {
			g := random(t, r, n)
			c1, c2 := 1-math.Pow(0.9, float64(step)), 1-math.Pow(0.999, float64(step))
			o.Correct1, o.Correct2 = float32(c1), float32(c2)
			o.Step(w, m, v, g, scale)
			for i := range W {
				d := float64(g[i]) * scale
				M[i] = 0.9*M[i] + 0.1*d
				V[i] = 0.999*V[i] + 0.001*d*d
				W[i] -= 0.01 * (M[i]/c1/(math.Sqrt(V[i]/c2)+1e-8) + 0.05*W[i])
			}
		}
		// 1-0.999 in single precision is off by 1.7e-5 of it, in both V and Correct2.
		for _, p := range []struct {
			name string
			got  []float32
			want []float64
			most float64
		}{{"weights", w, W, 1e-6}, {"first moments", m, M, 1e-6}, {"second moments", v, V, 2e-5}} {
			if d := distance(p.got, p.want); d > p.most {
				t.Errorf("%s: distance %g", p.name, d)
			}
		}
	})
}

func TestBadLengthsPanic(t *testing.T) {
	x, y := make([]float32, 6), make([]float32, 5)
	for i, f := range []func(){
		func() { Add(x, x, y) },
		func() { Exp(y, x) },
		func() { Bias(x, x, y, 5, ReLU) },
		func() { Bias(x, x, y[:4], 3, ReLU) },
		func() { Bias(x, x, nil, 0, ReLU) },
		func() { Sums(y, x, 3) },
		func() { ActivateGrad(x, nil, nil, x, GELU) },
		func() { ActivateGrad(x, x, nil, x, ReLU) },
		func() { AdamW{}.Step(x, x, x, y, 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("call %d did not panic", i)
				}
			}()
			f()
		}()
	}
}

func TestUse(t *testing.T) {
	before := Name()
	restore := Use("go")
	if Name() != "go" {
		t.Errorf("in use: %s, want go", Name())
	}
	if restore(); Name() != before {
		t.Errorf("in use: %s, want %s", Name(), before)
	}
	if s := choose("nonesuch"); s.name != Sets()[len(Sets())-1] {
		t.Errorf("an unknown name chooses %s, want the best", s.name)
	}
	defer func() {
		if recover() == nil {
			t.Error("Use of an unknown set did not panic")
		}
	}()
	Use("nonesuch")
}

func ExampleSets() {
	defer Use("go")()
	fmt.Println(Sets()[0], Name())
	// Output: go go
}
