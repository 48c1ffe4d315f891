// Package camels reads data of the CAMELS simulations (Villaescusa-Navarro et
// al. 2021, arXiv:2010.00619) and of IllustrisTNG (Nelson et al. 2019,
// arXiv:1812.05609): galaxies from group catalogues, the parameters of the
// simulations, and the maps of the CAMELS Multifield Dataset
// (Villaescusa-Navarro et al. 2022, arXiv:2109.10915).
//
// What is learnt from them must be tested on simulations that it has not seen:
// galaxies, or maps, of one simulation are not independent. So each has the
// index of its simulation beside it.
//
// Group catalogues are HDF5 files: ReadGroups is there only with cgo.
package camels

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/goastroml/goastroml/astroml"
)

// Params are the parameters of simulations.
type Params struct {
	// Names are those of the parameters: Omega_m, sigma_8, A_SN1, A_AGN1, A_SN2,
	// A_AGN2 unless the file says otherwise. None has a unit.
	Names []string
	// Values are simulation × parameter.
	Values astroml.Array
	// Runs are the names of the simulations, such as LH_0. Nil if the file does
	// not name them.
	Runs []string
	// Seeds are the seeds of the initial conditions. Nil if the file has none.
	Seeds []int
}

// six are the parameters of CAMELS' first sets, in the order of all its files.
var six = []string{"Omega_m", "sigma_8", "A_SN1", "A_AGN1", "A_SN2", "A_AGN2"}

// ReadParams reads a text file of parameters, a line for each simulation:
// CosmoAstroSeed_*.txt, CosmoAstro_params.txt, latin_hypercube_params_*.txt or
// params_*.txt. A line has the name of the simulation, if it begins with no
// number; the parameters; and the seed, if the header says so or there are seven
// numbers. Lines that begin with # are comments; the last one before the
// numbers that has as many words is the header, and names the columns. Without
// it parameters other than the six of the first sets are p1, p2, ….
//
// A file that cannot be opened is a *fs.PathError; one that has other lines is
// astroml.ErrFormat.
func ReadParams(path string) (*Params, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p := &paramReader{}
	lines := bufio.NewScanner(f)
	for p.line = 1; lines.Scan(); p.line++ {
		if err := p.read(strings.Fields(lines.Text())); err != nil {
			return nil, fmt.Errorf("camels: %s: line %d: %w", path, p.line, err)
		}
	}
	err = lines.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		err = fmt.Errorf("line %d is too long: %w", p.line, astroml.ErrFormat)
	}
	if err == nil && len(p.values) == 0 {
		err = fmt.Errorf("no parameters: %w", astroml.ErrFormat)
	}
	if err != nil {
		return nil, fmt.Errorf("camels: %s: %w", path, err)
	}
	return p.params(), nil
}

// paramReader reads the lines of a file of parameters.
type paramReader struct {
	line     int
	comments [][]string // words of the comments before the numbers
	columns  []string   // of the numbers
	named    bool       // whether a name comes before the numbers
	seeds    bool       // whether the last number is the seed

	runs   []string
	values []float64
}

// read reads the words of a line.
func (p *paramReader) read(words []string) error {
	switch {
	case len(words) == 0:
		return nil
	case strings.HasPrefix(words[0], "#"):
		if len(p.values) == 0 {
			if words[0] = words[0][1:]; words[0] == "" {
				words = words[1:]
			}
			p.comments = append(p.comments, words)
		}
		return nil
	}
	if len(p.values) == 0 {
		p.begin(words)
	}
	if p.named {
		p.runs = append(p.runs, words[0])
		words = words[1:]
	}
	if len(words) != len(p.columns) || len(words) == 0 {
		return fmt.Errorf("%d numbers, want %d: %w", len(words), max(1, len(p.columns)), astroml.ErrFormat)
	}
	for i, word := range words {
		v, err := strconv.ParseFloat(word, 64)
		if err != nil || math.IsNaN(v) || math.Abs(v) > math.MaxFloat32 {
			return fmt.Errorf("%q, want a number: %w", word, astroml.ErrFormat)
		}
		if p.seeds && i == len(words)-1 && (v != math.Trunc(v) || math.Abs(v) > 1<<53) {
			return fmt.Errorf("seed %s, want an integer: %w", word, astroml.ErrFormat)
		}
		p.values = append(p.values, v)
	}
	return nil
}

// begin finds out the columns from the first line of numbers and the comments
// before it.
func (p *paramReader) begin(words []string) {
	_, err := strconv.ParseFloat(words[0], 64)
	p.named = err != nil
	for _, names := range slices.Backward(p.comments) {
		if len(names) == len(words) {
			p.columns = names
			if p.named {
				p.columns = names[1:]
			}
			p.seeds = len(p.columns) > 1 && strings.EqualFold(names[len(names)-1], "seed")
			return
		}
	}
	n := len(words)
	if p.named {
		n--
	}
	switch n {
	case 6, 7:
		p.columns, p.seeds = six, n == 7
		if p.seeds {
			p.columns = append(slices.Clone(six), "seed")
		}
	default:
		for i := range n {
			p.columns = append(p.columns, fmt.Sprintf("p%d", i+1))
		}
	}
}

func (p *paramReader) params() *Params {
	width := len(p.columns)
	n := len(p.values) / width
	out := &Params{Names: slices.Clone(p.columns), Runs: p.runs}
	if p.seeds {
		out.Names = out.Names[:width-1]
		out.Seeds = make([]int, n)
	}
	out.Values = astroml.Array{Shape: []int{n, len(out.Names)}}
	for i := range n {
		row := p.values[i*width : (i+1)*width]
		for _, v := range row[:len(out.Names)] {
			out.Values.Data = append(out.Values.Data, float32(v))
		}
		if p.seeds {
			out.Seeds[i] = int(row[width-1])
		}
	}
	return out
}
