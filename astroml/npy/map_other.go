//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package npy

import (
	"errors"
	"os"
)

func mmap(*os.File, int) ([]byte, error) { return nil, errors.ErrUnsupported }

func munmap([]byte) error { return nil }
