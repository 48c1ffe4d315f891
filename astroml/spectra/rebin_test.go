package spectra

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// logGrid returns n wavelengths in Å from 10^lo, step dex apart.
func logGrid(lo, step float64, n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = math.Pow(10, lo+step*float64(i))
	}
	return w
}

func linearGrid(lo, step float64, n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = lo + step*float64(i)
	}
	return w
}

// integral returns ∫F dλ between lo and hi of flux constant inside a pixel.
func integral(wave []float64, flux []float32, lo, hi float64) float64 {
	e := pixelEdges(wave)
	var s float64
	for i, f := range flux {
		if d := math.Min(e[i+1], hi) - math.Max(e[i], lo); d > 0 {
			s += d * float64(f)
		}
	}
	return s
}

func TestRebinConservesFlux(t *testing.T) {
	sdss := logGrid(3.56, 1e-4, 4000)
	for _, c := range []struct {
		name, why string
		to        []float64
	}{
		{"coarser", "several input pixels to one", logGrid(3.57, 4e-4, 950)},
		{"finer", "one input pixel to several", logGrid(3.57, 0.3e-4, 12000)},
		{"shifted", "half a pixel: each output pixel has two parents", logGrid(3.56005, 1e-4, 3990)},
		{"linear", "DESI's grid, which crosses the logarithmic pixel size", linearGrid(3640, 0.8, 6800)},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rng.New(1, "rebin test")
			x := astroml.Spectra{Wave: sdss, Flux: make([]float32, len(sdss))}
			for i := range x.Flux {
				x.Flux[i] = float32(10 + 3*r.NormFloat64())
			}
			y, err := Rebin(x, c.to)
			if err != nil {
				t.Fatal(err)
			}
			e := pixelEdges(c.to)
			want := integral(sdss, x.Flux, e[0], e[len(c.to)])
			got := integral(c.to, y.Flux, e[0], e[len(c.to)])
			// float32 rounding of thousands of pixels averages to below 1e-8.
			if math.Abs(got/want-1) > 1e-6 {
				t.Errorf("∫F dλ = %g, want %g (%s)", got, want, c.why)
			}
		})
	}
}

func TestRebinConstant(t *testing.T) {
	wave := logGrid(3.56, 1e-4, 500)
	x := astroml.Spectra{Wave: wave, Flux: make([]float32, 500), IVar: make([]float32, 500)}
	for i := range x.Flux {
		x.Flux[i], x.IVar[i] = 7.3, 1
		if i%7 == 0 { // masks must not pull the mean down
			x.Flux[i], x.IVar[i] = -1e6, 0
		}
	}
	y, err := Rebin(x, logGrid(3.5601, 2.7e-4, 150))
	if err != nil {
		t.Fatal(err)
	}
	for k, f := range y.Flux {
		if y.IVar[k] > 0 && math.Abs(float64(f)/7.3-1) > 1e-6 {
			t.Fatalf("pixel %d is %g, want 7.3", k, f)
		}
	}
}

func TestRebinIdentity(t *testing.T) {
	wave := logGrid(3.56, 1e-4, 300)
	r := rng.New(2, "rebin test")
	x := astroml.Spectra{Wave: wave, Flux: make([]float32, 600), IVar: make([]float32, 600)}
	for i := range x.Flux {
		x.Flux[i], x.IVar[i] = float32(r.NormFloat64()), float32(r.ExpFloat64())
	}
	y, err := Rebin(x, wave)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(x.Flux, y.Flux) || !slices.Equal(x.IVar, y.IVar) {
		t.Error("a spectrum changed on its own grid")
	}
}

// The variance that Rebin states is that of rebinned noise.
func TestRebinVariance(t *testing.T) {
	const n, trials = 400, 4000
	from, to := logGrid(3.56, 1e-4, n), logGrid(3.5602, 2.3e-4, 160)
	p, err := newRebinner(from, to)
	if err != nil {
		t.Fatal(err)
	}
	r := rng.New(3, "rebin test")
	ivar := make([]float32, n)
	for i := range ivar {
		ivar[i] = float32(0.2 + r.ExpFloat64())
		if i%31 == 0 {
			ivar[i] = 0
		}
	}
	flux := make([]float32, n)
	gotFlux, gotIVar := make([]float32, len(to)), make([]float32, len(to))
	sum := make([]float64, len(to))
	for range trials {
		for i := range flux {
			flux[i] = float32(r.NormFloat64() / math.Sqrt(float64(ivar[i])))
		}
		p.apply(gotFlux, gotIVar, flux, ivar)
		for k, f := range gotFlux {
			sum[k] += float64(f) * float64(f) * float64(gotIVar[k])
		}
	}
	for k := range to {
		// √(2/4000) is 0.022; the worst of 160 pixels lies within 4.5 of that.
		if got := sum[k] / trials; gotIVar[k] > 0 && math.Abs(got-1) > 0.1 {
			t.Errorf("pixel %d: measured variance is %g of the stated one", k, got)
		}
	}
}

func TestRebinMasks(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	wave := linearGrid(5000, 1, 6)
	pairs := linearGrid(5000.5, 2, 3)
	for _, c := range []struct {
		name, why        string
		flux, ivar       []float32
		wantFlux, wantIV []float32
	}{
		{"all good", "the variance of a mean of two is half", []float32{1, 3, 5, 7, 9, 11}, []float32{1, 1, 1, 1, 1, 1}, []float32{2, 6, 10}, []float32{2, 2, 2}},
		{"one of two", "half covered is enough", []float32{1, 3, 5, 7, 9, 11}, []float32{0, 4, 1, nan, 1, 1}, []float32{3, 5, 10}, []float32{4, 1, 2}},
		{"none of two", "nothing is made up", []float32{1, 3, 5, 7, 9, 11}, []float32{0, 0, 1, 1, 1, 1}, []float32{0, 6, 10}, []float32{0, 2, 2}},
		{"flux not finite", "a mask, whatever ivar says", []float32{nan, 3, inf, -inf, 9, 11}, []float32{1, 1, 1, 1, 1, 1}, []float32{3, 0, 10}, []float32{1, 0, 2}},
		{"ivar infinite", "no pixel is perfect: it would win every sum", []float32{1, 3, 5, 7, 9, 11}, []float32{inf, 1, 1, 1, 1, 1}, []float32{3, 6, 10}, []float32{1, 2, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			y, err := Rebin(astroml.Spectra{Wave: wave, Flux: c.flux, IVar: c.ivar}, pairs)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(y.Flux, c.wantFlux) || !slices.Equal(y.IVar, c.wantIV) {
				t.Errorf("flux %v, ivar %v, want %v and %v (%s)", y.Flux, y.IVar, c.wantFlux, c.wantIV, c.why)
			}
		})
	}
	y, err := Rebin(astroml.Spectra{Wave: wave, Flux: []float32{1, 3, nan, nan, 9, 11}}, pairs)
	if err != nil || y.IVar != nil || y.Flux[0] != 2 || y.Flux[1] == y.Flux[1] || y.Flux[2] != 10 {
		t.Errorf("without inverse variance: %v, %v, want 2, NaN, 10", y.Flux, err)
	}
}

func TestRebinErrors(t *testing.T) {
	ok := astroml.Spectra{Wave: linearGrid(4000, 1, 4), Flux: make([]float32, 4)}
	for _, c := range []struct {
		name string
		x    astroml.Spectra
		to   []float64
		want string
		is   error
	}{
		{"no overlap", ok, linearGrid(9000, 1, 4), "4000 to 4003 Å, output from 9000 to 9003 Å", nil},
		{"unsorted output", ok, []float64{4001, 4000}, "output grid", nil},
		{"no output", ok, nil, "no wavelengths", astroml.ErrShape},
		{"one pixel", ok, []float64{4000}, "no pixel width", astroml.ErrShape},
		{"negative wavelength", astroml.Spectra{Wave: []float64{-1, 2}, Flux: make([]float32, 2)}, ok.Wave, "positive", nil},
		{"negative ivar", astroml.Spectra{Wave: ok.Wave, Flux: ok.Flux, IVar: []float32{1, 1, -2, 1}}, ok.Wave, "inverse variance -2 in spectrum 0, pixel 2", nil},
		{"shape", astroml.Spectra{Wave: ok.Wave, Flux: make([]float32, 5)}, ok.Wave, "no multiple", astroml.ErrShape},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Rebin(c.x, c.to)
			if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestRebinAllocatesNothing(t *testing.T) {
	from, to := logGrid(3.55, 1e-4, 4700), logGrid(3.56, 1e-4, 4000)
	p, err := newRebinner(from, to)
	if err != nil {
		t.Fatal(err)
	}
	flux, ivar := make([]float32, 4700), make([]float32, 4700)
	f, v := make([]float32, 4000), make([]float32, 4000)
	if n := testing.AllocsPerRun(10, func() { p.apply(f, v, flux, ivar) }); n != 0 {
		t.Errorf("%g allocations a spectrum", n)
	}
}

func FuzzRebin(f *testing.F) {
	f.Add(4000.0, 1.0, 20, 3990.0, 2.5, 15)
	f.Add(1.0, 1e-9, 3, 1.0, 1e9, 3)
	f.Fuzz(func(t *testing.T, lo, step float64, n int, lo2, step2 float64, n2 int) {
		x := astroml.Spectra{Wave: linearGrid(lo, step, min(max(n, 0), 1000))}
		x.Flux = make([]float32, len(x.Wave))
		for i := range x.Flux {
			x.Flux[i] = float32(i % 5)
		}
		y, err := Rebin(x, linearGrid(lo2, step2, min(max(n2, 0), 1000)))
		if err != nil {
			return
		}
		for k, v := range y.Flux { // a mean lies between its parents
			if v < 0 || v > 4 {
				t.Fatalf("pixel %d is %g, input lies in 0 to 4", k, v)
			}
		}
	})
}

func BenchmarkRebin(b *testing.B) {
	p, err := newRebinner(logGrid(3.55, 1e-4, 4700), logGrid(3.56003, 1e-4, 4000))
	if err != nil {
		b.Fatal(err)
	}
	flux, ivar := make([]float32, 4700), make([]float32, 4700)
	for i := range ivar {
		flux[i], ivar[i] = 1, 1
	}
	f, v := make([]float32, 4000), make([]float32, 4000)
	for b.Loop() {
		p.apply(f, v, flux, ivar)
	}
}

func ExampleRebin() {
	x := astroml.Spectra{
		Wave: []float64{5000, 5001, 5002, 5003},
		Flux: []float32{1, 3, 5, 7},
		IVar: []float32{4, 4, 4, 0}, // the last pixel is masked
	}
	y, err := Rebin(x, []float64{5000.5, 5002.5})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(y.Flux, y.IVar)
	// Output: [2 5] [8 4]
}
