package kernel

// The points of minimal filtering but ∞, and their factors; see filter.go.
var (
	points  = [Points - 1]float32{0, 0.75, -0.75, 1.5, -1.5}
	factors = func() (f [Points]float32) {
		for i, p := range points {
			d := float32(1)
			for j, q := range points {
				if j != i {
					d *= p - q
				}
			}
			f[i] = 1 / d
		}
		f[Points-1] = 1
		return f
	}()
)

// evaluate sets out to the values of the polynomial of these coefficients.
func evaluate(out *[Points]float32, coefficients []float32) {
	n := len(coefficients)
	for i, p := range points {
		v := coefficients[n-1]
		for j := n - 2; j >= 0; j-- {
			v = float32(v*p) + coefficients[j]
		}
		out[i] = v
	}
	out[Points-1] = coefficients[n-1]
}

// collect is the transpose of evaluate.
func collect(out []float32, in *[Points]float32) {
	clear(out)
	for i, p := range points {
		v := in[i]
		for j := range out {
			out[j] += v
			v *= p
		}
	}
	out[len(out)-1] += in[Points-1]
}

// divide sets out to the residues of the data.
func divide(out, in *[Points]float32) {
	a, b := points[1]*points[1], points[3]*points[3]
	for i := range 2 { // ±p, for both p
		p, other := points[2*i+1], [2]float32{b, a}[i]
		e, o := in[4]-float32(other*in[2]), p*(in[3]-float32(other*in[1]))
		out[2*i+1], out[2*i+2] = e+o, e-o
	}
	for i, j := range [2]int{0, Points - 1} {
		out[j] = float32(a*b*in[i]) - float32((a+b)*in[i+2]) + in[i+4]
	}
}

func (plain) filterData(f Filtering, v, x []float32, lines, w, c, pad int) {
	tiles := f.Tiles()
	var in, out [Points]float32
	for l := range lines {
		for t := range tiles {
			for j := range c {
				for i := range in {
					in[i] = 0
					if at := t*f.Tile() - pad + i; at >= 0 && at < w {
						in[i] = x[(l*w+at)*c+j]
					}
				}
				divide(&out, &in)
				for i, s := range out {
					v[((l*Points+i)*tiles+t)*c+j] = s
				}
			}
		}
	}
}

func (plain) filterGradient(f Filtering, v, dy []float32, lines, c int) {
	tiles := f.Tiles()
	var out [Points]float32
	in := make([]float32, f.Tile())
	for l := range lines {
		for t := range tiles {
			for j := range c {
				for i := range in {
					in[i] = 0
					if at := t*len(in) + i; at < f.Pixels {
						in[i] = dy[(l*f.Pixels+at)*c+j]
					}
				}
				evaluate(&out, in)
				for i, s := range out {
					v[((l*Points+i)*tiles+t)*c+j] = s
				}
			}
		}
	}
}

func (plain) filterWeights(f Filtering, packed []float32, step int, panel []float32, segments, k int) {
	in := make([]float32, f.Taps)
	var out [Points]float32
	n := k * Panel
	for s := range segments {
		for j := range n {
			for i := range in {
				in[i] = panel[(s*f.Taps+i)*n+j]
			}
			evaluate(&out, in)
			for i, v := range out {
				packed[i*step+s*n+j] = v * factors[i]
			}
		}
	}
}

func (plain) filterCollect(f Filtering, dw, du []float32, step, n int) {
	out := make([]float32, f.Taps)
	var in [Points]float32
	for j := range n {
		for i := range in {
			in[i] = du[i*step+j] * factors[i]
		}
		collect(out, &in)
		for i, v := range out {
			dw[i*n+j] = v
		}
	}
}

func (s plain) filtered(p *Filtered, c, v, packed []float32, lo, hi int, e Epilogue) {
	var in [Points]float32
	out := make([]float32, p.Tile())
	depth := len(p.Seg) * p.KL
	for m := lo; m < hi; m++ {
		line, t := m/p.Width, m%p.Width
		for n := range p.N {
			for i := range in {
				w := packed[i*p.Packed+n/Panel*Panel*depth+n%Panel:]
				in[i] = 0
				for k := range depth {
					a := v[i*p.AComponent+p.ALine[line]+t*p.AStep+p.Seg[k/p.KL]+k%p.KL]
					in[i] += float32(a * w[k*Panel])
				}
			}
			collect(out, &in)
			for i, sum := range out {
				if t*len(out)+i >= p.Pixels {
					break
				}
				at := p.CLine[line] + (t*len(out)+i)*p.CStep + n
				if e.Bias != nil {
					sum += e.Bias[n]
				}
				if e.Residual != nil {
					sum += e.Residual[at]
				}
				c[at] = activate(sum, e.Act)
			}
		}
	}
}
