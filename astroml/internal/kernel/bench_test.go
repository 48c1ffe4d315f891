package kernel

import (
	"slices"
	"testing"
)

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
