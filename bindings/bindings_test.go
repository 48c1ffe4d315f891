package bindings

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/goastroml/goastroml/astroml"
)

func TestCodes(t *testing.T) {
	_, missing := os.Open(filepath.Join(t.TempDir(), "missing"))
	for _, c := range []struct {
		name, why string
		err       error
		want      string
	}{
		{"plain", "the caller's mistake", errors.New("spectra: no"), "EINVAL: spectra: no"},
		{"shape", "wrapped", fmt.Errorf("a: %w", astroml.ErrShape), "ESHAPE: a: wrong shape"},
		{"format", "", astroml.ErrFormat, "EFORMAT: bad format"},
		{"version", "wraps both: the newer version is why", fmt.Errorf("%w, %w", astroml.ErrFormat, astroml.ErrVersion), "EVERSION: bad format, newer version"},
		{"diverged", "", astroml.ErrDiverged, "EDIVERGED: training diverged"},
		{"canceled", "a job's", fmt.Errorf("x: %w", context.Canceled), "ECANCELED: x: context canceled"},
		{"missing file", "with the system's number, for Python's FileNotFoundError", missing, "EIO 2: open "},
		{"path without number", "", &fs.PathError{Op: "read", Path: "p", Err: errors.New("is no regular file")}, "EIO: read p: is no regular file"},
		{"once", "a coded error keeps its kind", fmt.Errorf("again: %w", coded(astroml.ErrShape)), "ESHAPE: wrong shape"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := coded(c.err).Error(); !strings.HasPrefix(got, c.want) {
				t.Errorf("%q, want %q (%s)", got, c.want, c.why)
			}
		})
	}
}

func TestPanic(t *testing.T) {
	if _, err := Panic(); err == nil || !strings.HasPrefix(err.Error(), "EINTERNAL: panic: on purpose") {
		t.Errorf("error %v, want EINTERNAL", err)
	}
}

func TestArray(t *testing.T) {
	x := make([]float32, 8)
	at := uintptr(unsafe.Pointer(&x[0]))
	for _, c := range []struct {
		name          string
		addr          uintptr
		rows, columns int
		want          int
		err           string
	}{
		{"whole", at, 2, 4, 8, ""},
		{"none", 0, 2, 4, 0, ""},
		{"empty", at, 0, 4, 0, ""},
		{"negative", at, -1, 4, 0, "ESHAPE"},
		{"negative columns", at, 1, -4, 0, "ESHAPE"},
		{"overflow", at, math.MaxInt, 2, 0, "ESHAPE"},
		{"overflow of bytes", at, math.MaxInt / 4, 2, 0, "ESHAPE"},
		{"askew", at + 1, 1, 1, 0, "EINVAL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := array[float32]("x", c.addr, c.rows, c.columns)
			if len(s) != c.want || (err == nil) != (c.err == "") || err != nil && coded(err).code.name != c.err {
				t.Errorf("%d values, error %v, want %d and %q", len(s), err, c.want, c.err)
			}
		})
	}
	if _, err := need[float32]("x", 0, 2, 4); err == nil {
		t.Error("no error where an array is missing")
	}
	runtime.KeepAlive(x)
}

func TestFromJSON(t *testing.T) {
	type options struct {
		Epochs int `json:"epochs"`
	}
	for _, c := range []struct{ name, text, want string }{
		{"none", "", ""},
		{"good", `{"epochs": 3}`, ""},
		{"unknown", `{"epoch": 3}`, `unknown field "epoch"`},
		{"type", `{"epochs": "3"}`, "epochs is a string, want int"},
		{"more", `{} {}`, "text after"},
		{"cut", `{"epochs"`, "unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := fromJSON("options", c.text, new(options))
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func newJob(t *testing.T) *Job {
	t.Helper()
	j, err := NewJob()
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestJob(t *testing.T) {
	j := newJob(t)
	if ended, err := j.Wait(0); ended != 1 || err != nil {
		t.Errorf("a job that was not started: %d, %v, want an end without an error", ended, err)
	}
	if _, err := result[int](j); err == nil {
		t.Error("a job that was not started has a result")
	}
	release := make(chan struct{})
	work := func(_ context.Context, progress func(astroml.Progress)) (any, error) {
		progress(astroml.Progress{Stage: "train", Step: 3, Steps: 9, Loss: 1.5, Valid: math.NaN()})
		<-release
		return 42, nil
	}
	if err := j.start(work); err != nil {
		t.Fatal(err)
	}
	if err := j.start(work); err == nil {
		t.Error("a job started twice")
	}
	if ended, err := j.Wait(1); ended != 0 || err != nil {
		t.Errorf("running: %d, %v", ended, err)
	}
	if _, err := result[int](j); err == nil {
		t.Error("a running job has a result")
	}
	close(release)
	if ended, err := j.Wait(-1); ended != 1 || err != nil {
		t.Errorf("ended: %d, %v", ended, err)
	}
	if v, err := result[int](j); v != 42 || err != nil {
		t.Errorf("result %d, %v", v, err)
	}
	if _, err := result[string](j); err == nil {
		t.Error("an int is a string")
	}
	if text, err := j.Progress(); err != nil || text != `{"stage":"train","epoch":0,"step":3,"steps":9,"loss":1.5}` {
		t.Errorf("progress %s, %v", text, err)
	}
}

func TestJobEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		f    func(context.Context) (any, error)
		want string
	}{
		{"canceled", func(ctx context.Context) (any, error) { <-ctx.Done(); return nil, ctx.Err() }, "ECANCELED"},
		{"panic", func(context.Context) (any, error) { panic("no") }, "EINTERNAL: panic: no"},
		{"goroutine ended", func(context.Context) (any, error) { runtime.Goexit(); return nil, nil }, "EINVAL: the call ended without"},
		{"left alone", func(ctx context.Context) (any, error) {
			return leave(ctx, func() (any, error) { select {} })
		}, "ECANCELED"},
		{"error", func(context.Context) (any, error) { return nil, astroml.ErrDiverged }, "EDIVERGED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := newJob(t)
			if err := j.start(func(ctx context.Context, _ func(astroml.Progress)) (any, error) { return c.f(ctx) }); err != nil {
				t.Fatal(err)
			}
			if _, err := j.Cancel(); err != nil {
				t.Fatal(err)
			}
			ended, err := j.Wait(int(10 * time.Second / time.Millisecond))
			if ended != 1 || err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("ended %d, error %v, want %q", ended, err, c.want)
			}
		})
	}
}

func TestLeave(t *testing.T) {
	v, err := leave(context.Background(), func() (any, error) { return 42, nil })
	if v != 42 || err != nil {
		t.Errorf("%v, %v, want 42", v, err)
	}
	_, err = leave(context.Background(), func() (any, error) { panic("no") })
	if err == nil || !strings.HasPrefix(err.Error(), "EINTERNAL") {
		t.Errorf("error %v, want EINTERNAL", err)
	}
}
