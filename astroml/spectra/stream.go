package spectra

import (
	"context"
	"fmt"
	"iter"

	"github.com/goastroml/goastroml/astroml"
)

// Spectrum is one spectrum of a stream, with a name of the caller's.
type Spectrum struct {
	ID string
	astroml.Spectra
}

// Rule is a trigger. Conditions left zero always hold.
type Rule struct {
	Name     string   `json:"name"`
	Classes  []string `json:"classes,omitempty"`  // the most probable class is one of these
	MinProb  float64  `json:"min_prob,omitempty"` // summed probability of Classes (of the most probable class if there are none)
	Coverage float64  `json:"coverage,omitempty"` // the conformal set at this coverage has no class but Classes, and one at least
	MinOOD   float64  `json:"min_ood,omitempty"`
	MaxOOD   float64  `json:"max_ood,omitempty"`
}

// Verdict is the answer to one spectrum of a stream.
type Verdict struct {
	ID        string
	Class     string // empty where Flag has Unusable
	Prob      []float32
	Total     float32
	Aleatoric float32
	Epistemic float32
	OOD       float32
	Flag      Flag
	Triggers  []string // names of the rules that hold
}

// Judge returns, for each spectrum of a result, the names of the rules that
// hold. A spectrum without an answer triggers nothing.
func (c *Classifier) Judge(r *Result, rules []Rule) ([][]string, error) {
	k := len(c.classes)
	out := make([][]string, len(r.Class))
	for _, rule := range rules {
		in, err := c.members(rule)
		if err != nil {
			return nil, err
		}
		var sets []bool
		if rule.Coverage != 0 {
			if sets, err = c.Sets(r.Prob, rule.Coverage); err != nil {
				return nil, fmt.Errorf("spectra: rule %q: %w", rule.Name, err)
			}
		}
		for i, class := range r.Class {
			if r.Flag[i]&Unusable == 0 && holds(rule, in, r, sets, i, class, k) {
				out[i] = append(out[i], rule.Name)
			}
		}
	}
	return out, nil
}

// members returns which classes a rule names.
func (c *Classifier) members(rule Rule) ([]bool, error) {
	in := make([]bool, len(c.classes))
	for _, name := range rule.Classes {
		found := false
		for j, n := range c.classes {
			if n == name {
				in[j], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("spectra: rule %q names class %q, the model has %v", rule.Name, name, c.classes)
		}
	}
	return in, nil
}

func holds(rule Rule, in []bool, r *Result, sets []bool, i, class, k int) bool {
	named := len(rule.Classes) > 0
	var prob float64
	size, inside := 0, 0
	for j := range k {
		if named && in[j] || !named && j == class {
			prob += float64(r.Prob[i*k+j])
		}
		if sets != nil && sets[i*k+j] {
			size++
			if !named || in[j] {
				inside++
			}
		}
	}
	ood := float64(r.OOD[i])
	return (!named || in[class]) &&
		prob >= rule.MinProb &&
		(sets == nil || size > 0 && size == inside) &&
		ood >= rule.MinOOD &&
		(rule.MaxOOD == 0 || ood <= rule.MaxOOD)
}

// Stream classifies spectra as they come, with bounded memory, in order. A
// Spectrum holds one spectrum; grids may differ from one to the next. An error
// of in is passed on and ends the stream, as does the end of ctx.
func (c *Classifier) Stream(ctx context.Context, in iter.Seq2[Spectrum, error], rules []Rule) iter.Seq2[Verdict, error] {
	return func(yield func(Verdict, error) bool) {
		for s, err := range in {
			if err == nil && s.Len() != 1 {
				err = fmt.Errorf("spectra: %d spectra under the name %q, want one: %w", s.Len(), s.ID, astroml.ErrShape)
			}
			var v Verdict
			if err == nil {
				v, err = c.verdict(ctx, s, rules)
			}
			if err != nil {
				yield(Verdict{ID: s.ID}, err)
				return
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}

func (c *Classifier) verdict(ctx context.Context, s Spectrum, rules []Rule) (Verdict, error) {
	r, err := c.Classify(ctx, s.Spectra)
	if err != nil {
		return Verdict{}, err
	}
	t, err := c.Judge(r, rules)
	if err != nil {
		return Verdict{}, err
	}
	v := Verdict{ID: s.ID, Prob: r.Prob, Total: r.Total[0], Aleatoric: r.Aleatoric[0], Epistemic: r.Epistemic[0], OOD: r.OOD[0], Flag: r.Flag[0], Triggers: t[0]}
	if r.Class[0] >= 0 {
		v.Class = c.classes[r.Class[0]]
	}
	return v, nil
}
