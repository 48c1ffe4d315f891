package kernel

import "fmt"

// Pool describes the windows of a pooling over the axes depth, height and
// width of one sample, channels-last. Output o of an axis sees the inputs
// o*Stride-Pad to o*Stride-Pad+Kernel-1 that exist: windows are clipped at the
// borders.
type Pool struct {
	In, Out             [3]int // lengths of the axes
	Kernel, Stride, Pad [3]int // Pad is on the low side
	C                   int    // channels
}

// Max sets y to the maximum of each window, by channel. A window with a NaN
// gives NaN.
func (p *Pool) Max(y, x []float32) {
	p.check("Max", x, y)
	current.poolMax(p, y, x)
}

// MaxGrad sets dx to the gradient with respect to x, where y = Max(x) and dy is
// the gradient with respect to y. The first maximum of a window, or its first
// NaN, gets all of it.
func (p *Pool) MaxGrad(dx, x, y, dy []float32) {
	p.check("MaxGrad", x, y)
	lengths("MaxGrad", x, dx)
	lengths("MaxGrad", y, dy)
	current.poolMaxGrad(p, dx, x, y, dy)
}

// window returns the inputs lo to hi-1 that output o of an axis sees.
func (p *Pool) window(axis, o int) (lo, hi int) {
	lo = o*p.Stride[axis] - p.Pad[axis]
	return max(lo, 0), min(lo+p.Kernel[axis], p.In[axis])
}

// check panics if the slices do not fit or a window is empty.
func (p *Pool) check(op string, x, y []float32) {
	in, out := p.C, p.C
	for i := range 3 {
		in, out = in*p.In[i], out*p.Out[i]
		if p.C < 1 || p.In[i] < 1 || p.Out[i] < 1 || p.Kernel[i] < 1 || p.Stride[i] < 1 ||
			p.Pad[i] < 0 || p.Pad[i] >= p.Kernel[i] || (p.Out[i]-1)*p.Stride[i]-p.Pad[i] >= p.In[i] {
			panic(fmt.Sprintf("kernel: %s: bad pooling or empty window: %+v", op, *p))
		}
	}
	if len(x) != in || len(y) != out {
		panic(fmt.Sprintf("kernel: %s: %d floats to %d, want %d to %d", op, len(x), len(y), in, out))
	}
}
