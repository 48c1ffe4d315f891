package kernel

import "fmt"

// Act is an activation function.
type Act int

const (
	Identity  Act = iota
	ReLU          // max(x, 0); NaN stays NaN
	LeakyReLU     // x, or x/5 where that is larger
	GELU          // x·Φ(x), exact, by the error function (Hendrycks & Gimpel 2016, arXiv:1606.08415)
	SiLU          // x/(1+exp(-x)) (same paper, section 2)
	Tanh          // tanh(x)
	Sigmoid       // 1/(1+exp(-x))
)

// lengths panics unless all slices are as long as the first one. A nil slice
// in others is not looked at.
func lengths(op string, first []float32, others ...[]float32) {
	for _, o := range others {
		if o != nil && len(o) != len(first) {
			panic(fmt.Sprintf("kernel: %s: slices of %d and %d floats", op, len(first), len(o)))
		}
	}
}

// channels panics unless x is rows of c channels and every one of per holds
// one value a channel.
func channels(op string, x []float32, c int, per ...[]float32) {
	if c < 1 || len(x)%c != 0 {
		panic(fmt.Sprintf("kernel: %s: %d floats are not rows of %d channels", op, len(x), c))
	}
	for _, p := range per {
		if len(p) != c {
			panic(fmt.Sprintf("kernel: %s: %d values for %d channels", op, len(p), c))
		}
	}
}

// Bias computes y = act(x + b) on rows of c channels. y may be x.
func Bias(y, x, b []float32, c int, act Act) {
	lengths("Bias", y, x)
	channels("Bias", x, c, b)
	current.bias(y, x, b, c, act)
}

// Activate computes y = act(x). y may be x.
func Activate(y, x []float32, act Act) {
	lengths("Activate", y, x)
	current.activate(y, x, act)
}

// NeedsX reports whether the slope of the activation is known from its argument
// only; that of the others is known from its value.
func (a Act) NeedsX() bool { return a == GELU || a == SiLU }

// ActivateGrad computes dx = dy · act'(x), where y = act(x). Activations that
// NeedsX want x only, the others y only, Identity neither: what is not wanted
// may be nil. dx may be dy.
func ActivateGrad(dx, x, y, dy []float32, act Act) {
	lengths("ActivateGrad", dx, x, y, dy)
	if len(dy) != len(dx) ||
		act != Identity && (act.NeedsX() && len(x) != len(dx) || !act.NeedsX() && len(y) != len(dx)) {
		panic(fmt.Sprintf("kernel: ActivateGrad: activation %d of %d floats lacks an argument", act, len(dx)))
	}
	current.activateGrad(dx, x, y, dy, act)
}

// Sums adds the rows of x, which have c channels, to dst.
func Sums(dst, x []float32, c int) {
	channels("Sums", x, c, dst)
	current.sums(dst, x, c)
}

// Moments sets mean and m2 to each channel's mean and Σ(x-mean)² over the rows
// of x, in two passes. Without rows both are zero. Those of several blocks are
// joined by equation 1.5 of Chan, Golub & LeVeque (1983),
// doi:10.1080/00031305.1983.10483115.
func Moments(mean, m2, x []float32, c int) {
	channels("Moments", x, c, mean, m2)
	current.moments(mean, m2, x, c)
}

// Affine computes y = act(scale·x + shift) with one scale and shift a channel.
// y may be x.
func Affine(y, x, scale, shift []float32, c int, act Act) {
	lengths("Affine", y, x)
	channels("Affine", x, c, scale, shift)
	current.affine(y, x, scale, shift, c, act)
}

// NormBackward is a normalisation y = act(Scale·x + Shift) whose gradient is
// wanted: one value a channel.
type NormBackward struct {
	Scale, Shift []float32
	Act          Act
	Mean, IStd   []float32 // of the values that were normalised: mean and 1/σ
}

// Sums adds Σ dz to sdz and Σ dz·(x-Mean)·IStd to sdzx, by channel, where
// dz = dy·act'(Scale·x + Shift): the two sums of the gradient of a
// normalisation.
func (n NormBackward) Sums(sdz, sdzx, dy, x []float32) {
	lengths("NormBackward", dy, x)
	channels("NormBackward", x, len(n.Scale), n.Shift, n.Mean, n.IStd, sdz, sdzx)
	current.normSums(sdz, sdzx, dy, x, n)
}

// Grad computes dx = a·dz + b·x + d with one a, b and d a channel and dz as in
// Sums. dx may be dy or x.
func (n NormBackward) Grad(dx, dy, x, a, b, d []float32) {
	lengths("NormBackward", dx, dy, x)
	channels("NormBackward", x, len(n.Scale), n.Shift, a, b, d)
	current.normGrad(dx, dy, x, a, b, d, n)
}

// Add computes dst = x + y. dst may be x or y.
func Add(dst, x, y []float32) {
	lengths("Add", dst, x, y)
	current.add(dst, x, y)
}

// Mul computes dst = x · y. dst may be x or y.
func Mul(dst, x, y []float32) {
	lengths("Mul", dst, x, y)
	current.mul(dst, x, y)
}

// Scale computes dst = s·x. dst may be x.
func Scale(dst, x []float32, s float32) {
	lengths("Scale", dst, x)
	current.scale(dst, x, s)
}

// Axpy computes dst += s·x.
func Axpy(dst []float32, s float32, x []float32) {
	lengths("Axpy", dst, x)
	current.axpy(dst, s, x)
}

// SumSquares returns Σ x², in double precision and a fixed order.
func SumSquares(x []float32) float64 { return current.sumSquares(x) }

// Exp computes y = exp(x). y may be x.
func Exp(y, x []float32) {
	lengths("Exp", y, x)
	current.exp(y, x)
}

// Log computes y = log(x): -Inf at zero, NaN below. y may be x.
func Log(y, x []float32) {
	lengths("Log", y, x)
	current.log(y, x)
}

// Erf computes y = erf(x). y may be x.
func Erf(y, x []float32) {
	lengths("Erf", y, x)
	current.erf(y, x)
}

// AdamW is one step of Adam with decoupled weight decay: Algorithm 2 of
// Loshchilov & Hutter (2019), arXiv:1711.05101, with the schedule multiplier
// inside LearnRate, and the decay multiplied by LearnRate.
type AdamW struct {
	LearnRate, Beta1, Beta2, Eps, WeightDecay float32

	// Correct1 and Correct2 are 1-Beta1^t and 1-Beta2^t in step t = 1, 2, ….
	Correct1, Correct2 float32
}

// Step updates the weights w, their first and second moments m and v, from the
// gradient g, which is multiplied by scale first (clipping).
func (o AdamW) Step(w, m, v, g []float32, scale float32) {
	lengths("AdamW", w, m, v, g)
	current.adamW(o, w, m, v, g, scale)
}
