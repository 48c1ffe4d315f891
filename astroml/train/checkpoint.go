package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/goastroml/goastroml/astroml"
	"github.com/goastroml/goastroml/astroml/model"
)

const checkpoint = "checkpoint"

// each calls f for all arrays that a run consists of, with their names.
func (r *run) each(f func(name string, shape []int, data []float32) error) error {
	for i, q := range r.params.List {
		for _, a := range []struct {
			prefix string
			data   []float32
		}{{"weight ", q.Data}, {"mean ", r.mean[i]}, {"best ", r.best[i]}} {
			if err := f(a.prefix+q.Name, q.Shape, a.data); err != nil {
				return err
			}
		}
	}
	for i, q := range r.trained {
		if err := f("m "+q.Name, q.Shape, r.m[i]); err != nil {
			return err
		}
		if err := f("v "+q.Name, q.Shape, r.v[i]); err != nil {
			return err
		}
	}
	return nil
}

// save writes the checkpoint, if one is wanted.
func (r *run) save() error {
	if r.cfg.Checkpoint == "" {
		return nil
	}
	s, err := json.Marshal(r.state)
	if err != nil {
		return err
	}
	f := &model.File{
		Kind: checkpoint, Config: s, Arrays: map[string]astroml.Array{},
		Meta: map[string]string{"stage": r.cfg.Stage, "digest": r.digest()},
	}
	r.each(func(name string, shape []int, data []float32) error {
		f.Arrays[name] = astroml.Array{Shape: shape, Data: data}
		return nil
	})
	return f.Write(r.cfg.Checkpoint)
}

// digest says what must agree for a run to be gone on with.
func (r *run) digest() string {
	c := r.cfg
	return fmt.Sprintf("%s seed=%d epochs=%d batch=%d rate=%g decay=%g warm=%g clip=%g average=%g settle=%g patience=%d rows=%d held=%d",
		c.Digest, c.Seed, c.Epochs, c.BatchSize, c.LearnRate, c.WeightDecay, c.WarmUp, c.Clip, c.Average, c.Settle, c.Patience, len(r.train), len(r.held))
}

// resume reads the checkpoint, if there is one.
func (r *run) resume() error {
	if r.cfg.Checkpoint == "" {
		return nil
	}
	f, err := model.Read(r.cfg.Checkpoint)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if f.Kind != checkpoint || f.Meta["stage"] != r.cfg.Stage || f.Meta["digest"] != r.digest() {
		return fmt.Errorf("train: %s is the checkpoint of another run (%s, want %s)", r.cfg.Checkpoint, f.Meta["digest"], r.digest())
	}
	if err := json.Unmarshal(f.Config, &r.state); err != nil {
		return fmt.Errorf("train: %s: %v: %w", r.cfg.Checkpoint, err, astroml.ErrFormat)
	}
	return r.each(func(name string, shape []int, data []float32) error {
		a, err := f.Array(name, shape...)
		if err != nil {
			return fmt.Errorf("train: %s: %w", r.cfg.Checkpoint, err)
		}
		copy(data, a.Data)
		return nil
	})
}
