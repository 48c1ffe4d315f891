package moment

import (
	"fmt"
	"math"
	"slices"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// scaling is how data become a network's inputs, and parameters its targets.
type scaling struct {
	inputs string
	shape  []int     // of a row: (feature), (channel, bin), (field, y, x), (field, x, y, z)
	every  int       // values of a row that share a mean: 1, or the pixels of a field
	mean   []float32 // of the transformed values
	istd   []float32
	floor  []float32 // of values before the logarithm
	lo     []float64 // of each parameter
	width  []float64
}

// most is the number of rows that scales are taken from: those of huge sets are
// sampled.
const most = 20000

// newScaling takes the scales of a set.
func newScaling(set Set, cfg Config) (*scaling, error) {
	s := newColumns(set.X.Shape[1:])
	s.inputs = cfg.Inputs
	n, size := set.X.Shape[0], len(set.X.Data)/set.X.Shape[0]
	columns := size / s.every
	rows := rng.New(cfg.Seed, "scale").Perm(n)
	rows = rows[:min(n, max(2, min(most, 1<<28/size)))]
	if n <= len(rows) {
		for i := range rows {
			rows[i] = i
		}
	}
	s.floor = make([]float32, columns)
	if cfg.Inputs == "log" {
		for c := range s.floor {
			s.floor[c] = math.MaxFloat32
		}
		for _, r := range rows {
			for i, v := range rowOf(set.X, r) {
				if v > 0 && v < s.floor[i/s.every] {
					s.floor[i/s.every] = v
				}
			}
		}
		for c, v := range s.floor {
			if v == math.MaxFloat32 {
				return nil, fmt.Errorf("moment: %s has no positive value, and no logarithm (want other inputs than log)", s.column(c*s.every))
			}
		}
	}
	sum, squares := make([]float64, columns), make([]float64, columns)
	y := make([]float32, size)
	pass := func(f func(c int, v float64)) error {
		for _, r := range rows {
			x := rowOf(set.X, r)
			s.transform(y, x)
			for i, v := range y {
				if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
					return fmt.Errorf("moment: %s of row %d is %g", s.column(i), r, x[i])
				}
				f(i/s.every, float64(v))
			}
		}
		return nil
	}
	if err := pass(func(c int, v float64) { sum[c] += v }); err != nil {
		return nil, err
	}
	count := float64(len(rows) * s.every)
	pass(func(c int, v float64) { d := v - sum[c]/count; squares[c] += d * d })
	for c := range columns {
		mean, std := sum[c]/count, math.Sqrt(squares[c]/count)
		if !(std > 1e-6*math.Abs(mean)) {
			return nil, fmt.Errorf("moment: %s is %g in all rows (leave it out)", s.column(c*s.every), mean)
		}
		s.mean, s.istd = append(s.mean, float32(mean)), append(s.istd, float32(1/std))
	}
	p := set.Theta.Shape[1]
	for j := range p {
		lo, hi := math.Inf(1), math.Inf(-1)
		for i := j; i < len(set.Theta.Data); i += p {
			lo, hi = min(lo, float64(set.Theta.Data[i])), max(hi, float64(set.Theta.Data[i]))
		}
		if cfg.Bounds != nil {
			lo, hi = cfg.Bounds[j][0], cfg.Bounds[j][1]
		}
		s.lo, s.width = append(s.lo, lo), append(s.width, hi-lo)
	}
	return s, nil
}

// newColumns returns a scaling that knows no more than a row's shape, and which
// of its values share a mean.
func newColumns(shape []int) *scaling {
	s := &scaling{shape: slices.Clone(shape), every: 1}
	if len(shape) > 2 {
		for _, l := range shape[1:] {
			s.every *= l
		}
	}
	return s
}

// column says where value i of a row is.
func (s *scaling) column(i int) string {
	c := i / s.every
	switch len(s.shape) {
	case 1:
		return fmt.Sprintf("feature %d", c)
	case 2:
		return fmt.Sprintf("bin %d of channel %d", c%s.shape[1], c/s.shape[1])
	}
	return fmt.Sprintf("field %d", c)
}

// transform writes the transformed values of a row to y.
func (s *scaling) transform(y, x []float32) {
	switch s.inputs {
	case "log":
		for i := 0; i < len(x); i += s.every {
			f := s.floor[i/s.every]
			for j, v := range x[i : i+s.every] {
				if v < f { // NaN stays
					v = f
				}
				y[i+j] = v
			}
		}
		kernel.Log(y, y)
		kernel.Scale(y, y, 1/math.Ln10)
	case "asinh":
		for i, v := range x {
			y[i] = float32(math.Asinh(float64(v)))
		}
	default:
		copy(y, x)
	}
}

// slope writes the derivative of the scaled values of a row to d.
func (s *scaling) slope(d, x []float32) {
	for i, v := range x {
		c := i / s.every
		switch {
		case s.inputs == "linear":
			d[i] = s.istd[c]
		case s.inputs == "asinh":
			d[i] = s.istd[c] / float32(math.Sqrt(1+float64(v)*float64(v)))
		case v > s.floor[c]:
			d[i] = s.istd[c] / (v * math.Ln10)
		default:
			d[i] = 0
		}
	}
}

// scale writes the scaled values of a row, as they lie in x, to y.
func (s *scaling) scale(y, x []float32) {
	s.transform(y, x)
	for c, m := range s.mean {
		k := s.istd[c]
		for i := c * s.every; i < (c+1)*s.every; i++ {
			y[i] = (y[i] - m) * k
		}
	}
}

// input returns the shape of a batch of n as networks see it: channels last.
func (s *scaling) input(n int) []int {
	in := []int{n, 1, 1, 1, s.shape[0]}
	copy(in[5-len(s.shape):4], s.shape[1:])
	return in
}

// lay writes a scaled row channels last; from, if not nil, says which pixel of a
// field comes to each place.
func (s *scaling) lay(y, x []float32, from func(pixel int) int) {
	fields := s.shape[0]
	pixels := len(x) / fields
	if (fields == 1 || pixels == 1) && from == nil {
		copy(y, x)
		return
	}
	for f := range fields {
		for i := range pixels {
			j := i
			if from != nil {
				j = from(i)
			}
			y[i*fields+f] = x[f*pixels+j]
		}
	}
}

// check returns an error unless x holds rows of the model's shape, and how many.
func (s *scaling) check(x astroml.Array) (n int, err error) {
	size, want := 1, "(n"
	for _, l := range s.shape {
		size *= l
		want += fmt.Sprint(", ", l)
	}
	if len(x.Shape) == 0 || !slices.Equal(x.Shape[1:], s.shape) || x.Shape[0] < 0 || len(x.Data) != x.Shape[0]*size {
		return 0, fmt.Errorf("moment: %d values of shape %v, the model wants %s): %w", len(x.Data), x.Shape, want, astroml.ErrShape)
	}
	return x.Shape[0], nil
}
