package train

import (
	"fmt"
	"math"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
	"github.com/goastroml/goastroml/astroml/nn"
)

// optimizer is the state of AdamW, and what its parallel loops share: a step
// allocates nothing.
type optimizer struct {
	trained []*nn.Param
	index   []int // of trained among params.List
	m, v    [][]float32
	slices  []slice
	norms   []float64

	step         kernel.AdamW // of this step
	scale, keep  float32
	square, move func(i, worker int)
}

// slice is a stretch of one array, the unit of parallel work on weights.
type slice struct{ param, lo, hi int }

func newOptimizer(r *run, trained []*nn.Param, at map[*nn.Param]int) optimizer {
	const length = 1 << 14
	o := optimizer{trained: trained, square: r.squareOf, move: r.moveSlice}
	for i, q := range trained {
		o.index = append(o.index, at[q])
		o.m = append(o.m, make([]float32, len(q.Data)))
		o.v = append(o.v, make([]float32, len(q.Data)))
		for lo := 0; lo < len(q.Data); lo += length {
			o.slices = append(o.slices, slice{i, lo, min(len(q.Data), lo+length)})
		}
	}
	o.norms = make([]float64, len(o.slices))
	return o
}

// rate returns the step size after the given number of steps.
func (r *run) rate(step int) float64 {
	warm := r.cfg.WarmUp * float64(r.steps)
	s := float64(step)
	if s < warm {
		return r.cfg.LearnRate * (s + 1) / (warm + 1)
	}
	return r.cfg.LearnRate * (1 + math.Cos(math.Pi*(s-warm)/(float64(r.steps)-warm+1))) / 2
}

// update takes one step of AdamW and moves the averaged weights.
func (r *run) update() error {
	r.cfg.Workers.Run(len(r.slices), r.square)
	var norm float64
	for _, v := range r.norms {
		norm += v
	}
	norm = math.Sqrt(norm)
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		return fmt.Errorf("train: the gradient is not finite in epoch %d (try a smaller learn rate than %g): %w", r.Epoch, r.cfg.LearnRate, astroml.ErrDiverged)
	}
	r.scale = 1
	if r.cfg.Clip > 0 && norm > r.cfg.Clip {
		r.scale = float32(r.cfg.Clip / norm)
	}
	const beta1, beta2 = 0.9, 0.999
	t := float64(r.Step + 1)
	r.step = kernel.AdamW{
		LearnRate: float32(r.rate(r.Step)), Beta1: beta1, Beta2: beta2, Eps: 1e-8,
		Correct1: float32(1 - math.Pow(beta1, t)), Correct2: float32(1 - math.Pow(beta2, t)),
	}
	// The mean of a short run must forget its first weights.
	r.keep = float32(min(r.cfg.Average, t/(t+10)))
	r.cfg.Workers.Run(len(r.slices), r.move)
	if r.cfg.Average < 0 {
		return nil
	}
	for i, q := range r.params.List {
		if q.Running {
			mean := r.mean[i]
			for j, v := range q.Data {
				mean[j] = r.keep*mean[j] + (1-r.keep)*v
			}
		}
	}
	return nil
}

// gradient returns the gradient of a slice.
func (r *run) gradient(s slice) []float32 { return r.plan.Output(s.param + 1)[s.lo:s.hi] }

func (r *run) squareOf(i, _ int) { r.norms[i] = kernel.SumSquares(r.gradient(r.slices[i])) }

func (r *run) moveSlice(i, _ int) {
	s := r.slices[i]
	q := r.trained[s.param]
	step := r.step
	if q.Decay {
		step.WeightDecay = float32(r.cfg.WeightDecay)
	}
	w := q.Data[s.lo:s.hi]
	step.Step(w, r.m[s.param][s.lo:s.hi], r.v[s.param][s.lo:s.hi], r.gradient(s), r.scale)
	if r.cfg.Average > 0 {
		mean := r.mean[r.index[s.param]][s.lo:s.hi]
		kernel.Scale(mean, mean, r.keep)
		kernel.Axpy(mean, 1-r.keep, w)
	}
}
