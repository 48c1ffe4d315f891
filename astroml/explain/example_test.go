package explain_test

import (
	"context"
	"fmt"
	"math"

	"github.com/goastroml/goastroml/astroml/explain"
)

// A model of three features, whose background is one row of zeros.
func ExampleShapley() {
	model := func(_ context.Context, x []float64, n int, y []float64) error {
		for i := range n {
			y[i] = 2*x[3*i] + x[3*i+1]*x[3*i+2]
		}
		return nil
	}
	background, err := explain.Interventional([]float64{0, 0, 0}, 3, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	a, err := explain.Shapley(context.Background(), model, []float64{1, 2, 3}, 3, 1, background, explain.ShapleyConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.3g = %.3g + the sum of %.3g\n", a.Predicted, a.Base, a.Values)
	// Output: [8] = [0] + the sum of [2 3 3]
}

// The model lives elsewhere: it is handed rows and hands back answers.
func ExampleNewShapley() {
	background, err := explain.Interventional([]float64{0, 0, 1, 1}, 2, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	game, err := explain.NewShapley([]float64{3, 5}, 2, 1, background, explain.ShapleyConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for rows := game.Rows(); rows != nil; rows = game.Rows() {
		var y []float64
		for i := 0; i < len(rows); i += 2 {
			y = append(y, rows[i]-rows[i+1])
		}
		if err := game.Take(y); err != nil {
			fmt.Println(err)
			return
		}
	}
	a, err := game.Result()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.3g %v\n", a.Values, a.Err)
	// Output: [2.5 -4.5] [0 0]
}

// Two features of correlation 0.5, of which the model looks at one: what the
// other says of it counts.
func ExampleConditional() {
	background, err := explain.Conditional([]float64{0, 0}, []float64{1, 0.5, 0.5, 1}, 0, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	first := func(_ context.Context, x []float64, n int, y []float64) error {
		for i := range n {
			y[i] = x[2*i]
		}
		return nil
	}
	a, err := explain.Shapley(context.Background(), first, []float64{1, 2}, 2, 1, background, explain.ShapleyConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.2f\n", a.Values)
	// Output: [0.50 0.50]
}

func ExampleExpectedGradients() {
	// f = sin x₀ + x₁, from a background of 0.
	model := func(_ context.Context, x []float64, n int, f, df []float64) error {
		for i := range n {
			f[i] = math.Sin(x[2*i]) + x[2*i+1]
			df[2*i], df[2*i+1] = math.Cos(x[2*i]), 1
		}
		return nil
	}
	a, err := explain.ExpectedGradients(context.Background(), model, []float64{math.Pi / 2, 3}, []float64{0, 0}, 2, explain.GradientConfig{Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.2f\n", a.Values)
	// Output: [1.00 3.00]
}

// The score of a model counts what its columns are worth; mass and brightness
// tell the same.
func ExampleRetrain() {
	names := []string{"mass", "brightness", "colour"}
	fit := func(_ context.Context, columns []int, seed uint64) (float64, error) {
		var score float64
		seen := false
		for _, c := range columns {
			switch names[c] {
			case "colour":
				score++
			default:
				if !seen {
					score += 5
				}
				seen = true
			}
		}
		return score, nil
	}
	for _, method := range []string{"drop", "keep", "forward"} {
		r, err := explain.Retrain(context.Background(), names, explain.RetrainConfig{Method: method}, fit)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Print(method, ":")
		for _, trial := range r.Trials {
			fmt.Print(" ", names[trial.Feature], " ", trial.Score)
		}
		fmt.Println()
	}
	// Output:
	// drop: mass 6 brightness 6 colour 5
	// keep: mass 5 brightness 5 colour 1
	// forward: mass 5 colour 6 brightness 6
}

func ExampleNewPCA() {
	p, err := explain.NewPCA([]float64{1, 1, 2, 2, 3, 3, 2, 2}, 2, explain.PCAConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.3f of the variance along %.3f\n", p.Ratio[0], p.Components[:2])
	// Output: 1.000 of the variance along [0.707 0.707]
}

func ExampleCorrelate() {
	// A target that is the square of one feature, whose sign is the other.
	var x, y []float64
	for i := range 400 {
		v := float64(i)/200 - 1
		x = append(x, v, math.Copysign(1, v))
		y = append(y, v*v)
	}
	c, err := explain.Correlate(context.Background(), x, 2, y, 1, explain.CorrelationConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for f, name := range []string{"value", "sign"} {
		fmt.Printf("%s: Pearson %.1f, Spearman %.1f, information above 1: %v\n", name, math.Abs(c.Pearson[f].Value), math.Abs(c.Spearman[f].Value), c.Information[f].Value > 1)
	}
	// Output:
	// value: Pearson 0.0, Spearman 0.0, information above 1: true
	// sign: Pearson 0.0, Spearman 0.0, information above 1: false
}

func ExamplePCA_Significant() {
	// Noise of three features, and one thing that all of them follow.
	var x []float64
	for i := range 500 {
		common := 3 * math.Sin(0.1*float64(i))
		for j := range 3 {
			// Irrational steps fill the interval evenly.
			_, noise := math.Modf(float64(i+1) * math.Sqrt([]float64{2, 3, 5}[j]))
			x = append(x, common+noise)
		}
	}
	p, err := explain.NewPCA(x, 3, explain.PCAConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	z, err := p.Transform(x[:3])
	if err != nil {
		fmt.Println(err)
		return
	}
	row, err := p.Inverse(z, 3)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d of %d components; a row is %.3f, from its components %.3f\n", p.Significant(), len(p.Variances), x[:3], row)
	// Output: 1 of 3 components; a row is [0.414 0.732 0.236], from its components [0.414 0.732 0.236]
}

func ExampleMutualInformation() {
	var x, y []float64
	for i := range 1000 {
		a := 2 * math.Pi * float64(i) / 1000
		x, y = append(x, math.Cos(a)), append(y, math.Sin(a)) // a circle
	}
	r, err := explain.Pearson(x, y)
	if err != nil {
		fmt.Println(err)
		return
	}
	i, err := explain.MutualInformation(x, y, 0, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("correlation %.1f, more than two nats: %v\n", math.Abs(r), i > 2)
	// Output: correlation 0.0, more than two nats: true
}
