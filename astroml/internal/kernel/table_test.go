package kernel

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// A layer is a convolution as networks have it: the input is padded so that
// ⌈in/stride⌉ pixels are left. Its products are those that nn makes.
type layer struct {
	name, why          string
	n                  int // samples
	in, kernel, stride [3]int
	cin, cout          int
}

var unit = [3]int{1, 1, 1}

// out returns the pixels of the output, those of the padded input, and how
// many of the latter lie before the first pixel.
func (l layer) out() (out, padded, lo [3]int) {
	for i, s := range l.stride {
		out[i] = (l.in[i] + s - 1) / s
		padded[i] = max(l.in[i], (out[i]-1)*s+l.kernel[i])
		lo[i] = (padded[i] - l.in[i]) / 2
	}
	return out, padded, lo
}

// A grid is how the rows of a product lie in an array of samples.
type grid struct {
	axes, first, step [3]int // pixels of a sample, the first row's, and from one row to the next
	channels          int
}

// size returns the number of floats of n samples.
func (g grid) size(n int) int { return n * g.axes[0] * g.axes[1] * g.axes[2] * g.channels }

// at returns where the pixel of row p of sample n starts.
func (g grid) at(n int, p [3]int) int {
	for i, a := range g.axes {
		n = n*a + g.first[i] + p[i]*g.step[i]
	}
	return n * g.channels
}

// each calls f for every position on the axes, in order.
func each(axes [3]int, f func(p [3]int)) {
	for d := range axes[0] {
		for h := range axes[1] {
			for w := range axes[2] {
				f([3]int{d, h, w})
			}
		}
	}
}

// product returns the product of n samples whose rows are count pixels of c,
// each the sum over a window of taps pixels of a.
func product(n int, count, taps [3]int, a, c grid) *Product {
	p := &Product{Width: count[2], AStep: a.step[2] * a.channels, CStep: c.step[2] * c.channels, KL: taps[2] * a.channels, N: c.channels}
	for s := range n {
		each([3]int{count[0], count[1], 1}, func(at [3]int) {
			p.ALine = append(p.ALine, a.at(s, at))
			p.CLine = append(p.CLine, c.at(s, at))
		})
	}
	each([3]int{taps[0], taps[1], 1}, func(at [3]int) {
		p.Seg = append(p.Seg, (at[0]*a.axes[1]+at[1])*a.axes[2]*a.channels)
	})
	return p
}

// passes are what training makes through a layer.
var passes = [3]string{"forward", "backward-data", "backward-weights"}

// A pass is one of them, in parts that may run at the same time.
type pass struct {
	flops float64
	run   func(part, parts int)
}

// training is a layer with its arrays; x is padded.
type training struct {
	x, w, dy  []float32
	y, dx, dw []float32
	dw2       []float32 // of the second part, where there are two
	passes    [3]pass
}

// flops counts a product's operations, with those on zeros.
func flops(p *Product) float64 { return 2 * float64(p.Rows()*len(p.Seg)*p.KL*p.N) }

func (l layer) training() *training {
	out, padded, lo := l.out()
	x, y := grid{padded, [3]int{}, l.stride, l.cin}, grid{out, [3]int{}, unit, l.cout}
	p := product(l.n, out, l.kernel, x, y)
	k := len(p.Seg) * p.KL
	t := &training{x: ramp(x.size(l.n)), w: ramp(k * p.N), dy: ramp(y.size(l.n))}
	t.y, t.dw, t.dw2 = make([]float32, len(t.dy)), make([]float32, len(t.w)), make([]float32, len(t.w))
	packed := make([]float32, PackedLen(k, p.N))
	Pack(packed, t.w, k, p.N)

	// The gradient for x is one product for each phase of the stride: see
	// ConvGradX.reach in package nn.
	a, c := grid{step: unit, channels: l.cout}, grid{axes: l.in, step: l.stride, channels: l.cin}
	var below [3]int // zeros before dy
	for i, s := range l.stride {
		below[i] = (l.kernel[i]+s-1)/s - 1
		a.axes[i] = below[i] + max(out[i], (l.in[i]-1+lo[i])/s+1)
	}
	var phases []*Product
	var flipped [][]float32
	sum := 0.0
	each(l.stride, func(r [3]int) {
		var count, taps [3]int
		for i, s := range l.stride {
			c.first[i] = ((r[i]-lo[i])%s + s) % s
			count[i] = (l.in[i] - c.first[i] + s - 1) / s
			taps[i] = (l.kernel[i] - r[i] + s - 1) / s
			a.first[i] = (c.first[i]+lo[i]-r[i])/s - taps[i] + 1 + below[i]
		}
		q := product(l.n, count, taps, a, c)
		depth := len(q.Seg) * q.KL
		var b []float32
		each(taps, func(at [3]int) { // backwards, with the channels exchanged
			var tap [3]int
			for i, s := range l.stride {
				tap[i] = r[i] + s*(taps[i]-1-at[i])
			}
			from := grid{axes: l.kernel, step: unit, channels: l.cin * l.cout}.at(0, tap)
			for o := range l.cout {
				for i := range l.cin {
					b = append(b, t.w[from+i*l.cout+o])
				}
			}
		})
		f := make([]float32, PackedLen(depth, q.N))
		Pack(f, b, depth, q.N)
		phases, flipped, sum = append(phases, q), append(flipped, f), sum+flops(q)
	})
	a.first = below
	dyPadded := make([]float32, a.size(l.n))
	for s := range l.n {
		each(out, func(at [3]int) { copy(dyPadded[a.at(s, at):], t.dy[y.at(s, at):][:l.cout]) })
	}
	t.dx = make([]float32, c.size(l.n))

	t.passes = [3]pass{
		{flops(p), func(part, parts int) {
			p.Forward(t.y, t.x, packed, p.Rows()*part/parts, p.Rows()*(part+1)/parts, Epilogue{Bias: t.w[:p.N], Act: ReLU})
		}},
		{sum, func(part, parts int) {
			for i, q := range phases {
				q.Forward(t.dx, dyPadded, flipped[i], q.Rows()*part/parts, q.Rows()*(part+1)/parts, Epilogue{})
			}
		}},
		{flops(p), func(part, parts int) {
			p.Weights([][]float32{t.dw, t.dw2}[part], t.x, t.dy, p.Rows()*part/parts, p.Rows()*(part+1)/parts, 0, k)
		}},
	}
	return t
}

// The table is worth something if what it times is a convolution and its
// gradients.
func TestTablePasses(t *testing.T) {
	for _, l := range []layer{
		{"1-D", "no stride", 3, [3]int{1, 1, 19}, [3]int{1, 1, 5}, unit, 3, 5},
		{"1-D, stride 2", "an even length: all padding is above", 3, [3]int{1, 1, 18}, [3]int{1, 1, 5}, [3]int{1, 1, 2}, 3, 17},
		{"1-D, stride 3", "phases of different lengths", 2, [3]int{1, 1, 20}, [3]int{1, 1, 5}, [3]int{1, 1, 3}, 1, 16},
		{"1-D, stride 4", "flux and inverse variance", 2, [3]int{1, 1, 51}, [3]int{1, 1, 15}, [3]int{1, 1, 4}, 2, 32},
		{"dense", "one pixel", 7, unit, unit, unit, 9, 20},
		{"2-D", "no stride", 2, [3]int{1, 7, 6}, [3]int{1, 3, 3}, unit, 3, 5},
		{"2-D, stride 2", "odd and even", 2, [3]int{1, 7, 6}, [3]int{1, 3, 3}, [3]int{1, 2, 2}, 3, 5},
		{"3-D", "no stride", 2, [3]int{4, 5, 6}, [3]int{3, 3, 3}, unit, 3, 5},
		{"3-D, stride 2", "eight phases", 2, [3]int{4, 5, 6}, [3]int{3, 3, 3}, [3]int{2, 2, 2}, 3, 5},
	} {
		got := l.training()
		out, padded, lo := l.out()
		y, dx, dw := make([]float64, len(got.y)), make([]float64, len(got.dx)), make([]float64, len(got.dw))
		for s := range l.n {
			each(out, func(o [3]int) {
				each(l.kernel, func(tap [3]int) {
					pixel, inside := tap, true
					for i := range pixel {
						pixel[i] += o[i]*l.stride[i] - lo[i]
						inside = inside && pixel[i] >= 0 && pixel[i] < l.in[i]
					}
					for i := range l.cin {
						for c := range l.cout {
							yi := grid{out, [3]int{}, unit, l.cout}.at(s, o) + c
							xi := grid{padded, tap, l.stride, l.cin}.at(s, o) + i
							wi := grid{l.kernel, [3]int{}, unit, l.cin * l.cout}.at(0, tap) + i*l.cout + c
							y[yi] += float64(got.x[xi]) * float64(got.w[wi])
							dw[wi] += float64(got.x[xi]) * float64(got.dy[yi])
							if inside {
								dx[grid{l.in, [3]int{}, unit, l.cin}.at(s, pixel)+i] += float64(got.dy[yi]) * float64(got.w[wi])
							}
						}
					}
				})
			})
		}
		for i := range y {
			y[i] = max(0, y[i]+float64(got.w[i%l.cout]))
		}
		for parts := 1; parts <= 2; parts++ {
			for _, x := range [][]float32{got.y, got.dx, got.dw, got.dw2} {
				clear(x)
			}
			for _, p := range got.passes {
				for part := range parts {
					p.run(part, parts)
				}
			}
			Add(got.dw, got.dw, got.dw2)
			for i, want := range [][]float64{y, dx, dw} {
				if d := distance([][]float32{got.y, got.dx, got.dw}[i], want); !(d <= 1e-5) {
					t.Errorf("%s (%s), %s in %d parts: distance %g", l.name, l.why, passes[i], parts, d)
				}
			}
		}
	}
}

// tableLayers returns the rows of the table. The larger of their arrays take
// 1 to 8 MB; a spectrum, an image or a cube has a single channel to start with.
// A few layers of our networks stand below them.
func tableLayers() (rows []layer) {
	for dims, in := range [][3]int{{1, 1, 1024}, {1, 32, 32}, {8, 16, 16}} {
		for _, v := range []struct{ cin, cout, pixels int }{
			{1, 32, 16384}, {8, 8, 131072}, {32, 32, 16384}, {64, 64, 8192}, {128, 128, 2048},
		} {
			for s := 1; s <= 2; s++ {
				l := layer{name: fmt.Sprintf("%d-D", dims+1), n: v.pixels / (in[0] * in[1] * in[2]),
					in: in, kernel: unit, stride: unit, cin: v.cin, cout: v.cout}
				for i := 2 - dims; i < 3; i++ {
					l.kernel[i], l.stride[i] = []int{5, 3, 3}[dims], s
				}
				if v.cin == 1 && dims == 0 {
					l.kernel[2] = 15 // as spectra are read
				}
				rows = append(rows, l)
			}
		}
	}
	return append(rows,
		layer{"spectra", "flux and inverse variance", 64, [3]int{1, 1, 4700}, [3]int{1, 1, 15}, [3]int{1, 1, 4}, 2, 32},
		layer{"spectra", "after that", 64, [3]int{1, 1, 1200}, [3]int{1, 1, 5}, [3]int{1, 1, 3}, 32, 64},
		layer{"spectra", "the end of it", 64, [3]int{1, 1, 13}, [3]int{1, 1, 5}, unit, 256, 512},
		layer{"dense", "rows do not overlap", 256, unit, unit, unit, 1536, 256})
}

// tableTargets are what the passes should reach, in percent of the peak.
var tableTargets = []struct {
	name    string
	holds   func(l layer) bool
	percent [3]float64 // 0 if there is none
}{
	{"16 channels or more, stride 1", func(l layer) bool { return min(l.cin, l.cout) >= 16 && l.stride == unit }, [3]float64{90, 90, 85}},
	{"1 input channel, 1-D and 3-D", func(l layer) bool { return l.cin == 1 && l.name != "2-D" }, [3]float64{60, 0, 60}},
}

// measured is how fast a pass was: in GFLOP/s on one core, as a percentage of
// its peak, and on two cores of two peaks.
type measured struct{ gflops, one, two float64 }

// measure runs the passes of a layer in turn and returns medians. The peak is
// measured before each pass, and its median compared with that pass alone: a
// processor's clock drifts, and its other users come and go.
func measure(one, two *Workers, peak pass, l layer) (m [3]measured, peaks []float64) {
	var rounds [3][4][]float64
	t := l.training()
	for range 15 {
		for i, p := range t.passes {
			for j, v := range []float64{rate(one, peak), rate(one, p), rate(two, peak), rate(two, p)} {
				rounds[i][j] = append(rounds[i][j], v)
			}
		}
	}
	for i, r := range rounds {
		peaks = append(peaks, r[0]...)
		top, gflops := median(r[0]), median(r[1])
		m[i] = measured{gflops, 100 * gflops / top, 100 * median(r[3]) / (2 * median(r[2]))}
	}
	return m, peaks
}

// rate returns the GFLOP/s of a pass in as many parts as there are workers,
// repeated for at least 1 ms after a first time that is not measured.
func rate(crew *Workers, p pass) float64 {
	run := func(part, _ int) { p.run(part, crew.N()) }
	crew.Run(crew.N(), run)
	n, start := 0, time.Now()
	for n == 0 || time.Since(start) < time.Millisecond {
		crew.Run(crew.N(), run)
		n++
	}
	return p.flops * float64(n) / time.Since(start).Seconds() / 1e9
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

// BenchmarkTable prints the kernel table: what training does with
// convolutions of the sizes that networks have, on one core and on two, beside
// the peak of its multiply-adds. Windows are 5 pixels in 1-D, 15 with one input
// channel, else 3 on each axis; padding and packing are not timed. Choose a set by GOASTROML_KERNEL.
//
//	go test -run '^$' -bench Table -benchtime 1x ./astroml/internal/kernel
func BenchmarkTable(b *testing.B) {
	set, ok := current.set.(interface{ peak(rounds int) float64 })
	if !ok {
		b.Skipf("the set %q has no peak to compare with", Name())
	}
	const some = 1e6                                                // rounds
	peak := pass{set.peak(some), func(int, int) { set.peak(some) }} // each worker does all of it
	one, two := NewWorkers(1), NewWorkers(2)
	defer one.Close()
	defer two.Close()

	rows := tableLayers()
	got := make([][3]measured, len(rows))
	var peaks []float64
	for i, l := range rows {
		var p []float64
		got[i], p = measure(one, two, peak, l)
		peaks = append(peaks, p...)
	}
	slices.Sort(peaks)
	fmt.Printf("\nGFLOP/s on one core, %% of its peak, and %% of two peaks on two cores\n\n%-25s", "")
	for _, name := range passes {
		fmt.Printf("%26s", name)
	}
	fmt.Printf("\n%-7s %4s %4s %7s%s\n", "", "in", "out", "stride", strings.Repeat("   GFLOP/s      %   % of 2", 3))
	for i, l := range rows {
		fmt.Printf("%-7s %4d %4d %7d", l.name, l.cin, l.cout, l.stride[2])
		for _, m := range got[i] {
			fmt.Printf("%10.1f %6.1f %8.1f", m.gflops, m.one, m.two)
		}
		fmt.Println()
	}
	fmt.Printf("\npeak of %s: %.0f GFLOP/s on one core; in nine tenths of the rounds %.0f to %.0f\n", Name(),
		median(peaks), peaks[len(peaks)/20], peaks[len(peaks)-1-len(peaks)/20])
	for _, t := range tableTargets {
		for i, want := range t.percent {
			if want == 0 {
				continue
			}
			of, missed, least, worst := 0, 0, math.Inf(1), layer{}
			for j, l := range rows {
				if !t.holds(l) {
					continue
				}
				of++
				p := got[j][i].one
				if p < want {
					missed++
				}
				if p < least {
					least, worst = p, l
				}
			}
			verdict := "met"
			if missed > 0 {
				verdict = fmt.Sprintf("missed by %d of %d", missed, of)
			}
			fmt.Printf("%-29s  %-16s  >= %.0f %%  %-18s  worst %.1f %%: %s, %d to %d, stride %d\n",
				t.name, passes[i], want, verdict, least, worst.name, worst.cin, worst.cout, worst.stride[2])
		}
	}
	fmt.Println()
	b.ReportMetric(0, "ns/op")
}
