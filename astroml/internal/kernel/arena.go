package kernel

// Arena returns n zeros for arrays that are walked through again and again. The
// system is asked for large pages, if it has them on request: a network's arrays
// lie on more small pages than the processor knows by heart.
func Arena(n int) []float32 {
	x := make([]float32, n)
	askForLargePages(x)
	return x
}
