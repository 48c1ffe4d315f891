package explain

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/goastroml/goastroml/astroml"
)

// PCAConfig holds the options of NewPCA. The zero value is good.
type PCAConfig struct {
	// Standardise divides each feature by its standard deviation, so that units
	// do not matter. By default features are only centred.
	Standardise bool `json:"standardise,omitempty"`
}

// PCA holds the principal components of a table: the directions in which its
// rows differ most, one at right angles to another (Pearson 1901; Hotelling
// 1933). It is safe for concurrent use as long as nobody changes it.
type PCA struct {
	Rows       int
	Features   int
	Mean       []float64 // of each feature
	Scale      []float64 // what each feature is divided by: 1, or its standard deviation
	Variances  []float64 // along each component, decreasing; divided by rows - 1
	Ratio      []float64 // the same as fractions of the variance of all features
	Components []float64 // components × features, of length 1, the largest entry positive
}

// NewPCA returns the principal components of x, n × features. There are as many
// as features, or if there are fewer rows, as many as rows span.
func NewPCA(x []float64, features int, cfg PCAConfig) (*PCA, error) {
	if err := checkTable("the data", x, features); err != nil {
		return nil, err
	}
	n := len(x) / features
	if n < 2 {
		return nil, fmt.Errorf("explain: %d row, components take at least 2: %w", n, astroml.ErrShape)
	}
	p := &PCA{Rows: n, Features: features, Mean: make([]float64, features), Scale: slices.Repeat([]float64{1}, features)}
	centred, total, err := p.centre(x, cfg.Standardise)
	if err != nil {
		return nil, err
	}
	var values, vectors []float64
	if features < n {
		values, vectors = eigen(mat.NewDense(n, features, centred).T(), n-1)
	} else {
		values, vectors = spanned(centred, n, features)
	}
	p.Variances, p.Components = values, vectors
	for i, v := range values {
		p.Ratio = append(p.Ratio, v/total)
		upright(vectors[i*features : (i+1)*features])
	}
	return p, nil
}

// centre fills Mean and Scale, and returns the rows in these terms and the sum
// of the variances of all features.
func (p *PCA) centre(x []float64, standardise bool) (centred []float64, total float64, err error) {
	m := p.Features
	variance := make([]float64, m)
	average(x, p.Mean, variance)
	for j := range variance {
		variance[j] *= float64(p.Rows) // it was that of a mean
		total += variance[j]
	}
	if !(total > 0 && total <= math.MaxFloat64/float64(p.Rows)) {
		return nil, 0, fmt.Errorf("explain: the variance of all features is %g, want a positive number, not too large", total)
	}
	if standardise {
		for j, v := range variance {
			if v == 0 || constant(x, m, j) { // or of values that differ by less than 1e-162
				return nil, 0, fmt.Errorf("explain: feature %d is constant, it cannot be standardised: leave it out", j)
			}
			p.Scale[j] = math.Sqrt(v)
		}
		total = float64(m)
	}
	return p.standard(x), total, nil
}

// constant tells whether all rows of a table have the same value in a column.
func constant(x []float64, width, column int) bool {
	for at := column; at < len(x); at += width {
		if x[at] != x[column] {
			return false
		}
	}
	return true
}

// standard returns rows less Mean, by Scale.
func (p *PCA) standard(x []float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		j := i % p.Features
		out[i] = (v - p.Mean[j]) / p.Scale[j]
	}
	return out
}

// eigen returns the eigenvalues of a·aᵀ/dof, decreasing, and the eigenvectors,
// one a row.
func eigen(a mat.Matrix, dof int) (values, vectors []float64) {
	var product mat.SymDense
	product.SymOuterK(1/float64(dof), a)
	var e mat.EigenSym
	if !e.Factorize(&product, true) {
		panic("explain: the eigenvalues of a symmetric matrix did not converge")
	}
	var columns mat.Dense
	e.VectorsTo(&columns)
	values = e.Values(nil)
	slices.Reverse(values)
	for i, v := range values {
		values[i] = max(v, 0) // rounding
		vectors = append(vectors, mat.Col(nil, len(values)-1-i, &columns)...)
	}
	return values, vectors
}

// spanned returns the eigenvalues and eigenvectors of the covariance of fewer
// rows than features, from the products of the rows with each other.
func spanned(centred []float64, n, m int) (values, vectors []float64) {
	x := mat.NewDense(n, m, centred)
	all, left := eigen(x, n-1)
	for i, v := range all {
		// Centred rows span n-1 directions at most; what is left is rounding.
		if i == n-1 || v <= 1e-12*all[0] {
			break
		}
		var right mat.VecDense
		right.MulVec(x.T(), mat.NewVecDense(n, left[i*n:(i+1)*n]))
		right.ScaleVec(1/mat.Norm(&right, 2), &right)
		values = append(values, v)
		vectors = append(vectors, right.RawVector().Data...)
	}
	return values, vectors
}

// upright turns a vector so that its largest entry, the first of equals, is
// positive.
func upright(v []float64) {
	best := 0
	for i, e := range v {
		if math.Abs(e) > math.Abs(v[best]) {
			best = i
		}
	}
	if v[best] < 0 {
		for i := range v {
			v[i] = -v[i]
		}
	}
}

// Transform returns the components of rows, n × features, as n × components.
func (p *PCA) Transform(x []float64) ([]float64, error) {
	if err := checkTable("the rows", x, p.Features); err != nil {
		return nil, err
	}
	var out []float64
	for row := range slices.Chunk(p.standard(x), p.Features) {
		for component := range slices.Chunk(p.Components, p.Features) {
			out = append(out, dot(component, row))
		}
	}
	return out, nil
}

// Inverse returns the rows, n × features, that have these components, n × k for
// the first k of them.
func (p *PCA) Inverse(z []float64, k int) ([]float64, error) {
	if err := checkTable("the components", z, k); err != nil {
		return nil, err
	}
	if k > len(p.Variances) {
		return nil, fmt.Errorf("explain: %d components, there are %d: %w", k, len(p.Variances), astroml.ErrShape)
	}
	out := make([]float64, len(z)/k*p.Features)
	for i, row := range slices.Collect(slices.Chunk(out, p.Features)) {
		for c, v := range z[i*k : (i+1)*k] {
			for j, e := range p.Components[c*p.Features : (c+1)*p.Features] {
				row[j] += v * e
			}
		}
		for j, mean := range p.Mean {
			row[j] = mean + p.Scale[j]*row[j]
		}
	}
	return out, nil
}
