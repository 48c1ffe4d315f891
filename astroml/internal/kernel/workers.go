package kernel

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// Workers runs tasks on a fixed number of goroutines: the caller's and n-1 of
// its own, which sleep between calls and end when Workers is closed or no
// longer reachable. The nil pool runs everything in the caller's goroutine.
//
// Which worker runs a task is a matter of chance, so what a task computes must
// depend on its number only.
type Workers struct{ *crew }

// A crew is what the goroutines share. They must not hold the Workers, or it
// would never become unreachable.
type crew struct {
	mu     sync.Mutex // held by Run
	hands  []hand     // hand i is worker i+1
	closed bool

	f     func(task, worker int)
	tasks int64
	next  atomic.Int64 // the next task to be taken

	busy    atomic.Int64 // hands that have been called and are not done
	waiting atomic.Bool  // Run sleeps until busy is 0
	done    chan struct{}
	failed  atomic.Pointer[TaskPanic]
}

// A hand is one goroutine of a crew.
type hand struct {
	state atomic.Int32
	wake  chan struct{} // one token each time a sleeping hand is called
	_     [48]byte      // hands do not share a cache line
}

// States of a hand.
const (
	idle     int32 = iota // looks for work
	asleep                // waits for a token
	called                // shall run tasks, has not begun
	running               // runs tasks
	sentHome              // shall end
)

// spins is how often a goroutine yields while it looks for work, before it
// sleeps: some ten microseconds, the length of the serial stretches in a
// training step.
const spins = 64

// TaskPanic is what Run panics with when a task has panicked.
type TaskPanic struct {
	Value any    // the task's
	Stack []byte // of the task's goroutine
}

func (p *TaskPanic) Error() string { return fmt.Sprintf("%v\n\nin a task:\n%s", p.Value, p.Stack) }

// Unwrap returns the task's value if it is an error.
func (p *TaskPanic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// MaxWorkers is the largest number of workers: those who hold scratch memory for
// each hold so much at most.
const MaxWorkers = 64

// NewWorkers returns a pool of n workers, the caller of Run included, but not of
// more than MaxWorkers. If n is not positive there are as many as GOMAXPROCS
// says.
func NewWorkers(n int) *Workers {
	if n < 1 {
		n = runtime.GOMAXPROCS(0)
	}
	n = min(n, MaxWorkers)
	c := &crew{hands: make([]hand, n-1), done: make(chan struct{}, 1)}
	for i := range c.hands {
		c.hands[i].wake = make(chan struct{}, 1)
		go c.loop(i)
	}
	w := &Workers{c}
	runtime.AddCleanup(w, (*crew).close, c)
	return w
}

// N returns the number of workers: worker is below it in every task.
func (w *Workers) N() int {
	if w == nil {
		return 1
	}
	return len(w.hands) + 1
}

// Close ends the goroutines. It waits for a Run that is under way; afterwards
// Run works in the caller's goroutine alone.
func (w *Workers) Close() {
	if w != nil {
		w.close()
	}
}

// Run calls f once for every task from 0 to tasks-1 and returns when all are
// done. Worker numbers the goroutine, 0 for the caller's, so that f can use
// scratch memory of its own. If a task panics, no further tasks are begun, and
// Run panics with a *TaskPanic, or where it works alone with the task's own
// value. Calls from several goroutines take turns; a task must not call Run on
// its own pool.
func (w *Workers) Run(tasks int, f func(task, worker int)) {
	if tasks < 1 {
		return
	}
	if w == nil || tasks == 1 || len(w.hands) == 0 {
		for t := range tasks {
			f(t, 0)
		}
		return
	}
	w.run(tasks, f)
	runtime.KeepAlive(w)
}

func (c *crew) run(tasks int, f func(task, worker int)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed.Store(nil)
	c.share(tasks, f)
	if p := c.failed.Load(); p != nil {
		panic(p)
	}
}

// share runs the tasks on all hands and returns when none is running, even if
// a task ends this goroutine.
func (c *crew) share(tasks int, f func(task, worker int)) {
	n := min(len(c.hands), tasks-1)
	if c.closed {
		n = 0
	}
	defer c.finish(n)
	c.f, c.tasks = f, int64(tasks)
	c.next.Store(0)
	c.busy.Store(int64(n))
	for i := range n {
		if h := &c.hands[i]; h.state.Swap(called) == asleep {
			h.wake <- struct{}{}
		}
	}
	c.work(0)
}

// finish returns when none of the first n hands is running.
func (c *crew) finish(n int) {
	// A hand that has not begun by now need not: there is nothing left to do.
	for i := range n {
		if c.hands[i].state.CompareAndSwap(called, idle) {
			c.busy.Add(-1)
		}
	}
	c.wait()
	c.f = nil
}

// work takes tasks until there are none.
func (c *crew) work(worker int) {
	ok := false
	defer func() {
		if !ok {
			c.next.Store(c.tasks)
			v := recover()
			if v == nil {
				v = "runtime.Goexit"
			}
			c.failed.CompareAndSwap(nil, &TaskPanic{v, debug.Stack()})
		}
	}()
	for {
		t := c.next.Add(1) - 1
		if t >= c.tasks {
			break
		}
		c.f(int(t), worker)
	}
	ok = true
}

// wait returns when no hand is running.
func (c *crew) wait() {
	for range spins {
		if c.busy.Load() == 0 {
			return
		}
		runtime.Gosched()
	}
	c.waiting.Store(true)
	if c.busy.Load() == 0 && c.waiting.CompareAndSwap(true, false) {
		return
	}
	<-c.done
}

// loop is the life of a hand.
func (c *crew) loop(i int) {
	h := &c.hands[i]
	for {
		for range spins {
			if s := h.state.Load(); s == called || s == sentHome {
				break
			}
			runtime.Gosched()
		}
		if h.state.CompareAndSwap(idle, asleep) {
			<-h.wake
		}
		if h.state.Load() == sentHome {
			return
		}
		if !h.state.CompareAndSwap(called, running) {
			continue // the call was taken back
		}
		c.lend(i)
	}
}

// lend runs tasks as hand i. A task that ends its goroutine (runtime.Goexit)
// costs the crew this hand, and Run goes on without it.
func (c *crew) lend(i int) {
	defer func() {
		c.hands[i].state.Store(idle)
		if c.busy.Add(-1) == 0 && c.waiting.CompareAndSwap(true, false) {
			c.done <- struct{}{}
		}
	}()
	c.work(i + 1)
}

func (c *crew) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for i := range c.hands {
		if h := &c.hands[i]; h.state.Swap(sentHome) == asleep {
			h.wake <- struct{}{}
		}
	}
}
