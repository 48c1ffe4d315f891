package kernel

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSets says which sets the tests of this run have not seen.
func TestSets(t *testing.T) {
	for _, name := range []string{"baseline", "avx2", "avx512", "neon"} {
		t.Run(name, func(t *testing.T) {
			switch {
			case slices.Contains(Sets(), name):
			case !slices.Contains(Sets(), "baseline"):
				t.Skipf("%s was not tested: this program was built without C", name)
			default:
				t.Skipf("%s was not tested: this processor lacks it", name)
			}
		})
	}
}

// TestNEON runs the tests of the set "neon" on an emulated processor. On Debian
// it wants the packages gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user.
func TestNEON(t *testing.T) {
	if testing.Short() {
		t.Skip("compiling takes most of a minute, emulation half a minute")
	}
	if runtime.GOARCH == "arm64" {
		t.Skip("this processor has NEON: all tests run it")
	}
	const compiler, libraries = "aarch64-linux-gnu-gcc", "/usr/aarch64-linux-gnu"
	if _, err := exec.LookPath(compiler); err != nil {
		t.Skipf("neon was not tested: there is no %s", compiler)
	}
	if _, err := os.Stat(filepath.Join(libraries, "include", "stdio.h")); err != nil {
		t.Skipf("neon was not tested: there are no headers and libraries in %s", libraries)
	}
	emulator, err := exec.LookPath("qemu-aarch64")
	if err != nil {
		emulator, err = exec.LookPath("qemu-aarch64-static")
	}
	if err != nil {
		t.Skip("neon was not tested: there is no qemu-aarch64")
	}

	program := filepath.Join(t.TempDir(), "kernel.test")
	build := exec.Command("go", "test", "-c", "-o", program, ".")
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=1", "CC="+compiler,
		"CGO_CFLAGS=-O2") // without -g, which takes a third of the time
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, out)
	}
	// Ten times what it takes.
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	// With the other sets, which are tested elsewhere, it would take three times as long.
	run := exec.CommandContext(ctx, emulator, "-L", libraries, program, "-test.short", "-test.v",
		"-test.run", "/^neon$|TestStandardize//^neon$|FuzzProduct")
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", run, err, out)
	}
	for _, name := range []string{"TestForward", "TestWeights", "TestFiltering", "TestElementary", "TestPool", "TestStandardize/a_spectrum"} {
		if !strings.Contains(string(out), "--- PASS: "+name+"/neon") {
			t.Errorf("%s has not run with the set \"neon\":\n%s", name, out)
		}
	}
}
