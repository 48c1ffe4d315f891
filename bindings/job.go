package bindings

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/goastroml/goastroml/astroml"
)

// Job is a long call under way. It is made first and handed to the call, so
// that whoever is interrupted in the middle of starting it can still cancel it
// and wait for its end.
type Job struct {
	ctx    context.Context
	cancel context.CancelFunc
	end    chan struct{} // closed when the call has ended, and with it its use of the caller's arrays

	mu      sync.Mutex
	started bool
	last    astroml.Progress
	err     error
	result  any
}

// NewJob returns a job that nothing has been started on.
func NewJob() (*Job, error) {
	ctx, cancel := context.WithCancel(context.Background())
	return &Job{ctx: ctx, cancel: cancel, end: make(chan struct{}), last: astroml.Progress{Valid: math.NaN()}}, nil
}

// start runs f in a goroutine; what f returns is the job's result.
func (j *Job) start(f func(ctx context.Context, progress func(astroml.Progress)) (any, error)) error {
	if j == nil {
		return errors.New("no job")
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.started {
		return errors.New("the job has been started already, want a new one")
	}
	j.started = true
	go func() {
		var result any
		var err error
		defer func() { // last: also where f ends its goroutine
			j.mu.Lock()
			j.result, j.err = result, err
			j.mu.Unlock()
			j.cancel()
			close(j.end)
		}()
		defer guard(&err)
		err = errors.New("the call ended without a result")
		result, err = f(j.ctx, j.observe)
	}()
	return nil
}

// leave runs f, which cannot be canceled, but when ctx ends it waits no longer:
// f goes on to its end and its result is dropped. That is for calls that touch
// no memory of the caller's.
func leave(ctx context.Context, f func() (any, error)) (any, error) {
	var result any
	var err error
	end := make(chan struct{})
	go func() {
		defer close(end)
		defer guard(&err)
		result, err = f()
	}()
	select {
	case <-end:
		return result, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (j *Job) observe(p astroml.Progress) {
	j.mu.Lock()
	j.last = p
	j.mu.Unlock()
}

// Wait waits until the job has ended, at most ms milliseconds (for ever if
// negative), and returns 1 if it has, 0 if it runs on. The error is the job's.
// A job that was never started has ended.
func (j *Job) Wait(ms int) (ended int, err error) {
	defer guard(&err)
	if !j.running() {
		return 1, j.outcome()
	}
	var timeout <-chan time.Time
	if ms >= 0 {
		t := time.NewTimer(time.Duration(ms) * time.Millisecond)
		defer t.Stop()
		timeout = t.C
	}
	select {
	case <-j.end:
		return 1, j.outcome()
	case <-timeout:
		return 0, nil
	}
}

func (j *Job) running() bool {
	j.mu.Lock()
	started := j.started
	j.mu.Unlock()
	select {
	case <-j.end:
		return false
	default:
		return started
	}
}

func (j *Job) outcome() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// Cancel asks the job to end, and does not wait for it.
func (j *Job) Cancel() (zero int, err error) {
	defer guard(&err)
	j.cancel()
	return 0, nil
}

// Progress returns the last astroml.Progress as a JSON object. It has no
// "loss" or "valid" while these are not known.
func (j *Job) Progress() (text string, err error) {
	defer guard(&err)
	p := j.progress()
	known := func(v float64) *float64 {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return &v
	}
	return toJSON(struct {
		Stage string   `json:"stage"`
		Epoch int      `json:"epoch"`
		Step  int      `json:"step"`
		Steps int      `json:"steps"`
		Loss  *float64 `json:"loss,omitempty"`
		Valid *float64 `json:"valid,omitempty"`
	}{p.Stage, p.Epoch, p.Step, p.Steps, known(p.Loss), known(p.Valid)})
}

func (j *Job) progress() astroml.Progress {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// result returns what a job that has ended made.
func result[T any](j *Job) (T, error) {
	var none T
	if j == nil {
		return none, errors.New("no job")
	}
	if j.running() {
		return none, errors.New("the job has not ended")
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return none, j.err
	}
	r, ok := j.result.(T)
	if !ok {
		return none, fmt.Errorf("the job has made %T, want %T", j.result, none)
	}
	return r, nil
}
