package spectra

import (
	"math"
	"math/rand/v2"

	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// quasarModel is a quasar: a power law that steepens beyond 5000 Å, the pseudo-
// continuum of Fe II, the Balmer continuum, permitted and forbidden lines, the
// host galaxy at low redshift, and the Lyman-α forest.
type quasarModel struct {
	z        float64
	slope    float64                  // of F_λ, bluewards of 5000 Å
	fwhm     float64                  // of the permitted lines, km/s
	strength float64                  // of all permitted lines
	line     [quasarLineCount]float64 // scatter of each, logarithm to base e
	blueward float64                  // shift of C IV and He II, km/s
	iron     float64                  // Fe II, Å of equivalent width per 100 Å
	balmer   float64                  // Balmer continuum at 3646 Å over the power law
	narrow   float64                  // equivalent width of [O III] 5008, Å
	width    float64                  // σ of the forbidden lines, km/s
	host     float64                  // share of the host in the light at 5500 Å
	ebv      float64                  // dust in the quasar, mag
	forest   uint64                   // seed of the forest; 0 is the mean forest
	trough   float64                  // depth of broad absorption; 0 in ordinary quasars
	onset    float64                  // of the absorption, km/s bluewards of the line
	reach    float64                  // its extent, km/s
}

// quasarLines are the permitted lines (several are blends): vacuum wavelengths
// and the mean quasar's equivalent widths, Å, after Vanden Berk et al. (2001),
// doi:10.1086/321167, table 2; the width is relative to that of Hβ.
const quasarLineCount = 13

var quasarLines = [quasarLineCount]struct {
	wave, width, relative float64
	high                  bool // of high ionisation: blueshifted
}{
	{1033.0, 9, 1.1, true}, {1215.7, 75, 0.9, false}, {1240.1, 18, 1.1, true}, {1305, 2, 0.9, false}, {1398.3, 8, 1.2, true}, {1549.1, 30, 1.0, true},
	{1640.4, 5, 1.3, true}, {1906, 22, 1.2, false}, {2799.1, 32, 0.8, false},
	{4102.9, 5, 1.0, false}, {4341.7, 13, 1.0, false}, {4862.7, 46, 1.0, false}, {6564.6, 195, 0.9, false},
}

func drawQuasar(r *rand.Rand, class string) *quasarModel {
	q := &quasarModel{
		z:        math.Exp(uniform(r, math.Log(1.1), math.Log(5))) - 1,
		slope:    -1.7 + 0.25*within(r, 2.5),
		strength: math.Exp(0.25 * within(r, 2)),
		blueward: 200 + 400*math.Abs(within(r, 2.5)),
		iron:     18 * math.Exp(0.5*within(r, 2)),
		balmer:   uniform(r, 0.05, 0.35),
		narrow:   14 * math.Exp(0.7*within(r, 2)),
		width:    uniform(r, 120, 280),
		ebv:      math.Min(0.02*r.ExpFloat64(), 0.15),
		forest:   r.Uint64() | 1,
	}
	for k := range q.line {
		q.line[k] = 0.2 * within(r, 2.5)
	}
	if q.z < 0.8 {
		q.host = uniform(r, 0, 0.35)
	}
	q.fwhm = logUniform(r, 2300, 9000)
	if class == "QSO" {
		if r.Float64() < 0.15 {
			q.strength = uniform(r, 0.02, 0.16)
			q.narrow *= 0.3
		} else {
			// Narrow lines go with strong iron and a red continuum: the first
			// eigenvector of Boroson & Green (1992), doi:10.1086/191661.
			q.fwhm = logUniform(r, 600, 1700)
			q.strength *= 0.6
			q.iron *= 2
		}
		q.slope += 0.7
	}
	return q
}

func (q *quasarModel) clone() object { c := *q; return &c }

func (q *quasarModel) class() string {
	if math.Abs(q.fwhm) > 2000 && q.strength > 0.27 {
		return "QSO_BROADLINE"
	}
	return "QSO"
}

func (q *quasarModel) describe(t *Truth) { t.Z, t.FWHM, t.Strength = q.z, q.fwhm, q.strength }

func (q *quasarModel) knobs() []knob {
	k := []knob{
		{&q.z, 1e-4, 0.5}, {&q.slope, 0.02, 0.35}, {&q.fwhm, 40, 3000}, {&q.strength, 0.02, 0.5}, {&q.blueward, 40, 300},
		{&q.iron, 1, 10}, {&q.balmer, 0.02, 0.1}, {&q.narrow, 0.5, 12}, {&q.width, 5, 60}, {&q.host, 0.01, 0.1}, {&q.ebv, 0.01, 0.03},
	}
	for i := range q.line {
		k = append(k, knob{&q.line[i], 0.02, 0.2})
	}
	return k
}

func (q *quasarModel) render(g *modelGrid, b *bench) {
	if q.host > 0 {
		host := galaxyModel{z: q.z, dispersion: 180, light: [ageCount]float64{-4, -2.5, -1.8, -1.2, -1, -1.5}}
		host.render(g, b)
	} else {
		clear(b.flux)
	}
	shift := math.Log1p(q.z)
	// Dust like that of the Small Magellanic Cloud, A = 1.39 λ^-1.2 (μm)
	// E(B-V) mag (Prevot et al. 1984; Richards et al. 2003).
	dust := 0.4 * math.Ln10 * 1.39 * q.ebv
	for i := range b.flux {
		ln := g.ln[i] - shift
		dim := dust * (math.Exp(-1.2*(ln-math.Log(1e4))) - 2.049) // 2.049 = 0.55^-1.2
		b.flux[i] = q.host*b.flux[i] + (1-q.host)*q.continuum(ln)*math.Exp(-dim)
	}
	q.addIron(g, b)
	for k, l := range quasarLines {
		center := l.wave
		if l.high {
			center *= 1 - q.blueward/lightSpeed
		}
		area := q.strength * l.width * math.Exp(q.line[k]) * q.continuum(math.Log(l.wave)) * (1 - q.host)
		fwhm := math.Abs(q.fwhm) * l.relative
		// Two Gaussians make the wings that lines of clouds at many radii have.
		g.addLine(b.flux, center, q.z, 0.65*area, 0.8*fwhm/fwhmSigmas)
		g.addLine(b.flux, center, q.z, 0.35*area, 1.7*fwhm/fwhmSigmas)
	}
	forbidden := q.narrow * q.continuum(math.Log(5008)) * (1 - q.host)
	for _, l := range [...]struct{ wave, relative float64 }{
		{5008.2, 1}, {4960.3, 1 / 2.98}, {3728.5, 0.18}, {3869.9, 0.15}, {3426.8, 0.1}, {6585.3, 0.2}, {6549.9, 0.07}, {6718.3, 0.1}, {6732.7, 0.1}, {4862.7, 0.09},
	} {
		g.addLine(b.flux, l.wave, q.z, forbidden*l.relative, math.Abs(q.width))
	}
	q.absorb(g, b.flux)
}

// continuum returns power law and Balmer continuum, 1 at 5500 Å, where the
// natural logarithm of the rest-frame wavelength is ln. The power law has the
// break of Vanden Berk et al. (2001), section 4.1.
func (q *quasarModel) continuum(ln float64) float64 {
	const bend, unity = 8.517193191416238, 8.612503371220562 // logarithms of 5000 and 5500
	slope := q.slope
	if ln > bend {
		slope += 0.9
	}
	f := math.Exp(slope*(ln-bend) + (q.slope+0.9)*(bend-unity))
	const from, to = 7.6, 8.269 // 2000 to 3900 Å
	if ln > from && ln < to {
		edge := math.Exp(ln) / 3646
		d := (edge - 0.85) / 0.25
		f *= 1 + 1.4*q.balmer*edge*edge*math.Exp(-d*d)/(1+math.Exp((edge-1.015)*120))
	}
	return f
}

// ironWidths are the widths, FWHM in km/s, at which Fe II is tabulated.
var ironWidths = []float64{600, 1000, 1800, 3200, 5600, 10000}

// ironTemplates returns the pseudo-continuum of Fe II at ironWidths: lines that
// crowd where Fe II's multiplets do, 2200–2650 and 2900–3050 Å, 4440–4700 and
// 5150–5400 Å (Boroson & Green 1992, doi:10.1086/191661; Vestergaard & Wilkes
// 2001, doi:10.1086/320357). The places of the lines are drawn once and for
// all; the units are those of an equivalent width of 1 Å per 100 Å at 5000 Å.
func ironTemplates(rest []float64) [][]float32 {
	r := rng.New(0, "quasar iron")
	lines := make([]float64, len(rest))
	for range 420 {
		center := uniform(r, 2000, 5800)
		envelope := 0.08
		for _, e := range [...]struct{ center, width, height float64 }{
			{2300, 90, 1.0}, {2450, 110, 1.6}, {2600, 60, 1.0}, {2960, 80, 0.7}, {3200, 120, 0.35}, {4560, 90, 1.0}, {5250, 90, 1.0}, {4180, 60, 0.25}, {5020, 20, 0.5}, {4925, 20, 0.5},
		} {
			d := (center - e.center) / e.width
			envelope += e.height * math.Exp(-d*d/2)
		}
		if i := int((math.Log10(center / rest[0])) / gridStep); i > 0 && i < len(lines) {
			lines[i] += envelope * r.ExpFloat64()
		}
	}
	out := make([][]float32, len(ironWidths))
	for k, fwhm := range ironWidths {
		spread := fwhm / fwhmSigmas / pixelSpeed
		out[k] = make([]float32, len(rest))
		for at, area := range lines {
			if area == 0 {
				continue
			}
			half := int(4.5 * spread)
			for i := max(at-half, 0); i < min(at+half, len(rest)); i++ {
				d := float64(i-at) / spread
				out[k][i] += float32(area * math.Exp(-d*d/2) * 5 / (spread * math.Sqrt(2*math.Pi)))
			}
		}
	}
	return out
}

// addIron adds Fe II at the quasar's line width.
func (q *quasarModel) addIron(g *modelGrid, b *bench) {
	fwhm := math.Min(math.Max(math.Abs(q.fwhm), ironWidths[0]), ironWidths[len(ironWidths)-1])
	k := 0
	for k < len(ironWidths)-2 && ironWidths[k+1] < fwhm {
		k++
	}
	t := math.Log(fwhm/ironWidths[k]) / math.Log(ironWidths[k+1]/ironWidths[k])
	lo, hi := g.iron[k], g.iron[k+1]
	at := (g.log0 - math.Log10(1+q.z) - g.restLog0) / gridStep
	scale := q.iron * math.Min(q.strength, 1) * (1 - q.host) / 40
	uv := 1 + 0.5*math.Max(-q.slope-1, 0)
	floor := math.Floor(at)
	frac := float32(at - floor)
	for i := range b.flux {
		j := int(floor) + i
		if j < 0 || j+1 >= len(lo) || g.rest[j] > 6200 {
			continue
		}
		a := lo[j] + frac*(lo[j+1]-lo[j])
		c := hi[j] + frac*(hi[j+1]-hi[j])
		v := float64(a) + t*float64(c-a)
		if g.rest[j] < 3700 {
			v *= 2.5 * uv
		}
		b.flux[i] += scale * v
	}
}

// absorb multiplies by the Lyman-α forest, the Lyman limit and, where there are
// any, broad absorption troughs. The forest's mean optical depth is
// 0.0018 (1+z)^3.92 (Faucher-Giguère et al. 2008, doi:10.1086/588648), its
// scatter log-normal and correlated over a few pixels.
func (q *quasarModel) absorb(g *modelGrid, flux []float64) {
	const lyman = 1215.67
	var r *rand.Rand
	if q.forest != 0 {
		r = rng.New(q.forest, "forest")
	}
	var state float64
	for i, w := range g.wave {
		rest := w / (1 + q.z)
		if rest > lyman {
			break
		}
		depth := 0.0018 * math.Exp(3.92*(g.ln[i]-math.Log(lyman)))
		if r != nil {
			state = 0.7*state + 0.714*r.NormFloat64()
			depth *= math.Exp(1.1*state - 0.6)
		}
		if rest < 912 {
			depth += 2.5 * math.Pow(rest/912, 3)
		}
		flux[i] *= math.Exp(-depth)
	}
	if q.trough == 0 {
		return
	}
	for _, center := range [...]float64{1239, 1397, 1549} {
		for i, w := range g.wave {
			v := (1 - w/(1+q.z)/center) * lightSpeed
			d := (v - q.onset) / q.reach
			if d > -0.2 && d < 1.2 {
				flux[i] *= 1 - q.trough/(1+math.Exp(-d*25))/(1+math.Exp((d-1)*15))
			}
		}
	}
}
