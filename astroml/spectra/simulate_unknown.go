package spectra

import (
	"math"
	"math/rand/v2"
)

// unknownKinds are the objects outside of the thirteen classes.
var unknownKinds = []string{"M_DWARF", "CARBON_STAR", "WHITE_DWARF", "SUPERNOVA_IA", "QSO_BAL"}

func drawUnknown(r *rand.Rand, kind string) object {
	s := &starModel{rotation: 10, velocity: 60 * within(r, 4), tio: 1}
	switch kind {
	case "M_DWARF":
		s.teff, s.feh, s.logg = uniform(r, 2900, 3600), 0.2*within(r, 2), 5
	case "CARBON_STAR":
		s.teff, s.feh, s.logg, s.tio, s.carbon = uniform(r, 3600, 4600), -0.5, 1.5, 0, uniform(r, 0.5, 1.5)
	case "WHITE_DWARF":
		// The wings of hydrogen lines grow with pressure as far as strengths
		// lets them: to five times those of a dwarf.
		s.teff, s.feh, s.logg = uniform(r, 10500, 18000), -8, 8
	case "SUPERNOVA_IA":
		return &supernovaModel{
			z: logUniform(r, 0.01, 0.2), temperature: uniform(r, 9000, 13000), speed: uniform(r, 9500, 13000),
			depth: uniform(r, 0.7, 1.3), host: uniform(r, 0, 0.4),
		}
	case "QSO_BAL":
		q := drawQuasar(r, "QSO_BROADLINE")
		q.z = uniform(r, 1.7, 3.5) // C IV lies on the grid
		q.host = 0
		q.trough, q.onset, q.reach = uniform(r, 0.6, 0.95), uniform(r, 500, 5000), uniform(r, 4000, 15000)
		return q
	}
	return s
}

// supernovaModel is a supernova of type Ia near maximum light: a hot continuum,
// line-blanketed in the blue, with the P-Cygni features of Ca II, Fe II, S II
// and Si II (Filippenko 1997, doi:10.1146/annurev.astro.35.1.309), and its host.
type supernovaModel struct {
	z           float64
	temperature float64 // K
	speed       float64 // of the ejecta at the absorption, km/s
	depth       float64 // of the features, 1 is usual
	host        float64 // share of the host in the light at 5500 Å
}

func (s *supernovaModel) clone() object     { c := *s; return &c }
func (s *supernovaModel) class() string     { return "SUPERNOVA_IA" }
func (s *supernovaModel) knobs() []knob     { return nil }
func (s *supernovaModel) describe(t *Truth) { t.Z, t.Teff = s.z, s.temperature }
func (s *supernovaModel) render(g *modelGrid, b *bench) {
	host := galaxyModel{z: s.z, dispersion: 150, light: [ageCount]float64{-3, -2, -1.5, -1.2, -1.2, -1.5}, ewHalpha: 15, logNII: -0.5, logOIII: -0.3, logSII: -0.4, logOII: 0.4, logOI: -1.6, width: 100}
	host.render(g, b)
	const hckB = 1.438777e8 // hc/k in Å K
	scale := math.Expm1(hckB / (5500 * s.temperature))
	for i, w := range g.wave {
		rest := w / (1 + s.z)
		f := math.Pow(5500/rest, 5) * scale / math.Expm1(hckB/(rest*s.temperature))
		f /= 1 + math.Exp((3500-rest)/150)
		for _, l := range [...]struct{ wave, depth, width float64 }{
			{3945, 1.1, 4000}, {4130, 0.25, 2200}, {4481, 0.5, 4500}, {4924, 0.45, 3500}, {5150, 0.35, 3500},
			{5454, 0.3, 1800}, {5640, 0.35, 1800}, {5972, 0.2, 2500}, {6355, 0.8, 2700}, {7773, 0.3, 3500}, {8579, 0.9, 4500},
		} {
			v := (rest/l.wave - 1) * lightSpeed
			in, out := (v+s.speed)/l.width, (v-1500)/(1.6*l.width)
			f *= math.Exp(s.depth * l.depth * (0.35*math.Exp(-out*out/2) - math.Exp(-in*in/2)))
		}
		b.flux[i] = s.host*b.flux[i] + (1-s.host)*f
	}
}
