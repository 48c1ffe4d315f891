package spectra

import (
	"context"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/stats"
)

// pixelsOf is the length of spectra in these benchmarks: that of SDSS for the
// default network, that of its paper for GaSNet-II.
var pixelsOf = map[string]int{"default": 4000, "gasnet2": 3600}

// BenchmarkStep times one step of training: 64 spectra laid out and changed at
// random, forward, backward, AdamW, averaged weights. With plain spectra are
// taken as they are.
func BenchmarkStep(b *testing.B) {
	for _, network := range []string{"default", "gasnet2"} {
		set := lines(13, 100, pixelsOf[network], 1)
		for name, augment := range map[string]float64{"whole": 1, "plain": -1} {
			b.Run(network+"/"+name, func(b *testing.B) {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				steps := 0
				// The first step pays for drawing and compiling the graph.
				progress := func(astroml.Progress) {
					if steps == 0 {
						b.ResetTimer()
					}
					if steps == b.N {
						b.StopTimer()
						cancel()
					}
					steps++
				}
				// One spectrum of each class is held out, so that an epoch is
				// nearly all training.
				cfg := Config{Network: network, Epochs: b.N, Patience: -1, Augment: augment, HeldOut: 0.01}
				if _, err := Train(ctx, set, cfg, progress); err != nil && ctx.Err() == nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// BenchmarkClassify times the whole answer to 256 spectra: network, calibrated
// probabilities, uncertainties, score of unusual spectra.
func BenchmarkClassify(b *testing.B) {
	for _, network := range []string{"default", "gasnet2"} {
		b.Run(network, func(b *testing.B) {
			c := mustTrain(b, lines(13, 10, pixelsOf[network], 1), Config{Network: network, Epochs: 1})
			x := lines(16, 16, pixelsOf[network], 2).Spectra
			mustClassify(b, c, x)
			b.ResetTimer()
			for range b.N {
				mustClassify(b, c, x)
			}
		})
	}
}

// BenchmarkForward times the network alone on 256 spectra that are laid out, for
// features and logits.
func BenchmarkForward(b *testing.B) {
	for _, network := range []string{"default", "gasnet2"} {
		b.Run(network, func(b *testing.B) {
			c := mustTrain(b, lines(13, 10, pixelsOf[network], 1), Config{Network: network, Epochs: 1})
			mustClassify(b, c, lines(16, 2*together/16, pixelsOf[network], 2).Spectra)
			lay := func(*hand, []float32, int) {} // what the seats still hold
			take := func(*hand, []float32, []float32, int, int) {}
			b.ResetTimer()
			for range b.N {
				if err := c.sweep(b.Context(), 256, lay, take); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOne times the answer to one spectrum.
func BenchmarkOne(b *testing.B) {
	c := mustTrain(b, lines(13, 10, 4000, 1), Config{Epochs: 1})
	x := lines(1, 1, 4000, 2).Spectra
	mustClassify(b, c, x)
	b.ResetTimer()
	for range b.N {
		mustClassify(b, c, x)
	}
}

// BenchmarkModelFit times a fit of the simulator's own models, and reports how
// often it finds the class: the ceiling of every classifier on Simulate.
func BenchmarkModelFit(b *testing.B) {
	cfg := SimConfig{Seed: 3, PerClass: 30}
	set, _, err := Simulate(cfg)
	if err != nil {
		b.Fatal(err)
	}
	fit, err := NewModelFit(SimConfig{Seed: 4}, 20000)
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		prob, err := fit.Prob(set.Spectra)
		if err != nil {
			b.Fatal(err)
		}
		accuracy, err := stats.BalancedAccuracy(prob, set.Labels, len(set.Classes))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(accuracy, "balanced-accuracy")
	}
}
