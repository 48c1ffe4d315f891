package spectra

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/rng"
)

// ModelFit classifies simulated spectra by fitting the models that they were
// made from: the ceiling beside which a classifier's score on Simulate is to be
// seen. It knows the generator, which no classifier does; what it gets wrong,
// noise has hidden. On other spectra it means nothing.
//
// A bank of noiseless spectra gives starting points, by χ² with the amplitude
// free. From the best of them, Gauss–Newton steps fit all parameters of the
// star, galaxy or quasar together with a polynomial for the flux calibration.
// The posterior is taken for normal (Laplace's approximation): draws from it
// that fall into a class are the class's probability, and kinds of objects are
// weighed by their evidence. A spectrum takes about 0.15 s of one processor.
//
// It is no strict bound: the ripple of the calibration is part of the noise to
// it, priors within a class are taken for wide and normal.
type ModelFit struct {
	sim    *simulator
	bank   []object
	coarse blas32.General // bank × pixel/binning, unit mean square
	square blas32.General // its squares
	curve  [][]float64    // shapes of the calibration's errors
}

const (
	fitBinning = 2    // pixels summed for the search
	fitShapes  = 10   // of the calibration: polynomials of degree 0 to 8, and dust in the Milky Way
	fitCurve   = 0.04 // prior of their coefficients, relative or mag
	fitError   = 0.01 // what else the calibration does, relative
	fitSteps   = 12   // Gauss–Newton steps at most
	fitDraws   = 256  // draws from a posterior
)

// NewModelFit returns a fit with bank starting points, spread evenly over the
// classes of cfg; 20,000 are enough for the default configuration.
func NewModelFit(cfg SimConfig, bank int) (*ModelFit, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if bank < len(cfg.Classes) {
		return nil, fmt.Errorf("spectra: a bank of %d models, want one for each of %d classes at least", bank, len(cfg.Classes))
	}
	f := &ModelFit{sim: newSimulator(cfg), bank: make([]object, bank)}
	n := len(cfg.Wave)
	m := n / fitBinning
	f.coarse = blas32.General{Rows: bank, Cols: m, Stride: m, Data: make([]float32, bank*m)}
	f.square = blas32.General{Rows: bank, Cols: m, Stride: m, Data: make([]float32, bank*m)}
	overSpectra(bank, cfg.Threads, func(lo, hi int) {
		b := newBench(f.sim.models, n)
		for i := lo; i < hi; i++ {
			f.bank[i] = f.sim.draw(rng.New(cfg.Seed, "bank", i), cfg.Classes[i%len(cfg.Classes)])
			if q, ok := f.bank[i].(*quasarModel); ok {
				q.forest = 0
			}
			flux := f.sim.render(f.bank[i], b)
			row, sq := f.coarse.Data[i*m:][:m], f.square.Data[i*m:][:m]
			var power float64
			for k := range row {
				for _, v := range flux[k*fitBinning:][:fitBinning] {
					row[k] += v / fitBinning
				}
				power += float64(row[k]) * float64(row[k])
			}
			scale := float32(1 / math.Sqrt(power/float64(m)))
			for k := range row {
				row[k] *= scale
				sq[k] = row[k] * row[k]
			}
		}
	})
	for d := range fitShapes - 1 {
		p := make([]float64, n)
		for i, x := range f.sim.inst.x {
			p[i] = legendre(d, x)
		}
		f.curve = append(f.curve, p)
	}
	dust := make([]float64, n)
	for i, k := range f.sim.inst.dust { // E(B-V) of fitCurve mag, less a grey part
		dust[i] = -0.4 * math.Ln10 * (k - 3)
	}
	f.curve = append(f.curve, dust)
	return f, nil
}

// legendre returns the Legendre polynomial of degree n.
func legendre(n int, x float64) float64 {
	lower, p := 0.0, 1.0
	for k := range n {
		k := float64(k)
		lower, p = p, ((2*k+1)*x*p-k*lower)/(k+1)
	}
	return p
}

// Prob returns n × class probabilities. The spectra must lie on the grid of the
// ModelFit's configuration and have inverse variances.
func (f *ModelFit) Prob(x astroml.Spectra) ([]float32, error) {
	if err := x.Check(); err != nil {
		return nil, err
	}
	if !slices.Equal(x.Wave, f.sim.cfg.Wave) || x.IVar == nil {
		return nil, fmt.Errorf("spectra: a model fit wants its own %d wavelengths, and inverse variances: %w", len(f.sim.cfg.Wave), astroml.ErrShape)
	}
	classes := len(f.sim.cfg.Classes)
	prob := make([]float32, x.Len()*classes)
	overSpectra(x.Len(), f.sim.cfg.Threads, func(lo, hi int) {
		starts := f.search(x.Rows(lo, hi))
		w := f.newFitting()
		for i := lo; i < hi; i++ {
			row := x.Row(i)
			w.classify(row.Flux, row.IVar, starts[i-lo], rng.New(f.sim.cfg.Seed, "posterior", i), prob[i*classes:][:classes])
		}
	})
	return prob, nil
}

// search returns for each spectrum the bank's best objects, the best of a class
// each, best first.
func (f *ModelFit) search(x astroml.Spectra) [][]object {
	n, m := len(x.Wave), f.coarse.Cols
	weight := blas32.General{Rows: x.Len(), Cols: m, Stride: m, Data: make([]float32, x.Len()*m)}
	signal := blas32.General{Rows: x.Len(), Cols: m, Stride: m, Data: make([]float32, x.Len()*m)}
	for i := range x.Len() {
		flux, ivar := x.Flux[i*n:][:n], x.IVar[i*n:][:n]
		var mean, sum float64
		for k, v := range ivar {
			mean += float64(v * flux[k])
			sum += float64(v)
		}
		mean /= math.Max(sum, 1e-30)
		floor := float32(0.05 * 0.05 * mean * mean)
		for k := range m {
			for j := k * fitBinning; j < (k+1)*fitBinning; j++ {
				if ivar[j] > 0 {
					w := 1 / (1/ivar[j] + floor)
					weight.Data[i*m+k] += w
					signal.Data[i*m+k] += w * flux[j]
				}
			}
		}
	}
	cross := blas32.General{Rows: x.Len(), Cols: len(f.bank), Stride: len(f.bank), Data: make([]float32, x.Len()*len(f.bank))}
	norm := blas32.General{Rows: x.Len(), Cols: len(f.bank), Stride: len(f.bank), Data: make([]float32, x.Len()*len(f.bank))}
	blas32.Gemm(blas.NoTrans, blas.Trans, 1, signal, f.coarse, 0, cross)
	blas32.Gemm(blas.NoTrans, blas.Trans, 1, weight, f.square, 0, norm)
	starts := make([][]object, x.Len())
	classes := len(f.sim.cfg.Classes)
	for i := range starts {
		best, gain := make([]int, classes), make([]float32, classes)
		for j := range f.bank {
			a, b := cross.Data[i*len(f.bank)+j], norm.Data[i*len(f.bank)+j]
			if g := a * a / b; a > 0 && g > gain[j%classes] {
				best[j%classes], gain[j%classes] = j, g
			}
		}
		order := make([]int, classes)
		for c := range order {
			order[c] = c
		}
		slices.SortStableFunc(order, func(a, b int) int { return int(math.Copysign(1, float64(gain[b]-gain[a]))) })
		// Stars have one minimum, the others one for each redshift that a line
		// may be mistaken for.
		left := map[reflect.Type]int{reflect.TypeFor[*starModel](): 1, reflect.TypeFor[*galaxyModel](): 3, reflect.TypeFor[*quasarModel](): 2}
		for _, c := range order {
			o := f.bank[best[c]]
			if kind := reflect.TypeOf(o); gain[c] > 0.8*gain[order[0]] && left[kind] > 0 {
				left[kind]--
				starts[i] = append(starts[i], o)
			}
		}
	}
	return starts
}

// fitting is the working memory of fits. Unknowns are the coefficients of the
// calibration curve, then the object's knobs, in units of their priors.
type fitting struct {
	*ModelFit
	b       *bench
	flux    []float64
	weight  []float64 // inverse variance
	model   []float64 // of the object alone
	curve   []float64 // calibration
	moved   []float64 // a model with one knob turned
	columns []float64 // derivatives times √weight, a row for each unknown
}

func (f *ModelFit) newFitting() *fitting {
	n := len(f.sim.cfg.Wave)
	w := &fitting{ModelFit: f, b: newBench(f.sim.models, n)}
	for _, p := range []*[]float64{&w.flux, &w.weight, &w.model, &w.curve, &w.moved} {
		*p = make([]float64, n)
	}
	return w
}

// A fit is the outcome of one.
type fit struct {
	object   object
	evidence float64 // logarithm
	chol     mat.Cholesky
}

// classify fits the starts and writes class probabilities.
func (w *fitting) classify(flux, ivar []float32, starts []object, r *rand.Rand, prob []float32) {
	best := map[reflect.Type]*fit{} // by kind of object
	var kinds []reflect.Type
	top := math.Inf(-1)
	for _, s := range starts {
		got := w.fit(flux, ivar, s.clone(), top)
		if got == nil {
			continue
		}
		kind := reflect.TypeOf(s)
		if best[kind] == nil {
			kinds = append(kinds, kind)
		}
		if best[kind] == nil || got.evidence > best[kind].evidence {
			best[kind] = got
		}
		top = math.Max(top, got.evidence)
	}
	var total float32
	for _, k := range kinds {
		share := float32(math.Exp(best[k].evidence-top)) / fitDraws
		if share*fitDraws < 1e-6 {
			continue
		}
		for range fitDraws {
			if c := slices.Index(w.sim.cfg.Classes, best[k].draw(r)); c >= 0 {
				prob[c] += share
				total += share
			}
		}
	}
	for c := range prob {
		if total > 0 {
			prob[c] /= total
		} else {
			prob[c] = 1 / float32(len(prob))
		}
	}
}

// draw draws an object from the posterior and returns its class.
func (f *fit) draw(r *rand.Rand) string {
	n := f.chol.SymmetricDim()
	z := mat.NewVecDense(n, nil)
	for k := range n {
		z.SetVec(k, r.NormFloat64())
	}
	// The normal matrix is UᵀU: U⁻¹z has its inverse for covariance.
	if err := z.SolveVec(f.chol.RawU(), z); err != nil {
		return f.object.class()
	}
	o := f.object.clone()
	for k, knob := range o.knobs() {
		*knob.value += z.AtVec(fitShapes+k) * knob.prior
	}
	return o.class()
}

// fit fits one object, which it changes. It returns nil if there is nothing to
// fit, if the matrix of the problem is singular, or if after a few steps the
// evidence is hopelessly below that of a better fit.
func (w *fitting) fit(flux, ivar []float32, o object, better float64) *fit {
	for i, v := range w.sim.render(o, w.b) {
		w.model[i] = float64(v)
	}
	var cross, norm float64
	for i, m := range w.model {
		if w.flux[i] = float64(flux[i]); ivar[i] > 0 {
			cross += float64(ivar[i]) * w.flux[i] * m
			norm += float64(ivar[i]) * m * m
		}
	}
	level := cross / norm
	if !(level > 0) {
		return nil
	}
	known := w.weigh(ivar, o, level)

	knobs := o.knobs()
	center := make([]float64, len(knobs))
	for k, knob := range knobs {
		center[k] = *knob.value
	}
	curve := make([]float64, fitShapes) // over level, in units of fitCurve
	curve[0] = 1 / fitCurve
	dust := 0.03 * w.sim.cfg.Hardness / fitCurve // the mean that drawObservation has
	curve[fitShapes-1] = dust
	offset := func(k int) float64 { return (*knobs[k].value - center[k]) / knobs[k].prior }
	loss := func() float64 {
		w.calibrate(curve, level)
		var sum float64
		for i, m := range w.model {
			d := w.flux[i] - m*w.curve[i]
			sum += w.weight[i] * d * d
		}
		for _, c := range curve[1 : fitShapes-1] {
			sum += c * c
		}
		sum += (curve[fitShapes-1] - dust) * (curve[fitShapes-1] - dust)
		for k := range knobs {
			sum += offset(k) * offset(k)
		}
		return sum
	}

	now := loss()
	for step := 1; ; step++ {
		prior := append(slices.Clone(curve), center...)
		prior[0] = 0 // the amplitude is free
		prior[fitShapes-1] -= dust
		for k := range knobs {
			prior[len(curve)+k] = offset(k)
		}
		chol, move := w.solve(knobs, o, level, prior)
		if move == nil {
			return nil
		}
		fell := 0.0
		oldCurve, old := slices.Clone(curve), make([]float64, len(knobs))
		for k, knob := range knobs {
			old[k] = *knob.value
		}
		for _, part := range [...]float64{1, 0.4, 0.1, 0} { // 0 goes back
			for j := range curve {
				curve[j] = oldCurve[j] + part*move[j]
			}
			for k, knob := range knobs {
				*knob.value = old[k] + part*move[len(curve)+k]*knob.prior
			}
			for i, v := range w.sim.render(o, w.b) {
				w.model[i] = float64(v)
			}
			if l := loss(); l < now {
				fell, now = now-l, l
				break
			}
		}
		evidence := known - now/2 - chol.LogDet()/2
		if step >= 3 && evidence+5*fell < better-50 {
			return nil
		}
		if fell < 0.5 || step == fitSteps {
			return &fit{o, evidence, chol}
		}
	}
}

// weigh fills in the weights for an object at a level: noise, and a part of the
// flux for what the calibration curve leaves; in a Lyman-α forest a large part.
// It returns the sum of log √weight.
func (w *fitting) weigh(ivar []float32, o object, level float64) float64 {
	var forest float64
	if q, ok := o.(*quasarModel); ok {
		forest = 1215.67 * (1 + q.z)
	}
	var sum float64
	for i, v := range ivar {
		w.weight[i] = 0
		if v > 0 {
			e := fitError * level * w.model[i]
			if w.sim.cfg.Wave[i] < forest {
				e *= 0.5 / fitError
			}
			w.weight[i] = 1 / (1/float64(v) + e*e)
			sum += math.Log(w.weight[i]) / 2
		}
	}
	return sum
}

// calibrate fills in the calibration curve.
func (w *fitting) calibrate(coefficients []float64, level float64) {
	clear(w.curve)
	for j, c := range coefficients {
		for i, p := range w.ModelFit.curve[j] {
			w.curve[i] += level * fitCurve * c * p
		}
	}
}

// solve returns the Gauss–Newton step of all unknowns, whose priors are normal
// about 0 with scatter 1, from where they are; the step is nil if the matrix
// is singular.
func (w *fitting) solve(knobs []knob, o object, level float64, at []float64) (mat.Cholesky, []float64) {
	n, unknowns := len(w.flux), len(at)
	w.columns = slices.Grow(w.columns[:0], (unknowns+1)*n)[:(unknowns+1)*n]
	row := func(k int) []float64 { return w.columns[k*n:][:n] }
	for j, p := range w.ModelFit.curve {
		for i, m := range w.model {
			row(j)[i] = math.Sqrt(w.weight[i]) * level * fitCurve * p[i] * m
		}
	}
	for k, knob := range knobs {
		value := *knob.value
		*knob.value = value + knob.step
		into := row(len(w.ModelFit.curve) + k)
		for i, v := range w.sim.render(o, w.b) {
			into[i] = math.Sqrt(w.weight[i]) * (float64(v) - w.model[i]) * w.curve[i] * (knob.prior / knob.step)
		}
		*knob.value = value
	}
	for i, m := range w.model {
		row(unknowns)[i] = math.Sqrt(w.weight[i]) * (w.flux[i] - m*w.curve[i])
	}
	all := blas64.Symmetric{N: unknowns + 1, Stride: unknowns + 1, Uplo: blas.Upper, Data: make([]float64, (unknowns+1)*(unknowns+1))}
	blas64.Syrk(blas.NoTrans, 1, blas64.General{Rows: unknowns + 1, Cols: n, Stride: n, Data: w.columns}, 0, all)
	normal, slope := mat.NewSymDense(unknowns, nil), mat.NewVecDense(unknowns, nil)
	for a := range unknowns {
		for b := a; b < unknowns; b++ {
			normal.SetSym(a, b, all.Data[a*all.Stride+b])
		}
		normal.SetSym(a, a, normal.At(a, a)+1)
		slope.SetVec(a, all.Data[a*all.Stride+unknowns]-at[a])
	}
	var chol mat.Cholesky
	var step mat.VecDense
	if !chol.Factorize(normal) || chol.SolveVecTo(&step, slope) != nil {
		return chol, nil
	}
	return chol, step.RawVector().Data
}
