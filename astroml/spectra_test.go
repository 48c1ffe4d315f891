package astroml_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/goastroml/goastroml/astroml"
)

func TestSpectraCheck(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	six := make([]float32, 6)
	tests := []struct {
		name, why string
		spectra   astroml.Spectra
		ok        bool
		is        error
	}{
		{"two spectra", "as they should be", astroml.Spectra{Flux: six, IVar: six, Wave: []float64{1, 2, 3}}, true, nil},
		{"no noise", "IVar may be nil", astroml.Spectra{Flux: six, Wave: []float64{1, 2, 3}}, true, nil},
		{"none", "no spectra on a grid", astroml.Spectra{Wave: []float64{1, 2, 3}}, true, nil},
		{"masked", "NaN is a masked pixel, and not read", astroml.Spectra{Flux: []float32{float32(nan)}, Wave: []float64{1}}, true, nil},
		{"no grid", "pixels of nothing", astroml.Spectra{Flux: six}, false, astroml.ErrShape},
		{"zero value", "pixels of nothing", astroml.Spectra{}, false, astroml.ErrShape},
		{"flux", "half a spectrum", astroml.Spectra{Flux: six[:5], Wave: []float64{1, 2, 3}}, false, astroml.ErrShape},
		{"ivar", "one spectrum's noise for two", astroml.Spectra{Flux: six, IVar: six[:3], Wave: []float64{1, 2, 3}}, false, astroml.ErrShape},
		{"zero", "no wavelength", astroml.Spectra{Flux: six, Wave: []float64{0, 1, 2}}, false, nil},
		{"negative", "no wavelength", astroml.Spectra{Flux: six, Wave: []float64{-1, 1, 2}}, false, nil},
		{"NaN", "no wavelength", astroml.Spectra{Flux: six, Wave: []float64{1, nan, 2}}, false, nil},
		{"infinite", "no wavelength", astroml.Spectra{Flux: six, Wave: []float64{1, 2, inf}}, false, nil},
		{"equal", "a pixel without width", astroml.Spectra{Flux: six, Wave: []float64{1, 2, 2}}, false, nil},
		{"decreasing", "unsorted", astroml.Spectra{Flux: six, Wave: []float64{3, 2, 1}}, false, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.spectra.Check()
			if (err == nil) != test.ok || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%s: got %v", test.why, err)
			}
		})
	}
}

func TestSpectraRows(t *testing.T) {
	s := astroml.Spectra{Flux: []float32{1, 2, 3, 4, 5, 6}, Wave: []float64{4000, 5000}}
	if s.Len() != 3 || (astroml.Spectra{}).Len() != 0 {
		t.Errorf("got %d and %d spectra, want 3 and 0", s.Len(), astroml.Spectra{}.Len())
	}
	if r := s.Rows(1, 3); !slices.Equal(r.Flux, []float32{3, 4, 5, 6}) || r.IVar != nil || r.Len() != 2 {
		t.Errorf("rows 1 to 3: got %v", r)
	}
	s.IVar = []float32{10, 20, 30, 40, 50, 60}
	r := s.Row(2)
	if !slices.Equal(r.Flux, []float32{5, 6}) || !slices.Equal(r.IVar, []float32{50, 60}) {
		t.Errorf("row 2: got %v", r)
	}
	r.Flux[0] = 7
	if s.Flux[4] != 7 {
		t.Error("a row is a copy, want the same memory")
	}
}

func ExampleSpectra() {
	s := astroml.Spectra{
		Flux: []float32{1.2, 1.3, 0.9, 0.8},
		IVar: []float32{100, 0, 100, 100}, // the second pixel is masked
		Wave: []float64{4000, 4001},
	}
	fmt.Println(s.Len(), s.Row(1).Flux, s.Check())
	s.Wave[1] = 3999
	fmt.Println(s.Check())
	// Output:
	// 2 [0.9 0.8] <nil>
	// spectra: wavelength 1 is 3999 after 4000, want increasing wavelengths
}
