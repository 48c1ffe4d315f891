// Package spectra classifies spectra of stars, galaxies and quasars on the
// fly, and says how sure it is.
//
// Train makes a Classifier from labelled spectra, Load reads one from a file.
// Classify answers with calibrated probabilities, with total, aleatoric and
// epistemic uncertainty, and with a score for spectra unlike any that the
// classifier was trained on; Sets gives the classes that hold the true one at
// a coverage of your choice. Simulate and Synthesize make labelled spectra.
package spectra

import (
	"github.com/goastroml/goastroml/astroml"
)

// Classes13 are the thirteen classes of the SDSS pipeline that GaSNet-II
// (Zhong et al. 2024, arXiv:2311.04146) tells apart. GALAXY and QSO are those
// with a blank subclass.
var Classes13 = []string{
	"STAR_A0", "STAR_F5", "STAR_F9", "STAR_G2", "STAR_K1", "STAR_K3", "STAR_K5",
	"GALAXY", "GALAXY_STARFORMING", "GALAXY_STARBURST", "GALAXY_AGN",
	"QSO", "QSO_BROADLINE",
}

// Set is a set of labelled spectra.
type Set struct {
	astroml.Spectra
	Labels  []int    // index into Classes, one a spectrum
	Classes []string // names of the classes
	// Groups says which spectra belong together, such as those of one object:
	// a group is learnt from or held out as a whole. Nil means that each
	// spectrum stands alone.
	Groups []int
}

// row returns flux and inverse variance of spectrum i, the latter nil if there
// is none.
func (s Set) row(i int) (flux, ivar []float32) {
	x := s.Row(i)
	return x.Flux, x.IVar
}

// Config holds the options of Train. The zero value is good.
type Config struct {
	// Network is "default", a strided residual CNN of at most five million
	// multiply-adds a spectrum, or "gasnet2", the network of Zhong et al.
	// (2024), arXiv:2311.04146. The default is "default".
	Network string `json:"network,omitempty"`
	// Seed is the seed of everything that is drawn: weights, order, noise.
	Seed uint64 `json:"seed,omitempty"`
	// Epochs is the largest number of passes over the training spectra. The
	// default is 30.
	Epochs int `json:"epochs,omitempty"`
	// BatchSize is the number of spectra a step. The default is 64.
	BatchSize int `json:"batch_size,omitempty"`
	// LearnRate is the largest step of AdamW; a warm-up leads to it and half a
	// cosine down from it. The default is 0.002.
	LearnRate float64 `json:"learn_rate,omitempty"`
	// WeightDecay is the decoupled weight decay of AdamW. The default is 0.05.
	WeightDecay float64 `json:"weight_decay,omitempty"`
	// LabelSmoothing moves this much of each label's probability to the other
	// classes. The default is 0.02. If negative, labels are taken as they are.
	LabelSmoothing float64 `json:"label_smoothing,omitempty"`
	// Patience stops training after this many epochs without a better held-out
	// loss. The default is 8. If negative, training runs for all Epochs.
	Patience int `json:"patience,omitempty"`
	// HeldOut is the fraction of each class that is kept from the weights, to
	// choose the best epoch and to calibrate. The default is 0.2.
	HeldOut float64 `json:"held_out,omitempty"`
	// Pretrain is "contrastive" for a supervised-contrastive representation
	// (Khosla et al. 2020, arXiv:2004.11362) before the classes are learnt, or
	// "none". The default is "none".
	Pretrain string `json:"pretrain,omitempty"`
	// PretrainEpochs is the number of passes of Pretrain. The default is 10.
	PretrainEpochs int `json:"pretrain_epochs,omitempty"`
	// Augment is how strongly training spectra are changed at random: noise
	// drawn from the inverse variance, masked stretches, a tilt of the flux
	// calibration, a jitter in redshift. The default is 1. If negative, spectra
	// are taken as they are.
	Augment float64 `json:"augment,omitempty"`
	// Exposure is the fraction of training spectra that are spoilt at random, as
	// blank fibres, residuals of the sky, blends and the like, for the network
	// to learn what the classes are not. The default is 1/8. If negative, none.
	Exposure float64 `json:"exposure,omitempty"`
	// ClassWeight is "balanced", where each class counts alike, or "none". The
	// default is "none".
	ClassWeight string `json:"class_weight,omitempty"`
	// Threads is the number of goroutines that compute. The default is the
	// number of processors. Results do not depend on it.
	Threads int `json:"threads,omitempty"`
	// Checkpoint is the path of a file in which the run is kept after each
	// epoch. If it is there when Train starts, the run goes on from it and ends
	// in the same bits as one that was never stopped. The default is none.
	Checkpoint string `json:"checkpoint,omitempty"`
}
