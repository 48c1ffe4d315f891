package fits

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/goastroml/goastroml/astroml"
)

func pack(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestGunzip unpacks around the borders of the pieces that memory is made of.
func TestGunzip(t *testing.T) {
	for _, n := range []int{0, 1, bufBytes - 1, bufBytes, bufBytes + 1, 3*bufBytes - 1} {
		want := make([]byte, n)
		for i := range want {
			want[i] = byte(i * 7 >> 3)
		}
		m, err := gunzip(bytes.NewReader(pack(t, want)), 3*bufBytes)
		if err != nil || m.size != int64(n) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		got, err := io.ReadAll(io.NewSectionReader(m, 0, m.size))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %d came back, %v", n, len(got), err)
		}
		if k, err := m.ReadAt(make([]byte, 4), int64(n)-2); n >= 2 && (k != 2 || err != io.EOF) {
			t.Errorf("%d bytes: %d read at the end, %v, want 2 and EOF", n, k, err)
		}
	}
}

func TestGunzipErrors(t *testing.T) {
	whole := pack(t, bytes.Repeat([]byte{1, 2, 3, 4}, bufBytes))
	damaged := bytes.Clone(whole)
	damaged[len(damaged)-6] ^= 1 // the checksum
	for name, test := range map[string]struct {
		file []byte
		why  string
	}{
		"too large":  {whole, "3145728 bytes or more when unpacked"},
		"truncated":  {whole[:len(whole)/2], "EOF"},
		"checksum":   {damaged, "checksum"},
		"only magic": {whole[:2], "EOF"},
	} {
		limit := int64(3 * bufBytes)
		if name == "checksum" {
			limit = maxUnpacked
		}
		_, err := gunzip(bytes.NewReader(test.file), limit)
		if !errors.Is(err, astroml.ErrFormat) || !strings.Contains(err.Error(), test.why) {
			t.Errorf("%s: error %v, want ErrFormat and %q", name, err, test.why)
		}
	}
}
