package moment_test

import (
	"context"
	"fmt"
	"log"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/explain"
	"github.com/goastroml/goastroml/astroml/moment"
)

// A network learns from toy galaxies of 100 universes what one galaxy knows of
// Ω_m, and is asked about another one.
func Example() {
	ctx := context.Background()
	set, err := moment.Galaxies(moment.GalaxyConfig{Simulations: 100, PerSimulation: 20, Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	net, err := moment.Train(ctx, set, moment.Config{Inputs: "log", Folds: 2, Epochs: 20, Hidden: 32}, nil)
	if err != nil {
		log.Fatal(err)
	}
	other, err := moment.Galaxies(moment.GalaxyConfig{Simulations: 1, PerSimulation: 1, Seed: 7})
	if err != nil {
		log.Fatal(err)
	}
	mean, std, err := net.Predict(ctx, other.X)
	if err != nil {
		log.Fatal(err)
	}
	exact, sigma, err := moment.GalaxyPosterior(other.X.Data)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("Ω_m = %.1f ± %.2f, exactly %.1f ± %.2f\n", mean[0], std[0], exact[0], sigma[0])
	// Output: Ω_m = 0.3 ± 0.05, exactly 0.3 ± 0.05
}

// Which property carries Ω_m? Shapley values of the exact posterior's mean.
func ExampleGalaxyPosterior() {
	set, err := moment.Galaxies(moment.GalaxyConfig{Simulations: 40, PerSimulation: 1, Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	rows := make([]float64, len(set.X.Data))
	for i, v := range set.X.Data {
		rows[i] = float64(v)
	}
	posterior := func(_ context.Context, x []float64, _ int, y []float64) error {
		single := make([]float32, len(x))
		for i, v := range x {
			single[i] = float32(v)
		}
		mean, _, err := moment.GalaxyPosterior(single)
		copy(y, mean)
		return err
	}
	const features = 8
	background, err := explain.Interventional(rows[:20*features], features, nil)
	if err != nil {
		log.Fatal(err)
	}
	a, err := explain.Shapley(context.Background(), posterior, rows[20*features:], features, 1, background, explain.ShapleyConfig{})
	if err != nil {
		log.Fatal(err)
	}
	best, most := 0, 0.0
	for j := range features {
		var sum float64
		for i := j; i < len(a.Values); i += features {
			sum += max(a.Values[i], -a.Values[i])
		}
		if sum > most {
			best, most = j, sum
		}
	}
	fmt.Println(moment.GalaxyFeatures[best], "tells most")
	// Output: V_max tells most
}

// A model file says what it wants.
func ExampleLoad() {
	net, err := moment.Load("../../testdata/golden/moment/model.safetensors")
	if err != nil {
		log.Fatal(err)
	}
	_, _, err = net.Predict(context.Background(), astroml.Array{Shape: []int{1, 3}, Data: []float32{1, 2, 3}})
	fmt.Println(err)
	// Output: moment: 3 values of shape [1 3], the model wants (n, 2, 8): wrong shape
}
