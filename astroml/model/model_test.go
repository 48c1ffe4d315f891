package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/goastroml/goastroml/astroml"
)

func array(shape []int, data ...float32) astroml.Array {
	return astroml.Array{Shape: shape, Data: data}
}

// example has what is easy to get wrong: a scalar, an empty array, names and
// texts that JSON must escape, and numbers that are no numbers.
func example() *File {
	return &File{
		Kind:   "test",
		Config: json.RawMessage(`{"seed":7,"classes":["STAR","QSO"]}`),
		Meta:   map[string]string{"data": "a \"digest\"\nof <two> lines", "": "no name"},
		Arrays: map[string]astroml.Array{
			"trunk.0.weight": array([]int{2, 1, 2}, 1, 2, 3, 4),
			"trunk.0.bias":   array([]int{2}, float32(math.Inf(1)), float32(math.Copysign(0, -1))),
			"échelle":        array([]int{}, 2.5),
			"none":           array([]int{0, 7}),
			`<"\`:            array([]int{1}, math.MaxFloat32),
		},
		Library: astroml.Version,
	}
}

func encode(t testing.TB, m *File) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := m.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decode(b []byte) (*File, error) { return Decode(bytes.NewReader(b), int64(len(b))) }

func TestWriteRead(t *testing.T) {
	m := example()
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := m.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range got.Arrays {
		if len(a.Data) == 0 {
			a.Data = nil // an empty array may come back as nil or not
			got.Arrays[name] = a
		}
	}
	if !reflect.DeepEqual(got, m) {
		t.Errorf("got %+v\nwant %+v", got, m)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, encode(t, m)) || !bytes.Equal(b, encode(t, got)) {
		t.Error("the same model gave other bytes")
	}
	if n := binary.LittleEndian.Uint64(b); n%8 != 0 {
		t.Errorf("the data start at %d, want a multiple of 8", 8+n)
	}
}

// TestReference reads files of the safetensors package for Python; see
// testdata/model/README.md.
func TestReference(t *testing.T) {
	dir := filepath.Join("..", "..", "testdata", "model")
	m, err := Read(filepath.Join(dir, "reference.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if m.Kind != "test" || m.Library != "0.1.0" || string(m.Config) != `{"seed":7,"classes":["STAR","QSO"]}` {
		t.Errorf("got kind %q, library %q, config %s", m.Kind, m.Library, m.Config)
	}
	if want := map[string]string{"data": "a \"digest\"\nof <two> lines"}; !maps.Equal(m.Meta, want) {
		t.Errorf("got metadata %q, want %q", m.Meta, want)
	}
	weight, err := m.Array("trunk.0.weight", 2, -1, 4)
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range weight.Data {
		if want := float32(i)/8 - 1; got != want {
			t.Errorf("trunk.0.weight[%d] is %g, want %g", i, got, want)
		}
	}
	bias := m.Arrays["trunk.0.bias"].Data
	if bias[0] != 0.1 || !math.Signbit(float64(bias[1])) || !math.IsInf(float64(bias[2]), 1) || bias[3] == bias[3] {
		t.Errorf("trunk.0.bias is %v, want [0.1 -0 +Inf NaN]", bias)
	}
	if a := m.Arrays["échelle"]; len(a.Shape) != 0 || len(a.Data) != 1 || a.Data[0] != 2.5 {
		t.Errorf("échelle is %v, want the scalar 2.5", a)
	}
	if a := m.Arrays["none"]; !reflect.DeepEqual(a.Shape, []int{0, 7}) || len(a.Data) != 0 {
		t.Errorf("none is %v, want shape [0 7]", a)
	}

	m, err = Read(filepath.Join(dir, "foreign.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if m.Kind != "" || m.Meta["format"] != "pt" {
		t.Errorf("a foreign file has kind %q and metadata %q", m.Kind, m.Meta)
	}
	want := map[string]astroml.Array{
		"f32":  array([]int{4}, -1, -0.875, -0.75, -0.625),
		"f64":  array([]int{2, 2}, -1, -0.875, -0.75, -0.625),
		"f16":  array([]int{4}, -1, 65504, 0x1p-24, float32(math.Inf(1))),
		"bf16": array([]int{4}, -1, -0.875, -0.75, -0.625),
	}
	if !reflect.DeepEqual(m.Arrays, want) {
		t.Errorf("got %v, want %v", m.Arrays, want)
	}

	if _, err = Read(filepath.Join(dir, "integers.safetensors")); !errors.Is(err, astroml.ErrFormat) || !strings.Contains(err.Error(), "I64") {
		t.Errorf("integers: got %v, want ErrFormat with the type", err)
	}
}

// TestHalf compares every finite binary16 with its definition, sign × 2^(exp−25)
// × (1024 + frac).
func TestHalf(t *testing.T) {
	for h := range 1 << 16 {
		exp, frac := h>>10&0x1f, h&0x3ff
		if exp == 0x1f {
			continue
		}
		want := math.Ldexp(float64(frac), -24)
		if exp > 0 {
			want = math.Ldexp(float64(1024+frac), exp-25)
		}
		if h>>15 == 1 {
			want = -want
		}
		if got := half(uint16(h)); float64(got) != want {
			t.Fatalf("half(%#04x) = %g, want %g", h, got, want)
		}
	}
	if !math.IsInf(float64(half(0xfc00)), -1) || !math.IsNaN(float64(half(0x7e00))) {
		t.Errorf("0xfc00 is %g, 0x7e00 is %g, want -Inf and NaN", half(0xfc00), half(0x7e00))
	}
}

func TestArray(t *testing.T) {
	m := example()
	tests := []struct {
		name  string
		shape []int
		is    error
		why   string
	}{
		{"trunk.0.weight", []int{2, 1, 2}, nil, "as stored"},
		{"trunk.0.weight", []int{2, -1, 2}, nil, "one length left open"},
		{"trunk.0.weight", []int{2, 2}, astroml.ErrShape, "another rank"},
		{"trunk.0.weight", []int{2, 2, 1}, astroml.ErrShape, "other lengths"},
		{"trunk.1.weight", []int{2}, astroml.ErrFormat, "not there"},
	}
	for _, test := range tests {
		if _, err := m.Array(test.name, test.shape...); !errors.Is(err, test.is) {
			t.Errorf("%s (%s): got %v, want %v", test.name, test.why, err, test.is)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	tests := []struct {
		name, why string
		change    func(*File)
		is        error
	}{
		{"no kind", "Load could not know it", func(m *File) { m.Kind = "" }, nil},
		{"config", "no JSON", func(m *File) { m.Config = json.RawMessage(`{"seed":`) }, nil},
		{"taken", "a name of our own", func(m *File) { m.Meta["kind"] = "other" }, nil},
		{"utf-8 text", "safetensors wants UTF-8", func(m *File) { m.Meta["x"] = "\xff" }, nil},
		{"utf-8 name", "safetensors wants UTF-8", func(m *File) { m.Arrays["\xff"] = array([]int{0}) }, nil},
		{"empty name", "nothing to ask for", func(m *File) { m.Arrays[""] = array([]int{0}) }, nil},
		{"metadata", "the format's own name", func(m *File) { m.Arrays["__metadata__"] = array([]int{0}) }, nil},
		{"too few", "fewer numbers than the shape wants", func(m *File) { m.Arrays["a"] = array([]int{2}, 1) }, astroml.ErrShape},
		{"too many", "more numbers than the shape wants", func(m *File) { m.Arrays["a"] = array([]int{}, 1, 2) }, astroml.ErrShape},
		{"negative", "(-1)·(-1) is 1", func(m *File) { m.Arrays["a"] = array([]int{-1, -1}, 1) }, astroml.ErrShape},
		{"overflow", "2⁶⁴ wraps to 0", func(m *File) { m.Arrays["a"] = array([]int{1 << 32, 1 << 32}) }, astroml.ErrShape},
		{"rank", "Decode would refuse it", func(m *File) { m.Arrays["a"] = array(make([]int, 33)) }, astroml.ErrShape},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := example()
			test.change(m)
			dir := t.TempDir()
			err := m.Write(filepath.Join(dir, "m"))
			if err == nil || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%s: got %v, want an error (%v)", test.why, err, test.is)
			}
			if entries, _ := os.ReadDir(dir); len(entries) > 0 {
				t.Errorf("%s was left behind", entries[0].Name())
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	var pe *fs.PathError
	if _, err := Read(filepath.Join(t.TempDir(), "none")); !errors.As(err, &pe) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: got %v, want a PathError", err)
	}
	if _, err := Read(t.TempDir()); !errors.As(err, &pe) {
		t.Errorf("folder: got %v, want a PathError", err)
	}
}

// TestWriteFull: package atomicfile tests that a failed write leaves the old file
// and nothing beside it; here the failure must reach it.
func TestWriteFull(t *testing.T) {
	m := example()
	if err := m.Encode(full{}); err == nil {
		t.Error("Encode took a full disk for a good one")
	}
	if err := m.Write("/dev/full"); err == nil {
		t.Error("Write replaced a device")
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// TestTruncated cuts a file at every byte.
func TestTruncated(t *testing.T) {
	b := encode(t, example())
	for n := range b {
		if _, err := decode(b[:n]); !errors.Is(err, astroml.ErrFormat) {
			t.Fatalf("cut at %d of %d bytes: got %v, want ErrFormat", n, len(b), err)
		}
		// A file that shrinks between Stat and reading.
		if _, err := Decode(bytes.NewReader(b[:n]), int64(len(b))); !errors.Is(err, astroml.ErrFormat) {
			t.Fatalf("shrunk to %d of %d bytes: got %v, want ErrFormat", n, len(b), err)
		}
	}
}

// TestDigest compares with hashlib as in the comment of Digest.
func TestDigest(t *testing.T) {
	sum := func(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }
	// sha256(np.array([0, 1, -2.5], "<f4").tobytes()), NumPy 2.4.6
	const want = "4356516ed57de986ba8080c557e8856871336d6a17b170fb946df125605466c9"
	if got := Digest(array([]int{3}, 0, 1, -2.5)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := Digest(array([]int{1}, 0), array([]int{2}, 1, -2.5)); got != want {
		t.Errorf("in pieces: got %s, want %s", got, want)
	}
	if got := Digest(); got != sum(nil) {
		t.Errorf("of nothing: got %s, want %s", got, sum(nil))
	}
	long := make([]float32, 100_001)
	var whole []byte
	for i := range long {
		long[i] = float32(i)
		whole = binary.LittleEndian.AppendUint32(whole, math.Float32bits(long[i]))
	}
	if got := Digest(array([]int{len(long)}, long...)); got != sum(whole) {
		t.Errorf("of many: got %s, want %s", got, sum(whole))
	}
	var h Hash
	h.Ints([]int{-1})
	h.Float64s([]float64{1})
	if got, want := h.String(), sum([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\xf0\x3f")); got != want {
		t.Errorf("of other types: got %s, want %s", got, want)
	}
	if h.String() != h.String() {
		t.Error("String changes the sum")
	}
}
