package model

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math"
	"slices"

	"github.com/goastroml/goastroml/astroml"
)

// Digest returns the SHA-256 of the arrays' numbers, one array after the other,
// in hexadecimal. It is what
//
//	hashlib.sha256(b"".join(a.astype("<f4").tobytes() for a in arrays)).hexdigest()
//
// gives in Python. Shapes do not enter it.
func Digest(arrays ...astroml.Array) string {
	var h Hash
	for _, a := range arrays {
		h.Float32s(a.Data)
	}
	return h.String()
}

// Hash is a running SHA-256 of little-endian numbers, for data that come in
// pieces. Where the pieces end does not matter. The zero value is ready.
type Hash struct {
	sum hash.Hash
	buf []byte
}

// Float32s adds numbers of four bytes each.
func (h *Hash) Float32s(x []float32) {
	for part := range slices.Chunk(x, 1<<13) {
		h.add(appendFloat32s(h.buf[:0], part))
	}
}

// Float64s adds numbers of eight bytes each.
func (h *Hash) Float64s(x []float64) {
	for part := range slices.Chunk(x, 1<<12) {
		b := h.buf[:0]
		for _, v := range part {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
		h.add(b)
	}
}

// Ints adds integers of eight bytes each.
func (h *Hash) Ints(x []int) {
	for part := range slices.Chunk(x, 1<<12) {
		b := h.buf[:0]
		for _, v := range part {
			b = binary.LittleEndian.AppendUint64(b, uint64(v))
		}
		h.add(b)
	}
}

func (h *Hash) add(b []byte) {
	if h.sum == nil {
		h.sum = sha256.New()
	}
	h.sum.Write(b)
	h.buf = b
}

// String returns the sum so far in hexadecimal.
func (h *Hash) String() string {
	if h.sum == nil {
		h.add(nil)
	}
	return hex.EncodeToString(h.sum.Sum(nil))
}
