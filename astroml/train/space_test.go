package train_test

import (
	"context"
	"math"
	"reflect"
	"testing"

	"github.com/goastroml/goastroml/astroml/train"
)

// space has an option of each kind.
func space() train.Space {
	return train.Space{
		"learn_rate": {Low: 1e-5, High: 1e-1, Log: true},
		"dropout":    {Low: 0, High: 0.5},
		"layers":     {Low: 1, High: 5, Integer: true},
		"hidden":     {Low: 4, High: 64, Integer: true, Log: true},
		"loss":       {Choices: []any{"camels", "gaussian", 3, nil, "<a & b>"}},
	}
}

// TestSearchDraws compares many trials with the distributions that Range
// promises.
func TestSearchDraws(t *testing.T) {
	const n = 20_000
	zero := func(context.Context, train.Trial, int) (float64, error) { return 0, nil }
	trials, err := train.Search(context.Background(), space(), train.SearchConfig{Trials: n, Seed: 1}, zero)
	if err != nil {
		t.Fatal(err)
	}
	count := map[any]float64{}
	var log, even float64
	for i, trial := range trials {
		if trial.Number != i {
			t.Fatalf("of equal losses trial %d came %d-th", trial.Number, i)
		}
		rate, dropout := trial.Options["learn_rate"].(float64), trial.Options["dropout"].(float64)
		if rate < 1e-5 || rate > 1e-1 || dropout < 0 || dropout > 0.5 {
			t.Fatalf("out of range: %v", trial.Options)
		}
		log += (math.Log10(rate) + 5) / 4 / n
		even += dropout / 0.5 / n
		count[[2]any{"layers", trial.Options["layers"]}]++
		count[[2]any{"hidden", trial.Options["hidden"]}]++
		count[[2]any{"loss", trial.Options["loss"]}]++
	}
	// The mean of n even numbers has an error of 1/√(12 n).
	for name, mean := range map[string]float64{"learn_rate": log, "dropout": even} {
		if math.Abs(mean-0.5) > 4/math.Sqrt(12*n) {
			t.Errorf("%s: mean %.4f of its range, want 0.5", name, mean)
		}
	}
	check := func(name string, value any, p float64) {
		t.Helper()
		if got := count[[2]any{name, value}]; math.Abs(got-n*p) > 4.5*math.Sqrt(n*p*(1-p)) {
			t.Errorf("%s: %v came %g times, want about %.0f", name, value, got, n*p)
		}
	}
	for layers := range 5 {
		check("layers", layers+1, 0.2)
	}
	for hidden := 4; hidden <= 64; hidden++ {
		check("hidden", hidden, math.Log(float64(hidden+1)/float64(hidden))/math.Log(65./4))
	}
	for _, loss := range space()["loss"].Choices {
		check("loss", loss, 0.2)
	}
	if len(count) != 5+61+5 {
		t.Errorf("%d values were drawn, want %d", len(count), 5+61+5)
	}
}

func TestSearchRangeOfOneValue(t *testing.T) {
	one := train.Space{
		"a": {Low: 0.1, High: 0.1}, "b": {Low: 0.1, High: 0.1, Log: true}, "c": {Low: -3, High: -3, Integer: true},
		"d": {Low: 7, High: 7, Integer: true, Log: true}, "e": {Choices: []any{"only"}}, "f": {Low: -1 << 53, High: -1 << 53, Integer: true},
	}
	trials, err := train.Search(context.Background(), one, train.SearchConfig{Trials: 100}, func(context.Context, train.Trial, int) (float64, error) { return 0, nil })
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"a": 0.1, "b": 0.1, "c": -3, "d": 7, "e": "only", "f": -1 << 53}
	for _, trial := range trials {
		if !reflect.DeepEqual(trial.Options, want) {
			t.Fatalf("options %v, want %v", trial.Options, want)
		}
	}
}

// TestSearchTrialDependsOnItsNumber: fewer trials are the first of more.
func TestSearchTrialDependsOnItsNumber(t *testing.T) {
	drawn := func(trials int, seed uint64) map[int]map[string]any {
		table, err := train.Search(context.Background(), space(), train.SearchConfig{Trials: trials, Seed: seed}, bowl)
		if err != nil {
			t.Fatal(err)
		}
		out := map[int]map[string]any{}
		for _, trial := range table {
			out[trial.Number] = trial.Options
		}
		return out
	}
	few, many, other := drawn(5, 1), drawn(50, 1), drawn(5, 2)
	for i, options := range few {
		if !reflect.DeepEqual(options, many[i]) {
			t.Errorf("trial %d of 5 has %v, of 50 %v", i, options, many[i])
		}
		if reflect.DeepEqual(options, other[i]) {
			t.Errorf("trial %d is the same with another seed", i)
		}
	}
}
