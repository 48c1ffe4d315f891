package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// Space holds the options to search, by name.
type Space map[string]Range

// Range is what an option may be: a number from Low to High, or one of Choices.
type Range struct {
	// Low and High are the smallest and the largest number. Both 0 is no range.
	Low  float64 `json:"low,omitempty"`
	High float64 `json:"high,omitempty"`
	// Log draws the number's logarithm evenly.
	Log bool `json:"log,omitempty"`
	// Integer draws whole numbers, Low and High among them. With Log, k has a
	// probability proportional to log((k+1)/k).
	Integer bool `json:"integer,omitempty"`
	// Choices are alike probable. Each is whatever JSON can hold.
	Choices []any `json:"choices,omitempty"`
}

// maxWhole is the largest number up to which float64 holds all whole ones.
const maxWhole = 1 << 53

func (r Range) check() error {
	if len(r.Choices) > 0 {
		if r.Low != 0 || r.High != 0 || r.Log || r.Integer {
			return errors.New("choices and numbers, want one of them")
		}
		for i, c := range r.Choices {
			if _, err := json.Marshal(c); err != nil {
				return fmt.Errorf("choice %d: %w", i, err)
			}
		}
		return nil
	}
	finite := func(v float64) bool { return math.Abs(v) <= math.MaxFloat64 }
	whole := func(v float64) bool { return v == math.Trunc(v) && math.Abs(v) <= maxWhole }
	var want string
	switch {
	case r.Low == 0 && r.High == 0:
		return errors.New("neither numbers nor choices")
	case !(finite(r.Low) && finite(r.High)):
		want = "finite numbers"
	case r.Low > r.High:
		want = "low no larger than high"
	case r.Log && r.Low <= 0:
		want = "low above 0 for a logarithm"
	case r.Integer && !(whole(r.Low) && whole(r.High)):
		want = "whole numbers"
	default:
		return nil
	}
	return fmt.Errorf("low %g, high %g, want %s", r.Low, r.High, want)
}

// draw returns a value, an int if r is of integers, of one random number.
func (r Range) draw(random *rand.Rand) any {
	u := random.Float64()
	if n := len(r.Choices); n > 0 {
		return r.Choices[min(int(u*float64(n)), n-1)]
	}
	high := r.High
	if r.Integer {
		high++
	}
	x := r.Low*(1-u) + high*u
	if r.Log {
		x = math.Exp(math.Log(r.Low)*(1-u) + math.Log(high)*u)
	}
	if r.Integer {
		x = math.Floor(x)
	}
	x = min(max(x, r.Low), r.High) // rounding may leave the range
	if r.Integer {
		return int(x)
	}
	return x
}

func (s Space) check() error {
	if len(s) == 0 {
		return errors.New("train: a space without options")
	}
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if err := s[name].check(); err != nil {
			return fmt.Errorf("train: range of %q: %w", name, err)
		}
	}
	return nil
}

// draw returns the options of a trial.
func (s Space) draw(seed uint64, trial int) map[string]any {
	random := rng.New(seed, "trial", trial)
	options := make(map[string]any, len(s))
	for _, name := range slices.Sorted(maps.Keys(s)) {
		options[name] = s[name].draw(random)
	}
	return options
}
