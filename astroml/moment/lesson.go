package moment

import (
	"math"
	"sync"

	"github.com/goastroml/goastroml/astroml/internal/rng"
	"github.com/goastroml/goastroml/astroml/nn"
)

// lesson is what one network learns, as package train wants it.
type lesson struct {
	net    *Network
	set    Set
	stage  stage
	target []float32 // (n, k): what is to be estimated
	k      int
	answer *nn.Node
	rows   sync.Pool // memory for one
}

// stage is what a network estimates.
type stage int

const (
	first  stage = iota // two_stage: the means
	second              // two_stage: products of residuals
	both                // means and standard deviations
)

// estimate returns the loss of a stage.
func (c Config) estimate(s stage) nn.Estimate {
	switch {
	case s != both:
		return nn.Means
	case c.Loss == "camels":
		return nn.Moments2
	}
	return nn.Gaussians
}

// Loss draws the loss of n rows.
func (l *lesson) Loss(g *nn.Graph, n int) *nn.Node {
	l.answer = l.net.draw(g, l.stage, n)
	return g.PosteriorLoss(l.answer, g.Input("target", n, l.k+1), l.net.cfg.estimate(l.stage))
}

// Answer returns what Judge wants.
func (l *lesson) Answer() *nn.Node { return l.answer }

// Judge returns the loss of all these rows together.
func (l *lesson) Judge(answers []float32, rows []int) float64 {
	t := make([]float32, 0, len(rows)*(l.k+1))
	for _, i := range rows {
		t = append(t, l.target[i*l.k:(i+1)*l.k]...)
		t = append(t, float32(l.set.weight(i)))
	}
	return nn.LossOf(l.net.cfg.estimate(l.stage), answers, t, l.k)
}

// Fill lays out one row, turned at random in training, and its target.
func (l *lesson) Fill(input func(string) []float32, slot, i, epoch int) {
	t := input("target")[slot*(l.k+1) : (slot+1)*(l.k+1)]
	size := len(l.set.X.Data) / l.set.X.Shape[0]
	x := input("x")[slot*size : (slot+1)*size]
	if i < 0 {
		clear(t)
		clear(x)
		return
	}
	copy(t, l.target[i*l.k:(i+1)*l.k])
	t[l.k] = float32(l.set.weight(i))
	s := l.net.scale
	if len(s.shape) < 3 && s.shape[0] == size { // tables lie as they are given
		s.scale(x, rowOf(l.set.X, i))
		return
	}
	y, _ := l.rows.Get().([]float32)
	if y == nil {
		y = make([]float32, size)
	}
	defer l.rows.Put(y)
	s.scale(y, rowOf(l.set.X, i))
	var from func(int) int
	if len(s.shape) > 2 && epoch >= 0 && l.net.cfg.Augment > 0 {
		from = turn(s.shape[1:], rng.New(l.net.cfg.Seed, "augment", epoch, i).IntN)
	}
	s.lay(x, y, from)
}

// turn draws a symmetry of a periodic map or cube: a shift, mirrors, and where
// sides are equal an exchange of axes. It returns which pixel comes to each
// place.
func turn(sides []int, draw func(n int) int) func(pixel int) int {
	axes := len(sides)
	order := make([]int, axes) // axis of the source for each axis
	for i := range order {
		order[i] = i
	}
	for i := axes - 1; i > 0; i-- {
		if j := draw(i + 1); sides[order[i]] == sides[order[j]] {
			order[i], order[j] = order[j], order[i]
		}
	}
	shift, mirror := make([]int, axes), make([]bool, axes)
	for i := range axes {
		shift[i], mirror[i] = draw(sides[i]), draw(2) == 1
	}
	stride := make([]int, axes)
	for i, s := axes-1, 1; i >= 0; i-- {
		stride[i] = s
		s *= sides[i]
	}
	// What each position on each axis adds to the source's index.
	add := make([][]int, axes)
	for i := range axes {
		a := order[i]
		for j := range sides[i] {
			at := (j + shift[i]) % sides[i]
			if mirror[i] {
				at = sides[i] - 1 - at
			}
			add[i] = append(add[i], at*stride[a])
		}
	}
	return func(pixel int) (from int) {
		for i := axes - 1; i >= 0; i-- {
			from += add[i][pixel%sides[i]]
			pixel /= sides[i]
		}
		return from
	}
}

// scaled returns the parameters, scaled to [0, 1] by their bounds.
func (n *Network) scaled(set Set) []float32 {
	p := n.p
	t := make([]float32, len(set.Theta.Data))
	for i, v := range set.Theta.Data {
		t[i] = float32((float64(v) - n.scale.lo[i%p]) / n.scale.width[i%p])
	}
	return t
}

// center returns the weighted mean of each column of an (n, k) array.
func center(x []float32, k int, weight func(i int) float64) []float64 {
	mean := make([]float64, k)
	var total float64
	for i := 0; i*k < len(x); i++ {
		w := weight(i)
		total += w
		for j, v := range x[i*k : (i+1)*k] {
			mean[j] += w * float64(v)
		}
	}
	for j := range mean {
		mean[j] /= math.Max(total, math.SmallestNonzeroFloat64)
	}
	return mean
}
