package stats_test

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/rng"
	"github.com/goastroml/goastroml/astroml/stats"
)

// predict returns n objects of p parameters: truth, predictions that scatter by
// noise about it, and standard deviations that are right up to a factor.
func predict(seed uint64, n, p int, noise float64) (truth, mean, std []float32) {
	t, r := rng.New(1, "truth"), rng.New(seed, "prediction")
	for range n * p {
		v := t.NormFloat64() + 3
		truth = append(truth, float32(v))
		mean = append(mean, float32(v+noise*r.NormFloat64()))
		std = append(std, float32(noise*(0.5+r.Float64())))
	}
	return truth, mean, std
}

// defined computes the scores of parameter j for some rows by their definitions.
func defined(truth, mean, std []float32, p, j int, rows []int, weights []float64) stats.Scores {
	w := func(i int) float64 {
		if weights == nil {
			return 1
		}
		return weights[i]
	}
	average := func(f func(theta, mu, sigma float64) float64) float64 {
		var sum, norm float64
		for _, i := range rows {
			sum += w(i) * f(float64(truth[i*p+j]), float64(mean[i*p+j]), float64(std[i*p+j]))
			norm += w(i)
		}
		return sum / norm
	}
	within := func(z float64) float64 {
		return average(func(t, m, s float64) float64 {
			if math.Abs(t-m) <= z*s {
				return 1
			}
			return 0
		})
	}
	center := average(func(t, m, s float64) float64 { return t })
	square := average(func(t, m, s float64) float64 { return (t - m) * (t - m) })
	return stats.Scores{
		RMSE:              math.Sqrt(square),
		Bias:              average(func(t, m, s float64) float64 { return m - t }),
		R2:                1 - square/average(func(t, m, s float64) float64 { return (t - center) * (t - center) }),
		MeanRelativeError: average(func(t, m, s float64) float64 { return math.Abs((t - m) / t) }),
		Chi2:              average(func(t, m, s float64) float64 { return math.Pow((t-m)/s, 2) }),
		Coverage68:        within(0.994457883209753), // SciPy's norm.ppf(0.84)
		Coverage95:        within(1.959963984540054), // and norm.ppf(0.975)
		CAMELSLoss:        math.Log(square) + math.Log(average(func(t, m, s float64) float64 { return math.Pow((t-m)*(t-m)-s*s, 2) })),
		GaussianNLL:       average(func(t, m, s float64) float64 { return 0.5*math.Log(2*math.Pi*s*s) + math.Pow((t-m)/s, 2)/2 }),
	}
}

// nearScores compares all scores, relative to those above 1.
func nearScores(t *testing.T, what string, got, want stats.Scores, tolerance float64) {
	t.Helper()
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for k := range g.NumField() {
		x, y := g.Field(k).Float(), w.Field(k).Float()
		if math.IsNaN(x) && math.IsNaN(y) {
			continue
		}
		near(t, what+": "+g.Type().Field(k).Name, x, y, tolerance*max(1, math.Abs(y)))
	}
}

func rowsTo(n int) (rows []int) {
	for i := range n {
		rows = append(rows, i)
	}
	return rows
}

func TestRegressByHand(t *testing.T) {
	r, err := stats.Regress([]float32{1, 2, 3, 4}, []float32{1.5, 2, 2.5, 5}, []float32{0.5, 1, 0.25, 1}, 4, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	// μ−θ is ½, 0, −½, 1.
	want := stats.Scores{
		RMSE:              math.Sqrt(1.5 / 4),
		Bias:              0.25,
		R2:                1 - 1.5/5,
		MeanRelativeError: (0.5 + 0.5/3 + 1./4) / 4,
		Chi2:              (1 + 0 + 4 + 1.) / 4,
		Coverage68:        0.25,
		Coverage95:        0.75,
		CAMELSLoss:        math.Log(1.5/4) + math.Log((1+math.Pow(0.25-0.0625, 2))/4),
		GaussianNLL:       0.5*math.Log(2*math.Pi) + math.Log(0.5*0.25)/4 + 6./8,
	}
	nearScores(t, "scores", r.Parameters[0], want, 1e-14)
	nearScores(t, "their mean over one parameter", r.Mean, want, 1e-14)
}

func TestRegressIsAsDefined(t *testing.T) {
	const n, p = 300, 3
	truth, mean, std := predict(2, n, p, 0.3)
	random := rng.New(1, "weights")
	weights := make([]float64, n)
	for i := range weights {
		weights[i] = random.Float64()
	}
	for _, weights := range [][]float64{nil, weights} {
		r, err := stats.Regress(truth, mean, std, n, p, weights)
		if err != nil {
			t.Fatal(err)
		}
		var chi2 float64
		for j, got := range r.Parameters {
			nearScores(t, fmt.Sprint("parameter ", j), got, defined(truth, mean, std, p, j, rowsTo(n), weights), 1e-12)
			chi2 += got.Chi2 / p
		}
		near(t, "mean χ²", r.Mean.Chi2, chi2, 1e-12)
	}
	r, err := stats.Regress(truth, mean, nil, n, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	nan := math.NaN()
	want := defined(truth, mean, std, p, 1, rowsTo(n), nil)
	want.Chi2, want.Coverage68, want.Coverage95, want.CAMELSLoss, want.GaussianNLL = nan, nan, nan, nan, nan
	nearScores(t, "without σ", r.Parameters[1], want, 1e-12)
}

// TestSingleScores: functions of one score agree with Regress.
func TestSingleScores(t *testing.T) {
	const n, p = 100, 2
	truth, mean, std := predict(2, n, p, 0.3)
	r, err := stats.Regress(truth, mean, std, n, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	camels, meanCAMELS, e0 := stats.CAMELSLoss(truth, mean, std, p)
	nll, meanNLL, e1 := stats.GaussianNLL(truth, mean, std, p)
	rmse, e2 := stats.RMSE(truth, mean, p)
	bias, e3 := stats.Bias(truth, mean, p)
	r2, e4 := stats.R2(truth, mean, p)
	relative, e5 := stats.MeanRelativeError(truth, mean, p)
	chi2, e6 := stats.Chi2(truth, mean, std, p)
	within68, e7 := stats.Coverage(truth, mean, std, p, 0.68)
	within95, e8 := stats.Coverage(truth, mean, std, p, 0.95)
	if err := errors.Join(e0, e1, e2, e3, e4, e5, e6, e7, e8); err != nil {
		t.Fatal(err)
	}
	for j, want := range r.Parameters {
		got := stats.Scores{rmse[j], bias[j], r2[j], relative[j], chi2[j], within68[j], within95[j], camels[j], nll[j]}
		nearScores(t, fmt.Sprint("parameter ", j), got, want, 1e-14)
	}
	near(t, "mean CAMELS loss", meanCAMELS, r.Mean.CAMELSLoss, 1e-14)
	near(t, "mean NLL", meanNLL, r.Mean.GaussianNLL, 1e-14)
}

// TestLossesOfGaussians: of a Gaussian posterior with constant σ the losses are
// known. Residuals 0, 0, 0, 0 and ±√3 σ have the second and the fourth moment of
// a Gaussian, σ² and 3σ⁴, which is all that the losses ask for.
func TestLossesOfGaussians(t *testing.T) {
	for _, sigma := range []float64{1e-3, 0.1, 7} {
		var truth, mean, std []float32
		for _, d := range []float64{0, 0, 0, 0, math.Sqrt(3), -math.Sqrt(3)} {
			truth = append(truth, float32(d*sigma))
			mean = append(mean, 0)
			std = append(std, float32(sigma))
		}
		each, average, err := stats.CAMELSLoss(truth, mean, std, 1)
		if err != nil {
			t.Fatal(err)
		}
		floor := 3*math.Log(sigma*sigma) + math.Ln2
		near(t, "CAMELS loss", each[0], floor, 1e-6) // float32 has 7 digits
		near(t, "its mean", average, each[0], 0)
		nll, _, err := stats.GaussianNLL(truth, mean, std, 1)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "NLL", nll[0], 0.5*math.Log(2*math.Pi*math.E*sigma*sigma), 1e-6)
		// The floor is one: other means and deviations lie above.
		for _, other := range []struct{ shift, scale float64 }{{0.1, 1}, {-0.1, 1}, {0, 0.9}, {0, 1.1}} {
			m, s := slices.Clone(mean), slices.Clone(std)
			for i := range m {
				m[i] += float32(other.shift * sigma)
				s[i] *= float32(other.scale)
			}
			if got, _, err := stats.CAMELSLoss(truth, m, s, 1); err != nil || got[0] <= each[0] {
				t.Errorf("μ off by %g σ, %g σ: loss %g (%v), want more than %g", other.shift, other.scale, got[0], err, each[0])
			}
		}
	}
}

// TestScoresOfGaussians draws the truth from what is predicted.
func TestScoresOfGaussians(t *testing.T) {
	const n, sigma = 100_000, 0.2
	random := rng.New(1, "gaussian")
	truth, mean, std := make([]float32, n), make([]float32, n), make([]float32, n)
	for i := range n {
		mu := random.NormFloat64()
		truth[i], mean[i], std[i] = float32(mu+sigma*random.NormFloat64()), float32(mu), sigma
	}
	r, err := stats.Regress(truth, mean, std, n, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, root := r.Parameters[0], math.Sqrt(n)
	near(t, "bias", got.Bias, 0, 4*sigma/root)
	near(t, "RMSE", got.RMSE, sigma, 4*sigma/root/math.Sqrt2)
	near(t, "χ²", got.Chi2, 1, 4*math.Sqrt2/root)
	near(t, "R2", got.R2, 1-sigma*sigma/(1+sigma*sigma), 4*2*sigma*sigma/root)
	near(t, "68 %", got.Coverage68, 0.68, 4*math.Sqrt(0.68*0.32)/root)
	near(t, "95 %", got.Coverage95, 0.95, 4*math.Sqrt(0.95*0.05)/root)
	// With y = χ²−1 of one degree of freedom, the relative errors of the means of
	// y+1 and y² are √2 and √(56)/2 over √n, at most added up.
	near(t, "CAMELS loss", got.CAMELSLoss, 3*math.Log(sigma*sigma)+math.Ln2, 4*(math.Sqrt2+math.Sqrt(56)/2)/root)
	for _, level := range []float64{0.1, 0.5, 0.9, 0.999} {
		c, err := stats.Coverage(truth, mean, std, 1, level)
		if err != nil {
			t.Fatal(err)
		}
		near(t, fmt.Sprint("coverage ", level), c[0], level, 4*math.Sqrt(level*(1-level)/n))
	}
}

// TestRegressWeights: an object of weight 2 is two objects, one of weight 0
// none, whatever it holds.
func TestRegressWeights(t *testing.T) {
	const n, p = 20, 2
	truth, mean, std := predict(2, n, p, 0.3)
	copy(truth, []float32{0, 1e30}) // of the object that does not count
	weights := make([]float64, n)
	var rows []int
	for i := range weights {
		weights[i] = float64(i % 3)
		for range i % 3 {
			rows = append(rows, i)
		}
	}
	r, err := stats.Regress(truth, mean, std, n, p, weights)
	if err != nil {
		t.Fatal(err)
	}
	for j, got := range r.Parameters {
		// A sum about an origin of 1e30 would lose all digits of the others.
		nearScores(t, fmt.Sprint("parameter ", j), got, defined(truth, mean, std, p, j, rows, nil), 1e-12)
	}
}

// TestRegressKeepsDigits: a truth that varies little about a large value.
func TestRegressKeepsDigits(t *testing.T) {
	truth, mean, std := predict(2, 1000, 1, 0.3)
	for i := range truth {
		truth[i], mean[i] = truth[i]+1e4, mean[i]+1e4
	}
	r, err := stats.Regress(truth, mean, std, 1000, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	nearScores(t, "scores", r.Parameters[0], defined(truth, mean, std, 1, 0, rowsTo(1000), nil), 1e-12)
}

func TestRegressOfZero(t *testing.T) {
	truth, mean := []float32{0, 1, 2, 3}, []float32{0, 1, 2, 4}
	r, err := stats.Regress(truth, mean, nil, 2, 2, nil)
	if err != nil || !math.IsNaN(r.Parameters[0].MeanRelativeError) || r.Parameters[1].MeanRelativeError != 1./6 || r.Parameters[0].R2 != 1 {
		t.Errorf("got %+v (%v), want no relative error where the truth is 0", r, err)
	}
	e, err := stats.BootstrapRegression(1, nil, 100, []float32{0, 1, 2, 3}, []float32{0, 1, 2, 4}, nil, 4, 1, nil)
	if err != nil || !math.IsNaN(e.Err.Parameters[0].MeanRelativeError) || !(e.Err.Parameters[0].RMSE > 0) {
		t.Errorf("got %+v (%v)", e.Err, err)
	}
}

func TestRegressRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	good := []float32{1, 2, 3, 4}
	constant := []float32{1, 0.3, 2, 0.3}
	for _, test := range []struct {
		name             string
		truth, mean, std []float32
		n, p             int
		weights          []float64
		is               error
		want             string
	}{
		{"nothing", nil, nil, nil, 0, 2, nil, astroml.ErrShape, "0 objects of 2 parameters"},
		{"no parameters", good, good, nil, 4, 0, nil, astroml.ErrShape, "4 objects of 0 parameters"},
		{"few objects", good, good, nil, 3, 2, nil, astroml.ErrShape, "4 true values, want 3 × 2"},
		{"half an object", good[:3], good[:3], nil, 1, 2, nil, astroml.ErrShape, "3 true values, want 1 × 2"},
		{"overflow", good, good, nil, 1 << 62, 4, nil, astroml.ErrShape, "4 true values"},
		{"few predictions", good, good[:2], nil, 2, 2, nil, astroml.ErrShape, "2 predictions of 4 values"},
		{"few deviations", good, good, good[:2], 2, 2, nil, astroml.ErrShape, "2 standard deviations of 4 values"},
		{"few weights", good, good, good, 2, 2, []float64{1}, astroml.ErrShape, "1 weights for 2 objects"},
		{"NaN truth", []float32{1, 2, 3, nan}, good, nil, 2, 2, nil, nil, "the truth of parameter 1 is NaN for object 1"},
		{"infinite prediction", good, []float32{1, 2, inf, 4}, nil, 2, 2, nil, nil, "the prediction of parameter 0 is +Inf for object 1"},
		{"no deviation", good, good, []float32{1, 0, 1, 1}, 2, 2, nil, nil, "the standard deviation of parameter 1 is 0 for object 0, want a finite number above 0"},
		{"NaN deviation", good, good, []float32{1, nan, 1, 1}, 2, 2, nil, nil, "the standard deviation of parameter 1 is NaN for object 0"},
		{"constant", constant, good, nil, 2, 2, nil, nil, "the truth of parameter 1 is 0.3 for all objects, which leaves R2 undefined"},
		{"constant where it counts", []float32{1, 2, 3, 1}, good, nil, 4, 1, []float64{1, 0, 0, 1}, nil, "the truth of parameter 0 is 1 for all objects"},
		{"negative weight", good, good, nil, 2, 2, []float64{1, -1}, nil, "the weight of object 1 is -1"},
		{"NaN weight", good, good, nil, 2, 2, []float64{1, math.NaN()}, nil, "the weight of object 1 is NaN"},
		{"no weight", good, good, nil, 2, 2, []float64{0, 0}, nil, "the weights sum to 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, one := stats.Regress(test.truth, test.mean, test.std, test.n, test.p, test.weights)
			_, two := stats.BootstrapRegression(1, nil, 10, test.truth, test.mean, test.std, test.n, test.p, test.weights)
			for _, err := range []error{one, two} {
				if err == nil || !strings.Contains(err.Error(), test.want) || test.is != nil && !errors.Is(err, test.is) {
					t.Errorf("error %v, want %q", err, test.want)
				}
			}
			if test.std != nil {
				return
			}
			for _, ab := range [][2][]float32{{test.mean, test.truth}, {test.truth, test.mean}} {
				_, err := stats.R2Difference(1, nil, 10, test.truth, ab[0], ab[1], test.n, test.p, test.weights)
				if err == nil || !strings.Contains(err.Error(), test.want) || test.is != nil && !errors.Is(err, test.is) {
					t.Errorf("R2Difference: error %v, want %q", err, test.want)
				}
			}
		})
	}
}

func TestSingleScoresRefuse(t *testing.T) {
	good := []float32{1, 2, 3, 4}
	_, r2 := stats.R2([]float32{1, 2, 3, 2}, good, 2)
	_, relative := stats.MeanRelativeError([]float32{1, 2, 0, 4}, good, 2)
	_, level := stats.Coverage(good, good, good, 2, 1)
	_, chi2 := stats.Chi2(good, good, nil, 2)
	_, coverage := stats.Coverage(good, good, nil, 2, 0.5)
	_, _, camels := stats.CAMELSLoss(good, good, nil, 2)
	_, _, nll := stats.GaussianNLL(good, good, good[:3], 2)
	_, none := stats.RMSE(nil, nil, 2)
	_, half := stats.Bias(good[:3], good[:3], 2)
	_, nothing := stats.MeanRelativeError(good, good, 0)
	_, wide := stats.Coverage(good, good, good, 3, 0.5)
	for _, test := range []struct {
		err   error
		want  string
		shape bool
	}{
		{r2, "the truth of parameter 1 is 2 for all objects", false},
		{relative, "the truth of parameter 0 is 0 for object 1", false},
		{level, "level 1, want between 0 and 1", false},
		{chi2, "0 standard deviations of 4 values", true},
		{coverage, "0 standard deviations of 4 values", true},
		{camels, "0 standard deviations of 4 values", true},
		{nll, "3 standard deviations of 4 values", true},
		{none, "0 objects of 2 parameters", true},
		{half, "3 true values, want 1 × 2", true},
		{nothing, "4 objects of 0 parameters", true},
		{wide, "4 true values, want 1 × 3", true},
	} {
		if test.err == nil || !strings.Contains(test.err.Error(), test.want) || errors.Is(test.err, astroml.ErrShape) != test.shape {
			t.Errorf("error %v, want %q", test.err, test.want)
		}
	}
	// Where the truth is constant the other scores are defined.
	if rmse, err := stats.RMSE([]float32{2, 2}, []float32{1, 3}, 1); err != nil || rmse[0] != 1 {
		t.Errorf("RMSE %v (%v), want 1", rmse, err)
	}
}

func ExampleRegress() {
	// Two parameters of three objects.
	truth := []float32{0.1, 0.6, 0.3, 0.8, 0.5, 1.0}
	mean := []float32{0.12, 0.8, 0.29, 0.8, 0.48, 0.8}
	std := []float32{0.02, 0.2, 0.02, 0.2, 0.02, 0.2}
	r, err := stats.Regress(truth, mean, std, 3, 2, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range r.Parameters {
		fmt.Printf("RMSE %.3f, R2 %.2f, χ² %.2f\n", s.RMSE, s.R2, s.Chi2)
	}
	fmt.Printf("mean R2 %.2f\n", r.Mean.R2)
	// Output:
	// RMSE 0.017, R2 0.99, χ² 0.75
	// RMSE 0.163, R2 0.00, χ² 0.67
	// mean R2 0.49
}

func ExampleCAMELSLoss() {
	// Residuals of 0 and ±√3 σ, two thirds and one third, like a Gaussian's.
	truth := []float32{0, 0, 0, 0, 0.1732051, -0.1732051}
	std := []float32{0.1, 0.1, 0.1, 0.1, 0.1, 0.1}
	each, mean, err := stats.CAMELSLoss(truth, make([]float32, 6), std, 1)
	fmt.Printf("%.3f %.3f, 3 log σ² + log 2 = %.3f, %v\n", each, mean, 3*math.Log(0.01)+math.Ln2, err)
	// Output: [-13.122] -13.122, 3 log σ² + log 2 = -13.122, <nil>
}
