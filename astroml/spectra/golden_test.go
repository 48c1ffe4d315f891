package spectra

import (
	"flag"
	"math"
	"path/filepath"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/npy"
)

var update = flag.Bool("update", false, "train the golden model anew and write what it answers")

// TestGolden holds a model file and its answers still. The C and Python tests
// read the same files.
func TestGolden(t *testing.T) {
	dir := filepath.Join("..", "..", "testdata", "golden", "spectra")
	file := func(name string) string { return filepath.Join(dir, name) }
	if *update {
		writeGolden(t, file)
	}
	c, err := Load(file("model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) []float32 {
		x, _, err := npy.Read[float32](file(name))
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	r := mustClassify(t, c, astroml.Spectra{Flux: read("flux.npy"), IVar: read("ivar.npy"), Wave: c.Wave()})
	e, err := c.Embed(t.Context(), astroml.Spectra{Flux: read("flux.npy"), IVar: read("ivar.npy"), Wave: c.Wave()})
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range answers(r, e) {
		want := read(name)
		var diff, norm float64
		for i, v := range got {
			if math.IsNaN(float64(v)) != math.IsNaN(float64(want[i])) {
				t.Fatalf("%s: value %d is %g, want %g", name, i, v, want[i])
			}
			if v == v {
				diff += float64(v-want[i]) * float64(v-want[i])
				norm += float64(want[i]) * float64(want[i])
			}
		}
		// Between instruction sets sums differ in their rounding.
		if math.Sqrt(diff) > 1e-4*math.Sqrt(norm) {
			t.Errorf("%s differs by %.2g of its norm", name, math.Sqrt(diff/norm))
		}
	}
}

func answers(r *Result, embedded []float32) map[string][]float32 {
	return map[string][]float32{
		"prob.npy": r.Prob, "total.npy": r.Total, "aleatoric.npy": r.Aleatoric,
		"epistemic.npy": r.Epistemic, "ood.npy": r.OOD, "embed.npy": embedded,
	}
}

func writeGolden(t *testing.T, file func(string) string) {
	cfg := SimConfig{Seed: 1, PerClass: 60, Classes: []string{"STAR_A0", "STAR_K5", "GALAXY", "QSO"}}
	for i := range 400 {
		cfg.Wave = append(cfg.Wave, math.Pow(10, 3.56+1e-3*float64(i)))
	}
	set, _, err := Simulate(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c := mustTrain(t, set, Config{Epochs: 8, BatchSize: 16})
	if err := c.Save(file("model.safetensors")); err != nil {
		t.Fatal(err)
	}
	cfg.Seed, cfg.PerClass = 2, 4
	test, _, err := Simulate(cfg)
	if err != nil {
		t.Fatal(err)
	}
	clear(test.IVar[400:800]) // one without data
	n := test.Len()
	r := mustClassify(t, c, test.Spectra)
	e, err := c.Embed(t.Context(), test.Spectra)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, x []float32) {
		if err := npy.Write(file(name), astroml.Array{Shape: []int{n, len(x) / n}, Data: x}); err != nil {
			t.Fatal(err)
		}
	}
	write("flux.npy", test.Flux)
	write("ivar.npy", test.IVar)
	for name, x := range answers(r, e) {
		write(name, x)
	}
}
