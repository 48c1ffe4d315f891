package fits

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/internal/atomicfile"
)

// WriteImage writes an image, cube or hypercube of float32 values as the
// primary HDU of a new file, which takes the place of any file of that name:
// all of it, or nothing if there is an error. Shape is slowest axis first. The
// cards may say anything but what makes the geometry; a text longer than 68
// characters is an error.
func WriteImage(path string, image astroml.Array, cards ...Card) error {
	if n, ok := product(image.Shape); !ok || n != int64(len(image.Data)) || len(image.Shape) == 0 || len(image.Shape) > 999 {
		return fmt.Errorf("fits: %s: axes %v for %d values: %w", path, image.Shape, len(image.Data), astroml.ErrShape)
	}
	header, err := imageHeader(image.Shape, cards)
	if err != nil {
		return fmt.Errorf("fits: %s: %w", path, err)
	}
	err = atomicfile.Write(path, func(w io.Writer) error {
		if _, err := io.WriteString(w, header); err != nil {
			return err
		}
		buf := make([]byte, 0, 1<<16)
		for rest := image.Data; len(rest) > 0; {
			n := min(len(rest), cap(buf)/4)
			buf = buf[:0]
			for _, v := range rest[:n] {
				buf = binary.BigEndian.AppendUint32(buf, math.Float32bits(v))
			}
			if _, err := w.Write(buf); err != nil {
				return err
			}
			rest = rest[n:]
		}
		_, err := w.Write(make([]byte, (block-4*len(image.Data)%block)%block))
		return err
	})
	if err != nil {
		return fmt.Errorf("fits: %w", err)
	}
	return nil
}

// imageHeader returns the header of a float32 image, in whole records.
func imageHeader(axes []int, cards []Card) (string, error) {
	all := []Card{{"SIMPLE", true, "FITS Standard 4.0"}, {"BITPIX", -32, "float32"}, {"NAXIS", len(axes), ""}}
	for i := range axes {
		all = append(all, Card{"NAXIS" + strconv.Itoa(i+1), axes[len(axes)-1-i], ""})
	}
	fixed := map[string]bool{"EXTEND": true, "BSCALE": true, "BZERO": true, "BLANK": true, "END": true, "XTENSION": true,
		"PCOUNT": true, "GCOUNT": true, "GROUPS": true, "CONTINUE": true, "HIERARCH": true, "": true}
	for _, c := range all {
		fixed[c.Key] = true
	}
	for _, c := range cards {
		if fixed[c.Key] || strings.HasPrefix(c.Key, "NAXIS") {
			return "", fmt.Errorf("card %q cannot be set", c.Key)
		}
	}
	var text strings.Builder
	for _, c := range append(all, cards...) {
		line, err := c.line()
		if err != nil {
			return "", err
		}
		text.WriteString(line)
	}
	text.WriteString(pad("END", 80))
	return pad(text.String(), (text.Len()+block-1)/block*block), nil
}

// line returns the 80 characters of a card. A comment is cut where it does not
// fit.
func (c Card) line() (string, error) {
	if len(c.Key) > 8 || strings.Trim(c.Key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		return "", fmt.Errorf("card %q, want a key of up to 8 of A-Z, 0-9, - and _", c.Key)
	}
	var value string
	switch v := c.Value.(type) {
	case string:
		value = "'" + pad(strings.ReplaceAll(v, "'", "''"), 8) + "'"
	case bool:
		value = map[bool]string{true: "T", false: "F"}[v]
	case int:
		value = strconv.Itoa(v)
	case int64:
		value = strconv.FormatInt(v, 10)
	case float32:
		value = float(float64(v), 32)
	case float64:
		value = float(v, 64)
	default:
		return "", fmt.Errorf("card %s of type %T, want text, a truth value or a number", c.Key, v)
	}
	if value == "" {
		return "", fmt.Errorf("card %s is %v, want a finite number", c.Key, c.Value)
	}
	if value[0] != '\'' && len(value) < 20 {
		value = strings.Repeat(" ", 20-len(value)) + value
	}
	line := pad(c.Key, 8) + "= " + value
	if len(line) > 80 {
		return "", fmt.Errorf("card %s: a text of %d characters, want 68 at most", c.Key, len(value)-2)
	}
	if c.Comment != "" {
		line = pad(line, 30) + " / " + c.Comment
	}
	if i := strings.IndexFunc(line, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
		return "", fmt.Errorf("card %s: character %d is not printable ASCII", c.Key, i)
	}
	return pad(line[:min(80, len(line))], 80), nil
}

// float returns the shortest number that reads back as v, with a point; it is
// empty for NaN and infinities, which headers do not have.
func float(v float64, bits int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return ""
	}
	s := strconv.FormatFloat(v, 'G', -1, bits)
	if !strings.Contains(s, ".") {
		if i := strings.IndexByte(s, 'E'); i >= 0 {
			return s[:i] + ".0" + s[i:]
		}
		return s + ".0"
	}
	return s
}

// pad adds blanks up to n characters.
func pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-len(s))) }
