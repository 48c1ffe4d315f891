package bindings

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/goastroml/goastroml/astroml/train"
)

// profiles returns n smooth profiles of two channels and eight bins, and two
// parameters, amplitudes, that they tell with noise that grows with the first.
func profiles(n, seed int) (x, theta []float32) {
	// Whole numbers of a fixed recurrence (Knuth's MMIX), the same everywhere.
	state := uint64(seed)
	draw := func() float64 {
		state = state*6364136223846793005 + 1442695040888963407
		return float64(state>>11) / (1 << 53)
	}
	for range n {
		a, b := draw(), draw()
		theta = append(theta, float32(10*a), float32(1+b))
		for c := range 2 {
			for i := range 8 {
				v := []float64{a, 0.5*a + b}[c] * math.Exp(-0.3*float64(i))
				x = append(x, float32(v+(0.02+0.4*a)*(draw()+draw()-1)))
			}
		}
	}
	return x, theta
}

const profileShape, profileNames = "[60,2,8]", `["amplitude","index"]`

// trained waits for a job of MomentTrain.
func trained(t *testing.T, j *Job) *MomentNetwork {
	t.Helper()
	if _, err := j.Wait(-1); err != nil {
		t.Fatal(err)
	}
	n, err := MomentTrained(j)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func trainProfiles(t *testing.T, options string) *MomentNetwork {
	t.Helper()
	x, theta := profiles(60, 1)
	j := newJob(t)
	if _, err := MomentTrain(j, at(x), profileShape, at(theta), 2, profileNames, 0, 0, 0, options); err != nil {
		t.Fatal(err)
	}
	n := trained(t, j)
	runtime.KeepAlive([]any{x, theta})
	return n
}

// allMoments is what a network says of rows of profiles, and the gradient of
// the mean of the second parameter.
type allMoments struct{ mean, std, covariance, skewness, kurtosis, gradient []float32 }

func askMoments(t *testing.T, n *MomentNetwork, x []float32, shape string, rows int) allMoments {
	t.Helper()
	room := func(k int) []float32 { return make([]float32, k*rows) }
	a := allMoments{room(2), room(2), room(4), room(2), room(2), make([]float32, len(x))}
	j, g := newJob(t), newJob(t)
	if _, err := n.Moments(j, at(a.mean), at(a.std), at(a.covariance), at(a.skewness), at(a.kurtosis), at(x), shape); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Gradient(g, at(a.gradient), at(x), shape, 1); err != nil {
		t.Fatal(err)
	}
	for _, j := range []*Job{j, g} {
		if _, err := j.Wait(-1); err != nil {
			t.Fatal(err)
		}
	}
	runtime.KeepAlive(x)
	return a
}

func (a allMoments) files() map[string][]float32 {
	return map[string][]float32{"mean": a.mean, "std": a.std, "covariance": a.covariance, "skewness": a.skewness, "kurtosis": a.kurtosis, "gradient": a.gradient}
}

// Answers of the golden network are numbers of about 1 to 10, kurtosis is one
// beside a variance squared: relative, as between instruction sets.
func nearGolden(got, want float32) bool {
	if math.IsNaN(float64(want)) {
		return math.IsNaN(float64(got))
	}
	return math.Abs(float64(got)-float64(want)) <= goldenRelative*max(1, math.Abs(float64(want)))
}

const goldenRelative = 1e-4

func TestGoldenMoment(t *testing.T) {
	const shape, rows = "[6,2,8]", 6
	if *update {
		folder := filepath.Join(golden, "moment")
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		n := trainProfiles(t, `{"seed": 1, "hidden": 4, "folds": 2, "epochs": 20, "batch_size": 10, "covariance": true, "moments": 4}`)
		if _, err := n.Save(filepath.Join(folder, "model.safetensors")); err != nil {
			t.Fatal(err)
		}
		x, _ := profiles(rows, 2)
		x[3*16+5] = float32(math.NaN()) // a row without an answer
		writeNumbers(t, "moment/x.f32", x)
		for name, v := range askMoments(t, n, x, shape, rows).files() {
			writeNumbers(t, "moment/"+name+".f32", v)
		}
	}
	n, err := MomentLoad(filepath.Join(golden, "moment", "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	x := readNumbers[float32](t, "moment/x.f32")
	for name, got := range askMoments(t, n, x, shape, rows).files() {
		want := readNumbers[float32](t, "moment/"+name+".f32")
		if len(got) != len(want) {
			t.Fatalf("%s: %d numbers, want %d", name, len(got), len(want))
		}
		for i := range got {
			if !nearGolden(got[i], want[i]) {
				t.Errorf("%s: number %d is %g, want %g", name, i, got[i], want[i])
			}
		}
	}
}

func TestMomentInfo(t *testing.T) {
	n := trainProfiles(t, `{"hidden": 4, "folds": 2, "epochs": 2, "batch_size": 10}`)
	text, err := n.Info()
	if err != nil {
		t.Fatal(err)
	}
	var i momentInfo
	if err := json.Unmarshal([]byte(text), &i); err != nil {
		t.Fatal(err)
	}
	if strings.Join(i.Names, " ") != "amplitude index" || len(i.Shape) != 2 || len(i.History) != 2 || len(i.History[0]) != 2 ||
		i.Parameters == 0 || i.MultiplyAdds == 0 || i.Config.Network != "profile" {
		t.Errorf("%s", text)
	}
	// What one has, another that has learnt the same has too; files hold it all.
	path := filepath.Join(t.TempDir(), "model")
	if _, err := n.Save(path); err != nil {
		t.Fatal(err)
	}
	again, err := MomentLoad(path)
	if err != nil {
		t.Fatal(err)
	}
	x, _ := profiles(6, 2)
	a, b := make([]float32, 12), make([]float32, 12)
	if err := firstOf(n.predict(at(a), 0, at(x), "[6,2,8]"), again.predict(at(b), 0, at(x), "[6,2,8]")); err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(x)
	for k := range a {
		if a[k] != b[k] {
			t.Errorf("mean %d is %g, after loading %g", k, a[k], b[k])
		}
	}
	if kind, err := ModelKind(path); kind != "moment.Network" || err != nil {
		t.Errorf("kind %q, %v", kind, err)
	}
}

func TestMomentErrors(t *testing.T) {
	n := trainProfiles(t, `{"hidden": 4, "folds": 2, "epochs": 1, "batch_size": 10}`)
	x, theta := profiles(60, 1)
	out := make([]float32, 240)
	groups := make([]int64, 60)
	start := func(shape string, p int, names, options string, groups []int64) error {
		j := newJob(t)
		var g uintptr
		if groups != nil {
			g = at(groups)
		}
		if _, err := MomentTrain(j, at(x), shape, at(theta), p, names, g, 0, 0, options); err != nil {
			return err
		}
		_, err := j.Wait(-1)
		return err
	}
	ask := func(shape string, covariance, skewness, kurtosis uintptr) error {
		j := newJob(t)
		if _, err := n.Moments(j, at(out), at(out), covariance, skewness, kurtosis, at(x), shape); err != nil {
			return err
		}
		_, err := j.Wait(-1)
		return err
	}
	gradient := func(parameter int) error {
		j := newJob(t)
		if _, err := n.Gradient(j, at(out), at(x), "[6,2,8]", parameter); err != nil {
			return err
		}
		_, err := j.Wait(-1)
		return err
	}
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"no shape", start("", 2, "", "", nil), "ESHAPE: x: shape []"},
		{"one axis", start("[960]", 2, "", "", nil), "ESHAPE: x: shape [960]"},
		{"negative", start("[60,-2,8]", 2, "", "", nil), "ESHAPE: x: shape [60 -2 8]"},
		{"negative rows", start("[-60,2,8]", 2, "", "", nil), "ESHAPE: x: -60"},
		{"beyond memory", start("[60,4294967296,4294967296]", 2, "", "", nil), "ESHAPE: x: shape"},
		{"no JSON", start("[60", 2, "", "", nil), "EINVAL: shape: unexpected EOF"},
		{"names", start(profileShape, 2, `["a"]`, "", nil), "ESHAPE: moment: 1 names for 2"},
		{"options", start(profileShape, 2, "", `{"epoch": 1}`, nil), `EINVAL: options: unknown field "epoch"`},
		{"one group", start(profileShape, 2, "", "", groups), "EINVAL: moment: 1 groups of rows"},
		{"covariance", ask("[60,2,8]", at(out), 0, 0), "EINVAL: covariance: the network was trained without"},
		{"skewness", ask("[60,2,8]", 0, at(out), 0), "EINVAL: skewness: the network was trained for 2 moments"},
		{"kurtosis", ask("[60,2,8]", 0, 0, at(out)), "EINVAL: kurtosis: the network was trained for 2 moments"},
		{"another shape", ask("[30,4,8]", 0, 0, 0), "ESHAPE: moment: 960 values of shape [30 4 8]"},
		{"another number of axes", ask("[60,16]", 0, 0, 0), "ESHAPE: moment:"},
		{"parameter", gradient(2), "EINVAL: moment: parameter 2 of 2"},
	} {
		if c.err == nil || !strings.HasPrefix(coded(c.err).Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, c.err, c.want)
		}
	}
	runtime.KeepAlive([]any{x, theta, out, groups})
}

func TestMomentSearch(t *testing.T) {
	x, theta := profiles(60, 1)
	j := newJob(t)
	if _, err := MomentSearch(j, at(x), profileShape, at(theta), 2, 0, 0, `{"batch_size": 10}`,
		`{"hidden": {"low": 2, "high": 6, "integer": true}}`, `{"trials": 3, "epochs": 2, "seed": 1}`); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Wait(-1); err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive([]any{x, theta})
	text, err := MomentSearched(j)
	if err != nil {
		t.Fatal(err)
	}
	var trials []train.Trial
	if err := json.Unmarshal([]byte(text), &trials); err != nil {
		t.Fatal(err)
	}
	if len(trials) != 3 || !(trials[0].Loss <= trials[1].Loss) || trials[0].Options["hidden"] == nil {
		t.Errorf("%s", text)
	}
	if _, err := MomentTrained(j); err == nil {
		t.Error("a search has made a network")
	}
}
