package spectra

import (
	"context"
	"fmt"
	"math"
	"runtime"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
	"github.com/goastroml/goastroml/astroml/internal/rng"
	"github.com/goastroml/goastroml/astroml/model"
	"github.com/goastroml/goastroml/astroml/nn"
	"github.com/goastroml/goastroml/astroml/stats"
	"github.com/goastroml/goastroml/astroml/train"
)

// Classifier is a trained classifier. It is immutable and safe for concurrent
// use.
type Classifier struct {
	cfg     Config
	net     network
	params  *nn.Params
	classes []string
	wave    []float64
	digest  string // of the training data
	history []train.Epoch

	laplace   *stats.Laplace
	novel     *novelty
	conformal *stats.Conformal

	plans plans
}

// Classes returns the names of the classes.
func (c *Classifier) Classes() []string { return append([]string(nil), c.classes...) }

// Wave returns the model's wavelength grid in Å.
func (c *Classifier) Wave() []float64 { return append([]float64(nil), c.wave...) }

// Config returns the options the classifier was trained with, defaults filled
// in.
func (c *Classifier) Config() Config { return c.cfg }

// History returns the training and held-out loss of each epoch, in nats.
func (c *Classifier) History() []train.Epoch { return append([]train.Epoch(nil), c.history...) }

// Features returns the number of values that Embed gives a spectrum.
func (c *Classifier) Features() int { return c.net.features() }

// Params returns the number of parameters and, of these, of running
// statistics, and the number of multiply-adds a spectrum.
func (c *Classifier) Params() (total, running, multiplyAdds int) {
	g := nn.NewGraph(c.params, false)
	c.draw(g, 1)
	total, running = c.params.Size()
	return total, running, g.MultiplyAdds()
}

// draw draws the network for n spectra.
func (c *Classifier) draw(g *nn.Graph, n int) (features, z *nn.Node) {
	f := c.net.draw(g, g.Input("x", n, 1, 1, len(c.wave), c.net.channels()))
	return f, logits(g, f, len(c.classes))
}

func (c *Config) defaults() error {
	pick := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	pickf := func(v *float64, d float64) {
		if *v == 0 {
			*v = d
		}
	}
	picks := func(v *string, d string) {
		if *v == "" {
			*v = d
		}
	}
	picks(&c.Network, "default")
	picks(&c.Pretrain, "none")
	picks(&c.ClassWeight, "none")
	pick(&c.Epochs, 30)
	pick(&c.BatchSize, 64)
	pick(&c.Patience, 8)
	pick(&c.PretrainEpochs, 10)
	pick(&c.Threads, runtime.GOMAXPROCS(0))
	pickf(&c.LearnRate, 0.002)
	pickf(&c.WeightDecay, 0.05)
	pickf(&c.LabelSmoothing, 0.02)
	pickf(&c.HeldOut, 0.2)
	pickf(&c.Augment, 1)
	pickf(&c.Exposure, 0.125)
	switch {
	case networks[c.Network] == nil:
		return fmt.Errorf(`spectra: network %q, want "default" or "gasnet2"`, c.Network)
	case c.Pretrain != "none" && c.Pretrain != "contrastive":
		return fmt.Errorf(`spectra: pretrain %q, want "none" or "contrastive"`, c.Pretrain)
	case c.ClassWeight != "none" && c.ClassWeight != "balanced":
		return fmt.Errorf(`spectra: class_weight %q, want "none" or "balanced"`, c.ClassWeight)
	case c.Epochs < 0 || c.BatchSize < 2 || c.Threads < 0 || c.PretrainEpochs < 0:
		return fmt.Errorf("spectra: epochs %d, pretrain_epochs %d, batch_size %d, threads %d, want positive numbers and batches of two or more", c.Epochs, c.PretrainEpochs, c.BatchSize, c.Threads)
	case !(c.LearnRate > 0) || math.IsInf(c.LearnRate, 0) || math.IsNaN(c.WeightDecay):
		return fmt.Errorf("spectra: learn_rate %g and weight_decay %g, want positive numbers", c.LearnRate, c.WeightDecay)
	case !(c.HeldOut > 0 && c.HeldOut < 1):
		return fmt.Errorf("spectra: held_out %g, want a fraction between 0 and 1", c.HeldOut)
	case !(c.Exposure < 1):
		return fmt.Errorf("spectra: exposure %g, want a fraction below 1", c.Exposure)
	case !(c.LabelSmoothing < 1) || math.IsNaN(c.Augment):
		return fmt.Errorf("spectra: label_smoothing %g, augment %g, want numbers, the former below 1", c.LabelSmoothing, c.Augment)
	}
	return nil
}

// Train trains a classifier. It calls progress, which may be nil, after each
// step. If ctx ends, Train returns its error; with a Checkpoint, nothing but
// the epoch under way is lost.
func Train(ctx context.Context, set Set, cfg Config, progress func(astroml.Progress)) (*Classifier, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	if err := set.check(networks[cfg.Network].pixels()); err != nil {
		return nil, err
	}
	c := &Classifier{cfg: cfg, net: networks[cfg.Network], params: nn.NewParams(cfg.Seed),
		classes: append([]string(nil), set.Classes...), wave: append([]float64(nil), set.Wave...)}
	return c, c.train(ctx, set, progress)
}

// FineTune goes on training on other spectra of the same classes, and
// calibrates anew on them. Of cfg, Network stays as it is.
func (c *Classifier) FineTune(ctx context.Context, set Set, cfg Config, progress func(astroml.Progress)) (*Classifier, error) {
	cfg.Network = c.cfg.Network
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	set, err := c.adopt(set)
	if err != nil {
		return nil, err
	}
	t := &Classifier{cfg: cfg, net: c.net, params: c.params.Clone(), classes: c.classes, wave: c.wave}
	t.params.Seed = cfg.Seed
	return t, t.train(ctx, set, progress)
}

// adopt brings a set onto the model's grid and its order of classes.
func (c *Classifier) adopt(set Set) (Set, error) {
	if !sameClasses(set.Classes, c.classes) {
		return set, fmt.Errorf("spectra: classes %v, the model has %v", set.Classes, c.classes)
	}
	if err := set.Spectra.Check(); err != nil {
		return set, err
	}
	if !sameGrid(set.Wave, c.wave) {
		x, err := Rebin(set.Spectra, c.wave)
		if err != nil {
			return set, err
		}
		set.Spectra = x
	}
	return set, set.check(c.net.pixels())
}

func sameClasses(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func (c *Classifier) train(ctx context.Context, set Set, progress func(astroml.Progress)) error {
	cfg := c.cfg
	h := new(model.Hash)
	h.Float32s(set.Flux)
	h.Float32s(set.IVar)
	h.Float64s(set.Wave)
	h.Ints(set.Labels)
	c.digest = h.String()
	rows, held := split(set, cfg.HeldOut, cfg.Seed)
	workers := kernel.NewWorkers(cfg.Threads)
	defer workers.Close()
	l := &lesson{c: c, set: set, rows: rows, weights: weights(set, cfg.ClassWeight, rows)}
	run := train.Config{
		Seed: cfg.Seed, BatchSize: cfg.BatchSize, LearnRate: cfg.LearnRate, WeightDecay: cfg.WeightDecay,
		Patience: cfg.Patience, Workers: workers, Progress: progress,
		Digest: fmt.Sprintf("%s %s held_out=%g augment=%g smoothing=%g exposure=%g weight=%s pretrain=%s", c.digest, cfg.Network, cfg.HeldOut, cfg.Augment, cfg.LabelSmoothing, cfg.Exposure, cfg.ClassWeight, cfg.Pretrain),
	}
	if cfg.Pretrain == "contrastive" {
		run := run
		run.Stage, run.Epochs = "pretrain", cfg.PretrainEpochs
		if cfg.Checkpoint != "" {
			run.Checkpoint = cfg.Checkpoint + ".pretrain"
		}
		if _, err := train.Run(ctx, c.params, contrast{l}, rows, nil, run); err != nil {
			return err
		}
		c.params.Delete("contrast.weight", "contrast.bias")
	}
	run.Stage, run.Epochs, run.Checkpoint = "train", cfg.Epochs, cfg.Checkpoint
	var err error
	if c.history, err = train.Run(ctx, c.params, l, rows, held, run); err != nil {
		return err
	}
	c.params.Delete("spoilt.weight", "spoilt.bias")
	return c.conclude(ctx, set, rows, held)
}

// conclude fits what follows the network: the posterior of the last layer, the
// detector of unusual spectra, and the calibration on held-out rows.
func (c *Classifier) conclude(ctx context.Context, set Set, rows, held []int) error {
	// A posterior of some ten thousand numbers needs no more rows than these.
	if r := rng.New(c.cfg.Seed, "conclude"); len(rows) > 20000 {
		pick := make([]int, 20000)
		for i, j := range r.Perm(len(rows))[:len(pick)] {
			pick[i] = rows[j]
		}
		rows = pick
	}
	d, k := c.Features(), len(c.classes)
	features, z, err := c.forward(ctx, set.Spectra, rows, nil)
	if err != nil {
		return err
	}
	phi, prob := withBias(features, d), softmax(z, k)
	if c.laplace, err = stats.FitLaplace(phi, prob, d+1, k); err != nil {
		return err
	}
	labels := make([]int, len(rows))
	for i, r := range rows {
		labels[i] = set.Labels[r]
	}
	bad, _, err := c.forward(ctx, set.Spectra, rows, func(flux, ivar []float32, i int) {
		r := rng.New(c.cfg.Seed, "spoil", i)
		other, _ := set.row(rows[r.IntN(len(rows))])
		spoil(spoilt[i%len(spoilt)], flux, ivar, other, r)
	})
	if err != nil {
		return err
	}
	if c.novel, err = fitNovelty(features, labels, bad, d, k); err != nil {
		return err
	}
	return c.calibrate(ctx, set, held)
}

// Calibrate returns the classifier with probabilities, conformal sets and
// scores of unusual spectra calibrated on other labelled spectra than those
// held out in training. The weights stay as they are.
func (c *Classifier) Calibrate(ctx context.Context, set Set) (*Classifier, error) {
	set, err := c.adopt(set)
	if err != nil {
		return nil, err
	}
	t := &Classifier{cfg: c.cfg, net: c.net, params: c.params, classes: c.classes, wave: c.wave, digest: c.digest, history: c.history}
	l, o := *c.laplace, *c.novel
	t.laplace, t.novel = &l, &o
	rows := make([]int, set.Len())
	for i := range rows {
		rows[i] = i
	}
	return t, t.calibrate(ctx, set, rows)
}

// split holds out a fraction of the groups of each class, at least one if it
// has two. A group is of the class of its first spectrum.
func split(set Set, fraction float64, seed uint64) (rows, held []int) {
	group := func(i int) int { return i }
	if set.Groups != nil {
		group = func(i int) int { return set.Groups[i] }
	}
	seen := map[int]bool{}
	members := make([][]int, len(set.Classes))
	for i, l := range set.Labels {
		if g := group(i); !seen[g] {
			seen[g] = true
			members[l] = append(members[l], g)
		}
	}
	out := map[int]bool{}
	for c, m := range members {
		r := rng.New(seed, "split", c)
		n := min(len(m)-1, max(1, int(math.Round(fraction*float64(len(m))))))
		for _, j := range r.Perm(len(m))[:max(0, n)] {
			out[m[j]] = true
		}
	}
	for i := range set.Labels {
		if out[group(i)] {
			held = append(held, i)
		} else {
			rows = append(rows, i)
		}
	}
	return rows, held
}

// weights returns what a spectrum of each class counts in the loss.
func weights(set Set, mode string, rows []int) []float32 {
	w := make([]float32, len(set.Classes))
	count := make([]int, len(set.Classes))
	for _, r := range rows {
		count[set.Labels[r]]++
	}
	for i := range w {
		w[i] = 1
		if mode == "balanced" {
			w[i] = float32(len(rows)) / float32(len(w)*count[i])
		}
	}
	return w
}
