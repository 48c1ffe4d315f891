// Package rng gives streams of random numbers that depend on a seed, a purpose
// and an index only: not on the clock, the number of goroutines, or on what
// else draws.
package rng

import (
	"math/rand/v2"
)

// New returns the stream of seed for one purpose and, if there are many, one
// index (or several: epoch and row).
func New(seed uint64, purpose string, index ...int) *rand.Rand {
	return rand.New(rand.NewPCG(begin(seed, purpose, index)))
}

// A Stream can begin anew, as often as one likes, without allocating. The zero
// value is ready to Begin.
type Stream struct {
	pcg  rand.PCG
	rand *rand.Rand
}

// Begin returns the stream that New returns; it is good until the next Begin.
func (s *Stream) Begin(seed uint64, purpose string, index ...int) *rand.Rand {
	s.pcg.Seed(begin(seed, purpose, index))
	if s.rand == nil {
		s.rand = rand.New(&s.pcg)
	}
	return s.rand
}

func begin(seed uint64, purpose string, index []int) (uint64, uint64) {
	h := mix(seed ^ 0x9e3779b97f4a7c15)
	for _, b := range []byte(purpose) {
		h = mix(h ^ uint64(b))
	}
	for _, i := range index {
		h = mix(h ^ uint64(i) ^ 0xd1b54a32d192ed03)
	}
	return h, mix(h + 0x9e3779b97f4a7c15)
}

// mix is the finaliser of SplitMix64 (Steele et al. 2014,
// doi:10.1145/2660193.2660195).
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
