package stats

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
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

	draws  []float32      // Draws × k standard normal numbers
	basis  *kernel.Matrix // d × d: VecA
	spread *kernel.Matrix // d × k: 1/(ValA·ValG + Prior), what a square of a projection adds to a variance
	turn   *kernel.Matrix // k × k: VecG transposed
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

// Prepare makes what Predict needs of the fields. Call it after setting any but
// Scale by hand.
func (l *Laplace) Prepare() {
	d, k := l.Features, l.Classes
	r := rng.New(0, "laplace")
	l.draws = make([]float32, Draws*k)
	for i := 0; i < Draws; i += 2 {
		for j := range k {
			v := float32(r.NormFloat64())
			l.draws[i*k+j] = v
			l.draws[(i+1)*k+j] = -v
		}
	}
	l.basis = kernel.NewMatrix(l.VecA, d, d)
	turn := make([]float32, k*k)
	for i := range k {
		for j := range k {
			turn[j*k+i] = l.VecG[i*k+j]
		}
	}
	l.turn = kernel.NewMatrix(turn, k, k)
	variance := make([]float32, d*k)
	for i, a := range l.ValA {
		for j, g := range l.ValG {
			variance[i*k+j] = float32(1 / (float64(a)*float64(g) + l.Prior))
		}
	}
	l.spread = kernel.NewMatrix(variance, d, k)
}

// Answer is what the posterior says of one row.
type Answer struct{ Total, Aleatoric, Epistemic float64 }

// Scratch is memory that Predict works in. Each goroutine needs its own.
type Scratch struct {
	rows          int
	proj, sd, off []float32
	z             []float32
	p             []float64
}

// NewScratch returns memory for Predict, which goes through this many rows at
// a time.
func (l *Laplace) NewScratch(rows int) *Scratch {
	d, k := l.Features, l.Classes
	return &Scratch{
		rows: rows, proj: make([]float32, rows*d), sd: make([]float32, rows*k),
		off: make([]float32, rows*Draws*k), z: make([]float32, rows*Draws*k), p: make([]float64, k),
	}
}

// Predict writes the mean over the posterior of softmax(z/Scale) to prob, and
// to answers its entropy, the mean entropy of the samples (aleatoric) and the
// difference, the mutual information of label and weights (epistemic), in nats
// (Houlsby et al. 2011, arXiv:1112.5745), for each row. A row's answer does not
// depend on the rows beside it.
func (l *Laplace) Predict(prob []float32, answers []Answer, phi, logits []float32, s *Scratch) {
	d, k := l.Features, l.Classes
	for lo := 0; lo < len(answers); lo += s.rows {
		hi := min(lo+s.rows, len(answers))
		l.predict(prob[lo*k:hi*k], answers[lo:hi], phi[lo*d:hi*d], logits[lo*k:hi*k], s)
	}
}

func (l *Laplace) predict(prob []float32, answers []Answer, phi, logits []float32, s *Scratch) {
	d, k, n := l.Features, l.Classes, len(answers)
	proj, sd, off, z := s.proj[:n*d], s.sd[:n*k], s.off[:n*Draws*k], s.z[:n*Draws*k]
	l.basis.Multiply(proj, phi, kernel.Epilogue{})
	kernel.Mul(proj, proj, proj)
	l.spread.Multiply(sd, proj, kernel.Epilogue{})
	scale := float32(1 / l.Scale)
	for i, v := range sd {
		sd[i] = scale * float32(math.Sqrt(float64(v)))
	}
	for r := range n {
		sd, mean := sd[r*k:(r+1)*k], logits[r*k:(r+1)*k]
		for i := 0; i < Draws*k; i += k {
			at := r*Draws*k + i
			off, z, draw := off[at:at+k], z[at:at+k], l.draws[i:i+k]
			for j := range off {
				off[j] = sd[j] * draw[j]
				z[j] = scale * mean[j]
			}
		}
	}
	l.turn.Multiply(z, off, kernel.Epilogue{Residual: z})
	for i := 0; i < len(z); i += k {
		z := z[i : i+k]
		top := z[0]
		for _, v := range z {
			top = max(top, v)
		}
		for j := range z {
			z[j] -= top
		}
	}
	kernel.Exp(off, z)
	for r := range n {
		answers[r] = average(prob[r*k:(r+1)*k], z[r*Draws*k:(r+1)*Draws*k], off[r*Draws*k:(r+1)*Draws*k], s.p)
	}
}

// average writes the mean of the softmax of the samples z, whose exponentials
// are e, to prob.
func average(prob, z, e []float32, p []float64) Answer {
	k := len(prob)
	clear(p)
	var aleatoric float64
	for i := 0; i < len(z); i += k {
		z, e := z[i:i+k], e[i:i+k]
		var sum, dot float64
		for j, v := range e {
			sum += float64(v)
			dot += float64(v) * float64(z[j])
		}
		// H = log Σe - Σ e·z / Σe for z shifted by its largest.
		aleatoric += math.Log(sum) - dot/sum
		for j, v := range e {
			p[j] += float64(v) / sum
		}
	}
	var a Answer
	for j, v := range p {
		v /= Draws
		prob[j] = float32(v)
		if v > 0 {
			a.Total -= v * math.Log(v)
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
	if n > enough {
		phi, logits, labels = every((n+enough-1)/enough, phi, logits, labels, d, k)
	}
	s := l.NewScratch(64)
	prob, answers := make([]float32, len(logits)), make([]Answer, len(labels))
	nll := func() float64 {
		l.Predict(prob, answers, phi, logits, s)
		var sum float64
		for r, label := range labels {
			sum -= math.Log(max(1e-12, float64(prob[r*k+label])))
		}
		return sum
	}
	best, prior, scale := math.Inf(1), l.Prior, l.Scale
	for _, p := range []float64{1, 10, 100, 1000} {
		l.Prior = p
		l.Prepare()
		t, v := golden(func(log float64) float64 { l.Scale = math.Exp(log); return nll() }, math.Log(0.2), math.Log(5))
		if v < best {
			best, prior, scale = v, p, math.Exp(t)
		}
	}
	l.Prior, l.Scale = prior, scale
	l.Prepare()
	return nil
}

// enough rows tell two numbers well.
const enough = 8000

// every returns each step-th row.
func every(step int, phi, logits []float32, labels []int, d, k int) (p, z []float32, l []int) {
	for r := 0; r < len(labels); r += step {
		p = append(p, phi[r*d:(r+1)*d]...)
		z = append(z, logits[r*k:(r+1)*k]...)
		l = append(l, labels[r])
	}
	return p, z, l
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
