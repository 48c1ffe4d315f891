package moment

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
	"github.com/goastroml/goastroml/astroml/nn"
	"github.com/goastroml/goastroml/astroml/train"
)

// Network is a trained network, or several whose answers are averaged. It is
// immutable and safe for concurrent use.
type Network struct {
	cfg      Config
	p        int // parameters
	names    []string
	scale    *scaling
	unit     []float32 // of the second stage's outputs
	variance []line    // what becomes of each parameter's variance
	members  []member
	digest   string // of the training data

	plans plans
}

// member is what one fold has trained.
type member struct {
	first, second *nn.Params // second is nil but for two_stage
	history       []train.Epoch
}

func (m member) params(s stage) *nn.Params {
	if s == second {
		return m.second
	}
	return m.first
}

// Config returns the options the network was trained with, defaults filled in.
func (n *Network) Config() Config { return n.cfg }

// Names returns the names of the parameters.
func (n *Network) Names() []string {
	if n.names != nil {
		return append([]string(nil), n.names...)
	}
	var names []string
	for j := range n.p {
		names = append(names, fmt.Sprint(j))
	}
	return names
}

// Shape returns the shape of a row of x.
func (n *Network) Shape() []int { return append([]int(nil), n.scale.shape...) }

// History returns the training and held-out losses of each epoch of each fold,
// of the network that gives the means. Parameters are scaled to [0, 1]; losses
// are those of all rows together.
func (n *Network) History() (h [][]train.Epoch) {
	for _, m := range n.members {
		h = append(h, append([]train.Epoch(nil), m.history...))
	}
	return h
}

// Size returns the number of trained parameters of one network, and of
// multiply-adds a row.
func (n *Network) Size() (parameters, multiplyAdds int) {
	g := nn.NewGraph(n.members[0].first, false)
	n.draw(g, n.firstStage(), 1)
	total, running := n.members[0].first.Size()
	return total - running, g.MultiplyAdds()
}

func (n *Network) firstStage() stage {
	if n.cfg.Loss == "two_stage" {
		return first
	}
	return both
}

// outputs returns the number of outputs of a stage's network.
func (n *Network) outputs(s stage) int {
	switch s {
	case first:
		return n.p
	case second:
		return len(n.cfg.products(n.p))
	}
	return 2 * n.p
}

// draw draws the network of a stage for n rows, and nil if that fails.
func (n *Network) draw(g *nn.Graph, s stage, rows int) *nn.Node {
	k := n.outputs(s)
	y, err := Draw(g, n.cfg, g.Input("x", n.scale.input(rows)...), k)
	if err != nil || s == first || s == both && n.cfg.Loss == "camels" {
		return y
	}
	// Variances come first in the second stage, and standard deviations last in
	// the loss of a normal distribution: they are positive.
	lo, hi := 0, n.p
	if s == both {
		lo, hi = n.p, k
	}
	y = g.Reshape(y, rows, 1, 1, 1, k)
	z := g.Softplus(g.Slice(y, lo, hi-lo))
	if lo > 0 {
		z = g.Concat(g.Slice(y, 0, lo), z)
	}
	if hi < k {
		z = g.Concat(z, g.Slice(y, hi, k-hi))
	}
	if g.Err() != nil {
		return nil
	}
	return g.Reshape(z, rows, k)
}

// Rows go through a network in batches; few rows one by one.
func (n *Network) batch(rows int) int {
	size := 1
	for _, l := range n.scale.shape {
		size *= l
	}
	whole := max(1, min(512, 1<<20/size))
	if rows >= whole {
		return whole
	}
	if rows >= 16 {
		return 16
	}
	return 1
}

// key names a kind of plan; plans keeps those that are not in use.
type key struct {
	params *nn.Params
	rows   int
}

// idle is how much memory, in floats, plans may keep that are not in use.
const idle = 64 << 20

type plans struct {
	mu   sync.Mutex
	free map[key][]*nn.Plan
	kept int // floats
}

func (n *Network) sit(k key, s stage) (*nn.Plan, error) {
	n.plans.mu.Lock()
	if f := n.plans.free[k]; len(f) > 0 {
		defer n.plans.mu.Unlock()
		n.plans.free[k] = f[:len(f)-1]
		n.plans.kept -= f[len(f)-1].Size()
		return f[len(f)-1], nil
	}
	n.plans.mu.Unlock()
	g := nn.NewGraph(k.params, false)
	y := n.draw(g, s, k.rows)
	if g.Err() != nil {
		return nil, g.Err()
	}
	return nn.Compile(g, nil, y)
}

func (n *Network) rise(k key, p *nn.Plan) {
	n.plans.mu.Lock()
	defer n.plans.mu.Unlock()
	if n.plans.kept+p.Size() > idle {
		return
	}
	n.plans.kept += p.Size()
	if n.plans.free == nil {
		n.plans.free = map[key][]*nn.Plan{}
	}
	n.plans.free[k] = append(n.plans.free[k], p)
}

// each calls f for batches of rows, on all processors, with a plan each.
func (n *Network) each(ctx context.Context, params *nn.Params, s stage, rows int, f func(p *nn.Plan, lo, hi, batch int)) error {
	size := n.batch(rows)
	tasks := (rows + size - 1) / size
	workers := kernel.NewWorkers(max(1, min(n.cfg.Threads, tasks)))
	defer workers.Close()
	k := key{params, size}
	seats := make([]*nn.Plan, workers.N())
	for i := range seats {
		var err error
		if seats[i], err = n.sit(k, s); err != nil {
			return err
		}
		defer n.rise(k, seats[i])
	}
	workers.Run(tasks, func(task, worker int) {
		if ctx.Err() == nil {
			f(seats[worker], task*size, min(rows, (task+1)*size), size)
		}
	})
	return ctx.Err()
}

// forward returns the outputs of a stage's network for rows of x, all if rows
// is nil.
func (n *Network) forward(ctx context.Context, params *nn.Params, s stage, x astroml.Array, rows []int) ([]float32, error) {
	count := len(rows)
	if rows == nil {
		count = x.Shape[0]
	}
	k := n.outputs(s)
	out := make([]float32, count*k)
	if count == 0 {
		return out, ctx.Err()
	}
	err := n.each(ctx, params, s, count, func(p *nn.Plan, lo, hi, batch int) {
		in := p.Input("x")
		size := len(in) / batch
		var y []float32
		for i := lo; i < hi; i++ {
			r := i
			if rows != nil {
				r = rows[i]
			}
			to := in[(i-lo)*size : (i-lo+1)*size]
			if len(n.scale.shape) == 1 {
				n.scale.scale(to, rowOf(x, r))
				continue
			}
			if y == nil {
				y = make([]float32, size)
			}
			n.scale.scale(y, rowOf(x, r))
			n.scale.lay(to, y, nil)
		}
		p.Run()
		copy(out[lo*k:hi*k], p.Output(0))
	})
	return out, err
}

// one returns what one member says: the means (rows × p), and the products of
// residuals (rows × k), variances first, both of scaled parameters.
func (n *Network) one(ctx context.Context, m member, x astroml.Array, rows []int) (mean, moments []float32, err error) {
	y, err := n.forward(ctx, m.first, n.firstStage(), x, rows)
	if err != nil {
		return nil, nil, err
	}
	if n.cfg.Loss == "two_stage" {
		if moments, err = n.forward(ctx, m.second, second, x, rows); err != nil {
			return nil, nil, err
		}
		for i := range moments {
			moments[i] *= n.unit[i%len(n.unit)]
		}
		return y, moments, nil
	}
	p := n.p
	for i := 0; i < len(y); i += 2 * p {
		mean = append(mean, y[i:i+p]...)
		for _, s := range y[i+p : i+2*p] {
			moments = append(moments, s*s)
		}
	}
	return mean, moments, nil
}

// Moments are central moments of the posterior of each row, in the units of the
// parameters.
type Moments struct {
	Mean, Std []float32 // n × p
	// Covariance holds n × p × p values, Skewness and Kurtosis (3 for a normal
	// distribution) n × p, by the variance before it is calibrated: nil if the
	// network was not trained for them.
	Covariance, Skewness, Kurtosis []float32
}

// Means returns the posterior means alone, (n × p), which may take less time than
// Predict.
func (n *Network) Means(ctx context.Context, x astroml.Array) ([]float32, error) {
	rows, err := n.scale.check(x)
	if err != nil {
		return nil, err
	}
	s := n.firstStage()
	p, k := n.p, n.outputs(s)
	mean := make([]float32, rows*p)
	for _, m := range n.members {
		y, err := n.forward(ctx, m.first, s, x, nil)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			kernel.Axpy(mean[i*p:(i+1)*p], 1/float32(len(n.members)), y[i*k:i*k+p])
		}
	}
	n.unscale(mean)
	return mean, nil
}

// unscale brings means of scaled parameters to their units.
func (n *Network) unscale(mean []float32) {
	for i, m := range mean {
		j := i % n.p
		mean[i] = float32(n.scale.lo[j] + n.scale.width[j]*float64(m))
	}
}

// Predict returns the posterior means and standard deviations of the parameters
// (n × p each), for x of n rows as Set describes them. A row with NaN has NaN.
func (n *Network) Predict(ctx context.Context, x astroml.Array) (mean, std []float32, err error) {
	m, err := n.Moments(ctx, x)
	if err != nil {
		return nil, nil, err
	}
	return m.Mean, m.Std, nil
}

// Moments returns all that the network estimates.
func (n *Network) Moments(ctx context.Context, x astroml.Array) (*Moments, error) {
	rows, err := n.scale.check(x)
	if err != nil {
		return nil, err
	}
	k := len(n.cfg.products(n.p))
	mean, moments := make([]float32, rows*n.p), make([]float32, rows*k)
	share := 1 / float32(len(n.members))
	for _, m := range n.members {
		a, b, err := n.one(ctx, m, x, nil)
		if err != nil {
			return nil, err
		}
		kernel.Axpy(mean, share, a)
		kernel.Axpy(moments, share, b)
	}
	return n.moments(mean, moments), nil
}

// moments brings moments of scaled parameters to units and names.
func (n *Network) moments(mean, moments []float32) *Moments {
	p := n.p
	products := n.cfg.products(p)
	k := len(products)
	rows := len(mean) / p
	out := &Moments{Mean: mean, Std: make([]float32, rows*p)}
	if n.cfg.Covariance {
		out.Covariance = make([]float32, rows*p*p)
	}
	if n.cfg.Moments > 2 {
		out.Skewness = make([]float32, rows*p)
	}
	if n.cfg.Moments > 3 {
		out.Kurtosis = make([]float32, rows*p)
	}
	n.unscale(mean)
	for i := range rows {
		m := moments[i*k : (i+1)*k]
		for j := range p {
			v := float64(m[j])
			out.Std[i*p+j] = float32(n.scale.width[j] * math.Sqrt(n.variance[j].at(v)))
			if out.Skewness != nil {
				out.Skewness[i*p+j] = float32(float64(m[p+j]) / math.Pow(v, 1.5))
			}
			if out.Kurtosis != nil {
				out.Kurtosis[i*p+j] = float32(float64(m[2*p+j]) / (v * v))
			}
		}
		if out.Covariance == nil {
			continue
		}
		c := out.Covariance[i*p*p : (i+1)*p*p]
		for a, q := range products {
			if len(q) == 2 {
				// The correlation stays as it is, if it is one.
				rho := float64(m[a]) / math.Sqrt(float64(m[q[0]])*float64(m[q[1]]))
				if q[0] == q[1] || rho > 1 {
					rho = 1
				}
				v := max(rho, -1) * float64(out.Std[i*p+q[0]]) * float64(out.Std[i*p+q[1]])
				c[q[0]*p+q[1]], c[q[1]*p+q[0]] = float32(v), float32(v)
			}
		}
	}
	return out
}
