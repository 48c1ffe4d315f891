package spectra

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
	"github.com/goastroml/goastroml/astroml/stats"
)

// Flag says why a spectrum has no answer, or a poor one.
type Flag uint32

const (
	// Unusable: no pixel of the model's grid has a finite flux and a positive
	// inverse variance. Probabilities are NaN.
	Unusable Flag = 1 << iota
	// PartlyCovered: less than half of the model's pixels have data.
	PartlyCovered
)

// Result holds what a classifier says of n spectra.
type Result struct {
	Prob      []float32 // n × class, calibrated; NaN where Flag has Unusable
	Class     []int     // most probable class, -1 where Flag has Unusable
	Total     []float32 // entropy of Prob, nats
	Aleatoric []float32 // the part of Total that more training data would not remove, nats
	Epistemic []float32 // the part of Total that more training data would remove, nats
	// OOD is the fraction of held-out spectra that look no more unusual:
	// accepting OOD ≤ 0.95 keeps 95 % of the known classes.
	OOD  []float32
	Flag []Flag
}

func newResult(n, k int) *Result {
	return &Result{
		Prob: make([]float32, n*k), Class: make([]int, n),
		Total: make([]float32, n), Aleatoric: make([]float32, n), Epistemic: make([]float32, n),
		OOD: make([]float32, n), Flag: make([]Flag, n),
	}
}

var nan = float32(math.NaN())

func fill(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}

// void says that spectrum i has no answer.
func (r *Result) void(i int) {
	k := len(r.Prob) / len(r.Class)
	fill(r.Prob[i*k:(i+1)*k], nan)
	r.Class[i], r.Flag[i] = -1, Unusable
	r.Total[i], r.Aleatoric[i], r.Epistemic[i], r.OOD[i] = nan, nan, nan, nan
}

// judge is the memory that calibrated answers to a batch of spectra are made
// in.
type judge struct {
	scratch              *stats.Scratch
	phi                  []float32 // features, and a constant 1
	answers              []stats.Answer
	white                []float32
	distance, regression []float32
}

func (c *Classifier) newJudge(n int) *judge {
	d := c.Features()
	return &judge{
		scratch: c.laplace.NewScratch(n), phi: make([]float32, n*(d+1)), answers: make([]stats.Answer, n),
		white: make([]float32, n*(d+1)), distance: make([]float32, n), regression: make([]float32, n),
	}
}

// look runs the network over spectra on any grid.
func (c *Classifier) look(ctx context.Context, x astroml.Spectra, good []int, take taker) error {
	if err := x.Check(); err != nil {
		return err
	}
	var r *rebinner
	if !sameGrid(x.Wave, c.wave) {
		var err error
		if r, err = newRebinner(x.Wave, c.wave); err != nil {
			return err
		}
	}
	var bad sync.Mutex
	var first error
	err := c.sweep(ctx, x.Len(), func(h *hand, in []float32, i int) {
		row := x.Row(i)
		var wrong error
		if r != nil {
			wrong = negative(row)
			var ivar []float32
			if row.IVar != nil {
				ivar = h.ivar
			}
			r.apply(h.flux, ivar, row.Flux, row.IVar)
			row.Flux, row.IVar = h.flux, ivar
		}
		var below int
		if good[i], below = kernel.Standardize(in, row.Flux, row.IVar, c.net.channels()); below > 0 {
			wrong = negative(row)
		}
		if wrong != nil {
			bad.Lock()
			first = fmt.Errorf("spectra: spectrum %d: %w", i, wrong)
			bad.Unlock()
		}
	}, take)
	if err == nil {
		err = first
	}
	return err
}

func sameGrid(a, b []float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		// A thousandth of a pixel, where pixels are 1e-4 in log λ.
		if math.Abs(a[i]-b[i]) > 1e-7*b[i] {
			return false
		}
	}
	return true
}

// Classify classifies spectra on any wavelength grid that overlaps the
// model's. Results do not depend on what else is in x, or on threads.
func (c *Classifier) Classify(ctx context.Context, x astroml.Spectra) (*Result, error) {
	n, k := x.Len(), len(c.classes)
	r := newResult(n, k)
	good := make([]int, n)
	err := c.look(ctx, x, good, func(h *hand, f, z []float32, lo, hi int) {
		if h.judge == nil {
			h.judge = c.newJudge(batch)
		}
		j := h.judge
		c.predict(j, r.Prob[lo*k:hi*k], f, z)
		c.novel.scores(j.distance[:hi-lo], j.regression[:hi-lo], f, j.white[:len(f)+hi-lo])
		for i := lo; i < hi; i++ {
			if good[i] == 0 {
				r.void(i)
				continue
			}
			a := j.answers[i-lo]
			r.Total[i], r.Aleatoric[i], r.Epistemic[i] = float32(a.Total), float32(a.Aleatoric), float32(a.Epistemic)
			r.OOD[i] = c.novel.ood(j.distance[i-lo], j.regression[i-lo])
			r.Class[i] = argmax(r.Prob[i*k : (i+1)*k])
			if 2*good[i] < len(c.wave) {
				r.Flag[i] = PartlyCovered
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

func argmax(x []float32) (at int) {
	for i, v := range x {
		if v > x[at] {
			at = i
		}
	}
	return at
}

// predict writes calibrated probabilities to prob, and uncertainties to
// j.answers.
func (c *Classifier) predict(j *judge, prob, features, z []float32) {
	d := c.Features()
	n := len(features) / d
	appendOnes(j.phi, features, d)
	c.laplace.Predict(prob, j.answers[:n], j.phi[:n*(d+1)], z, j.scratch)
}

// Embed returns n × Features values, the representation that the last layer
// sees. Spectra without data have NaN.
func (c *Classifier) Embed(ctx context.Context, x astroml.Spectra) ([]float32, error) {
	d := c.Features()
	out := make([]float32, x.Len()*d)
	good := make([]int, x.Len())
	err := c.look(ctx, x, good, func(_ *hand, f, _ []float32, lo, hi int) {
		copy(out[lo*d:], f)
		for i := lo; i < hi; i++ {
			if good[i] == 0 {
				fill(out[i*d:(i+1)*d], nan)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// calibrate chooses the temperature and the prior of the last layer, and takes
// the distributions of conformal scores and of the detector's, on held-out
// rows.
func (c *Classifier) calibrate(ctx context.Context, set Set, rows []int) error {
	d, k := c.Features(), len(c.classes)
	features, z, err := c.forward(ctx, set.Spectra, rows, nil)
	if err != nil {
		return err
	}
	labels := make([]int, len(rows))
	for i, r := range rows {
		labels[i] = set.Labels[r]
	}
	j := c.newJudge(batch)
	if err := c.laplace.Calibrate(withBias(features, d), z, labels); err != nil {
		return err
	}
	if err := c.novel.calibrate(features); err != nil {
		return err
	}
	prob := make([]float32, len(z))
	for lo := 0; lo < len(labels); lo += batch {
		hi := min(lo+batch, len(labels))
		c.predict(j, prob[lo*k:hi*k], features[lo*d:hi*d], z[lo*k:hi*k])
	}
	c.conformal, err = stats.NewConformal(prob, labels, k)
	return err
}

// withBias returns rows of features with a constant 1 at their ends.
func withBias(features []float32, d int) []float32 {
	out := make([]float32, len(features)/d*(d+1))
	appendOnes(out, features, d)
	return out
}

func appendOnes(dst, features []float32, d int) {
	for i := 0; i*d < len(features); i++ {
		row := dst[i*(d+1) : (i+1)*(d+1)]
		copy(row, features[i*d:(i+1)*d])
		row[d] = 1
	}
}

func softmax(z []float32, k int) []float32 {
	p := make([]float32, len(z))
	for i := 0; i < len(z); i += k {
		var sum, top float64 = 0, math.Inf(-1)
		for _, v := range z[i : i+k] {
			top = max(top, float64(v))
		}
		for _, v := range z[i : i+k] {
			sum += math.Exp(float64(v) - top)
		}
		for j, v := range z[i : i+k] {
			p[i+j] = float32(math.Exp(float64(v)-top) / sum)
		}
	}
	return p
}

// Sets returns n × class booleans: the classes that hold the true one in a
// fraction coverage of all spectra, by split conformal prediction (see
// stats.Conformal). A set may be empty: then no class is as probable as it
// should be. Spectra without an answer have empty sets.
func (c *Classifier) Sets(prob []float32, coverage float64) ([]bool, error) {
	t, err := c.conformal.Threshold(coverage)
	if err != nil {
		return nil, err
	}
	return t.Sets(prob)
}

// ClassSets is Sets with the coverage kept for each true class, not only for
// all together: for rare classes, at the price of larger sets.
func (c *Classifier) ClassSets(prob []float32, coverage float64) ([]bool, error) {
	t, err := c.conformal.ClassThresholds(coverage)
	if err != nil {
		return nil, err
	}
	return t.Sets(prob)
}
