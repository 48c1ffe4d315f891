package astroml_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/goastroml/goastroml/"

// storey is where a package stands. It may import packages of lower floors of
// this module, none of its own floor, the standard library, and those modules
// of others that it names ("C" is cgo).
type storey struct {
	floor   int
	outside []string
}

const gonum = "gonum.org/v1/gonum"

// building is the tree of the library by floors. A new package needs a row.
var building = map[string]storey{
	"astroml":                     {0, nil},
	"astroml/internal/atomicfile": {0, nil},

	"astroml/fits":            {1, []string{"codeberg.org/astrogo/fitsio"}},
	"astroml/hdf5":            {1, []string{"C", "gonum.org/v1/hdf5"}},
	"astroml/npy":             {1, nil},
	"astroml/internal/kernel": {1, []string{"C", "golang.org/x/sys"}},
	"astroml/internal/rng":    {1, nil},

	"astroml/camels": {2, nil},
	"astroml/model":  {2, nil},
	// The only importer of Gorgonia; hm is in the signature of its Op.
	"astroml/nn": {2, []string{"gorgonia.org/gorgonia", "gorgonia.org/tensor", "github.com/chewxy/hm"}},

	"astroml/explain": {3, []string{gonum}},
	"astroml/stats":   {3, []string{gonum}},
	"astroml/train":   {3, nil},

	"astroml/moment":  {4, nil},
	"astroml/spectra": {4, []string{gonum}},

	"astroml/internal/engine": {5, nil},

	"bindings":            {5, []string{"C"}},
	"bindings/libastroml": {6, []string{"C"}},
}

// objections returns what is wrong with a package that imports these.
func objections(building map[string]storey, name string, imports []string) []string {
	own, ok := building[name]
	if !ok {
		return []string{fmt.Sprintf("%s has no floor: add it to the table", name)}
	}
	var out []string
	for _, imp := range imports {
		inside, ours := strings.CutPrefix(imp, module)
		first, _, _ := strings.Cut(imp, "/")
		switch {
		case ours:
			other, ok := building[inside]
			if !ok {
				out = append(out, fmt.Sprintf("%s imports %s, which has no floor", name, inside))
			} else if other.floor >= own.floor {
				out = append(out, fmt.Sprintf("%s (floor %d) imports %s (floor %d)", name, own.floor, inside, other.floor))
			}
		case imp == "C" || strings.Contains(first, "."):
			covers := func(allowed string) bool { return imp == allowed || strings.HasPrefix(imp, allowed+"/") }
			if !slices.ContainsFunc(own.outside, covers) {
				out = append(out, fmt.Sprintf("%s must not import %s", name, imp))
			}
		}
	}
	return out
}

func TestFloors(t *testing.T) {
	packages := make(map[string]map[string]bool)
	for _, top := range []string{"astroml", "bindings"} {
		if err := collect(packages, "..", top); err != nil {
			t.Fatal(err)
		}
	}
	if len(packages) < 5 {
		t.Fatalf("found packages %v only", slices.Sorted(maps.Keys(packages)))
	}
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		for _, o := range objections(building, name, slices.Sorted(maps.Keys(packages[name]))) {
			t.Error(o)
		}
	}
}

// TestBindings: the Python extension and libastroml.so link libc only.
func TestBindings(t *testing.T) {
	packages := make(map[string]map[string]bool)
	for _, top := range []string{"astroml", "bindings"} {
		if err := collect(packages, "..", top); err != nil {
			t.Fatal(err)
		}
	}
	seen := make(map[string]bool)
	var visit func(name string)
	visit = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		for imp := range packages[name] {
			visit(strings.TrimPrefix(imp, module))
		}
	}
	visit("bindings/libastroml")
	for _, name := range []string{"astroml/hdf5", "gonum.org/v1/hdf5"} {
		if seen[name] {
			t.Errorf("bindings link %s, and libhdf5 with it", name)
		}
	}
}

// collect adds the imports of all Go files below root/top that are no tests,
// for whatever system they are.
func collect(packages map[string]map[string]bool, root, top string) error {
	if _, err := os.Stat(filepath.Join(root, top)); err != nil {
		return nil // a tree without it, such as the module of a user
	}
	return filepath.WalkDir(filepath.Join(root, top), func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || strings.ContainsAny(d.Name()[:1], "_.")):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		name := path.Dir(filepath.ToSlash(rel))
		if packages[name] == nil {
			packages[name] = make(map[string]bool)
		}
		for _, spec := range f.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			packages[name][imp] = true
		}
		return nil
	})
}

// TestObjections tries the rules on a small building.
func TestObjections(t *testing.T) {
	house := map[string]storey{
		"cellar": {0, nil},
		"hall":   {1, []string{"gorgonia.org/gorgonia"}},
		"stairs": {1, []string{"C"}},
		"attic":  {2, nil},
	}
	tests := []struct {
		name, imp, why string
		ok             bool
	}{
		{"attic", module + "cellar", "two floors down", true},
		{"attic", "math/rand/v2", "the standard library", true},
		{"hall", "gorgonia.org/gorgonia/ops/nn", "within a module it names", true},
		{"stairs", "C", "cgo where it is named", true},
		{"hall", module + "attic", "upwards", false},
		{"hall", module + "stairs", "its own floor", false},
		{"attic", module + "garden", "a package without floor", false},
		{"garden", "fmt", "a package without floor", false},
		{"attic", "gorgonia.org/gorgonia", "hall's alone", false},
		{"hall", "gorgonia.org/gorgoniax", "another module with a name that begins alike", false},
		{"cellar", "golang.org/x/sys/cpu", "the standard library only", false},
		{"hall", "C", "cgo where it is not named", false},
	}
	for _, test := range tests {
		if got := objections(house, test.name, []string{test.imp}); (len(got) == 0) != test.ok {
			t.Errorf("%s imports %s (%s): got %q", test.name, test.imp, test.why, got)
		}
	}
}
