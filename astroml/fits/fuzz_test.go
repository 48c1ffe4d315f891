package fits_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/goastroml/goastroml/astroml/fits"
)

// FuzzRead opens any bytes and reads all that they claim to hold. It must not
// panic, and must not take memory that the bytes do not account for.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"table.fits", "spec-55859-F5902_sp01-001.fits.gz"} {
		b, err := os.ReadFile(testdata + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	images := unpacked(f, "images.fits.gz")
	file, err := fits.Read(bytes.NewReader(images), int64(len(images)), "seed")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(images)
	f.Add(images[:2880*3])
	// A file of one compressed image each, so that a mutation is felt.
	starts := []int{}
	for i := 0; i < len(images); i += 2880 {
		if bytes.HasPrefix(images[i:], []byte("XTENSION=")) {
			starts = append(starts, i)
		}
	}
	if len(starts) != len(file.HDUs)-1 {
		f.Fatalf("%d extensions, want %d", len(starts), len(file.HDUs)-1)
	}
	for i, at := range starts {
		end := len(images)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		f.Add(append([]byte(header("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0")), images[at:end]...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := fits.Read(bytes.NewReader(b), int64(len(b)), "fuzz")
		if err != nil {
			return
		}
		for _, h := range file.HDUs {
			if n, err := h.Pixels(); err == nil && n < 1<<22 {
				if a, err := h.Read(); err == nil && len(a.Data) != n {
					t.Errorf("%d pixels, want %d", len(a.Data), n)
				}
			}
			for _, c := range h.Columns {
				if v, err := c.Float64s(0, h.Rows); err == nil && len(v) > 8*len(b)*1032 {
					t.Errorf("%d values from %d bytes", len(v), len(b))
				}
				c.Int64s(0, h.Rows)
				c.Strings(0, h.Rows)
			}
		}
	})
}
