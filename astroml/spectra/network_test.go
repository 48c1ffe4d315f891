package spectra

import (
	"strings"
	"testing"

	"github.com/goastroml/goastroml/astroml/nn"
)

// TestDraw draws both networks, and refuses what they cannot read.
func TestDraw(t *testing.T) {
	for _, c := range []struct {
		name, why, network string
		shape              []int
		classes            int
		says               string // of the error; empty if there is none
	}{
		{"default", "flux and significance", "default", []int{3, 1, 1, 300, 2}, 4, ""},
		{"gasnet2", "flux alone", "gasnet2", []int{2, 1, 1, 1500, 1}, 13, ""},
		{"other name", "a typing error", "gasnet", []int{2, 1, 1, 1500, 1}, 13, `no network "gasnet"`},
		{"one channel", "no significance", "default", []int{3, 1, 1, 300, 1}, 4, "(N,1,1,pixel,2)"},
		{"few pixels", "nothing is left for the last stage", "gasnet2", []int{2, 1, 1, 1000, 1}, 13, "at least 1457 pixels"},
		{"one class", "nothing to tell apart", "default", []int{3, 1, 1, 300, 2}, 1, "1 classes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := nn.NewGraph(nn.NewParams(1), true)
			z, err := Draw(g, c.network, g.Input("x", c.shape...), c.classes)
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Fatalf("%s: error %v, want %q in it", c.why, err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s := z.Shape(); len(s) != 2 || s[0] != c.shape[0] || s[1] != c.classes {
				t.Errorf("logits %v, want %v", s, []int{c.shape[0], c.classes})
			}
		})
	}
}

// TestProfile refuses a batch of nothing.
func TestProfile(t *testing.T) {
	c := mustTrain(t, lines(3, 10, 300, 1), Config{Epochs: 1})
	if _, err := c.Profile(0, false); err == nil {
		t.Error("a profile of no spectra")
	}
	if _, err := c.Profile(1, true); err == nil {
		t.Error("a training step on one spectrum, which has no variance")
	}
	p, err := c.Profile(4, false)
	if err != nil {
		t.Fatal(err)
	}
	_, _, macs := c.Params()
	if got := p.Total().FLOPs; got != 2*4*macs {
		t.Errorf("%d operations, want %d", got, 2*4*macs)
	}
}
