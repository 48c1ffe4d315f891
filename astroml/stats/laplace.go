package stats

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// Laplace is the Gaussian posterior of the last layer of a classifier: logits
// z = Wᵀφ with features φ, whose precision is the Kronecker-factored
// generalised Gauss-Newton matrix n·A⊗G at the trained weights plus that of
// the prior, δ (Ritter et al. 2018; Daxberger et al. 2021, arXiv:2106.14806):
//
//	A = mean φφᵀ,  G = mean (diag p - ppᵀ)
//
// In the eigenbases of A and G it is diagonal, so that the covariance of the
// logits of one spectrum costs d² + d·k multiply-adds.
type Laplace struct {
	Features int       // d, a constant feature for the bias included
	Classes  int       // k
	VecA     []float32 // d × d, eigenvectors of A in columns
	ValA     []float32 // d, eigenvalues of n·A
	VecG     []float32 // k × k, eigenvectors of G in columns
	ValG     []float32 // k
	Prior    float64   // δ, precision of the prior
	Scale    float64   // temperature that the logits are divided by

	draws []float64 // Draws × k standard normal numbers
}

// Draws is the number of samples of the logits that a mean is taken over. They
// are fixed, antithetic, and the same for all spectra.
const Draws = 32

// FitLaplace returns the posterior for n rows of features φ (n × d, the
// constant last) and probabilities (n × k).
func FitLaplace(phi, prob []float32, d, k int) (*Laplace, error) {
	if d < 1 || k < 2 || len(phi)%d != 0 || len(prob) != len(phi)/d*k || len(phi) == 0 {
		return nil, fmt.Errorf("stats: %d features and %d probabilities are no rows of %d and %d: %w", len(phi), len(prob), d, k, astroml.ErrShape)
	}
	n := len(phi) / d
	a, g := mat.NewSymDense(d, nil), mat.NewSymDense(k, nil)
	for r := range n {
		f, p := phi[r*d:(r+1)*d], prob[r*k:(r+1)*k]
		for i, v := range f {
			for j := i; j < d; j++ {
				a.SetSym(i, j, a.At(i, j)+float64(v)*float64(f[j]))
			}
		}
		for i := range p {
			for j := i; j < k; j++ {
				v := -float64(p[i]) * float64(p[j])
				if i == j {
					v += float64(p[i])
				}
				g.SetSym(i, j, g.At(i, j)+v/float64(n))
			}
		}
	}
	l := &Laplace{Features: d, Classes: k, Prior: 1, Scale: 1}
	var err error
	if l.VecA, l.ValA, err = eigen(a); err != nil {
		return nil, err
	}
	if l.VecG, l.ValG, err = eigen(g); err != nil {
		return nil, err
	}
	l.Prepare()
	return l, nil
}

func eigen(m *mat.SymDense) (vec, val []float32, err error) {
	var e mat.EigenSym
	if !e.Factorize(m, true) {
		return nil, nil, errors.New("stats: the eigenvalues of the posterior were not found")
	}
	var v mat.Dense
	e.VectorsTo(&v)
	for i := range m.SymmetricDim() {
		for j := range m.SymmetricDim() {
			vec = append(vec, float32(v.At(i, j)))
		}
		val = append(val, float32(max(0, e.Values(nil)[i])))
	}
	return vec, val, nil
}

// Prepare draws the fixed samples. Call it after filling the fields by hand.
func (l *Laplace) Prepare() {
	r := rng.New(0, "laplace")
	l.draws = make([]float64, Draws*l.Classes)
	for i := 0; i < Draws; i += 2 {
		for j := range l.Classes {
			v := r.NormFloat64()
			l.draws[i*l.Classes+j] = v
			l.draws[(i+1)*l.Classes+j] = -v
		}
	}
}

// Answer is what the posterior says of one row.
type Answer struct{ Total, Aleatoric, Epistemic float64 }

// Scratch is memory that Predict works in. Each goroutine needs its own.
type Scratch struct{ proj, sd, off, z, p []float64 }

// NewScratch returns memory for Predict.
func (l *Laplace) NewScratch() *Scratch {
	k := l.Classes
	return &Scratch{make([]float64, l.Features), make([]float64, k), make([]float64, k), make([]float64, k), make([]float64, k)}
}

// Predict writes the mean over the posterior of softmax(z/Scale) to prob, and
// returns its entropy, the mean entropy of the samples (aleatoric) and the
// difference, the mutual information of label and weights (epistemic), in nats
// (Houlsby et al. 2011, arXiv:1112.5745).
func (l *Laplace) Predict(prob, phi, logits []float32, s *Scratch) Answer {
	d, k := l.Features, l.Classes
	clear(s.proj)
	for i := range d {
		f := float64(phi[i])
		if f == 0 {
			continue
		}
		row := l.VecA[i*d : (i+1)*d]
		for j, v := range row {
			s.proj[j] += f * float64(v)
		}
	}
	for j := range k {
		var v float64
		g := float64(l.ValG[j])
		for i, q := range s.proj {
			v += q * q / (float64(l.ValA[i])*g + l.Prior)
		}
		s.sd[j] = math.Sqrt(v)
	}
	clear(s.p)
	var aleatoric float64
	for r := range Draws {
		eps := l.draws[r*k : (r+1)*k]
		for j := range k {
			s.off[j] = s.sd[j] * eps[j]
		}
		top := math.Inf(-1)
		for i := range k {
			z := float64(logits[i])
			row := l.VecG[i*k : (i+1)*k]
			for j, v := range row {
				z += float64(v) * s.off[j]
			}
			s.z[i] = z / l.Scale
			top = max(top, s.z[i])
		}
		var sum, dot float64
		for i, z := range s.z {
			e := math.Exp(z - top)
			dot += e * (z - top)
			s.z[i] = e
			sum += e
		}
		// H = log Σe - Σ e·z / Σe for z shifted by its largest.
		aleatoric += math.Log(sum) - dot/sum
		for i, e := range s.z {
			s.p[i] += e / sum
		}
	}
	var a Answer
	for i, p := range s.p {
		p /= Draws
		prob[i] = float32(p)
		if p > 0 {
			a.Total -= p * math.Log(p)
		}
	}
	a.Aleatoric = min(aleatoric/Draws, a.Total)
	a.Epistemic = a.Total - a.Aleatoric
	return a
}

// Calibrate chooses Prior and Scale so that held-out rows get the greatest
// likelihood.
func (l *Laplace) Calibrate(phi, logits []float32, labels []int) error {
	d, k := l.Features, l.Classes
	n := len(labels)
	if n == 0 || len(phi) != n*d || len(logits) != n*k {
		return fmt.Errorf("stats: %d features, %d logits for %d labels: %w", len(phi), len(logits), n, astroml.ErrShape)
	}
	s := l.NewScratch()
	prob := make([]float32, k)
	step := max(1, n/4000) // a few thousand rows tell two numbers well enough
	nll := func() float64 {
		var sum float64
		for r := 0; r < n; r += step {
			l.Predict(prob, phi[r*d:(r+1)*d], logits[r*k:(r+1)*k], s)
			sum -= math.Log(max(1e-12, float64(prob[labels[r]])))
		}
		return sum
	}
	best, prior, scale := math.Inf(1), l.Prior, l.Scale
	for _, p := range []float64{1, 10, 100, 1000} {
		l.Prior = p
		t, v := golden(func(log float64) float64 { l.Scale = math.Exp(log); return nll() }, math.Log(0.2), math.Log(5))
		if v < best {
			best, prior, scale = v, p, math.Exp(t)
		}
	}
	l.Prior, l.Scale = prior, scale
	return nil
}

// golden returns where f, with one minimum between a and b, is least.
func golden(f func(float64) float64, a, b float64) (x, fx float64) {
	const r = 0.6180339887498949
	c, d := b-r*(b-a), a+r*(b-a)
	fc, fd := f(c), f(d)
	for b-a > 0.01 {
		if fc < fd {
			b, d, fd = d, c, fc
			c = b - r*(b-a)
			fc = f(c)
		} else {
			a, c, fc = c, d, fd
			d = a + r*(b-a)
			fd = f(d)
		}
	}
	if fc < fd {
		return c, fc
	}
	return d, fd
}
