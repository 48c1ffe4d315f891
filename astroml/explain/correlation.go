package explain

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// CorrelationConfig holds the options of Correlate. The zero value is good.
type CorrelationConfig struct {
	// Names names the features and TargetNames the targets, in errors. The
	// default is their numbers.
	Names       []string `json:"names,omitempty"`
	TargetNames []string `json:"target_names,omitempty"`
	// Groups says which rows belong together, such as the galaxies of one
	// simulation; they go into the same half, since they are not independent.
	// Nil means that each row stands alone.
	Groups []int `json:"groups,omitempty"`
	// Halvings is the number of times that the groups are dealt into halves to
	// get standard errors. The default is 20, which gives them to 16 %. If
	// negative, there are none.
	Halvings int `json:"halvings,omitempty"`
	// Neighbours is the number k of nearest neighbours that the mutual
	// information is told from: more scatter less and blur more. The default is
	// 3. If negative, there is no mutual information.
	Neighbours int `json:"neighbours,omitempty"`
	// Seed is the seed of the order of ties and of the halves.
	Seed uint64 `json:"seed,omitempty"`
	// Threads is the number of goroutines. The default is the number of
	// processors. Results do not depend on it.
	Threads int `json:"threads,omitempty"`
}

// Strength is a measure with its standard error, NaN where a column was constant
// in a half of the rows.
type Strength struct{ Value, Err float64 }

// Correlations says how each feature goes with each target, features × targets.
type Correlations struct {
	Pearson     []Strength // of the values: linear
	Spearman    []Strength // of their ranks: monotone
	Information []Strength // mutual information in nats: of any kind; nil if it was not asked for
}

// Correlate measures how strongly each feature of x, n × features, goes with
// each target of y, n × targets.
//
// Standard errors come from the differences of halves, of all groups, dealt at
// random: halves are independent, and a measure of half the rows has twice the
// variance (for the mutual information: Holmes & Nemenman 2019,
// arXiv:1903.09280). The bootstrap will not do for nearest neighbours, since its
// repeated rows have no distance, and a jackknife over 20 blocks gave errors of
// the mutual information that were 1.4 times too large.
//
// A constant column is an error.
func Correlate(ctx context.Context, x []float64, features int, y []float64, targets int, cfg CorrelationConfig) (*Correlations, error) {
	if err := checkTable("the features", x, features); err != nil {
		return nil, err
	}
	if err := checkTable("the targets", y, targets); err != nil {
		return nil, err
	}
	n := len(x) / features
	if len(y)/targets != n {
		return nil, fmt.Errorf("explain: %d rows of features, %d of targets: %w", n, len(y)/targets, astroml.ErrShape)
	}
	c := &correlator{n: n, features: features, cfg: cfg}
	if err := c.columns(x, features, "feature", cfg.Names); err != nil {
		return nil, err
	}
	if err := c.columns(y, targets, "target", cfg.TargetNames); err != nil {
		return nil, err
	}
	if err := c.options(); err != nil {
		return nil, err
	}
	halves, err := c.halves()
	if err != nil {
		return nil, err
	}
	samples := append([][]int{nil}, halves.rows...)
	for i := range n {
		samples[0] = append(samples[0], i)
	}
	pairs := features * targets
	measures := make([]float64, len(samples)*3*pairs)
	err = overTasks(ctx, len(samples), cfg.Threads, func(ctx context.Context, i int) error {
		return c.measure(ctx, samples[i], measures[i*3*pairs:(i+1)*3*pairs])
	})
	if err != nil {
		return nil, err
	}
	strengths := halves.strengths(measures[:3*pairs], measures[3*pairs:])
	out := &Correlations{Pearson: strengths[:pairs], Spearman: strengths[pairs : 2*pairs]}
	if c.cfg.Neighbours > 0 {
		out.Information = strengths[2*pairs:]
	}
	return out, nil
}

// correlator holds the columns of features and then of targets.
type correlator struct {
	n        int
	features int
	cfg      CorrelationConfig
	values   [][]float64
	ties     [][]uint64 // random numbers that order equal values
}

// columns takes over the columns of a table.
func (c *correlator) columns(x []float64, width int, what string, names []string) error {
	if names != nil && len(names) != width {
		return fmt.Errorf("explain: %d names of %d %ss: %w", len(names), width, what, astroml.ErrShape)
	}
	for j := range width {
		if constant(x, width, j) {
			name := fmt.Sprint(j)
			if names != nil {
				name += " (" + names[j] + ")"
			}
			return fmt.Errorf("explain: %s %s is constant, it goes with nothing: leave it out", what, name)
		}
		column := make([]float64, c.n)
		for i := range column {
			column[i] = x[i*width+j]
		}
		c.ties = append(c.ties, ties(c.cfg.Seed, len(c.values), c.n))
		c.values = append(c.values, column)
	}
	return nil
}

// ties returns what orders equal values of a column.
func ties(seed uint64, column, n int) []uint64 {
	r := rng.New(seed, "ties", column)
	out := make([]uint64, n)
	for i := range out {
		out[i] = r.Uint64()
	}
	return out
}

// options checks the options and sets those that are not given.
func (c *correlator) options() error {
	if c.cfg.Groups != nil && len(c.cfg.Groups) != c.n {
		return fmt.Errorf("explain: %d groups of %d rows: %w", len(c.cfg.Groups), c.n, astroml.ErrShape)
	}
	if c.cfg.Threads < 0 {
		return fmt.Errorf("explain: %d threads, want 0 or more", c.cfg.Threads)
	}
	if c.cfg.Halvings == 0 {
		c.cfg.Halvings = 20
	}
	if c.cfg.Neighbours == 0 {
		c.cfg.Neighbours = 3
	}
	return nil
}

// halves are rows of pairs of samples: the first groups of a random order and
// the others.
type halves struct {
	rows     [][]int
	fraction float64 // of the groups that are in the first of a pair
}

func (c *correlator) halves() (halves, error) {
	least := max(2, c.cfg.Neighbours+1)
	if c.n < least {
		return halves{}, fmt.Errorf("explain: %d rows, want at least %d: %w", c.n, least, astroml.ErrShape)
	}
	place := make(map[int]int)
	group := make([]int, c.n)
	for i := range group {
		g := i
		if c.cfg.Groups != nil {
			g = c.cfg.Groups[i]
		}
		if _, ok := place[g]; !ok {
			place[g] = len(place)
		}
		group[i] = place[g]
	}
	var h halves
	first := len(place) / 2
	h.fraction = float64(first) / float64(len(place))
	for round := range max(0, c.cfg.Halvings) {
		order := rng.New(c.cfg.Seed, "halves", round).Perm(len(place))
		var pair [2][]int
		for i, g := range group {
			side := 0
			if order[g] >= first {
				side = 1
			}
			pair[side] = append(pair[side], i)
		}
		if small := min(len(pair[0]), len(pair[1])); small < least {
			return halves{}, fmt.Errorf("explain: half of %d rows in %d groups has %d rows, want at least %d (a negative number of halvings asks for no errors): %w",
				c.n, len(place), small, least, astroml.ErrShape)
		}
		h.rows = append(h.rows, pair[0], pair[1])
	}
	return h, nil
}

// strengths returns measures of all rows, with errors from those of the halves.
func (h halves) strengths(all, measures []float64) []Strength {
	out := make([]Strength, len(all))
	scale := h.fraction * (1 - h.fraction) / float64(max(1, len(h.rows)/2))
	for i, v := range all {
		var square float64
		for at := i; at < len(measures); at += 2 * len(all) {
			d := measures[at] - measures[at+len(all)]
			square += d * d
		}
		out[i] = Strength{v, math.Sqrt(scale * square)}
	}
	return out
}

// measure writes Pearson's, Spearman's and the information of all pairs of a
// sample of rows.
func (c *correlator) measure(ctx context.Context, rows []int, out []float64) error {
	var values, ranked [][]float64
	var orders [][]int
	for j, column := range c.values {
		x := make([]float64, len(rows))
		tie := make([]uint64, len(rows))
		for i, row := range rows {
			x[i], tie[i] = column[row], c.ties[j][row]
		}
		order := ordered(x, tie)
		orders = append(orders, order)
		ranked = append(ranked, unit(ranks(x, order)))
		values = append(values, unit(x))
	}
	targets := len(c.values) - c.features
	pairs := c.features * targets
	k := newNeighbours(len(rows), c.cfg.Neighbours)
	for f := range c.features {
		for t := range targets {
			if err := ctx.Err(); err != nil {
				return err
			}
			at, g := f*targets+t, c.features+t
			out[at] = dot(values[f], values[g])
			out[pairs+at] = dot(ranked[f], ranked[g])
			if k != nil {
				out[2*pairs+at] = k.information(orders[f], orders[g])
			}
		}
	}
	return nil
}

// unit returns x less its mean and of length 1, so that the correlation of two
// columns is their product; NaN if x is constant.
func unit(x []float64) []float64 {
	if constant(x, 1, 0) {
		return slices.Repeat([]float64{math.NaN()}, len(x))
	}
	out := slices.Clone(x)
	for range 2 { // the mean of large numbers has an error that is not small
		var mean float64
		for _, v := range out {
			mean += v / float64(len(out))
		}
		for i := range out {
			out[i] -= mean
		}
	}
	var largest, square float64
	for _, v := range out {
		largest = max(largest, math.Abs(v))
	}
	for i := range out {
		out[i] /= largest // whose square may be no float64
		square += out[i] * out[i]
	}
	length := math.Sqrt(square)
	for i := range out {
		out[i] /= length
	}
	return out
}

// ordered returns the indices of x in increasing order, equal values by ties.
func ordered(x []float64, ties []uint64) []int {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		switch {
		case x[i] < x[j]:
			return -1
		case x[i] > x[j]:
			return 1
		case ties[i] < ties[j]:
			return -1
		case ties[i] > ties[j]:
			return 1
		}
		return i - j
	})
	return order
}

// ranks returns the rank of each value, 1 for the smallest; equal values share
// the mean of their ranks.
func ranks(x []float64, order []int) []float64 {
	out := make([]float64, len(x))
	for lo := 0; lo < len(x); {
		hi := lo
		for hi < len(x) && x[order[hi]] == x[order[lo]] {
			hi++
		}
		for _, i := range order[lo:hi] {
			out[i] = float64(lo+hi+1) / 2
		}
		lo = hi
	}
	return out
}

// Pearson returns the correlation coefficient of two columns.
func Pearson(x, y []float64) (float64, error) {
	if err := checkPair(x, y, 2); err != nil {
		return 0, err
	}
	return dot(unit(x), unit(y)), nil
}

// Spearman returns the correlation coefficient of the ranks of two columns,
// where equal values share the mean of their ranks.
func Spearman(x, y []float64) (float64, error) {
	if err := checkPair(x, y, 2); err != nil {
		return 0, err
	}
	none := make([]uint64, len(x))
	return dot(unit(ranks(x, ordered(x, none))), unit(ranks(y, ordered(y, none)))), nil
}

// checkPair returns an error unless both columns have the same number of rows,
// enough of them, all finite, not all equal.
func checkPair(x, y []float64, least int) error {
	if len(x) != len(y) || len(x) < least {
		return fmt.Errorf("explain: columns of %d and %d rows, want as many, at least %d: %w", len(x), len(y), least, astroml.ErrShape)
	}
	for i, column := range [][]float64{x, y} {
		name := []string{"x", "y"}[i]
		if err := checkFinite(name, column, 1); err != nil {
			return err
		}
		if constant(column, 1, 0) {
			return fmt.Errorf("explain: column %s is constant, it goes with nothing", name)
		}
	}
	return nil
}
