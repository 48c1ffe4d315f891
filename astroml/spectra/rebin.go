package spectra

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/goastroml/goastroml/astroml"
)

// Rebin moves flux densities to another wavelength grid, in Å, and conserves
// flux: a pixel of the result is the mean of the input pixels it overlaps,
// weighted by the overlap, so that ∫F dλ over the shared range is kept. Pixels
// reach half-way to their neighbours.
//
// The inverse variance of the result is that of the weighted mean. Input pixels
// that are masked (inverse variance 0 or NaN, flux not finite) are left out and
// the weights of the others renormalised; a pixel less than half covered by
// good input is masked, with flux and inverse variance 0 (flux NaN, where x has
// no inverse variance). On its own grid a spectrum comes back bit for bit.
//
// Neighbouring pixels of the result share input pixels, and so their noise is
// correlated: a pixel's own variance is right, a χ² that takes the pixels for
// independent is not, and the less so the finer the new grid. Where pixels
// shrink, flux is constant inside an input pixel: nothing is interpolated.
//
// The error wraps astroml.ErrShape if shapes disagree; inverse variances below
// zero and grids that do not overlap are errors too.
func Rebin(x astroml.Spectra, wave []float64) (astroml.Spectra, error) {
	n := x.Len()
	y := astroml.Spectra{Wave: append([]float64(nil), wave...), Flux: make([]float32, n*len(wave))}
	if x.IVar != nil {
		y.IVar = make([]float32, n*len(wave))
	}
	if err := RebinTo(y, x); err != nil {
		return astroml.Spectra{}, err
	}
	return y, nil
}

// RebinTo is Rebin into the arrays of y, which has the new grid and room for as
// many spectra as x has. Without y.IVar, masked pixels are NaN; without x.IVar,
// inverse variances are those of unit noise.
func RebinTo(y, x astroml.Spectra) error {
	if err := x.Check(); err != nil {
		return err
	}
	r, err := newRebinner(x.Wave, y.Wave)
	if err == nil {
		err = y.Check()
	}
	if err != nil {
		return err
	}
	if x.Len() != y.Len() {
		return fmt.Errorf("spectra: room for %d spectra, there are %d: %w", y.Len(), x.Len(), astroml.ErrShape)
	}
	if err := negative(x); err != nil {
		return err
	}
	overSpectra(x.Len(), 0, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			from, to := x.Row(i), y.Row(i)
			r.apply(to.Flux, to.IVar, from.Flux, from.IVar)
		}
	})
	return nil
}

// rebinner is the plan of one rebinning: for each pixel of the result, the run
// of input pixels that overlap it. It is immutable.
type rebinner struct {
	from   int       // input pixels
	first  []int32   // first input pixel of each output pixel
	start  []int32   // where its weights start, one more than there are output pixels
	weight []float64 // overlaps in units of the output pixel: a covered pixel's sum to 1
}

// newRebinner plans the way from one wavelength grid to another, both in Å.
func newRebinner(from, to []float64) (*rebinner, error) {
	for _, g := range []struct {
		name string
		wave []float64
	}{{"input", from}, {"output", to}} {
		if err := (astroml.Spectra{Wave: g.wave}).Check(); err != nil {
			return nil, fmt.Errorf("rebinning, %s grid: %w", g.name, err)
		}
		if len(g.wave) < 2 {
			return nil, fmt.Errorf("spectra: an %s grid of one pixel has no pixel width, want two pixels or more: %w", g.name, astroml.ErrShape)
		}
	}
	a, b := pixelEdges(from), pixelEdges(to)
	n, m := len(from), len(to)
	if a[n] <= b[0] || b[m] <= a[0] {
		return nil, fmt.Errorf("spectra: input from %g to %g Å, output from %g to %g Å, want ranges that overlap",
			from[0], from[n-1], to[0], to[m-1])
	}
	r := &rebinner{from: n, first: make([]int32, m), start: make([]int32, m+1), weight: make([]float64, 0, n+m)}
	i := 0
	for k := range to {
		for i < n && a[i+1] <= b[k] {
			i++
		}
		r.first[k] = int32(i)
		for j := i; j < n && a[j] < b[k+1]; j++ {
			overlap := math.Min(a[j+1], b[k+1]) - math.Max(a[j], b[k])
			r.weight = append(r.weight, overlap/(b[k+1]-b[k]))
		}
		r.start[k+1] = int32(len(r.weight))
	}
	return r, nil
}

// pixelEdges returns the n + 1 borders of n pixels, half-way between centres.
func pixelEdges(wave []float64) []float64 {
	n := len(wave)
	e := make([]float64, n+1)
	e[0] = wave[0] - (wave[1]-wave[0])/2
	for i := 1; i < n; i++ {
		e[i] = (wave[i-1] + wave[i]) / 2
	}
	e[n] = wave[n-1] + (wave[n-1]-wave[n-2])/2
	return e
}

// minCover is the smallest part of a pixel that good input must cover.
const minCover = 0.5

// apply rebins one spectrum. It allocates nothing. A nil ivar stands for 1 in
// every pixel of finite flux; dstIVar may be nil, and then masked pixels are NaN.
func (r *rebinner) apply(dstFlux, dstIVar, flux, ivar []float32) {
	masked := float32(0)
	if dstIVar == nil {
		masked = float32(math.NaN())
	}
	for k, first := range r.first {
		w := r.weight[r.start[k]:r.start[k+1]]
		in := flux[first:][:len(w)]
		var cover, mean, variance float64
		var good int
		var oneFlux, oneIVar float32
		for j, w := range w {
			f, v := in[j], float32(1)
			if ivar != nil {
				v = ivar[int(first)+j]
			}
			if !(v > 0) || v > math.MaxFloat32 || f-f != 0 {
				continue
			}
			good++
			oneFlux, oneIVar = f, v
			cover += w
			mean += w * float64(f)
			variance += w * w / float64(v)
		}
		switch {
		case cover < minCover:
			oneFlux, oneIVar = masked, 0
		case good > 1: // a single pixel is handed on as it is, bit for bit
			oneFlux, oneIVar = float32(mean/cover), float32(cover*cover/variance)
		}
		dstFlux[k] = oneFlux
		if dstIVar != nil {
			dstIVar[k] = oneIVar
		}
	}
}

// overSpectra calls f for runs of 0..n-1, on as many goroutines as threads says
// (0: one a processor). What f writes must depend on the index alone.
func overSpectra(n, threads int, f func(lo, hi int)) {
	const chunk = 16
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(threads, (n+chunk-1)/chunk) {
		wg.Go(func() {
			for {
				lo := int(next.Add(chunk)) - chunk
				if lo >= n {
					return
				}
				f(lo, min(lo+chunk, n))
			}
		})
	}
	wg.Wait()
}
