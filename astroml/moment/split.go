package moment

import (
	"fmt"
	"math"
	"slices"

	"github.com/goastroml/goastroml/astroml"
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
			return nil, fmt.Errorf("moment: row %d is in fold %d, with %d for folds (want the number of parts, 2 or more, and parts from 0 on)", i, f, cfg.Folds)
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
		return nil, fmt.Errorf("moment: fold %d holds out %d rows and leaves %d (want fewer folds)", k, len(out[k].held), len(out[k].rows))
	}
	for k, f := range out {
		for _, rows := range [][]int{f.rows, f.held} {
			if !slices.ContainsFunc(rows, func(i int) bool { return s.weight(i) > 0 }) {
				return nil, fmt.Errorf("moment: of fold %d all rows that are held out, or all others, have weight 0", k)
			}
		}
	}
	return out, nil
}

// again divides the rows that a single network holds out once more, for the
// second stage: of rows that it has learnt the residuals are too small.
func (s *Set) again(cfg Config, rows []int) (fold, error) {
	sub := Set{X: astroml.Array{Shape: []int{len(rows)}}}
	for _, i := range rows {
		g := i
		if s.Groups != nil {
			g = s.Groups[i]
		}
		sub.Groups = append(sub.Groups, g)
		sub.Weights = append(sub.Weights, s.weight(i))
	}
	f, err := sub.folds(cfg)
	if err != nil {
		return fold{}, fmt.Errorf("moment: two_stage with one fold divides its %d held-out rows once more: %w (raise held_out or folds, or take another loss)", len(rows), err)
	}
	for _, list := range [][]int{f[0].rows, f[0].held} {
		for i, r := range list {
			list[i] = rows[r]
		}
	}
	return f[0], nil
}

// relative returns the weights divided by their mean, for single precision to
// hold them.
func (s *Set) relative() []float64 {
	if s.Weights == nil {
		return nil
	}
	most := slices.Max(s.Weights)
	var sum float64
	for _, w := range s.Weights {
		sum += w / most
	}
	out := make([]float64, len(s.Weights))
	for i, w := range s.Weights {
		out[i] = w / most / sum * float64(len(out))
	}
	return out
}
