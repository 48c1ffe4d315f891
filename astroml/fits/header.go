package fits

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/goastroml/goastroml/astroml"
)

// Card is one line of a header.
type Card struct {
	Key string // in capital letters; a HIERARCH key is its words with single blanks
	// Value is a string, bool, int, int64, float32 or float64 to write. Cards
	// that were read hold a string: the text of the value, without quotes.
	Value   any
	Comment string
}

// Header holds the cards of a header. Of cards with the same key the first
// counts.
type Header struct {
	Cards []Card
	index map[string]int
}

// value returns the text of a value, or false if there is no such card.
func (h Header) value(key string) (string, bool) {
	i, ok := h.index[key]
	if !ok {
		return "", false
	}
	s, ok := h.Cards[i].Value.(string)
	return s, ok && s != ""
}

// String returns the value of key as text, without quotes and trailing blanks.
// ok is false if there is none.
func (h Header) String(key string) (s string, ok bool) { return h.value(key) }

// Float returns the value of key as a number, also if it is written in quotes.
// ok is false if there is none.
func (h Header) Float(key string) (v float64, ok bool) {
	s, ok := h.value(key)
	if !ok || strings.ContainsAny(s, "xXpP_") { // Go's own number formats are not FITS's
		return 0, false
	}
	v, err := strconv.ParseFloat(strings.NewReplacer("D", "E", "d", "e").Replace(strings.TrimSpace(s)), 64)
	return v, err == nil
}

// Int returns the value of key as a whole number, also if it is written in
// quotes or as 3.0. ok is false if there is none.
func (h Header) Int(key string) (v int64, ok bool) {
	s, ok := h.value(key)
	if !ok {
		return 0, false
	}
	if v, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64); err == nil {
		return v, true
	}
	f, ok := h.Float(key)
	if !ok || f != float64(int64(f)) || f > 1<<53 || f < -1<<53 {
		return 0, false
	}
	return int64(f), true
}

// Bool returns the value of key as a truth value, T or F. ok is false if there
// is none.
func (h Header) Bool(key string) (v, ok bool) {
	s, _ := h.value(key)
	return s == "T", s == "T" || s == "F"
}

// show returns the value of key for an error.
func (h Header) show(key string) string {
	if s, ok := h.value(key); ok {
		return strconv.Quote(s)
	}
	return "missing"
}

// errSpecial says that what follows is no extension.
var errSpecial = errors.New("no extension")

// readHeader reads the header at an offset and returns its length in bytes.
func readHeader(r io.ReaderAt, at, size int64, primary bool) (h Header, length int64, err error) {
	var text []byte
	buf := make([]byte, block)
	for n := 0; ; n++ {
		if n == maxHeader {
			return h, 0, fmt.Errorf("no END in %d cards: %w", maxHeader*block/80, astroml.ErrFormat)
		}
		got, err := r.ReadAt(buf[:min(block, max(size-at-length, 0))], at+length)
		if err != nil && !errors.Is(err, io.EOF) {
			return h, 0, err
		}
		switch {
		case n > 0:
		case primary && !strings.HasPrefix(string(buf[:got]), "SIMPLE  ="):
			return h, 0, fmt.Errorf("no FITS file: it does not begin with SIMPLE: %w", astroml.ErrFormat)
		case !primary && !strings.HasPrefix(string(buf[:got]), "XTENSION="):
			return h, 0, errSpecial
		}
		if got < block {
			return h, 0, fmt.Errorf("the file ends within the header: %w", astroml.ErrFormat)
		}
		length += block
		text = append(text, buf...)
		for i := 0; i < block; i += 80 {
			if string(buf[i:i+8]) == "END     " {
				return parse(text[:len(text)-block+i]), length, nil
			}
		}
	}
}

// parse reads the cards of a header. Cards that it does not understand have an
// empty value: a header with a wrong card somewhere still names its axes.
func parse(text []byte) Header {
	h := Header{index: map[string]int{}}
	long := -1 // card that a CONTINUE card continues
	for ; len(text) >= 80; text = text[80:] {
		line := string(text[:80])
		key := strings.TrimRight(line[:8], " ")
		if key == "CONTINUE" && long >= 0 {
			s, _ := h.Cards[long].Value.(string)
			more, comment, quoted := value(line[8:])
			if quoted && strings.HasSuffix(s, "&") {
				h.Cards[long].Value = strings.TrimSuffix(s, "&") + more
				h.Cards[long].Comment += comment
				continue
			}
		}
		long = -1
		card := Card{Key: key}
		quoted := false
		switch {
		case line[8:10] == "= ":
			card.Value, card.Comment, quoted = value(line[10:])
		case key == "HIERARCH":
			name, rest, ok := strings.Cut(line[8:], "=")
			if !ok {
				continue
			}
			card.Key = strings.Join(strings.Fields(strings.ToUpper(name)), " ")
			card.Value, card.Comment, quoted = value(rest)
		default:
			card.Comment = strings.TrimRight(line[8:], " ") // COMMENT, HISTORY, blank
		}
		if quoted {
			long = len(h.Cards)
		}
		if _, ok := h.index[card.Key]; !ok && card.Value != nil {
			h.index[card.Key] = len(h.Cards)
		}
		h.Cards = append(h.Cards, card)
	}
	return h
}

// value splits the text of a value from its comment. Strings lose their quotes
// and trailing blanks; two quotes within stand for one.
func value(s string) (v, comment string, quoted bool) {
	s = strings.TrimLeft(s, " ")
	if !strings.HasPrefix(s, "'") {
		v, comment, _ = strings.Cut(s, "/")
		return strings.TrimSpace(v), strings.TrimSpace(comment), false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '\'' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		_, comment, _ = strings.Cut(s[i+1:], "/")
		break
	}
	return strings.TrimRight(b.String(), " "), strings.TrimSpace(comment), true
}
