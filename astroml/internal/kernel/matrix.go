package kernel

import (
	"fmt"
	"math"
)

// Matrix is a k×n matrix, packed for products with rows that lie one after the
// other. It is immutable.
type Matrix struct {
	product Product
	packed  []float32
}

// NewMatrix packs the row-major k×n matrix b.
func NewMatrix(b []float32, k, n int) *Matrix {
	m := &Matrix{
		product: Product{Width: math.MaxInt32, ALine: []int{0}, CLine: []int{0}, AStep: k, CStep: n, Seg: []int{0}, KL: k, N: n},
		packed:  make([]float32, PackedLen(k, n)),
	}
	Pack(m.packed, b, k, n)
	return m
}

// Multiply computes the rows c = act(a·m + bias + residual). The bits of a row
// do not depend on the rows beside it.
func (m *Matrix) Multiply(c, a []float32, e Epilogue) {
	p := &m.product
	rows := len(a) / p.KL
	if len(a) != rows*p.KL || len(c) != rows*p.N {
		panic(fmt.Sprintf("kernel: Multiply: %d floats times a %d×%d matrix into %d", len(a), p.KL, p.N, len(c)))
	}
	p.Forward(c, a, m.packed, 0, rows, e)
}
