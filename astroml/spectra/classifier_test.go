package spectra

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/rng"
	"github.com/goastroml/goastroml/astroml/nn"
)

// lines makes n spectra a class: a slope and one line, whose place is the class.
func lines(classes, n, pixels int, seed uint64) Set {
	s := Set{}
	for c := range classes {
		s.Classes = append(s.Classes, string(rune('A'+c)))
	}
	for i := range pixels {
		s.Wave = append(s.Wave, math.Pow(10, 3.56+1e-4*float64(i)))
	}
	for i := range n * classes {
		c := i % classes
		r := rng.New(seed, "lines", i)
		slope := r.NormFloat64() / 4
		for j := range pixels {
			x := float64(j) / float64(pixels)
			d := (x - (float64(c)+1)/(float64(classes)+1)) / 0.01
			f := 1 + slope*(x-0.5) + 2*math.Exp(-d*d/2) + 0.2*r.NormFloat64()
			s.Flux = append(s.Flux, float32(f))
			s.IVar = append(s.IVar, 25)
		}
		s.Labels = append(s.Labels, c)
	}
	return s
}

var quick = Config{Epochs: 4, Seed: 3}

func mustTrain(t testing.TB, set Set, cfg Config) *Classifier {
	t.Helper()
	c, err := Train(context.Background(), set, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustClassify(t testing.TB, c *Classifier, x astroml.Spectra) *Result {
	t.Helper()
	r, err := c.Classify(context.Background(), x)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTrainLearnsAndSaysHowSure(t *testing.T) {
	c := mustTrain(t, lines(3, 100, 1500, 1), quick)
	test := lines(3, 40, 1500, 2)
	r := mustClassify(t, c, test.Spectra)
	right := 0
	for i, l := range test.Labels {
		if r.Class[i] == l {
			right++
		}
		if d := r.Total[i] - r.Aleatoric[i] - r.Epistemic[i]; math.Abs(float64(d)) > 1e-5 || r.Epistemic[i] < 0 {
			t.Fatalf("spectrum %d: total %g is not aleatoric %g and epistemic %g", i, r.Total[i], r.Aleatoric[i], r.Epistemic[i])
		}
	}
	if right < 114 { // 95 %; the classes are plain to see
		t.Errorf("%d of 120 right", right)
	}
	sets, err := c.Sets(r.Prob, 0.9)
	if err != nil {
		t.Fatal(err)
	}
	covered := 0
	for i, l := range test.Labels {
		if sets[3*i+l] {
			covered++
		}
	}
	// 60 calibration spectra: the coverage itself is Beta distributed around
	// 0.9 with σ = 0.04, the count of 120 binomial with σ = 3.3.
	if covered < 90 {
		t.Errorf("sets at 0.9 hold %d of 120", covered)
	}
}

func TestSameSeedSameBits(t *testing.T) {
	set := lines(3, 30, 1500, 1)
	for _, cfg := range []Config{{Epochs: 2, Seed: 3}, {Epochs: 2, Seed: 3, Pretrain: "contrastive", PretrainEpochs: 1}, {Network: "gasnet2", Epochs: 1, Seed: 3}} {
		one, eight := cfg, cfg
		one.Threads, eight.Threads = 1, 8
		a, b := mustTrain(t, set, one), mustTrain(t, set, eight)
		for i, p := range a.params.List {
			if !reflect.DeepEqual(p.Data, b.params.List[i].Data) {
				t.Fatalf("%+v: %s differs between 1 and 8 threads", cfg, p.Name)
			}
		}
		x, y := mustClassify(t, a, set.Spectra), mustClassify(t, b, set.Spectra)
		if !reflect.DeepEqual(x, y) {
			t.Errorf("%+v: answers differ between 1 and 8 threads", cfg)
		}
		for i := range 5 {
			alone := mustClassify(t, a, set.Row(i))
			if !reflect.DeepEqual(alone.Prob, x.Prob[3*i:3*i+3]) || alone.OOD[0] != x.OOD[i] {
				t.Errorf("spectrum %d alone has another answer than among others", i)
			}
		}
	}
}

func TestResumedRunEndsInTheSameBits(t *testing.T) {
	set := lines(2, 40, 1500, 1)
	cfg := Config{Epochs: 3, Seed: 1, Pretrain: "contrastive", PretrainEpochs: 2, BatchSize: 16}
	want := mustTrain(t, set, cfg)
	cfg.Checkpoint = filepath.Join(t.TempDir(), "run")
	for _, stop := range []int{3, 9, 14} {
		ctx, cancel := context.WithCancel(context.Background())
		steps := 0
		_, err := Train(ctx, set, cfg, func(astroml.Progress) {
			if steps++; steps == stop {
				cancel()
			}
		})
		cancel()
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	got := mustTrain(t, set, cfg)
	for i, p := range want.params.List {
		if !reflect.DeepEqual(p.Data, got.params.List[i].Data) {
			t.Fatalf("%s differs from a run in one go", p.Name)
		}
	}
}

func TestSaveLoad(t *testing.T) {
	for _, network := range []string{"default", "gasnet2"} {
		set := lines(3, 20, 1500, 1)
		c := mustTrain(t, set, Config{Epochs: 1, Network: network})
		path := filepath.Join(t.TempDir(), "model")
		if err := c.Save(path); err != nil {
			t.Fatal(err)
		}
		d, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(mustClassify(t, c, set.Spectra), mustClassify(t, d, set.Spectra)) {
			t.Errorf("%s: other answers after saving and loading", network)
		}
	}
}

func TestGasnet2HasTheParametersOfThePaper(t *testing.T) {
	c := &Classifier{net: gasnet2{}, params: nn.NewParams(0), classes: Classes13, wave: make([]float64, 3600)}
	g := nn.NewGraph(c.params, true)
	c.draw(g, 1)
	if g.Err() != nil {
		t.Fatal(g.Err())
	}
	total, running := c.params.Size()
	if total != 3901181 || running != 4032 {
		t.Errorf("%d parameters, %d of them running statistics, want 3,901,181 and 4,032", total, running)
	}
	// 55.13 million, counted in the authors' code.
	if m := g.MultiplyAdds(); m < 55e6 || m > 55.3e6 {
		t.Errorf("%d multiply-adds, want 55.1 million", m)
	}
}

func TestDefaultNetworkIsSmall(t *testing.T) {
	for _, pixels := range []int{3600, 4000, 4700} {
		c := &Classifier{net: strided{}, params: nn.NewParams(0), classes: Classes13, wave: make([]float64, pixels)}
		_, _, macs := c.Params()
		t.Log(pixels, macs)
		if macs > 5_000_000 {
			t.Errorf("%d multiply-adds at %d pixels, want five million at most", macs, pixels)
		}
	}
}

func TestUnusableSpectraAreFlaggedAndTheOthersAnswered(t *testing.T) {
	set := lines(3, 20, 1500, 1)
	c := mustTrain(t, set, Config{Epochs: 1})
	want := mustClassify(t, c, set.Spectra)
	nan := float32(math.NaN())
	for j := range 1500 {
		set.Flux[3*1500+j] = nan
		set.IVar[7*1500+j] = 0
		if j < 1000 {
			set.IVar[9*1500+j] = 0
		}
	}
	got := mustClassify(t, c, set.Spectra)
	for i := range got.Class {
		switch i {
		case 3, 7:
			if got.Flag[i] != Unusable || got.Class[i] != -1 || !math.IsNaN(float64(got.Prob[3*i])) || !math.IsNaN(float64(got.OOD[i])) {
				t.Errorf("spectrum %d has no data: flag %d, class %d, probability %g", i, got.Flag[i], got.Class[i], got.Prob[3*i])
			}
		case 9:
			if got.Flag[i] != PartlyCovered {
				t.Errorf("spectrum %d lacks two thirds of its pixels: flag %d", i, got.Flag[i])
			}
		default:
			if got.Flag[i] != 0 || got.Prob[3*i] != want.Prob[3*i] {
				t.Errorf("spectrum %d has another answer because of its neighbours", i)
			}
		}
	}
}

func TestBadInput(t *testing.T) {
	ctx := context.Background()
	good := lines(2, 10, 1500, 1)
	c := mustTrain(t, good, Config{Epochs: 1})
	clone := func(f func(*Set)) Set {
		s := good
		s.Flux = append([]float32(nil), good.Flux...)
		s.IVar = append([]float32(nil), good.IVar...)
		s.Wave = append([]float64(nil), good.Wave...)
		s.Labels = append([]int(nil), good.Labels...)
		f(&s)
		return s
	}
	for _, tt := range []struct {
		name, why string
		set       Set
		want      error
	}{
		{"flux too short", "no whole number of spectra", clone(func(s *Set) { s.Flux = s.Flux[1:] }), astroml.ErrShape},
		{"ivar too short", "one a pixel", clone(func(s *Set) { s.IVar = s.IVar[1:] }), astroml.ErrShape},
		{"unsorted wavelengths", "the grid must increase", clone(func(s *Set) { s.Wave[5] = s.Wave[4] }), nil},
		{"wavelength zero", "Å are positive", clone(func(s *Set) { s.Wave[0] = 0 }), nil},
		{"wavelength NaN", "Å are numbers", clone(func(s *Set) { s.Wave[9] = math.NaN() }), nil},
		{"negative ivar", "a variance has no sign", clone(func(s *Set) { s.IVar[77] = -1 }), nil},
		{"one class", "nothing to tell apart", clone(func(s *Set) { s.Classes = s.Classes[:1]; clear(s.Labels) }), nil},
		{"class with one member", "none would be left to hold out", clone(func(s *Set) {
			clear(s.Labels)
			s.Labels[0] = 1
		}), nil},
		{"label out of range", "there is no such class", clone(func(s *Set) { s.Labels[0] = 2 }), nil},
		{"a label missing", "one a spectrum", clone(func(s *Set) { s.Labels = s.Labels[1:] }), astroml.ErrShape},
		{"empty", "nothing to learn from", Set{Classes: good.Classes, Spectra: astroml.Spectra{Wave: good.Wave}}, astroml.ErrShape},
		{"one name twice", "classes could not be told apart", clone(func(s *Set) { s.Classes = []string{"A", "A"} }), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Train(ctx, tt.set, Config{Epochs: 1}, nil)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%s: Train: error %v, want %v", tt.why, err, tt.want)
			}
			t.Log(err)
			if _, err := c.FineTune(ctx, tt.set, Config{Epochs: 1}, nil); err == nil {
				t.Errorf("%s: FineTune took it", tt.why)
			}
		})
	}
	for _, cfg := range []Config{{Network: "resnet"}, {LearnRate: -1}, {LearnRate: math.NaN()}, {HeldOut: 1}, {Pretrain: "yes"}, {ClassWeight: "x"}, {BatchSize: 1}, {Exposure: 1}, {Exposure: math.NaN()}} {
		if _, err := Train(ctx, good, cfg, nil); err == nil {
			t.Errorf("Train took %+v", cfg)
		}
	}
	far := good.Spectra
	far.Wave = make([]float64, 1500)
	for i := range far.Wave {
		far.Wave[i] = 20000 + float64(i)
	}
	if _, err := c.Classify(ctx, far); err == nil {
		t.Error("Classify took a grid without overlap")
	} else {
		t.Log(err)
	}
	neg := clone(func(s *Set) { s.IVar[0] = -1 })
	if _, err := c.Classify(ctx, neg.Spectra); err == nil {
		t.Error("Classify took a negative inverse variance")
	}
	for i := range neg.Wave { // to be rebinned
		neg.Wave[i] *= 1.0001
	}
	if _, err := c.Classify(ctx, neg.Spectra); err == nil {
		t.Error("Classify took a negative inverse variance on another grid")
	}
	if r := mustClassify(t, c, astroml.Spectra{Wave: good.Wave}); len(r.Class) != 0 {
		t.Error("no spectra should have no answers")
	}
	for _, coverage := range []float64{0, 1, -1, math.NaN()} {
		if _, err := c.Sets([]float32{0.5, 0.5}, coverage); err == nil {
			t.Errorf("Sets took coverage %g", coverage)
		}
	}
}

func TestStreamGivesWhatClassifyGives(t *testing.T) {
	set := lines(3, 20, 1500, 1)
	c := mustTrain(t, set, quick)
	want := mustClassify(t, c, set.Spectra)
	in := func(yield func(Spectrum, error) bool) {
		for i := range set.Len() {
			if !yield(Spectrum{ID: string(rune('a' + i%26)), Spectra: set.Row(i)}, nil) {
				return
			}
		}
	}
	i := 0
	for v, err := range c.Stream(context.Background(), in, []Rule{{Name: "B", Classes: []string{"B"}, MinProb: 0.5}, {Name: "any"}}) {
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(v.Prob, want.Prob[3*i:3*i+3]) || v.Class != c.classes[want.Class[i]] {
			t.Fatalf("spectrum %d: %v", i, v)
		}
		if b := len(v.Triggers) == 2; b != (v.Prob[1] >= 0.5) {
			t.Errorf("spectrum %d with probability %g of B triggers %v", i, v.Prob[1], v.Triggers)
		}
		i++
	}
	for _, err := range c.Stream(context.Background(), in, []Rule{{Name: "x", Classes: []string{"Z"}}}) {
		if err == nil {
			t.Error("a rule with an unknown class was taken")
		}
	}
}
