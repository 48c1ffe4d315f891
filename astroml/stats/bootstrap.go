package stats

import (
	"fmt"
	"math"
	"slices"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// Estimate is a statistic with its uncertainty.
type Estimate struct {
	Value  float64 // of the sample itself
	Mean   float64 // of the resampled ones
	Err    float64 // their standard deviation, the standard error of Value
	Lo, Hi float64 // their 2.5 and 97.5 percentiles
	Rounds int     // resampled samples that counted
}

// Bootstrap resamples whole groups with replacement, so many as there are, and
// computes stat for the rows of each such sample (Efron 1979, Ann. Statist. 7,
// 1; of clusters: Davison & Hinkley 1997, section 3.8). groups[i] is the group
// of row i, any number: the star of a spectrum, the volume of a cut-out. Rows
// of a group are never torn apart, since they are not independent. To resample
// single rows give each a group of its own.
//
// stat gets the rows of one sample, some several times, and must not keep the
// slice. Where it returns NaN (no object of a class was drawn) the round does
// not count; half of them must.
//
// The same seed draws the same samples, so that the difference of two
// classifiers comes from one call whose stat computes that difference.
func Bootstrap(seed uint64, groups []int, rounds int, stat func(rows []int) float64) (Estimate, error) {
	if len(groups) == 0 || rounds < 2 {
		return Estimate{}, fmt.Errorf("stats: %d rounds of %d rows, want at least 2 of 1: %w", rounds, len(groups), astroml.ErrShape)
	}
	members := gather(groups)
	rows := make([]int, len(groups))
	for i := range rows {
		rows[i] = i
	}
	e := Estimate{Value: stat(rows)}
	values := make([]float64, 0, rounds)
	for round := range rounds {
		r := rng.New(seed, "bootstrap", round)
		rows = rows[:0]
		for range members {
			rows = append(rows, members[r.IntN(len(members))]...)
		}
		if v := stat(rows); !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	if e.Rounds = len(values); 2*e.Rounds < rounds || e.Rounds < 2 {
		return e, fmt.Errorf("stats: the statistic is NaN in %d of %d rounds", rounds-e.Rounds, rounds)
	}
	for _, v := range values {
		e.Mean += v
	}
	e.Mean /= float64(len(values))
	for _, v := range values {
		e.Err += (v - e.Mean) * (v - e.Mean)
	}
	e.Err = math.Sqrt(e.Err / float64(len(values)-1))
	slices.Sort(values)
	e.Lo, e.Hi = percentile(values, 0.025), percentile(values, 0.975)
	return e, nil
}

// gather returns the rows of each group, groups in the order in which they come
// first.
func gather(groups []int) [][]int {
	place := make(map[int]int)
	var members [][]int
	for row, g := range groups {
		at, ok := place[g]
		if !ok {
			at = len(members)
			place[g] = at
			members = append(members, nil)
		}
		members[at] = append(members[at], row)
	}
	return members
}

// percentile interpolates linearly between order statistics, as NumPy does by
// default (type 7 of Hyndman & Fan 1996).
func percentile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := min(int(at), len(sorted)-2)
	f := at - float64(i)
	return sorted[i]*(1-f) + sorted[i+1]*f
}
