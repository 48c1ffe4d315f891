package nn

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Cost is what one operation of a plan costs.
type Cost struct {
	Op      string  `json:"op"`      // its type
	In      [][]int `json:"inputs"`  // their shapes
	Out     []int   `json:"output"`  // its shape
	Seconds float64 `json:"seconds"` // the shortest of several runs
	Bytes   int     `json:"bytes"`   // of its inputs and its output
	// FLOPs are those of the definition of a convolution, a dense layer, attention
	// or one of their gradients; minimal filtering needs fewer.
	FLOPs int `json:"flops"`
}

// Profile is the cost of each operation of a plan, in the order of execution.
type Profile []Cost

// Profile runs the plan some times, and times each operation.
func (p *Plan) Profile(rounds int) Profile {
	costs := make(Profile, len(p.steps))
	for i, s := range p.steps {
		sh := s.op.shape()
		c := &costs[i]
		c.Op, c.In, c.Out = reflect.TypeOf(s.op).Name(), sh.In, sh.Out
		c.Bytes = 4 * volume(sh.Out)
		for _, in := range sh.In {
			c.Bytes += 4 * volume(in)
		}
		c.FLOPs = flops(s.op)
	}
	for round := range rounds {
		for i, s := range p.steps {
			start := time.Now()
			s.run()
			if t := time.Since(start).Seconds(); round == 0 || t < costs[i].Seconds {
				costs[i].Seconds = t
			}
		}
	}
	return costs
}

// flops counts a multiply-add as two.
func flops(op Op) int {
	switch c := op.(type) {
	case Conv:
		return 2 * volume(c.Out) * volume(c.In[1][:4])
	case ConvGradX:
		return 2 * volume(c.In[1]) * volume(c.In[0][:4])
	case ConvGradW:
		return 2 * volume(c.In[1]) * volume(c.Out[:4])
	case Attention:
		return 4 * volume(c.Out) * volume(c.Out[1:4])
	case AttentionGrad:
		return 10 * volume(c.In[1]) * volume(c.In[1][1:4])
	}
	return 0
}

// Total is the sum of all costs.
func (p Profile) Total() Cost {
	t := Cost{Op: "total"}
	for _, c := range p {
		t.Seconds += c.Seconds
		t.Bytes += c.Bytes
		t.FLOPs += c.FLOPs
	}
	return t
}

// String is a table: time, rates of computing and of memory, operation.
func (p Profile) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%10s %6s %9s %8s  %s\n", "µs", "%", "GFLOP/s", "GB/s", "operation")
	total := p.Total()
	for _, c := range append(p[:len(p):len(p)], total) {
		rate := "-"
		if c.FLOPs > 0 {
			rate = fmt.Sprintf("%.1f", 1e-9*float64(c.FLOPs)/c.Seconds)
		}
		fmt.Fprintf(&b, "%10.1f %6.1f %9s %8.1f  %s", 1e6*c.Seconds, 100*c.Seconds/total.Seconds, rate, 1e-9*float64(c.Bytes)/c.Seconds, c.Op)
		if c.Out != nil {
			fmt.Fprintf(&b, " %v → %v", c.In, c.Out)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
