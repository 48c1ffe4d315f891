package spectra

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/goastroml/goastroml/astroml"
)

// lineTemplates are two templates on 1500–10000 Å: flat with a line at 5000 Å,
// narrow (0.5 Å), and a power law.
func lineTemplates() Templates {
	t := Templates{Class: "LINE", Wave: linearGrid(1500, 0.25, 34001)}
	for _, w := range t.Wave {
		d := (w - 5000) / 0.5
		t.Flux = append(t.Flux, float32(1+20*math.Exp(-d*d/2)))
	}
	for _, w := range t.Wave {
		t.Flux = append(t.Flux, float32(w/5000))
	}
	return t
}

// clean asks for spectra without noise and calibration errors.
func clean(n int) SynthConfig {
	return SynthConfig{Seed: 1, PerClass: n, Noiseless: true, Hardness: -1}
}

// A line is found at its redshift, with the width of the spectrograph.
func TestSynthesizeRedshiftsAndBroadens(t *testing.T) {
	lib := lineTemplates()
	lib.Flux = lib.Flux[:len(lib.Wave)]
	lib.ZMin, lib.ZMax = 0, 0.6
	set, truth, err := Synthesize([]Templates{lib}, clean(20))
	if err != nil {
		t.Fatal(err)
	}
	for i, tr := range truth {
		if tr.Z < 0 || tr.Z > 0.6 {
			t.Fatalf("redshift %g, want 0 to 0.6", tr.Z)
		}
		var sum, mean, second float64
		row := set.Row(i)
		base := float64(row.Flux[0])
		for k, f := range row.Flux {
			sum += float64(f) - base
			mean += (float64(f) - base) * float64(k)
		}
		mean /= sum
		for k, f := range row.Flux {
			second += (float64(f) - base) * (float64(k) - mean) * (float64(k) - mean)
		}
		want := (math.Log10(5000*(1+tr.Z)) - 3.56) / 1e-4
		// Its own width is 0.43 pixels; pixels of the templates and of the model's
		// grid add 1/12 in quadrature each.
		width := math.Sqrt(second / sum)
		if math.Abs(mean-want) > 0.05 || math.Abs(width-math.Sqrt(0.922*0.922+0.43*0.43+1./12)) > 0.05 {
			t.Errorf("z = %.4f: line at pixel %.3f, σ %.3f; want %.3f and 1.06", tr.Z, mean, width, want)
		}
	}
}

func TestSynthesizeBases(t *testing.T) {
	lib := lineTemplates()
	single, _, err := Synthesize([]Templates{lib}, clean(30))
	if err != nil {
		t.Fatal(err)
	}
	lib.Coeff = []float32{1, 0, 0, 1} // the two rows themselves
	summed, _, err := Synthesize([]Templates{lib}, clean(30))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(single.Flux, summed.Flux) {
		t.Error("unit coefficients give other spectra than the rows")
	}
	lib.Coeff, lib.Mean, lib.Scatter = nil, []float64{1, -0.5}, []float64{0.3, 0.3}
	drawn, _, err := Synthesize([]Templates{lib}, clean(30))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range drawn.Flux {
		if f-f != 0 || f < -1 {
			t.Fatalf("value %d is %g", i, f)
		}
	}
	lib.Mean = []float64{-5, -5}
	if _, _, err := Synthesize([]Templates{lib}, clean(1)); err == nil || !strings.Contains(err.Error(), "no positive flux") {
		t.Errorf("a negative basis: error %v", err)
	}
	// A mixture of a flat and a rising spectrum rises less.
	mix := lineTemplates()
	cfg := clean(40)
	cfg.Mix = 1
	mixed, _, err := Synthesize([]Templates{mix}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	between := 0
	for i := range 40 {
		row := mixed.Row(i).Flux
		if rise := row[3900] / row[100]; rise > 1.05 && rise < 2.3 { // 1 and 2.4 alone
			between++
		}
	}
	if between < 10 {
		t.Errorf("%d of 40 spectra lie between the templates, want about half", between)
	}
}

func TestSynthesizeUsesObservedNoise(t *testing.T) {
	wave := logGrid(3.56, 1e-4, 4000)
	noise := astroml.Spectra{Wave: wave, Flux: make([]float32, 8000), IVar: make([]float32, 8000)}
	for i := range 4000 {
		noise.IVar[i] = float32(1 + i%3)
		noise.IVar[4000+i] = 2
		if i >= 1000 && i < 1100 {
			noise.IVar[i] = 0
		}
		if i >= 2000 && i < 2200 {
			noise.IVar[4000+i] = float32(math.NaN())
		}
	}
	cfg := SynthConfig{Seed: 4, PerClass: 20, Noise: noise, Hardness: -1}
	set, truth, err := Synthesize([]Templates{lineTemplates()}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Noiseless = true
	quiet, _, err := Synthesize([]Templates{lineTemplates()}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	seen := [2]int{}
	for i := range 20 {
		row := set.Row(i)
		which := 0
		if row.IVar[1050] > 0 {
			which = 1
		}
		seen[which]++
		var chi2, n float64
		var scale float32
		for k, v := range row.IVar {
			want := noise.IVar[which*4000+k]
			if !(want > 0) {
				if v != 0 || row.Flux[k] != 0 {
					t.Fatalf("spectrum %d: pixel %d is not masked", i, k)
				}
				continue
			}
			if scale == 0 {
				scale = v / want
			}
			if math.Abs(float64(v/want/scale)-1) > 1e-4 {
				t.Fatalf("spectrum %d: inverse variance of pixel %d is %g of the pattern, before %g", i, k, v/want, scale)
			}
			d := float64(row.Flux[k] - quiet.Row(i).Flux[k])
			chi2 += d * d * float64(v)
			n++
		}
		if math.Abs(chi2/n-1) > 0.11 { // 5 times √(2/3800)
			t.Errorf("spectrum %d (S/N %.1f): noise has %.3f of the stated variance", i, truth[i].SN, chi2/n)
		}
	}
	if seen[0] == 0 || seen[1] == 0 {
		t.Errorf("patterns were used %v times, want both", seen)
	}
}

func TestSynthesizeRepeats(t *testing.T) {
	lib := []Templates{lineTemplates(), lineTemplates()}
	lib[1].Class, lib[1].ZMax = "SHIFTED", 0.3
	var first Set
	for _, threads := range []int{1, 8} {
		set, _, err := Synthesize(lib, SynthConfig{Seed: 9, PerClass: 20, Threads: threads, Mix: 0.5})
		if err != nil {
			t.Fatal(err)
		}
		if threads == 1 {
			first = set
		} else if !slices.Equal(set.Flux, first.Flux) || !slices.Equal(set.IVar, first.IVar) {
			t.Error("one goroutine and eight give different bits")
		}
	}
	if !slices.Equal(first.Classes, []string{"LINE", "SHIFTED"}) || first.Labels[0] != 0 || first.Labels[1] != 1 {
		t.Errorf("classes %v, labels %v", first.Classes, first.Labels[:4])
	}
}

func TestSynthesizeErrors(t *testing.T) {
	good := lineTemplates
	for _, c := range []struct {
		name, want string
		is         error
		change     func(t *Templates, c *SynthConfig)
	}{
		{"no class", "no class", nil, func(t *Templates, c *SynthConfig) { t.Class = "" }},
		{"shape", "no multiple", astroml.ErrShape, func(t *Templates, c *SynthConfig) { t.Flux = t.Flux[1:] }},
		{"no flux", "0 templates", astroml.ErrShape, func(t *Templates, c *SynthConfig) { t.Flux = nil }},
		{"unsorted", "increasing", nil, func(t *Templates, c *SynthConfig) { t.Wave[5] = 1 }},
		{"NaN", "value 7 is NaN", nil, func(t *Templates, c *SynthConfig) { t.Flux[7] = float32(math.NaN()) }},
		{"coefficients", "3 coefficients are no multiple of 2 rows", astroml.ErrShape, func(t *Templates, c *SynthConfig) { t.Coeff = make([]float32, 3) }},
		{"scatter", "1 scatters for 2 rows", astroml.ErrShape, func(t *Templates, c *SynthConfig) { t.Mean, t.Scatter = make([]float64, 2), make([]float64, 1) }},
		{"mean alone", "2 means and 0 scatters", astroml.ErrShape, func(t *Templates, c *SynthConfig) { t.Mean = make([]float64, 2) }},
		{"redshifts", "from 1 to 0", nil, func(t *Templates, c *SynthConfig) { t.ZMin = 1 }},
		{"no cover", "at redshift 6 templates reach from 10500", nil, func(t *Templates, c *SynthConfig) { t.ZMax = 6 }},
		{"weight", "weight -1", nil, func(t *Templates, c *SynthConfig) { t.Weight = -1 }},
		{"mix", "share of 2", nil, func(t *Templates, c *SynthConfig) { c.Mix = 2 }},
		{"noise without ivar", "without inverse variances", astroml.ErrShape, func(t *Templates, c *SynthConfig) {
			c.Noise = astroml.Spectra{Wave: linearGrid(4000, 1, 100), Flux: make([]float32, 100)}
		}},
		{"noise elsewhere", "ranges that overlap", nil, func(t *Templates, c *SynthConfig) {
			c.Noise = astroml.Spectra{Wave: linearGrid(10500, 1, 100), Flux: make([]float32, 100), IVar: make([]float32, 100)}
		}},
		{"noise all masked", "none of 1 noise spectra", nil, func(t *Templates, c *SynthConfig) {
			c.Noise = astroml.Spectra{Wave: linearGrid(3600, 2, 3000), Flux: make([]float32, 3000), IVar: make([]float32, 3000)}
		}},
		{"S/N", "signal-to-noise", nil, func(t *Templates, c *SynthConfig) { c.SNMin = -3 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			lib, cfg := good(), SynthConfig{PerClass: 1}
			c.change(&lib, &cfg)
			_, _, err := Synthesize([]Templates{lib}, cfg)
			if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	if _, _, err := Synthesize(nil, SynthConfig{}); err == nil {
		t.Error("no templates are no error")
	}
}

func ExampleSynthesize() {
	// Two classes of your own: a flat spectrum, and one with a line at 5000 Å
	// that is seen at redshifts up to a half.
	flat := Templates{Class: "FLAT"}
	line := Templates{Class: "LINE", ZMax: 0.5}
	for w := 2000.0; w < 10000; w += 0.5 {
		flat.Wave = append(flat.Wave, w)
		flat.Flux = append(flat.Flux, 1)
		line.Wave = append(line.Wave, w)
		line.Flux = append(line.Flux, float32(1+5*math.Exp(-math.Pow((w-5000)/3, 2))))
	}
	set, truth, err := Synthesize([]Templates{flat, line}, SynthConfig{Seed: 1, PerClass: 100})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(set.Len(), "spectra of", set.Classes)
	fmt.Printf("spectrum 1 is a %s at redshift %.2f\n", truth[1].Class, truth[1].Z)
	// Output:
	// 200 spectra of [FLAT LINE]
	// spectrum 1 is a LINE at redshift 0.18
}
