package moment

import (
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"strings"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/model"
	"github.com/goastroml/goastroml/astroml/nn"
	"github.com/goastroml/goastroml/astroml/train"
)

// Kind is the kind of a network's model file.
const Kind = "moment.Network"

// record is the JSON of a model file.
type record struct {
	Config   Config          `json:"config"`
	Names    []string        `json:"names,omitempty"`
	Shape    []int           `json:"shape"`    // of a row
	Low      []float64       `json:"low"`      // of each parameter
	Width    []float64       `json:"width"`    // of each parameter
	Variance []line          `json:"variance"` // of each parameter
	History  [][]train.Epoch `json:"history"`  // of each fold
}

// Save writes the network to a model file, whole or not at all.
func (n *Network) Save(path string) error {
	cfg := n.cfg
	cfg.Threads, cfg.Checkpoint = 0, ""
	r, err := json.Marshal(record{cfg, n.names, n.scale.shape, n.scale.lo, n.scale.width, n.variance, n.History()})
	if err != nil {
		return err
	}
	f := &model.File{Kind: Kind, Config: r, Arrays: map[string]astroml.Array{},
		Meta: map[string]string{"data": n.digest, "seed": fmt.Sprint(n.cfg.Seed)}}
	for name, data := range map[string][]float32{"scale.mean": n.scale.mean, "scale.istd": n.scale.istd, "scale.floor": n.scale.floor, "moments.unit": n.unit} {
		f.Arrays[name] = astroml.Array{Shape: []int{len(data)}, Data: data}
	}
	for i, m := range n.members {
		for _, p := range m.first.List {
			f.Arrays[fmt.Sprintf("fold%d.first.%s", i, p.Name)] = p.Array
		}
		if m.second == nil {
			continue
		}
		for _, p := range m.second.List {
			f.Arrays[fmt.Sprintf("fold%d.second.%s", i, p.Name)] = p.Array
		}
	}
	return f.Write(path)
}

// Load reads a network from a model file. A file that is none is
// astroml.ErrFormat, one of a newer library astroml.ErrVersion.
func Load(path string) (*Network, error) {
	f, err := model.Read(path)
	if err != nil {
		return nil, err
	}
	n, err := decode(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}

func decode(f *model.File) (*Network, error) {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("moment: "+format+": %w", append(args, astroml.ErrFormat)...)
	}
	if f.Kind != Kind {
		return nil, bad("a model of kind %q, want %q", f.Kind, Kind)
	}
	var r record
	if err := json.Unmarshal(f.Config, &r); err != nil {
		return nil, bad("%v", err)
	}
	p, size := len(r.Low), 1
	for _, l := range r.Shape {
		if l < 1 || l > mostValues/size {
			return nil, bad("rows of shape %v", r.Shape)
		}
		size *= l
	}
	if p == 0 || p > mostParameters || len(r.Width) != p || len(r.Variance) != p || len(r.Shape) == 0 || len(r.Shape) > 4 || r.Names != nil && len(r.Names) != p {
		return nil, bad("%d parameters, %d widths, %d lines, %d names, rows of shape %v", p, len(r.Width), len(r.Variance), len(r.Names), r.Shape)
	}
	for j := range p {
		l := r.Variance[j]
		if v := r.Low[j] + r.Width[j] + l.Base + l.Slope; math.IsNaN(v) || math.IsInf(v, 0) || !(r.Width[j] > 0) || !(l.Base >= 0 && l.Slope >= 0) {
			return nil, bad("parameter %d: low %g, width %g, variance %+v", j, r.Low[j], r.Width[j], l)
		}
	}
	r.Config.Threads = runtime.GOMAXPROCS(0)
	if err := r.Config.defaults(append([]int{1}, r.Shape...), p); err != nil {
		return nil, bad("%v", err)
	}
	if r.Config.Folds != len(r.History) {
		return nil, bad("%d folds, the history of %d", r.Config.Folds, len(r.History))
	}
	if (r.Config.Network == "map" || r.Config.Network == "cube") && fits(r.Shape[1:]) != nil {
		return nil, bad("rows of shape %v", r.Shape)
	}
	n := &Network{cfg: r.Config, p: p, names: r.Names, variance: r.Variance, digest: f.Meta["data"],
		scale: newColumns(r.Shape)}
	n.scale.inputs, n.scale.lo, n.scale.width = r.Config.Inputs, r.Low, r.Width
	columns := size / n.scale.every
	unit := len(n.cfg.products(p))
	for _, a := range []struct {
		name string
		size int
		data *[]float32
	}{{"scale.mean", columns, &n.scale.mean}, {"scale.istd", columns, &n.scale.istd}, {"scale.floor", columns, &n.scale.floor}, {"moments.unit", unit, &n.unit}} {
		array, err := f.Array(a.name, a.size)
		if err != nil {
			return nil, err
		}
		*a.data = array.Data
	}
	for i := range n.cfg.Folds {
		m := member{history: r.History[i]}
		var err error
		if m.first, err = n.params(f, fmt.Sprintf("fold%d.first.", i), n.firstStage()); err != nil {
			return nil, bad("%v", err)
		}
		if n.cfg.Loss == "two_stage" {
			if m.second, err = n.params(f, fmt.Sprintf("fold%d.second.", i), second); err != nil {
				return nil, bad("%v", err)
			}
		}
		n.members = append(n.members, m)
	}
	return n, nil
}

// params returns the arrays of a network whose names begin with prefix.
func (n *Network) params(f *model.File, prefix string, s stage) (*nn.Params, error) {
	params := nn.NewParams(0)
	for name, a := range f.Arrays {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			params.Set(rest, a)
		}
	}
	params.Sealed = true
	g := nn.NewGraph(params, false)
	n.draw(g, s, 1)
	params.Sealed = false
	if g.Err() != nil {
		return nil, fmt.Errorf("%s: %w", prefix, g.Err())
	}
	return params, nil
}
