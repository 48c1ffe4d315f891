package kernel

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestRunDoesEveryTaskOnce(t *testing.T) {
	for _, n := range []int{1, 2, 3, 8} {
		w := NewWorkers(n)
		defer w.Close()
		for _, tasks := range []int{0, 1, 2, 7, 1000} {
			for range 50 {
				seen := make([]atomic.Int32, tasks)
				w.Run(tasks, func(task, worker int) {
					if worker < 0 || worker >= w.N() {
						t.Errorf("worker %d of %d", worker, w.N())
					}
					seen[task].Add(1)
				})
				for i := range seen {
					if got := seen[i].Load(); got != 1 {
						t.Fatalf("%d workers, %d tasks: task %d ran %d times", n, tasks, i, got)
					}
				}
			}
		}
	}
}

// A worker's number stands for scratch memory, so no two tasks may use one at
// the same time.
func TestWorkersAreExclusive(t *testing.T) {
	w := NewWorkers(4)
	defer w.Close()
	used := make([]atomic.Int32, w.N())
	for range 100 {
		w.Run(40, func(_, worker int) {
			if used[worker].Add(1) != 1 {
				t.Error("two tasks in one worker")
			}
			runtime.Gosched()
			used[worker].Add(-1)
		})
	}
}

func TestRunAfterSleep(t *testing.T) {
	w := NewWorkers(2)
	defer w.Close()
	for range 20 {
		time.Sleep(time.Millisecond) // long enough for the other goroutine to sleep
		var sum atomic.Int64
		w.Run(100, func(task, _ int) { sum.Add(int64(task)) })
		if sum.Load() != 4950 {
			t.Fatalf("sum %d, want 4950", sum.Load())
		}
	}
}

func TestRunFromSeveralGoroutines(t *testing.T) {
	w := NewWorkers(3)
	defer w.Close()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				var sum atomic.Int64
				w.Run(10, func(task, _ int) { sum.Add(int64(task)) })
				if sum.Load() != 45 {
					t.Errorf("sum %d, want 45", sum.Load())
				}
			}
		})
	}
	group.Wait()
}

func TestRunPassesPanicsOn(t *testing.T) {
	w := NewWorkers(3)
	defer w.Close()
	boom := errors.New("boom")
	for _, bad := range []int{0, 50, 99} {
		func() {
			defer func() {
				p, ok := recover().(*TaskPanic)
				if !ok || !errors.Is(p, boom) || len(p.Stack) == 0 {
					t.Errorf("task %d: recovered %v", bad, p)
				}
			}()
			w.Run(100, func(task, _ int) {
				if task == bad {
					panic(boom)
				}
			})
			t.Error("Run returned")
		}()
	}
	w.Run(100, func(int, int) {}) // the pool still works
}

// T.FailNow ends a goroutine; a task that does so must not hang Run.
func TestRunOutlivesGoexit(t *testing.T) {
	w := NewWorkers(2)
	defer w.Close()
	done := make(chan bool)
	go func() {
		defer close(done)
		w.Run(100, func(int, int) { runtime.Goexit() })
	}()
	<-done
	var sum atomic.Int64
	w.Run(100, func(task, _ int) { sum.Add(1) })
	if sum.Load() != 100 {
		t.Errorf("%d tasks, want 100", sum.Load())
	}
}

func TestWorkersWithoutGoroutines(t *testing.T) {
	var none *Workers
	closed := NewWorkers(4)
	closed.Close()
	closed.Close()
	none.Close()
	for _, w := range []*Workers{none, closed, NewWorkers(1)} {
		count := 0
		w.Run(10, func(_, worker int) {
			if worker != 0 {
				t.Errorf("worker %d, want 0", worker)
			}
			count++
		})
		if count != 10 {
			t.Errorf("%d tasks, want 10", count)
		}
	}
}

func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	for i := range 20 {
		w := NewWorkers(4)
		w.Run(8, func(int, int) {})
		if i%2 == 0 {
			w.Close()
		}
	}
	for range 200 { // the others are garbage, and goroutines take a moment to end
		runtime.GC()
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

func TestRunDoesNotAllocate(t *testing.T) {
	w := NewWorkers(2)
	defer w.Close()
	f := func(int, int) {}
	if n := testing.AllocsPerRun(100, func() { w.Run(8, f) }); n > 0 {
		t.Errorf("%v allocations a run", n)
	}
}

func BenchmarkRun(b *testing.B) {
	for _, n := range []int{1, 2} {
		b.Run(fmt.Sprintf("workers=%d", n), func(b *testing.B) {
			w := NewWorkers(n)
			defer w.Close()
			f := func(int, int) {}
			for b.Loop() {
				w.Run(16, f)
			}
		})
	}
}
