package moment

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// pair draws n rows of three features from θ ~ N(0, 1)²: θ₀ + noise, θ₁ + noise
// and their sum + noise, noise of variance ½.
func pair(n int) Set {
	r := rng.New(3, "pair")
	s := Set{X: astroml.Array{Shape: []int{n, 3}}, Theta: astroml.Array{Shape: []int{n, 2}}}
	for range n {
		a, b := r.NormFloat64(), r.NormFloat64()
		noise := func() float64 { return r.NormFloat64() * math.Sqrt(0.5) }
		s.X.Data = append(s.X.Data, float32(a+noise()), float32(b+noise()), float32(a+b+noise()))
		s.Theta.Data = append(s.Theta.Data, float32(a), float32(b))
	}
	return s
}

var quick = Config{Seed: 1, Folds: 2, Hidden: 16, Layers: 1, Epochs: 15, LearnRate: 0.01, Threads: 2}

// TestLinearGaussian compares with the exact posterior of pair: precision
// 1 + 2AᵀA = (5 2; 2 5), so variance 5/21 and covariance -2/21.
func TestLinearGaussian(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for seconds")
	}
	cfg := quick
	cfg.Covariance, cfg.Moments, cfg.Epochs = true, 4, 30
	n, err := Train(context.Background(), pair(8000), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := n.Moments(context.Background(), pair(500).X)
	if err != nil {
		t.Fatal(err)
	}
	x := pair(500).X.Data
	var distance, variance, covariance, skewness, kurtosis float64
	for i := range 500 {
		// Σ · 2Aᵀx
		u, v := float64(2*(x[3*i]+x[3*i+2])), float64(2*(x[3*i+1]+x[3*i+2]))
		want := (5*u - 2*v) / 21
		distance += math.Pow(float64(m.Mean[2*i])-want, 2) / 500
		variance += math.Pow(float64(m.Std[2*i]), 2) / 500
		covariance += float64(m.Covariance[4*i+1]) / 500
		skewness += float64(m.Skewness[2*i]) / 500
		kurtosis += float64(m.Kurtosis[2*i]) / 500
		if math.Abs(float64(m.Covariance[4*i+1])) > 1.00001*float64(m.Std[2*i])*float64(m.Std[2*i+1]) {
			t.Fatalf("row %d: a correlation beyond 1: %v beside σ %v", i, m.Covariance[4*i:4*i+4], m.Std[2*i:2*i+2])
		}
		if m.Covariance[4*i+1] != m.Covariance[4*i+2] || math.Abs(float64(m.Covariance[4*i])-math.Pow(float64(m.Std[2*i]), 2)) > 1e-5 {
			t.Fatalf("row %d: covariance %v beside σ %v", i, m.Covariance[4*i:4*i+4], m.Std[2*i:2*i+2])
		}
	}
	// Of 8,000 rows the sampling error of a variance is 1.6 %; the networks learn
	// with some more.
	if v := 5.0 / 21; distance > 0.02*v || math.Abs(variance/v-1) > 0.06 {
		t.Errorf("square distance of means %.4f, variance %.4f, want %.4f", distance, variance, v)
	}
	if math.Abs(covariance+2.0/21) > 0.02 || math.Abs(skewness) > 0.15 || math.Abs(kurtosis-3) > 0.4 {
		t.Errorf("covariance %.3f, skewness %.3f, kurtosis %.3f, want -0.095, 0, 3", covariance, skewness, kurtosis)
	}
}

// TestToyGalaxies integrates the posterior of toy galaxies numerically, and asks
// that each loss finds it.
func TestToyGalaxies(t *testing.T) {
	set, err := Galaxies(GalaxyConfig{Simulations: 150, PerSimulation: 30, Seed: 2})
	if err != nil {
		t.Fatal(err)
	}
	mean, std, err := GalaxyPosterior(set.X.Data)
	if err != nil {
		t.Fatal(err)
	}
	var chi float64
	for i := range mean {
		chi += math.Pow((float64(set.Theta.Data[2*i])-mean[i])/std[i], 2) / float64(len(mean))
	}
	if math.Abs(chi-1) > 0.05 { // 4,500 rows: 0.02
		t.Errorf("χ² of the exact posterior is %.3f", chi)
	}
	for _, c := range []struct{ m, s float64 }{{0.3, 0.1}, {0, 0.1}, {0.7, 0.08}, {0.3, 5}} {
		var w0, w1, w2 float64
		for i := range 100000 {
			x := 0.1 + 0.4*(float64(i)+0.5)/100000
			w := math.Exp(-math.Pow((x-c.m)/c.s, 2) / 2)
			w0, w1, w2 = w0+w, w1+w*x, w2+w*x*x
		}
		m, s := truncated(c.m, c.s, 0.1, 0.5)
		if math.Abs(m-w1/w0) > 1e-6 || math.Abs(s-math.Sqrt(w2/w0-w1*w1/w0/w0)) > 1e-6 {
			t.Errorf("N(%g, %g²) cut off: %.6f ± %.6f, want %.6f ± %.6f", c.m, c.s, m, s, w1/w0, math.Sqrt(w2/w0-w1*w1/w0/w0))
		}
	}
	if testing.Short() {
		return
	}
	for _, loss := range []string{"two_stage", "camels", "gaussian"} {
		cfg := quick
		cfg.Loss, cfg.Inputs, cfg.Hidden = loss, "log", 32
		n, err := Train(context.Background(), set, cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		m, s, err := n.Predict(context.Background(), set.X)
		if err != nil {
			t.Fatal(err)
		}
		var distance, variance, sigma float64
		for i := range mean {
			distance += math.Pow(float64(m[2*i])-mean[i], 2) / float64(len(mean))
			variance += std[i] * std[i] / float64(len(mean))
			sigma += math.Pow(float64(s[2*i]), 2) / float64(len(mean))
		}
		// 120 universes are few: means err by a third of σ.
		if distance > 0.15*variance || math.Abs(sigma/variance-1) > 0.15 {
			t.Errorf("%s: square distance %.2g, variance %.2g, exact %.2g", loss, distance, sigma, variance)
		}
	}
}

func TestBitsAndFiles(t *testing.T) {
	set := pair(300)
	set.Groups = make([]int, 300)
	for i := range set.Groups {
		set.Groups[i] = i / 10
	}
	cfg := quick
	cfg.Epochs, cfg.Covariance = 4, true
	want, err := Train(context.Background(), set, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := want.Moments(context.Background(), set.X)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Threads = 3
	again, err := Train(context.Background(), set, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "net.safetensors")
	if err := want.Save(path); err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	// A run that is stopped and gone on with.
	cfg.Checkpoint = filepath.Join(t.TempDir(), "run")
	ctx, cancel := context.WithCancel(context.Background())
	steps := 0
	if _, err := Train(ctx, set, cfg, func(astroml.Progress) {
		if steps++; steps == 9 {
			cancel()
		}
	}); !errors.Is(err, context.Canceled) {
		t.Fatalf("canceled: %v", err)
	}
	resumed, err := Train(context.Background(), set, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]*Network{"on three threads": again, "loaded": loaded, "gone on with": resumed} {
		got, err := n.Moments(context.Background(), set.X)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, m) {
			t.Errorf("%s: other bits", name)
		}
	}
	if mean, err := want.Means(context.Background(), set.X); err != nil || !slices.Equal(mean, m.Mean) {
		t.Errorf("the means alone are others (%v)", err)
	}
	one, err := want.Moments(context.Background(), astroml.Array{Shape: []int{1, 3}, Data: set.X.Data[9:12]})
	if err != nil || !slices.Equal(one.Mean, m.Mean[6:8]) || !slices.Equal(one.Std, m.Std[6:8]) {
		t.Errorf("one row alone: %v ± %v, among others %v ± %v (%v)", one.Mean, one.Std, m.Mean[6:8], m.Std[6:8], err)
	}
}

func TestWeightlessRowsDoNotCount(t *testing.T) {
	set := pair(200)
	set.Weights, set.Folds = make([]float64, 200), make([]int, 200)
	for i := range 200 {
		set.Folds[i] = i % 2
		set.Weights[i] = float64(i / 2 % 2)
	}
	cfg := quick
	cfg.Epochs, cfg.Bounds = 3, [][2]float64{{-4, 4}, {-4, 4}}
	a, err := Train(context.Background(), set, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if set.Weights[i] == 0 {
			set.Theta.Data[2*i] += 3
		}
	}
	b, err := Train(context.Background(), set, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, s, _ := a.Predict(context.Background(), set.X)
	if m2, s2, _ := b.Predict(context.Background(), set.X); !slices.Equal(m, m2) || !slices.Equal(s, s2) {
		t.Error("parameters of rows of weight 0 change the network")
	}
}

// TestWeightsAreRelative scales all weights, as far as single precision cannot.
func TestWeightsAreRelative(t *testing.T) {
	set := pair(100)
	set.Folds = make([]int, 100)
	for i := range set.Folds {
		set.Folds[i] = i % 3 // three parts, with Folds left to be found
	}
	cfg := quick
	cfg.Epochs, cfg.Folds = 2, 0
	var want []float32
	for _, w := range []float64{1, 0x1p-200, 0x1p200} {
		set.Weights = make([]float64, 100)
		for i := range set.Weights {
			set.Weights[i] = w * float64(1+i%2)
		}
		n, err := Train(context.Background(), set, cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n.Config().Folds != 3 {
			t.Fatalf("%d folds of three parts", n.Config().Folds)
		}
		_, s, _ := n.Predict(context.Background(), set.X)
		if want == nil {
			want = s
		}
		if !slices.Equal(s, want) {
			t.Errorf("weights of %g give other bits than weights of 1", w)
		}
	}
}

// TestOtherBoundsAreAnotherRun goes on with a run of other bounds: refused.
func TestOtherBoundsAreAnotherRun(t *testing.T) {
	cfg := quick
	cfg.Epochs, cfg.Checkpoint = 1, filepath.Join(t.TempDir(), "run")
	if _, err := Train(context.Background(), pair(60), cfg, nil); err != nil {
		t.Fatal(err)
	}
	cfg.Bounds = [][2]float64{{-9, 9}, {-9, 9}}
	if _, err := Train(context.Background(), pair(60), cfg, nil); err == nil {
		t.Error("a run with other bounds goes on from it")
	}
}

// TestImages trains a small network on maps and cubes of two fields whose mean
// square is the parameter, and compares its gradient with differences.
func TestImages(t *testing.T) {
	for _, shape := range [][]int{{48, 2, 8, 8}, {32, 2, 8, 8, 8}, {64, 2, 9}} {
		r := rng.New(1, "maps")
		set := Set{X: astroml.Array{Shape: shape}, Theta: astroml.Array{Shape: []int{shape[0], 1}}}
		size := 1
		for _, l := range shape[1:] {
			size *= l
		}
		for range shape[0] {
			a := 0.5 + r.Float64()
			for range size {
				set.X.Data = append(set.X.Data, float32(a*r.NormFloat64()))
			}
			set.Theta.Data = append(set.Theta.Data, float32(a))
		}
		n, err := Train(context.Background(), set, Config{Hidden: 2, Epochs: 3, BatchSize: 8, Loss: "camels", Inputs: "asinh"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		x := astroml.Array{Shape: append([]int{1}, shape[1:]...), Data: slices.Clone(rowOf(set.X, 0))}
		g, err := n.Gradient(context.Background(), x, 0)
		if err != nil {
			t.Fatal(err)
		}
		at := func(i int, h float32) float64 {
			y := slices.Clone(x.Data)
			y[i] += h
			m, _, err := n.Predict(context.Background(), astroml.Array{Shape: x.Shape, Data: y})
			if err != nil {
				t.Fatal(err)
			}
			return float64(m[0])
		}
		var dot, norm float64
		for i := 0; i < size; i += 7 {
			const h = 1.0 / 2048
			d := (at(i, h) - at(i, -h)) / (2 * h)
			dot += math.Abs(d - float64(g[i]))
			norm += math.Abs(d)
		}
		// Differences of single precision over kinks of LeakyReLU.
		if !(dot < 0.05*norm) {
			t.Errorf("%v: gradients are %.2g from differences of size %.2g", shape, dot, norm)
		}
	}
}

// TestTurnIsAPermutation turns maps and cubes: no pixel is lost, neighbours stay
// neighbours.
func TestTurnIsAPermutation(t *testing.T) {
	for _, sides := range [][]int{{8, 8}, {4, 6}, {4, 4, 4}} {
		size := 1
		for _, s := range sides {
			size *= s
		}
		seen := map[string]bool{}
		for k := range 200 {
			from := turn(sides, rng.New(1, "turn", k).IntN)
			hit := make([]bool, size)
			for i := range size {
				hit[from(i)] = true
			}
			if slices.Contains(hit, false) {
				t.Fatalf("%v: a pixel is lost", sides)
			}
			// Along the last axis sources differ by one step on one axis.
			d := (from(1) - from(0) + size) % size
			seen[string(rune(d))] = true
		}
		if len(seen) < 2 {
			t.Errorf("%v: all turns are alike", sides)
		}
	}
}

// TestMapsSettle trains with running statistics in the last of two epochs: what
// the first normalisation has tracked is other than where it goes on tracking.
func TestMapsSettle(t *testing.T) {
	r := rng.New(1, "settle test")
	set := Set{X: astroml.Array{Shape: []int{40, 1, 8, 8}}, Theta: astroml.Array{Shape: []int{40, 1}}}
	for range 40 {
		a := r.Float64()
		set.Theta.Data = append(set.Theta.Data, float32(a))
		for range 64 {
			set.X.Data = append(set.X.Data, float32((1+a)*r.NormFloat64()))
		}
	}
	running := func(settle float64) []float32 {
		cfg := Config{Loss: "camels", Hidden: 2, Epochs: 2, BatchSize: 8, Settle: settle}
		n, err := Train(context.Background(), set, cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		return n.members[0].first.Get("stage0.1.running").Data
	}
	if slices.Equal(running(0.5), running(-1)) {
		t.Error("running statistics move on in an epoch that is to take them as they are")
	}
	if !slices.Equal(running(0.5), running(0.26)) {
		t.Error("settle of 0.5 and of 0.26 are not one of two epochs both")
	}
}

func TestRefuses(t *testing.T) {
	ctx := context.Background()
	good := func() (Set, Config) { return pair(40), Config{Folds: 2, Epochs: 1, Hidden: 2, Layers: 1} }
	for _, c := range []struct {
		name, why string
		spoil     func(s *Set, c *Config)
		shape     bool
	}{
		{"NaN", "a feature is not known", func(s *Set, _ *Config) { s.X.Data[7] = float32(math.NaN()) }, false},
		{"infinite parameter", "it cannot be scaled", func(s *Set, _ *Config) { s.Theta.Data[3] = float32(math.Inf(1)) }, false},
		{"constant feature", "it says nothing", func(s *Set, _ *Config) {
			for i := 1; i < len(s.X.Data); i += 3 {
				s.X.Data[i] = 5
			}
		}, false},
		{"constant parameter", "there is nothing to learn", func(s *Set, _ *Config) {
			for i := 0; i < len(s.Theta.Data); i += 2 {
				s.Theta.Data[i] = 0.3
			}
		}, false},
		{"one simulation", "nothing can be held out", func(s *Set, _ *Config) { s.Groups = make([]int, 40) }, false},
		{"leak", "a group in both folds", func(s *Set, _ *Config) {
			s.Groups, s.Folds = make([]int, 40), make([]int, 40)
			for i := range 40 {
				s.Groups[i], s.Folds[i] = i/2, i%2
			}
		}, false},
		{"empty fold", "nothing is held out", func(s *Set, _ *Config) { s.Folds = make([]int, 40) }, false},
		{"logarithm", "no positive value", func(s *Set, c *Config) {
			c.Inputs = "log"
			for i := 0; i < len(s.X.Data); i += 3 {
				s.X.Data[i] = -1
			}
		}, false},
		{"rows", "fewer parameters than data", func(s *Set, _ *Config) { s.Theta.Shape[0] = 39; s.Theta.Data = s.Theta.Data[:78] }, true},
		{"groups", "too few", func(s *Set, _ *Config) { s.Groups = make([]int, 39) }, true},
		{"axes", "six of them", func(s *Set, _ *Config) { s.X.Shape = []int{40, 3, 1, 1, 1, 1} }, true},
		{"weights", "negative", func(s *Set, _ *Config) { s.Weights = make([]float64, 40); s.Weights[3] = -1 }, false},
		{"a late NaN", "the last row, held out or not", func(s *Set, _ *Config) { s.X.Data[len(s.X.Data)-1] = float32(math.NaN()) }, false},
		{"a part without weight", "nothing is learnt from it", func(s *Set, _ *Config) {
			s.Folds, s.Weights = make([]int, 40), make([]float64, 40)
			for i := range 40 {
				s.Folds[i], s.Weights[i] = i%2, float64(i%2)
			}
		}, false},
		{"two stages of few groups", "one is held out, and cannot be divided", func(s *Set, c *Config) {
			c.Folds, s.Groups = 1, make([]int, 40)
			for i := range 40 {
				s.Groups[i] = i / 8
			}
		}, false},
		{"parts of one fold", "there is one", func(s *Set, c *Config) { c.Folds, s.Folds = 1, make([]int, 40) }, false},
		{"settle", "more than all epochs", func(_ *Set, c *Config) { c.Settle = 1.5 }, false},
		{"settle NaN", "not a number", func(_ *Set, c *Config) { c.Settle = math.NaN() }, false},
		{"weight decay", "not a number", func(_ *Set, c *Config) { c.WeightDecay = math.Inf(1) }, false},
		{"loss", "a name not known", func(_ *Set, c *Config) { c.Loss = "mse" }, false},
		{"network", "maps for a table", func(_ *Set, c *Config) { c.Network = "map" }, false},
		{"moments", "camels has two", func(_ *Set, c *Config) { c.Loss, c.Moments = "camels", 3 }, false},
		{"bounds", "of one parameter", func(_ *Set, c *Config) { c.Bounds = [][2]float64{{0, 1}} }, true},
	} {
		s, cfg := good()
		c.spoil(&s, &cfg)
		_, err := Train(ctx, s, cfg, nil)
		if err == nil || c.shape != errors.Is(err, astroml.ErrShape) {
			t.Errorf("%s (%s): error %v", c.name, c.why, err)
		}
	}
	s, cfg := good()
	n, err := Train(ctx, s, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := n.Predict(ctx, astroml.Array{Shape: []int{2, 4}, Data: make([]float32, 8)}); !errors.Is(err, astroml.ErrShape) {
		t.Errorf("four features for three: %v", err)
	}
	if g, err := n.Gradient(ctx, astroml.Array{Shape: []int{0, 3}}, 0); err != nil || len(g) != 0 {
		t.Errorf("the gradient of no rows: %v, %v", g, err)
	}
	if _, err := n.Gradient(ctx, s.X, 2); err == nil {
		t.Error("the gradient of a third parameter of two")
	}
	m, sd, err := n.Predict(ctx, astroml.Array{Shape: []int{1, 3}, Data: []float32{1, float32(math.NaN()), 0}})
	if err != nil || m[0] == m[0] || sd[1] == sd[1] {
		t.Errorf("a row with NaN: %v ± %v (%v), want NaN", m, sd, err)
	}
	if m, _, err := n.Predict(ctx, astroml.Array{Shape: []int{0, 3}}); err != nil || len(m) != 0 {
		t.Errorf("no rows: %v, %v", m, err)
	}
}

// FuzzLoad spoils a model file: it is read, or refused.
func FuzzLoad(f *testing.F) {
	s := pair(20)
	n, err := Train(context.Background(), s, Config{Folds: 2, Epochs: 1, Hidden: 2, Layers: 1}, nil)
	if err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(f.TempDir(), "net")
	if err := n.Save(path); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "net")
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		n, err := Load(path)
		if err != nil {
			return
		}
		x := astroml.Array{Shape: append([]int{1}, n.Shape()...), Data: make([]float32, 3)}
		if len(n.Shape()) == 1 && n.Shape()[0] == 3 {
			n.Predict(context.Background(), x)
		}
	})
}
