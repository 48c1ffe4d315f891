//go:build cgo

package hdf5_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/goastroml/goastroml/astroml/hdf5"
)

// Several datasets are read in turn and checked once.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "galaxies.hdf5")
	w, err := hdf5.Create(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	hdf5.Write(w, "Subhalo/SubhaloSFR", []float32{0, 2.5}, 2)
	hdf5.Write(w, "Subhalo/SubhaloVel", []float32{1, 2, 3, 4, 5, 6}, 2, 3)
	hdf5.WriteAttr(w, "Subhalo", "Redshift", 0.5)
	if err := w.Close(); err != nil {
		fmt.Println(err)
		return
	}

	f, err := hdf5.Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	sfr, _ := hdf5.Read[float64](f, "Subhalo/SubhaloSFR")
	second, shape := hdf5.ReadRows[float32](f, "Subhalo/SubhaloVel", 1, 2)
	z := hdf5.ReadAttr[float64](f, "Subhalo", "Redshift")
	if err := f.Close(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(sfr, second, shape, z)
	// Output: [0 2.5] [4 5 6] [1 3] [0.5]
}
