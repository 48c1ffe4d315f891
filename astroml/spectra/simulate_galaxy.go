package spectra

import (
	"math"
	"math/rand/v2"
)

// galaxyModel is a galaxy: stars of several ages, broadened by their velocity
// dispersion and dimmed by dust, and the emission lines of a nebula.
type galaxyModel struct {
	z          float64
	dispersion float64           // of the stars, km/s
	light      [ageCount]float64 // shares of the light at 5500 Å, logarithm to base e
	ebv        float64           // dust before the stars, mag

	ewHalpha float64 // rest frame, Å
	logNII   float64 // log10 [N II] 6585 / Hα, without dust
	logOIII  float64 // log10 [O III] 5008 / Hβ, without dust
	logSII   float64 // log10 [S II] 6718, 6733 / Hα
	logOII   float64 // log10 [O II] 3728 / Hβ, without dust
	logOI    float64 // log10 [O I] 6302 / Hα
	gasEBV   float64 // dust before the gas, mag
	width    float64 // σ of the emission lines, km/s
}

// kauffmann returns log10 [O III]/Hβ on the curve of Kauffmann et al. (2003),
// doi:10.1111/j.1365-2966.2003.07154.x, equation 1, -∞ right of it.
func kauffmann(logNII float64) float64 {
	if logNII >= 0.05 {
		return math.Inf(-1)
	}
	return 0.61/(logNII-0.05) + 1.3
}

// kewley returns log10 [O III]/Hβ on the curve of Kewley et al. (2001),
// doi:10.1086/321545, equation 5, -∞ right of it.
func kewley(logNII float64) float64 {
	if logNII >= 0.47 {
		return math.Inf(-1)
	}
	return 0.61/(logNII-0.47) + 1.19
}

// drawGalaxy draws a galaxy of a class. Star-forming gas lies about the
// abundance sequence of Kewley et al. (2013), doi:10.1088/0004-637X/774/1/100,
// equation 3 at z = 0; young light goes with the equivalent width of Hα; a
// galaxy between Kauffmann's and Kewley's curves is drawn again.
func drawGalaxy(r *rand.Rand, class string, wave []float64) *galaxyModel {
	g := &galaxyModel{
		dispersion: 60 + 140*r.Float64(),
		ebv:        math.Min(0.08*r.ExpFloat64(), 0.5),
		width:      uniform(r, 50, 150),
		logSII:     -0.45 + 0.1*within(r, 2),
		logOII:     0.35 + 0.15*within(r, 2),
		logOI:      -1.6 + 0.15*within(r, 2),
	}
	last := math.Min(0.3, math.Max(wave[len(wave)-1]/6640-1, 0.05))
	var share [ageCount]float64
	scatter := func() float64 { return math.Exp(0.3 * within(r, 2)) }
	switch class {
	case "GALAXY":
		last = 0.5
		g.dispersion = uniform(r, 100, 300)
		g.ebv /= 2
		g.ewHalpha = logUniform(r, 0.03, 1)
		share = [ageCount]float64{0.001, 0.01 * scatter(), 0.05 * scatter(), 0.3 * scatter(), 0.4 * scatter(), 0.35 * scatter()}
	case "GALAXY_STARFORMING", "GALAXY_STARBURST":
		g.ewHalpha = logUniform(r, 6, 42)
		if class == "GALAXY_STARBURST" {
			g.ewHalpha = logUniform(r, 60, 400)
			g.ebv = math.Min(0.05+0.1*r.ExpFloat64(), 0.5) // starbursts are dusty
		}
		young := math.Min(g.ewHalpha/200*scatter(), 0.85)
		share = [ageCount]float64{young, 0.7 * young * scatter(), 0.3 * scatter(), 0.25 * scatter(), 0.15 * scatter(), 0.15 * scatter()}
	case "GALAXY_AGN":
		g.ewHalpha = logUniform(r, 6, 80)
		g.width = uniform(r, 100, 250)
		g.dispersion = uniform(r, 100, 250)
		// Hosts have stars of intermediate age (Kauffmann et al. 2003, section 6).
		share = [ageCount]float64{0.02 * scatter(), 0.1 * scatter(), 0.5 * scatter(), 0.3 * scatter(), 0.2 * scatter(), 0.15 * scatter()}
		g.logSII = -0.25 + 0.12*within(r, 2)
		g.logOII = 0.55 + 0.2*within(r, 2)
		g.logOI = -1.0 + 0.2*within(r, 2)
	}
	for k, s := range share {
		g.light[k] = math.Log(s)
	}
	g.z = logUniform(r, 0.02, last)
	g.gasEBV = math.Min(2.3*g.ebv*math.Exp(0.3*within(r, 2)), 0.8) // Calzetti et al. (2000): 1/0.44
	for {
		switch class {
		case "GALAXY_AGN":
			g.logNII = uniform(r, -0.35, 0.3)
			g.logOIII = uniform(r, math.Max(kewley(g.logNII), -0.1), 1.15)
		case "GALAXY":
			g.logNII, g.logOIII = uniform(r, -0.2, 0.2), uniform(r, 0, 0.5)
		default:
			g.logNII = uniform(r, -1.5, -0.3)
			g.logOIII = math.Min(0.61/(g.logNII+0.08)+1.1, 0.85) + 0.1*within(r, 2)
		}
		agn := class == "GALAXY" || class == "GALAXY_AGN"
		if agn && g.logOIII > kewley(g.logNII)+0.03 || !agn && g.logOIII < kauffmann(g.logNII)-0.03 {
			return g
		}
	}
}

func (g *galaxyModel) clone() object { c := *g; return &c }

func (g *galaxyModel) class() string {
	ha := math.Abs(g.ewHalpha)
	switch {
	case ha < 2:
		return "GALAXY"
	case g.logOIII > (kauffmann(g.logNII)+kewley(g.logNII))/2:
		return "GALAXY_AGN"
	case ha < 50:
		return "GALAXY_STARFORMING"
	}
	return "GALAXY_STARBURST"
}

func (g *galaxyModel) describe(t *Truth) {
	t.Z, t.Dispersion, t.EWHalpha = g.z, g.dispersion, g.ewHalpha
	t.LogNIIHa, t.LogOIIIHb = g.logNII, g.logOIII
}

func (g *galaxyModel) knobs() []knob {
	k := []knob{
		{&g.z, 2e-5, 0.1}, {&g.dispersion, 5, 70}, {&g.ebv, 0.02, 0.1},
		{&g.ewHalpha, 0.2, 100}, {&g.logNII, 0.02, 0.4}, {&g.logOIII, 0.02, 0.4}, {&g.logSII, 0.02, 0.15},
		{&g.logOII, 0.02, 0.2}, {&g.logOI, 0.02, 0.35}, {&g.gasEBV, 0.02, 0.2}, {&g.width, 3, 60},
	}
	for i := range g.light {
		k = append(k, knob{&g.light[i], 0.05, 1.5})
	}
	return k
}

func (g *galaxyModel) render(grid *modelGrid, b *bench) {
	w := grid.window(g.z, math.Abs(g.dispersion))
	share := g.shares()
	b.rest = b.rest[:w.n]
	clear(b.rest)
	for k, s := range share {
		for i, f := range grid.ages[k][w.lo:][:w.n] {
			b.rest[i] += s * float64(f)
		}
	}
	transmit(b.rest, grid.dust[w.lo:][:w.n], g.ebv)
	grid.project(w, b)
	g.nebula(grid, b.flux, share)
}

// shares returns the shares of the light at 5500 Å; their sum is 1.
func (g *galaxyModel) shares() [ageCount]float64 {
	var s [ageCount]float64
	var sum float64
	for k, l := range g.light {
		s[k] = math.Exp(l)
		sum += s[k]
	}
	for k := range s {
		s[k] /= sum
	}
	return s
}

// nebula adds the emission lines. Hα/Hβ is 2.86 before dust (case B); the
// doublets of [N II] and [O III] have their fixed ratios of 3.05 and 2.98
// (Osterbrock & Ferland 2006, Astrophysics of Gaseous Nebulae).
func (g *galaxyModel) nebula(grid *modelGrid, flux []float64, share [ageCount]float64) {
	var continuum float64 // on both sides of the stars' own Hα
	for _, side := range [...]float64{6480, 6650} {
		at := min(int((math.Log10(side)-grid.restLog0)/gridStep), len(grid.rest)-1)
		for k, s := range share {
			continuum += s * float64(grid.ages[k][at]) / 2 * math.Pow(10, -0.4*g.ebv*grid.dust[at])
		}
	}
	halpha := g.ewHalpha * continuum
	dex := func(x float64) float64 { return math.Pow(10, math.Min(x, 3)) }
	nii, oiii, sii, oii := dex(g.logNII), dex(g.logOIII), dex(g.logSII), dex(g.logOII)
	hard := 0.0 // lines that need photons beyond 54 eV
	if g.logOIII > (kauffmann(g.logNII)+kewley(g.logNII))/2 {
		hard = oiii
	}
	const decrement = 2.86
	red := extinction(6564.6)
	for _, l := range [...]struct{ wave, flux float64 }{ // in units of Hα
		{3727.1, 0.42 * oii / decrement}, {3729.9, 0.58 * oii / decrement},
		{3869.9, 0.09 * oiii / decrement}, {3889.8, 0.2 / decrement},
		{4102.9, 0.259 / decrement}, {4341.7, 0.468 / decrement}, {4364.4, 0.01 * oiii / decrement},
		{4687.0, 0.025 * hard / decrement}, {3426.8, 0.06 * hard / decrement},
		{4862.7, 1 / decrement}, {4960.3, oiii / 2.98 / decrement}, {5008.2, oiii / decrement},
		{5877.3, 0.12 / decrement}, {6302.0, dex(g.logOI)}, {6365.5, dex(g.logOI) / 3},
		{6549.9, nii / 3.05}, {6564.6, 1}, {6585.3, nii},
		{6718.3, 0.57 * sii}, {6732.7, 0.43 * sii}, {9071.1, 0.12},
	} {
		dim := math.Pow(10, -0.4*g.gasEBV*(extinction(l.wave)-red))
		grid.addLine(flux, l.wave, g.z, halpha*l.flux*dim, math.Abs(g.width))
	}
}

// The stellar populations of a galaxy.
const ageCount = 6

// stellarPopulations returns their spectra: light of a few stars each, in the
// proportions in which they shine at 5500 Å.
func stellarPopulations(g *modelGrid) [][]float32 {
	type light struct{ teff, logg, feh, share float64 }
	ages := [ageCount][]light{
		{{33000, 4, 0, 0.4}, {24000, 4, 0, 0.35}, {15000, 4, 0, 0.15}, {4000, 1, 0, 0.1}},                  // 10 Myr
		{{13000, 4, 0, 0.35}, {10500, 4, 0, 0.35}, {8500, 4, 0, 0.1}, {4700, 2, 0, 0.2}},                   // 200 Myr
		{{8600, 4, 0, 0.4}, {7200, 4.2, 0, 0.25}, {5000, 2.5, 0, 0.25}, {4300, 2, 0, 0.1}},                 // 1 Gyr
		{{6700, 4.1, 0, 0.4}, {5800, 4.4, 0, 0.2}, {4800, 2.6, 0, 0.3}, {4000, 1.5, 0, 0.1}},               // 3 Gyr
		{{6000, 4.1, 0.2, 0.25}, {5300, 4.5, 0.2, 0.2}, {4600, 2.5, 0.2, 0.35}, {3900, 1.2, 0.2, 0.2}},     // 10 Gyr, metal-rich
		{{6300, 4.1, -0.8, 0.3}, {5500, 4.5, -0.8, 0.2}, {4900, 2.5, -0.8, 0.35}, {4200, 1.2, -0.8, 0.15}}, // 10 Gyr, metal-poor
	}
	at := int((math.Log10(5500) - g.restLog0) / gridStep)
	out := make([][]float32, ageCount)
	star := make([]float64, len(g.rest))
	for k, lights := range ages {
		sum := make([]float64, len(g.rest))
		for _, l := range lights {
			(&starModel{teff: l.teff, logg: l.logg, feh: l.feh, tio: 1}).emit(g, 0, star)
			for i, f := range star {
				sum[i] += l.share * f / star[at]
			}
		}
		out[k] = make([]float32, len(g.rest))
		for i, f := range sum {
			out[k][i] = float32(f)
		}
	}
	return out
}
