package spectra

import (
	"encoding/json"
	"fmt"
	"math"
	"runtime"
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
	History []train.Epoch `json:"history"`
}

// Save writes the classifier to a model file, whole or not at all.
func (c *Classifier) Save(path string) error {
	cfg := c.cfg
	cfg.Threads, cfg.Checkpoint = 0, ""
	r, err := json.Marshal(record{cfg, c.classes, c.wave, c.laplace.Prior, c.laplace.Scale, c.history})
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
	list := func(name string, data []float32) {
		f.Arrays[name] = astroml.Array{Shape: []int{len(data)}, Data: data}
	}
	list("novelty.distance", c.novel.distance.Knots())
	list("novelty.regression", c.novel.regression.Knots())
	list("novelty.joint", c.novel.joint.Knots())
	for i, s := range c.conformal.Scores() {
		list(fmt.Sprintf("conformal.%d", i), s)
	}
	return f.Write(path)
}

// each calls f for the arrays of fixed shape beside the network's.
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
	} {
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
	if len(r.Classes) < 2 || len(r.Wave) < networks[r.Config.Network].pixels() || !(r.Scale > 0) || !(r.Prior > 0) || math.IsInf(r.Scale+r.Prior, 0) {
		return nil, bad("%d classes, %d pixels, scale %g, prior %g", len(r.Classes), len(r.Wave), r.Scale, r.Prior)
	}
	c := &Classifier{cfg: r.Config, net: networks[r.Config.Network], params: nn.NewParams(r.Config.Seed),
		classes: r.Classes, wave: r.Wave, digest: f.Meta["data"], history: r.History}
	d, k := c.Features(), len(c.classes)
	c.laplace = &stats.Laplace{Features: d + 1, Classes: k, Prior: r.Prior, Scale: r.Scale}
	c.novel = &novelty{d: d, k: k}
	// A sketch of the network tells names and shapes before anything is drawn.
	for name, a := range f.Arrays {
		if n, ok := strings.CutPrefix(name, "network."); ok {
			c.params.Set(n, a)
		}
	}
	c.params.Sealed = true
	g := nn.NewGraph(c.params, false)
	c.draw(g, 1)
	c.params.Sealed = false
	if g.Err() != nil {
		return nil, bad("%v", g.Err())
	}
	err := c.each(func(name string, shape []int, data *[]float32) error {
		a, err := f.Array(name, shape...)
		*data = a.Data
		return err
	})
	if err != nil {
		return nil, err
	}
	for name, e := range map[string]**stats.ECDF{"novelty.distance": &c.novel.distance, "novelty.regression": &c.novel.regression, "novelty.joint": &c.novel.joint} {
		if *e, err = stats.ECDFFromKnots(f.Arrays[name].Data); err != nil {
			return nil, fmt.Errorf("spectra: array %q: %w", name, err)
		}
	}
	scores := make([][]float32, k)
	for i := range scores {
		scores[i] = f.Arrays[fmt.Sprintf("conformal.%d", i)].Data
	}
	if c.conformal, err = stats.ConformalFromScores(scores); err != nil {
		return nil, err
	}
	c.laplace.Prepare()
	c.novel.prepare()
	return c, nil
}
