package explain

import (
	"math"
	"testing"
)

// TestBulkMedian compares with the optimal thresholds of Gavish & Donoho
// (2014), arXiv:1305.5870: ω(β) = λ(β)/√μ(β), which is 2.858 for β = 1, and
// within 0.02 of the polynomial that they give for it.
func TestBulkMedian(t *testing.T) {
	for _, beta := range []float64{0.001, 0.05, 0.2, 0.5, 0.8, 0.999, 1} {
		lambda := math.Sqrt(2*(beta+1) + 8*beta/(beta+1+math.Sqrt(beta*beta+14*beta+1)))
		omega := lambda / math.Sqrt(bulkMedian(beta))
		want, tol := 0.56*beta*beta*beta-0.95*beta*beta+1.82*beta+1.43, 0.02
		if beta == 1 {
			want, tol = 2.858, 0.0005
		}
		if math.Abs(omega-want) > tol {
			t.Errorf("ω(%g) is %.4f, want %.4f ± %g", beta, omega, want, tol)
		}
	}
}
