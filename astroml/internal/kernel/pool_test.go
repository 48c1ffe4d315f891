package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

var pools = []struct {
	name, why string
	p         Pool
}{
	{"pairs", "windows that do not overlap", Pool{In: [3]int{1, 1, 8}, Out: [3]int{1, 1, 4}, Kernel: [3]int{1, 1, 2}, Stride: [3]int{1, 1, 2}, C: 16}},
	{"padded", "GaSNet-II: kernel 3, stride 3, borders cut", Pool{In: [3]int{1, 1, 20}, Out: [3]int{1, 1, 7}, Kernel: [3]int{1, 1, 3}, Stride: [3]int{1, 1, 3}, Pad: [3]int{0, 0, 1}, C: 13}},
	{"overlap", "an input in several windows", Pool{In: [3]int{1, 7, 9}, Out: [3]int{1, 4, 5}, Kernel: [3]int{1, 3, 3}, Stride: [3]int{1, 2, 2}, Pad: [3]int{0, 1, 1}, C: 5}},
	{"cube", "three axes", Pool{In: [3]int{4, 5, 6}, Out: [3]int{2, 2, 3}, Kernel: [3]int{2, 2, 2}, Stride: [3]int{2, 2, 2}, C: 33}},
	{"all", "one window over everything", Pool{In: [3]int{2, 3, 4}, Out: [3]int{1, 1, 1}, Kernel: [3]int{2, 3, 4}, Stride: [3]int{1, 1, 1}, C: 1}},
}

// slowly pools by the definition: it asks of every input whether an output sees
// it. It returns the maxima and, for each, where it is in x.
func slowly(p *Pool, x []float32) (y []float32, from []int) {
	for o := range p.Out[0] * p.Out[1] * p.Out[2] {
		out := [3]int{o / p.Out[2] / p.Out[1], o / p.Out[2] % p.Out[1], o % p.Out[2]}
		for c := range p.C {
			best := -1
			for i := range p.In[0] * p.In[1] * p.In[2] {
				in := [3]int{i / p.In[2] / p.In[1], i / p.In[2] % p.In[1], i % p.In[2]}
				seen := true
				for a := range 3 {
					at := in[a] - (out[a]*p.Stride[a] - p.Pad[a])
					seen = seen && at >= 0 && at < p.Kernel[a]
				}
				at := i*p.C + c
				if !seen {
					continue
				}
				if best < 0 || x[at] > x[best] || x[at] != x[at] && x[best] == x[best] {
					best = at
				}
			}
			y, from = append(y, x[best]), append(from, best)
		}
	}
	return y, from
}

func TestPool(t *testing.T) {
	fills := []struct {
		name, why string
		f         func(r *rand.Rand) float32
	}{
		{"normal", "one maximum a window", func(r *rand.Rand) float32 { return float32(r.NormFloat64()) }},
		{"ties", "after a ReLU most values are equal: the first one counts", func(r *rand.Rand) float32 { return float32(r.IntN(2)) }},
		{"NaN", "must show", func(r *rand.Rand) float32 {
			if r.IntN(9) == 0 {
				return float32(math.NaN())
			}
			return float32(r.NormFloat64())
		}},
		{"-Inf", "the neutral element as a value", func(r *rand.Rand) float32 { return float32(math.Inf(-1)) }},
	}
	same := func(a, b float32) bool { return a == b || a != a && b != b }
	eachSet(t, func(t *testing.T) {
		for _, v := range pools {
			for _, fill := range fills {
				name := fmt.Sprintf("%s (%s), %s (%s)", v.name, v.why, fill.name, fill.why)
				r := rand.New(rand.NewPCG(1, 9))
				p := &v.p
				x := fence(t, p.In[0]*p.In[1]*p.In[2]*p.C)
				for i := range x {
					x[i] = fill.f(r)
				}
				want, from := slowly(p, x)
				y, dx := fence(t, len(want)), fence(t, len(x))
				p.Max(y, x)
				if !slices.EqualFunc(y, want, same) {
					t.Fatalf("%s: got %v, want %v", name, y, want)
				}
				dy := random(t, r, len(y))
				wantGrad := make([]float32, len(x))
				for o, i := range from {
					wantGrad[i] += dy[o]
				}
				for i := range dx {
					dx[i] = 5 // is overwritten
				}
				p.MaxGrad(dx, x, y, dy)
				if !slices.EqualFunc(dx, wantGrad, same) {
					t.Fatalf("%s: gradient %v, want %v", name, dx, wantGrad)
				}
			}
		}
	})
}

func TestBadPoolsPanic(t *testing.T) {
	good := pools[1].p
	x, y := make([]float32, 20*13), make([]float32, 7*13)
	good.Max(y, x)
	for name, change := range map[string]func(p *Pool){
		"window behind the input":  func(p *Pool) { p.Stride[2] = 4 },
		"window before the input":  func(p *Pool) { p.Pad[2] = 3 },
		"no channels":              func(p *Pool) { p.C = 0 },
		"stride":                   func(p *Pool) { p.Stride[0] = 0 },
		"input of another length":  func(p *Pool) { p.In[2] = 21 },
		"output of another length": func(p *Pool) { p.Out[2] = 6 },
	} {
		p := good
		change(&p)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			p.Max(y, x)
		}()
	}
}
