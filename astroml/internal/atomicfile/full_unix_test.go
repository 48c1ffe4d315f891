//go:build linux || darwin || freebsd

package atomicfile_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/goastroml/goastroml/astroml/internal/atomicfile"
)

// TestWriteFull lets the operating system refuse bytes. A process of its own
// does it, since the limit is the process's.
func TestWriteFull(t *testing.T) {
	const limit = 1 << 16
	if dir := os.Getenv("ATOMICFILE_FULL"); dir != "" {
		signal.Ignore(syscall.SIGXFSZ) // then write answers EFBIG, as a full disk answers ENOSPC
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			t.Skip(err)
		}
		err := atomicfile.Write(filepath.Join(dir, "a"), func(w io.Writer) error {
			_, err := w.Write(bytes.Repeat([]byte("x"), 4*limit))
			return err
		})
		var pe *fs.PathError
		if !errors.As(err, &pe) || !errors.Is(err, syscall.EFBIG) || filepath.Base(pe.Path) != "a" {
			t.Errorf("got %v, want a PathError with EFBIG and the user's path", err)
		}
		return
	}
	dir := t.TempDir()
	if err := atomicfile.Write(filepath.Join(dir, "a"), text("old")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestWriteFull$")
	cmd.Env = append(os.Environ(), "ATOMICFILE_FULL="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want(t, dir, map[string]string{"a": "old"})
}
