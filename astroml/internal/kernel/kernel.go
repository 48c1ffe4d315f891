// Package kernel holds the loops in which the library spends its time: one
// matrix product that is every convolution and every dense layer, and the
// fused loops beside it (activations, normalisation, pooling, AdamW).
//
// Arrays are float32 and channels-last. Functions work on the slices they are
// given, in the calling goroutine; package nn splits the work and hands the
// pieces to Workers. They allocate nothing.
//
// Every loop exists once in plain Go and once in C, where it is compiled for
// several instruction sets. One set is chosen when the program starts: the
// best that the processor has, or the one that the environment variable
// GOASTROML_KERNEL names. Within one set the results do not depend on how the
// work was split; between sets they agree to 1e-5 relative L2.
//
// A length that does not fit is a bug of the caller's, not a user's mistake:
// it panics.
package kernel

import (
	"fmt"
	"os"
	"slices"
)

// set is the loops for one instruction set. Arguments have been checked.
type set interface {
	forward(p *Product, c, a, packed []float32, lo, hi int, e Epilogue)
	weights(p *Product, dw, a, y []float32, lo, hi, klo, khi int)

	filtered(p *Filtered, c, v, packed []float32, lo, hi int, e Epilogue)
	filterData(f Filtering, v, x []float32, lines, w, c, pad int)
	filterGradient(f Filtering, v, dy []float32, lines, c int)
	filterWeights(f Filtering, packed []float32, step int, panel []float32, segments, k int)
	filterCollect(f Filtering, dw, du []float32, step, n int)

	bias(y, x, b []float32, c int, act Act)
	activate(y, x []float32, act Act)
	activateGrad(dx, x, y, dy []float32, act Act)
	exp(y, x []float32)
	log(y, x []float32)
	erf(y, x []float32)

	sums(dst, x []float32, c int)
	moments(mean, m2, x []float32, c int)
	affine(y, x, scale, shift []float32, c int, act Act)
	normSums(sdy, sdyx, dy, x []float32, n NormBackward)
	normGrad(dx, dy, x, a, b, d []float32, n NormBackward)

	add(dst, x, y []float32)
	mul(dst, x, y []float32)
	scale(dst, x []float32, s float32)
	axpy(dst []float32, s float32, x []float32)
	sumSquares(x []float32) float64
	adamW(o AdamW, w, m, v, g []float32, scale float32)

	weigh(flux, ivar []float32) weight
	standardize(dst, flux, ivar []float32, channels int, scale float32)

	poolMax(p *Pool, y, x []float32)
	poolMaxGrad(p *Pool, dx, x, y, dy []float32)
}

// A named set is one that this processor can run.
type named struct {
	name string
	set
}

var (
	sets    = append([]named{{"go", plain{}}}, native()...)
	current = choose(os.Getenv("GOASTROML_KERNEL"))
)

// choose returns the set called name, or the best one if there is none.
func choose(name string) named {
	if i := slices.IndexFunc(sets, func(s named) bool { return s.name == name }); i >= 0 {
		return sets[i]
	}
	return sets[len(sets)-1]
}

// Sets returns the names of the instruction sets that this program can run on
// this processor, from the slowest to the fastest: "go" always, and with cgo
// "baseline" and "avx2", "avx512" or "neon" as the processor has them.
func Sets() []string {
	names := make([]string, len(sets))
	for i, s := range sets {
		names[i] = s.name
	}
	return names
}

// Name returns the name of the set in use.
func Name() string { return current.name }

// Use switches to the named set and returns a function that switches back. It
// is for tests and benchmarks: no other function of this package may run
// meanwhile. It panics if there is no such set.
func Use(name string) (restore func()) {
	old := current
	s := choose(name)
	if s.name != name {
		panic(fmt.Sprintf("kernel: no set %q, there are %v", name, Sets()))
	}
	current = s
	return func() { current = old }
}
