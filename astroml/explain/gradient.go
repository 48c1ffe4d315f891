package explain

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// Gradient is one output of a differentiable model: it writes to f its n
// answers to the rows of x, n × features, and to df, n × features, their
// derivatives. It is called by several goroutines at once and must not change
// or keep x.
type Gradient func(ctx context.Context, x []float64, n int, f, df []float64) error

// GradientConfig holds the options of ExpectedGradients. The zero value is
// good.
type GradientConfig struct {
	// Samples is the number of points at which the gradient is taken, a row. The
	// default is 256. It is rounded up to the same number for each row of the
	// background, at least 4.
	Samples int `json:"samples,omitempty"`
	// Seed is the seed of where the points lie.
	Seed uint64 `json:"seed,omitempty"`
	// Threads is the number of goroutines that call the model. The default is
	// the number of processors. Results do not depend on it.
	Threads int `json:"threads,omitempty"`
}

// replicas is how often the path from a row of the background is sampled,
// independently, to tell how much the samples scatter.
const replicas = 4

// ExpectedGradients shares out the answers to the rows of x, n × features, by
// the gradient on the way to them from the rows b of a background (equation 5 of
// Erion et al. 2021, arXiv:1906.10670):
//
//	φᵢ = E (xᵢ - bᵢ) ∂f/∂xᵢ(b + α (x - b)), b from the background, α from 0 to 1
//
// It costs a number of gradients that does not grow with the number of
// features. The paper draws b and α at random. Here every b counts alike, so
// that a linear model is explained exactly, and α is drawn once in each of equal
// strata. The values sum to Predicted - Base but for what sampling leaves, of
// which Err is the standard error; that the background is itself a sample is not
// in it.
func ExpectedGradients(ctx context.Context, g Gradient, x, background []float64, features int, cfg GradientConfig) (*Attribution, error) {
	if g == nil {
		return nil, fmt.Errorf("explain: no gradient")
	}
	if err := checkTable("the rows to explain", x, features); err != nil {
		return nil, err
	}
	if err := checkTable("the background", background, features); err != nil {
		return nil, err
	}
	if cfg.Samples < 0 || cfg.Threads < 0 {
		return nil, fmt.Errorf("explain: %d samples, %d threads, want 0 or more", cfg.Samples, cfg.Threads)
	}
	if cfg.Samples == 0 {
		cfg.Samples = 256
	}
	n, m, members := len(x)/features, features, len(background)/features
	p := &path{
		g: g, seed: cfg.Seed, m: m, background: background,
		strata: (cfg.Samples + replicas*members - 1) / (replicas * members),
	}
	out := newAttribution(n, m, 1)
	answers, err := p.answers(ctx, background)
	if err != nil {
		return nil, err
	}
	var base float64
	for _, v := range answers {
		base += v
	}
	for i := range out.Base {
		out.Base[i] = base / float64(members)
	}
	if answers, err = p.answers(ctx, x); err != nil {
		return nil, err
	}
	copy(out.Predicted, answers)
	err = overTasks(ctx, n, cfg.Threads, func(ctx context.Context, i int) error {
		return p.explain(ctx, x[i*m:(i+1)*m], out.Values[i*m:(i+1)*m], out.Err[i*m:(i+1)*m])
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// path is the way to rows from a background.
type path struct {
	g          Gradient
	seed       uint64
	m          int
	background []float64
	strata     int
}

// limit returns how many rows the model is given at a time.
func (p *path) limit() int { return max(1, min(1<<12, 1<<20/p.m)) }

// answers returns the answers to rows, a few at a time.
func (p *path) answers(ctx context.Context, rows []float64) ([]float64, error) {
	f, df := make([]float64, len(rows)/p.m), make([]float64, p.limit()*p.m)
	for lo := 0; lo < len(f); lo += p.limit() {
		hi := min(lo+p.limit(), len(f))
		if err := p.ask(ctx, rows[lo*p.m:hi*p.m], f[lo:hi], df[:(hi-lo)*p.m]); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (p *path) ask(ctx context.Context, rows, f, df []float64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := p.g(ctx, rows, len(f), f, df); err != nil {
		return err
	}
	if err := checkFinite("the model's answers", f, 1); err != nil {
		return err
	}
	return checkFinite("the model's gradients", df, p.m)
}

// explain writes the values of one row and their standard errors.
func (p *path) explain(ctx context.Context, x, values, errs []float64) error {
	m, members := p.m, len(p.background)/p.m
	r := stream(p.seed, "expected gradients", x)
	each := make([]float64, members*replicas*m) // the mean over strata
	total := members * replicas * p.strata
	size := min(total, p.limit())
	rows, f, df := make([]float64, size*m), make([]float64, size), make([]float64, size*m)
	for lo := 0; lo < total; lo += size {
		hi := min(lo+size, total)
		for at := lo; at < hi; at++ {
			alpha := (float64(at%p.strata) + r.Float64()) / float64(p.strata)
			member := at / (replicas * p.strata)
			row := rows[(at-lo)*m : (at-lo+1)*m]
			for i, b := range p.background[member*m : (member+1)*m] {
				row[i] = b + alpha*(x[i]-b)
			}
		}
		if err := p.ask(ctx, rows[:(hi-lo)*m], f[:hi-lo], df[:(hi-lo)*m]); err != nil {
			return err
		}
		for at := lo; at < hi; at++ {
			member := at / (replicas * p.strata)
			b, slope := p.background[member*m:(member+1)*m], df[(at-lo)*m:]
			sum := each[at/p.strata*m:]
			for i, v := range x {
				sum[i] += (v - b[i]) * slope[i] / float64(p.strata)
			}
		}
	}
	mean := make([]float64, m)
	for replica := range slices.Chunk(each, replicas*m) { // of one row of the background
		average(replica, mean, errs)
		for i, v := range mean {
			values[i] += v / float64(members)
		}
	}
	for i, v := range errs {
		errs[i] = math.Sqrt(v) / float64(members)
	}
	return nil
}
