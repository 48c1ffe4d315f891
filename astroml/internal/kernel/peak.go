package kernel

import "time"

// Peak measures the largest rate of multiply-adds of the set in use on one core,
// in GFLOP/s: that of a loop that does nothing else. It is 0 for plain Go.
func Peak() float64 {
	s, ok := current.set.(interface{ peak(rounds int) float64 })
	if !ok {
		return 0
	}
	best := 0.0
	for range 10 {
		start := time.Now()
		flops := s.peak(1e6)
		best = max(best, flops/time.Since(start).Seconds()/1e9)
	}
	return best
}
