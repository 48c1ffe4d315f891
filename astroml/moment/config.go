package moment

import (
	"fmt"
	"math"
	"runtime"

	"github.com/goastroml/goastroml/astroml"
)

// defaults fills in what is not given, for data of this shape.
func (c *Config) defaults(shape []int, parameters int) error {
	large := len(shape) > 3
	by := func(small, big int) int {
		if large {
			return big
		}
		return small
	}
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
	byAxes := map[int]string{2: "mlp", 3: "profile", 4: "map", 5: "cube"}[len(shape)]
	picks(&c.Network, byAxes)
	picks(&c.Loss, "two_stage")
	picks(&c.Inputs, "linear")
	pick(&c.Moments, 2)
	pick(&c.Folds, by(5, 1))
	pick(&c.Layers, 2)
	pick(&c.Hidden, map[string]int{"mlp": 128, "profile": 32, "map": 6, "cube": 4}[c.Network])
	pick(&c.Augment, 1)
	pick(&c.Epochs, by(150, 50))
	pick(&c.BatchSize, by(64, 32))
	pick(&c.Patience, 30)
	pick(&c.Threads, runtime.GOMAXPROCS(0))
	pickf(&c.HeldOut, 0.2)
	pickf(&c.WeightDecay, 0.05)
	pickf(&c.LearnRate, 0.003)
	if large {
		pickf(&c.Settle, 0.3)
		pickf(&c.Dropout, -1)
	} else {
		pickf(&c.Dropout, 0.2)
	}
	switch {
	case c.Network != byAxes:
		return fmt.Errorf("moment: network %q for data of shape %v, want %q", c.Network, shape, byAxes)
	case c.Loss != "two_stage" && c.Loss != "camels" && c.Loss != "gaussian":
		return fmt.Errorf(`moment: loss %q, want "two_stage", "camels" or "gaussian"`, c.Loss)
	case c.Inputs != "linear" && c.Inputs != "log" && c.Inputs != "asinh":
		return fmt.Errorf(`moment: inputs %q, want "linear", "log" or "asinh"`, c.Inputs)
	case c.Moments < 2 || c.Moments > 4:
		return fmt.Errorf("moment: moments %d, want 2, 3 or 4", c.Moments)
	case c.Loss != "two_stage" && (c.Covariance || c.Moments > 2):
		return fmt.Errorf("moment: loss %q has means and variances only, want two_stage for covariances and higher moments", c.Loss)
	case c.Folds < 1 || c.Layers < 1 || c.Hidden < 1 || c.Epochs < 1 || c.BatchSize < 2 || c.Threads < 1:
		return fmt.Errorf("moment: folds %d, layers %d, hidden %d, epochs %d, batch_size %d, threads %d, want positive numbers and batches of two or more",
			c.Folds, c.Layers, c.Hidden, c.Epochs, c.BatchSize, c.Threads)
	case c.Folds > mostFolds || c.Layers > mostLayers:
		return fmt.Errorf("moment: folds %d, layers %d, want at most %d and %d", c.Folds, c.Layers, mostFolds, mostLayers)
	case !(c.LearnRate > 0) || math.IsInf(c.LearnRate, 0) || math.IsNaN(c.WeightDecay) || math.IsInf(c.WeightDecay, 0):
		return fmt.Errorf("moment: learn_rate %g and weight_decay %g, want finite numbers, the former positive", c.LearnRate, c.WeightDecay)
	case !(c.HeldOut > 0 && c.HeldOut < 1):
		return fmt.Errorf("moment: held_out %g, want a fraction between 0 and 1", c.HeldOut)
	case !(c.Settle <= 1):
		return fmt.Errorf("moment: settle %g, want a fraction of at most 1", c.Settle)
	case !(c.Dropout < 1):
		return fmt.Errorf("moment: dropout %g, want a fraction below 1", c.Dropout)
	case c.Bounds != nil && len(c.Bounds) != parameters:
		return fmt.Errorf("moment: bounds of %d parameters, there are %d: %w", len(c.Bounds), parameters, astroml.ErrShape)
	}
	for j, b := range c.Bounds {
		if !(b[0] < b[1]) || math.IsInf(b[1]-b[0], 0) {
			return fmt.Errorf("moment: bounds of parameter %d from %g to %g, want the lower one first", j, b[0], b[1])
		}
	}
	return nil
}

// settle returns Settle where there is a batch normalisation.
func (c *Config) settle() float64 {
	if c.Network != "map" && c.Network != "cube" {
		return 0
	}
	return max(0, c.Settle)
}

// A product of residuals is what an output of the second stage of two_stage
// estimates: their indices.
type product []int

// products returns the moments of the second stage for p parameters: variances
// first.
func (c Config) products(p int) (out []product) {
	power := func(times int) {
		for j := range p {
			var m product
			for range times {
				m = append(m, j)
			}
			out = append(out, m)
		}
	}
	power(2)
	for times := 3; times <= c.Moments; times++ {
		power(times)
	}
	for i := range p {
		for j := i + 1; j < p && c.Covariance; j++ {
			out = append(out, product{i, j})
		}
	}
	return out
}
