package explain

import (
	"fmt"
	"slices"

	"github.com/goastroml/goastroml/astroml"
)

// grouped is a game whose players are groups of features. It is played with
// rows of one number a group: which row of table its features are taken from.
type grouped struct {
	groups   [][]int
	features int
	table    []float64 // the rows to explain, then the background's
}

// group returns the game of groups that between them have each feature once,
// and the rows and the background that it is played with.
func group(groups [][]int, x []float64, b *Background) (*grouped, []float64, *Background, error) {
	features := b.features
	if b.cov != nil {
		return nil, nil, nil, fmt.Errorf("explain: groups with a conditional background, want an interventional one")
	}
	own := make([][]int, len(groups))
	seen := make([]bool, features)
	count := 0
	for i, g := range groups {
		own[i] = slices.Clone(g)
		if len(g) == 0 {
			return nil, nil, nil, fmt.Errorf("explain: no features in group %d, want one or more", i)
		}
		for _, j := range g {
			if j < 0 || j >= features || seen[j] {
				return nil, nil, nil, fmt.Errorf("explain: feature %d in group %d, want each of 0 to %d once: %w", j, i, features-1, astroml.ErrShape)
			}
			seen[j] = true
			count++
		}
	}
	if count < features {
		return nil, nil, nil, fmt.Errorf("explain: groups of %d features, there are %d: %w", count, features, astroml.ErrShape)
	}
	g := &grouped{groups: own, features: features, table: append(x[:len(x):len(x)], b.rows...)}
	places := make([]float64, len(g.table)/features*len(groups))
	for i := range places {
		places[i] = float64(i / len(groups))
	}
	n := len(x) / features * len(groups)
	return g, places[:n], &Background{features: len(groups), rows: places[n:], weight: b.weight, draws: b.draws}, nil
}

// lay writes the rows that places stand for behind dst.
func (g *grouped) lay(dst, places []float64) []float64 {
	for i := 0; i < len(places); i += len(g.groups) {
		at := len(dst)
		dst = append(dst, g.table[:g.features]...) // of which nothing stays
		for k, features := range g.groups {
			from := g.table[int(places[i+k])*g.features:]
			for _, j := range features {
				dst[at+j] = from[j]
			}
		}
	}
	return dst
}
