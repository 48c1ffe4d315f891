package spectra

import (
	"math"
	"math/rand/v2"

	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// starClasses are the stellar classes, and starTeff their intervals of
// effective temperature in K.
var (
	starClasses = []string{"STAR_A0", "STAR_F5", "STAR_F9", "STAR_G2", "STAR_K1", "STAR_K3", "STAR_K5"}
	starTeff    = [][2]float64{{7900, 11000}, {6500, 7200}, {6040, 6230}, {5600, 5800}, {5160, 5360}, {4690, 4920}, {4100, 4480}}
)

// starModel is a stellar spectrum: Planck's law times exp(-τ), where τ is a sum
// over species of a fixed pattern (stellarLines) times a strength that depends
// on temperature, metallicity and gravity (strengths). It is no model
// atmosphere, but the lines grow and fade as in the spectral sequence.
type starModel struct {
	teff     float64 // K
	feh      float64 // dex
	logg     float64 // log10 of cm/s²
	rotation float64 // σ of the rotational broadening, km/s
	velocity float64 // km/s
	tio      float64 // molecular bands in units of their usual strength
	carbon   float64 // strength of C2, in carbon stars
}

func drawStar(r *rand.Rand, class int) *starModel {
	s := &starModel{
		teff:     uniform(r, starTeff[class][0], starTeff[class][1]),
		feh:      -0.35 + 0.35*within(r, 2.5),
		logg:     4.35 + 0.15*within(r, 2.5),
		rotation: 10 + 10*r.ExpFloat64(),
		velocity: 60 * within(r, 4),
		tio:      1,
	}
	if s.teff < 5800 && r.Float64() < 0.25 { // a giant of the red branch
		s.logg = uniform(r, 1.8, 3.5)
	}
	if s.teff > 6300 { // stars above the Kraft break rotate
		s.rotation = uniform(r, 20, 120)
	}
	return s
}

func (s *starModel) clone() object { c := *s; return &c }

func (s *starModel) class() string {
	for i := 1; i < len(starTeff); i++ {
		if s.teff > (starTeff[i-1][0]+starTeff[i][1])/2 {
			return starClasses[i-1]
		}
	}
	return starClasses[len(starClasses)-1]
}

func (s *starModel) describe(t *Truth) {
	t.Z, t.Teff, t.FeH, t.LogG = s.velocity/lightSpeed, s.teff, s.feh, s.logg
}

func (s *starModel) knobs() []knob {
	return []knob{
		{&s.teff, 20, 2000}, {&s.feh, 0.05, 0.35}, {&s.logg, 0.1, 0.6},
		{&s.rotation, 5, 30}, {&s.velocity, 10, 60},
	}
}

func (s *starModel) render(g *modelGrid, b *bench) {
	w := g.window(s.velocity/lightSpeed, math.Abs(s.rotation))
	b.rest = b.rest[:w.n]
	s.emit(g, w.lo, b.rest)
	g.project(w, b)
}

// emit writes the flux density from the rest-frame pixel lo on, in units of
// Planck's law at 5500 Å.
func (s *starModel) emit(g *modelGrid, lo int, flux []float64) {
	clear(flux)
	a := s.strengths()
	for k, strength := range a {
		if math.Abs(strength) < 1e-3 {
			continue
		}
		for i, t := range g.lines[k][lo:][:len(flux)] {
			flux[i] += strength * float64(t)
		}
	}
	const hckB = 1.438777e8 // hc/k in Å K
	teff := math.Max(s.teff, 1000)
	scale := math.Expm1(hckB / (5500 * teff))
	for i, w := range g.rest[lo:][:len(flux)] {
		u := 5500 / w
		u2 := u * u
		flux[i] = u2 * u2 * u * scale * math.Exp(-flux[i]) / (math.Exp(hckB/(w*teff)) - 1)
	}
}

// The species whose lines a star shows.
const (
	hydrogenCore = iota
	hydrogenWing
	balmerJump
	calciumHK
	metals
	methylidyne // CH: the G band
	cyanogen
	magnesiumB
	magnesiumHydride
	sodium
	calciumNeutral
	calciumTriplet
	titaniumOxide
	calciumHydride
	dicarbon
	helium
	speciesCount
)

// strengths returns the factor of each species' pattern. Hydrogen follows the
// Boltzmann population of its second level, with a power for the curve of
// growth, and is ionised above 13,000 K; its wings grow with pressure. Neutral
// metals fade as exp(-T) when they are ionised; molecules set in where they
// stop being dissociated. The constants are set by eye to the equivalent
// widths of the MK sequence (Gray & Corbally 2009, Stellar Spectral
// Classification): Hβ 15 Å at A0, 4 Å at F5, 0.6 Å at K5; Ca II K 1, 6, 12 Å;
// the G band strongest about K0; TiO from K5 on.
func (s *starModel) strengths() [speciesCount]float64 {
	t, m, dg := s.teff, s.feh, s.logg-4.3
	h := math.Exp(-0.22*118350*(1/t-1./9700)) / (1 + math.Exp((t-13000)/2500))
	neutral := func(at, scale float64) float64 { return math.Min(math.Exp((at-t)/scale), 6) }
	bell := func(at, width float64) float64 { d := (t - at) / width; return math.Exp(-d * d / 2) }
	dex := func(x float64) float64 { return math.Pow(10, x) }
	var a [speciesCount]float64
	a[hydrogenCore] = 0.95 * math.Pow(h, 0.7)
	a[hydrogenWing] = 1.1 * math.Pow(h, 1.3) * dex(0.25*math.Min(math.Max(dg, -2), 3))
	a[balmerJump] = 1.0 * math.Pow(h, 1.1) * dex(-0.1*math.Min(math.Max(dg, -2), 3))
	a[calciumHK] = neutral(5000, 2200) * dex(0.35*m)
	a[metals] = neutral(5000, 1500) * dex(0.45*m-0.03*dg)
	a[methylidyne] = bell(5000, 850) * dex(0.4*m)
	a[cyanogen] = bell(4500, 600) * dex(0.8*m-0.2*dg)
	a[magnesiumB] = neutral(5000, 1100) * dex(0.35*m+0.15*dg)
	a[magnesiumHydride] = neutral(4700, 400) * dex(0.3*m+0.3*dg)
	a[sodium] = neutral(4800, 900) * dex(0.3*m+0.15*dg)
	a[calciumNeutral] = neutral(4600, 600) * dex(0.35*m+0.15*dg)
	a[calciumTriplet] = math.Min(1, 1.4*neutral(6500, 3000)) * dex(0.3*m-0.12*dg)
	a[titaniumOxide] = s.tio * math.Min(neutral(3900, 220), 2.5) * dex(0.4*m)
	a[calciumHydride] = s.tio * math.Min(neutral(3800, 250), 2.5) * dex(0.2*m+0.4*dg)
	a[dicarbon] = s.carbon
	a[helium] = bell(19000, 5500)
	return a
}

// stellarLines returns the optical-depth pattern of each species. A pattern has
// a depth of about 1 in the middle of the species' strongest line.
func stellarLines(rest []float64) [][]float32 {
	p := make([][]float32, speciesCount)
	for k := range p {
		p[k] = make([]float32, len(rest))
	}
	hydrogenLines(rest, p[hydrogenCore], p[hydrogenWing])
	for i, w := range rest {
		// Bound-free absorption from the second level falls as λ³; the lines
		// that merge towards 3647 Å smooth the edge.
		p[balmerJump][i] = float32(math.Pow(w/3647, 3) / (1 + math.Exp((w-3660)/12)))
	}
	metalLines(rest, p[metals])
	for _, l := range []struct {
		species            int
		air, depth, spread float64 // Å, -, Å
	}{
		{calciumHK, 3933.66, 1.1, 3.6}, {calciumHK, 3968.47, 1.0, 3.4},
		{calciumHK, 3933.66, 0.5, 11}, {calciumHK, 3968.47, 0.45, 10},
		{magnesiumB, 5167.32, 0.35, 1.6}, {magnesiumB, 5172.68, 0.50, 1.8}, {magnesiumB, 5183.60, 0.60, 2.0},
		{magnesiumB, 3829.36, 0.5, 1.8}, {magnesiumB, 3832.30, 0.7, 2.0}, {magnesiumB, 3838.29, 0.8, 2.2},
		{magnesiumB, 2852.13, 1.2, 5.0}, {magnesiumB, 8806.76, 0.15, 1.6},
		{sodium, 5889.95, 0.45, 1.6}, {sodium, 5895.92, 0.38, 1.5}, {sodium, 8183.26, 0.10, 1.8}, {sodium, 8194.82, 0.15, 2.0},
		{calciumNeutral, 4226.73, 0.55, 2.2}, {calciumNeutral, 6122.22, 0.12, 1.6}, {calciumNeutral, 6162.17, 0.15, 1.6}, {calciumNeutral, 6439.07, 0.10, 1.6},
		{calciumTriplet, 8498.02, 0.28, 2.2}, {calciumTriplet, 8542.09, 0.50, 2.6}, {calciumTriplet, 8662.14, 0.42, 2.5},
		{methylidyne, 4290, 0.12, 7}, {methylidyne, 4300, 0.26, 5}, {methylidyne, 4308, 0.34, 4}, {methylidyne, 4313, 0.22, 3},
		{helium, 4026.19, 0.20, 2.5}, {helium, 4471.48, 0.22, 2.5}, {helium, 4921.93, 0.10, 2}, {helium, 5875.62, 0.16, 2}, {helium, 6678.15, 0.12, 2},
	} {
		addGauss(rest, p[l.species], airToVacuum(l.air), l.depth, l.spread)
	}
	// Bands have a sharp head (Å) and fade over length (Å), to the blue if negative.
	for _, l := range []struct {
		species             int
		head, depth, length float64
	}{
		{cyanogen, 3884, 0.30, -60}, {cyanogen, 4217, 0.14, -70}, {cyanogen, 7876, 0.04, 120}, {cyanogen, 9140, 0.05, 150},
		{magnesiumHydride, 5212, 0.30, -110}, {magnesiumHydride, 4846, 0.08, -60},
		{titaniumOxide, 4585, 0.25, 60}, {titaniumOxide, 4762, 0.45, 100}, {titaniumOxide, 4955, 0.55, 110}, {titaniumOxide, 5168, 0.50, 110},
		{titaniumOxide, 5448, 0.50, 120}, {titaniumOxide, 5760, 0.25, 50}, {titaniumOxide, 5848, 0.45, 110}, {titaniumOxide, 6159, 0.60, 130},
		{titaniumOxide, 6652, 0.50, 120}, {titaniumOxide, 7055, 0.85, 170}, {titaniumOxide, 7591, 0.50, 150}, {titaniumOxide, 8207, 0.25, 120},
		{titaniumOxide, 8434, 0.40, 120}, {titaniumOxide, 8862, 0.45, 180},
		{calciumHydride, 6383, 0.25, 20}, {calciumHydride, 6752, 0.40, 90}, {calciumHydride, 6910, 0.45, 100},
		{dicarbon, 4384, 0.5, -70}, {dicarbon, 4738, 1.0, -110}, {dicarbon, 5166, 1.4, -150}, {dicarbon, 5637, 1.0, -150}, {dicarbon, 6122, 0.4, -120},
	} {
		addBand(rest, p[l.species], l.head, l.depth, l.length)
	}
	return p
}

// hydrogenLines adds the Balmer and Paschen series, as Gaussian cores and as
// Stark-broadened wings that fall as Δλ^-2.5.
func hydrogenLines(rest []float64, core, wing []float32) {
	const rydberg = 109677.58e-8 // of hydrogen, 1/Å
	for _, series := range []struct {
		lower  int
		weight float64
	}{{2, 1}, {3, 0.35}} {
		for upper := series.lower + 1; upper <= series.lower+16; upper++ {
			n, m := float64(series.lower), float64(upper)
			center := 1 / (rydberg * (1/(n*n) - 1/(m*m)))
			// The levels merge: high lines weaken and narrow.
			merge := series.weight * math.Min(1, math.Pow(float64(series.lower+5)/m, 2.2))
			addGauss(rest, core, center, merge, 2.6*center/4500)
			half := 9 * math.Sqrt(center/4500) * math.Min(1, 7/m)
			for i, w := range rest {
				if d := (w - center) / half; math.Abs(d) < 40 {
					wing[i] += float32(merge * math.Pow(1+d*d, -1.25))
				}
			}
		}
	}
}

// metalLines adds the strongest lines of iron and its like, and a forest of
// weak ones whose places are drawn once and for all. Both thicken to the blue.
func metalLines(rest []float64, p []float32) {
	for _, l := range []struct{ air, depth float64 }{
		{2599.4, 0.9}, {2385, 0.8}, {2750, 0.6}, {2796.35, 1.2}, {2803.53, 1.0}, {3020, 0.7}, {3581.2, 0.5}, {3719.9, 0.5}, {3734.9, 0.6}, {3749.5, 0.5},
		{3758.2, 0.4}, {3820.4, 0.5}, {3859.9, 0.5}, {4045.8, 0.40}, {4063.6, 0.35}, {4071.7, 0.35}, {4077.7, 0.30}, {4132.1, 0.2},
		{4143.9, 0.28}, {4254.3, 0.30}, {4260.5, 0.22}, {4271.8, 0.30}, {4274.8, 0.25}, {4289.7, 0.22}, {4325.8, 0.30}, {4383.5, 0.38},
		{4404.8, 0.30}, {4415.1, 0.25}, {4455.0, 0.2}, {4528.6, 0.2}, {4531.1, 0.18}, {4668.1, 0.15}, {4703.0, 0.12}, {4736.8, 0.12},
		{4891.5, 0.15}, {4920.5, 0.17}, {4957.6, 0.18}, {5015.0, 0.12}, {5041.8, 0.12}, {5110.4, 0.12}, {5227.2, 0.16}, {5269.5, 0.24},
		{5328.0, 0.22}, {5371.5, 0.16}, {5397.1, 0.12}, {5405.8, 0.13}, {5429.7, 0.13}, {5446.9, 0.13}, {5528.4, 0.12}, {5615.6, 0.10},
		{5709.4, 0.08}, {5782.1, 0.05}, {6136.6, 0.09}, {6191.6, 0.08}, {6230.7, 0.08}, {6393.6, 0.07}, {6494.98, 0.10}, {6678.0, 0.06},
		{7389.4, 0.05}, {7445.7, 0.05}, {7511.0, 0.05}, {8327.1, 0.05}, {8468.4, 0.06}, {8514.1, 0.05}, {8688.6, 0.08}, {8824.2, 0.06},
	} {
		addGauss(rest, p, airToVacuum(l.air), l.depth, 1.3)
	}
	r := rng.New(0, "stellar metal lines")
	for range 3000 {
		center := restFrom * math.Pow(12500/restFrom, math.Pow(r.Float64(), 1.4))
		depth := 0.05 * r.ExpFloat64() * math.Pow(4500/center, 2.2)
		addGauss(rest, p, center, math.Min(depth, 0.6), 1.2)
	}
}

// addGauss adds a line to a pattern; spread is its σ in Å.
func addGauss(rest []float64, p []float32, center, depth, spread float64) {
	at := func(w float64) int { return int(math.Log10(w/rest[0]) / gridStep) }
	for i := max(at(math.Max(center-5*spread, rest[0])), 0); i < len(rest) && rest[i] < center+5*spread; i++ {
		d := (rest[i] - center) / spread
		p[i] += float32(depth * math.Exp(-d*d/2))
	}
}

// addBand adds a molecular band to a pattern.
func addBand(rest []float64, p []float32, head, depth, length float64) {
	for i, w := range rest {
		if d := (w - head) / length; d > -0.1 && d < 8 {
			p[i] += float32(depth * math.Exp(-math.Max(d, 0)) / (1 + math.Exp(-(w-head)/math.Copysign(2.5, length))))
		}
	}
}
