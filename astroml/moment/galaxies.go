package moment

import (
	"fmt"
	"math"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// GalaxyFeatures are the properties of toy galaxies, GalaxyUnits their units, and
// GalaxyParameters those of their universe.
var (
	GalaxyParameters = []string{"Omega_m", "sigma_8"}
	GalaxyFeatures   = []string{"M_gas", "M_star", "M_bh", "V_max", "sigma_v", "Z_star", "R_star", "SFR"}
	GalaxyUnits      = []string{"Msun", "Msun", "Msun", "km/s", "km/s", "", "kpc", "Msun/yr"}
)

// toy is the decimal logarithm of each property: its mean, and what it gains
// with a halo's mass (in standard deviations), with Ω_m (by 0.1) and by chance.
var toy = []struct{ mean, mass, matter, scatter float64 }{
	{9.8, 0.35, -0.04, 0.30},
	{9.3, 0.50, -0.10, 0.12},
	{6.8, 0.60, 0.02, 0.40},
	{2.1, 0.14, 0.04, 0.025},
	{1.9, 0.15, 0.02, 0.06},
	{-2.2, 0.20, -0.08, 0.10},
	{0.6, 0.10, 0.05, 0.08},
	{-0.3, 0.40, 0.00, 0.35},
}

// The toy Universe: Ω_m and σ_8 are uniform, and no property knows of σ_8.
const (
	matterLow, matterHigh = 0.1, 0.5
	sigma8Low, sigma8High = 0.6, 1.0
)

// GalaxyConfig holds the options of Galaxies. The zero value is good.
type GalaxyConfig struct {
	// Simulations is the number of universes. The default is 200.
	Simulations int `json:"simulations,omitempty"`
	// PerSimulation is the number of galaxies of each. The default is 50.
	PerSimulation int `json:"per_simulation,omitempty"`
	// Seed is the seed of all that is drawn.
	Seed uint64 `json:"seed,omitempty"`
}

// Galaxies draws toy galaxies: eight properties (GalaxyFeatures) of each, whose
// logarithms are linear in a hidden mass, in Ω_m and in Gaussian scatter, and as
// parameters Ω_m and σ_8. Groups are the simulations. It is no physics, but its
// posterior is known: GalaxyPosterior gives it. It stands for the galaxies of
// Villaescusa-Navarro et al. (2022), arXiv:2201.02202.
func Galaxies(cfg GalaxyConfig) (Set, error) {
	if cfg.Simulations == 0 {
		cfg.Simulations = 200
	}
	if cfg.PerSimulation == 0 {
		cfg.PerSimulation = 50
	}
	if cfg.Simulations < 1 || cfg.PerSimulation < 1 || cfg.Simulations > 1<<30/cfg.PerSimulation {
		return Set{}, fmt.Errorf("moment: %d simulations of %d galaxies, want positive numbers", cfg.Simulations, cfg.PerSimulation)
	}
	n, f := cfg.Simulations*cfg.PerSimulation, len(toy)
	set := Set{Names: append([]string(nil), GalaxyParameters...),
		X:      astroml.Array{Shape: []int{n, f}, Data: make([]float32, 0, n*f)},
		Theta:  astroml.Array{Shape: []int{n, 2}, Data: make([]float32, 0, n*2)},
		Groups: make([]int, 0, n)}
	for s := range cfg.Simulations {
		r := rng.New(cfg.Seed, "universe", s)
		matter := matterLow + (matterHigh-matterLow)*r.Float64()
		sigma8 := sigma8Low + (sigma8High-sigma8Low)*r.Float64()
		for range cfg.PerSimulation {
			mass := r.NormFloat64()
			for _, p := range toy {
				l := p.mean + p.mass*mass + p.matter*(matter-0.3)/0.1 + p.scatter*r.NormFloat64()
				set.X.Data = append(set.X.Data, float32(math.Pow(10, l)))
			}
			set.Theta.Data = append(set.Theta.Data, float32(matter), float32(sigma8))
			set.Groups = append(set.Groups, s)
		}
	}
	return set, nil
}

// GalaxyPosterior returns the exact posterior mean and standard deviation of Ω_m
// given one toy galaxy each, for the properties of n galaxies (n × 8).
//
// Given Ω_m the logarithms are normal, of covariance C = aaᵀ + diag s² with the
// slopes a of mass and scatters s, so that the likelihood is normal in Ω_m: with
// the slopes b, of precision bᵀC⁻¹b. The prior cuts it off.
func GalaxyPosterior(x []float32) (mean, std []float64, err error) {
	f := len(toy)
	if len(x)%f != 0 {
		return nil, nil, fmt.Errorf("moment: %d properties of toy galaxies, want %d each: %w", len(x), f, astroml.ErrShape)
	}
	// By Sherman & Morrison C⁻¹ = D - Da aᵀD / (1 + aᵀDa), D = 1/s².
	dot := func(u, v []float64) (s float64) {
		for i, p := range toy {
			s += u[i] * v[i] / (p.scatter * p.scatter)
		}
		return s
	}
	a, b, d := make([]float64, f), make([]float64, f), make([]float64, f)
	for i, p := range toy {
		a[i], b[i] = p.mass, p.matter/0.1
	}
	product := func(u, v []float64) float64 { return dot(u, v) - dot(u, a)*dot(a, v)/(1+dot(a, a)) }
	precision := product(b, b)
	for i := 0; i < len(x); i += f {
		for j, p := range toy {
			d[j] = math.Log10(float64(x[i+j])) - p.mean
		}
		m, s := truncated(0.3+product(b, d)/precision, 1/math.Sqrt(precision), matterLow, matterHigh)
		mean, std = append(mean, m), append(std, s)
	}
	return mean, std, nil
}

// truncated returns mean and standard deviation of a normal distribution between
// lo and hi (Johnson, Kotz & Balakrishnan 1994, section 13.10.1).
func truncated(m, s, lo, hi float64) (mean, std float64) {
	a, b := (lo-m)/s, (hi-m)/s
	density := func(z float64) float64 { return math.Exp(-z*z/2) / math.Sqrt(2*math.Pi) }
	// In the tail of their own side, differences keep their digits.
	mass := (math.Erfc(a/math.Sqrt2) - math.Erfc(b/math.Sqrt2)) / 2
	if b < 0 {
		mass = (math.Erfc(-b/math.Sqrt2) - math.Erfc(-a/math.Sqrt2)) / 2
	}
	d := (density(a) - density(b)) / mass
	v := 1 + (a*density(a)-b*density(b))/mass - d*d
	return m + s*d, s * math.Sqrt(max(v, 0))
}
