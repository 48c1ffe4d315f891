// Package astroml holds the words that all packages of this library share:
// spectra, arrays, progress and errors. It depends on the standard library
// only.
//
// The tasks live in packages of their own, alike in shape: Train or Load
// returns a trained, immutable noun that is safe for concurrent use.
package astroml

import "errors"

// Version is the library's version. It is written into every model file.
const Version = "0.1.0"

// Sentinel errors, for programs that react. Test with errors.Is.
var (
	// ErrShape reports arrays whose shapes do not fit each other or the model.
	ErrShape = errors.New("wrong shape")
	// ErrFormat reports a file that is not what it should be.
	ErrFormat = errors.New("bad format")
	// ErrVersion reports a file written by a newer version of this library.
	ErrVersion = errors.New("newer version")
	// ErrDiverged reports a training run whose loss is no longer finite.
	ErrDiverged = errors.New("training diverged")
)

// Progress is the state of a long call.
type Progress struct {
	Stage string  // what is being done: "pretrain", "train", "calibrate"
	Epoch int     // epochs done in this stage
	Step  int     // steps done in this stage
	Steps int     // steps of this stage, at most
	Loss  float64 // training loss, mean of the epoch so far
	Valid float64 // held-out loss of the last full epoch; NaN before the first
}

// Array is a dense, row-major float32 array.
type Array struct {
	Shape []int
	Data  []float32
}
