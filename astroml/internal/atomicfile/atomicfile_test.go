package atomicfile_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goastroml/goastroml/astroml/internal/atomicfile"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// want checks that the folder holds these files and nothing else.
func want(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, ok := files[e.Name()]; !ok {
			t.Errorf("%s was left behind", e.Name())
		}
	}
	for name, s := range files {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(got) != s {
			t.Errorf("%s holds %q (%v), want %q", name, got, err, s)
		}
	}
}

func TestWriteReplaces(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	for _, s := range []string{"old, and longer", "new"} {
		if err := atomicfile.Write(path, text(s)); err != nil {
			t.Fatal(err)
		}
		want(t, dir, map[string]string{"a": s})
	}
}

func TestWriteKeepsPermissionsAndLinks(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "a"), filepath.Join(dir, "link")
	if err := os.WriteFile(path, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	if err := atomicfile.Write(link, text("new")); err != nil {
		t.Fatal(err)
	}
	want(t, dir, map[string]string{"a": "new", "link": "new"})
	if info, err := os.Lstat(path); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v (%v), want 0640", info.Mode(), err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link became %v (%v)", info.Mode(), err)
	}
}

func TestWriteFails(t *testing.T) {
	full := errors.New("no space left")
	tests := []struct {
		name, why string
		write     func(io.Writer) error
	}{
		{"at once", "nothing has been written", func(io.Writer) error { return full }},
		{"late", "a part is on the disk already", func(w io.Writer) error {
			w.Write(bytes.Repeat([]byte("x"), 1<<20))
			return full
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "a")
			if err := atomicfile.Write(path, test.write); err != full {
				t.Errorf("%s: got %v, want the writer's own error", test.why, err)
			}
			want(t, dir, nil)
			if err := atomicfile.Write(path, text("old")); err != nil {
				t.Fatal(err)
			}
			if err := atomicfile.Write(path, test.write); err != full {
				t.Errorf("%s: got %v, want the writer's own error", test.why, err)
			}
			want(t, dir, map[string]string{"a": "old"})
		})
	}
}

func TestWriteRefuses(t *testing.T) {
	dir := t.TempDir()
	tests := []struct {
		name, path, why string
		is              error
	}{
		{"no folder", filepath.Join(dir, "none", "a"), "the folder is the user's to make", fs.ErrNotExist},
		{"folder", dir, "a rename would fail late", nil},
		{"device", os.DevNull, "root's rename would replace it", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := atomicfile.Write(test.path, text("x"))
			var pe *fs.PathError
			if !errors.As(err, &pe) || pe.Path != test.path {
				t.Fatalf("%s: got %v, want a PathError with the path", test.why, err)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("got %v, want %v", err, test.is)
			}
			if strings.Contains(err.Error(), ".tmp") {
				t.Errorf("the error names the temporary file: %v", err)
			}
		})
	}
	want(t, dir, nil)
}
