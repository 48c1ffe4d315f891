package bindings

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"syscall"

	"github.com/goastroml/goastroml/astroml"
)

// code is a kind of error: its name, which begins the error's text and which
// Python turns into an exception class, and the status that C gets.
type code struct {
	name   string
	status int32
}

// The kinds of errors. Names and numbers are for ever; astroml.h lists them.
var (
	einval    = code{"EINVAL", -1}
	eshape    = code{"ESHAPE", -2}
	eio       = code{"EIO", -3}
	eformat   = code{"EFORMAT", -4}
	eversion  = code{"EVERSION", -5}
	ediverged = code{"EDIVERGED", -6}
	ecanceled = code{"ECANCELED", -7}
	einternal = code{"EINTERNAL", -8}
)

// codedError is an error with its kind: "ESHAPE: spectra: 3 pixels, …". The
// name of an EIO is followed by the system's number where there is one:
// "EIO 2: open x: no such file or directory".
type codedError struct {
	code  code
	errno int
	text  string
}

func (e *codedError) Error() string {
	if e.errno != 0 {
		return fmt.Sprintf("%s %d: %s", e.code.name, e.errno, e.text)
	}
	return e.code.name + ": " + e.text
}

// coded gives an error its kind.
func coded(err error) *codedError {
	var already *codedError
	if errors.As(err, &already) {
		return already
	}
	e := &codedError{einval, 0, err.Error()}
	var path *fs.PathError
	var link *os.LinkError
	var call *os.SyscallError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.code = ecanceled
	case errors.Is(err, astroml.ErrShape):
		e.code = eshape
	case errors.Is(err, astroml.ErrVersion): // before ErrFormat: such an error may wrap both
		e.code = eversion
	case errors.Is(err, astroml.ErrFormat):
		e.code = eformat
	case errors.Is(err, astroml.ErrDiverged):
		e.code = ediverged
	case errors.As(err, &path), errors.As(err, &link), errors.As(err, &call):
		e.code = eio
		var no syscall.Errno
		if errors.As(err, &no) {
			e.errno = int(no)
		}
	}
	return e
}

// guard is deferred by every function and goroutine: it turns a panic into an
// error, and gives errors their kind.
func guard(err *error) {
	if r := recover(); r != nil {
		*err = &codedError{einternal, 0, fmt.Sprintf("panic: %v: this is a bug of goastroml\n%s", r, debug.Stack())}
	}
	if *err != nil {
		*err = coded(*err)
	}
}
