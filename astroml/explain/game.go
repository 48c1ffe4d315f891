package explain

import "fmt"

// NewShapley begins to explain rows as Shapley does, for a model that this
// library cannot call: evaluate what Rows returns, Take the answers, and go on
// until Rows returns nil.
func NewShapley(x []float64, features, outputs int, b *Background, cfg ShapleyConfig) (*Game, error) {
	p, err := newPlan(x, features, outputs, b, cfg)
	if err != nil {
		return nil, err
	}
	return &Game{run: newRun(p, -1, p.n)}, nil
}

// Game is a Shapley explanation under way. It is not safe for concurrent use.
type Game struct {
	run  *run
	done int
}

// Rows returns masked rows to evaluate, m × features; nil when there are none
// left. There are at most 16,384 of them, or 32 MB, or one pair of walks if that
// is more. Rows returns the same ones until their answers are taken. The slice
// is good until the next Take and must not be changed.
func (g *Game) Rows() []float64 { return g.run.ask() }

// Take takes the model's answers to the rows of the last Rows, m × outputs.
func (g *Game) Take(y []float64) error {
	n := len(g.run.rows) / g.run.features
	if err := g.run.take(y); err != nil {
		return err
	}
	g.done += n
	return nil
}

// Evaluations returns how many rows have been evaluated, and of how many.
func (g *Game) Evaluations() (done, all int) { return g.done, g.run.evaluations() }

// Result returns the explanation, once Rows has returned nil.
func (g *Game) Result() (*Attribution, error) {
	if done, all := g.Evaluations(); done < all {
		return nil, fmt.Errorf("explain: %d of %d masked rows are evaluated, want all before Result", done, all)
	}
	return g.run.out, nil
}
