package stats_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/stats"
)

// TestTemperatureOfTruth: logits that are T times too large come back.
func TestTemperatureOfTruth(t *testing.T) {
	const n, k = 5000, 3
	logits, labels := draw(n, k)
	one, err := stats.Temperature(logits, labels, k)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "of the truth", one, 1, 0.06) // about 1/√n · a few
	for _, want := range []float64{0.2, 3, 20} {
		scaled := make([]float32, len(logits))
		for i, z := range logits {
			scaled[i] = float32(want) * z
		}
		got, err := stats.Temperature(scaled, labels, k)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "scaled", got/one, want, 1e-5*want) // float32 logits
	}
}

func TestTemperatureEnds(t *testing.T) {
	tests := []struct {
		name, why string
		logits    []float32
		labels    []int
		want      float64
	}{
		{"all right", "the sharper the better", []float32{1, 0, 0, 1}, []int{0, 1}, 0.01},
		{"all wrong", "the flatter the better", []float32{1, 0, 0, 1}, []int{1, 0}, 100},
		{"all equal", "no temperature changes it", []float32{1, 1, 1, 1}, []int{1, 0}, 100},
		{"impossible", "−Inf counts as −103", []float32{0, float32(math.Inf(-1)), 0, float32(math.Inf(-1))}, []int{0, 0}, 0.01},
	}
	for _, test := range tests {
		got, err := stats.Temperature(test.logits, test.labels, 2)
		if err != nil || got != test.want {
			t.Errorf("%s (%s): got %g (%v), want %g", test.name, test.why, got, err, test.want)
		}
	}
}

// TestCalibrateUndoes spoils true log-probabilities, class by class, and wants
// them back.
func TestCalibrateUndoes(t *testing.T) {
	const n, k = 20_000, 3
	truth, labels := draw(2*n, k)
	spoilt := make([]float32, len(truth))
	for i := range 2 * n {
		for c := range k {
			spoilt[i*k+c] = 3*truth[i*k+c] + []float32{0, 2, -1}[c]
		}
	}
	cal, err := stats.Calibrate(spoilt[:n*k], labels[:n], k)
	if err != nil {
		t.Fatal(err)
	}
	prob, err := cal.Apply(spoilt[n*k:])
	if err != nil {
		t.Fatal(err)
	}
	want := softmax(t, truth[n*k:], k)
	nll := func(p []float32) float64 {
		v, err := stats.NLL(p, labels[n:], k)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	// Five free numbers cost 5/(2n) = 0.0001 nats on new objects, give or take
	// 0.0002 (the scatter of five seeds).
	if got := nll(prob) - nll(want); got > 0.001 {
		t.Errorf("the NLL of new objects is %.5f above that of the truth", got)
	}
	if before := nll(softmax(t, spoilt[n*k:], k)); before < nll(want)+0.3 {
		t.Errorf("the spoilt NLL is %.3f, too good for this test", before)
	}
	ece, err := stats.ECE(prob, labels[n:], k, 15)
	if err != nil {
		t.Fatal(err)
	}
	if ece > 0.015 { // noise alone: 0.010
		t.Errorf("ECE %.4f", ece)
	}
}

func TestCalibrateFew(t *testing.T) {
	// Ten objects, all right: one temperature would make them certain.
	var logits []float32
	var labels []int
	for i := range 10 {
		logits = append(logits, 1, 1)
		logits[2*i+i%2] = 3
		labels = append(labels, i%2)
	}
	cal, err := stats.Calibrate(logits, labels, 2)
	if err != nil {
		t.Fatal(err)
	}
	prob, err := cal.Apply(logits[:2])
	if err != nil {
		t.Fatal(err)
	}
	before := softmax(t, logits[:2], 2)
	if p := prob[0]; p < before[0] || p > 0.99 {
		t.Errorf("got %g after %g, want a little more", p, before[0])
	}
}

// TestCalibrateInvariant: logits are defined up to a number for each object.
func TestCalibrateInvariant(t *testing.T) {
	const n, k = 300, 4
	logits, labels := draw(n, k)
	moved := slices.Clone(logits)
	for i := range moved {
		moved[i] += float32(i/k%5) - 2
	}
	a, err := stats.Calibrate(logits, labels, k)
	if err != nil {
		t.Fatal(err)
	}
	b, err := stats.Calibrate(moved, labels, k)
	if err != nil {
		t.Fatal(err)
	}
	again, err := stats.Calibrate(logits, labels, k)
	if err != nil || !slices.Equal(again.Scale, a.Scale) || !slices.Equal(again.Bias, a.Bias) {
		t.Errorf("the same input gave %v, then %v (%v)", a, again, err)
	}
	for c := range k {
		near(t, "scale", float64(b.Scale[c]), float64(a.Scale[c]), 1e-4) // float32 logits
		near(t, "bias", float64(b.Bias[c]), float64(a.Bias[c]), 1e-4)
	}
	// Worse than before it must never be.
	prob, err := a.Apply(logits)
	if err != nil {
		t.Fatal(err)
	}
	after, err := stats.NLL(prob, labels, k)
	if err != nil {
		t.Fatal(err)
	}
	before, err := stats.NLL(softmax(t, logits, k), labels, k)
	if err != nil || after > before {
		t.Errorf("NLL %g after %g (%v)", after, before, err)
	}
}

func TestCalibrateRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, logits := range [][]float32{{nan, 0}, {inf, 0}, {-inf, -inf}} {
		if _, err := stats.Calibrate(logits, []int{0}, 2); err == nil {
			t.Errorf("Calibrate(%v): got no error", logits)
		}
		if _, err := stats.Temperature(logits, []int{0}, 2); err == nil {
			t.Errorf("Temperature(%v): got no error", logits)
		}
	}
	if _, err := stats.Calibrate([]float32{0, 0, 0}, []int{0}, 2); !errors.Is(err, astroml.ErrShape) {
		t.Errorf("got %v, want ErrShape", err)
	}
	cal := stats.Calibrator{Scale: []float32{1, 1}, Bias: []float32{0, 0}}
	if _, err := cal.Apply(make([]float32, 3)); !errors.Is(err, astroml.ErrShape) {
		t.Errorf("got %v, want ErrShape", err)
	}
	if _, err := (&stats.Calibrator{}).Apply(nil); !errors.Is(err, astroml.ErrShape) {
		t.Errorf("got %v, want ErrShape", err)
	}
	prob, err := cal.Apply([]float32{0, nan, 0, 0})
	if err != nil || prob[0] == prob[0] || prob[2] != 0.5 {
		t.Errorf("got %v (%v), want NaN in the first row only", prob, err)
	}
}
