package nn

import (
	"strings"
	"testing"

	"github.com/goastroml/goastroml/astroml"
)

// TestSealedParameters draws a network over the arrays of a file that lacks one:
// nothing is allocated in its place, not even where a file asks for too much.
func TestSealedParameters(t *testing.T) {
	p := NewParams(1)
	p.Set("a", astroml.Array{Shape: []int{2}, Data: []float32{1, 2}})
	p.Sealed = true
	g := NewGraph(p, false)
	g.Param("a", Constant(0), 2)
	if g.Err() != nil {
		t.Fatal(g.Err())
	}
	g.Param("b", Constant(0), 1<<20, 1<<20)
	if err := g.Err(); err == nil || !strings.Contains(err.Error(), `"b" is missing`) || len(p.List) != 1 {
		t.Errorf("error %v, %d arrays; want one that says what is missing, and the array that was there", err, len(p.List))
	}
}
