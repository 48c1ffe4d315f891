//go:build cgo

package camels_test

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/goastroml/goastroml/astroml/camels"
)

func ExampleReadGroups() {
	paths, err := filepath.Glob("../../testdata/camels/LH_*/fof_subhalo_tab_033.hdf5")
	if err != nil {
		fmt.Println(err)
		return
	}
	g, err := camels.ReadGroups(context.Background(), paths, camels.Options{MinStars: 21})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(g.Values.Shape, g.Names[4], g.Units[4])
	for i, s := range g.Simulation {
		fmt.Printf("%s %.0f\n", g.Simulations[s], g.Values.Data[17*i+4])
	}
	// Output:
	// [5 17] V_max km/s
	// LH_3 57
	// LH_3 488
	// LH_3 621
	// LH_3 59
	// LH_8 267
}
