package bindings

import (
	"fmt"
	"slices"

	"github.com/goastroml/goastroml/astroml/stats"
)

// predicted describes true values, means and, if std is not 0, standard
// deviations of n objects and p parameters, float32.
func predicted(truth, mean, std uintptr, n, p int) (t, m, s []float32, err error) {
	t, e0 := need[float32]("truth", truth, n, p)
	m, e1 := need[float32]("mean", mean, n, p)
	s, e2 := array[float32]("std", std, n, p)
	return t, m, s, firstOf(e0, e1, e2)
}

// resampling is the JSON of how errors are found.
type resampling struct {
	Rounds int    `json:"rounds"`
	Seed   uint64 `json:"seed"`
}

// regressionColumns returns the scores in the order of StatsRegression.
func regressionColumns(s stats.Scores) [9]float64 {
	return [9]float64{s.RMSE, s.Bias, s.R2, s.MeanRelativeError, s.Chi2, s.Coverage68, s.Coverage95, s.CAMELSLoss, s.GaussianNLL}
}

func writeRegression(to []float64, r stats.Regression) {
	for _, s := range append(slices.Clone(r.Parameters), r.Mean) {
		row := regressionColumns(s)
		to = to[copy(to, row[:]):]
	}
}

// StatsRegressionScore writes a score of each of p parameters, p float64, to out:
// "rmse", "bias", "r2", "mean_relative_error", "chi2", "coverage", which alone
// looks at level, "camels_loss" or "gaussian_nll". The first four do not look at
// std. Inputs are n × p float32.
func StatsRegressionScore(name string, out, truth, mean, std uintptr, n, p int, level float64) (zero int, err error) {
	defer guard(&err)
	o, e0 := need[float64](name, out, p, 1)
	t, m, s, e1 := predicted(truth, mean, std, n, p)
	if err := firstOf(e0, e1); err != nil {
		return 0, err
	}
	var scores []float64
	switch name {
	case "rmse":
		scores, err = stats.RMSE(t, m, p)
	case "bias":
		scores, err = stats.Bias(t, m, p)
	case "r2":
		scores, err = stats.R2(t, m, p)
	case "mean_relative_error":
		scores, err = stats.MeanRelativeError(t, m, p)
	case "chi2":
		scores, err = stats.Chi2(t, m, s, p)
	case "coverage":
		scores, err = stats.Coverage(t, m, s, p, level)
	case "camels_loss":
		scores, _, err = stats.CAMELSLoss(t, m, s, p)
	case "gaussian_nll":
		scores, _, err = stats.GaussianNLL(t, m, s, p)
	default:
		err = fmt.Errorf("stats: score %q, want rmse, bias, r2, mean_relative_error, chi2, coverage, camels_loss or gaussian_nll", name)
	}
	copy(o, scores)
	return 0, err
}

// StatsRegression writes all scores, a row for each of p parameters and one for
// their mean, (p + 1) × 9 float64: RMSE, bias, R², mean relative error, χ²,
// coverage of 68 and of 95 %, CAMELS loss, Gaussian negative log-likelihood. With
// std 0 the last five are NaN. If spread, low and high are not 0, they get
// standard errors, 2.5 and 97.5 percentiles by the bootstrap over groups, n int64
// (0: each object is one). weights are n float64, or 0. options is a JSON
// object: rounds, seed.
func StatsRegression(value, spread, low, high, truth, mean, std uintptr, n, p int, weights, groups uintptr, options string) (zero int, err error) {
	defer guard(&err)
	var o resampling
	if err := fromJSON("options", options, &o); err != nil {
		return 0, err
	}
	t, m, s, e0 := predicted(truth, mean, std, n, p)
	w, e1 := array[float64]("weights", weights, n, 1)
	g, e2 := array[int64]("groups", groups, n, 1)
	if err := firstOf(e0, e1, e2); err != nil {
		return 0, err
	}
	v, e0 := need[float64]("value", value, p+1, 9)
	if spread == 0 && low == 0 && high == 0 {
		r, e1 := stats.Regress(t, m, s, n, p, w)
		if err := firstOf(e0, e1); err != nil {
			return 0, err
		}
		writeRegression(v, r)
		return 0, nil
	}
	b, e1 := need[float64]("spread", spread, p+1, 9)
	l, e2 := need[float64]("low", low, p+1, 9)
	h, e3 := need[float64]("high", high, p+1, 9)
	if err := firstOf(e0, e1, e2, e3); err != nil {
		return 0, err
	}
	e, err := stats.BootstrapRegression(o.Seed, ints(g), o.Rounds, t, m, s, n, p, w)
	if err != nil {
		return 0, err
	}
	writeRegression(v, e.Value)
	writeRegression(b, e.Err)
	writeRegression(l, e.Lo)
	writeRegression(h, e.Hi)
	return 0, nil
}

// StatsR2Difference writes by how much the mean R² of predictions a is above that
// of b to out, 4 float64: the difference, its standard error, its 2.5 and 97.5
// percentiles. Truth and predictions are n × p float32; weights, groups and
// options are those of StatsRegression.
func StatsR2Difference(out, truth, a, b uintptr, n, p int, weights, groups uintptr, options string) (zero int, err error) {
	defer guard(&err)
	var o resampling
	if err := fromJSON("options", options, &o); err != nil {
		return 0, err
	}
	to, e0 := need[float64]("difference", out, 4, 1)
	t, x, _, e1 := predicted(truth, a, 0, n, p)
	y, e2 := need[float32]("b", b, n, p)
	w, e3 := array[float64]("weights", weights, n, 1)
	g, e4 := array[int64]("groups", groups, n, 1)
	if err := firstOf(e0, e1, e2, e3, e4); err != nil {
		return 0, err
	}
	e, err := stats.R2Difference(o.Seed, ints(g), o.Rounds, t, x, y, n, p, w)
	if err != nil {
		return 0, err
	}
	copy(to, []float64{e.Value, e.Err, e.Lo, e.Hi})
	return 0, nil
}
