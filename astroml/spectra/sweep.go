package spectra

import (
	"context"
	"sync"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
	"github.com/goastroml/goastroml/astroml/nn"
)

// Spectra go through the network in batches: of together, which all cores look
// at, so that the weights of deep layers pass through the caches once; what is
// left in those of batch, one a core, enough for the kernel's tiles; and few
// spectra one by one. A spectrum's answer is the same in each.
const (
	together = 64
	batch    = 16
)

// seat is what a batch is classified with.
type seat struct {
	plan    *nn.Plan
	n       int             // spectra
	workers *kernel.Workers // of the plan; nil where it works alone
	hands   []*hand         // one a worker
}

// hand is the memory of one worker.
type hand struct {
	flux, ivar []float32 // one spectrum on the model's grid
	judge      *judge
}

// plans keeps seats for later calls, by batch size.
type plans struct {
	mu   sync.Mutex
	free map[int][]*seat
}

func (c *Classifier) sit(n int) (*seat, error) {
	c.plans.mu.Lock()
	if f := c.plans.free[n]; len(f) > 0 {
		s := f[len(f)-1]
		c.plans.free[n] = f[:len(f)-1]
		c.plans.mu.Unlock()
		return s, nil
	}
	c.plans.mu.Unlock()
	s := &seat{n: n}
	if n == together {
		s.workers = kernel.NewWorkers(c.cfg.Threads)
	}
	for range s.workers.N() {
		s.hands = append(s.hands, &hand{flux: make([]float32, len(c.wave)), ivar: make([]float32, len(c.wave))})
	}
	g := nn.NewGraph(c.params, false)
	f, z := c.draw(g, n)
	var err error
	s.plan, err = nn.Compile(g, s.workers, f, z)
	return s, err
}

func (c *Classifier) rise(s *seat) {
	c.plans.mu.Lock()
	defer c.plans.mu.Unlock()
	if c.plans.free == nil {
		c.plans.free = map[int][]*seat{}
	}
	c.plans.free[s.n] = append(c.plans.free[s.n], s)
}

// layer puts spectrum i into x.
type layer func(h *hand, x []float32, i int)

// taker gets features and logits of spectra lo to hi-1, batch of them at most.
type taker func(h *hand, features, logits []float32, lo, hi int)

// sweep runs the network over n spectra.
func (c *Classifier) sweep(ctx context.Context, n int, lay layer, take taker) error {
	whole := 0
	if c.cfg.Threads > 1 {
		whole = n / together * together
	}
	if err := c.sweepTogether(ctx, whole, lay, take); err != nil {
		return err
	}
	return c.sweepApart(ctx, whole, n, lay, take)
}

// sweepTogether runs the network over n spectra, a multiple of together.
func (c *Classifier) sweepTogether(ctx context.Context, n int, lay layer, take taker) error {
	if n == 0 {
		return ctx.Err()
	}
	s, err := c.sit(together)
	if err != nil {
		return err
	}
	defer c.rise(s)
	for first := 0; first < n; first += together {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.workers.Run(together, func(i, worker int) { c.lay(s, worker, first+i, i, lay) })
		s.plan.Run()
		s.workers.Run(together/batch, func(i, worker int) {
			c.take(s, worker, first+i*batch, i*batch, batch, take)
		})
	}
	return nil
}

// sweepApart runs the network over spectra from to n-1, each worker with a plan
// of its own.
func (c *Classifier) sweepApart(ctx context.Context, from, n int, lay layer, take taker) error {
	if from == n {
		return ctx.Err()
	}
	size := batch
	if n-from < batch {
		size = 1
	}
	tasks := (n - from + size - 1) / size
	seats := make([]*seat, min(c.cfg.Threads, tasks))
	for i := range seats {
		s, err := c.sit(size)
		if err != nil {
			return err
		}
		seats[i] = s
		defer c.rise(s)
	}
	workers := kernel.NewWorkers(len(seats))
	defer workers.Close()
	workers.Run(tasks, func(task, worker int) {
		if ctx.Err() != nil {
			return
		}
		s := seats[worker]
		lo := from + task*size
		count := min(size, n-lo)
		for i := range count {
			c.lay(s, 0, lo+i, i, lay)
		}
		s.plan.Run()
		c.take(s, 0, lo, 0, count, take)
	})
	return ctx.Err()
}

// lay lays out spectrum i in a slot of a batch.
func (c *Classifier) lay(s *seat, worker, i, slot int, lay layer) {
	w := len(c.wave) * c.net.channels()
	lay(s.hands[worker], s.plan.Input("x")[slot*w:(slot+1)*w], i)
}

// take hands on what the network says of count spectra from lo on, which lie in
// the slots of a batch.
func (c *Classifier) take(s *seat, worker, lo, slot, count int, take taker) {
	d, k := c.Features(), len(c.classes)
	take(s.hands[worker], s.plan.Output(0)[slot*d:(slot+count)*d], s.plan.Output(1)[slot*k:(slot+count)*k], lo, lo+count)
}

// forward returns features and logits of the given rows of x, which is on the
// model's grid. Change, if there is one, alters a copy of row number i first.
func (c *Classifier) forward(ctx context.Context, x astroml.Spectra, rows []int, change func(flux, ivar []float32, i int)) (features, z []float32, err error) {
	d, k, m := c.Features(), len(c.classes), len(c.wave)
	features, z = make([]float32, len(rows)*d), make([]float32, len(rows)*k)
	err = c.sweep(ctx, len(rows), func(h *hand, in []float32, i int) {
		r := rows[i]
		flux := x.Flux[r*m : (r+1)*m]
		var ivar []float32
		if x.IVar != nil {
			ivar = x.IVar[r*m : (r+1)*m]
		}
		if change != nil {
			copy(h.flux, flux)
			flux = h.flux
			if ivar != nil {
				copy(h.ivar, ivar)
				ivar = h.ivar
			}
			change(flux, ivar, i)
		}
		kernel.Standardize(in, flux, ivar, c.net.channels())
	}, func(_ *hand, f, l []float32, lo, _ int) {
		copy(features[lo*d:], f)
		copy(z[lo*k:], l)
	})
	return features, z, err
}
