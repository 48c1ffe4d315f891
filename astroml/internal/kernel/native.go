//go:build cgo

package kernel

// #cgo CFLAGS: -O2 -Wno-psabi
// #cgo !amd64,!arm64 LDFLAGS: -lm
// #include <stdlib.h>
// #include "calls.h"
//
// #cgo noescape call_forward
// #cgo nocallback call_forward
// #cgo noescape call_weights
// #cgo nocallback call_weights
// #cgo noescape call_filtered
// #cgo nocallback call_filtered
// #cgo noescape call_filter_data
// #cgo nocallback call_filter_data
// #cgo noescape call_filter_gradient
// #cgo nocallback call_filter_gradient
// #cgo noescape call_filter_weights
// #cgo nocallback call_filter_weights
// #cgo noescape call_filter_collect
// #cgo nocallback call_filter_collect
// #cgo noescape call_activate
// #cgo nocallback call_activate
// #cgo noescape call_activate_grad
// #cgo nocallback call_activate_grad
// #cgo noescape call_bias
// #cgo nocallback call_bias
// #cgo noescape call_exp
// #cgo nocallback call_exp
// #cgo noescape call_log
// #cgo nocallback call_log
// #cgo noescape call_erf
// #cgo nocallback call_erf
// #cgo noescape call_sums
// #cgo nocallback call_sums
// #cgo noescape call_moments
// #cgo nocallback call_moments
// #cgo noescape call_affine
// #cgo nocallback call_affine
// #cgo noescape call_norm_sums
// #cgo nocallback call_norm_sums
// #cgo noescape call_norm_grad
// #cgo nocallback call_norm_grad
// #cgo noescape call_add
// #cgo nocallback call_add
// #cgo noescape call_mul
// #cgo nocallback call_mul
// #cgo noescape call_scale
// #cgo nocallback call_scale
// #cgo noescape call_axpy
// #cgo nocallback call_axpy
// #cgo noescape call_sum_squares
// #cgo nocallback call_sum_squares
// #cgo noescape call_adamw
// #cgo nocallback call_adamw
// #cgo noescape call_weigh
// #cgo nocallback call_weigh
// #cgo noescape call_standardize
// #cgo nocallback call_standardize
// #cgo noescape call_pool_max
// #cgo nocallback call_pool_max
// #cgo noescape call_pool_max_grad
// #cgo nocallback call_pool_max_grad
import "C"

import "unsafe"

// inC is the loops in C, for one instruction set.
type inC struct{ k *C.struct_kernels }

// native returns the sets in C that this processor can run, the best one last.
func native() []named {
	var sets []named
	for _, name := range []string{"baseline", "avx2", "avx512", "neon"} {
		s := C.CString(name)
		if k := C.astroml_kernels(s); k != nil {
			sets = append(sets, named{name, inC{k}})
		}
		C.free(unsafe.Pointer(s))
	}
	return sets
}

// floats and ints return the address of a slice, nil for nil.
func floats(x []float32) *C.float { return (*C.float)(unsafe.SliceData(x)) }

func ints(x []int) *C.ptrdiff_t { return (*C.ptrdiff_t)(unsafe.Pointer(unsafe.SliceData(x))) }

func size(n int) C.ptrdiff_t { return C.ptrdiff_t(n) }

func (s inC) forward(p *Product, c, a, packed []float32, lo, hi int, e Epilogue) {
	C.call_forward(s.k, floats(c), floats(a), floats(packed), ints(p.ALine), ints(p.CLine), ints(p.Seg),
		size(p.Width), size(p.AStep), size(p.CStep), size(len(p.Seg)), size(p.KL), size(p.N),
		size(lo), size(hi), floats(e.Bias), floats(e.Residual), C.int(e.Act))
}

func (s inC) weights(p *Product, dw, a, y []float32, lo, hi, klo, khi int) {
	C.call_weights(s.k, floats(dw), floats(a), floats(y), ints(p.ALine), ints(p.CLine), ints(p.Seg),
		size(p.Width), size(p.AStep), size(p.CStep), size(len(p.Seg)), size(p.KL), size(p.N),
		size(lo), size(hi), size(klo), size(khi))
}

func (s inC) filtered(p *Filtered, c, v, packed []float32, lo, hi int, e Epilogue) {
	C.call_filtered(s.k, floats(c), floats(v), floats(packed), ints(p.ALine), ints(p.CLine), ints(p.Seg),
		size(p.Width), size(p.AStep), size(p.CStep), size(len(p.Seg)), size(p.KL), size(p.N),
		size(p.Taps), size(p.Pixels), size(p.AComponent), size(p.Packed),
		size(lo), size(hi), floats(e.Bias), floats(e.Residual), C.int(e.Act))
}

func (s inC) filterData(f Filtering, v, x []float32, lines, w, c, pad int) {
	C.call_filter_data(s.k, floats(v), floats(x), size(f.Taps), size(f.Tiles()), size(lines), size(w), size(c), size(pad))
}

func (s inC) filterGradient(f Filtering, v, dy []float32, lines, c int) {
	C.call_filter_gradient(s.k, floats(v), floats(dy), size(f.Taps), size(f.Tiles()), size(lines), size(f.Pixels), size(c))
}

func (s inC) filterWeights(f Filtering, packed []float32, step int, panel []float32, segments, k int) {
	C.call_filter_weights(s.k, floats(packed), size(step), floats(panel), size(f.Taps), size(segments), size(k))
}

func (s inC) filterCollect(f Filtering, dw, du []float32, step, n int) {
	C.call_filter_collect(s.k, floats(dw), floats(du), size(step), size(f.Taps), size(n))
}

func (s inC) activate(y, x []float32, act Act) {
	C.call_activate(s.k, floats(y), floats(x), size(len(x)), C.int(act))
}

func (s inC) activateGrad(dx, x, y, dy []float32, act Act) {
	C.call_activate_grad(s.k, floats(dx), floats(x), floats(y), floats(dy), size(len(dx)), C.int(act))
}

func (s inC) bias(y, x, b []float32, c int, act Act) {
	C.call_bias(s.k, floats(y), floats(x), floats(b), size(len(x)), size(c), C.int(act))
}

func (s inC) exp(y, x []float32) {
	C.call_exp(s.k, floats(y), floats(x), size(len(x)))
}

func (s inC) log(y, x []float32) {
	C.call_log(s.k, floats(y), floats(x), size(len(x)))
}

func (s inC) erf(y, x []float32) {
	C.call_erf(s.k, floats(y), floats(x), size(len(x)))
}

func (s inC) sums(dst, x []float32, c int) {
	C.call_sums(s.k, floats(dst), floats(x), size(len(x)), size(c))
}

func (s inC) moments(mean, m2, x []float32, c int) {
	C.call_moments(s.k, floats(mean), floats(m2), floats(x), size(len(x)), size(c))
}

func (s inC) affine(y, x, scale, shift []float32, c int, act Act) {
	C.call_affine(s.k, floats(y), floats(x), floats(scale), floats(shift), size(len(x)), size(c), C.int(act))
}

func (s inC) normSums(sdy, sdyx, dy, x []float32, n NormBackward) {
	C.call_norm_sums(s.k, floats(sdy), floats(sdyx), floats(dy), floats(x), floats(n.Scale), floats(n.Shift), C.int(n.Act),
		floats(n.Mean), floats(n.IStd), size(len(x)), size(len(n.Scale)))
}

func (s inC) normGrad(dx, dy, x, a, b, d []float32, n NormBackward) {
	C.call_norm_grad(s.k, floats(dx), floats(dy), floats(x), floats(n.Scale), floats(n.Shift), C.int(n.Act),
		floats(a), floats(b), floats(d), size(len(x)), size(len(n.Scale)))
}

func (s inC) add(dst, x, y []float32) {
	C.call_add(s.k, floats(dst), floats(x), floats(y), size(len(x)))
}

func (s inC) mul(dst, x, y []float32) {
	C.call_mul(s.k, floats(dst), floats(x), floats(y), size(len(x)))
}

func (l inC) scale(dst, x []float32, s float32) {
	C.call_scale(l.k, floats(dst), floats(x), C.float(s), size(len(x)))
}

func (l inC) axpy(dst []float32, s float32, x []float32) {
	C.call_axpy(l.k, floats(dst), C.float(s), floats(x), size(len(x)))
}

func (s inC) sumSquares(x []float32) float64 {
	return float64(C.call_sum_squares(s.k, floats(x), size(len(x))))
}

func (s inC) adamW(o AdamW, w, m, v, g []float32, scale float32) {
	C.call_adamw(s.k, C.struct_adamw{
		C.float(o.LearnRate), C.float(o.Beta1), C.float(o.Beta2), C.float(o.Eps), C.float(o.WeightDecay),
		C.float(o.Correct1), C.float(o.Correct2),
	}, floats(w), floats(m), floats(v), floats(g), C.float(scale), size(len(w)))
}

func (s inC) weigh(flux, ivar []float32) weight {
	w := C.call_weigh(s.k, floats(flux), floats(ivar), size(len(flux)))
	return weight{float64(w.squares), float64(w.weights), int(w.good), int(w.negative)}
}

func (s inC) standardize(dst, flux, ivar []float32, channels int, scale float32) {
	C.call_standardize(s.k, floats(dst), floats(flux), floats(ivar), size(len(flux)), C.int(channels), C.float(scale))
}

func (s inC) poolMax(p *Pool, y, x []float32) {
	C.call_pool_max(s.k, s.pool(p), floats(y), floats(x))
}

func (s inC) poolMaxGrad(p *Pool, dx, x, y, dy []float32) {
	C.call_pool_max_grad(s.k, s.pool(p), floats(dx), floats(x), floats(y), floats(dy))
}

func (inC) pool(p *Pool) (q C.struct_pool) {
	for i := range 3 {
		q.in[i], q.out[i] = size(p.In[i]), size(p.Out[i])
		q.kernel[i], q.stride[i], q.pad[i] = size(p.Kernel[i]), size(p.Stride[i]), size(p.Pad[i])
	}
	q.c = size(p.C)
	return q
}

// peak runs independent multiply-adds and returns how many floating-point
// operations they were: what the processor can do at most.
func (s inC) peak(rounds int) float64 { return float64(C.call_peak(s.k, size(rounds))) }
