package explain

import (
	"fmt"
	"math"
	"slices"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// Background says what stands in for features that are not known. It is
// immutable and safe for concurrent use.
//
// Interventional takes them from rows of data, whatever is known: it shows what
// the model does. Conditional draws them given what is known: it shows what the
// data say, and shares credit among features that go together, those included
// that the model does not look at. (Janzing et al. 2020, arXiv:1910.13413, and
// Aas et al. 2021, arXiv:1903.10464, argue for one and the other.)
type Background struct {
	features int
	rows     []float64 // members × features
	weight   []float64 // of each member; those of a draw sum to 1
	draws    int       // games with members of their own, whose mean is sought
	cov      []float64 // features × features; nil if what is known tells nothing of the rest
}

// Interventional returns the background that takes unknown features from rows,
// n × features, one row at a time, and averages the model's answers over them
// with the given weights (any that are not negative; nil for equal ones).
func Interventional(rows []float64, features int, weights []float64) (*Background, error) {
	if err := checkTable("the background", rows, features); err != nil {
		return nil, err
	}
	n := len(rows) / features
	if weights != nil && len(weights) != n {
		return nil, fmt.Errorf("explain: %d weights of %d background rows: %w", len(weights), n, astroml.ErrShape)
	}
	b := &Background{features: features, draws: 1}
	var sum float64
	for i := range n {
		w := 1.0
		if weights != nil {
			w = weights[i]
		}
		if !(w >= 0 && w <= math.MaxFloat64) {
			return nil, fmt.Errorf("explain: weight %d of the background is %g, want 0 or more", i, w)
		}
		if w > 0 {
			b.rows = append(b.rows, rows[i*features:(i+1)*features]...)
			b.weight = append(b.weight, w)
			sum += w
		}
	}
	if !(sum > 0 && sum <= math.MaxFloat64) {
		return nil, fmt.Errorf("explain: weights of the background sum to %g, want a positive number", sum)
	}
	for i := range b.weight {
		b.weight[i] /= sum
	}
	return b, nil
}

// leastPivot is the least fraction of its variance that a feature may keep once
// the features before it are known. A covariance of float64 data that are
// linear functions of each other leaves about 1e-15, one of float32 data 1e-7
// squared.
const leastPivot = 1e-12

// Conditional returns the background that draws unknown features from the
// Gaussian with this mean and covariance, features × features, given the known
// ones: the conditional game of Aas et al. (2021), arXiv:1903.10464, section
// 3.1. It draws this many antithetic pairs, z and -z (0 means 32), from seed.
// With them a linear model is explained exactly. Any other has an error of the
// order of 1/√draws, which is part of Attribution.Err. The draws are the same
// for all rows and coalitions.
//
// A draw given known features is a draw of all features, moved by what is known
// (Matheron's rule: Wilson et al. 2020, arXiv:2002.09309), one feature after
// the other. A singular covariance is an error.
func Conditional(mean, cov []float64, draws int, seed uint64) (*Background, error) {
	m := len(mean)
	if err := checkTable("the mean", mean, m); err != nil {
		return nil, err
	}
	if len(cov) != m*m {
		return nil, fmt.Errorf("explain: %d covariances of %d features, want %d × %d: %w", len(cov), m, m, m, astroml.ErrShape)
	}
	if err := checkFinite("the covariance", cov, m); err != nil {
		return nil, err
	}
	if draws == 0 {
		draws = 32
	}
	if draws < 1 {
		return nil, fmt.Errorf("explain: %d draws, want at least 1", draws)
	}
	root, err := cholesky(cov, m)
	if err != nil {
		return nil, err
	}
	b := &Background{features: m, draws: draws, cov: slices.Clone(cov)}
	z := make([]float64, m)
	for d := range draws {
		r := rng.New(seed, "conditional", d)
		for i := range z {
			z[i] = r.NormFloat64()
		}
		for _, sign := range []float64{1, -1} {
			for i, v := range mean {
				var s float64
				for j := range i + 1 {
					s += root[i*m+j] * z[j]
				}
				b.rows = append(b.rows, v+sign*s)
			}
			b.weight = append(b.weight, 0.5)
		}
	}
	return b, nil
}

// cholesky returns the lower triangular root of a covariance: its column j is
// how far the features are moved by one standard deviation of what feature j
// adds to those before it.
func cholesky(cov []float64, m int) ([]float64, error) {
	root, rest, gain := make([]float64, m*m), slices.Clone(cov), make([]float64, m)
	for j := range m {
		for i := range j {
			if math.Abs(cov[i*m+j]-cov[j*m+i]) > 1e-9*math.Sqrt(cov[i*m+i]*cov[j*m+j]) {
				return nil, fmt.Errorf("explain: covariance %d, %d is %g one way and %g the other", i, j, cov[i*m+j], cov[j*m+i])
			}
		}
		pivot := rest[j*m+j]
		if !(cov[j*m+j] > 0) {
			return nil, fmt.Errorf("explain: feature %d has variance %g, want a positive one", j, cov[j*m+j])
		}
		if pivot < leastPivot*cov[j*m+j] {
			return nil, fmt.Errorf("explain: the covariance is singular: feature %d is a linear function of those before it; leave it out", j)
		}
		condition(rest, gain, j)
		s := math.Sqrt(pivot)
		root[j*m+j] = s
		for i := j + 1; i < m; i++ {
			root[i*m+j] = s * gain[i]
		}
	}
	return root, nil
}

// condition turns the covariance of features into that once feature j is known,
// and writes to gain how far each moves if j is higher by 1 than thought.
func condition(cov, gain []float64, j int) {
	m := len(gain)
	known := cov[j*m : (j+1)*m]
	pivot := known[j]
	for i := range gain {
		gain[i] = cov[i*m+j] / pivot
	}
	gain[j] = 0
	for i, g := range gain {
		if g == 0 { // j, what is known already, and what j tells nothing of
			continue
		}
		row := cov[i*m : (i+1)*m]
		for k := range row {
			row[k] -= g * known[k]
		}
		row[j] = 0
	}
	clear(known)
}

// learn writes to dst the row src once feature j is known to be v.
func learn(dst, src, gain []float64, j int, v float64) {
	if gain == nil {
		copy(dst, src)
	} else {
		d := v - src[j]
		for i, g := range gain {
			dst[i] = src[i] + g*d
		}
	}
	dst[j] = v
}

func (b *Background) members() int { return len(b.weight) }

func (b *Background) row(member int) []float64 {
	return b.rows[member*b.features : (member+1)*b.features]
}

// draw returns the game that a member belongs to.
func (b *Background) draw(member int) int { return member * b.draws / len(b.weight) }

// gains writes to dst how features move when those of order become known one
// after the other, len(order) × features, and returns it; nil where nothing
// moves. It works in cov, features².
func (b *Background) gains(dst, cov []float64, order []int) []float64 {
	if b.cov == nil {
		return nil
	}
	copy(cov, b.cov)
	for _, j := range order {
		n := len(dst)
		dst = dst[:n+b.features]
		condition(cov, dst[n:], j)
	}
	return dst
}
