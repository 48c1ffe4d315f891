package kernel

import (
	"iter"
	"math"
)

// plain is the loops in Go: clear first, then fast. It is what the other sets
// are tested against, and serves where there is no C compiler. Products are
// rounded before they are added (the conversions to float32 say so), so that
// its bits are the same on every processor.
type plain struct{}

// forward keeps four columns of one row in registers.
func (plain) forward(p *Product, c, a, packed []float32, lo, hi int, e Epilogue) {
	k := len(p.Seg) * p.KL
	for m := lo; m < hi; m++ {
		l, w := m/p.Width, m%p.Width
		ai, ci := p.ALine[l]+w*p.AStep, p.CLine[l]+w*p.CStep
		for n := 0; n < p.N; n += 4 {
			column := packed[n/Panel*Panel*k+n%Panel:]
			var s0, s1, s2, s3 float32
			for s, seg := range p.Seg {
				for i, x := range a[ai+seg:][:p.KL] {
					b := column[(s*p.KL+i)*Panel:][:4]
					s0 += float32(x * b[0])
					s1 += float32(x * b[1])
					s2 += float32(x * b[2])
					s3 += float32(x * b[3])
				}
			}
			sum := [4]float32{s0, s1, s2, s3}
			for j := n; j < min(n+4, p.N); j++ {
				v := sum[j-n]
				if e.Bias != nil {
					v += e.Bias[j]
				}
				if e.Residual != nil {
					v += e.Residual[ci+j]
				}
				c[ci+j] = activate(v, e.Act)
			}
		}
	}
}

func (plain) weights(p *Product, dw, a, y []float32, lo, hi, klo, khi int) {
	for m := lo; m < hi; m++ {
		l, w := m/p.Width, m%p.Width
		ai, yi := p.ALine[l]+w*p.AStep, p.CLine[l]+w*p.CStep
		row := y[yi:][:p.N]
		for i := klo; i < khi; i++ {
			x := a[ai+p.Seg[i/p.KL]+i%p.KL]
			d := dw[i*p.N:][:len(row)]
			for n, v := range row {
				d[n] += float32(x * v)
			}
		}
	}
}

// leak is the slope of LeakyReLU below zero.
const leak = 0.2

// activate returns act(x).
func activate(x float32, act Act) float32 {
	v := float64(x)
	switch act {
	case ReLU:
		if x < 0 {
			return 0
		}
	case LeakyReLU:
		return max(x, leak*x)
	case GELU:
		return float32(v * 0.5 * math.Erfc(-v/math.Sqrt2))
	case SiLU:
		return float32(v / (1 + math.Exp(-v)))
	case Tanh:
		return float32(math.Tanh(v))
	case Sigmoid:
		return float32(1 / (1 + math.Exp(-v)))
	}
	return x
}

// slope returns act'(x), where y = act(x).
func slope(x, y float32, act Act) float32 {
	v := float64(x)
	switch act {
	case ReLU:
		if y <= 0 {
			return 0
		}
	case LeakyReLU:
		if y <= 0 {
			return leak
		}
	case GELU:
		return float32(0.5*math.Erfc(-v/math.Sqrt2) + v*math.Exp(-v*v/2)/math.Sqrt(2*math.Pi))
	case SiLU:
		s := 1 / (1 + math.Exp(-v))
		return float32(s * (1 + v*(1-s)))
	case Tanh:
		return 1 - float32(y*y)
	case Sigmoid:
		return float32(y * (1 - y))
	}
	return 1
}

func (plain) bias(y, x, b []float32, c int, act Act) {
	for r := 0; r < len(x); r += c {
		for j := range c {
			y[r+j] = activate(x[r+j]+b[j], act)
		}
	}
}

func (plain) activate(y, x []float32, act Act) {
	for i, v := range x {
		y[i] = activate(v, act)
	}
}

func (plain) activateGrad(dx, x, y, dy []float32, act Act) {
	var u, v float32
	for i, d := range dy {
		switch {
		case act.NeedsX():
			u = x[i]
		case act != Identity:
			v = y[i]
		}
		dx[i] = d * slope(u, v, act)
	}
}

func (plain) exp(y, x []float32) {
	for i, v := range x {
		y[i] = float32(math.Exp(float64(v)))
	}
}

func (plain) log(y, x []float32) {
	for i, v := range x {
		y[i] = float32(math.Log(float64(v)))
	}
}

func (plain) erf(y, x []float32) {
	for i, v := range x {
		y[i] = float32(math.Erf(float64(v)))
	}
}

// block is how many rows are summed before they are added to a total, so that
// rounding errors grow with the number of blocks and not with that of rows.
const block = 128

func (plain) sums(dst, x []float32, c int) {
	for ; len(x) > 0; x = x[min(block*c, len(x)):] {
		b := x[:min(block*c, len(x))]
		for j := range c {
			var sum float32
			for i := j; i < len(b); i += c {
				sum += b[i]
			}
			dst[j] += sum
		}
	}
}

func (plain) moments(mean, m2, x []float32, c int) {
	clear(mean)
	clear(m2)
	if len(x) == 0 {
		return
	}
	plain{}.sums(mean, x, c)
	for j := range c {
		mean[j] /= float32(len(x) / c)
	}
	for ; len(x) > 0; x = x[min(block*c, len(x)):] {
		b := x[:min(block*c, len(x))]
		for j := range c {
			var sum float32
			for i := j; i < len(b); i += c {
				d := b[i] - mean[j]
				sum += float32(d * d)
			}
			m2[j] += sum
		}
	}
}

func (plain) affine(y, x, scale, shift []float32, c int, act Act) {
	for r := 0; r < len(x); r += c {
		for j := range c {
			y[r+j] = activate(float32(scale[j]*x[r+j])+shift[j], act)
		}
	}
}

// through returns dy·act'(scale·x + shift) in channel j.
func (n NormBackward) through(dy, x float32, j int) float32 {
	z := float32(n.Scale[j]*x) + n.Shift[j]
	return dy * slope(z, activate(z, n.Act), n.Act)
}

func (plain) normSums(sdy, sdyx, dy, x []float32, n NormBackward) {
	c := len(n.Scale)
	for ; len(x) > 0; x, dy = x[min(block*c, len(x)):], dy[min(block*c, len(x)):] {
		b, d := x[:min(block*c, len(x))], dy[:min(block*c, len(x))]
		for j := range c {
			var s0, s1 float32
			for i := j; i < len(b); i += c {
				dz := n.through(d[i], b[i], j)
				s0 += dz
				s1 += float32(dz * (b[i] - n.Mean[j]))
			}
			sdy[j] += s0
			sdyx[j] += float32(s1 * n.IStd[j])
		}
	}
}

func (plain) normGrad(dx, dy, x, a, b, d []float32, n NormBackward) {
	for r := 0; r < len(x); r += len(a) {
		for j := range a {
			dx[r+j] = float32(a[j]*n.through(dy[r+j], x[r+j], j)) + float32(b[j]*x[r+j]) + d[j]
		}
	}
}

func (plain) add(dst, x, y []float32) {
	for i := range dst {
		dst[i] = x[i] + y[i]
	}
}

func (plain) mul(dst, x, y []float32) {
	for i := range dst {
		dst[i] = x[i] * y[i]
	}
}

func (plain) scale(dst, x []float32, s float32) {
	for i := range dst {
		dst[i] = s * x[i]
	}
}

func (plain) axpy(dst []float32, s float32, x []float32) {
	for i := range dst {
		dst[i] += float32(s * x[i])
	}
}

func (plain) sumSquares(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return sum
}

func (plain) adamW(o AdamW, w, m, v, g []float32, scale float32) {
	r1, r2 := 1/o.Correct1, 1/o.Correct2
	for i := range w {
		d := g[i] * scale
		m[i] += float32((1 - o.Beta1) * (d - m[i]))
		v[i] += float32((1 - o.Beta2) * (float32(d*d) - v[i]))
		root := float32(math.Sqrt(float64(v[i] * r2)))
		w[i] -= float32(o.LearnRate * (m[i]*r1/(root+o.Eps) + float32(o.WeightDecay*w[i])))
	}
}

// taps yields where the window of one output pixel touches the input, in order
// of depth, height, width.
func (p *Pool) taps(pixel int) iter.Seq[int] {
	w, h, d := pixel%p.Out[2], pixel/p.Out[2]%p.Out[1], pixel/p.Out[2]/p.Out[1]
	return func(yield func(int) bool) {
		d0, d1 := p.window(0, d)
		h0, h1 := p.window(1, h)
		w0, w1 := p.window(2, w)
		for d := d0; d < d1; d++ {
			for h := h0; h < h1; h++ {
				for w := w0; w < w1; w++ {
					if !yield(((d*p.In[1]+h)*p.In[2] + w) * p.C) {
						return
					}
				}
			}
		}
	}
}

// pixel returns flux, inverse variance and significance of pixel i, all 0 if it
// has no data.
func pixel(flux, ivar []float32, i int) (f, v, s float32) {
	f, v = flux[i], 1
	if ivar != nil {
		v = ivar[i]
	}
	if f-f != 0 || !(v > 0) || v > math.MaxFloat32 {
		return 0, 0, 0
	}
	s = f * float32(math.Sqrt(float64(v)))
	return f, v, max(-math.MaxFloat32, min(math.MaxFloat32, s))
}

func (plain) weigh(flux, ivar []float32) (w weight) {
	for i := range flux {
		_, v, s := pixel(flux, ivar, i)
		w.squares += float64(s) * float64(s)
		w.weights += float64(v)
		if v > 0 {
			w.good++
		}
		if ivar != nil && ivar[i] < 0 {
			w.negative++
		}
	}
	return w
}

func (plain) standardize(dst, flux, ivar []float32, channels int, scale float32) {
	for i := range flux {
		f, _, s := pixel(flux, ivar, i)
		d := dst[i*channels : (i+1)*channels]
		d[0] = max(-20, min(20, f*scale))
		if channels > 1 {
			d[1] = 0
			if ivar != nil {
				d[1] = s / float32(0.25*float64(max(s, -s))+2)
			}
		}
	}
}

func (plain) poolMax(p *Pool, y, x []float32) {
	for o := 0; o < len(y); o += p.C {
		best := y[o:][:p.C]
		first := true
		for i := range p.taps(o / p.C) {
			for j, v := range x[i:][:p.C] {
				if first || v > best[j] || v != v {
					best[j] = v
				}
			}
			first = false
		}
	}
}

func (plain) poolMaxGrad(p *Pool, dx, x, y, dy []float32) {
	clear(dx)
	for o := 0; o < len(y); o += p.C {
		for j := range p.C {
			for i := range p.taps(o / p.C) {
				if v := x[i+j]; v == y[o+j] || v != v {
					dx[i+j] += dy[o+j]
					break
				}
			}
		}
	}
}
