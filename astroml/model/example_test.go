package model_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/model"
)

func ExampleRead() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "line.safetensors")

	weight := astroml.Array{Shape: []int{1, 2}, Data: []float32{0.5, -1}}
	line := model.File{
		Kind:   "line",
		Config: []byte(`{"seed": 7}`),
		Meta:   map[string]string{"data": model.Digest(weight)[:8]},
		Arrays: map[string]astroml.Array{"weight": weight},
	}
	if err := line.Write(path); err != nil {
		fmt.Println(err)
		return
	}

	m, err := model.Read(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	w, err := m.Array("weight", 1, -1)
	fmt.Println(m.Kind, string(m.Config), w.Data, err)
	_, err = m.Array("weight", 2, 2)
	fmt.Println(err)
	// Output:
	// line {"seed":7} [0.5 -1] <nil>
	// model: array "weight" has shape [1 2], want [2 2]: wrong shape
}
