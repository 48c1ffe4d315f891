package camels

import (
	"fmt"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/npy"
)

// MapsPerSimulation is the number of maps that the CAMELS Multifield Dataset has
// of a simulation: five slices along each of three axes.
const MapsPerSimulation = 15

// Maps are the maps of one field of a set of simulations.
type Maps struct {
	// Maps are map × y × x, periodic, in the unit of the field. They may lie in
	// the file itself: do not write to them, and do not use them after Close.
	Maps astroml.Array
	// Params are map × parameter, those of the simulation of each map.
	Params astroml.Array
	// Names are those of the parameters.
	Names []string
	// Simulation is, for each map, the row of its simulation in the file of
	// parameters. Maps of one simulation belong on one side of a split.
	Simulation []int

	file *npy.File
}

// ReadMaps opens maps such as Maps_HI_IllustrisTNG_LH_z=0.00.npy, without
// reading them, and reads the parameters of their simulations, such as
// params_LH_IllustrisTNG.txt. There are fifteen maps of each simulation, in the
// order of the parameters; another number is astroml.ErrShape. Other errors are
// those of npy.Map and ReadParams.
func ReadMaps(path, params string) (*Maps, error) {
	p, err := ReadParams(params)
	if err != nil {
		return nil, err
	}
	f, err := npy.Map(path)
	if err != nil {
		return nil, fmt.Errorf("camels: %w", err)
	}
	n := p.Values.Shape[0] * MapsPerSimulation
	if len(f.Shape) != 3 || f.Shape[0] != n {
		f.Close()
		return nil, fmt.Errorf("camels: %s: shape %v, want %d × y × x, %d maps of each simulation of %s: %w",
			path, f.Shape, n, MapsPerSimulation, params, astroml.ErrShape)
	}
	width := len(p.Names)
	m := &Maps{Maps: f.Array(), Params: astroml.Array{Shape: []int{n, width}}, Names: p.Names, Simulation: make([]int, n), file: f}
	for i := range n {
		s := i / MapsPerSimulation
		m.Simulation[i] = s
		m.Params.Data = append(m.Params.Data, p.Values.Data[s*width:(s+1)*width]...)
	}
	return m, nil
}

// Close gives the memory of the maps back.
func (m *Maps) Close() error {
	m.Maps.Data = nil
	return m.file.Close()
}
