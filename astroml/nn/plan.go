package nn

import (
	"fmt"
	"sort"
	"strings"

	"github.com/goastroml/goastroml/astroml/internal/kernel"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// Plan runs a graph. Its arrays share one arena, and a run allocates nothing.
// A plan is for one goroutine.
type Plan struct {
	graph   *Graph
	steps   []step
	refresh []func()
	buffers map[*Node][]float32
	outputs []*Node
	random  rng.Stream
	size    int // of the arena
}

// step is one operation, bound to its memory.
type step struct {
	op  Op
	run func()
}

// Compile makes a plan that computes outputs, over the workers given (nil runs
// in the caller's goroutine). Of a graph that is not in training, what depends
// on parameters alone is computed at once; see Refresh.
func Compile(g *Graph, workers *kernel.Workers, outputs ...*Node) (*Plan, error) {
	if g.err != nil {
		return nil, g.err
	}
	roots := append([]*Node(nil), outputs...)
	if g.Training {
		for _, r := range g.running {
			roots = append(roots, r.batch)
		}
	}
	p := &Plan{graph: g, buffers: map[*Node][]float32{}, outputs: outputs}
	nodes := g.reachable(roots...)
	l := layout{g: g, roots: roots, first: map[*Node]int{}, last: map[*Node]int{}, alias: map[*Node]*Node{}, constant: map[*Node]bool{}}
	if err := l.plan(nodes); err != nil {
		return nil, err
	}
	arena := kernel.Arena(l.size)
	p.size = l.size
	for n, b := range l.blocks {
		p.buffers[n] = arena[b.offset : b.offset+b.size : b.offset+b.size]
	}
	for n, v := range l.values {
		p.buffers[n] = v
	}
	for _, n := range nodes {
		op := l.ops[n]
		if op == nil {
			continue
		}
		b := binding{out: p.buffers[n], workers: workers, refresh: &p.refresh}
		for _, c := range g.children(n) {
			b.in = append(b.in, p.buffers[c])
			b.constant = append(b.constant, l.constant[c])
		}
		if s, ok := l.scratch[n]; ok {
			b.tmp = arena[s.offset : s.offset+s.size : s.offset+s.size]
		}
		run := op.bind(b)
		if l.constant[n] {
			p.refresh = append(p.refresh, run)
		} else {
			p.steps = append(p.steps, step{op, run})
		}
	}
	p.Refresh()
	return p, nil
}

// Refresh computes anew what depends on parameters alone. Call it when they
// have changed.
func (p *Plan) Refresh() {
	for _, f := range p.refresh {
		f()
	}
}

// Run computes the outputs from the inputs.
func (p *Plan) Run() {
	for _, s := range p.steps {
		s.run()
	}
}

// Input returns the memory of the named input, to be filled before Run, or nil
// if the outputs do not depend on it.
func (p *Plan) Input(name string) []float32 { return p.buffers[p.graph.inputs[name]] }

// Size returns the number of floats that the plan's arrays take, without
// parameters.
func (p *Plan) Size() int { return p.size }

// Outputs returns the number of outputs.
func (p *Plan) Outputs() int { return len(p.outputs) }

// Output returns the memory of output i, good until the next Run.
func (p *Plan) Output(i int) []float32 { return p.buffers[p.outputs[i]] }

// Drop draws the masks of all dropouts for one step.
func (p *Plan) Drop(seed uint64, step int) {
	for i, d := range p.graph.dropouts {
		r := p.random.Begin(seed, "dropout", i, step)
		keep := float32(1 / (1 - d.rate))
		m := p.buffers[d.node]
		for j := range m {
			m[j] = 0
			if r.Float64() >= d.rate {
				m[j] = keep
			}
		}
	}
}

// Track moves the running statistics towards those of the batch just run.
func (p *Plan) Track() {
	for _, r := range p.graph.running {
		b := p.buffers[r.batch]
		for j := range r.param.Data {
			r.param.Data[j] += Momentum * (b[j] - r.param.Data[j])
		}
	}
}

// span is a stretch of the arena that is in use from step first to last.
type span struct{ offset, size, first, last int }

// layout gives each node its place in the arena.
type layout struct {
	g           *Graph
	roots       []*Node
	first, last map[*Node]int
	alias       map[*Node]*Node // whose memory a node shares
	constant    map[*Node]bool
	ops         map[*Node]Op
	blocks      map[*Node]span
	scratch     map[*Node]span
	values      map[*Node][]float32
	size        int
}

func (l *layout) root(n *Node) *Node {
	for l.alias[n] != nil {
		n = l.alias[n]
	}
	return n
}

func (l *layout) plan(nodes []*Node) error {
	l.ops, l.values = map[*Node]Op{}, map[*Node][]float32{}
	l.blocks, l.scratch = map[*Node]span{}, map[*Node]span{}
	end := len(nodes)
	users := map[*Node]int{}
	for i, n := range nodes {
		l.first[n], l.last[n] = i, i
		for _, c := range l.g.children(n) {
			l.last[c] = i
			users[c]++
		}
		if err := l.lower(n); err != nil {
			return err
		}
	}
	for _, n := range l.roots {
		l.last[n] = end
	}
	for i, n := range nodes {
		op := l.ops[n]
		if op == nil {
			if l.values[n] == nil { // an input
				l.first[n], l.last[n] = 0, end
			}
			continue
		}
		if l.constant[n] {
			l.first[n], l.last[n] = 0, end
		}
		k := op.inPlace()
		if k < 0 {
			continue
		}
		c := l.g.children(n)[k]
		r := l.root(c)
		if l.ops[c] == nil || l.constant[c] != l.constant[n] || l.last[r] != i || l.ends(c, i) || volume(c.Shape()) != volume(n.Shape()) || l.twice(n, r) {
			continue
		}
		l.alias[n] = r
		l.last[r] = l.last[n]
		l.first[n] = l.first[r]
	}
	// A buffer that others share lives as long as the longest of them.
	for _, n := range nodes {
		if r := l.root(n); r != n {
			l.last[r] = max(l.last[r], l.last[n])
		}
	}
	l.place(nodes)
	return nil
}

// ends reports whether c or what it shares memory with is an output, or is
// used after step i.
func (l *layout) ends(c *Node, i int) bool { return l.last[c] != i }

// twice reports whether n uses the memory of r through two of its inputs.
func (l *layout) twice(n, r *Node) bool {
	count := 0
	for _, c := range l.g.children(n) {
		if l.root(c) == r {
			count++
		}
	}
	return count > 1
}

// lower finds the operation or the values of a node.
func (l *layout) lower(n *Node) error {
	if p := l.g.leaves[n]; p != nil {
		l.values[n] = p.Data
		l.constant[n] = !l.g.Training
		return nil
	}
	for _, in := range l.g.inputs {
		if in == n {
			return nil
		}
	}
	children := l.g.children(n)
	if len(children) == 0 { // a constant of Gorgonia's: the gradient of the loss
		v, ok := n.Value().Data().(float32)
		if !ok {
			return fmt.Errorf("nn: a constant of type %T in the graph, want float32", n.Value().Data())
		}
		l.values[n] = []float32{v}
		return nil
	}
	switch op := n.Op().(type) {
	case Op:
		l.ops[n] = op
	default:
		if !strings.HasPrefix(fmt.Sprint(op), "+") || len(children) != 2 {
			return fmt.Errorf("nn: %v of Gorgonia's is none of our operations", op)
		}
		l.ops[n] = Add{shapes("add", n.Shape(), children...)}
	}
	constant := !l.g.Training
	for _, c := range children {
		constant = constant && l.constant[c]
	}
	l.constant[n] = constant
	return nil
}

// place packs the arena: large blocks first, each at the lowest offset that is
// free while it is in use.
func (l *layout) place(nodes []*Node) {
	type item struct {
		n       *Node
		scratch bool
		span
	}
	var items []item
	for i, n := range nodes {
		if l.values[n] != nil {
			continue
		}
		if l.root(n) == n {
			items = append(items, item{n, false, span{0, align(volume(n.Shape())), l.first[n], l.last[n]}})
		}
		if op := l.ops[n]; op != nil && op.scratch() > 0 {
			items = append(items, item{n, true, span{0, align(op.scratch()), i, i}})
		}
	}
	sort.SliceStable(items, func(i, j int) bool { return items[i].size > items[j].size })
	var placed []span
	for _, it := range items {
		it.offset = 0
		sort.Slice(placed, func(i, j int) bool { return placed[i].offset < placed[j].offset })
		for _, p := range placed {
			if p.last < it.first || p.first > it.last || p.offset+p.size <= it.offset {
				continue
			}
			if p.offset >= it.offset+it.size {
				break
			}
			it.offset = p.offset + p.size
		}
		placed = append(placed, it.span)
		l.size = max(l.size, it.offset+it.size)
		if it.scratch {
			l.scratch[it.n] = it.span
		} else {
			l.blocks[it.n] = it.span
		}
	}
	for _, n := range nodes {
		if l.values[n] != nil {
			continue
		}
		s := l.blocks[l.root(n)]
		s.size = volume(n.Shape())
		l.blocks[n] = s
	}
}

// align rounds up to 64 bytes.
func align(n int) int { return (n + 15) &^ 15 }
