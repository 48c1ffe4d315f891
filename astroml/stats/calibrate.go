package stats

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/optimize"

	"github.com/goastroml/goastroml/astroml"
)

// Temperatures are sought between these. A classifier that is right on every
// held-out object would want 0.
const (
	minTemperature = 0.01
	maxTemperature = 100
)

// Temperature returns the T for which softmax(logits/T) has the smallest
// negative log-likelihood on held-out objects (Guo et al. 2017,
// arXiv:1706.04599, section 4.2), between 0.01 and 100. Logits may be
// log-probabilities, of which −Inf counts as −103, the logarithm of the smallest
// float32.
func Temperature(logits []float32, labels []int, k int) (float64, error) {
	z, err := logSoftmax(logits, labels, k)
	if err != nil {
		return 0, err
	}
	return temperature(z, labels, k, 0), nil
}

// temperature finds the root of d/dβ of NLL + precision·(β−1)²/2 in β = 1/T by
// Newton's method within a bracket. Both are convex in β, so there is one.
func temperature(z []float64, labels []int, k int, precision float64) float64 {
	p := make([]float64, k)
	slopes := func(beta float64) (d1, d2 float64) {
		d1, d2 = precision*(beta-1), precision
		for i, y := range labels {
			row := z[i*k : (i+1)*k]
			for c, v := range row {
				p[c] = beta * v
			}
			softmax(p)
			var mean, square float64
			for c, v := range row {
				mean += p[c] * v
				square += p[c] * v * v
			}
			d1 += mean - row[y]
			d2 += square - mean*mean
		}
		return d1, d2
	}
	lo, hi := 1.0/maxTemperature, 1.0/minTemperature
	if d, _ := slopes(lo); d >= 0 {
		return maxTemperature
	}
	if d, _ := slopes(hi); d <= 0 {
		return minTemperature
	}
	beta := 1.0
	for range 200 { // bisection alone needs 60
		d1, d2 := slopes(beta)
		if d1 < 0 {
			lo = beta
		} else {
			hi = beta
		}
		next := beta - d1/d2
		if !(next > lo && next < hi) {
			next = (lo + hi) / 2
		}
		done := math.Abs(next-beta) <= 1e-12*beta
		if beta = next; done {
			break
		}
	}
	return 1 / beta
}

// Widths of the Gaussian priors of Calibrate: of 1/T about 1, of a class's scale
// about that, relative, and of its bias about 0, in nats. A few hundred objects
// overrule them.
const (
	inverseWidth = 1.0
	scaleWidth   = 0.5
	biasWidth    = 1.0
)

// Calibrator turns logits into calibrated probabilities,
// softmax(Scale·log softmax(logits) + Bias), class by class.
type Calibrator struct {
	Scale, Bias []float32 // one a class
}

// Calibrate fits a Calibrator to held-out objects: vector scaling (Guo et al.
// 2017, arXiv:1706.04599, section 4.2) of log-probabilities, which is diagonal
// Dirichlet calibration (Kull et al. 2019, arXiv:1910.12656). Unlike one
// temperature it can undo a class that is favoured, or is too sure alone.
//
// The fit is the most probable one under Gaussian priors: first of 1/T, about 1
// with a width of 1, then of the scales about 1/T, with a relative width of 0.5,
// and of the biases about 0, with a width of 1. So it becomes temperature
// scaling where there are few objects, does not run away where all of them are
// right, and never makes the NLL of the held-out objects worse. The problem is
// convex; it is solved by L-BFGS.
func Calibrate(logits []float32, labels []int, k int) (*Calibrator, error) {
	z, err := logSoftmax(logits, labels, k)
	if err != nil {
		return nil, err
	}
	a0 := 1 / temperature(z, labels, k, 1/(inverseWidth*inverseWidth))
	f := &scaling{z: z, labels: labels, k: k, a0: a0, p: make([]float64, k)}
	problem := optimize.Problem{
		Func: func(x []float64) float64 { return f.loss(x, nil) },
		Grad: func(grad, x []float64) { f.loss(x, grad) },
	}
	settings := &optimize.Settings{GradientThreshold: 1e-7, MajorIterations: 500}
	start := make([]float64, 2*k)
	result, err := optimize.Minimize(problem, start, settings, &optimize.LBFGS{})
	// The line search gives up once rounding hides the descent. What counts is
	// that the gradient, in nats per unit, is gone.
	if result == nil || !(maxAbs(f.gradient(result.X)) < 1e-4) {
		return nil, fmt.Errorf("stats: the calibration did not converge (%v)", err)
	}
	cal := &Calibrator{Scale: make([]float32, k), Bias: make([]float32, k)}
	for c := range k {
		cal.Scale[c] = float32(a0 * (1 + result.X[c]))
		cal.Bias[c] = float32(result.X[k+c])
	}
	return cal, nil
}

// scaling is the objective of Calibrate. Its unknowns are s and b, in
// a = a0·(1+s) and a·z + b.
type scaling struct {
	z      []float64
	labels []int
	k      int
	a0     float64
	p      []float64
}

// loss returns the negative log-posterior per object, and its gradient if grad
// is not nil.
func (f *scaling) loss(x, grad []float64) float64 {
	k, n := f.k, float64(len(f.labels))
	s, b := x[:k], x[k:]
	clear(grad)
	var sum float64
	for i, y := range f.labels {
		row := f.z[i*k : (i+1)*k]
		for c, v := range row {
			f.p[c] = f.a0*(1+s[c])*v + b[c]
		}
		chosen := f.p[y]
		sum += softmax(f.p) - chosen
		if grad == nil {
			continue
		}
		f.p[y]--
		for c, v := range row {
			grad[c] += f.p[c] * f.a0 * v
			grad[k+c] += f.p[c]
		}
	}
	for c := range k {
		sum += s[c]*s[c]/(2*scaleWidth*scaleWidth) + b[c]*b[c]/(2*biasWidth*biasWidth)
		if grad != nil {
			grad[c] += s[c] / (scaleWidth * scaleWidth)
			grad[k+c] += b[c] / (biasWidth * biasWidth)
		}
	}
	for i := range grad {
		grad[i] /= n
	}
	return sum / n
}

func (f *scaling) gradient(x []float64) []float64 {
	grad := make([]float64, len(x))
	f.loss(x, grad)
	return grad
}

func maxAbs(x []float64) float64 {
	var m float64
	for _, v := range x {
		m = max(m, math.Abs(v)) // NaN stays
	}
	return m
}

// Apply returns calibrated probabilities of n × class logits (or
// log-probabilities). A row with NaN gives NaN.
func (cal *Calibrator) Apply(logits []float32) ([]float32, error) {
	k := len(cal.Scale)
	if k == 0 || len(cal.Bias) != k || len(logits)%k != 0 {
		return nil, fmt.Errorf("stats: %d logits, %d scales and %d biases: %w", len(logits), k, len(cal.Bias), astroml.ErrShape)
	}
	prob := make([]float32, len(logits))
	row := make([]float64, k)
	for i := 0; i < len(logits); i += k {
		normalise(row, logits[i:i+k])
		for c, v := range row {
			row[c] = float64(cal.Scale[c])*v + float64(cal.Bias[c])
		}
		softmax(row)
		for c, v := range row {
			prob[i+c] = float32(v)
		}
	}
	return prob, nil
}

// impossible is what a log-probability of −Inf counts as: the logarithm of the
// smallest float32, since −Inf times 0 is NaN.
const impossible = -149 * math.Ln2

// logSoftmax checks logits and returns their log-probabilities.
func logSoftmax(logits []float32, labels []int, k int) ([]float64, error) {
	if err := checkLabels(len(logits), labels, k); err != nil {
		return nil, err
	}
	z := make([]float64, len(logits))
	for i := range labels {
		row := z[i*k : (i+1)*k]
		normalise(row, logits[i*k:(i+1)*k])
		if slices.ContainsFunc(row, math.IsNaN) {
			return nil, fmt.Errorf("stats: logits of object %d are %v, want numbers", i, logits[i*k:(i+1)*k])
		}
	}
	return z, nil
}

// normalise writes the log-softmax of logits to dst.
func normalise(dst []float64, logits []float32) {
	for c, v := range logits {
		dst[c] = float64(v)
	}
	norm := softmax(dst)
	for c, v := range logits {
		dst[c] = float64(v) - norm
		if math.IsInf(dst[c], -1) {
			dst[c] = impossible
		}
	}
}

// softmax replaces x by its softmax and returns log Σ exp x.
func softmax(x []float64) float64 {
	top := slices.Max(x)
	var sum float64
	for i, v := range x {
		x[i] = math.Exp(v - top)
		sum += x[i]
	}
	for i := range x {
		x[i] /= sum
	}
	return top + math.Log(sum)
}
