package kernel

import (
	"fmt"
	"math"
)

// weight is what a spectrum weighs: Σ flux²·ivar, Σ ivar, how many pixels have
// data, and how many a negative inverse variance.
type weight struct {
	squares, weights float64
	good, negative   int
}

// Standardize lays a spectrum out for a network, pixel by pixel in one or two
// channels, and returns how many pixels have data:
//
//	flux/rms      rms = √(Σ flux²·ivar / Σ ivar), bounded by ±20
//	s/(2+|s|/4)   s = flux·√ivar, the significance; 0 without ivar
//
// A pixel has data if its flux is finite and its inverse variance positive and
// finite; others are 0 in both. Where ivar is nil it counts as 1. Inverse
// variances below zero, which make no sense, are counted too.
func Standardize(dst, flux, ivar []float32, channels int) (good, negative int) {
	lengths("Standardize", flux, ivar)
	if channels < 1 || channels > 2 || len(dst) != channels*len(flux) {
		panic(fmt.Sprintf("kernel: Standardize: %d floats for %d pixels in %d channels", len(dst), len(flux), channels))
	}
	w := current.weigh(flux, ivar)
	scale := 0.0
	if w.squares > 0 {
		scale = min(math.MaxFloat32, math.Sqrt(w.weights/w.squares))
	}
	current.standardize(dst, flux, ivar, channels, float32(scale))
	return w.good, w.negative
}
