//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package npy

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// mmap maps the first n bytes of a file.
func mmap(f *os.File, n int) ([]byte, error) {
	memory, err := syscall.Mmap(int(f.Fd()), 0, n, syscall.PROT_READ, syscall.MAP_SHARED)
	switch err {
	case nil:
		return memory, nil
	case syscall.ENODEV: // a file system that cannot map
		return nil, errors.ErrUnsupported
	}
	return nil, &fs.PathError{Op: "mmap", Path: f.Name(), Err: err}
}

func munmap(memory []byte) error {
	return os.NewSyscallError("munmap", syscall.Munmap(memory))
}
