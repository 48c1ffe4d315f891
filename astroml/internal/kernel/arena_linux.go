package kernel

import (
	"syscall"
	"unsafe"
)

const (
	largePage   = 2 << 20 // bytes
	bytesAFloat = 4
)

// askForLargePages must come before the first use. It is advice only: it is no
// error if it is not followed.
func askForLargePages(x []float32) {
	start := uintptr(unsafe.Pointer(unsafe.SliceData(x)))
	skip := int(-start%largePage) / bytesAFloat
	whole := (len(x) - skip) / (largePage / bytesAFloat) * largePage
	if whole > 0 {
		syscall.Madvise(unsafe.Slice((*byte)(unsafe.Pointer(&x[skip])), whole), syscall.MADV_HUGEPAGE)
	}
}
