package train

import (
	"encoding/json"
	"math"
)

// Trial is one draw of options and what has become of it.
type Trial struct {
	Number int `json:"number"`
	// Rung counts the trainings that the trial was good enough for, from 0.
	Rung int `json:"rung"`
	// Epochs is the length of the last training.
	Epochs int `json:"epochs"`
	// Options are the drawn values by name: float64, int, or a choice as it is
	// in the Space.
	Options map[string]any `json:"options"`
	// Loss is that of the last training, +Inf if it diverged. JSON has null for
	// it.
	Loss float64 `json:"loss"`
	// Error says how the last training diverged.
	Error string `json:"error,omitempty"`
}

// plain is a Trial without methods.
type plain Trial

// MarshalJSON writes an infinite loss as null.
func (t Trial) MarshalJSON() ([]byte, error) {
	out := struct {
		plain
		Loss *float64 `json:"loss"`
	}{plain: plain(t)}
	if !math.IsInf(t.Loss, 1) {
		out.Loss = &t.Loss
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes; all numbers among the options
// become float64.
func (t *Trial) UnmarshalJSON(text []byte) error {
	var in struct {
		plain
		Loss *float64 `json:"loss"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*t = Trial(in.plain)
	t.Loss = math.Inf(1)
	if in.Loss != nil {
		t.Loss = *in.Loss
	}
	return nil
}
