package stats_test

import (
	"fmt"

	"github.com/goastroml/goastroml/astroml/stats"
)

func ExampleConfusion() {
	prob := []float32{0.9, 0.1, 0.4, 0.6, 0.2, 0.8}
	m, err := stats.Confusion(prob, []int{0, 0, 1}, 2)
	fmt.Println(m, err)
	// Output: [1 1 0 1] <nil>
}

func ExampleConformal() {
	// Nine held-out objects; p of the true class is 0.1, 0.2, …, 0.9.
	var prob []float32
	var labels []int
	for i := range 9 {
		p := float32(i+1) / 10
		prob = append(prob, 1-p, p)
		labels = append(labels, 1)
	}
	c, err := stats.NewConformal(prob, labels, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	thresholds, err := c.Threshold(0.7) // rank 7 of 9
	if err != nil {
		fmt.Println(err)
		return
	}
	sets, err := thresholds.Sets([]float32{0.05, 0.95, 0.5, 0.5})
	fmt.Println(thresholds, sets, err)
	// Output: [0.3 0.3] [false true true true] <nil>
}

func ExampleBootstrap() {
	// Which of five spectra of three stars were classified rightly.
	star := []int{1, 1, 2, 3, 3}
	right := []float64{1, 1, 0, 1, 1}
	e, err := stats.Bootstrap(1, star, 1000, func(rows []int) float64 {
		var sum float64
		for _, i := range rows {
			sum += right[i]
		}
		return sum / float64(len(rows))
	})
	fmt.Printf("%.2f, 95 %% of stars' samples between %.2f and %.2f, %v\n", e.Value, e.Lo, e.Hi, err)
	// Output: 0.80, 95 % of stars' samples between 0.00 and 1.00, <nil>
}
