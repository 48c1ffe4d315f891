package spectra

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

func TestSimulateRepeats(t *testing.T) {
	one, truth, err := Simulate(SimConfig{Seed: 7, PerClass: 3, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	many, _, err := Simulate(SimConfig{Seed: 7, PerClass: 3, Threads: 8})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(one.Flux, many.Flux) || !slices.Equal(one.IVar, many.IVar) || !slices.Equal(one.Labels, many.Labels) {
		t.Error("one goroutine and eight give different bits")
	}
	// Spectrum 2 of quasars alone is spectrum 2 of the quasars among all.
	few, quasars, err := Simulate(SimConfig{Seed: 7, PerClass: 5, Classes: []string{"QSO"}})
	if err != nil {
		t.Fatal(err)
	}
	i := 2*len(Classes13) + slices.Index(Classes13, "QSO")
	if !slices.Equal(few.Row(2).Flux, one.Row(i).Flux) || quasars[2] != truth[i] {
		t.Error("a spectrum depends on what else is made")
	}
	other, _, err := Simulate(SimConfig{Seed: 8, PerClass: 3})
	if err != nil {
		t.Fatal(err)
	}
	if slices.Equal(one.Flux, other.Flux) {
		t.Error("two seeds give the same spectra")
	}
}

func TestSimulatedObjectsLieInTheirClass(t *testing.T) {
	cfg, err := SimConfig{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	s := &simulator{cfg: cfg}
	for _, class := range Classes13 {
		for i := range 300 {
			o := s.draw(rng.New(1, class, i), class)
			if got := o.class(); got != class {
				t.Fatalf("object %d of %s lies in %s: %+v", i, class, got, o)
			}
			copied := o.clone()
			*copied.knobs()[0].value += 1
			if *copied.knobs()[0].value == *o.knobs()[0].value {
				t.Fatalf("the clone of a %s shares its parameters", class)
			}
		}
	}
}

// Without errors of calibration, what noise adds has the stated variance, and
// the median signal-to-noise ratio is the one that was drawn.
func TestSimulatedNoise(t *testing.T) {
	cfg := SimConfig{Seed: 3, PerClass: 4, Hardness: -1}
	noisy, truth, err := Simulate(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Noiseless = true
	clean, _, err := Simulate(cfg)
	if err != nil {
		t.Fatal(err)
	}
	m := len(noisy.Wave)
	for i := range truth {
		a, b := noisy.Row(i), clean.Row(i)
		var chi2, n float64
		ratio := make([]float32, 0, m)
		for k, v := range a.IVar {
			ratio = append(ratio, float32(float64(b.Flux[k])*math.Sqrt(float64(b.IVar[k]))))
			if v > 0 {
				d := float64(a.Flux[k] - b.Flux[k])
				chi2 += d * d * float64(v)
				n++
			}
		}
		// The scatter of χ²/n is √(2/4000) = 0.022.
		if math.Abs(chi2/n-1) > 0.11 {
			t.Errorf("spectrum %d (%s): noise has %.3f of the stated variance", i, truth[i].Class, chi2/n)
		}
		slices.Sort(ratio)
		if got := float64(ratio[m/2]); math.Abs(got/truth[i].SN-1) > 0.01 {
			t.Errorf("spectrum %d (%s): median S/N %.3f, want %.3f", i, truth[i].Class, got, truth[i].SN)
		}
		if n < 0.8*float64(m) {
			t.Errorf("spectrum %d has %g good pixels of %d", i, n, m)
		}
	}
}

func TestSimulatedSNDistribution(t *testing.T) {
	_, truth, err := Simulate(SimConfig{Seed: 5, PerClass: 400, Classes: []string{"STAR_G2"}, Wave: logGrid(3.7, 5e-4, 200)})
	if err != nil {
		t.Fatal(err)
	}
	var inside, mean float64
	for _, t := range truth {
		mean += math.Log(t.SN) / 400
		if t.SN > 2 && t.SN < 30 {
			inside += 1. / 400
		}
	}
	// 95.4 % lie within 2 σ; the binomial error is 1 %.
	if inside < 0.92 || inside > 0.99 || math.Abs(math.Exp(mean)-math.Sqrt(60)) > 0.8 {
		t.Errorf("%.3f of S/N in 2 to 30, mean %.2f, want 0.954 and 7.75", inside, math.Exp(mean))
	}
}

func testModelGrid(t *testing.T) (*modelGrid, *bench) {
	cfg, err := SimConfig{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	g := newModelGrid(cfg.Wave, cfg.Resolution)
	return g, newBench(g, len(cfg.Wave))
}

// Hydrogen fades and metals grow from A0 to K5, as in the MK sequence.
func TestStellarSequence(t *testing.T) {
	g, b := testModelGrid(t)
	depth := func(center, half float64) float64 { // of the mean flux below its surroundings
		var in, out, n, m float64
		for i, w := range g.wave {
			switch d := math.Abs(w - center); {
			case d < half:
				in, n = in+b.flux[i], n+1
			case d < 3*half && d > 2*half:
				out, m = out+b.flux[i], m+1
			}
		}
		return 1 - in/n/(out/m)
	}
	lastH, lastCa := math.Inf(1), math.Inf(-1)
	for k, class := range starClasses {
		s := &starModel{teff: (starTeff[k][0] + starTeff[k][1]) / 2, logg: 4.3, tio: 1}
		s.render(g, b)
		h, ca, tio := depth(4862.7, 15), depth(3934.8, 8), depth(7120, 55)
		if h >= lastH || ca <= lastCa {
			t.Errorf("%s: depths of Hβ %.3f and Ca II K %.3f, before %.3f and %.3f", class, h, ca, lastH, lastCa)
		}
		if cool := class == "STAR_K5"; (tio > 0.01) != cool {
			t.Errorf("%s: depth of TiO is %.3f", class, tio)
		}
		lastH, lastCa = h, ca
	}
}

func TestGalaxyLines(t *testing.T) {
	g, b := testModelGrid(t)
	o := &galaxyModel{z: 0.1, dispersion: 150, ewHalpha: 30, logNII: -10, logOIII: 0.3, logSII: -10, logOII: 0, logOI: -10, width: 100, gasEBV: 0.2}
	o.render(g, b)
	with := slices.Clone(b.flux)
	o.ewHalpha = 0
	o.render(g, b)
	flux := func(w float64) float64 {
		e := pixelEdges(g.wave)
		var f float64
		for i, x := range g.wave {
			if math.Abs(x/1.1-w) < 20 {
				f += (with[i] - b.flux[i]) * (e[i+1] - e[i])
			}
		}
		return f
	}
	at := func(w float64) float64 { return b.flux[int((math.Log10(w*1.1)-g.log0)/gridStep)] }
	if got := flux(6564.6) / 1.1 / ((at(6480) + at(6650)) / 2); math.Abs(got/30-1) > 0.02 { // weak lines move the continuum
		t.Errorf("rest-frame equivalent width of Hα is %.2f Å, want 30", got)
	}
	red := math.Pow(10, -0.4*0.2*(extinction(6564.6)-extinction(4862.7)))
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"Balmer decrement", flux(6564.6) / flux(4862.7), 2.86 * red},
		{"[O III] doublet", flux(5008.2) / flux(4960.3), 2.98 * math.Pow(10, -0.08*(extinction(5008.2)-extinction(4960.3)))},
		{"[O III] over Hβ", flux(5008.2) / flux(4862.7), math.Pow(10, 0.3-0.08*(extinction(5008.2)-extinction(4862.7)))},
	} {
		if math.Abs(c.got/c.want-1) > 0.01 {
			t.Errorf("%s is %.4f, want %.4f", c.name, c.got, c.want)
		}
	}
}

func TestQuasarLines(t *testing.T) {
	g, b := testModelGrid(t)
	for _, z := range []float64{0.3, 1, 2, 3} {
		q := &quasarModel{z: z, slope: -1.5, fwhm: 4000, strength: 1, narrow: 10, width: 150}
		q.render(g, b)
		with := slices.Clone(b.flux)
		q.strength, q.narrow = 0, 0
		q.render(g, b)
		for _, l := range quasarLines {
			at := l.wave * (1 + z)
			if at < 4000 || at > 8900 || l.width < 20 {
				continue
			}
			peak := int((math.Log10(at) - g.log0) / gridStep)
			for i, w := range g.wave {
				if math.Abs(w/at-1) < 0.01 && with[i]-b.flux[i] > with[peak]-b.flux[peak] {
					peak = i
				}
			}
			if d := math.Abs(g.wave[peak]/at - 1); d > 0.003 && !(l.wave < 1250) { // Lyα lies in the forest's edge
				t.Errorf("z = %g: the line at %g Å peaks at %.1f Å, want %.1f", z, l.wave, g.wave[peak], at)
			}
		}
	}
}

func TestModelArithmetic(t *testing.T) {
	for _, c := range []struct {
		name, why string
		got, want float64
		tolerance float64
	}{
		{"air to vacuum", "Hα, 6562.80 Å in air (NIST)", airToVacuum(6562.80), 6564.61, 0.01},
		{"air to vacuum", "Na D2, 5889.951 Å in air (NIST)", airToVacuum(5889.951), 5891.583, 0.01},
		{"extinction", "R = 3.1 in V, where CCM's fit is normalised (x = 1.82)", extinction(1e4 / 1.82), 3.1, 1e-3},
		{"extinction", "CCM's table 3, B: A(B)/A(V) = 1.337", extinction(4400) / 3.1, 1.337, 0.02},
		{"extinction", "continuous between CCM's ranges", extinction(1e4/3.2999) / extinction(1e4/3.3001), 1, 0.01},
		{"Kauffmann", "equation 1 at -0.5", kauffmann(-0.5), 0.1909, 1e-4},
		{"Kewley", "equation 5 at 0", kewley(0), -0.1079, 1e-4},
		{"Legendre", "P3(0.5) = (5·0.125 - 3·0.5)/2", legendre(3, 0.5), -0.4375, 1e-12},
	} {
		if math.Abs(c.got-c.want) > c.tolerance {
			t.Errorf("%s is %g, want %g (%s)", c.name, c.got, c.want, c.why)
		}
	}
	r := rng.New(1, "quickselect")
	for n := 1; n < 200; n += 7 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(r.IntN(30)) // many are equal
		}
		sorted := slices.Sorted(slices.Values(x))
		for k := 0; k < n; k += 5 {
			if got := quickselect(slices.Clone(x), k); got != sorted[k] {
				t.Fatalf("number %d of %d is %g, want %g", k, n, got, sorted[k])
			}
		}
	}
}

// A line keeps its flux, its place and, in quadrature, its width, whether it is
// added to the observed frame or projected from the rest frame.
func TestLinesKeepFluxPlaceAndWidth(t *testing.T) {
	g, b := testModelGrid(t)
	const z, center, sigma = 0.123456, 5000.0, 150.0
	moments := func(flux []float64) (area, mean, width float64) {
		for i, f := range flux {
			area += f * g.wave[i] / (1 + z) * gridStep * math.Ln10
			mean += f * float64(i)
			width += f
		}
		mean /= width
		var second float64
		for i, f := range flux {
			second += f * (float64(i) - mean) * (float64(i) - mean)
		}
		return area, mean, math.Sqrt(second / width)
	}
	at := (math.Log10(center*(1+z)) - g.log0) / gridStep
	want := math.Hypot(g.sigma, sigma/pixelSpeed)

	line := make([]float64, len(g.wave))
	g.addLine(line, center, z, 3, sigma)
	w := g.window(z, sigma)
	b.rest = b.rest[:w.n]
	clear(b.rest)
	spike := int(math.Round((math.Log10(center) - g.restLog0) / gridStep))
	b.rest[spike-w.lo] = 3 / (g.rest[spike] * gridStep * math.Ln10)
	g.project(w, b)
	shift := (math.Log10(g.rest[spike]/center) / gridStep)

	for _, c := range []struct {
		name string
		flux []float64
		at   float64
	}{{"added", line, at}, {"projected", b.flux, at + shift}} {
		area, mean, width := moments(c.flux)
		if math.Abs(area/3-1) > 1e-3 || math.Abs(mean-c.at) > 0.01 || math.Abs(width/want-1) > 5e-3 {
			t.Errorf("%s: flux %.4f at pixel %.3f, σ %.3f; want 3, %.3f, %.3f", c.name, area, mean, width, c.at, want)
		}
	}
}

// Another grid shows the same objects: a spectrum on DESI's pixels is that on
// the default ones, rebinned.
func TestSimulateOnOtherGrids(t *testing.T) {
	wave := linearGrid(3700, 2, 2600)
	cfg := SimConfig{Seed: 2, PerClass: 1, Noiseless: true, Hardness: -1}
	a, _, err := Simulate(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Wave = wave
	b, _, err := Simulate(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Rebin(a.Spectra, wave)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.Len() {
		if strings.HasPrefix(Classes13[i], "QSO") {
			continue // the forest is drawn by pixel
		}
		x, y := b.Row(i).Flux, c.Row(i).Flux
		var xy, yy float64
		for k := range x {
			xy += float64(x[k] * y[k])
			yy += float64(y[k] * y[k])
		}
		var off float64
		for k := range x {
			d := float64(x[k])/(xy/yy) - float64(y[k])
			off += d * d
		}
		// Two binnings of half-pixel phases smear narrow lines differently.
		if off/yy > 0.02*0.02 && !strings.HasPrefix(Classes13[i], "GALAXY_") || off/yy > 0.15*0.15 {
			t.Errorf("%s differs by %.3f between grids", Classes13[i], math.Sqrt(off/yy))
		}
	}
}

func TestOutliers(t *testing.T) {
	for _, kind := range OutlierKinds {
		x, truth, err := Outliers(SimConfig{Seed: 1, PerClass: 10}, kind)
		if err != nil {
			t.Fatal(err)
		}
		if x.Len() != 10 || len(truth) != 10 {
			t.Fatalf("%s: %d spectra, %d truths, want 10", kind, x.Len(), len(truth))
		}
		for i := range 10 {
			var mean, norm float64
			row := x.Row(i)
			for k, v := range row.IVar {
				if f := row.Flux[k]; f-f != 0 || !(v >= 0) {
					t.Fatalf("%s %d: pixel %d is %g with inverse variance %g", kind, i, k, f, v)
				}
				mean += float64(row.Flux[k] * v)
				norm += float64(v)
			}
			if s := math.Abs(mean) / math.Sqrt(norm); kind == "blank" && s > 5 || kind == "unknown" && s < 20 {
				t.Errorf("%s %d (%s): the mean lies %.1f σ from zero", kind, i, truth[i].Class, s)
			}
		}
		if kind == "unknown" && truth[0].Class == truth[1].Class {
			t.Error("unknown objects are all alike")
		}
		if kind == "blend" && !strings.Contains(truth[0].Class, "+") {
			t.Errorf("a blend is of class %q, want two", truth[0].Class)
		}
	}
	if _, _, err := Outliers(SimConfig{}, "ghost"); err == nil {
		t.Error("a kind that does not exist is no error")
	}
}

func TestSimulateErrors(t *testing.T) {
	for _, c := range []struct {
		name, want string
		cfg        SimConfig
	}{
		{"negative number", "-1 spectra a class", SimConfig{PerClass: -1}},
		{"unknown class", `class "STAR_O"`, SimConfig{Classes: []string{"STAR_O"}}},
		{"class twice", "twice", SimConfig{Classes: []string{"QSO", "QSO"}}},
		{"no class", "no classes", SimConfig{Classes: []string{}}},
		{"few pixels", "3 wavelengths", SimConfig{Wave: []float64{4000, 5000, 6000}}},
		{"infrared", "20001 Å", SimConfig{Wave: linearGrid(10001, 10, 1001)}},
		{"unsorted", "increasing", SimConfig{Wave: []float64{4000, 3999}}},
		{"S/N upside down", "from 10 to 5", SimConfig{SNMin: 10, SNMax: 5}},
		{"S/N not a number", "NaN", SimConfig{SNMin: math.NaN()}},
		{"resolution", "resolution 10", SimConfig{Resolution: 10}},
		{"hardness", "hardness 11", SimConfig{Hardness: 11}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, err := Simulate(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// With little noise the models that made the spectra tell nearly all of them.
func TestModelFit(t *testing.T) {
	cfg := SimConfig{Seed: 11, PerClass: 1, SNMin: 15, SNMax: 25}
	set, _, err := Simulate(cfg)
	if err != nil {
		t.Fatal(err)
	}
	f, err := NewModelFit(SimConfig{Seed: 12}, 1300)
	if err != nil {
		t.Fatal(err)
	}
	prob, err := f.Prob(set.Spectra)
	if err != nil {
		t.Fatal(err)
	}
	right := 0
	for i, l := range set.Labels {
		p := prob[i*13:][:13]
		var sum float32
		for _, v := range p {
			sum += v
		}
		if math.Abs(float64(sum)-1) > 1e-4 {
			t.Errorf("probabilities of spectrum %d sum to %g", i, sum)
		}
		if slices.Index(p, slices.Max(p)) == l {
			right++
		}
	}
	if right < 11 { // a bank this small misses a redshift now and then
		t.Errorf("%d of 13 right", right)
	}
	if _, err := f.Prob(astroml.Spectra{Wave: []float64{4000, 5000}, Flux: []float32{1, 2}}); err == nil {
		t.Error("another grid is no error")
	}
	if _, err := NewModelFit(SimConfig{}, 3); err == nil {
		t.Error("a bank smaller than the classes is no error")
	}
}

func BenchmarkSimulate(b *testing.B) {
	cfg, err := SimConfig{}.withDefaults()
	if err != nil {
		b.Fatal(err)
	}
	s := newSimulator(cfg)
	w := newBench(s.models, 4000)
	flux, ivar := make([]float32, 4000), make([]float32, 4000)
	var t Truth
	for i := 0; b.Loop(); i++ {
		s.one(rng.New(1, "benchmark", i), Classes13[i%13], w, flux, ivar, &t)
	}
}

func ExampleSimulate() {
	set, truth, err := Simulate(SimConfig{Seed: 1, PerClass: 2, Classes: []string{"STAR_G2", "QSO_BROADLINE"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(set.Len(), "spectra of", len(set.Wave), "pixels")
	for i, t := range truth {
		fmt.Printf("%-13s  z %.4f  S/N %4.1f\n", set.Classes[set.Labels[i]], t.Z, t.SN)
	}
	// Output:
	// 4 spectra of 4000 pixels
	// STAR_G2        z -0.0002  S/N 11.0
	// QSO_BROADLINE  z 0.1329  S/N 11.1
	// STAR_G2        z 0.0001  S/N  3.5
	// QSO_BROADLINE  z 1.4629  S/N  7.2
}

func ExampleOutliers() {
	x, truth, err := Outliers(SimConfig{Seed: 1, PerClass: 5}, "unknown")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(x.Len(), "spectra, the first of a", truth[0].Class)
	// Output: 5 spectra, the first of a M_DWARF
}
