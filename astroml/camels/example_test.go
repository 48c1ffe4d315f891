package camels_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/camels"
	"github.com/goastroml/goastroml/astroml/npy"
)

func ExampleReadMaps() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	params := filepath.Join(dir, "params_LH_IllustrisTNG.txt")
	text := "0.309 0.979 3.11234 1.12194 0.6685 0.53182\n0.3026 0.9394 3.42001 3.96137 1.03311 1.1607\n"
	if err := os.WriteFile(params, []byte(text), 0o666); err != nil {
		fmt.Println(err)
		return
	}
	maps := filepath.Join(dir, "Maps_HI_IllustrisTNG_LH_z=0.00.npy")
	if err := npy.Write(maps, astroml.Array{Shape: []int{30, 4, 4}, Data: make([]float32, 30*4*4)}); err != nil {
		fmt.Println(err)
		return
	}

	m, err := camels.ReadMaps(maps, params)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	fmt.Println(m.Maps.Shape, m.Params.Shape)
	fmt.Println("map 20 is of simulation", m.Simulation[20], m.Names[0], m.Params.Data[20*6])
	// Output:
	// [30 4 4] [30 6]
	// map 20 is of simulation 1 Omega_m 0.3026
}

func ExampleReadParams() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "CosmoAstroSeed_IllustrisTNG_LH.txt")
	text := "#Name Omega_m sigma_8 A_SN1   A_AGN1  A_SN2   A_AGN2  seed\n LH_0 0.30900 0.97900 3.11234 1.12194 0.66850 0.53182 0\n"
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		fmt.Println(err)
		return
	}

	p, err := camels.ReadParams(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Runs[0], p.Names[:2], p.Values.Data[:2], p.Seeds)
	// Output: LH_0 [Omega_m sigma_8] [0.309 0.979] [0]
}
