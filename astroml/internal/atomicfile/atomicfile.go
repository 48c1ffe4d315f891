// Package atomicfile writes files whole or not at all.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Write makes the file at path hold what write writes. It writes a temporary
// file in the same folder, syncs it and renames it: whoever reads path sees
// the old file or the new one, and after an error the old one, with nothing
// left beside it. A symbolic link is followed, and a file that is there keeps
// its permissions. Devices, pipes and folders are refused.
//
// Failures of the file system are *fs.PathError with the path as given; errors
// of write come back as they are.
func Write(path string, write func(io.Writer) error) (err error) {
	target, mode, err := resolve(path)
	if err != nil {
		return blame(path, err)
	}
	f, err := create(target)
	if err != nil {
		return blame(path, err)
	}
	defer func() {
		if err != nil {
			// The first error is the one to report.
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if mode != 0 {
		if err := f.Chmod(mode); err != nil {
			return blame(path, err)
		}
	}
	w := bufio.NewWriterSize(f, 1<<16)
	if err := write(w); err != nil {
		return blame(path, err)
	}
	if err := w.Flush(); err != nil {
		return blame(path, err)
	}
	// Without Sync a full disk or a lost server may show only after the rename.
	if err := f.Sync(); err != nil {
		return blame(path, err)
	}
	if err := f.Close(); err != nil {
		return blame(path, err)
	}
	if err := os.Rename(f.Name(), target); err != nil {
		return blame(path, err)
	}
	syncFolder(filepath.Dir(target))
	return nil
}

// resolve follows symbolic links and returns the permissions of the file that
// is there, 0 if there is none.
func resolve(path string) (target string, mode fs.FileMode, err error) {
	target, err = filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, 0, nil
	}
	if err != nil {
		return "", 0, err
	}
	info, err := os.Stat(target)
	if err != nil {
		return "", 0, err
	}
	if !info.Mode().IsRegular() {
		err := fmt.Errorf("is a %s, want a regular file", kind(info.Mode()))
		return "", 0, &fs.PathError{Op: "write", Path: path, Err: err}
	}
	return target, info.Mode().Perm(), nil
}

func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "folder"
	case m&fs.ModeNamedPipe != 0:
		return "pipe"
	case m&fs.ModeSocket != 0:
		return "socket"
	}
	return "device"
}

// create makes a new file beside target. Unlike os.CreateTemp it leaves the
// permissions to the user's umask.
func create(target string) (*os.File, error) {
	dir, base := filepath.Split(target)
	if len(base) > 200 {
		base = base[:200] // most file systems end at 255 bytes
	}
	for i := 0; ; i++ {
		name := fmt.Sprintf("%s.%s.%d-%d.tmp", dir, base, os.Getpid(), i)
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) || i == 1000 {
			return f, err
		}
	}
}

// syncFolder makes the rename itself durable. Some file systems cannot, and
// the file is whole either way, so errors do not count.
func syncFolder(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}

// blame names the user's path in place of the temporary file's. Errors that are
// not of the file system stay as they are.
func blame(path string, err error) error {
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		err = pe.Err
	case errors.As(err, &le):
		err = le.Err
	default:
		return err
	}
	return &fs.PathError{Op: "write", Path: path, Err: err}
}
