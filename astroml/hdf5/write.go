//go:build cgo

package hdf5

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	lib "gonum.org/v1/hdf5"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/atomicfile"
)

// Writer writes a new file: numbers as they lie in memory, neither chunked nor
// compressed, and attributes. The first error stays, and Close returns it.
type Writer struct {
	path, folder string
	file         *lib.File
	err          error
}

// Create begins a new file, which comes to path when Close has succeeded, whole
// or not at all. Until then it grows in the folder for temporary files: call
// Close in any case.
func Create(path string) (*Writer, error) {
	folder, err := os.MkdirTemp("", "goastroml-")
	if err != nil {
		return nil, err
	}
	w := &Writer{path: path, folder: folder}
	inLibrary(func() {
		if w.file, err = lib.CreateFile(w.temporary(), lib.F_ACC_EXCL); err != nil {
			err = explain()
		}
	})
	if err != nil {
		os.RemoveAll(folder)
		return nil, fmt.Errorf("hdf5: %s: %w", w.temporary(), err)
	}
	return w, nil
}

func (w *Writer) temporary() string { return filepath.Join(w.folder, "new.hdf5") }

// do runs g in the library unless an error came before, and keeps its error.
func (w *Writer) do(what string, names []string, g func() error) {
	inLibrary(func() {
		if w.err != nil {
			return
		}
		err := checkNames(names)
		switch {
		case w.file == nil:
			err = fs.ErrClosed
		case err == nil:
			err = g()
		}
		if err != nil {
			w.err = fmt.Errorf("hdf5: %s: %s: %w", w.path, what, err)
		}
	})
}

// Group makes a group, in a group that is there.
func (w *Writer) Group(name string) {
	w.do("group "+name, []string{name}, func() error {
		g, err := w.file.CreateGroup(name)
		if err != nil {
			return explain()
		}
		return g.Close()
	})
}

// Write writes numbers as a new dataset with axes of these lengths, none for a
// scalar, and makes the groups on the way to it. The bytes are those of T in
// memory; an int has 64 bits.
func Write[T Number](w *Writer, dataset string, data []T, shape ...int) {
	w.do("dataset "+dataset, []string{dataset}, func() error {
		if n, ok := count(shape); !ok || n != len(data) {
			return fmt.Errorf("%d numbers do not have shape %v: %w", len(data), shape, astroml.ErrShape)
		}
		kind, size, from := memory(data)
		return writeSet(w.file, dataset, kind, size, shape, from)
	})
}

// WriteAttr gives a dataset or group an attribute, a scalar if it is one number.
func WriteAttr[T Number](w *Writer, object, name string, data ...T) {
	w.do(fmt.Sprintf("attribute %s of %s", name, object), []string{object, name}, func() error {
		if len(data) == 0 {
			return fmt.Errorf("no numbers: %w", astroml.ErrShape)
		}
		kind, size, from := memory(data)
		return writeAttribute(w.file, object, name, kind, size, len(data), from)
	})
}

// Text gives a dataset or group an attribute that is a string.
func (w *Writer) Text(object, name, text string) {
	w.do(fmt.Sprintf("attribute %s of %s", name, object), []string{object, name}, func() error {
		if strings.Contains(text, "\x00") {
			return fmt.Errorf("%q, want text without NUL", text)
		}
		return writeText(w.file, object, name, text)
	})
}

// memory returns the kind and size of numbers and where they lie.
func memory[T Number](data []T) (kind byte, size int, from unsafe.Pointer) {
	var zero T
	kind = 'i'
	switch any(zero).(type) {
	case float32, float64:
		kind = 'f'
	case int:
		wide := make([]int64, len(data))
		for i, v := range data {
			wide[i] = int64(v)
		}
		return kind, 8, unsafe.Pointer(unsafe.SliceData(wide))
	}
	return kind, int(unsafe.Sizeof(zero)), unsafe.Pointer(unsafe.SliceData(data))
}

// Close brings the file to its path and returns the first error, after which
// there is no new file. Closing again does nothing.
func (w *Writer) Close() error {
	if w.folder == "" {
		return w.err
	}
	inLibrary(func() {
		if w.file.Close() != nil && w.err == nil {
			w.err = fmt.Errorf("hdf5: %s: %w", w.path, explain())
		}
		w.file = nil
	})
	if w.err == nil {
		w.err = atomicfile.Write(w.path, w.copyTo)
	}
	w.err = errors.Join(w.err, os.RemoveAll(w.folder))
	w.folder = ""
	return w.err
}

func (w *Writer) copyTo(to io.Writer) error {
	f, err := os.Open(w.temporary())
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(to, f)
	return err
}
