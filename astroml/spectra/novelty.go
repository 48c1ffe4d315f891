package spectra

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize"

	"github.com/goastroml/goastroml/astroml/internal/kernel"
	"github.com/goastroml/goastroml/astroml/stats"
)

// novelty scores how unlike the training spectra a spectrum is, in the space of
// the network's features. Two scores are joined, as the product of their
// p-values on held-out spectra (Fisher's method): the distance to the nearest
// class mean in the metric of the common covariance (Lee et al. 2018,
// arXiv:1807.03888), for the unforeseen; and a logistic regression against
// spoilt training spectra, for blank fibres, sky and blends (outlier exposure,
// Hendrycks et al. 2019, arXiv:1812.04606).
type novelty struct {
	d, k   int
	center []float32 // k × d class means, whitened
	metric []float32 // d × d, rows whiten
	weight []float32 // d + 1, of the regression

	project                     *kernel.Matrix // d × (d+1): metric transposed, weight
	distance, regression, joint *stats.ECDF    // of the scores of held-out spectra
}

// fitNovelty learns from the features of training spectra and of spoilt ones.
func fitNovelty(features []float32, labels []int, spoilt []float32, d, k int) (*novelty, error) {
	o := &novelty{d: d, k: k, center: make([]float32, k*d)}
	count := make([]float64, k)
	sum := make([]float64, k*d)
	for i, l := range labels {
		count[l]++
		for j, v := range features[i*d : (i+1)*d] {
			sum[l*d+j] += float64(v)
		}
	}
	for l := range k {
		for j := range d {
			o.center[l*d+j] = float32(sum[l*d+j] / max(1, count[l]))
		}
	}
	cov := mat.NewSymDense(d, nil)
	diff := make([]float64, d)
	for i, l := range labels {
		for j, v := range features[i*d : (i+1)*d] {
			diff[j] = float64(v - o.center[l*d+j])
		}
		cov.SymRankOne(cov, 1/float64(len(labels)), mat.NewVecDense(d, diff))
	}
	var trace float64
	for j := range d {
		trace += cov.At(j, j)
	}
	for j := range d {
		// Features that are never active must not give infinite distances.
		cov.SetSym(j, j, cov.At(j, j)+1e-3*trace/float64(d)+1e-12)
	}
	var e mat.EigenSym
	if !e.Factorize(cov, true) {
		return nil, errors.New("spectra: the covariance of the features has no eigenvalues")
	}
	var vec mat.Dense
	e.VectorsTo(&vec)
	o.metric = make([]float32, d*d)
	for i, v := range e.Values(nil) {
		for j := range d {
			o.metric[i*d+j] = float32(vec.At(j, i) / math.Sqrt(v))
		}
	}
	for c := range k {
		mean := append([]float32(nil), o.center[c*d:(c+1)*d]...)
		for i := range d {
			var dot float32
			for j, v := range o.metric[i*d : (i+1)*d] {
				dot += v * mean[j]
			}
			o.center[c*d+i] = dot
		}
	}
	if err := o.regress(features, spoilt); err != nil {
		return nil, err
	}
	o.prepare()
	return o, nil
}

// prepare packs the metric and the weights for scores.
func (o *novelty) prepare() {
	d := o.d
	p := make([]float32, d*(d+1))
	for i := range d {
		for j := range d {
			p[j*(d+1)+i] = o.metric[i*d+j]
		}
		p[i*(d+1)+d] = o.weight[i]
	}
	o.project = kernel.NewMatrix(p, d, d+1)
}

// regress fits the logistic regression, each side with half of the weight.
func (o *novelty) regress(in, out []float32) error {
	d := o.d
	x := make([]float64, d+1)
	n, m := len(in)/d, len(out)/d
	side := func(f []float32, sign, weight float64, w, grad []float64) (loss float64) {
		for i := 0; i < len(f); i += d {
			z := w[d]
			for j, v := range f[i : i+d] {
				z += w[j] * float64(v)
			}
			z *= sign
			// log(1+e^-z), stable on both sides.
			loss += weight * (math.Max(0, -z) + math.Log1p(math.Exp(-math.Abs(z))))
			if grad != nil {
				g := -sign * weight / (1 + math.Exp(z))
				for j, v := range f[i : i+d] {
					grad[j] += g * float64(v)
				}
				grad[d] += g
			}
		}
		return loss
	}
	const ridge = 1e-4
	value := func(w, grad []float64) float64 {
		clear(grad)
		loss := side(out, 1, 0.5/float64(m), w, grad) + side(in, -1, 0.5/float64(n), w, grad)
		for j := range d {
			loss += ridge / 2 * w[j] * w[j]
			if grad != nil {
				grad[j] += ridge * w[j]
			}
		}
		return loss
	}
	p := optimize.Problem{
		Func: func(w []float64) float64 { return value(w, nil) },
		Grad: func(grad, w []float64) { value(w, grad) },
	}
	r, err := optimize.Minimize(p, x, &optimize.Settings{MajorIterations: 100}, &optimize.LBFGS{})
	if r == nil {
		return err
	}
	for _, v := range r.X {
		o.weight = append(o.weight, float32(v))
	}
	return nil
}

// scores sets the two scores of each row of features; tmp holds d + 1 floats a
// row.
func (o *novelty) scores(distance, regression, features, tmp []float32) {
	d := o.d
	o.project.Multiply(tmp, features, kernel.Epilogue{})
	for r := range distance {
		white := tmp[r*(d+1) : (r+1)*(d+1)]
		distance[r] = float32(math.Inf(1))
		for c := range o.k {
			distance[r] = min(distance[r], squared(white[:d], o.center[c*d:(c+1)*d]))
		}
		regression[r] = white[d] + o.weight[d]
	}
}

// squared is the squared distance of two points. Four sums do not wait for each
// other.
func squared(x, y []float32) float32 {
	var s [4]float32
	for len(x) >= 4 && len(y) >= 4 {
		for i := range s {
			v := x[i] - y[i]
			s[i] += v * v
		}
		x, y = x[4:], y[4:]
	}
	for i, v := range x {
		s[i] += (v - y[i]) * (v - y[i])
	}
	return s[0] + s[1] + s[2] + s[3]
}

// calibrate takes the distributions of the scores on held-out spectra.
func (o *novelty) calibrate(features []float32) error {
	n := len(features) / o.d
	a, b := make([]float32, n), make([]float32, n)
	o.scores(a, b, features, make([]float32, n*(o.d+1)))
	var err error
	if o.distance, err = stats.NewECDF(a); err != nil {
		return err
	}
	if o.regression, err = stats.NewECDF(b); err != nil {
		return err
	}
	for i := range a {
		a[i] = o.join(a[i], b[i])
	}
	o.joint, err = stats.NewECDF(a)
	return err
}

// join returns -Σ log p of the p-values of two scores, p ≥ 0.0005.
func (o *novelty) join(distance, regression float32) float32 {
	const floor = 5e-4 // half a step of the distributions
	return float32(-math.Log(1-o.distance.At(distance)+floor) - math.Log(1-o.regression.At(regression)+floor))
}

// ood returns the fraction of held-out spectra that are no more unusual than
// one with these scores.
func (o *novelty) ood(distance, regression float32) float32 {
	return float32(o.joint.At(o.join(distance, regression)))
}
