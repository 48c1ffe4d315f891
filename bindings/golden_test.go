package bindings

import (
	"encoding/binary"
	"flag"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"unsafe"
)

var update = flag.Bool("update", false, "write testdata/golden anew")

// The golden numbers: models, data, and what the models say of them, that Go, C
// (ctest/test.c) and Python (tests/test_golden.py, test_moment.py) must all get.
// Files ending in f32, f64, i64, u32 are such numbers, little-endian.
const golden = "../testdata/golden"

// Between instruction sets sums differ by 1e-5; ood is a rank among a hundred
// held-out spectra, where a rounding may jump one step.
const goldenTolerance, goldenRank = 1e-5, 0.02

// at returns the address of a slice's numbers, which the caller keeps alive.
func at[T any](x []T) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(x))) }

func readNumbers[T any](t *testing.T, name string) []T {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(golden, name))
	if err != nil {
		t.Fatal(err)
	}
	var zero T
	x := make([]T, len(b)/int(unsafe.Sizeof(zero)))
	if _, err := binary.Decode(b, binary.LittleEndian, x); err != nil {
		t.Fatal(err)
	}
	return x
}

func writeNumbers(t *testing.T, name string, x any) {
	t.Helper()
	b, err := binary.Append(nil, binary.LittleEndian, x)
	if err == nil {
		err = os.WriteFile(filepath.Join(golden, name), b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// answers are what a classifier says, in the caller's arrays.
type answers struct {
	prob, total, aleatoric, epistemic, ood []float32
	best                                   []int64
	flag                                   []uint32
}

func ask(t *testing.T, c *SpectraClassifier, flux, ivar []float32, wave []float64) answers {
	t.Helper()
	n, k := len(flux)/len(wave), len(c.c.Classes())
	a := answers{make([]float32, n*k), make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n), make([]int64, n), make([]uint32, n)}
	_, err := c.Classify(at(a.prob), at(a.best), at(a.total), at(a.aleatoric), at(a.epistemic), at(a.ood), at(a.flag), 0,
		at(flux), at(ivar), n, at(wave), len(wave), "")
	runtime.KeepAlive([]any{flux, ivar, wave})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestGolden(t *testing.T) {
	if *update {
		makeGolden(t)
	}
	c, err := SpectraLoad(filepath.Join(golden, "spectra", "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	a := ask(t, c, readNumbers[float32](t, "spectra/flux.f32"), readNumbers[float32](t, "spectra/ivar.f32"), readNumbers[float64](t, "spectra/wave.f64"))
	for _, x := range []struct {
		name      string
		got       []float32
		tolerance float64
	}{
		{"prob", a.prob, goldenTolerance},
		{"total", a.total, goldenTolerance},
		{"aleatoric", a.aleatoric, goldenTolerance},
		{"epistemic", a.epistemic, goldenTolerance},
		{"ood", a.ood, goldenRank},
	} {
		want := readNumbers[float32](t, "spectra/"+x.name+".f32")
		for i, v := range x.got {
			d := math.Abs(float64(v) - float64(want[i]))
			if math.IsNaN(float64(v)) != math.IsNaN(float64(want[i])) || d > x.tolerance {
				t.Fatalf("%s: number %d is %g, want %g", x.name, i, v, want[i])
			}
		}
	}
	for i, want := range readNumbers[int64](t, "spectra/best.i64") {
		if a.best[i] != want {
			t.Errorf("best: spectrum %d is of class %d, want %d", i, a.best[i], want)
		}
	}
	for i, want := range readNumbers[uint32](t, "spectra/flag.u32") {
		if a.flag[i] != want {
			t.Errorf("flag: spectrum %d has %d, want %d", i, a.flag[i], want)
		}
	}
}

// logWave returns n wavelengths in Å from 10^lo, step dex apart.
func logWave(lo, step float64, n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = math.Pow(10, lo+step*float64(i))
	}
	return w
}

func made(t *testing.T, config string) *SpectraSet {
	t.Helper()
	j := newJob(t)
	if _, err := SpectraSimulate(j, config); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Wait(-1); err != nil {
		t.Fatal(err)
	}
	s, err := SpectraMade(j)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func simConfig(t *testing.T, perClass, seed int, wave []float64) string {
	t.Helper()
	text, err := toJSON(map[string]any{"per_class": perClass, "seed": seed, "wave": wave, "sn_min": 10, "sn_max": 40})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func makeGolden(t *testing.T) {
	if err := os.MkdirAll(filepath.Join(golden, "spectra"), 0o755); err != nil {
		t.Fatal(err)
	}
	set := made(t, simConfig(t, 40, 1, logWave(3.58, 5e-4, 700))).set
	labels := make([]int64, len(set.Labels))
	for i, l := range set.Labels {
		labels[i] = int64(l)
	}
	classes, err := toJSON(set.Classes)
	if err != nil {
		t.Fatal(err)
	}
	j := newJob(t)
	if _, err := SpectraTrain(j, at(set.Flux), at(set.IVar), set.Len(), at(set.Wave), len(set.Wave), at(labels), 0, classes, `{"seed": 1, "epochs": 12}`); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Wait(-1); err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive([]any{set, labels})
	c, err := SpectraTrained(j)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Save(filepath.Join(golden, "spectra", "model.safetensors")); err != nil {
		t.Fatal(err)
	}
	// Other spectra, on a grid of their own; one without data, one with a third.
	x := made(t, simConfig(t, 2, 2, logWave(3.5903, 4e-4, 850))).set
	m := len(x.Wave)
	clear(x.IVar[:m])
	clear(x.IVar[m+m/3 : 2*m])
	a := ask(t, c, x.Flux, x.IVar, x.Wave)
	for name, v := range map[string]any{
		"flux.f32": x.Flux, "ivar.f32": x.IVar, "wave.f64": x.Wave, "prob.f32": a.prob, "total.f32": a.total, "aleatoric.f32": a.aleatoric,
		"epistemic.f32": a.epistemic, "ood.f32": a.ood, "best.i64": a.best, "flag.u32": a.flag,
	} {
		writeNumbers(t, "spectra/"+name, v)
	}
}
