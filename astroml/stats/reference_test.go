package stats_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/goastroml/goastroml/astroml/stats"
)

// reference is testdata/stats/reference.json; its README says what is from
// where.
type reference struct {
	K, Bins              int
	Labels               []int
	Logits, Prob         []float32
	Accuracy, NLL, Brier float64
	Balanced             float64 `json:"balanced_accuracy"`
	Confusion            []int
	Entropy              []float64
	BinAccuracy          []float64 `json:"reliability_accuracy"`
	BinConfidence        []float64 `json:"reliability_confidence"`
	ECE                  float64
	Score                []float32
	Positive             []bool
	AUROC                float64
	Ranks, ECDF          []float64
	Points               []float32
	Coverages            []float64
	Threshold            []float64
	ClassThreshold       [][]*float64 `json:"class_threshold"`
	Temperature          float64
	Scale, Bias          []float64
	CalibratedNLL        float64 `json:"calibrated_nll"`
}

func readReference(t *testing.T) *reference {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "stats", "reference.json"))
	if err != nil {
		t.Fatal(err)
	}
	r := new(reference)
	if err := json.Unmarshal(b, r); err != nil {
		t.Fatal(err)
	}
	return r
}

// near reports a difference of more than tolerance.
func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: got %.9g, want %.9g ± %g", what, got, want, tolerance)
	}
}

func TestReferenceScores(t *testing.T) {
	r := readReference(t)
	type score func([]float32, []int, int) (float64, error)
	ece := func(p []float32, y []int, k int) (float64, error) { return stats.ECE(p, y, k, r.Bins) }
	for _, test := range []struct {
		name  string
		score score
		want  float64
	}{
		{"accuracy", stats.Accuracy, r.Accuracy},
		{"balanced accuracy", stats.BalancedAccuracy, r.Balanced},
		{"NLL", stats.NLL, r.NLL},
		{"Brier", stats.Brier, r.Brier},
		{"ECE", ece, r.ECE},
	} {
		got, err := test.score(r.Prob, r.Labels, r.K)
		if err != nil {
			t.Fatal(err)
		}
		// scikit-learn was given rows normalised in float64, ours sum to 1
		// within 1e-7.
		near(t, test.name, got, test.want, 1e-7)
	}
	confusion, err := stats.Confusion(r.Prob, r.Labels, r.K)
	if err != nil || !slices.Equal(confusion, r.Confusion) {
		t.Errorf("confusion: got %v (%v), want %v", confusion, err, r.Confusion)
	}
	entropy, err := stats.Entropy(r.Prob, r.K)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range r.Entropy {
		near(t, "entropy", float64(entropy[i]), want, 1e-6) // float32
	}
	bins, err := stats.Reliability(r.Prob, r.Labels, r.K, r.Bins)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range bins {
		near(t, "bin accuracy", b.Accuracy, r.BinAccuracy[i], 1e-12)
		near(t, "bin confidence", b.Confidence, r.BinConfidence[i], 1e-12)
	}
}

func TestReferenceRanks(t *testing.T) {
	r := readReference(t)
	got, err := stats.AUROC(r.Score, r.Positive)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "AUROC", got, r.AUROC, 1e-12)
	ranks, err := stats.Ranks(r.Score)
	if err != nil || !slices.Equal(ranks, r.Ranks) {
		t.Errorf("ranks: got %v (%v), want %v", ranks, err, r.Ranks)
	}
	e, err := stats.NewECDF(r.Score)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range r.Points {
		near(t, "ECDF", e.At(x), r.ECDF[i], 1e-15)
	}
}

func TestReferenceConformal(t *testing.T) {
	r := readReference(t)
	c, err := stats.NewConformal(r.Prob, r.Labels, r.K)
	if err != nil {
		t.Fatal(err)
	}
	for i, coverage := range r.Coverages {
		all, err := c.Threshold(coverage)
		if err != nil {
			t.Fatal(err)
		}
		class, err := c.ClassThresholds(coverage)
		if err != nil {
			t.Fatal(err)
		}
		for y := range r.K {
			near(t, "threshold", float64(all[y]), r.Threshold[i], 1e-12)
			want := all[y] // too few: falls back
			if p := r.ClassThreshold[i][y]; p != nil {
				want = float32(*p)
			}
			near(t, "class threshold", float64(class[y]), float64(want), 1e-12)
		}
	}
}

func TestReferenceCalibration(t *testing.T) {
	r := readReference(t)
	temperature, err := stats.Temperature(r.Logits, r.Labels, r.K)
	if err != nil {
		t.Fatal(err)
	}
	// SciPy finds the minimum to the root of the precision of the NLL.
	near(t, "temperature", temperature, r.Temperature, 1e-6)
	cal, err := stats.Calibrate(r.Logits, r.Labels, r.K)
	if err != nil {
		t.Fatal(err)
	}
	for c := range r.K {
		// Its gradients are finite differences.
		near(t, "scale", float64(cal.Scale[c]), r.Scale[c], 1e-4)
		near(t, "bias", float64(cal.Bias[c]), r.Bias[c], 1e-4)
	}
	prob, err := cal.Apply(r.Logits)
	if err != nil {
		t.Fatal(err)
	}
	nll, err := stats.NLL(prob, r.Labels, r.K)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "calibrated NLL", nll, r.CalibratedNLL, 1e-6)
}
