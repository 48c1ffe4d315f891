package bindings

/*
#include <stdint.h>
#include <stdlib.h>
#include "lasterror.h"

typedef const char cchar;
typedef const float cfloat;
typedef const double cdouble;
typedef const int64_t cint64;
*/
import "C"

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/goastroml/goastroml/astroml"
)

// handles are what C holds numbers of. Numbers are not used again.
var handles struct {
	sync.RWMutex
	last uint64
	m    map[uint64]any
}

func newHandle(v any) C.uint64_t {
	handles.Lock()
	defer handles.Unlock()
	if handles.m == nil {
		handles.m = map[uint64]any{}
	}
	handles.last++
	handles.m[handles.last] = v
	return C.uint64_t(handles.last)
}

// of returns what a handle stands for.
func of[T any](name string, h C.uint64_t) (T, error) {
	handles.RLock()
	v := handles.m[uint64(h)]
	handles.RUnlock()
	t, ok := v.(T)
	if !ok {
		return t, fmt.Errorf("%d is no handle of a %s", uint64(h), name)
	}
	return t, nil
}

// status ends every exported function: the error's text goes to the thread, its
// kind to the caller.
func status(err error) C.int32_t {
	if err == nil {
		return 0
	}
	e := coded(err)
	text := []byte(e.text + "\x00")
	C.set_last_error((*C.cchar)(unsafe.Pointer(&text[0])), C.size_t(len(text)-1))
	return C.int32_t(e.code.status)
}

// call runs f, and gives the status of its outcome.
func call(f func() error) C.int32_t {
	return status(func() (err error) {
		defer guard(&err)
		return f()
	}())
}

// set writes an output that may be unwanted.
func set[T any](to *T, v T) {
	if to != nil {
		*to = v
	}
}

// address turns a pointer of C's into what the flat functions take.
func address[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

func text(s *C.cchar) string { return C.GoString((*C.char)(unsafe.Pointer(s))) }

// putText writes a string and the bytes it takes, if there is room.
func putText(to *C.char, size *C.int64_t, room C.int64_t, s string) error {
	set(size, C.int64_t(len(s)+1))
	switch {
	case to == nil:
		return nil
	case room < C.int64_t(len(s)+1):
		return fmt.Errorf("room for %d bytes, the text takes %d: %w", int64(room), len(s)+1, astroml.ErrShape)
	}
	b := unsafe.Slice((*byte)(unsafe.Pointer(to)), len(s)+1)
	copy(b, s)
	b[len(s)] = 0
	return nil
}

// startJob makes a job for C: the handle is given out once the call runs.
func startJob(out *C.uint64_t, f func(j *Job) error) C.int32_t {
	return call(func() error {
		if out == nil {
			return fmt.Errorf("job: no place for the handle")
		}
		j, err := NewJob()
		if err != nil {
			return err
		}
		if err := f(j); err != nil {
			return err
		}
		*out = newHandle(j)
		return nil
	})
}

// give hands a new handle of v out.
func give(out *C.uint64_t, v any) error {
	if out == nil {
		return fmt.Errorf("no place for the handle")
	}
	*out = newHandle(v)
	return nil
}

var version = C.CString(astroml.Version)

//export astroml_abi
func astroml_abi() C.int32_t { return 1 }

//export astroml_version
func astroml_version() *C.cchar { return (*C.cchar)(unsafe.Pointer(version)) }

//export astroml_last_error
func astroml_last_error() *C.cchar { return (*C.cchar)(unsafe.Pointer(C.get_last_error())) }

//export astroml_free
func astroml_free(handle C.uint64_t) {
	handles.Lock()
	v := handles.m[uint64(handle)]
	delete(handles.m, uint64(handle))
	handles.Unlock()
	if j, ok := v.(*Job); ok {
		j.Cancel()
		j.Wait(-1)
	}
}

//export astroml_job_wait
func astroml_job_wait(ended *C.int32_t, job C.uint64_t, ms C.int64_t) C.int32_t {
	return call(func() error {
		j, err := of[*Job]("job", job)
		if err != nil {
			return err
		}
		e, err := j.Wait(int(ms))
		set(ended, C.int32_t(e))
		return err
	})
}

//export astroml_job_progress
func astroml_job_progress(step, steps, epoch *C.int64_t, loss, valid *C.double, job C.uint64_t) C.int32_t {
	return call(func() error {
		j, err := of[*Job]("job", job)
		if err != nil {
			return err
		}
		p := j.progress()
		set(step, C.int64_t(p.Step))
		set(steps, C.int64_t(p.Steps))
		set(epoch, C.int64_t(p.Epoch))
		set(loss, C.double(p.Loss))
		set(valid, C.double(p.Valid))
		return nil
	})
}

//export astroml_job_cancel
func astroml_job_cancel(job C.uint64_t) C.int32_t {
	return call(func() error {
		j, err := of[*Job]("job", job)
		if err != nil {
			return err
		}
		_, err = j.Cancel()
		return err
	})
}
