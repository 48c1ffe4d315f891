package fits

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/goastroml/goastroml/astroml"
)

// maxUnpacked is the largest file that is unpacked into memory, in bytes.
const maxUnpacked = 1 << 30

// isGzip tells whether r begins as files of gzip do (RFC 1952, section 2.3.1).
func isGzip(r io.ReaderAt, size int64) (bool, error) {
	var b [2]byte
	if size < int64(len(b)) {
		return false, nil
	}
	if _, err := r.ReadAt(b[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return b == [2]byte{0x1f, 0x8b}, nil
}

// memory is an unpacked file, in pieces of bufBytes: a slice that grows would
// take twice the memory.
type memory struct {
	pieces [][]byte
	size   int64
}

// gunzip unpacks r, up to limit bytes.
func gunzip(r io.Reader, limit int64) (*memory, error) {
	z, err := gzip.NewReader(bufio.NewReaderSize(r, bufBytes))
	if err != nil {
		return nil, fmt.Errorf("gzip: %w: %w", err, astroml.ErrFormat)
	}
	m := &memory{}
	for {
		if m.size == int64(len(m.pieces))*bufBytes {
			if m.size >= limit {
				return nil, fmt.Errorf("%d bytes or more when unpacked; unpack it with gunzip: %w", limit, astroml.ErrFormat)
			}
			m.pieces = append(m.pieces, make([]byte, bufBytes))
		}
		n, err := z.Read(m.pieces[len(m.pieces)-1][m.size%bufBytes:])
		m.size += int64(n)
		switch {
		case err == io.EOF:
			return m, nil
		case err != nil:
			return nil, fmt.Errorf("gzip: %w: %w", err, astroml.ErrFormat)
		}
	}
}

// ReadAt reads as io.ReaderAt does.
func (m *memory) ReadAt(b []byte, at int64) (n int, err error) {
	if at < 0 {
		return 0, errors.New("negative offset")
	}
	for n < len(b) && at < m.size {
		piece := m.pieces[at/bufBytes]
		piece = piece[:min(int64(len(piece)), m.size-at/bufBytes*bufBytes)]
		k := copy(b[n:], piece[at%bufBytes:])
		n, at = n+k, at+int64(k)
	}
	if n < len(b) {
		err = io.EOF
	}
	return n, err
}
