package kernel

import "testing"

func TestArena(t *testing.T) {
	for _, n := range []int{0, 1, 1000, 1 << 19, 1<<19 + 1, 3 << 20} {
		x := Arena(n)
		if len(x) != n {
			t.Fatalf("%d floats, want %d", len(x), n)
		}
		for i, v := range x {
			if v != 0 {
				t.Fatalf("float %d of %d is %g", i, n, v)
			}
			x[i] = 1
		}
	}
}
