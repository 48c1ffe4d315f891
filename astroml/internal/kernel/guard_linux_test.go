package kernel

import (
	"syscall"
	"testing"
	"unsafe"
)

// fence returns n floats that end where memory ends: reading or writing behind
// them stops the program.
func fence(t testing.TB, n int) []float32 {
	page := syscall.Getpagesize()
	bytes := (4*n + page - 1) / page * page
	mem, err := syscall.Mmap(-1, 0, bytes+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mprotect(mem[bytes:], syscall.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(mem) })
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&mem[bytes-4*n])), n)
}
