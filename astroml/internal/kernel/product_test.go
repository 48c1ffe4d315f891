package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// eachSet runs test once for every set that this processor has.
func eachSet(t *testing.T, test func(t *testing.T)) {
	for _, name := range Sets() {
		t.Run(name, func(t *testing.T) {
			defer Use(name)()
			test(t)
		})
	}
}

// random returns n standard normal values that end where memory ends.
func random(t testing.TB, r *rand.Rand, n int) []float32 {
	x := fence(t, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// distance is the relative L2 distance of x from want.
func distance(x []float32, want []float64) float64 {
	var d, n float64
	for i, w := range want {
		d += (float64(x[i]) - w) * (float64(x[i]) - w)
		n += w * w
	}
	if n == 0 {
		return math.Sqrt(d)
	}
	return math.Sqrt(d / n)
}

// sameBits reports whether x and y are equal, bit for bit.
func sameBits(x, y []float32) bool {
	return slices.EqualFunc(x, y, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })
}

// A conv is a convolution over padded input, as nn makes a Product of it.
type conv struct {
	name, why                     string
	batch, depth, height, width   int // of the output
	kd, kh, kw, stride, cin, cout int
	gap                           int // floats between two rows of C that do not belong to it
}

// product returns the convolution's Product and the lengths of A and C.
func (v conv) product() (p *Product, a, c int) {
	line := ((v.width-1)*v.stride + v.kw) * v.cin
	plane := line * (v.height - 1 + v.kh)
	sample := plane * (v.depth - 1 + v.kd)
	p = &Product{Width: v.width, AStep: v.stride * v.cin, CStep: v.cout + v.gap, KL: v.kw * v.cin, N: v.cout}
	for b := range v.batch {
		for d := range v.depth {
			for h := range v.height {
				p.CLine = append(p.CLine, len(p.ALine)*v.width*p.CStep)
				p.ALine = append(p.ALine, b*sample+d*plane+h*line)
			}
		}
	}
	for d := range v.kd {
		for h := range v.kh {
			p.Seg = append(p.Seg, d*plane+h*line)
		}
	}
	return p, v.batch * sample, len(p.ALine)*v.width*p.CStep - v.gap
}

var convs = []conv{
	{"dense", "rows do not overlap", 1, 1, 1, 37, 1, 1, 1, 1, 40, 24, 0},
	{"one value", "the smallest product", 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0},
	{"one column", "a head with one output", 2, 1, 1, 50, 1, 1, 5, 1, 7, 1, 0},
	{"three columns", "a mask with three classes", 2, 1, 4, 9, 1, 3, 3, 1, 4, 3, 0},
	{"13 columns", "less than a panel", 3, 1, 1, 29, 1, 1, 5, 2, 6, 13, 0},
	{"16 columns", "one panel", 3, 1, 1, 29, 1, 1, 5, 3, 6, 16, 0},
	{"17 columns", "one more than a panel", 3, 1, 1, 29, 1, 1, 5, 4, 6, 17, 0},
	{"48 columns", "one and a half of the widest tiles", 1, 1, 1, 70, 1, 1, 3, 1, 32, 48, 0},
	{"gaps", "C is a part of wider rows", 3, 1, 1, 29, 1, 1, 5, 1, 6, 20, 5},
	{"one channel", "a spectrum's first layer", 2, 1, 1, 300, 1, 1, 5, 1, 1, 16, 0},
	{"two channels", "flux and inverse variance, strided", 2, 1, 1, 101, 1, 1, 15, 4, 2, 32, 0},
	{"three channels", "an image's first layer", 2, 1, 11, 13, 1, 3, 3, 1, 3, 19, 0},
	{"rows of three", "tiles span samples", 25, 1, 1, 3, 1, 1, 5, 1, 33, 18, 0},
	{"rows of one", "tiles span as many samples as they have rows", 40, 1, 1, 1, 1, 1, 5, 1, 9, 16, 0},
	{"image", "segments longer than a table would serve", 2, 1, 9, 12, 1, 3, 3, 1, 20, 33, 0},
	{"cube", "nine segments", 1, 5, 6, 7, 3, 3, 3, 1, 5, 8, 0},
	{"cube, one channel", "nine short segments", 1, 6, 7, 11, 3, 3, 3, 1, 1, 32, 0},
	{"cube, five channels", "short segments, too many for the table", 1, 3, 4, 5, 3, 3, 3, 1, 5, 17, 2},
	{"wide", "packed columns and taps, over segments, in several blocks", 1, 1, 20, 23, 1, 3, 3, 1, 5, 150, 3},
	{"wide and deep", "several chunks of taps", 3, 1, 1, 21, 1, 1, 5, 1, 33, 260, 0},
	{"long", "several blocks of rows and of weights", 1, 1, 1, 450, 1, 1, 9, 1, 64, 40, 0},
}

// reference computes the product in double precision, from the definition.
func reference(p *Product, a, w []float32, rows int) (c []float64) {
	k := len(p.Seg) * p.KL
	c = make([]float64, rows*p.N)
	for m := range rows {
		at := p.ALine[m/p.Width] + m%p.Width*p.AStep
		for i := range k {
			x := float64(a[at+p.Seg[i/p.KL]+i%p.KL])
			for n := range p.N {
				c[m*p.N+n] += x * float64(w[i*p.N+n])
			}
		}
	}
	return c
}

// gather returns the rows of c without what lies between them.
func gather(p *Product, c []float32) (rows []float32) {
	for m := range p.Rows() {
		rows = append(rows, c[p.CLine[m/p.Width]+m%p.Width*p.CStep:][:p.N]...)
	}
	return rows
}

func TestForward(t *testing.T) {
	epilogues := []struct {
		name, why               string
		bias, residual, inPlace bool
		act                     Act
	}{
		{name: "store", why: "the zero value"},
		{name: "relu", why: "the shortest way out of a tile", bias: true, act: ReLU},
		{name: "leaky relu", why: "in registers too", bias: true, act: LeakyReLU},
		{name: "residual", why: "a skip connection", bias: true, residual: true, act: ReLU},
		{name: "accumulate", why: "gradients that meet", residual: true, inPlace: true},
		{name: "gelu", why: "not done in registers", bias: true, act: GELU},
		{name: "silu", why: "not done in registers", act: SiLU},
		{name: "tanh", why: "not done in registers", bias: true, residual: true, act: Tanh},
	}
	eachSet(t, func(t *testing.T) {
		for _, v := range convs {
			r := rand.New(rand.NewPCG(1, 2))
			p, na, nc := v.product()
			k := len(p.Seg) * p.KL
			a, w := random(t, r, na), random(t, r, k*p.N)
			packed := fence(t, PackedLen(k, p.N))
			Pack(packed, w, k, p.N)
			sum := reference(p, a, w, p.Rows())
			for _, e := range epilogues {
				var ep Epilogue
				ep.Act = e.act
				before := random(t, r, nc)
				if e.bias {
					ep.Bias = random(t, r, p.N)
				}
				if e.residual {
					ep.Residual = random(t, r, nc)
				}
				if e.inPlace {
					ep.Residual = slices.Clone(before)
				}
				want := slices.Clone(sum)
				for m := range p.Rows() {
					for n := range p.N {
						if ep.Bias != nil {
							want[m*p.N+n] += float64(ep.Bias[n])
						}
						if ep.Residual != nil {
							want[m*p.N+n] += float64(ep.Residual[p.CLine[m/p.Width]+m%p.Width*p.CStep+n])
						}
						want[m*p.N+n] = exactly(want[m*p.N+n], e.act)
					}
				}
				// All rows at once, then in pieces.
				run := func(cuts ...int) []float32 {
					c := fence(t, nc)
					copy(c, before)
					if e.inPlace {
						ep.Residual = c
					}
					lo := 0
					for _, hi := range append(cuts, p.Rows()) {
						p.Forward(c, a, packed, lo, hi, ep)
						lo = hi
					}
					return c
				}
				whole := run()
				if d := distance(gather(p, whole), want); !(d <= 1e-5) {
					t.Errorf("%s (%s), %s: distance %g", v.name, v.why, e.name, d)
				}
				for range 3 {
					cuts := []int{r.IntN(p.Rows() + 1), r.IntN(p.Rows() + 1), r.IntN(p.Rows() + 1)}
					slices.Sort(cuts)
					if !sameBits(run(cuts...), whole) {
						t.Errorf("%s (%s), %s: rows cut at %v give other bits", v.name, v.why, e.name, cuts)
					}
				}
				for i := range whole { // what lies between rows is as before
					if i%p.CStep >= p.N && whole[i] != before[i] {
						t.Fatalf("%s (%s), %s: float %d is outside C, and changed", v.name, v.why, e.name, i)
					}
				}
			}
		}
	})
}

func TestWeights(t *testing.T) {
	eachSet(t, func(t *testing.T) {
		for _, v := range convs {
			r := rand.New(rand.NewPCG(3, 4))
			p, na, nc := v.product()
			k := len(p.Seg) * p.KL
			a, y, before := random(t, r, na), random(t, r, nc), random(t, r, k*p.N)
			want := make([]float64, k*p.N)
			for i := range want {
				want[i] = float64(before[i])
			}
			for m := range p.Rows() {
				at, to := p.ALine[m/p.Width]+m%p.Width*p.AStep, p.CLine[m/p.Width]+m%p.Width*p.CStep
				for i := range want {
					want[i] += float64(a[at+p.Seg[i/p.N/p.KL]+i/p.N%p.KL]) * float64(y[to+i%p.N])
				}
			}
			run := func(rows, taps []int) []float32 {
				dw := fence(t, k*p.N)
				copy(dw, before)
				klo := 0
				for _, khi := range append(taps, k) {
					lo := 0
					for _, hi := range append(rows, p.Rows()) {
						p.Weights(dw, a, y, lo, hi, klo, khi)
						lo = hi
					}
					klo = khi
				}
				return dw
			}
			whole := run(nil, nil)
			if d := distance(whole, want); !(d <= 1e-5) {
				t.Errorf("%s (%s): distance %g", v.name, v.why, d)
			}
			for range 5 {
				rows := []int{r.IntN(p.Rows() + 1), r.IntN(p.Rows() + 1)}
				taps := []int{r.IntN(k + 1), r.IntN(k + 1)}
				slices.Sort(rows)
				slices.Sort(taps)
				if !sameBits(run(rows, taps), whole) {
					t.Errorf("%s (%s): rows cut at %v and weights at %v give other bits", v.name, v.why, rows, taps)
				}
			}
		}
	})
}

// The gradient of Σ C·Y with respect to the weights is what Weights computes,
// and both are linear: Σ (A·W)·Y = Σ W·(Aᵀ·Y) for any W.
func TestWeightsAreTheTranspose(t *testing.T) {
	eachSet(t, func(t *testing.T) {
		for _, v := range convs {
			r := rand.New(rand.NewPCG(5, 6))
			p, na, nc := v.product()
			k := len(p.Seg) * p.KL
			a, w, y := random(t, r, na), random(t, r, k*p.N), random(t, r, nc)
			packed, c, dw := make([]float32, PackedLen(k, p.N)), make([]float32, nc), make([]float32, k*p.N)
			Pack(packed, w, k, p.N)
			p.Forward(c, a, packed, 0, p.Rows(), Epilogue{})
			p.Weights(dw, a, y, 0, p.Rows(), 0, k)
			var left, right, size float64
			rows, grads := gather(p, c), gather(p, y)
			for i := range rows {
				left += float64(rows[i]) * float64(grads[i])
				size += math.Abs(float64(rows[i]) * float64(grads[i]))
			}
			for i := range w {
				right += float64(w[i]) * float64(dw[i])
			}
			if math.Abs(left-right) > 1e-5*size {
				t.Errorf("%s (%s): %g and %g", v.name, v.why, left, right)
			}
		}
	})
}

func TestPack(t *testing.T) {
	b := []float32{1, 2, 3, 4, 5, 6} // 2×3
	got := make([]float32, PackedLen(2, 3))
	for i := range got {
		got[i] = 7
	}
	Pack(got, b, 2, 3)
	want := make([]float32, 32)
	copy(want, []float32{1, 2, 3})
	copy(want[16:], []float32{4, 5, 6})
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if n := PackedLen(5, 17); n != 5*32 {
		t.Errorf("PackedLen(5, 17) = %d, want %d", n, 5*32)
	}
}

// Products that reach outside their slices must be stopped before C sees them.
func TestBadProductsPanic(t *testing.T) {
	good := func() *Product {
		return &Product{Width: 4, ALine: []int{0, 12}, CLine: []int{0, 8}, AStep: 2, CStep: 2, Seg: []int{0, 3}, KL: 3, N: 2}
	}
	const rows, k, n = 8, 6, 2
	a, c, w := make([]float32, 24), make([]float32, 16), make([]float32, PackedLen(k, n))
	good().Forward(c, a, w, 0, rows, Epilogue{}) // fits exactly
	bad := []struct {
		name string
		why  string
		call func(p *Product)
	}{
		{"short a", "the last row would read behind it", func(p *Product) { p.Forward(c, a[:23], w, 0, rows, Epilogue{}) }},
		{"short c", "the last row would write behind it", func(p *Product) { p.Forward(c[:15], a, w, 0, rows, Epilogue{}) }},
		{"short weights", "not packed", func(p *Product) { p.Forward(c, a, w[:k*n], 0, rows, Epilogue{}) }},
		{"short bias", "one value a column", func(p *Product) { p.Forward(c, a, w, 0, rows, Epilogue{Bias: w[:1]}) }},
		{"short residual", "laid out as c", func(p *Product) { p.Forward(c, a, w, 0, rows, Epilogue{Residual: c[:15]}) }},
		{"rows", "there are eight", func(p *Product) { p.Forward(c, a, w, 0, rows+1, Epilogue{}) }},
		{"negative row", "rows start at 0", func(p *Product) { p.Forward(c, a, w, -1, rows, Epilogue{}) }},
		{"negative segment", "reads before a", func(p *Product) { p.Seg[0] = -1; p.Forward(c, a, w, 0, rows, Epilogue{}) }},
		{"negative line", "writes before c", func(p *Product) { p.CLine[1] = -1; p.Forward(c, a, w, 0, rows, Epilogue{}) }},
		{"lines", "a and c have as many", func(p *Product) { p.CLine = p.CLine[:1]; p.Forward(c, a, w, 0, rows, Epilogue{}) }},
		{"no columns", "N is at least 1", func(p *Product) { p.N = 0; p.Forward(c, a, w, 0, rows, Epilogue{}) }},
		{"short dw", "k×n values", func(p *Product) { p.Weights(w[:k*n-1], a, c, 0, rows, 0, k) }},
		{"weight rows", "there are six", func(p *Product) { p.Weights(w, a, c, 0, rows, 0, k+1) }},
	}
	for _, b := range bad {
		func() {
			defer func() {
				if s, ok := recover().(string); !ok || !strings.HasPrefix(s, "kernel: ") {
					t.Errorf("%s (%s): recovered %v", b.name, b.why, s)
				}
			}()
			b.call(good())
		}()
	}
}

// FuzzProduct compares random small products with plain Go.
func FuzzProduct(f *testing.F) {
	f.Add(uint64(1), uint8(3), uint8(2), uint8(5), uint8(17), uint8(2), uint8(3), uint8(9))
	f.Add(uint64(2), uint8(0), uint8(0), uint8(0), uint8(0), uint8(0), uint8(0), uint8(0))
	f.Add(uint64(3), uint8(20), uint8(1), uint8(40), uint8(33), uint8(8), uint8(200), uint8(1))
	f.Fuzz(func(t *testing.T, seed uint64, width, lines, kl, n, segs, astep, gap uint8) {
		r := rand.New(rand.NewPCG(seed, 0))
		p := &Product{Width: int(width)%50 + 1, AStep: int(astep), CStep: int(n)%70 + 1 + int(gap)%20, KL: int(kl)%50 + 1, N: int(n)%70 + 1}
		for range segs%10 + 1 {
			p.Seg = append(p.Seg, r.IntN(100))
		}
		na, nc := 0, 0
		for range lines%20 + 1 {
			p.ALine = append(p.ALine, r.IntN(200))
			p.CLine = append(p.CLine, nc)
			na = max(na, p.ALine[len(p.ALine)-1]+(p.Width-1)*p.AStep+slices.Max(p.Seg)+p.KL)
			nc += p.Width * p.CStep
		}
		nc -= p.CStep - p.N
		k := len(p.Seg) * p.KL
		a, w, y := random(t, r, na), random(t, r, k*p.N), random(t, r, nc)
		packed := fence(t, PackedLen(k, p.N))
		Pack(packed, w, k, p.N)
		results := func(name string) (c, dw []float32) {
			defer Use(name)()
			c, dw = fence(t, nc), fence(t, k*p.N)
			p.Forward(c, a, packed, 0, p.Rows(), Epilogue{Bias: w[:p.N], Act: SiLU})
			p.Weights(dw, a, y, 0, p.Rows(), 0, k)
			return c, dw
		}
		wantC, wantW := results("go")
		for _, name := range Sets() {
			c, dw := results(name)
			if d := distance(c, doubles(wantC)); !(d <= 1e-5) {
				t.Errorf("%s: C of %+v: distance %g", name, p, d)
			}
			if d := distance(dw, doubles(wantW)); !(d <= 1e-5) {
				t.Errorf("%s: dW of %+v: distance %g", name, p, d)
			}
		}
	})
}

func doubles(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// A training step calls these thousands of times.
func TestProductsDoNotAllocate(t *testing.T) {
	eachSet(t, func(t *testing.T) {
		p, na, nc := convs[3].product()
		k := len(p.Seg) * p.KL
		a, c, packed, dw := make([]float32, na), make([]float32, nc), make([]float32, PackedLen(k, p.N)), make([]float32, k*p.N)
		if n := testing.AllocsPerRun(10, func() {
			p.Forward(c, a, packed, 0, p.Rows(), Epilogue{Bias: dw[:p.N], Residual: c, Act: GELU})
			p.Weights(dw, a, c, 0, p.Rows(), 0, k)
			Affine(c, c, dw[:p.N], dw[:p.N], p.N, ReLU)
			SumSquares(c)
			AdamW{Correct1: 1, Correct2: 1}.Step(dw, dw, dw, dw, 1)
		}); n > 0 {
			t.Errorf("%v allocations", n)
		}
	})
}
