package spectra

import (
	"context"
	"iter"

	"github.com/goastroml/goastroml/astroml"
)

// Flag says why a spectrum has no answer, or a poor one.
type Flag uint32

const (
	// Unusable: no pixel of the model's grid has a finite flux and a positive
	// inverse variance. Probabilities are NaN.
	Unusable Flag = 1 << iota
	// PartlyCovered: less than half of the model's pixels have data.
	PartlyCovered
)

// Classifier is a trained classifier. It is immutable and safe for concurrent
// use.
type Classifier struct{}

// Result holds what a classifier says of n spectra.
type Result struct {
	Prob      []float32 // n × class, calibrated; NaN where Flag has Unusable
	Class     []int     // most probable class, -1 where Flag has Unusable
	Total     []float32 // entropy of Prob, nats
	Aleatoric []float32 // the part of Total that more training data would not remove, nats
	Epistemic []float32 // the part of Total that more training data would remove, nats
	// OOD is the fraction of held-out training spectra that look less unusual:
	// accepting OOD ≤ 0.95 keeps 95 % of the known classes.
	OOD  []float32
	Flag []Flag
}

// Train trains a classifier. It calls progress, which may be nil, after each
// step. If ctx ends, Train returns its error; with a Checkpoint, nothing but
// the epoch under way is lost.
func Train(ctx context.Context, set Set, cfg Config, progress func(astroml.Progress)) (*Classifier, error) {
	panic("soon")
}

// Load reads a classifier from a model file.
func Load(path string) (*Classifier, error) { panic("soon") }

// Save writes the classifier to a model file, whole or not at all.
func (c *Classifier) Save(path string) error { panic("soon") }

// Classes returns the names of the classes.
func (c *Classifier) Classes() []string { panic("soon") }

// Wave returns the model's wavelength grid in Å.
func (c *Classifier) Wave() []float64 { panic("soon") }

// Config returns the options the classifier was trained with, defaults filled in.
func (c *Classifier) Config() Config { panic("soon") }

// Params returns the number of parameters and, of these, of running
// statistics, and the number of multiply-adds a spectrum.
func (c *Classifier) Params() (total, running, multiplyAdds int) { panic("soon") }

// Features returns the number of values that Embed gives a spectrum.
func (c *Classifier) Features() int { panic("soon") }

// Classify classifies spectra on any wavelength grid that overlaps the
// model's. Results do not depend on what else is in x, or on threads.
func (c *Classifier) Classify(ctx context.Context, x astroml.Spectra) (*Result, error) { panic("soon") }

// Embed returns n × Features values, the representation that the last layer
// sees.
func (c *Classifier) Embed(ctx context.Context, x astroml.Spectra) ([]float32, error) { panic("soon") }

// Sets returns n × class booleans: the classes that hold the true one in a
// fraction coverage of all spectra, by split conformal prediction. A set may be
// empty: then no class is as probable as it should be.
func (c *Classifier) Sets(prob []float32, coverage float64) ([]bool, error) { panic("soon") }

// FineTune goes on training on other spectra of the same classes, and
// calibrates anew on them.
func (c *Classifier) FineTune(ctx context.Context, set Set, cfg Config, progress func(astroml.Progress)) (*Classifier, error) {
	panic("soon")
}

// Spectrum is one spectrum of a stream, with a name of the caller's.
type Spectrum struct {
	ID string
	astroml.Spectra
}

// Rule is a trigger. Conditions left zero always hold.
type Rule struct {
	Name     string   `json:"name"`
	Classes  []string `json:"classes,omitempty"`  // the most probable class is one of these
	MinProb  float64  `json:"min_prob,omitempty"` // summed probability of Classes (of the most probable class if there are none)
	Coverage float64  `json:"coverage,omitempty"` // the conformal set at this coverage has no class but Classes, and one at least
	MinOOD   float64  `json:"min_ood,omitempty"`
	MaxOOD   float64  `json:"max_ood,omitempty"`
}

// Verdict is the answer to one spectrum of a stream.
type Verdict struct {
	ID        string
	Class     string // empty where Flag has Unusable
	Prob      []float32
	Total     float32
	Aleatoric float32
	Epistemic float32
	OOD       float32
	Flag      Flag
	Triggers  []string // names of the rules that hold
}

// Stream classifies spectra as they come, with bounded memory, in order.
func (c *Classifier) Stream(ctx context.Context, in iter.Seq2[Spectrum, error], rules []Rule) iter.Seq2[Verdict, error] {
	panic("soon")
}
