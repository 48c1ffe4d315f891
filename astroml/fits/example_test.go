package fits_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/fits"
)

// A box of a cube, which may be larger than memory.
func ExampleHDU_ReadBox() {
	folder, _ := os.MkdirTemp("", "fits")
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "cube.fits")
	cube := astroml.Array{Shape: []int{2, 3, 4}, Data: make([]float32, 24)} // channel, y, x
	for i := range cube.Data {
		cube.Data[i] = float32(i)
	}
	if err := fits.WriteImage(path, cube, fits.Card{Key: "BUNIT", Value: "Jy/beam"}); err != nil {
		fmt.Println(err)
		return
	}
	f, err := fits.Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	box := make([]float32, 4)
	if err := f.HDUs[0].ReadBox(box, []int{1, 0, 2}, []int{2, 2, 4}); err != nil {
		fmt.Println(err)
		return
	}
	unit, _ := f.HDUs[0].Header.String("BUNIT")
	fmt.Println(f.HDUs[0].Axes, box, unit)
	// Output: [2 3 4] [14 15 18 19] Jy/beam
}

// Two rows of a column.
func ExampleColumn_Int64s() {
	f, err := fits.Open("../../testdata/fits/coadd-sv3-dark-26065.fits")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	h := f.HDU("FIBERMAP")
	id, err := h.Column("TARGETID").Int64s(0, 2)
	fmt.Println(h.Rows, id, err)
	// Output: 4 [39627652591521181 39627652591521182] <nil>
}
