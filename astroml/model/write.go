package model

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/atomicfile"
)

// Write writes the model to a file, whole or not at all: a full disk or a
// crash leaves the file that was there before, and nothing beside it. The same
// model gives the same bytes. What Decode would refuse, Write refuses too.
func (m *File) Write(path string) error {
	// A mistake of the caller's should not cost a temporary file.
	head, names, err := m.header()
	if err != nil {
		return err
	}
	return atomicfile.Write(path, func(w io.Writer) error { return m.encode(w, head, names) })
}

// Encode writes the model to w.
func (m *File) Encode(w io.Writer) error {
	head, names, err := m.header()
	if err != nil {
		return err
	}
	return m.encode(w, head, names)
}

func (m *File) encode(w io.Writer, head []byte, names []string) error {
	if _, err := w.Write(head); err != nil {
		return err
	}
	buf := make([]byte, 0, 1<<16)
	for _, name := range names {
		for part := range slices.Chunk(m.Arrays[name].Data, cap(buf)/4) {
			if _, err := w.Write(appendFloat32s(buf, part)); err != nil {
				return err
			}
		}
	}
	return nil
}

func appendFloat32s(b []byte, x []float32) []byte {
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// header returns all that comes before the data, and the names of the arrays in
// their order.
func (m *File) header() (head []byte, names []string, err error) {
	meta, err := m.metadata()
	if err != nil {
		return nil, nil, err
	}
	var b bytes.Buffer
	b.Write(make([]byte, 8))
	b.WriteString(`{` + quote(metadataKey) + `:{`)
	for i, key := range slices.Sorted(maps.Keys(meta)) {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(key) + `:` + quote(meta[key]))
	}
	b.WriteByte('}')
	var at int64
	names = slices.Sorted(maps.Keys(m.Arrays))
	for _, name := range names {
		a := m.Arrays[name]
		if err := checkArray(name, a); err != nil {
			return nil, nil, err
		}
		shape := []byte{'['}
		for i, n := range a.Shape {
			if i > 0 {
				shape = append(shape, ',')
			}
			shape = strconv.AppendInt(shape, int64(n), 10)
		}
		end := at + 4*int64(len(a.Data))
		fmt.Fprintf(&b, `,%s:{"dtype":"F32","shape":%s],"data_offsets":[%d,%d]}`, quote(name), shape, at, end)
		at = end
	}
	b.WriteByte('}')
	// Spaces align the data to 8 bytes, as other writers of the format do.
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	head = b.Bytes()
	if n := len(head) - 8; n > maxHeader {
		return nil, nil, fmt.Errorf("model: the header takes %d bytes, want at most %d", n, maxHeader)
	}
	binary.LittleEndian.PutUint64(head, uint64(len(head)-8))
	return head, names, nil
}

// metadata returns __metadata__, ours and the caller's.
func (m *File) metadata() (map[string]string, error) {
	config := bytes.NewBufferString("")
	if m.Config == nil {
		config.WriteString("{}")
	} else if err := json.Compact(config, m.Config); err != nil {
		return nil, fmt.Errorf("model: config is no JSON: %w", err)
	}
	meta := map[string]string{
		keyLibrary: astroml.Version,
		keyFormat:  strconv.Itoa(Format),
		keyKind:    m.Kind,
		keyConfig:  config.String(),
	}
	if m.Kind == "" {
		return nil, fmt.Errorf("model: a model needs a kind")
	}
	for key, value := range m.Meta {
		if _, taken := meta[key]; taken {
			return nil, fmt.Errorf("model: the name %q is taken, want another for your provenance", key)
		}
		meta[key] = value
	}
	for key, value := range meta {
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return nil, fmt.Errorf("model: %q: %q is no UTF-8", key, value)
		}
	}
	return meta, nil
}

func checkArray(name string, a astroml.Array) error {
	switch {
	case name == "" || name == metadataKey || !utf8.ValidString(name):
		return fmt.Errorf("model: an array cannot be called %q", name)
	case len(a.Shape) > maxRank:
		return fmt.Errorf("model: array %q has %d axes, want at most %d: %w", name, len(a.Shape), maxRank, astroml.ErrShape)
	case slices.ContainsFunc(a.Shape, func(n int) bool { return n < 0 }):
		return fmt.Errorf("model: array %q has shape %v: %w", name, a.Shape, astroml.ErrShape)
	}
	n, err := count(a.Shape)
	if err != nil {
		return fmt.Errorf("model: array %q: %v: %w", name, err, astroml.ErrShape)
	}
	if n != len(a.Data) {
		return fmt.Errorf("model: array %q holds %d numbers, its shape %v wants %d: %w", name, len(a.Data), a.Shape, n, astroml.ErrShape)
	}
	return nil
}

// quote returns s as JSON. Unlike json.Marshal it leaves <, > and & readable.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(s) // a string cannot fail
	return string(bytes.TrimRight(b.Bytes(), "\n"))
}
