package nn

import (
	"strings"
	"testing"
)

// TestProfileCounts profiles two layers, whose multiply-adds are known.
func TestProfileCounts(t *testing.T) {
	g := NewGraph(NewParams(1), true)
	x := g.Input("x", 4, 1, 1, 50, 3)
	y := g.Conv(x, g.Param("w", He(15), 1, 1, 5, 3, 8), nil, nil, Same1D(50, 5, 2), Identity)
	loss := project(g, g.MeanPool(y))
	_, grads := g.Grad(loss)
	plan, err := Compile(g, nil, append(grads, loss)...)
	if err != nil {
		t.Fatal(err)
	}
	p := plan.Profile(2)
	// The gradient for x is not asked for, and not in the plan.
	forward := 2 * 4 * 25 * 8 * 5 * 3
	found := map[string]int{}
	for _, c := range p {
		if c.Seconds < 0 || c.Bytes <= 0 {
			t.Errorf("%s: %g s, %d bytes", c.Op, c.Seconds, c.Bytes)
		}
		if c.FLOPs == forward {
			found[c.Op]++
		}
	}
	if found["Conv"] != 1 || found["ConvGradW"] != 1 {
		t.Errorf("operations of %d FLOPs: %v, want a Conv and a ConvGradW", forward, found)
	}
	if lines := strings.Count(p.String(), "\n"); lines != len(p)+2 {
		t.Errorf("a table of %d lines for %d operations, want two more", lines, len(p))
	}
	if _, there := found["ConvGradX"]; there {
		t.Error("the plan computes the gradient of its input")
	}
}
