package model

import (
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goastroml/goastroml/astroml"
)

// raw returns a file with this header and so many bytes of data.
func raw(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

const ours = `{"__metadata__":{"goastroml":"0.1.0","format":"1","kind":"test","config":"{}"}`

func TestDecodeHostile(t *testing.T) {
	f32 := func(shape, offsets string) string {
		return `{"a":{"dtype":"F32","shape":` + shape + `,"data_offsets":` + offsets + `}}`
	}
	two := func(first, second string) string {
		return `{"a":{"dtype":"F32","shape":[1],"data_offsets":` + first + `},"b":{"dtype":"F32","shape":[1],"data_offsets":` + second + `}}`
	}
	tests := []struct {
		name, why string
		file      []byte
		is        error
	}{
		{"empty object", "no arrays, no metadata: a file, if a dull one", raw(`{}`, 0), nil},
		{"padded", "spaces may follow the header", raw(f32(`[1]`, `[0,4]`)+"   ", 4), nil},
		{"any order", "the data decide the order, not the names", raw(two(`[4,8]`, `[0,4]`), 8), nil},
		{"empty arrays", "they may share a place", raw(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"b":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, 0), nil},

		{"empty file", "not even a length", nil, astroml.ErrFormat},
		{"html", "a download that failed", []byte("<!DOCTYPE html><html><head>"), astroml.ErrFormat},
		{"huge header", "2⁶⁴−1 bytes must not be allocated", append(slices.Repeat([]byte{0xff}, 8), '{', '}'), astroml.ErrFormat},
		{"long header", "longer than the file", append([]byte{100, 0, 0, 0, 0, 0, 0, 0}, '{', '}'), astroml.ErrFormat},
		{"no header", "no object", raw(``, 0), astroml.ErrFormat},
		{"array", "no object", raw(`[]`, 0), astroml.ErrFormat},
		{"space first", "the format forbids it", raw(` {}`, 0), astroml.ErrFormat},
		{"two objects", "which of them holds?", raw(`{}{}`, 0), astroml.ErrFormat},
		{"no end", "JSON that stops", raw(`{"a":{"dtype":"F32"`, 0), astroml.ErrFormat},
		{"not utf-8", "encoding/json would replace the bytes", raw("{\"\xff\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0), astroml.ErrFormat},
		{"deep", "a million brackets must not eat the stack", raw(`{"a":`+strings.Repeat("[", 1<<20), 0), astroml.ErrFormat},
		{"deep shape", "a million brackets must not eat the stack", raw(`{"a":{"shape":`+strings.Repeat("[", 1<<20), 0), astroml.ErrFormat},
		{"twice", "which of them holds?", raw(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), astroml.ErrFormat},
		{"twice, escaped", "A is A", raw(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\u0061":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), astroml.ErrFormat},
		{"property twice", "which of them holds?", raw(`{"a":{"dtype":"F32","shape":[1],"shape":[2],"data_offsets":[0,8]}}`, 8), astroml.ErrFormat},
		{"metadata twice", "which of them holds?", raw(`{"__metadata__":{"a":"1","a":"2"}}`, 0), astroml.ErrFormat},
		{"metadata number", "texts only", raw(`{"__metadata__":{"a":1}}`, 0), astroml.ErrFormat},
		{"other case", "encoding/json would take it", raw(`{"a":{"DTYPE":"F32","shape":[1],"data_offsets":[0,4]}}`, 4), astroml.ErrFormat},
		{"unknown property", "we do not know what it changes", raw(`{"a":{"dtype":"F32","order":"F","shape":[1],"data_offsets":[0,4]}}`, 4), astroml.ErrFormat},
		{"no dtype", "incomplete", raw(`{"a":{"shape":[1],"data_offsets":[0,4]}}`, 4), astroml.ErrFormat},
		{"no shape", "incomplete", raw(`{"a":{"dtype":"F32","data_offsets":[0,4]}}`, 4), astroml.ErrFormat},
		{"no offsets", "incomplete", raw(`{"a":{"dtype":"F32","shape":[0]}}`, 0), astroml.ErrFormat},
		{"other type", "a type we do not read", raw(`{"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}}`, 4), astroml.ErrFormat},

		{"shape negative", "a length below zero", raw(f32(`[-1]`, `[0,4]`), 4), astroml.ErrFormat},
		{"shape minus zero", "no canonical integer", raw(f32(`[-0]`, `[0,0]`), 0), astroml.ErrFormat},
		{"shape fraction", "no integer", raw(f32(`[1.0]`, `[0,4]`), 4), astroml.ErrFormat},
		{"shape exponent", "no canonical integer", raw(f32(`[1e0]`, `[0,4]`), 4), astroml.ErrFormat},
		{"shape text", "no integer", raw(f32(`["1"]`, `[0,4]`), 4), astroml.ErrFormat},
		{"shape overflow", "2³²·2³² wraps to 0", raw(f32(`[4294967296,4294967296]`, `[0,0]`), 0), astroml.ErrFormat},
		{"shape bytes", "2⁶² numbers of 4 bytes wrap to 0", raw(f32(`[4611686018427387904]`, `[0,0]`), 0), astroml.ErrFormat},
		{"shape zero", "2⁶²·4·0: another order of factors overflows", raw(f32(`[0,4611686018427387904,4]`, `[0,0]`), 0), astroml.ErrFormat},
		{"shape 2⁶⁴", "no int64", raw(f32(`[18446744073709551616]`, `[0,0]`), 0), astroml.ErrFormat},
		{"rank", "33 axes", raw(f32(`[1`+strings.Repeat(`,1`, 32)+`]`, `[0,4]`), 4), astroml.ErrFormat},
		{"shape long", "a terabyte that is not there", raw(f32(`[274877906944]`, `[0,1099511627776]`), 4), astroml.ErrFormat},
		{"shape and bytes", "they disagree", raw(f32(`[2]`, `[0,4]`), 4), astroml.ErrFormat},

		{"offsets backwards", "end before begin", raw(f32(`[1]`, `[4,0]`), 4), astroml.ErrFormat},
		{"offsets negative", "before the data", raw(f32(`[1]`, `[-4,0]`), 4), astroml.ErrFormat},
		{"one offset", "begin only", raw(f32(`[0]`, `[0]`), 0), astroml.ErrFormat},
		{"three offsets", "one too many", raw(f32(`[1]`, `[0,4,8]`), 8), astroml.ErrFormat},
		{"beyond the end", "the last byte is missing", raw(f32(`[1]`, `[0,4]`), 3), astroml.ErrFormat},
		{"more data", "what is it?", raw(f32(`[1]`, `[0,4]`), 5), astroml.ErrFormat},
		{"hole", "bytes that no array owns", raw(two(`[0,4]`, `[8,12]`), 12), astroml.ErrFormat},
		{"hole first", "bytes that no array owns", raw(f32(`[1]`, `[4,8]`), 8), astroml.ErrFormat},
		{"overlap", "two arrays in one place", raw(two(`[0,4]`, `[2,6]`), 6), astroml.ErrFormat},
		{"same place", "two arrays in one place", raw(two(`[0,4]`, `[0,4]`), 4), astroml.ErrFormat},

		{"newer", "a later library wrote it", raw(`{"__metadata__":{"goastroml":"9.0.0","format":"2","kind":"test","config":"{}"}}`, 0), astroml.ErrVersion},
		{"no format", "ours, but which version?", raw(`{"__metadata__":{"goastroml":"0.1.0","kind":"test","config":"{}"}}`, 0), astroml.ErrFormat},
		{"format 0", "there was none", raw(`{"__metadata__":{"goastroml":"0.1.0","format":"0","kind":"test","config":"{}"}}`, 0), astroml.ErrFormat},
		{"no kind", "ours, but what?", raw(`{"__metadata__":{"goastroml":"0.1.0","format":"1","config":"{}"}}`, 0), astroml.ErrFormat},
		{"no config", "empty text is no JSON", raw(`{"__metadata__":{"goastroml":"0.1.0","format":"1","kind":"test"}}`, 0), astroml.ErrFormat},
		{"bad config", "no JSON", raw(`{"__metadata__":{"goastroml":"0.1.0","format":"1","kind":"test","config":"{"}}`, 0), astroml.ErrFormat},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := decode(test.file); !errors.Is(err, test.is) {
				t.Errorf("%s: got %v, want %v", test.why, err, test.is)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(f, example()))
	f.Add(raw(ours+`}`, 0))
	f.Add(raw(ours+`,"a":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]}}`, 4))
	paths, _ := filepath.Glob(filepath.Join("..", "..", "testdata", "model", "*.safetensors"))
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decode(b)
		if err != nil {
			if !errors.Is(err, astroml.ErrFormat) && !errors.Is(err, astroml.ErrVersion) {
				t.Fatalf("got %v, want ErrFormat or ErrVersion", err)
			}
			return
		}
		n := 0
		for name, a := range m.Arrays {
			if c, err := count(a.Shape); err != nil || c != len(a.Data) {
				t.Fatalf("array %q has shape %v and %d numbers", name, a.Shape, len(a.Data))
			}
			n += len(a.Data)
		}
		if 2*n > len(b) {
			t.Fatalf("%d numbers from %d bytes", n, len(b))
		}
		if m.Kind == "" || m.Arrays[""].Data != nil {
			return
		}
		if _, nameless := m.Arrays[""]; nameless {
			return // Write refuses them
		}
		again, err := decode(encode(t, m))
		if err != nil {
			t.Fatalf("what Decode read, Encode wrote badly: %v", err)
		}
		if again.Kind != m.Kind || len(again.Arrays) != len(m.Arrays) || !maps.Equal(again.Meta, m.Meta) {
			t.Fatalf("got %v, want %v", again, m)
		}
	})
}
