// Package nn draws networks, differentiates and runs them.
//
// A Graph is an expression graph of Gorgonia's, made of this package's own
// operations; Grad derives the gradient. Compile turns a graph into a Plan,
// which runs it over one arena of memory without allocating. Arrays are
// channels-last, N·D·H·W·C: spectra have D = H = 1, images D = 1.
//
// The operations, of which some are gradients of others, are
//
//	Conv ConvGradX ConvGradW Attention AttentionGrad    products
//	Moments Normalize NormSums NormGrad Fold FoldBias   normalisation
//	Activate ActivateGrad Add Mul Bias SumRows          value by value, sums
//	MaxPool MaxPoolGrad PixelSum Spread                 pooling
//	Upsample UpsampleGrad Wrap WrapGrad                 more pixels
//	Concat Slice Place Reshape                          other shapes
//	Spline SplineGrad SplineInverse                     flows
//	CrossEntropy SquaredError PosteriorLoss             losses, each with its Grad
//	NormalLoss SupCon Dot Softplus
//
// Each is pure, and Gorgonia sees their shapes only.
package nn

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"gorgonia.org/gorgonia"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// Node is a value in a graph.
type Node = gorgonia.Node

// Param is one named array of a network.
type Param struct {
	Name string
	astroml.Array
	Decay   bool // weight decay applies
	Running bool // a running statistic: no gradient
}

// Params are the arrays of a network, in the order they were first named.
type Params struct {
	Seed uint64
	List []*Param
	// Sealed parameters are all that there are, such as those of a file: a graph
	// that names another array fails, before anything is allocated for it.
	Sealed bool
	byName map[string]*Param
}

// NewParams returns an empty set of arrays whose first values are drawn from
// seed.
func NewParams(seed uint64) *Params {
	return &Params{Seed: seed, byName: map[string]*Param{}}
}

// Get returns the named array, or nil.
func (p *Params) Get(name string) *Param { return p.byName[name] }

// Clone returns a copy that shares nothing with p.
func (p *Params) Clone() *Params {
	q := NewParams(p.Seed)
	for _, a := range p.List {
		b := *a
		b.Data = append([]float32(nil), a.Data...)
		q.List = append(q.List, &b)
		q.byName[b.Name] = &b
	}
	return q
}

// Set gives the named array its values before a graph asks for it. The shape
// is checked when a graph does.
func (p *Params) Set(name string, a astroml.Array) {
	q := p.byName[name]
	if q == nil {
		q = &Param{Name: name}
		p.List = append(p.List, q)
		p.byName[name] = q
	}
	q.Array = a
}

// Delete removes the named arrays, such as those of a head that only training
// needs. Names that are not there are passed over.
func (p *Params) Delete(names ...string) {
	for _, name := range names {
		delete(p.byName, name)
	}
	p.List = slices.DeleteFunc(p.List, func(q *Param) bool { return p.byName[q.Name] == nil })
}

// Size returns the number of values, and how many of them are running
// statistics.
func (p *Params) Size() (total, running int) {
	for _, a := range p.List {
		total += len(a.Data)
		if a.Running {
			running += len(a.Data)
		}
	}
	return total, running
}

// Init draws the first values of an array.
type Init func(dst []float32, normal func() float64)

// Constant fills an array with v.
func Constant(v float32) Init {
	return func(dst []float32, _ func() float64) {
		for i := range dst {
			dst[i] = v
		}
	}
}

// Normal draws from a normal distribution of the given standard deviation.
func Normal(std float64) Init {
	return func(dst []float32, normal func() float64) {
		for i := range dst {
			dst[i] = float32(std * normal())
		}
	}
}

// He draws weights for rectified units with fanIn inputs (He et al. 2015,
// arXiv:1502.01852, eq. 10).
func He(fanIn int) Init { return Normal(math.Sqrt(2 / float64(fanIn))) }

// Rows is an Init that fills a (rows, n) array row by row with the given
// values.
func Rows(v ...float32) Init {
	return func(dst []float32, _ func() float64) {
		n := len(dst) / len(v)
		for i := range dst {
			dst[i] = v[i/n]
		}
	}
}

// running ties a running statistic to the node that holds a batch's value.
type running struct {
	param *Param
	batch *Node
}

// dropout is a node to be filled with a random mask before each step.
type dropout struct {
	node *Node
	rate float64
}

// Graph is a network being drawn. Its error is sticky: draw all, then ask Err.
type Graph struct {
	Params   *Params
	Training bool // batch statistics and dropout, or running statistics
	// Frozen takes running statistics in Training too, as they are: gradients take
	// them for constants, and Track does not move them. It is set before drawing.
	Frozen bool
	// Differentiable keeps apart what has no gradient together: for gradients of
	// inputs without Training.
	Differentiable bool

	g        *gorgonia.ExprGraph
	err      error
	inputs   map[string]*Node
	leaves   map[*Node]*Param
	order    []*Node // parameter nodes in the order of use
	running  []running
	dropouts []dropout
	macs     int
}

// NewGraph returns an empty graph over params. Arrays that params lacks are
// drawn when a layer names them.
func NewGraph(params *Params, training bool) *Graph {
	return &Graph{
		Params:   params,
		Training: training,
		g:        gorgonia.NewGraph(),
		inputs:   map[string]*Node{},
		leaves:   map[*Node]*Param{},
	}
}

// Err returns the first error of drawing.
func (g *Graph) Err() error { return g.err }

// MultiplyAdds returns the number of multiply-adds of the convolutions, dense
// layers and attention drawn so far.
func (g *Graph) MultiplyAdds() int { return g.macs }

func (g *Graph) fail(format string, args ...any) *Node {
	if g.err == nil {
		g.err = fmt.Errorf("nn: "+format, args...)
	}
	return nil
}

// Input names an array that is given at each run.
func (g *Graph) Input(name string, shape ...int) *Node {
	if g.err != nil {
		return nil
	}
	if g.inputs[name] != nil {
		return g.fail("two inputs named %q", name)
	}
	n := gorgonia.NewTensor(g.g, gorgonia.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName("input "+name))
	g.inputs[name] = n
	return n
}

// Named returns the node of a named input, or nil.
func (g *Graph) Named(name string) *Node { return g.inputs[name] }

// Param names an array of the network.
func (g *Graph) Param(name string, init Init, shape ...int) *Node {
	n, _ := g.param(name, init, shape)
	return n
}

func (g *Graph) param(name string, init Init, shape []int) (*Node, *Param) {
	if g.err != nil {
		return nil, nil
	}
	p := g.Params.byName[name]
	if p == nil && g.Params.Sealed {
		return g.fail("array %q is missing", name), nil
	}
	if p == nil {
		p = &Param{Name: name, Array: astroml.Array{Shape: shape, Data: make([]float32, volume(shape))}, Decay: len(shape) > 2}
		init(p.Data, rng.New(g.Params.Seed, "init "+name).NormFloat64)
		g.Params.List = append(g.Params.List, p)
		g.Params.byName[name] = p
	}
	if !same(p.Shape, shape) || len(p.Data) != volume(shape) {
		return g.fail("%s has shape %v, the network wants %v: %w", name, p.Shape, shape, astroml.ErrShape), nil
	}
	for n, q := range g.leaves {
		if q == p {
			return n, p
		}
	}
	n := gorgonia.NewTensor(g.g, gorgonia.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(name))
	g.leaves[n] = p
	g.order = append(g.order, n)
	return n, p
}

// Grad returns the parameters that affect loss, and the gradient of loss for
// each.
func (g *Graph) Grad(loss *Node) (params []*Param, grads []*Node) {
	if g.err != nil {
		return nil, nil
	}
	reach := map[*Node]bool{}
	for _, n := range g.reachable(loss) {
		reach[n] = true
	}
	var wrt []*Node
	for _, n := range g.order {
		if p := g.leaves[n]; !p.Running && reach[n] {
			params = append(params, p)
			wrt = append(wrt, n)
		}
	}
	return params, g.GradOf(loss, wrt...)
}

// differentiating is held while Gorgonia differentiates: it keeps hashes in
// constants that all graphs share.
var differentiating sync.Mutex

// GradOf returns the gradient of loss for nodes that it depends on, such as
// inputs.
func (g *Graph) GradOf(loss *Node, wrt ...*Node) []*Node {
	if g.err != nil {
		return nil
	}
	differentiating.Lock()
	defer differentiating.Unlock()
	grads, err := gorgonia.Grad(loss, wrt...)
	if err != nil {
		g.fail("gradient: %w", err)
		return nil
	}
	return grads
}

// apply adds one operation to the graph.
func (g *Graph) apply(op Op, in ...*Node) *Node {
	if g.err != nil {
		return nil
	}
	n, err := gorgonia.ApplyOp(op, in...)
	if err != nil {
		return g.fail("%v: %w", op, err)
	}
	return n
}

// reachable returns the nodes that roots depend on, in the order they were
// made, which is a topological order.
func (g *Graph) reachable(roots ...*Node) []*Node {
	seen := map[*Node]bool{}
	var walk func(n *Node)
	walk = func(n *Node) {
		if seen[n] {
			return
		}
		seen[n] = true
		for _, c := range g.children(n) {
			walk(c)
		}
	}
	for _, n := range roots {
		walk(n)
	}
	var out []*Node
	for _, n := range g.g.AllNodes() {
		if seen[n] {
			out = append(out, n)
		}
	}
	return out
}

func (g *Graph) children(n *Node) []*Node {
	var out []*Node
	it := g.g.From(n.ID())
	for it != nil && it.Next() {
		out = append(out, it.Node().(*Node))
	}
	return out
}

func volume(shape []int) int {
	n := 1
	for _, s := range shape {
		n *= s
	}
	return n
}

func same(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
