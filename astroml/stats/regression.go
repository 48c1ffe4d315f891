package stats

import (
	"fmt"
	"math"

	"github.com/goastroml/goastroml/astroml"
)

// Scores says how good predictions of a parameter are. They compare true values
// θ with predicted means μ and standard deviations σ of its posterior. Those
// that need σ are NaN where there is none.
type Scores struct {
	RMSE              float64 // √ of the mean (θ−μ)²
	Bias              float64 // mean μ−θ
	R2                float64 // 1 − Σ(θ−μ)²/Σ(θ−θ̄)²
	MeanRelativeError float64 // mean |θ−μ|/|θ|, NaN if a θ is 0
	Chi2              float64 // mean ((θ−μ)/σ)²
	Coverage68        float64 // fraction with |θ−μ| ≤ 0.994 σ, 0.68 for a Gaussian posterior
	Coverage95        float64 // fraction with |θ−μ| ≤ 1.960 σ, 0.95 for a Gaussian posterior
	CAMELSLoss        float64 // see CAMELSLoss
	GaussianNLL       float64 // mean ½ log 2πσ² + ½((θ−μ)/σ)², in nats
}

// scoreNames are the names of the Scores, in the order of each.
var scoreNames = [...]string{"RMSE", "Bias", "R2", "MeanRelativeError", "Chi2", "Coverage68", "Coverage95", "CAMELSLoss", "GaussianNLL"}

// each returns where the scores are.
func (s *Scores) each() [len(scoreNames)]*float64 {
	return [...]*float64{&s.RMSE, &s.Bias, &s.R2, &s.MeanRelativeError, &s.Chi2, &s.Coverage68, &s.Coverage95, &s.CAMELSLoss, &s.GaussianNLL}
}

// Regression holds the scores of several parameters.
type Regression struct {
	Parameters []Scores // of each parameter
	// Mean is the mean of each score over the parameters. That of RMSE and Bias
	// means something if the parameters are scaled alike.
	Mean Scores
}

// all returns where the scores of the parameters and their mean are.
func (r *Regression) all() []*Scores {
	var out []*Scores
	for j := range r.Parameters {
		out = append(out, &r.Parameters[j])
	}
	return append(out, &r.Mean)
}

// newRegression returns scores with their mean.
func newRegression(parameters []Scores) Regression {
	r := Regression{Parameters: parameters}
	mean := r.Mean.each()
	for j := range parameters {
		for k, v := range parameters[j].each() {
			*mean[k] += *v / float64(len(parameters))
		}
	}
	return r
}

// Regress returns all scores of n objects and p parameters. Truth, mean and std
// are n × p, row-major; std may be nil. weights[i] is the weight of object i in
// all means, 1 where weights is nil. A parameter whose truth is the same for all
// objects is an error.
func Regress(truth, mean, std []float32, n, p int, weights []float64) (Regression, error) {
	s, err := varied(truth, mean, std, n, p, weights)
	if err != nil {
		return Regression{}, err
	}
	return newRegression(s.scores()), nil
}

// RMSE returns the root of the mean (θ−μ)² of each of p parameters.
func RMSE(truth, mean []float32, p int) ([]float64, error) {
	return column(truth, mean, nil, p, func(s Scores) float64 { return s.RMSE })
}

// Bias returns the mean μ−θ of each of p parameters.
func Bias(truth, mean []float32, p int) ([]float64, error) {
	return column(truth, mean, nil, p, func(s Scores) float64 { return s.Bias })
}

// R2 returns the coefficient of determination, 1 − Σ(θ−μ)²/Σ(θ−θ̄)², of each of
// p parameters: 1 for perfect predictions, 0 for those no better than the mean
// θ̄. A parameter whose truth is the same for all objects is an error.
func R2(truth, mean []float32, p int) ([]float64, error) {
	r, err := Regress(truth, mean, nil, rowsOf(truth, p), p, nil)
	if err != nil {
		return nil, err
	}
	out := make([]float64, p)
	for j, s := range r.Parameters {
		out[j] = s.R2
	}
	return out, nil
}

// MeanRelativeError returns the mean |θ−μ|/|θ| of each of p parameters. A truth
// of 0 is an error.
func MeanRelativeError(truth, mean []float32, p int) ([]float64, error) {
	for i, v := range truth {
		if v == 0 && p > 0 {
			return nil, fmt.Errorf("stats: the truth of parameter %d is 0 for object %d, which leaves no relative error", i%p, i/p)
		}
	}
	return column(truth, mean, nil, p, func(s Scores) float64 { return s.MeanRelativeError })
}

// Chi2 returns the mean ((θ−μ)/σ)² of each of p parameters: 1 if σ is right,
// more if it is too small.
func Chi2(truth, mean, std []float32, p int) ([]float64, error) {
	if err := needStd(std, truth); err != nil {
		return nil, err
	}
	return column(truth, mean, std, p, func(s Scores) float64 { return s.Chi2 })
}

// Coverage returns the fraction of objects with |θ−μ| ≤ zσ of each of p
// parameters, where a Gaussian holds the fraction level within ±zσ.
func Coverage(truth, mean, std []float32, p int, level float64) ([]float64, error) {
	if !(level > 0 && level < 1) {
		return nil, fmt.Errorf("stats: level %g, want between 0 and 1", level)
	}
	if err := needStd(std, truth); err != nil {
		return nil, err
	}
	s, err := newSample(truth, mean, std, rowsOf(truth, p), p, nil)
	if err != nil {
		return nil, err
	}
	out := make([]float64, p)
	z := sigmas(level)
	for i, v := range truth {
		if math.Abs(float64(mean[i])-float64(v)) <= z*float64(std[i]) {
			out[i%p]++
		}
	}
	for j := range out {
		out[j] /= float64(s.n)
	}
	return out, nil
}

// CAMELSLoss returns the loss of the moment networks of CAMELS
// (Villaescusa-Navarro et al. 2021, arXiv:2109.10360) of each of p parameters,
//
//	log mean (θ−μ)² + log mean ((θ−μ)²−σ²)²
//
// and its mean over the parameters. Its minimum has the mean and the variance of
// the posterior, whatever its shape; for a Gaussian one of constant variance it
// is 3 log σ² + log 2. The means are taken of all objects: over batches of B the
// loss would come out lower, on average by about 8/B.
func CAMELSLoss(truth, mean, std []float32, p int) (each []float64, average float64, err error) {
	return loss(truth, mean, std, p, func(s Scores) float64 { return s.CAMELSLoss })
}

// GaussianNLL returns the mean negative log-density of the truth,
// ½ log 2πσ² + ½((θ−μ)/σ)², in nats, of each of p parameters, and its mean over
// the parameters.
func GaussianNLL(truth, mean, std []float32, p int) (each []float64, average float64, err error) {
	return loss(truth, mean, std, p, func(s Scores) float64 { return s.GaussianNLL })
}

func loss(truth, mean, std []float32, p int, pick func(Scores) float64) (each []float64, average float64, err error) {
	if err := needStd(std, truth); err != nil {
		return nil, 0, err
	}
	if each, err = column(truth, mean, std, p, pick); err != nil {
		return nil, 0, err
	}
	for _, v := range each {
		average += v / float64(p)
	}
	return each, average, nil
}

// column returns one score of each parameter.
func column(truth, mean, std []float32, p int, pick func(Scores) float64) ([]float64, error) {
	s, err := newSample(truth, mean, std, rowsOf(truth, p), p, nil)
	if err != nil {
		return nil, err
	}
	out := make([]float64, p)
	for j, v := range s.scores() {
		out[j] = pick(v)
	}
	return out, nil
}

func needStd(std, truth []float32) error {
	if len(std) != len(truth) {
		return fmt.Errorf("stats: %d standard deviations of %d values: %w", len(std), len(truth), astroml.ErrShape)
	}
	return nil
}

// rowsOf returns the number of rows of p values; sample's check finds what is
// left over.
func rowsOf(truth []float32, p int) int { return len(truth) / max(p, 1) }

// sigmas returns the z for which a Gaussian holds the fraction level within ±zσ.
func sigmas(level float64) float64 { return math.Sqrt2 * math.Erfinv(level) }

var z68, z95 = sigmas(0.68), sigmas(0.95)

// sample is predictions beside the truth.
type sample struct {
	truth, mean, std []float32 // std may be nil
	n, p             int
	weights          []float64 // nil is 1 for all
	first            int       // object that has a weight
}

// newSample returns a sample that fits together.
func newSample(truth, mean, std []float32, n, p int, weights []float64) (sample, error) {
	s := sample{truth: truth, mean: mean, std: std, n: n, p: p, weights: weights}
	switch {
	case p < 1 || n < 1:
		return s, fmt.Errorf("stats: %d objects of %d parameters, want at least 1 of 1: %w", n, p, astroml.ErrShape)
	case len(truth)%p != 0 || len(truth)/p != n:
		return s, fmt.Errorf("stats: %d true values, want %d × %d: %w", len(truth), n, p, astroml.ErrShape)
	case len(mean) != len(truth):
		return s, fmt.Errorf("stats: %d predictions of %d values: %w", len(mean), len(truth), astroml.ErrShape)
	case weights != nil && len(weights) != n:
		return s, fmt.Errorf("stats: %d weights for %d objects: %w", len(weights), n, astroml.ErrShape)
	}
	if std != nil {
		if err := needStd(std, truth); err != nil {
			return s, err
		}
	}
	for i, v := range truth {
		var what, want string
		bad := v
		switch {
		case !finite(v):
			what, want = "truth", "a finite number"
		case !finite(mean[i]):
			bad, what, want = mean[i], "prediction", "a finite number"
		case std != nil && !(std[i] > 0 && finite(std[i])):
			bad, what, want = std[i], "standard deviation", "a finite number above 0"
		default:
			continue
		}
		return s, fmt.Errorf("stats: the %s of parameter %d is %g for object %d, want %s", what, i%p, bad, i/p, want)
	}
	var sum float64
	for i, w := range weights {
		if !(w >= 0) {
			return s, fmt.Errorf("stats: the weight of object %d is %g, want 0 or more", i, w)
		}
		sum += w
	}
	if weights != nil && !(sum > 0 && sum <= math.MaxFloat64) {
		return s, fmt.Errorf("stats: the weights sum to %g, want a finite number above 0", sum)
	}
	for weights != nil && weights[s.first] == 0 {
		s.first++
	}
	return s, nil
}

func finite(v float32) bool { return math.Abs(float64(v)) <= math.MaxFloat32 }

// varied returns a sample none of whose parameters is the same for all objects.
func varied(truth, mean, std []float32, n, p int, weights []float64) (sample, error) {
	s, err := newSample(truth, mean, std, n, p, weights)
	if err != nil {
		return s, err
	}
	for j := range p {
		if t := s.tally(j, upTo(n)); t.lo == t.hi {
			return s, fmt.Errorf("stats: the truth of parameter %d is %g for all objects, which leaves R2 undefined", j, float32(t.lo))
		}
	}
	return s, nil
}

// scores returns the scores of each parameter.
func (s sample) scores() []Scores {
	out := make([]Scores, s.p)
	all := upTo(s.n)
	for j := range out {
		t := s.tally(j, all)
		out[j] = t.scores(s.std != nil)
	}
	return out
}

// spread is what R2 of a parameter is made of: weighted sums over objects.
type spread struct {
	weight         float64
	sum, variation float64 // of θ−origin and its square
	lo, hi         float64 // the smallest and the largest θ, if there is any weight
	square         float64 // of (μ−θ)²
}

// tally is what all scores of a parameter are made of.
type tally struct {
	spread
	diff       float64 // of μ−θ
	relative   float64 // of |μ−θ|/|θ|
	chi2       float64 // of ((μ−θ)/σ)²
	in68, in95 float64 // of 1 where θ is within
	excess     float64 // of ((μ−θ)²−σ²)²
	nll        float64
}

// tally adds up these rows of parameter j.
func (s sample) tally(j int, rows []int) tally {
	var t tally
	origin := float64(s.truth[s.first*s.p+j]) // keeps digits where θ varies little
	w := 1.0
	for _, i := range rows {
		if s.weights != nil {
			if w = s.weights[i]; w == 0 {
				continue
			}
		}
		truth := float64(s.truth[i*s.p+j])
		d := float64(s.mean[i*s.p+j]) - truth
		t.span(truth, truth)
		t.weight += w
		t.sum += w * (truth - origin)
		t.variation += w * (truth - origin) * (truth - origin)
		t.diff += w * d
		t.square += w * d * d
		if truth == 0 {
			t.relative = math.NaN()
		}
		t.relative += w * math.Abs(d/truth)
		if s.std == nil {
			continue
		}
		std := float64(s.std[i*s.p+j])
		t.chi2 += w * d / std * d / std
		if math.Abs(d) <= z68*std {
			t.in68 += w
		}
		if math.Abs(d) <= z95*std {
			t.in95 += w
		}
		excess := d*d - std*std
		t.excess += w * excess * excess
		t.nll += w * (0.5*math.Log(2*math.Pi) + math.Log(std) + d/std*d/std/2)
	}
	return t
}

// span widens the range of θ; it comes before the weight.
func (r *spread) span(lo, hi float64) {
	if r.weight == 0 {
		r.lo, r.hi = lo, hi
	}
	r.lo, r.hi = min(r.lo, lo), max(r.hi, hi)
}

func (r *spread) add(o *spread) {
	if o.weight == 0 {
		return
	}
	r.span(o.lo, o.hi)
	r.weight += o.weight
	r.sum += o.sum
	r.variation += o.variation
	r.square += o.square
}

func (r *spread) r2() float64 {
	if r.lo == r.hi { // there is nothing to explain
		return math.NaN()
	}
	return 1 - r.square/(r.variation-r.sum*r.sum/r.weight)
}

func (t *tally) add(o *tally) {
	t.spread.add(&o.spread)
	t.diff += o.diff
	t.relative += o.relative
	t.chi2 += o.chi2
	t.in68 += o.in68
	t.in95 += o.in95
	t.excess += o.excess
	t.nll += o.nll
}

func (t *tally) scores(withStd bool) Scores {
	s := Scores{
		RMSE:              math.Sqrt(t.square / t.weight),
		Bias:              t.diff / t.weight,
		R2:                t.r2(),
		MeanRelativeError: t.relative / t.weight,
		Chi2:              t.chi2 / t.weight,
		Coverage68:        t.in68 / t.weight,
		Coverage95:        t.in95 / t.weight,
		CAMELSLoss:        math.Log(t.square/t.weight) + math.Log(t.excess/t.weight),
		GaussianNLL:       t.nll / t.weight,
	}
	if !withStd {
		nan := math.NaN()
		s.Chi2, s.Coverage68, s.Coverage95, s.CAMELSLoss, s.GaussianNLL = nan, nan, nan, nan, nan
	}
	return s
}

// upTo returns 0 to n−1: all rows, or groups of one.
func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
