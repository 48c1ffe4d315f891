package nn

import (
	"errors"
	"fmt"
	"hash"
	"hash/fnv"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/goastroml/goastroml/astroml/internal/kernel"
)

// Op is one of this package's operations.
type Op interface {
	gorgonia.SDOp
	// scratch returns how many floats the operation needs while it runs.
	scratch() int
	// bind returns the function that computes the operation over b's arrays.
	bind(b binding) func()
	// inPlace returns the input whose memory the output may take, or -1.
	inPlace() int
	// shape returns what the operation is called, and its shapes.
	shape() spec
}

// binding is the memory an operation runs over.
type binding struct {
	out      []float32
	in       [][]float32
	tmp      []float32
	constant []bool // inputs that do not change between two calls of Refresh
	workers  *kernel.Workers
	refresh  *[]func() // functions to call when constants have changed
}

// spec is what all operations share: shapes, and what Gorgonia asks for.
type spec struct {
	Name string
	In   [][]int
	Out  []int
}

func kind(shape []int) hm.Type {
	if len(shape) == 0 {
		return gorgonia.Float32
	}
	return gorgonia.TensorType{Dims: len(shape), Of: gorgonia.Float32}
}

func (s spec) Arity() int { return len(s.In) }
func (s spec) Type() hm.Type {
	t := make([]hm.Type, 0, len(s.In)+1)
	for _, in := range s.In {
		t = append(t, kind(in))
	}
	return hm.NewFnType(append(t, kind(s.Out))...)
}
func (s spec) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) {
	return tensor.Shape(s.Out), nil
}
func (s spec) Do(...gorgonia.Value) (gorgonia.Value, error) {
	return nil, errors.New("nn: operations run in a Plan only")
}
func (s spec) ReturnsPtr() bool      { return true }
func (s spec) CallsExtern() bool     { return false }
func (s spec) OverwritesInput() int  { return -1 }
func (s spec) WriteHash(h hash.Hash) { fmt.Fprint(h, s.String()) }
func (s spec) Hashcode() uint32 {
	h := fnv.New32a()
	s.WriteHash(h)
	return h.Sum32()
}
func (s spec) String() string { return fmt.Sprintf("%s%v→%v", s.Name, s.In, s.Out) }

// DiffWRT and SymDiff are those of an operation without a gradient.
func (s spec) DiffWRT(n int) []bool { return make([]bool, n) }
func (s spec) SymDiff(gorgonia.Nodes, *Node, *Node) (gorgonia.Nodes, error) {
	return nil, fmt.Errorf("nn: %s has no gradient", s.Name)
}
func (s spec) scratch() int { return 0 }
func (s spec) inPlace() int { return -1 }
func (s spec) shape() spec  { return s }

// shapes makes a spec of the shapes of in.
func shapes(name string, out []int, in ...*Node) spec {
	s := spec{Name: name, Out: out}
	for _, n := range in {
		s.In = append(s.In, []int(n.Shape()))
	}
	return s
}

// all returns n times true.
func all(n int) []bool {
	b := make([]bool, n)
	for i := range b {
		b[i] = true
	}
	return b
}

// sequence applies operations for SymDiff, which has no graph at hand.
type sequence struct{ err error }

func (s *sequence) apply(op Op, in ...*Node) *Node {
	if s.err != nil {
		return nil
	}
	var n *Node
	n, s.err = gorgonia.ApplyOp(op, in...)
	return n
}

// block is the number of floats that a task of a pointwise loop covers. It is
// a constant so that sums do not depend on the number of workers.
const block = 1 << 14

// chunks returns into how many tasks n rows of c values are cut, and the rows
// a task has.
func chunks(n, c int) (tasks, rows int) {
	rows = max(1, block/c)
	return (n + rows - 1) / rows, rows
}

// tasksOf returns into how many tasks n values are cut.
func tasksOf(n int) int { return (n + block - 1) / block }

// each runs f over [lo, hi) ranges of n values, in parallel.
func each(w *kernel.Workers, n int, f func(lo, hi int)) func() {
	tasks := tasksOf(n)
	run := func(task, _ int) { f(task*block, min(n, (task+1)*block)) }
	return func() { w.Run(tasks, run) }
}

// taker returns a function that cuts tmp into pieces.
func taker(tmp []float32) func(n int) []float32 {
	return func(n int) []float32 {
		s := tmp[:n:n]
		tmp = tmp[n:]
		return s
	}
}
