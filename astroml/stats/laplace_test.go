package stats

import (
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/goastroml/goastroml/astroml/internal/rng"
)

func laplaceCase(n, d, k int, scale float64) (l *Laplace, phi, logits []float32, labels []int) {
	r := rng.New(1, "laplace test")
	w := make([]float64, d*k)
	for i := range w {
		w[i] = r.NormFloat64()
	}
	var prob []float32
	for range n {
		p := make([]float64, k)
		row := make([]float64, d)
		for j := range row {
			row[j] = r.NormFloat64()
			phi = append(phi, float32(row[j]))
		}
		var sum float64
		for c := range k {
			var z float64
			for j, v := range row {
				z += v * w[j*k+c]
			}
			p[c] = math.Exp(z)
			sum += p[c]
			logits = append(logits, float32(z*scale))
		}
		u, label := r.Float64()*sum, 0
		for c, v := range p {
			prob = append(prob, float32(v/sum))
			if u -= v; u > 0 {
				label = min(c+1, k-1)
			}
		}
		labels = append(labels, label)
	}
	l, err := FitLaplace(phi, prob, d, k)
	if err != nil {
		panic(err)
	}
	return l, phi, logits, labels
}

// TestLaplaceCovariance compares the variance of a logit with that of the full
// Kronecker-factored precision, inverted as one matrix.
func TestLaplaceCovariance(t *testing.T) {
	const n, d, k = 50, 3, 4
	l, phi, _, _ := laplaceCase(n, d, k, 1)
	l.Prior = 0.7
	a, g := mat.NewDense(d, d, nil), mat.NewDense(k, k, nil)
	expand := func(dst *mat.Dense, vec, val []float32, m int) {
		for i := range m {
			for j := range m {
				var s float64
				for e := range m {
					s += float64(vec[i*m+e]) * float64(val[e]) * float64(vec[j*m+e])
				}
				dst.Set(i, j, s)
			}
		}
	}
	expand(a, l.VecA, l.ValA, d)
	expand(g, l.VecG, l.ValG, k)
	var h, inv mat.Dense
	h.Kronecker(a, g)
	for i := range d * k {
		h.Set(i, i, h.At(i, i)+l.Prior)
	}
	if err := inv.Inverse(&h); err != nil {
		t.Fatal(err)
	}
	l.Prepare()
	s := l.NewScratch(1)
	prob := make([]float32, k)
	f := phi[:d]
	l.Predict(prob, make([]Answer, 1), f, make([]float32, k), s)
	for c := range k {
		var want, got float64
		for i := range d {
			for j := range d {
				want += float64(f[i]) * inv.At(i*k+c, j*k+c) * float64(f[j])
			}
		}
		for e := range k {
			got += math.Pow(float64(l.VecG[c*k+e])*float64(s.sd[e]), 2)
		}
		// The eigenvectors are kept in float32.
		if math.Abs(got-want) > 1e-4*want {
			t.Errorf("variance of logit %d is %g, the inverse precision gives %g", c, got, want)
		}
	}
}

func TestLaplaceWithoutDoubtIsSoftmax(t *testing.T) {
	l, phi, logits, _ := laplaceCase(50, 3, 4, 1)
	l.Prior = 1e12
	l.Prepare()
	prob, answers := make([]float32, 4), make([]Answer, 1)
	l.Predict(prob, answers, phi[:3], logits[:4], l.NewScratch(1))
	a := answers[0]
	var sum float64
	for _, z := range logits[:4] {
		sum += math.Exp(float64(z))
	}
	for i, z := range logits[:4] {
		if want := math.Exp(float64(z)) / sum; math.Abs(float64(prob[i])-want) > 1e-5 {
			t.Errorf("probability %d is %g, softmax gives %g", i, prob[i], want)
		}
	}
	if a.Epistemic > 1e-6 || math.Abs(a.Total-a.Aleatoric-a.Epistemic) > 1e-12 {
		t.Errorf("total %g, aleatoric %g, epistemic %g of a certain posterior", a.Total, a.Aleatoric, a.Epistemic)
	}
}

// TestLaplaceRowsStandAlone predicts rows together, in pieces and one by one.
func TestLaplaceRowsStandAlone(t *testing.T) {
	const n, d, k = 50, 3, 4
	l, phi, logits, _ := laplaceCase(n, d, k, 1)
	want, answers := make([]float32, n*k), make([]Answer, n)
	l.Predict(want, answers, phi, logits, l.NewScratch(n))
	for _, rows := range []int{1, 7} {
		got, one := make([]float32, n*k), make([]Answer, n)
		l.Predict(got, one, phi, logits, l.NewScratch(rows))
		if !slices.Equal(got, want) || !slices.Equal(one, answers) {
			t.Errorf("%d rows at a time give other bits than all at once", rows)
		}
	}
}

// TestLaplaceFindsTheTemperature multiplies logits of a true model by 3: the
// calibrated scale must undo it.
func TestLaplaceFindsTheTemperature(t *testing.T) {
	l, phi, logits, labels := laplaceCase(2000, 3, 4, 3)
	if err := l.Calibrate(phi, logits, labels); err != nil {
		t.Fatal(err)
	}
	if math.Abs(l.Scale-3) > 0.25 { // standard error with 2,000 labels is about 0.08
		t.Errorf("scale %g, want 3", l.Scale)
	}
}

func TestLaplaceRefuses(t *testing.T) {
	if _, err := FitLaplace(make([]float32, 5), make([]float32, 4), 3, 2); err == nil {
		t.Error("took 5 features as rows of 3")
	}
	l, phi, logits, labels := laplaceCase(10, 3, 4, 1)
	if err := l.Calibrate(phi, logits[1:], labels); err == nil {
		t.Error("took too few logits")
	}
}
