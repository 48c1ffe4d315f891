// Package train is the one training loop: batches in a seeded order, AdamW with
// a warm-up and half a cosine, clipping, averaged weights, early stopping on
// held-out rows, checkpoints, and resuming to the bit; and the search of options
// around it.
package train

import (
	"context"
	"fmt"
	"math"
	"runtime"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
	"github.com/goastroml/goastroml/astroml/internal/rng"
	"github.com/goastroml/goastroml/astroml/nn"
)

// Problem is what Run trains: a loss over rows that it can lay out in memory.
// The rows may lie in a file larger than memory: they are asked for by batch.
type Problem interface {
	// Loss draws the mean loss of n rows.
	Loss(g *nn.Graph, n int) *nn.Node
	// Fill lays row i, of all that there are, into place slot of a plan's
	// inputs. In training, epoch numbers the pass, so that a row may be changed
	// at random, by rng.New(seed, …, epoch, i); on held-out rows it is -1. A
	// negative i is a row that must not count in the loss. Fill is called by
	// several goroutines, for different slots.
	Fill(input func(name string) []float32, slot, i, epoch int)
}

// Judge is a Problem whose loss is no mean over batches, but a function of all
// rows together. Its losses in a history are those of all rows of an epoch, or
// of all held-out rows.
type Judge interface {
	Problem
	// Answer returns the node, one that Loss has drawn on g, whose values Judge
	// wants: of shape (n, k).
	Answer() *nn.Node
	// Judge returns the loss of answers, k values for each of these rows.
	Judge(answers []float32, rows []int) float64
}

// Config holds the options of Run. The zero value is good.
type Config struct {
	// Stage names the run in Progress and in the checkpoint.
	Stage string
	// Seed is the seed of the order of rows and of dropout.
	Seed uint64
	// Epochs is the largest number of passes. The default is 30.
	Epochs int
	// BatchSize is the number of rows a step. The default is 64.
	BatchSize int
	// LearnRate is the largest step. The default is 0.001.
	LearnRate float64
	// WeightDecay is decoupled (Loshchilov & Hutter 2019, arXiv:1711.05101).
	// The default is 0.
	WeightDecay float64
	// WarmUp is the fraction of all steps in which the step grows to LearnRate.
	// The default is 0.05.
	WarmUp float64
	// Clip is the largest norm of the gradient. The default is 1. If negative,
	// gradients are taken as they are.
	Clip float64
	// Average is the decay, a step, of the exponential mean of the weights that
	// is held out, tested and kept. The default is 0.998, less for short runs.
	// If negative, the last weights are kept.
	Average float64
	// Settle is the fraction of Epochs, at the end, in which batch normalisation
	// takes running statistics as they then are: the network learns what it will
	// be used with (Krishnamoorthi 2018, arXiv:1806.08342, section 3.2.1), not
	// what the moments of small batches make of each row. A run that Patience ends
	// before does not settle. The default is 0.
	Settle float64
	// Patience stops after this many epochs without a better held-out loss. The
	// default is 8. If negative, training runs for all Epochs.
	Patience int
	// Workers compute. Nil computes in the caller's goroutine.
	Workers *kernel.Workers
	// Checkpoint is the path of a file that keeps the run after each epoch. The
	// default is none.
	Checkpoint string
	// Digest says what is trained, on what: a checkpoint of anything else is
	// refused.
	Digest string
	// Progress is called after each step. It may be nil.
	Progress func(astroml.Progress)
}

func (c *Config) defaults() {
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
	pick(&c.Epochs, 30)
	pick(&c.BatchSize, 64)
	pick(&c.Patience, 8)
	pickf(&c.LearnRate, 1e-3)
	pickf(&c.WarmUp, 0.05)
	pickf(&c.Clip, 1)
	pickf(&c.Average, 0.998)
}

// Epoch is one line of a run's history.
type Epoch struct {
	Loss  float64 `json:"loss"`  // training loss: mean of the steps, or what a Judge says of all rows
	Valid float64 `json:"valid"` // held-out loss of the averaged weights; equal to Loss where nothing is held out
}

// Run trains the arrays that p's loss uses, on rows train, and chooses the
// epoch by rows held. It leaves the best averaged weights in params and
// returns the history. If ctx ends it returns its error, and if the loss is no
// longer finite astroml.ErrDiverged; params are then of no use.
func Run(ctx context.Context, params *nn.Params, p Problem, train, held []int, cfg Config) ([]Epoch, error) {
	cfg.defaults()
	if len(train) == 0 {
		return nil, fmt.Errorf("train: no rows to train on")
	}
	cfg.BatchSize = min(cfg.BatchSize, len(train))
	r, err := newRun(params, p, train, held, cfg)
	if err != nil {
		return nil, err
	}
	if err := r.resume(); err != nil {
		return nil, err
	}
	for r.Epoch < cfg.Epochs && (cfg.Patience < 0 || r.Bad < cfg.Patience) {
		if !r.frozen && r.Epoch >= r.settles() {
			if _, err := r.compile(true); err != nil {
				return nil, err
			}
		}
		if err := r.epoch(ctx); err != nil {
			return nil, err
		}
		if err := r.save(); err != nil {
			return nil, err
		}
	}
	for i, q := range params.List {
		copy(q.Data, r.best[i])
	}
	return r.History, nil
}

// state is what a checkpoint keeps beside arrays.
type state struct {
	Epoch   int     `json:"epoch"`
	Step    int     `json:"step"`
	Bad     int     `json:"bad"`
	Best    float64 `json:"best"`
	History []Epoch `json:"history"`
}

type run struct {
	state
	cfg         Config
	params      *nn.Params
	problem     Problem
	train, held []int
	steps       int // of a whole run

	plan   *nn.Plan
	frozen bool // the plan's normalisations are
	input  func(name string) []float32
	optimizer
	mean     [][]float32 // averaged weights, one a parameter of params.List
	best     [][]float32
	averaged *nn.Params
	order    []int     // of the rows of an epoch
	answers  []float32 // of a Judge: those of an epoch, or of what is held out
	rows     []int     // that they are of
	test     *nn.Plan
	testSize int
}

func newRun(params *nn.Params, p Problem, train, held []int, cfg Config) (*run, error) {
	r := &run{cfg: cfg, params: params, problem: p, train: train, held: held}
	r.Best = math.MaxFloat64
	trained, err := r.compile(false)
	if err != nil {
		return nil, err
	}
	at := map[*nn.Param]int{}
	for i, q := range params.List {
		at[q] = i
		if cfg.Average < 0 {
			r.mean = append(r.mean, q.Data) // the last weights
		} else {
			r.mean = append(r.mean, append([]float32(nil), q.Data...))
		}
		r.best = append(r.best, append([]float32(nil), q.Data...))
	}
	r.optimizer = newOptimizer(r, trained, at)
	r.steps = cfg.Epochs * (len(train) / cfg.BatchSize)
	if len(held) > 0 {
		r.averaged = params.Clone()
		r.testSize = min(len(held), cfg.BatchSize)
		g := nn.NewGraph(r.averaged, false)
		if r.test, err = r.finish(g, p.Loss(g, r.testSize)); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// settles returns the first epoch with running statistics.
func (r *run) settles() int {
	return r.cfg.Epochs - int(math.Round(r.cfg.Settle*float64(r.cfg.Epochs)))
}

// compile makes the plan of a step and returns what it trains.
func (r *run) compile(frozen bool) (trained []*nn.Param, err error) {
	r.plan, r.input, r.frozen = nil, nil, frozen
	if frozen {
		runtime.GC() // two plans may not fit in memory
	}
	g := nn.NewGraph(r.params, true)
	g.Frozen = frozen
	loss := r.problem.Loss(g, r.cfg.BatchSize)
	trained, grads := g.Grad(loss)
	if r.plan, err = r.finish(g, append([]*nn.Node{loss}, grads...)...); err != nil {
		return nil, err
	}
	r.input = r.plan.Input // made once: it allocates
	return trained, nil
}

// finish compiles a graph; a Judge's answers are the last of its outputs.
func (r *run) finish(g *nn.Graph, outputs ...*nn.Node) (*nn.Plan, error) {
	if judge, ok := r.problem.(Judge); ok {
		outputs = append(outputs, judge.Answer())
	}
	if g.Err() != nil {
		return nil, g.Err()
	}
	return nn.Compile(g, r.cfg.Workers, outputs...)
}

// shuffle draws the order of an epoch.
func (r *run) shuffle() {
	if r.order == nil {
		r.order = make([]int, len(r.train))
	}
	for i := range r.order {
		r.order[i] = i
	}
	rng.New(r.cfg.Seed, "order", r.Epoch).Shuffle(len(r.order), func(i, j int) { r.order[i], r.order[j] = r.order[j], r.order[i] })
}

func (r *run) epoch(ctx context.Context) error {
	r.shuffle()
	n := r.cfg.BatchSize
	batches := len(r.train) / n
	judge, _ := r.problem.(Judge)
	r.answers, r.rows = r.answers[:0], r.rows[:0]
	var sum float64
	first := 0
	fill := func(slot, _ int) {
		r.problem.Fill(r.input, slot, r.train[r.order[first+slot]], r.Epoch)
	}
	valid := math.NaN()
	if len(r.History) > 0 {
		valid = r.History[len(r.History)-1].Valid
	}
	for b := range batches {
		if err := ctx.Err(); err != nil {
			return err
		}
		first = b * n
		r.cfg.Workers.Run(n, fill)
		r.plan.Drop(r.cfg.Seed, r.Step)
		r.plan.Run()
		loss := float64(r.plan.Output(0)[0])
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			return fmt.Errorf("train: the loss is %g in epoch %d, step %d (try a smaller learn rate than %g): %w",
				loss, r.Epoch, b, r.cfg.LearnRate, astroml.ErrDiverged)
		}
		sum += loss
		if judge != nil {
			r.answers = append(r.answers, r.plan.Output(r.plan.Outputs()-1)...)
			for _, i := range r.order[first : first+n] {
				r.rows = append(r.rows, r.train[i])
			}
		}
		r.plan.Track()
		if err := r.update(); err != nil {
			return err
		}
		r.Step++
		if r.cfg.Progress != nil {
			r.cfg.Progress(astroml.Progress{Stage: r.cfg.Stage, Epoch: r.Epoch, Step: r.Step, Steps: r.steps, Loss: sum / float64(b+1), Valid: valid})
		}
	}
	e := Epoch{Loss: sum / float64(batches)}
	if judge != nil {
		e.Loss = judge.Judge(r.answers, r.rows)
	}
	e.Valid = e.Loss
	if len(r.held) > 0 {
		var err error
		if e.Valid, err = r.validate(ctx); err != nil {
			return err
		}
	}
	if v := e.Loss + e.Valid; math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Errorf("train: the loss is %g in epoch %d, held out %g (are the held-out rows finite?): %w", e.Loss, r.Epoch, e.Valid, astroml.ErrDiverged)
	}
	r.History = append(r.History, e)
	r.Epoch++
	r.Bad++
	if e.Valid < r.Best || len(r.held) == 0 {
		r.Best, r.Bad = e.Valid, 0
		for i := range r.mean {
			copy(r.best[i], r.mean[i])
		}
	}
	return nil
}

// validate returns the held-out loss of the averaged weights.
func (r *run) validate(ctx context.Context) (float64, error) {
	for i, q := range r.averaged.List {
		copy(q.Data, r.mean[i])
	}
	r.test.Refresh()
	judge, _ := r.problem.(Judge)
	r.answers = r.answers[:0]
	var sum float64
	n := r.testSize
	for first := 0; first < len(r.held); first += n {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		r.cfg.Workers.Run(n, func(slot, _ int) {
			i := -1
			if first+slot < len(r.held) {
				i = r.held[first+slot]
			}
			r.problem.Fill(r.test.Input, slot, i, -1)
		})
		r.test.Run()
		sum += float64(r.test.Output(0)[0]) * float64(n)
		if judge != nil {
			rows := min(n, len(r.held)-first)
			answers := r.test.Output(1)
			r.answers = append(r.answers, answers[:len(answers)/n*rows]...)
		}
	}
	if judge != nil {
		return judge.Judge(r.answers, r.held), nil
	}
	return sum / float64(len(r.held)), nil
}
