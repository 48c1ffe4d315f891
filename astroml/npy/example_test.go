package npy_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/npy"
)

func ExampleMap() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "flux.npy")
	flux := astroml.Array{Shape: []int{2, 3}, Data: []float32{1, 2, 3, 4, 5, 6}}
	if err := npy.Write(path, flux); err != nil {
		fmt.Println(err)
		return
	}

	f, err := npy.Map(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	fmt.Println(f.Shape, f.Data[3:])
	// Output: [2 3] [4 5 6]
}
