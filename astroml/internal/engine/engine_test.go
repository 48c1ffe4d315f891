package main

import (
	"runtime"
	"slices"
	"testing"

	"github.com/goastroml/goastroml/astroml/internal/kernel"
	"github.com/goastroml/goastroml/astroml/nn"
)

// TestNetworksHaveTheSameBits takes training steps of small networks on several
// numbers of workers, two on each, and compares weights and outputs.
func TestNetworksHaveTheSameBits(t *testing.T) {
	for _, net := range networks {
		t.Run(net.name, func(t *testing.T) {
			if testing.Short() && net.name == "21cmPIE" {
				t.Skip("its small form is the one that users run: seconds")
			}
			var want [][]float32
			for _, workers := range []int{1, 2, 3, 8} {
				e := engine{workers: kernel.NewWorkers(workers)}
				p, _, err := e.compile(net.small, 3, nn.NewParams(1), true)
				if err != nil {
					t.Fatal(err)
				}
				for round := range 2 {
					p.Run()
					for i := range p.Outputs() {
						if len(want) <= i {
							want = append(want, slices.Clone(p.Output(i)))
						}
						if !slices.Equal(p.Output(i), want[i]) {
							t.Errorf("%d workers, round %d: output %d has other bits", workers, round, i)
						}
					}
				}
				e.workers.Close()
			}
		})
	}
}

// TestNetworksHaveTheParametersOfTheirPapers counts all but running statistics.
func TestNetworksHaveTheParametersOfTheirPapers(t *testing.T) {
	for _, c := range []struct {
		name, why string
		want      int
	}{
		{"21cmPIE", "Neutsch, Heneka & Brüggen (2022), section 3.2", 627_910},
		// 19 convolutions, 18 normalisations and two dense layers, layer by layer.
		{"camels", "Villaescusa-Navarro et al. (2021), with hidden = 6: 8.47 million", 8_466_852},
	} {
		for _, net := range networks {
			if net.name != c.name {
				continue
			}
			params := nn.NewParams(1)
			g := nn.NewGraph(params, true)
			if net.draw(g, 1); g.Err() != nil {
				t.Fatal(g.Err())
			}
			if total, running := params.Size(); total-running != c.want {
				t.Errorf("%s: %d parameters, want %d (%s)", c.name, total-running, c.want, c.why)
			}
		}
	}
}

// TestStepsAllocateNothing runs the training loop on small networks.
func TestStepsAllocateNothing(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	for _, net := range networks {
		if testing.Short() && net.name == "21cmPIE" {
			continue
		}
		net.draw, net.batch = net.small, 3
		e := engine{network: net, workers: kernel.NewWorkers(2)}
		if _, err := e.step(10); err != nil {
			t.Fatal(net.name, err)
		}
		// The runtime allocates for threads of its own, now and then: what we did
		// would show in each round.
		least := uint64(1 << 62)
		for range 10 {
			answer, err := e.step(5)
			if err != nil {
				t.Fatal(err)
			}
			least = min(least, answer.Mallocs)
		}
		if least > 0 {
			t.Errorf("%s: %d allocations in 5 steps", net.name, least)
		}
	}
}
