package explain

import (
	"fmt"
	"slices"

	"github.com/goastroml/goastroml/astroml"
)

// plan is what all rows of an explanation share. It is not written to while
// rows are explained, but for base, out.Base and a row's own part of out.
type plan struct {
	x          []float64
	n          int
	features   int      // or groups of them
	grouped    *grouped // nil if none
	outputs    int
	seed       uint64
	b          *Background
	coalitions int // that a row asks for
	block      int // how many of them are laid out at a time
	limit      int // rows asked for at a time, if a block is no larger
	start      func(row int) player
	base       []float64 // draws × outputs: the value of knowing nothing
	out        *Attribution
}

// A player turns the values of coalitions into Shapley values of one row.
type player interface {
	// fill lays out a member of the background with what each coalition of a
	// block knows, coalitions × features.
	fill(dst []float64, block, member int)
	// take takes the model's answers to that.
	take(y []float64, block, member int)
	// solve writes the values, features × outputs, and adds the squares of
	// their standard errors, after the last take.
	solve(values, variance []float64)
}

func newPlan(x []float64, features, outputs int, b *Background, cfg ShapleyConfig) (*plan, error) {
	if err := checkTable("the rows to explain", x, features); err != nil {
		return nil, err
	}
	if outputs < 1 {
		return nil, fmt.Errorf("explain: a model of %d outputs, want at least 1: %w", outputs, astroml.ErrShape)
	}
	if b == nil {
		return nil, fmt.Errorf("explain: no background")
	}
	if b.features != features {
		return nil, fmt.Errorf("explain: the background has %d features, the rows have %d: %w", b.features, features, astroml.ErrShape)
	}
	if cfg.Budget < 0 || cfg.Threads < 0 {
		return nil, fmt.Errorf("explain: budget %d, threads %d, want 0 or more", cfg.Budget, cfg.Threads)
	}
	p := &plan{
		x: slices.Clone(x), n: len(x) / features, outputs: outputs, seed: cfg.Seed, b: b,
		limit: max(1, min(1<<14, 1<<22/features)), // 32 MB at most
		base:  make([]float64, b.draws*outputs),
	}
	if cfg.Groups != nil {
		var err error
		if p.grouped, p.x, p.b, err = group(cfg.Groups, p.x, b); err != nil {
			return nil, err
		}
		features = len(cfg.Groups)
	}
	p.features, p.out = features, newAttribution(p.n, features, outputs)
	method := cfg.Method
	if method == "" {
		method = "permutation"
		if features <= 12 {
			method = "exact"
		}
	}
	budget := cfg.Budget
	if budget == 0 {
		budget = max(2*features+2048, 4*(features-1))
	}
	var err error
	switch method {
	case "exact":
		err = p.exact()
	case "permutation":
		err = p.permutation(budget)
	case "kernel":
		err = p.kernel(budget)
	default:
		err = fmt.Errorf("explain: method %q, want exact, permutation or kernel", method)
	}
	return p, err
}

// evaluationsOfRow returns how many masked rows explain one.
func (p *plan) evaluationsOfRow() int { return 1 + p.coalitions*p.b.members() }

// evaluations returns how many rows are evaluated in all.
func (p *plan) evaluations() int { return p.b.members() + p.n*p.evaluationsOfRow() }

func (p *plan) row(i int) []float64 { return p.x[i*p.features : (i+1)*p.features] }

// given returns row i as it was given.
func (p *plan) given(i int) []float64 {
	if p.grouped == nil {
		return p.row(i)
	}
	m := p.grouped.features
	return p.grouped.table[i*m : (i+1)*m]
}

// predicted returns the answers to row i itself.
func (p *plan) predicted(i int) []float64 {
	return p.out.Predicted[i*p.outputs : (i+1)*p.outputs]
}

// unknown returns the answers of a draw with nothing known.
func (p *plan) unknown(draw int) []float64 {
	return p.base[draw*p.outputs : (draw+1)*p.outputs]
}
