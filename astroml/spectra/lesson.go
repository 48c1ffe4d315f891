package spectra

import (
	"math"
	"slices"

	"github.com/goastroml/goastroml/astroml/internal/kernel"
	"github.com/goastroml/goastroml/astroml/internal/rng"
	"github.com/goastroml/goastroml/astroml/nn"
)

// lesson is the problem of telling classes apart, as package train wants it.
type lesson struct {
	c       *Classifier
	set     Set
	rows    []int     // to learn from
	weights []float32 // a class
}

// Loss draws the cross-entropy of the classes and, in training, that of a head
// which tells spoilt spectra from others. The head is for the features' sake:
// it is left behind.
func (l *lesson) Loss(g *nn.Graph, n int) *nn.Node {
	f, z := l.c.draw(g, n)
	loss := g.CrossEntropy(z, g.Input("target", n, len(l.c.classes)))
	if !g.Training || !(l.c.cfg.Exposure > 0) || g.Err() != nil {
		return loss
	}
	d := l.c.net.features()
	o := g.Conv(g.Reshape(f, n, 1, 1, 1, d), g.Param("spoilt.weight", nn.Constant(0), 1, 1, 1, d, 2),
		g.Param("spoilt.bias", nn.Constant(0), 2), nil, point, nn.Identity)
	return g.Add(loss, g.CrossEntropy(g.Reshape(o, n, 2), g.Input("spoilt", n, 2)))
}

// exposed reports whether a slot of a training batch shows a spoilt spectrum.
func (l *lesson) exposed(slot int) bool {
	e := max(0, l.c.cfg.Exposure)
	return math.Floor(float64(slot+1)*e) > math.Floor(float64(slot)*e)
}

// Fill lays out one spectrum, changed at random in training, and its label.
func (l *lesson) Fill(input func(string) []float32, slot, i, epoch int) {
	k := len(l.c.classes)
	t := input("target")[slot*k : (slot+1)*k]
	clear(t)
	if i < 0 {
		clear(l.place(input, slot))
		return
	}
	bad := epoch >= 0 && l.exposed(slot)
	if e := l.c.cfg.Exposure; epoch >= 0 && e > 0 {
		// Both sides count alike. With more weight the classes suffer.
		const weight = 0.15
		o := input("spoilt")[2*slot : 2*slot+2]
		o[0], o[1] = float32(weight/(1-e)), 0
		if bad {
			o[0], o[1] = 0, float32(weight/e)
		}
	}
	if bad {
		l.spoilt(input, slot, i, epoch)
		return
	}
	l.view(input, slot, i, epoch, 0)
	s := float32(max(0, l.c.cfg.LabelSmoothing))
	w := l.weights[l.set.Labels[i]]
	if epoch < 0 {
		// What is held out measures; it does not teach.
		s, w = 0, 1
	}
	for j := range t {
		t[j] = w * s / float32(k)
	}
	t[l.set.Labels[i]] += w * (1 - s)
}

func (l *lesson) place(input func(string) []float32, slot int) []float32 {
	n := len(l.c.wave) * l.c.net.channels()
	return input("x")[slot*n : (slot+1)*n]
}

// view lays out spectrum i as seen for the view-th time in an epoch.
func (l *lesson) view(input func(string) []float32, slot, i, epoch, view int) {
	flux, ivar := l.set.row(i)
	if epoch >= 0 && l.c.cfg.Augment > 0 {
		flux, ivar = slices.Clone(flux), slices.Clone(ivar)
		augment(flux, ivar, l.c.cfg.Augment, rng.New(l.c.cfg.Seed, "augment", epoch, i, view))
	}
	kernel.Standardize(l.place(input, slot), flux, ivar, l.c.net.channels())
}

// spoilt lays out spectrum i spoilt.
func (l *lesson) spoilt(input func(string) []float32, slot, i, epoch int) {
	r := rng.New(l.c.cfg.Seed, "spoil", epoch, i)
	flux, ivar := l.set.row(i)
	flux, ivar = slices.Clone(flux), slices.Clone(ivar)
	other, _ := l.set.row(l.rows[r.IntN(len(l.rows))])
	spoil(spoilt[r.IntN(len(spoilt))], flux, ivar, other, r)
	kernel.Standardize(l.place(input, slot), flux, ivar, l.c.net.channels())
}

// contrast is the supervised-contrastive problem (Khosla et al. 2020,
// arXiv:2004.11362): two views of each spectrum, and a projection of the
// features in which one class lies together.
type contrast struct{ *lesson }

const (
	projection  = 64  // length of the projection
	temperature = 0.1 // as in the paper
)

// Loss draws the loss of n spectra, each seen twice.
func (p contrast) Loss(g *nn.Graph, n int) *nn.Node {
	f, _ := p.c.draw(g, 2*n)
	if g.Err() != nil {
		return nil
	}
	d := p.c.net.features()
	z := g.Conv(g.Reshape(f, 2*n, 1, 1, 1, d), g.Param("contrast.weight", nn.Normal(1/math.Sqrt(float64(d))), 1, 1, 1, d, projection),
		g.Param("contrast.bias", nn.Constant(0), projection), nil, point, nn.Identity)
	return g.SupCon(g.Reshape(z, 2*n, projection), g.Input("label", 2*n, 1), temperature)
}

// Fill lays out both views.
func (p contrast) Fill(input func(string) []float32, slot, i, epoch int) {
	label := input("label")
	for v := range 2 {
		p.view(input, 2*slot+v, i, epoch, 1+v)
		label[2*slot+v] = float32(p.set.Labels[i])
	}
}
