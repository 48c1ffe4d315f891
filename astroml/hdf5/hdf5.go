//go:build cgo

// Package hdf5 reads arrays of numbers and attributes from HDF5 files, and
// writes simple ones. It is built on libhdf5 and gonum.org/v1/hdf5, and needs
// cgo; without cgo there is no such package.
//
// Types, extents and memory are checked before anything is read: a file that is
// cut short, holds other things than was hoped, or claims to be larger than it
// is gives an error. What lies inside is parsed by libhdf5, which trusts some of
// it: a damaged file crashes the process in rare cases, above all where it has
// strings of variable length or booleans, and one that was made to harm will.
//
// Files may be used by several goroutines; their calls take turns, here and in
// all other files, because libhdf5 is one thing for all. A program that calls
// gonum.org/v1/hdf5 as well must not do so at the same time.
package hdf5

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	lib "gonum.org/v1/hdf5"

	"github.com/goastroml/goastroml/astroml"
)

// File is a file that is open for reading. Names of datasets and groups are
// paths such as "Subhalo/SubhaloMass"; "/" is the root.
//
// The first error stays: after it nothing is read any more, calls return
// nothing, and Err and Close return it. So several datasets can be read in turn
// and checked once.
type File struct {
	path string
	size int64
	file *lib.File
	sets map[string]*lib.Dataset // those that have been read; they keep chunks in memory
	err  error
}

// Open opens a file for reading. A file that cannot be opened is a
// *fs.PathError; one that is no HDF5 file, or is cut short, is
// astroml.ErrFormat.
func Open(path string) (*File, error) {
	size, err := readable(path)
	if err != nil {
		return nil, err
	}
	f := &File{path: path, size: size, sets: make(map[string]*lib.Dataset)}
	inLibrary(func() {
		if f.file, err = lib.OpenFile(path, lib.F_ACC_RDONLY); err != nil {
			err = explain()
		}
	})
	if err != nil {
		return nil, f.locate(err)
	}
	return f, nil
}

// readable returns the size of a regular file that can be opened.
func readable(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its writer
		return 0, &fs.PathError{Op: "read", Path: path, Err: errors.New("is no regular file")}
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// locate names the file in an error, and says that it is the file's fault if it
// was the library that failed.
func (f *File) locate(err error) error {
	var l libraryError
	if errors.As(err, &l) {
		return fmt.Errorf("hdf5: %s: %w: %w", f.path, err, astroml.ErrFormat)
	}
	return fmt.Errorf("hdf5: %s: %w", f.path, err)
}

// do runs g in the library unless an error came before, and keeps its error.
// What says what it is about: a dataset, a group, an attribute.
func (f *File) do(what string, names []string, g func() error) {
	inLibrary(func() {
		if f.err != nil {
			return
		}
		if f.file == nil {
			f.err = &fs.PathError{Op: "read", Path: f.path, Err: fs.ErrClosed}
			return
		}
		err := checkNames(names)
		if err == nil {
			err = g()
		}
		if err != nil {
			f.err = f.locate(fmt.Errorf("%s: %w", what, err))
		}
	})
}

// checkNames refuses names that C would cut short or does not accept.
func checkNames(names []string) error {
	for _, s := range names {
		if s == "" || strings.Contains(s, "\x00") {
			return fmt.Errorf("no name: %w", astroml.ErrFormat)
		}
	}
	return nil
}

// Err returns the first error of what was read, nil so far if there is none.
func (f *File) Err() (err error) {
	inLibrary(func() { err = f.err })
	return err
}

// Close closes the file and returns the first error of what was read. Closing
// again returns the same.
func (f *File) Close() (err error) {
	inLibrary(func() {
		for _, set := range f.sets {
			set.Close()
		}
		f.sets = nil
		if f.file != nil {
			if f.file.Close() != nil && f.err == nil {
				f.err = f.locate(explain())
			}
			f.file = nil
		}
		err = f.err
	})
	return err
}

// Names returns what a group holds, datasets and groups alike, sorted.
func (f *File) Names(group string) (names []string) {
	f.do("group "+group, []string{group}, func() error {
		g, err := f.file.OpenGroup(group)
		if err != nil {
			return explain()
		}
		defer g.Close()
		n, err := g.NumObjects()
		if err != nil {
			return explain()
		}
		all := []string{}
		for i := range n {
			name, err := g.ObjectNameByIndex(i)
			if err != nil {
				return explain()
			}
			all = append(all, name)
		}
		names = all
		return nil
	})
	return names
}

// Shape returns the lengths of the axes of a dataset of numbers, none for a
// scalar.
func (f *File) Shape(dataset string) (shape []int) {
	f.do("dataset "+dataset, []string{dataset}, func() error {
		set, err := f.set(dataset)
		if err != nil {
			return err
		}
		a, err := rows{set: set}.describe()
		if err == nil {
			shape = a.shape
		}
		return err
	})
	return shape
}

// set opens a dataset, which stays open until Close.
func (f *File) set(name string) (*lib.Dataset, error) {
	if set := f.sets[name]; set != nil {
		return set, nil
	}
	set, err := f.file.OpenDataset(name)
	if err != nil {
		return nil, explain()
	}
	f.sets[name] = set
	return set, nil
}
