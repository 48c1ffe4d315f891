package spectra_test

import (
	"fmt"

	"github.com/goastroml/goastroml/astroml/spectra"
)

// The survey is recognised by what is in the file; the three arms of DESI's
// spectrographs are joined.
func ExampleRead() {
	f, err := spectra.Read("../../testdata/fits/coadd-sv3-dark-26065.fits")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: %d spectra of %d pixels, %.1f to %.1f Å\n", f.Survey, f.Len(), len(f.Wave), f.Wave[0], f.Wave[len(f.Wave)-1])
	fmt.Println(f.IDs[0])
	// Output:
	// DESI: 4 spectra of 101 pixels, 3600.0 to 3680.0 Å
	// 39627652591521181
}
