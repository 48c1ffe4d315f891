package bindings

import (
	"fmt"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/moment"
)

// MomentGalaxyInfo returns the names and units of toy galaxies' properties and
// the names of the parameters as a JSON object.
func MomentGalaxyInfo() (text string, err error) {
	defer guard(&err)
	return toJSON(map[string][]string{"features": moment.GalaxyFeatures, "units": moment.GalaxyUnits, "parameters": moment.GalaxyParameters})
}

// MomentGalaxies writes moment.Galaxies, n of them in all: x of n × 8 float32,
// theta of n × 2 float32, groups of n int64. options is the JSON of a
// moment.GalaxyConfig.
func MomentGalaxies(x, theta, groups uintptr, n int, options string) (zero int, err error) {
	defer guard(&err)
	var cfg moment.GalaxyConfig
	if err := fromJSON("options", options, &cfg); err != nil {
		return 0, err
	}
	a, e0 := need[float32]("x", x, n, len(moment.GalaxyFeatures))
	t, e1 := need[float32]("theta", theta, n, len(moment.GalaxyParameters))
	g, e2 := need[int64]("groups", groups, n, 1)
	if err := firstOf(e0, e1, e2); err != nil {
		return 0, err
	}
	set, err := moment.Galaxies(cfg)
	if err != nil {
		return 0, err
	}
	if set.X.Shape[0] != n {
		return 0, fmt.Errorf("moment: room for %d galaxies, there are %d: %w", n, set.X.Shape[0], astroml.ErrShape)
	}
	copy(a, set.X.Data)
	copy(t, set.Theta.Data)
	for i, v := range set.Groups {
		g[i] = int64(v)
	}
	return 0, nil
}

// MomentGalaxyPosterior writes moment.GalaxyPosterior of n toy galaxies, n × 8
// float32, to mean and std: n float64 each.
func MomentGalaxyPosterior(mean, std, x uintptr, n int) (zero int, err error) {
	defer guard(&err)
	m, e0 := need[float64]("mean", mean, n, 1)
	s, e1 := need[float64]("std", std, n, 1)
	a, e2 := need[float32]("x", x, n, len(moment.GalaxyFeatures))
	if err := firstOf(e0, e1, e2); err != nil {
		return 0, err
	}
	v, w, err := moment.GalaxyPosterior(a)
	copy(m, v)
	copy(s, w)
	return 0, err
}
