package moment

import (
	"errors"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/nn"
)

// TestCAMELSParameters counts those of the network for maps of 256², h = 6 and
// 12: 8.47 and 33.8 million, as in the copies of "o3_err".
func TestCAMELSParameters(t *testing.T) {
	for hidden, want := range map[int]int{6: 8466852, 12: 33839004} {
		// By layer: 3² and 2² windows with biases, scale and shift of all but the
		// first normalisation, 4² window, two dense layers.
		count, in := 0, 1
		for i := range 6 {
			c := hidden << (i + 1)
			count += 9*in*c + c + 9*c*c + c + 4*c*c + c + 2*2*c
			if i > 0 {
				count += 2 * c
			}
			in = c
		}
		last := hidden << 7
		count += 16*in*last + last + 2*last + last*in + in + in*12 + 12
		if count != want {
			t.Fatalf("the sum by layer is %d, want %d", count, want)
		}
		p := nn.NewParams(1)
		g := nn.NewGraph(p, false)
		if _, err := Draw(g, Config{Network: "map", Hidden: hidden}, g.Input("x", 1, 1, 256, 256, 1), 12); err != nil {
			t.Fatal(err)
		}
		total, running := p.Size()
		if total-running != want {
			t.Errorf("h = %d: %d parameters, want %d", hidden, total-running, want)
		}
		convolutions := 0
		for _, q := range p.List {
			if len(q.Shape) == 5 && q.Shape[1] > 1 {
				convolutions++
			}
		}
		if convolutions != 19 {
			t.Errorf("%d convolutions, want 19", convolutions)
		}
	}
}

func TestDrawRefuses(t *testing.T) {
	for _, c := range []struct {
		name, why, network string
		shape              []int
		want               error
	}{
		{"a small map", "no stage halves it", "map", []int{1, 1, 7, 7, 1}, astroml.ErrShape},
		{"an odd map", "100 is 4·25", "map", []int{1, 1, 100, 100, 1}, astroml.ErrShape},
		{"an oblong map", "its long side does not go on halving", "map", []int{1, 1, 64, 72, 1}, astroml.ErrShape},
		{"a flat cube", "it has one plane", "cube", []int{1, 1, 32, 32, 1}, astroml.ErrShape},
		{"no network", "the name is not known", "tree", []int{1, 1, 1, 1, 3}, nil},
	} {
		g := nn.NewGraph(nn.NewParams(1), false)
		_, err := Draw(g, Config{Network: c.network, Hidden: 2, Layers: 1}, g.Input("x", c.shape...), 2)
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s (%s): error %v, want %v", c.name, c.why, err, c.want)
		}
	}
}
