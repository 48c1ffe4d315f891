package moment

import (
	"fmt"
	"math"
	"slices"

	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// A fold is one part of the rows, and all others.
type fold struct{ rows, held []int }

// folds divides the set's rows. Each group lies in one part.
func (s *Set) folds(cfg Config) ([]fold, error) {
	n := s.X.Shape[0]
	group := func(i int) int {
		if s.Groups == nil {
			return i
		}
		return s.Groups[i]
	}
	var groups []int
	part := map[int]int{} // of a group
	for i := range n {
		g := group(i)
		at, seen := part[g]
		if !seen {
			groups = append(groups, g)
			part[g] = 0
		}
		if s.Folds == nil {
			continue
		}
		f := s.Folds[i]
		if f < 0 || f >= cfg.Folds || cfg.Folds == 1 {
			return nil, fmt.Errorf("moment: row %d is in fold %d of %d", i, f, cfg.Folds)
		}
		if seen && at != f {
			return nil, fmt.Errorf("moment: group %d is in folds %d and %d: what is held out would be known (put each group in one fold)", g, at, f)
		}
		part[g] = f
	}
	if len(groups) < 2 || len(groups) < cfg.Folds {
		return nil, fmt.Errorf("moment: %d groups of rows cannot be held out from each other in %d folds (want more simulations, or no groups)", len(groups), max(2, cfg.Folds))
	}
	if s.Folds == nil {
		held := int(math.Round(cfg.HeldOut * float64(len(groups))))
		held = min(len(groups)-1, max(1, held))
		for k, i := range rng.New(cfg.Seed, "folds").Perm(len(groups)) {
			switch {
			case cfg.Folds > 1:
				part[groups[i]] = k % cfg.Folds
			case k >= held:
				part[groups[i]] = -1
			}
		}
	}
	out := make([]fold, cfg.Folds)
	for i := range n {
		at := part[group(i)]
		for k := range out {
			if k == at {
				out[k].held = append(out[k].held, i)
			} else {
				out[k].rows = append(out[k].rows, i)
			}
		}
	}
	if k := slices.IndexFunc(out, func(f fold) bool { return len(f.held) == 0 || len(f.rows) < 2 }); k >= 0 {
		return nil, fmt.Errorf("moment: fold %d holds out %d rows and leaves %d", k, len(out[k].held), len(out[k].rows))
	}
	return out, nil
}
