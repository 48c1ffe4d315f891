package spectra

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize"

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

	distance, regression, joint *stats.ECDF // of the scores of held-out spectra
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
	return o, o.regress(features, spoilt)
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

// scores returns both scores of one row of features.
func (o *novelty) scores(f []float32, tmp []float32) (distance, regression float32) {
	d := o.d
	white := tmp[:d]
	for i := range white {
		var dot float32
		for j, v := range o.metric[i*d : (i+1)*d] {
			dot += v * f[j]
		}
		white[i] = dot
	}
	distance = float32(math.Inf(1))
	for c := range o.k {
		var sum float32
		for i, v := range o.center[c*d : (c+1)*d] {
			sum += (white[i] - v) * (white[i] - v)
		}
		distance = min(distance, sum)
	}
	regression = o.weight[d]
	for j, v := range f {
		regression += o.weight[j] * v
	}
	return distance, regression
}

// calibrate takes the distributions of the scores on held-out spectra.
func (o *novelty) calibrate(features []float32) error {
	n := len(features) / o.d
	tmp := make([]float32, o.d)
	a, b := make([]float32, n), make([]float32, n)
	for i := range n {
		a[i], b[i] = o.scores(features[i*o.d:(i+1)*o.d], tmp)
	}
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

// ood returns the fraction of held-out spectra that are no more unusual.
func (o *novelty) ood(f []float32, tmp []float32) float32 {
	return float32(o.joint.At(o.join(o.scores(f, tmp))))
}
