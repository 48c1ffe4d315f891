package train_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/goastroml/goastroml/astroml/train"
)

func TestTrialJSON(t *testing.T) {
	for _, test := range []struct {
		trial train.Trial
		want  string
	}{
		{train.Trial{Number: 3, Rung: 1, Epochs: 10, Options: map[string]any{"rate": 0.1, "loss": "camels"}, Loss: -1.5},
			`{"number":3,"rung":1,"epochs":10,"options":{"loss":"camels","rate":0.1},"loss":-1.5}`},
		{train.Trial{Options: map[string]any{}, Loss: math.Inf(1), Error: "too fast"},
			`{"number":0,"rung":0,"epochs":0,"options":{},"error":"too fast","loss":null}`},
	} {
		text, err := json.Marshal(test.trial)
		if err != nil || string(text) != test.want {
			t.Errorf("JSON %s (%v), want %s", text, err, test.want)
		}
		var again train.Trial
		if err := json.Unmarshal(text, &again); err != nil || !reflect.DeepEqual(again, test.trial) {
			t.Errorf("read %+v (%v), want %+v", again, err, test.trial)
		}
	}
}
