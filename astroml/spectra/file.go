package spectra

import (
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"sort"
	"strings"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/model"
	"github.com/goastroml/goastroml/astroml/nn"
	"github.com/goastroml/goastroml/astroml/stats"
	"github.com/goastroml/goastroml/astroml/train"
)

// Kind is the kind of a classifier's model file.
const Kind = "spectra.Classifier"

// record is the JSON of a model file.
type record struct {
	Config  Config        `json:"config"`
	Classes []string      `json:"classes"`
	Wave    []float64     `json:"wave"` // Å
	Prior   float64       `json:"prior"`
	Scale   float64       `json:"scale"`
	Held    int           `json:"held_out"` // number of calibration spectra
	History []train.Epoch `json:"history"`
}

// Save writes the classifier to a model file, whole or not at all.
func (c *Classifier) Save(path string) error {
	cfg := c.cfg
	cfg.Threads, cfg.Checkpoint = 0, ""
	r, err := json.Marshal(record{cfg, c.classes, c.wave, c.laplace.Prior, c.laplace.Scale, c.held, c.history})
	if err != nil {
		return err
	}
	f := &model.File{Kind: Kind, Config: r, Arrays: map[string]astroml.Array{},
		Meta: map[string]string{"data": c.digest, "seed": fmt.Sprint(c.cfg.Seed)}}
	for _, p := range c.params.List {
		f.Arrays["network."+p.Name] = p.Array
	}
	c.each(func(name string, shape []int, data *[]float32) error {
		f.Arrays[name] = astroml.Array{Shape: shape, Data: *data}
		return nil
	})
	return f.Write(path)
}

// each calls f for all arrays beside the network's. A shape of -1 is any
// length.
func (c *Classifier) each(f func(name string, shape []int, data *[]float32) error) error {
	d, k := c.Features(), len(c.classes)
	l, o := c.laplace, c.novel
	for _, a := range []struct {
		name  string
		shape []int
		data  *[]float32
	}{
		{"laplace.vec_a", []int{d + 1, d + 1}, &l.VecA},
		{"laplace.val_a", []int{d + 1}, &l.ValA},
		{"laplace.vec_g", []int{k, k}, &l.VecG},
		{"laplace.val_g", []int{k}, &l.ValG},
		{"novelty.center", []int{k, d}, &o.center},
		{"novelty.metric", []int{d, d}, &o.metric},
		{"novelty.weight", []int{d + 1}, &o.weight},
		{"novelty.distance", []int{-1}, &o.distance},
		{"novelty.regression", []int{-1}, &o.regression},
		{"novelty.joint", []int{-1}, &o.joint},
		{"conformal.scores", []int{-1}, &c.scores},
	} {
		if a.shape[0] < 0 {
			a.shape[0] = len(*a.data)
		}
		if err := f(a.name, a.shape, a.data); err != nil {
			return err
		}
	}
	return nil
}

// Load reads a classifier from a model file. A file that is none is
// astroml.ErrFormat, one of a newer library astroml.ErrVersion.
func Load(path string) (*Classifier, error) {
	f, err := model.Read(path)
	if err != nil {
		return nil, err
	}
	c, err := decode(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func decode(f *model.File) (*Classifier, error) {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("spectra: "+format+": %w", append(args, astroml.ErrFormat)...)
	}
	if f.Kind != Kind {
		return nil, bad("a model of kind %q, want %q", f.Kind, Kind)
	}
	var r record
	if err := json.Unmarshal(f.Config, &r); err != nil {
		return nil, bad("%v", err)
	}
	r.Config.Threads = runtime.GOMAXPROCS(0)
	if err := r.Config.defaults(); err != nil {
		return nil, bad("%v", err)
	}
	if err := (astroml.Spectra{Wave: r.Wave}).Check(); err != nil {
		return nil, bad("%v", err)
	}
	if len(r.Classes) < 2 || len(r.Wave) < minPixels || !(r.Scale > 0) || !(r.Prior > 0) || math.IsInf(r.Scale+r.Prior, 0) {
		return nil, bad("%d classes, %d pixels, scale %g, prior %g", len(r.Classes), len(r.Wave), r.Scale, r.Prior)
	}
	c := &Classifier{cfg: r.Config, net: networks[r.Config.Network], params: nn.NewParams(r.Config.Seed),
		classes: r.Classes, wave: r.Wave, digest: f.Meta["data"], history: r.History, held: r.Held}
	d, k := c.Features(), len(c.classes)
	c.laplace = &stats.Laplace{Features: d + 1, Classes: k, Prior: r.Prior, Scale: r.Scale}
	c.novel = &novelty{d: d, k: k}
	// A sketch of the network tells names and shapes before anything is drawn.
	for name, a := range f.Arrays {
		if n, ok := strings.CutPrefix(name, "network."); ok {
			c.params.Set(n, a)
		}
	}
	given := len(c.params.List)
	g := nn.NewGraph(c.params, false)
	c.draw(g, 1)
	if g.Err() != nil {
		return nil, bad("%v", g.Err())
	}
	for _, p := range c.params.List[given:] {
		return nil, bad("array %q is missing", "network."+p.Name)
	}
	err := c.each(func(name string, shape []int, data *[]float32) error {
		a, ok := f.Arrays[name]
		if !ok {
			return bad("array %q is missing", name)
		}
		if len(shape) != len(a.Shape) || len(shape) > 1 && (shape[0] != a.Shape[0] || shape[1] != a.Shape[1]) || shape[0] > 0 && shape[0] != a.Shape[0] {
			return bad("array %q has shape %v, want %v", name, a.Shape, shape)
		}
		*data = a.Data
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, s := range [][]float32{c.scores, c.novel.distance, c.novel.regression, c.novel.joint} {
		if len(s) == 0 || !sort.SliceIsSorted(s, func(i, j int) bool { return s[i] < s[j] }) {
			return nil, bad("a distribution is empty or not sorted")
		}
	}
	c.laplace.Prepare()
	return c, nil
}
