package stats

import (
	"fmt"
	"math"

	"github.com/goastroml/goastroml/astroml"
)

// RegressionEstimate is an Estimate of each score.
type RegressionEstimate struct {
	Value  Regression // of the sample itself
	Err    Regression // standard errors
	Lo, Hi Regression // 2.5 and 97.5 percentiles
}

// BootstrapRegression returns all scores as Regress does, with errors from
// rounds resampled samples of whole groups, as Bootstrap draws them. Galaxies of
// one simulation are one group: they share what is to be found, and a test set
// of 50 simulations is one of 50 objects. If groups is nil, each object is a
// group of its own. Where a score is NaN, so are its errors.
func BootstrapRegression(seed uint64, groups []int, rounds int, truth, mean, std []float32, n, p int, weights []float64) (RegressionEstimate, error) {
	none := RegressionEstimate{}
	s, err := varied(truth, mean, std, n, p, weights)
	if err != nil {
		return none, err
	}
	members, err := gatherSome(groups, n)
	if err != nil {
		return none, err
	}
	// Scores follow from sums over objects, and these from the sums of each
	// group: a resampled sample costs as much as there are groups.
	drawn := make([]Regression, 1+max(rounds, 0)) // the sample itself comes first
	sums := make([]tally, len(members))
	for j := range p {
		for g, rows := range members {
			sums[g] = s.tally(j, rows)
		}
		round := 0
		_, err := Bootstrap(seed, upTo(len(members)), rounds, func(groups []int) float64 {
			var total tally
			for _, g := range groups {
				total.add(&sums[g])
			}
			drawn[round].Parameters = append(drawn[round].Parameters, total.scores(std != nil))
			round++
			return 0
		})
		if err != nil {
			return none, err
		}
	}
	for i, d := range drawn {
		drawn[i] = newRegression(d.Parameters)
	}
	e := RegressionEstimate{Value: newRegression(s.scores())}
	for _, r := range []*Regression{&e.Err, &e.Lo, &e.Hi} {
		r.Parameters = make([]Scores, p)
	}
	values := make([]float64, len(drawn))
	for j := range p + 1 {
		of := "the mean"
		if j < p {
			of = fmt.Sprintf("parameter %d", j)
		}
		for k, name := range scoreNames {
			for i := range drawn {
				values[i] = *drawn[i].all()[j].each()[k]
			}
			b, err := estimate(values)
			if err != nil {
				return none, fmt.Errorf("%w: %s of %s", err, name, of)
			}
			*e.Err.all()[j].each()[k] = b.Err
			*e.Lo.all()[j].each()[k] = b.Lo
			*e.Hi.all()[j].each()[k] = b.Hi
		}
	}
	return e, nil
}

// R2Difference returns by how much the mean over the parameters of R2 of
// predictions a is above that of predictions b, of the same n objects, with its
// error as BootstrapRegression has it. Since both are resampled together, what
// the objects have in common drops out: the difference may be certain where
// neither R2 is.
func R2Difference(seed uint64, groups []int, rounds int, truth, a, b []float32, n, p int, weights []float64) (Estimate, error) {
	first, err := varied(truth, a, nil, n, p, weights)
	if err != nil {
		return Estimate{}, err
	}
	second, err := newSample(truth, b, nil, n, p, weights)
	if err != nil {
		return Estimate{}, err
	}
	members, err := gatherSome(groups, n)
	if err != nil {
		return Estimate{}, err
	}
	// As there, a sample costs as much as there are groups.
	sums := make([][2]spread, len(members)*p)
	for g, rows := range members {
		for j := range p {
			sums[g*p+j] = [2]spread{first.tally(j, rows).spread, second.tally(j, rows).spread}
		}
	}
	total := make([][2]spread, p)
	return Bootstrap(seed, upTo(len(members)), rounds, func(groups []int) float64 {
		clear(total)
		for _, g := range groups {
			for j := range total {
				total[j][0].add(&sums[g*p+j][0])
				total[j][1].add(&sums[g*p+j][1])
			}
		}
		var mean float64
		for j := range total {
			mean += (total[j][0].r2() - total[j][1].r2()) / float64(p)
		}
		return mean
	})
}

// gatherSome returns the rows of each of at least two groups.
func gatherSome(groups []int, n int) ([][]int, error) {
	if groups == nil {
		groups = upTo(n)
	}
	if len(groups) != n {
		return nil, fmt.Errorf("stats: groups of %d objects, want %d: %w", len(groups), n, astroml.ErrShape)
	}
	members := gather(groups)
	if len(members) < 2 {
		return nil, fmt.Errorf("stats: all objects are of one group, want at least 2 groups")
	}
	return members, nil
}

// estimate returns the Estimate of a statistic whose values are known, first
// that of the sample itself, then those of the rounds: Bootstrap need draw
// nothing.
func estimate(values []float64) (Estimate, error) {
	if nan := math.NaN(); math.IsNaN(values[0]) {
		return Estimate{Value: nan, Mean: nan, Err: nan, Lo: nan, Hi: nan}, nil
	}
	round := -1
	return Bootstrap(0, []int{0}, len(values)-1, func([]int) float64 { round++; return values[round] })
}
