package spectra

import (
	"fmt"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
	"github.com/goastroml/goastroml/astroml/nn"
)

// Profile times each operation of the network on a batch of n spectra: for
// their classes, or with training for the gradients of a training step.
func (c *Classifier) Profile(n int, training bool) (nn.Profile, error) {
	if n < 1 || training && n < 2 {
		return nil, fmt.Errorf("spectra: a profile of %d spectra, want one at least, for training two: %w", n, astroml.ErrShape)
	}
	workers := kernel.NewWorkers(c.cfg.Threads)
	defer workers.Close()
	g := nn.NewGraph(c.params.Clone(), training)
	_, z := c.draw(g, n)
	outputs := []*nn.Node{z}
	if training {
		loss := g.CrossEntropy(z, g.Input("targets", n, len(c.classes)))
		_, grads := g.Grad(loss)
		outputs = append(grads, loss)
	}
	p, err := nn.Compile(g, workers, outputs...)
	if err != nil {
		return nil, err
	}
	const rounds = 5
	return p.Profile(rounds), nil
}
