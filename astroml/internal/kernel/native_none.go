//go:build !cgo

package kernel

// native returns no sets: there is no C compiler.
func native() []named { return nil }
