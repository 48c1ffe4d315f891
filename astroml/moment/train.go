package moment

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
	"github.com/goastroml/goastroml/astroml/internal/rng"
	"github.com/goastroml/goastroml/astroml/model"
	"github.com/goastroml/goastroml/astroml/nn"
	"github.com/goastroml/goastroml/astroml/train"
)

// Train trains a network for each fold, and calibrates σ on what each had not
// learnt. It calls progress, which may be nil, after each step. If ctx ends,
// Train returns its error; with a Checkpoint, nothing but the epochs under way
// are lost.
func Train(ctx context.Context, set Set, cfg Config, progress func(astroml.Progress)) (*Network, error) {
	t, err := newTraining(set, cfg)
	if err != nil {
		return nil, err
	}
	t.report = progress
	err = t.run(ctx)
	t.n.plans.free, t.n.plans.kept = nil, 0 // those of training may be large
	return t.n, err
}

// newTraining returns a run of Train that is yet to begin.
func newTraining(set Set, cfg Config) (*training, error) {
	if err := set.check(); err != nil {
		return nil, err
	}
	if set.Folds != nil && cfg.Folds == 0 {
		cfg.Folds = slices.Max(set.Folds) + 1
	}
	if err := cfg.defaults(set.X.Shape, set.Theta.Shape[1]); err != nil {
		return nil, err
	}
	if cfg.Network == "map" || cfg.Network == "cube" {
		if err := fits(set.X.Shape[2:]); err != nil {
			return nil, err
		}
	}
	folds, err := set.folds(cfg)
	if err != nil {
		return nil, err
	}
	t := &training{set: set, folds: folds}
	if cfg.Folds == 1 && cfg.Loss == "two_stage" {
		if t.second, err = set.again(cfg, folds[0].held); err != nil {
			return nil, err
		}
	}
	n := &Network{cfg: cfg, p: set.Theta.Shape[1], names: append([]string(nil), set.Names...), members: make([]member, len(folds))}
	if n.scale, err = newScaling(set, cfg); err != nil {
		return nil, err
	}
	n.digest = set.digest()
	t.n = n
	t.set.Weights = set.relative()
	return t, nil
}

// training is a run of Train.
type training struct {
	n      *Network
	set    Set
	folds  []fold
	second fold // of the second stage, where one network of the first holds rows out
	report func(astroml.Progress)

	mu   sync.Mutex
	seen []astroml.Progress // of each fold, in this stage
}

func (t *training) run(ctx context.Context) error {
	n := t.n
	theta := n.scaled(t.set)
	if n.cfg.Loss != "two_stage" {
		if err := t.stage(ctx, both, theta, n.p); err != nil {
			return err
		}
		return t.calibrate(ctx, theta)
	}
	if err := t.stage(ctx, first, theta, n.p); err != nil {
		return err
	}
	// Of rows that no network held out, where there is one fold only, the second
	// stage learns nothing: their residuals are those of an over-fitted mean.
	mean, err := t.heldOut(ctx, first)
	if err != nil {
		return err
	}
	moments := n.cfg.products(n.p)
	target := make([]float32, len(theta)/n.p*len(moments))
	for i := range len(theta) / n.p {
		for j, m := range moments {
			v := 1.0
			for _, k := range m {
				v *= float64(theta[i*n.p+k]) - float64(mean[i*n.p+k])
			}
			target[i*len(moments)+j] = float32(v)
		}
	}
	n.unit = t.units(target, len(moments))
	for i := range target {
		target[i] /= n.unit[i%len(moments)]
	}
	if len(t.folds) == 1 {
		t.folds[0] = t.second
	}
	if err := t.stage(ctx, second, target, len(moments)); err != nil {
		return err
	}
	return t.calibrate(ctx, theta)
}

// units returns the root mean square of each column over held-out rows.
func (t *training) units(x []float32, k int) []float32 {
	squares := make([]float64, k)
	count := 0.0
	for _, f := range t.folds {
		for _, i := range f.held {
			w := t.set.weight(i)
			count += w
			for j := range k {
				v := float64(x[i*k+j])
				squares[j] += w * v * v
			}
		}
	}
	out := make([]float32, k)
	for j := range out {
		out[j] = float32(math.Sqrt(squares[j]/count)) + math.SmallestNonzeroFloat32
	}
	return out
}

// stage trains the networks of one stage: small ones side by side, large ones
// one after the other, each on all processors.
func (t *training) stage(ctx context.Context, s stage, target []float32, k int) error {
	n := t.n
	t.seen = make([]astroml.Progress, len(t.folds))
	together := 1
	if len(n.scale.shape) < 3 {
		together = min(n.cfg.Threads, len(t.folds))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(t.folds))
	outer := kernel.NewWorkers(together)
	defer outer.Close()
	outer.Run(len(t.folds), func(i, _ int) {
		workers := kernel.NewWorkers(max(1, n.cfg.Threads/together))
		defer workers.Close()
		if errs[i] = t.fold(ctx, s, i, target, k, workers); errs[i] != nil {
			cancel()
		}
	})
	for _, err := range errs {
		if err != nil && err != context.Canceled {
			return err
		}
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// fold trains one network.
func (t *training) fold(ctx context.Context, s stage, i int, target []float32, k int, workers *kernel.Workers) error {
	n, f := t.n, t.folds[i]
	name := [...]string{"means", "moments", "train"}[s]
	seed := rng.New(n.cfg.Seed, name, i).Uint64()
	params := nn.NewParams(seed)
	n.start(params, s, target, k, f.rows, t.set)
	h := new(model.Hash)
	h.Ints(f.rows)
	h.Ints(f.held)
	h.Float32s(target) // of which bounds and the first stage are part
	learnt := h.String()
	run := train.Config{
		Stage: name, Seed: seed, Epochs: n.cfg.Epochs, BatchSize: n.cfg.BatchSize, LearnRate: n.cfg.LearnRate,
		WeightDecay: max(0, n.cfg.WeightDecay), Settle: n.cfg.settle(), Patience: n.cfg.Patience, Workers: workers,
		Digest:   fmt.Sprintf("%s %s %s inputs=%s layers=%d hidden=%d dropout=%g augment=%d %s fold=%d", n.digest, n.cfg.Network, n.cfg.Loss, n.cfg.Inputs, n.cfg.Layers, n.cfg.Hidden, n.cfg.Dropout, n.cfg.Augment, learnt, i),
		Progress: func(p astroml.Progress) { t.progress(i, p) },
	}
	if n.cfg.Checkpoint != "" {
		run.Checkpoint = fmt.Sprintf("%s.%s.%d", n.cfg.Checkpoint, name, i)
	}
	history, err := train.Run(ctx, params, &lesson{net: n, set: t.set, stage: s, target: target, k: k}, f.rows, f.held, run)
	if err != nil {
		return err
	}
	if s == second {
		n.members[i].second = params
	} else {
		n.members[i].first, n.members[i].history = params, history
	}
	return nil
}

// start gives a network's last layer the biases of an answer that is the same
// for all rows: the mean, and the standard deviation.
func (n *Network) start(params *nn.Params, s stage, target []float32, k int, rows []int, set Set) {
	var x []float32
	for _, i := range rows {
		x = append(x, target[i*k:(i+1)*k]...)
	}
	weight := func(i int) float64 { return set.weight(rows[i]) }
	mean := center(x, k, weight)
	for i := range x {
		d := float64(x[i]) - mean[i%k]
		x[i] = float32(d * d)
	}
	square := center(x, k, weight)
	var bias []float32
	for j, m := range mean {
		if s == second && j < n.p {
			m = beforeSoftplus(m)
		}
		bias = append(bias, float32(m))
	}
	if s == both {
		for _, v := range square {
			v = math.Sqrt(v)
			if n.cfg.Loss == "gaussian" {
				v = beforeSoftplus(v)
			}
			bias = append(bias, float32(v))
		}
	}
	params.Set("out.bias", astroml.Array{Shape: []int{len(bias)}, Data: bias})
}

// beforeSoftplus returns what Softplus makes x of, for x of at least 1e-3.
func beforeSoftplus(x float64) float64 { return math.Log(math.Expm1(max(x, 1e-3))) }

// progress adds up the folds.
func (t *training) progress(i int, p astroml.Progress) {
	if t.report == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen[i] = p
	sum := astroml.Progress{Stage: p.Stage, Epoch: p.Epoch, Loss: p.Loss, Valid: p.Valid, Steps: p.Steps * len(t.folds)}
	for _, q := range t.seen {
		sum.Step += q.Step
	}
	t.report(sum)
}

// heldOut returns what the members' networks of a stage say of the rows that
// they had held out, and NaN of rows that none had.
func (t *training) heldOut(ctx context.Context, s stage) ([]float32, error) {
	n := t.n
	k := n.outputs(s)
	out := make([]float32, t.set.X.Shape[0]*k)
	for i := range out {
		out[i] = float32(math.NaN())
	}
	for i, f := range t.folds {
		y, err := n.forward(ctx, n.members[i].params(s), s, t.set.X, f.held)
		if err != nil {
			return nil, err
		}
		for j, r := range f.held {
			copy(out[r*k:(r+1)*k], y[j*k:(j+1)*k])
		}
	}
	return out, nil
}

// calibrate brings the variances of each parameter to where they suit held-out
// rows best: they are drawn towards their mean as far as the likelihood wants
// it, and scaled so that χ² is 1. A network that has learnt from few rows takes
// chance for small variances.
func (t *training) calibrate(ctx context.Context, theta []float32) error {
	n := t.n
	if n.unit == nil {
		n.unit = make([]float32, n.p)
		for j := range n.unit {
			n.unit[j] = 1
		}
	}
	square, variance := make([][]float64, n.p), make([][]float64, n.p)
	var weights []float64
	for i, f := range t.folds {
		mean, moments, err := n.one(ctx, n.members[i], t.set.X, f.held)
		if err != nil {
			return err
		}
		k := len(moments) / len(f.held)
		for a, r := range f.held {
			weights = append(weights, t.set.weight(r))
			for j := range n.p {
				d := float64(theta[r*n.p+j]) - float64(mean[a*n.p+j])
				square[j] = append(square[j], d*d)
				variance[j] = append(variance[j], float64(moments[a*k+j]))
			}
		}
	}
	n.variance = make([]line, n.p)
	gain, err := t.gain(ctx)
	if err != nil {
		return err
	}
	for j := range n.variance {
		l := fitLine(square[j], variance[j], weights)
		var sum, total float64
		for i, w := range weights {
			sum += w * square[j][i]
			total += w
		}
		// No more than half: a scatter as large as the error is one of chance.
		keep := 1.0
		if sum > 0 {
			keep = max(0.5, 1-gain[j]*total/sum)
		}
		n.variance[j] = line{l.Base * keep, l.Slope * keep}
	}
	return nil
}

// gain returns by how much the mean square error of each parameter is lower for
// the mean of the members than for one of them, which is all that held-out rows
// show: by their scatter, V (1 - 1/K) for K members of variance V about it.
// Rows that most members have learnt show a little less of it than others would.
func (t *training) gain(ctx context.Context) ([]float64, error) {
	n, s, k := t.n, t.n.firstStage(), float64(len(t.n.members))
	gain := make([]float64, n.p)
	if k < 2 {
		return gain, nil
	}
	var rows []int
	for _, i := range rng.New(n.cfg.Seed, "gain").Perm(t.set.X.Shape[0]) {
		if len(rows) < most && t.set.weight(i) > 0 {
			rows = append(rows, i)
		}
	}
	columns := n.outputs(s)
	sum, squares := make([]float64, len(rows)*n.p), make([]float64, len(rows)*n.p)
	for _, m := range n.members {
		y, err := n.forward(ctx, m.first, s, t.set.X, rows)
		if err != nil {
			return nil, err
		}
		for i := range sum {
			v := float64(y[i/n.p*columns+i%n.p])
			sum[i] += v
			squares[i] += v * v
		}
	}
	var total float64
	for i := range sum {
		w := t.set.weight(rows[i/n.p])
		gain[i%n.p] += w * (squares[i] - sum[i]*sum[i]/k) / k
		total += w / float64(n.p)
	}
	for j := range gain {
		gain[j] /= total
	}
	return gain, nil
}

// A line turns a variance as a network gives it into one that suits.
type line struct {
	Base  float64 `json:"base"`
	Slope float64 `json:"slope"`
}

func (l line) at(v float64) float64 { return l.Base + l.Slope*v }

// fitLine returns the line through the mean variance by which squares of
// residuals are likeliest, scaled so that their χ² is 1.
func fitLine(square, variance, weights []float64) line {
	var total, mean float64
	for i, w := range weights {
		total += w
		mean += w * variance[i]
	}
	mean /= total
	best, least := line{0, 1}, math.Inf(1)
	const steps = 20
	for step := range steps + 1 {
		l := line{mean * float64(steps-step) / steps, float64(step) / steps}
		var chi, logs float64
		for i, w := range weights {
			v := max(l.at(variance[i]), 1e-30)
			chi += w * square[i] / v
			logs += w * math.Log(v)
		}
		scale := chi / total
		if !(scale > 0) || math.IsInf(scale, 0) {
			continue
		}
		// Scaled by scale, χ² is 1 and the rest of -2 log likelihood is this.
		if nll := logs/total + math.Log(scale); nll < least {
			best, least = line{l.Base * scale, l.Slope * scale}, nll
		}
	}
	return best
}
