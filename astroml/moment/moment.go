// Package moment estimates the first moments of posterior distributions with
// networks: the mean and the standard deviation of each parameter, given a
// table's row, a profile, a map or a cube, without a likelihood (Jeffrey &
// Wandelt 2020, arXiv:2011.05991; Villaescusa-Navarro et al. 2021,
// arXiv:2109.10360).
//
// Train makes a Network, Load reads one from a file. Predict gives means and
// standard deviations, Gradient how they depend on what the network sees;
// package explain says which property carries them. Galaxies makes a toy set
// whose answer is known.
package moment

import (
	"fmt"
	"math"
	"slices"

	"github.com/goastroml/goastroml/astroml"
)

// Set is what a Network learns from.
type Set struct {
	// X holds the data: (n, feature) of tables, (n, channel, bin) of profiles,
	// (n, field, y, x) of maps, (n, field, x, y, z) of cubes. It may lie in a
	// mapped file.
	X astroml.Array
	// Theta holds the parameters, (n, p).
	Theta astroml.Array
	// Names are those of the parameters. Nil names them 0, 1, ….
	Names []string
	// Groups says which rows belong together, such as the galaxies or the maps of
	// one simulation: a group is learnt from or held out as a whole. Nil means
	// that each row stands alone.
	Groups []int
	// Folds says in which part each row is held out, 0 to Config.Folds-1. Nil
	// draws the parts. Rows of one group must lie in one part. Where Config.Folds
	// is 0 there are as many parts as these numbers name.
	Folds []int
	// Weights says how much each row counts, in a batch beside the others of it.
	// Nil weighs all alike.
	Weights []float64
}

// Config holds the options of Train. The zero value is good.
type Config struct {
	// Network is "mlp" for tables, "profile", "map", the 19 convolutions of
	// CAMELS, or "cube", the same over three axes. The default goes by the number
	// of axes of X.
	Network string `json:"network,omitempty"`
	// Loss is "two_stage", where a network learns the means by squared errors and
	// a second one, from squared errors of rows that the first had not learnt, the
	// variances (Jeffrey & Wandelt 2020, eqs. 5 and 8); "camels", both by the loss
	// of Villaescusa-Navarro et al. (2021); or "gaussian", both by maximum
	// likelihood. The default is "two_stage".
	Loss string `json:"loss,omitempty"`
	// Covariance makes two_stage estimate covariances too. They are learnt one by
	// one: a matrix of three or more parameters need not be positive.
	Covariance bool `json:"covariance,omitempty"`
	// Moments is the highest central moment that two_stage estimates: 2, 3 or 4.
	// The default is 2.
	Moments int `json:"moments,omitempty"`
	// Seed is the seed of everything that is drawn.
	Seed uint64 `json:"seed,omitempty"`
	// Folds is the number of parts of the groups. As many networks are trained,
	// each with one part held out, by which the best epoch is chosen and σ is
	// calibrated; the answer is their mean. 1 trains one network, with HeldOut.
	// The default is 5 for tables and profiles, 1 for maps and cubes.
	Folds int `json:"folds,omitempty"`
	// HeldOut is the fraction of the groups that is held out where Folds is 1.
	// The default is 0.2. The second stage of two_stage then learns from those
	// alone, and holds as large a fraction of them out.
	HeldOut float64 `json:"held_out,omitempty"`
	// Inputs is how values are scaled before they are brought to mean 0 and
	// variance 1: "linear", "log", the decimal logarithm, where what is not
	// positive counts as the smallest positive value, or "asinh". The default is
	// "linear".
	Inputs string `json:"inputs,omitempty"`
	// Bounds are the lowest and highest values of each parameter, which losses
	// are scaled by to [0, 1]. The default is those of the set.
	Bounds [][2]float64 `json:"bounds,omitempty"`
	// Layers is the number of hidden layers of "mlp". The default is 2.
	Layers int `json:"layers,omitempty"`
	// Hidden is the number of units of a layer of "mlp", of channels of the first
	// of "profile", and the h of "map" and "cube", whose first stage has 2h
	// channels. The default is 128, 32, 6 and 4.
	Hidden int `json:"hidden,omitempty"`
	// Dropout is the fraction of units that a training step leaves out. The
	// default is 0.2 for tables and profiles, none for maps and cubes. If
	// negative, none.
	Dropout float64 `json:"dropout,omitempty"`
	// Augment turns, mirrors and shifts maps and cubes at random, over their
	// periodic borders. The default is 1, yes; if negative, no.
	Augment int `json:"augment,omitempty"`
	// Epochs is the largest number of passes. The default is 150 for tables and
	// profiles, 50 for maps and cubes.
	Epochs int `json:"epochs,omitempty"`
	// BatchSize is the number of rows a step. The default is 64 for tables and
	// profiles, 32 for maps and cubes.
	BatchSize int `json:"batch_size,omitempty"`
	// LearnRate is the largest step of AdamW. The default is 0.003.
	LearnRate float64 `json:"learn_rate,omitempty"`
	// Settle is the fraction of the epochs, at the end, in which the batch
	// normalisation of maps and cubes takes running statistics, as predictions do
	// (Krishnamoorthi 2018, arXiv:1806.08342, section 3.2.1). The moments of a
	// batch are those of its rows: they hide a part of the amplitude of each. A
	// run that Patience ends before does not settle. The default is 0.3. If
	// negative, none.
	Settle float64 `json:"settle,omitempty"`
	// WeightDecay is the decoupled weight decay of AdamW. The default is 0.05. If
	// negative, none.
	WeightDecay float64 `json:"weight_decay,omitempty"`
	// Patience stops after this many epochs without a better held-out loss. The
	// default is 30. If negative, training runs for all Epochs.
	Patience int `json:"patience,omitempty"`
	// Threads is the number of goroutines that compute. The default is the number
	// of processors. Results do not depend on it.
	Threads int `json:"threads,omitempty"`
	// Checkpoint is the path that begins the names of files in which the runs are
	// kept after each epoch. Train goes on from them. The default is none.
	Checkpoint string `json:"checkpoint,omitempty"`
}

// Limits of what is trained, and read from files.
const (
	mostValues     = 1 << 24 // a row
	mostParameters = 4096
	mostFolds      = 1000
	mostLayers     = 100
)

// rowOf returns the values of row i.
func rowOf(a astroml.Array, i int) []float32 {
	n := len(a.Data) / a.Shape[0]
	return a.Data[i*n : (i+1)*n]
}

// check returns an error if the set cannot be learnt from.
func (s *Set) check() error {
	if len(s.X.Shape) < 2 || len(s.X.Shape) > 5 || slices.Min(s.X.Shape) < 0 {
		return fmt.Errorf("moment: x of shape %v, want (n, feature), (n, channel, bin), (n, field, y, x) or (n, field, x, y, z): %w", s.X.Shape, astroml.ErrShape)
	}
	n, size := s.X.Shape[0], 1
	for _, l := range s.X.Shape {
		size *= l
	}
	switch {
	case size == 0 || size != len(s.X.Data):
		return fmt.Errorf("moment: %d values of shape %v: %w", len(s.X.Data), s.X.Shape, astroml.ErrShape)
	case len(s.Theta.Shape) != 2 || s.Theta.Shape[0] != n || s.Theta.Shape[1] < 1 || len(s.Theta.Data) != n*s.Theta.Shape[1]:
		return fmt.Errorf("moment: theta of shape %v with %d values, want (%d, parameter): %w", s.Theta.Shape, len(s.Theta.Data), n, astroml.ErrShape)
	case s.Names != nil && len(s.Names) != s.Theta.Shape[1]:
		return fmt.Errorf("moment: %d names for %d parameters: %w", len(s.Names), s.Theta.Shape[1], astroml.ErrShape)
	case s.Groups != nil && len(s.Groups) != n:
		return fmt.Errorf("moment: %d groups for %d rows: %w", len(s.Groups), n, astroml.ErrShape)
	case s.Folds != nil && len(s.Folds) != n:
		return fmt.Errorf("moment: %d folds for %d rows: %w", len(s.Folds), n, astroml.ErrShape)
	case s.Weights != nil && len(s.Weights) != n:
		return fmt.Errorf("moment: %d weights for %d rows: %w", len(s.Weights), n, astroml.ErrShape)
	}
	row := size / max(1, n)
	if row > mostValues || s.Theta.Shape[1] > mostParameters {
		return fmt.Errorf("moment: %d values a row and %d parameters, want at most %d and %d: %w", row, s.Theta.Shape[1], mostValues, mostParameters, astroml.ErrShape)
	}
	for i, v := range s.X.Data {
		if v-v != 0 {
			return fmt.Errorf("moment: %s of row %d is %g, want a finite number", newColumns(s.X.Shape[1:]).column(i%row), i/row, v)
		}
	}
	for i, w := range s.Weights {
		if !(w >= 0) || math.IsInf(w, 0) {
			return fmt.Errorf("moment: weight %g of row %d, want a finite number of at least 0", w, i)
		}
	}
	p := s.Theta.Shape[1]
	for j := range p {
		lo, hi := math.Inf(1), math.Inf(-1)
		for i := range n {
			v := float64(s.Theta.Data[i*p+j])
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("moment: parameter %s of row %d is %g", s.name(j), i, v)
			}
			lo, hi = min(lo, v), max(hi, v)
		}
		if lo == hi {
			return fmt.Errorf("moment: parameter %s is %g in all %d rows (leave it out)", s.name(j), lo, n)
		}
	}
	return nil
}

func (s *Set) name(j int) string {
	if s.Names == nil {
		return fmt.Sprint(j)
	}
	return fmt.Sprintf("%d (%s)", j, s.Names[j])
}

func (s *Set) weight(i int) float64 {
	if s.Weights == nil {
		return 1
	}
	return s.Weights[i]
}
