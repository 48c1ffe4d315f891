// Engine serves benchmarks/engine.py: it runs one of the networks that the
// library is measured by, on orders that it reads line by line, and answers each
// with a line of JSON.
//
//	engine NETWORK WORKERS
//
//	exchange PATH   writes weights, inputs, outputs and gradients to a safetensors file
//	step K          takes K training steps: forward, backward, AdamW
//	infer N K       K times the outputs for a batch of N
//	peak            measures the multiply-adds of one core, and of all workers
//	profile FILE    writes the time of each operation of a step to a file
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/kernel"
	"github.com/goastroml/goastroml/astroml/internal/rng"
	"github.com/goastroml/goastroml/astroml/model"
	"github.com/goastroml/goastroml/astroml/nn"
	"github.com/goastroml/goastroml/astroml/train"
)

func main() {
	if err := serve(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(1)
	}
}

func serve(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("%d arguments, want the network and the number of workers", len(args))
	}
	var workers int
	if _, err := fmt.Sscan(args[1], &workers); err != nil {
		return fmt.Errorf("%q workers: %w", args[1], err)
	}
	e := engine{workers: kernel.NewWorkers(workers), plans: map[int]*nn.Plan{}}
	for _, n := range networks {
		if n.name == args[0] {
			e.network = n
		}
	}
	if e.network.draw == nil {
		return fmt.Errorf("no network %q", args[0])
	}
	out := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		answer, err := e.obey(lines.Text())
		if err != nil {
			return fmt.Errorf("%s: %w", lines.Text(), err)
		}
		if err := out.Encode(answer); err != nil {
			return err
		}
	}
	return lines.Err()
}

type engine struct {
	network network
	workers *kernel.Workers
	plans   map[int]*nn.Plan // for inference, by batch
	order   chan int         // how many steps to take
	done    chan steps
}

// steps is what some training steps cost.
type steps struct {
	Seconds float64 `json:"seconds"` // a step
	Loss    float64 `json:"loss"`
	Mallocs uint64  `json:"mallocs"`
}

func (e *engine) obey(line string) (any, error) {
	words := strings.Fields(line)
	var n, k int
	fmt.Sscan(strings.Join(words[1:], " "), &n, &k)
	switch {
	case words[0] == "exchange" && len(words) == 2:
		return e.exchange(words[1])
	case words[0] == "step" && n > 0:
		return e.step(n)
	case words[0] == "infer" && n > 0 && k > 0:
		return e.infer(n, k)
	case words[0] == "peak":
		return e.peak(), nil
	case words[0] == "profile" && len(words) == 2:
		return e.profile(words[1])
	}
	return nil, fmt.Errorf("no such order")
}

// inputs are the names that networks give to what they read.
var inputs = []string{"x", "labels", "target", "theta", "context", "time", "noise"}

// fillAll draws the inputs of n rows: labels as they come, all else normal.
func fillAll(input func(string) []float32, n int) {
	for _, name := range inputs {
		x := input(name)
		r := rng.New(1, "engine "+name)
		for i := range x {
			x[i] = float32(r.NormFloat64())
			if classes := len(x) / n; name == "labels" {
				x[i] = 0
				if i%classes == i/classes%classes {
					x[i] = 1
				}
			}
		}
	}
}

// compile makes a plan with its inputs drawn: outputs, and in training the
// gradients behind them.
func (e *engine) compile(draw func(g *nn.Graph, n int) (out, loss *nn.Node), n int, params *nn.Params, training bool) (*nn.Plan, []*nn.Param, error) {
	g := nn.NewGraph(params, training)
	out, loss := draw(g, n)
	outputs := []*nn.Node{out}
	var trained []*nn.Param
	if training {
		var grads []*nn.Node
		trained, grads = g.Grad(loss)
		outputs = append([]*nn.Node{loss, out}, grads...)
	}
	p, err := nn.Compile(g, e.workers, outputs...)
	if err != nil {
		return nil, nil, err
	}
	fillAll(p.Input, n)
	for i := range p.Input("dropout 0") {
		p.Input("dropout 0")[i] = 1
	}
	return p, trained, nil
}

// exchange writes "weight NAME", "gradient NAME", "input NAME", "out" of the
// first training step, and "inferred" with running statistics as they are drawn.
func (e *engine) exchange(path string) (any, error) {
	params := nn.NewParams(1)
	n := e.network.batch
	p, trained, err := e.compile(e.network.draw, n, params, true)
	if err != nil {
		return nil, err
	}
	q, _, err := e.compile(e.network.draw, n, params, false)
	if err != nil {
		return nil, err
	}
	p.Run()
	q.Run()
	file := model.File{Kind: "engine", Arrays: map[string]astroml.Array{}}
	put := func(name string, x []float32, shape ...int) {
		if shape == nil {
			shape = []int{len(x)}
		}
		file.Arrays[name] = astroml.Array{Shape: shape, Data: x}
	}
	for _, a := range params.List {
		put("weight "+a.Name, a.Data, a.Shape...)
	}
	for i, a := range trained {
		put("gradient "+a.Name, p.Output(i+2), a.Shape...)
	}
	for _, name := range inputs {
		if x := p.Input(name); x != nil {
			put("input "+name, x)
		}
	}
	put("loss", p.Output(0))
	put("out", p.Output(1))
	put("inferred", q.Output(0))
	var names []string
	for _, a := range params.List {
		names = append(names, a.Name)
	}
	return map[string][]string{"names": names}, file.Write(path)
}

func (e *engine) infer(n, k int) (any, error) {
	p := e.plans[n]
	if p == nil {
		var err error
		if p, _, err = e.compile(e.network.draw, n, nn.NewParams(1), false); err != nil {
			return nil, err
		}
		e.plans[n] = p
	}
	start := time.Now()
	for range k {
		p.Run()
	}
	return map[string]float64{"seconds": time.Since(start).Seconds() / float64(k)}, nil
}

// peak runs nothing but multiply-adds, on one core and on all workers at once.
func (e *engine) peak() any {
	rates := make([]float64, e.workers.N())
	var all float64
	for range 3 {
		e.workers.Run(len(rates), func(task, _ int) { rates[task] = kernel.Peak() })
		var sum float64
		for _, r := range rates {
			sum += r
		}
		all = max(all, sum)
	}
	return map[string]float64{"one": kernel.Peak(), "all": all}
}

func (e *engine) profile(path string) (any, error) {
	p, _, err := e.compile(e.network.draw, e.network.batch, nn.NewParams(1), true)
	if err != nil {
		return nil, err
	}
	profile := p.Profile(5)
	var seconds, flops float64
	for _, c := range profile {
		if c.FLOPs > 0 {
			seconds += c.Seconds
			flops += float64(c.FLOPs)
		}
	}
	total := profile.Total()
	g := nn.NewGraph(nn.NewParams(1), false)
	e.network.draw(g, 1)
	return map[string]float64{
		"forward": 2e-9 * float64(g.MultiplyAdds()), // of one sample
		"share":   seconds / total.Seconds,          // of the time in convolutions
		"rate":    1e-9 * flops / seconds,           // of those, GFLOP/s
		"gflops":  1e-9 * flops,
		"seconds": total.Seconds,
	}, os.WriteFile(path, []byte(profile.String()), 0o644)
}

// step hands k steps to the training loop, which waits for orders between them.
func (e *engine) step(k int) (steps, error) {
	if e.order == nil {
		e.order, e.done = make(chan int), make(chan steps)
		failed := make(chan error, 1)
		go func() { failed <- e.train() }()
		select {
		case err := <-failed:
			return steps{}, err
		case <-e.done:
		}
	}
	e.order <- k
	return <-e.done, nil
}

// train runs package train as users do. Progress measures.
func (e *engine) train() error {
	n := e.network.batch
	rows := make([]int, 1000*n)
	var left, k int
	var before runtime.MemStats
	var start time.Time
	progress := func(p astroml.Progress) {
		if left--; left > 0 {
			return
		}
		s := steps{Loss: p.Loss}
		if k > 0 {
			s.Seconds = time.Since(start).Seconds() / float64(k)
			var after runtime.MemStats
			runtime.ReadMemStats(&after)
			s.Mallocs = after.Mallocs - before.Mallocs
		}
		e.done <- s
		k = <-e.order
		left = k
		runtime.ReadMemStats(&before)
		start = time.Now()
	}
	_, err := train.Run(context.Background(), nn.NewParams(1), &problem{network: e.network}, rows, nil, train.Config{
		Epochs: 1 << 20, BatchSize: n, Clip: -1, Average: -1, Patience: -1, WeightDecay: 0.01, Workers: e.workers, Progress: progress,
	})
	return err
}

// problem is the training of a network on one batch, the same in each step.
type problem struct {
	network
	once sync.Once
}

func (p *problem) Loss(g *nn.Graph, n int) *nn.Node {
	_, loss := p.draw(g, n)
	return loss
}

// Fill draws the batch when it is asked for a row for the first time; a plan
// keeps its inputs.
func (p *problem) Fill(input func(string) []float32, _, _, _ int) {
	p.once.Do(func() { fillAll(input, p.batch) })
}
