package nn

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// attentions are the shapes that the tests go through.
var attentions = []struct {
	name, why string
	in        []int
	heads     int
}{
	{"one position", "a softmax of one", []int{3, 1, 1, 1, 24}, 1},
	{"few", "less than a panel", []int{2, 1, 1, 7, 48}, 2},
	{"1-D", "a block and one position more", []int{2, 1, 1, 65, 96}, 4},
	{"2-D", "blocks of unlike lengths, channels not in whole vectors", []int{1, 1, 13, 11, 60}, 1},
	{"2-D, heads", "the same, heads that begin anywhere", []int{2, 1, 13, 11, 120}, 2},
	{"16×16", "as in diffusion models", []int{1, 1, 16, 16, 192}, 4},
	{"3-D", "more keys than are done at a time", []int{1, 5, 6, 7, 96}, 2},
	{"many", "no sums beside the gradient itself", []int{9, 1, 1, 70, 24}, 1},
	{"one channel", "the least there is", []int{1, 1, 1, 33, 6}, 2},
}

// attend is Attention in double precision, and its gradient, from the
// definition: the derivative of a softmax is diag(p) - p pᵀ.
func attend(qkv, dy []float32, n, t, c, heads int) (y, dqkv []float64) {
	y, dqkv = make([]float64, n*t*c), make([]float64, n*t*3*c)
	d := c / heads
	scale := 1 / math.Sqrt(float64(d))
	p, dp := make([]float64, t), make([]float64, t)
	for s := range n {
		for h := range heads {
			at := func(position, part, i int) int { return ((s*t+position)*3+part)*c + h*d + i }
			for i := range t {
				top := math.Inf(-1)
				for j := range t {
					p[j] = 0
					for k := range d {
						p[j] += scale * float64(qkv[at(i, 0, k)]) * float64(qkv[at(j, 1, k)])
					}
					top = max(top, p[j])
				}
				var sum, mean float64
				for j := range t {
					p[j] = math.Exp(p[j] - top)
					sum += p[j]
				}
				for j := range t {
					p[j] /= sum
					dp[j] = 0
					for k := range d {
						o := (s*t+i)*c + h*d + k
						y[o] += p[j] * float64(qkv[at(j, 2, k)])
						dp[j] += float64(dy[o]) * float64(qkv[at(j, 2, k)])
						dqkv[at(j, 2, k)] += p[j] * float64(dy[o])
					}
					mean += p[j] * dp[j]
				}
				for j := range t {
					ds := scale * p[j] * (dp[j] - mean)
					for k := range d {
						dqkv[at(i, 0, k)] += ds * float64(qkv[at(j, 1, k)])
						dqkv[at(j, 1, k)] += ds * float64(qkv[at(i, 0, k)])
					}
				}
			}
		}
	}
	return y, dqkv
}

// distance is the relative L2 distance of got from want.
func distance(got []float32, want []float64) float64 {
	var num, den float64
	for i, w := range want {
		num += (float64(got[i]) - w) * (float64(got[i]) - w)
		den += w * w
	}
	return math.Sqrt(num / den)
}

// compileAttention returns a plan of attention and its gradient, with inputs
// qkv and dy drawn from a normal distribution of standard deviation std.
func compileAttention(t testing.TB, in []int, heads int, std float64, w *kernel.Workers) *Plan {
	t.Helper()
	g := NewGraph(NewParams(1), true)
	qkv := g.Input("qkv", in...)
	y := g.Attention(qkv, heads)
	if g.Err() != nil {
		t.Fatal(g.Err())
	}
	dy := g.Input("dy", y.Shape()...)
	op := AttentionGrad{shapes(fmt.Sprint("attentiongrad", heads), in, qkv, y, dy), heads}
	p, err := Compile(g, w, y, g.apply(op, qkv, y, dy))
	if err != nil {
		t.Fatal(err)
	}
	r := rng.New(4, "attention")
	for _, name := range []string{"qkv", "dy"} {
		x := p.Input(name)
		for i := range x {
			x[i] = float32(std * r.NormFloat64())
		}
	}
	return p
}

// compareAttention runs p and compares it with attend.
func compareAttention(t *testing.T, p *Plan, in []int, heads int, tolerance float64) {
	t.Helper()
	p.Run()
	y, dqkv := attend(p.Input("qkv"), p.Input("dy"), in[0], volume(in[1:4]), in[4]/3, heads)
	if d := distance(p.Output(0), y); !(d < tolerance) {
		t.Errorf("the result differs by %.2g", d)
	}
	if volume(in[1:4]) == 1 { // no gradient but for v
		y, dqkv = dqkv, make([]float64, len(dqkv))
		copy(dqkv, y)
	}
	if d := distance(p.Output(1), dqkv); !(d < tolerance) {
		t.Errorf("the gradient differs by %.2g", d)
	}
}

func TestAttentionEqualsItsDefinition(t *testing.T) {
	for _, set := range kernel.Sets() {
		restore := kernel.Use(set)
		for _, c := range attentions {
			t.Run(set+"/"+c.name, func(t *testing.T) {
				w := kernel.NewWorkers(2)
				defer w.Close()
				compareAttention(t, compileAttention(t, c.in, c.heads, 1, w), c.in, c.heads, 1e-5)
			})
		}
		restore()
	}
}

func TestGradientOfAttention(t *testing.T) {
	g := NewGraph(NewParams(1), true)
	x := g.Add(g.Input("x", 2, 1, 3, 6, 5), g.Param("x0", Normal(0.1), 2, 1, 3, 6, 5))
	w := g.Param("w", Normal(0.5), 1, 1, 1, 5, 24)
	qkv := g.Conv(x, w, nil, nil, Window{Stride: [3]int{1, 1, 1}}, Identity)
	checkGradient(t, g, project(g, g.Attention(qkv, 2)))
}

// TestAttentionOfLargeScores has scores of 1e4 and more, whose exponentials
// overflow by themselves.
func TestAttentionOfLargeScores(t *testing.T) {
	in := []int{1, 1, 1, 100, 48}
	p := compileAttention(t, in, 2, 1, nil)
	for i := range p.Input("qkv") {
		if i%48 < 32 {
			p.Input("qkv")[i] *= 100
		}
	}
	p.Run()
	for i := range 2 {
		for j, v := range p.Output(i) {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				t.Fatalf("value %d of output %d is %g", j, i, v)
			}
		}
	}
	// Scores of 1e4 are known to 1e-3 in single precision.
	y, _ := attend(p.Input("qkv"), p.Input("dy"), 1, 100, 16, 2)
	if d := distance(p.Output(0), y); d > 1e-3 {
		t.Errorf("the result differs by %.2g", d)
	}
}

func TestAttentionHasTheSameBits(t *testing.T) {
	for _, c := range attentions {
		var want [2][]float32
		for _, workers := range []int{1, 2, 3, 8} {
			w := kernel.NewWorkers(workers)
			p := compileAttention(t, c.in, c.heads, 1, w)
			for range 2 {
				p.Run()
				for i := range want {
					if want[i] == nil {
						want[i] = slices.Clone(p.Output(i))
					}
					if !slices.Equal(p.Output(i), want[i]) {
						t.Errorf("%s, %d workers: output %d has other bits", c.name, workers, i)
					}
				}
			}
			w.Close()
		}
	}
}

func TestAttentionAllocatesNothing(t *testing.T) {
	for _, in := range [][]int{{1, 1, 12, 12, 48}, {9, 1, 1, 70, 24}} { // with sums beside the gradient, and without
		p := compileAttention(t, in, 2, 1, kernel.NewWorkers(2))
		p.Run()
		if n := testing.AllocsPerRun(10, p.Run); n > 0 {
			t.Errorf("%v: a run allocates %g times", in, n)
		}
	}
}

func TestAttentionRefusesWrongShapes(t *testing.T) {
	for _, c := range []struct {
		name, why string
		in        []int
		heads     int
	}{
		{"rank", "no axes to attend over", []int{2, 24}, 2},
		{"channels", "no q, k and v", []int{1, 1, 1, 5, 16}, 1},
		{"heads", "five channels for two heads", []int{1, 1, 1, 5, 15}, 2},
		{"no head", "nothing to attend with", []int{1, 1, 1, 5, 12}, 0},
		{"negative", "three heads less than none", []int{1, 1, 1, 5, 9}, -3},
		{"no channels", "nothing to attend to", []int{1, 1, 1, 5, 0}, 1},
	} {
		g := NewGraph(NewParams(1), false)
		if y := g.Attention(g.Input("x", c.in...), c.heads); y != nil || !errors.Is(g.Err(), astroml.ErrShape) {
			t.Errorf("%s (%s): error %v, want ErrShape", c.name, c.why, g.Err())
		}
	}
}

// BenchmarkAttention counts two products of the scores' size forward and five
// backward.
func BenchmarkAttention(b *testing.B) {
	for _, c := range []struct {
		in    []int
		heads int
	}{{[]int{8, 1, 16, 16, 384}, 1}, {[]int{8, 1, 16, 16, 384}, 4}, {[]int{1, 1, 64, 64, 384}, 1}, {[]int{1, 1, 64, 64, 384}, 4}} {
		for i, name := range []string{"forward", "backward"} {
			b.Run(fmt.Sprint(c.in, "/", c.heads, "/", name), func(b *testing.B) {
				w := kernel.NewWorkers(0)
				defer w.Close()
				p := compileAttention(b, c.in, c.heads, 1, w)
				p.Run()
				for b.Loop() {
					p.steps[i].run()
				}
				positions := volume(c.in[1:4])
				flops := []int{4, 10}[i] * c.in[0] * positions * positions * c.in[4] / 3
				b.ReportMetric(1e-9*float64(flops)*float64(b.N)/b.Elapsed().Seconds(), "GFLOP/s")
			})
		}
	}
}
