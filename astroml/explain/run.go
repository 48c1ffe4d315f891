package explain

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/goastroml/goastroml/astroml"
)

// piece is a run of masked rows that are laid out and answered together: rows
// of the background (row -1), a row itself (block -1), or a block of coalitions
// with one member of the background.
type piece struct{ row, block, member, size int }

// run asks for pieces and takes the answers, in the same order.
type run struct {
	*plan
	next    piece // where asking goes on
	end     int   // the row after the last
	asked   []piece
	rows    []float64
	laid    []float64 // what rows of groups stand for
	answers []float64 // where a Func writes them
	players map[int]player
}

// newRun returns a run over rows begin to end; begin -1 has the background come
// before row 0.
func newRun(p *plan, begin, end int) *run {
	return &run{plan: p, next: piece{row: begin, block: -1}, end: end, players: make(map[int]player)}
}

// peek completes the next piece with its size, 0 after the last.
func (r *run) peek() piece {
	p := r.next
	switch {
	case p.row < 0:
		p.size = min(r.limit, r.b.members()-p.member)
	case p.row >= r.end:
		p.size = 0
	case p.block < 0:
		p.size = 1
	default:
		p.size = min(r.block, r.coalitions-p.block*r.block)
	}
	return p
}

// pass moves on to the piece after p.
func (r *run) pass(p piece) {
	switch {
	case p.row < 0:
		r.next.member += p.size
		if r.next.member < r.b.members() {
			return
		}
	case p.block >= 0 && p.member+1 < r.b.members():
		r.next.member++
		return
	case (p.block+1)*r.block < r.coalitions:
		r.next.block, r.next.member = p.block+1, 0
		return
	}
	r.next = piece{row: p.row + 1, block: -1}
}

// ask lays out as many pieces as the limit allows, at least one.
func (r *run) ask() []float64 {
	if len(r.asked) > 0 {
		return r.wanted()
	}
	r.rows = r.rows[:0]
	n := 0
	for p := r.peek(); p.size > 0 && (n == 0 || n+p.size <= r.limit); p = r.peek() {
		n += p.size
		r.rows = slices.Grow(r.rows, p.size*r.features)[:n*r.features]
		r.lay(r.rows[(n-p.size)*r.features:], p)
		r.asked = append(r.asked, p)
		r.pass(p)
	}
	if n == 0 {
		return nil
	}
	if r.grouped != nil {
		r.laid = r.grouped.lay(r.laid[:0], r.rows)
	}
	return r.wanted()
}

// wanted returns the rows that are asked for, as the model takes them.
func (r *run) wanted() []float64 {
	if r.grouped != nil {
		return r.laid
	}
	return r.rows
}

func (r *run) lay(dst []float64, p piece) {
	switch {
	case p.row < 0:
		copy(dst, r.b.rows[p.member*r.features:])
	case p.block < 0:
		copy(dst, r.row(p.row))
		r.players[p.row] = r.start(p.row)
	default:
		r.players[p.row].fill(dst, p.block, p.member)
	}
}

// take hands the answers to whom they belong.
func (r *run) take(y []float64) error {
	if len(r.asked) == 0 {
		return fmt.Errorf("explain: %d answers, but no rows were asked for", len(y))
	}
	if want := len(r.rows) / r.features * r.outputs; len(y) != want {
		return fmt.Errorf("explain: %d answers, want %d rows of %d outputs: %w", len(y), want/r.outputs, r.outputs, astroml.ErrShape)
	}
	if err := checkFinite("the model's answers", y, r.outputs); err != nil {
		return err
	}
	for _, p := range r.asked {
		n := p.size * r.outputs
		r.give(y[:n], p)
		y = y[n:]
	}
	r.asked = r.asked[:0]
	return nil
}

func (r *run) give(y []float64, p piece) {
	switch {
	case p.row < 0:
		for i, v := range y {
			member := p.member + i/r.outputs
			r.unknown(r.b.draw(member))[i%r.outputs] += r.b.weight[member] * v
		}
		return
	case p.block < 0:
		copy(r.predicted(p.row), y)
		if r.coalitions > 0 {
			return
		}
	default:
		r.players[p.row].take(y, p.block, p.member)
		if (p.block+1)*r.block < r.coalitions || p.member+1 < r.b.members() {
			return
		}
	}
	r.finish(p.row)
}

// finish writes what is said of a row, and forgets its player.
func (r *run) finish(row int) {
	width := r.features * r.outputs
	variance := r.out.Err[row*width : (row+1)*width]
	r.players[row].solve(r.out.Values[row*width:(row+1)*width], variance)
	delete(r.players, row)
	for i, v := range variance {
		variance[i] = math.Sqrt(v)
	}
	average(r.base, r.out.Base[row*r.outputs:(row+1)*r.outputs], make([]float64, r.outputs))
}

// play asks f until there is nothing left to ask.
func (r *run) play(ctx context.Context, f Func, report func(rows int)) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		x := r.ask()
		if x == nil {
			return nil
		}
		n := len(r.rows) / r.features
		r.answers = slices.Grow(r.answers[:0], n*r.outputs)[:n*r.outputs]
		if err := f(ctx, x, n, r.answers); err != nil {
			return err
		}
		if err := r.take(r.answers); err != nil {
			return err
		}
		report(n)
	}
}
