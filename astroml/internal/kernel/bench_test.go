package kernel

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// multiplyAdds is implemented by the sets that can measure their peak.
type multiplyAdds interface{ peak(rounds int) float64 }

// peaks holds what peak has measured, by set.
var peaks sync.Map

// peak returns the largest rate of multiply-adds of the set in use on one
// core, in GFLOP/s: that of a loop that does nothing else. It is 0 for plain Go.
func peak() float64 {
	if p, ok := peaks.Load(Name()); ok {
		return p.(float64)
	}
	best := 0.0
	if s, ok := current.set.(multiplyAdds); ok {
		for range 10 {
			start := time.Now()
			flops := s.peak(1e6)
			best = max(best, flops/time.Since(start).Seconds()/1e9)
		}
	}
	peaks.Store(Name(), best)
	return best
}

var benchConvs = []conv{
	{name: "1d/1175x2-32/k15s4", batch: 64, depth: 1, height: 1, width: 1175, kd: 1, kh: 1, kw: 15, stride: 4, cin: 2, cout: 32},
	{name: "1d/400x32-64/k5s3", batch: 64, depth: 1, height: 1, width: 400, kd: 1, kh: 1, kw: 5, stride: 3, cin: 32, cout: 64},
	{name: "1d/44x128-128/k5", batch: 64, depth: 1, height: 1, width: 44, kd: 1, kh: 1, kw: 5, stride: 1, cin: 128, cout: 128},
	{name: "1d/3600x1-16/k5", batch: 16, depth: 1, height: 1, width: 3600, kd: 1, kh: 1, kw: 5, stride: 1, cin: 1, cout: 16},
	{name: "1d/1199x16-32/k5", batch: 64, depth: 1, height: 1, width: 1199, kd: 1, kh: 1, kw: 5, stride: 1, cin: 16, cout: 32},
	{name: "1d/132x64-128/k5", batch: 64, depth: 1, height: 1, width: 132, kd: 1, kh: 1, kw: 5, stride: 1, cin: 64, cout: 128},
	{name: "1d/13x256-512/k5", batch: 64, depth: 1, height: 1, width: 13, kd: 1, kh: 1, kw: 5, stride: 1, cin: 256, cout: 512},
	{name: "1d/3x512-512/k5", batch: 64, depth: 1, height: 1, width: 3, kd: 1, kh: 1, kw: 5, stride: 1, cin: 512, cout: 512},
	{name: "dense/1536-256", batch: 1, depth: 1, height: 1, width: 256, kd: 1, kh: 1, kw: 1, stride: 1, cin: 1536, cout: 256},
	{name: "2d/64x64x64-64/k3", batch: 4, depth: 1, height: 64, width: 64, kd: 1, kh: 3, kw: 3, stride: 1, cin: 64, cout: 64},
	{name: "2d/64x64x128-64/k3", batch: 2, depth: 1, height: 64, width: 64, kd: 1, kh: 3, kw: 3, stride: 1, cin: 128, cout: 64},
	{name: "2d/64x64x64-32/k3", batch: 4, depth: 1, height: 64, width: 64, kd: 1, kh: 3, kw: 3, stride: 1, cin: 64, cout: 32},
	{name: "2d/64x64x1-32/k3", batch: 4, depth: 1, height: 64, width: 64, kd: 1, kh: 3, kw: 3, stride: 1, cin: 1, cout: 32},
	{name: "3d/32x32x32x32-32/k3", batch: 1, depth: 32, height: 32, width: 32, kd: 3, kh: 3, kw: 3, stride: 1, cin: 32, cout: 32},
	{name: "3d/32x32x32x1-32/k3", batch: 1, depth: 32, height: 32, width: 32, kd: 3, kh: 3, kw: 3, stride: 1, cin: 1, cout: 32},
}

// BenchmarkConv is the kernel table: forward passes and weight gradients of
// the shapes that networks have, on one core and on two. Beside GFLOP/s it
// prints the share of the measured peak. Choose a set by GOASTROML_KERNEL.
//
//	go test -bench Conv -benchtime 0.2s ./astroml/internal/kernel/
func BenchmarkConv(b *testing.B) {
	for _, v := range benchConvs {
		p, na, nc := v.product()
		k, rows := len(p.Seg)*p.KL, p.Rows()
		a, c, w := ramp(na), ramp(nc), ramp(k*p.N)
		packed := make([]float32, PackedLen(k, p.N))
		Pack(packed, w, k, p.N)
		for _, workers := range []int{1, 2} {
			if workers > runtime.NumCPU() {
				continue
			}
			crew := NewWorkers(workers)
			defer crew.Close()
			const piece = 1152 // rows; a multiple of the tiles' heights
			forward := func() {
				crew.Run((rows+piece-1)/piece, func(task, _ int) {
					p.Forward(c, a, packed, task*piece, min((task+1)*piece, rows), Epilogue{Bias: w[:p.N], Act: ReLU})
				})
			}
			parts := make([][]float32, workers)
			for i := range parts {
				parts[i] = make([]float32, k*p.N)
			}
			weights := func() { // every worker sums over its part of the rows
				crew.Run(workers, func(task, _ int) {
					p.Weights(parts[task], a, c, rows*task/workers, rows*(task+1)/workers, 0, k)
				})
			}
			for _, pass := range []struct {
				name string
				f    func()
			}{{"forward", forward}, {"weights", weights}} {
				b.Run(fmt.Sprintf("%s/%s/cores=%d", v.name, pass.name, workers), func(b *testing.B) {
					for b.Loop() {
						pass.f()
					}
					flops := 2 * float64(rows*k*p.N) * float64(b.N) / b.Elapsed().Seconds() / 1e9
					b.ReportMetric(flops, "GFLOP/s")
					if most := peak(); most > 0 {
						b.ReportMetric(100*flops/most/float64(workers), "%peak")
					}
					b.ReportMetric(0, "ns/op")
				})
			}
		}
	}
}

// BenchmarkLoops prints how fast the loops beside the product go through
// arrays that stay in the cache, in billions of floats a second.
func BenchmarkLoops(b *testing.B) {
	const c, n = 64, 64 * 512
	x, y, p := ramp(n), ramp(n), ramp(c)
	s := slices.Clone(p)
	pool := Pool{In: [3]int{1, 1, 512}, Out: [3]int{1, 1, 170}, Kernel: [3]int{1, 1, 3}, Stride: [3]int{1, 1, 3}, C: c}
	z := make([]float32, 170*c)
	norm := NormBackward{Scale: p, Shift: p, Act: ReLU, Mean: p, IStd: p}
	for _, l := range []struct {
		name string
		f    func()
	}{
		{"Add", func() { Add(y, x, x) }},
		{"Exp", func() { Exp(y, x) }},
		{"Log", func() { Log(y, x) }},
		{"Erf", func() { Erf(y, x) }},
		{"Activate/GELU", func() { Activate(y, x, GELU) }},
		{"Activate/SiLU", func() { Activate(y, x, SiLU) }},
		{"Activate/Tanh", func() { Activate(y, x, Tanh) }},
		{"ActivateGrad/GELU", func() { ActivateGrad(y, x, nil, x, GELU) }},
		{"Bias/ReLU", func() { Bias(y, x, p, c, ReLU) }},
		{"Affine/ReLU", func() { Affine(y, x, p, p, c, ReLU) }},
		{"Norm/Grad", func() { norm.Grad(y, x, x, p, p, p) }},
		{"Sums", func() { Sums(s, x, c) }},
		{"Moments", func() { Moments(s, s, x, c) }},
		{"Moments/16", func() { Moments(s[:16], s[16:32], x, 16) }},
		{"Norm/Sums", func() { norm.Sums(s, s, x, x) }},
		{"SumSquares", func() { SumSquares(x) }},
		{"AdamW", func() { AdamW{1e-3, 0.9, 0.99, 1e-8, 0.1, 1, 1}.Step(y, y, y, x, 1) }},
		{"Max", func() { pool.Max(z, x) }},
		{"MaxGrad", func() { pool.MaxGrad(y, x, z, z) }},
	} {
		b.Run(l.name, func(b *testing.B) {
			for b.Loop() {
				l.f()
			}
			b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gfloat/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// ramp returns n values between -1 and 1.
func ramp(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i*7%200)/100 - 1
	}
	return x
}
