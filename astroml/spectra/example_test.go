package spectra_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sync"

	"github.com/goastroml/goastroml/astroml/spectra"
)

// small is a survey of two classes in 500 pixels, so that examples take a
// second.
func small(seed uint64) spectra.Set {
	cfg := spectra.SimConfig{Seed: seed, PerClass: 60, Classes: []string{"STAR_A0", "GALAXY"}, SNMin: 10}
	for i := range 500 {
		cfg.Wave = append(cfg.Wave, 3800*(1+0.0015*float64(i)))
	}
	set, _, err := spectra.Simulate(cfg)
	if err != nil {
		log.Fatal(err)
	}
	return set
}

// classifier is what most examples classify with.
var classifier = sync.OnceValue(func() *spectra.Classifier {
	c, err := spectra.Train(context.Background(), small(1), spectra.Config{Epochs: 8, BatchSize: 16}, nil)
	if err != nil {
		log.Fatal(err)
	}
	return c
})

func ExampleTrain() {
	set := small(1)
	c, err := spectra.Train(context.Background(), set, spectra.Config{Epochs: 8, BatchSize: 16, Seed: 1}, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Classes(), len(c.Wave()), "pixels")
	// Output: [STAR_A0 GALAXY] 500 pixels
}

func ExampleClassifier_Classify() {
	c := classifier()
	test := small(2)
	r, err := c.Classify(context.Background(), test.Spectra)
	if err != nil {
		log.Fatal(err)
	}
	right := 0
	for i, label := range test.Labels {
		if r.Class[i] == label {
			right++
		}
	}
	fmt.Println("more than nine of ten right:", right > 108)
	fmt.Println("uncertainty adds up:", r.Total[0]-r.Aleatoric[0]-r.Epistemic[0] < 1e-5)
	// Output:
	// more than nine of ten right: true
	// uncertainty adds up: true
}

func ExampleClassifier_Sets() {
	c := classifier()
	r, err := c.Classify(context.Background(), small(2).Row(0))
	if err != nil {
		log.Fatal(err)
	}
	in, err := c.Sets(r.Prob, 0.8)
	if err != nil {
		log.Fatal(err)
	}
	for i, class := range c.Classes() {
		fmt.Println(class, in[i])
	}
	// Output:
	// STAR_A0 true
	// GALAXY false
}

func ExampleClassifier_Stream() {
	c := classifier()
	test := small(2)
	fibres := func(yield func(spectra.Spectrum, error) bool) {
		for i := range 4 {
			if !yield(spectra.Spectrum{ID: fmt.Sprint("fibre ", i), Spectra: test.Row(i)}, nil) {
				return
			}
		}
	}
	rules := []spectra.Rule{{Name: "follow up", Classes: []string{"GALAXY"}, MinProb: 0.6}}
	for v, err := range c.Stream(context.Background(), fibres, rules) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(v.ID, v.Class, v.Triggers)
	}
	// Output:
	// fibre 0 STAR_A0 []
	// fibre 1 GALAXY [follow up]
	// fibre 2 STAR_A0 []
	// fibre 3 GALAXY [follow up]
}

func ExampleClassifier_Embed() {
	c := classifier()
	features, err := c.Embed(context.Background(), small(2).Rows(0, 3))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(features) / c.Features())
	// Output: 3
}

func ExampleLoad() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "classes.safetensors")
	if err := classifier().Save(path); err != nil {
		log.Fatal(err)
	}
	c, err := spectra.Load(path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Classes())
	// Output: [STAR_A0 GALAXY]
}

func ExampleClassifier_Calibrate() {
	c, err := classifier().Calibrate(context.Background(), small(3))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Classes())
	// Output: [STAR_A0 GALAXY]
}

func ExampleClassifier_FineTune() {
	c, err := classifier().FineTune(context.Background(), small(3), spectra.Config{Epochs: 2, BatchSize: 16, LearnRate: 2e-4}, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(c.History()), "epochs more")
	// Output: 2 epochs more
}
