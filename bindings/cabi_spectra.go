package bindings

/*
#include <stdint.h>

typedef const char cchar;
typedef const float cfloat;
typedef const double cdouble;
typedef const int64_t cint64;
*/
import "C"

//export astroml_spectra_train
func astroml_spectra_train(job *C.uint64_t, flux, ivar *C.cfloat, n C.int64_t, wave *C.cdouble, pixels C.int64_t, labels, groups *C.cint64, classes, options *C.cchar) C.int32_t {
	return startJob(job, func(j *Job) error {
		_, err := SpectraTrain(j, address(flux), address(ivar), int(n), address(wave), int(pixels), address(labels), address(groups), text(classes), text(options))
		return err
	})
}

//export astroml_spectra_fine_tune
func astroml_spectra_fine_tune(job *C.uint64_t, c C.uint64_t, flux, ivar *C.cfloat, n C.int64_t, wave *C.cdouble, pixels C.int64_t, labels, groups *C.cint64, classes, options *C.cchar) C.int32_t {
	return startJob(job, func(j *Job) error {
		t, err := of[*SpectraClassifier]("classifier", c)
		if err != nil {
			return err
		}
		_, err = t.FineTune(j, address(flux), address(ivar), int(n), address(wave), int(pixels), address(labels), address(groups), text(classes), text(options))
		return err
	})
}

//export astroml_spectra_trained
func astroml_spectra_trained(c *C.uint64_t, job C.uint64_t) C.int32_t {
	return call(func() error {
		j, err := of[*Job]("job", job)
		if err != nil {
			return err
		}
		t, err := SpectraTrained(j)
		if err != nil {
			return err
		}
		return give(c, t)
	})
}

//export astroml_spectra_load
func astroml_spectra_load(c *C.uint64_t, path *C.cchar) C.int32_t {
	return call(func() error {
		t, err := SpectraLoad(text(path))
		if err != nil {
			return err
		}
		return give(c, t)
	})
}

//export astroml_spectra_save
func astroml_spectra_save(c C.uint64_t, path *C.cchar) C.int32_t {
	return withClassifier(c, func(t *SpectraClassifier) error {
		_, err := t.Save(text(path))
		return err
	})
}

func withClassifier(c C.uint64_t, f func(*SpectraClassifier) error) C.int32_t {
	return call(func() error {
		t, err := of[*SpectraClassifier]("classifier", c)
		if err != nil {
			return err
		}
		return f(t)
	})
}

//export astroml_spectra_info
func astroml_spectra_info(to *C.char, size *C.int64_t, room C.int64_t, c C.uint64_t) C.int32_t {
	return withClassifier(c, func(t *SpectraClassifier) error {
		s, err := t.Info()
		if err != nil {
			return err
		}
		return putText(to, size, room, s)
	})
}

//export astroml_spectra_sizes
func astroml_spectra_sizes(classes, pixels, features *C.int64_t, c C.uint64_t) C.int32_t {
	return withClassifier(c, func(t *SpectraClassifier) error {
		set(classes, C.int64_t(len(t.c.Classes())))
		set(pixels, C.int64_t(len(t.c.Wave())))
		set(features, C.int64_t(t.c.Features()))
		return nil
	})
}

//export astroml_spectra_wave
func astroml_spectra_wave(wave *C.double, pixels C.int64_t, c C.uint64_t) C.int32_t {
	return withClassifier(c, func(t *SpectraClassifier) error {
		_, err := t.Wave(address(wave), int(pixels))
		return err
	})
}

//export astroml_spectra_classify
func astroml_spectra_classify(prob *C.float, best *C.int64_t, total, aleatoric, epistemic, ood *C.float, flag *C.uint32_t, triggers *C.uint8_t, c C.uint64_t, flux, ivar *C.cfloat, n C.int64_t, wave *C.cdouble, pixels C.int64_t, rules *C.cchar) C.int32_t {
	return withClassifier(c, func(t *SpectraClassifier) error {
		_, err := t.Classify(address(prob), address(best), address(total), address(aleatoric), address(epistemic), address(ood), address(flag), address(triggers),
			address(flux), address(ivar), int(n), address(wave), int(pixels), text(rules))
		return err
	})
}

//export astroml_spectra_classify_job
func astroml_spectra_classify_job(job *C.uint64_t, prob *C.float, best *C.int64_t, total, aleatoric, epistemic, ood *C.float, flag *C.uint32_t, triggers *C.uint8_t, c C.uint64_t, flux, ivar *C.cfloat, n C.int64_t, wave *C.cdouble, pixels C.int64_t, rules *C.cchar) C.int32_t {
	return startJob(job, func(j *Job) error {
		t, err := of[*SpectraClassifier]("classifier", c)
		if err != nil {
			return err
		}
		_, err = t.ClassifyJob(j, address(prob), address(best), address(total), address(aleatoric), address(epistemic), address(ood), address(flag), address(triggers),
			address(flux), address(ivar), int(n), address(wave), int(pixels), text(rules))
		return err
	})
}

//export astroml_spectra_embed
func astroml_spectra_embed(job *C.uint64_t, features *C.float, c C.uint64_t, flux, ivar *C.cfloat, n C.int64_t, wave *C.cdouble, pixels C.int64_t) C.int32_t {
	return startJob(job, func(j *Job) error {
		t, err := of[*SpectraClassifier]("classifier", c)
		if err != nil {
			return err
		}
		_, err = t.Embed(j, address(features), address(flux), address(ivar), int(n), address(wave), int(pixels))
		return err
	})
}

//export astroml_spectra_sets
func astroml_spectra_sets(sets *C.uint8_t, c C.uint64_t, prob *C.cfloat, n C.int64_t, coverage C.double, perClass C.int32_t) C.int32_t {
	return withClassifier(c, func(t *SpectraClassifier) error {
		_, err := t.Sets(address(sets), address(prob), int(n), float64(coverage), int(perClass))
		return err
	})
}

//export astroml_spectra_read
func astroml_spectra_read(out *C.uint64_t, path *C.cchar) C.int32_t {
	return call(func() error {
		j, err := NewJob()
		if err != nil {
			return err
		}
		if _, err := SpectraRead(j, text(path)); err != nil {
			return err
		}
		if _, err := j.Wait(-1); err != nil {
			return err
		}
		s, err := SpectraMade(j)
		if err != nil {
			return err
		}
		return give(out, s)
	})
}

//export astroml_spectra_simulate
func astroml_spectra_simulate(job *C.uint64_t, options *C.cchar) C.int32_t {
	return startJob(job, func(j *Job) error {
		_, err := SpectraSimulate(j, text(options))
		return err
	})
}

//export astroml_spectra_outliers
func astroml_spectra_outliers(job *C.uint64_t, kind, options *C.cchar) C.int32_t {
	return startJob(job, func(j *Job) error {
		_, err := SpectraOutliers(j, text(kind), text(options))
		return err
	})
}

//export astroml_spectra_library_new
func astroml_spectra_library_new(out *C.uint64_t) C.int32_t {
	return call(func() error {
		l, err := NewSpectraLibrary()
		if err != nil {
			return err
		}
		return give(out, l)
	})
}

//export astroml_spectra_library_add
func astroml_spectra_library_add(library C.uint64_t, flux *C.cfloat, rows C.int64_t, wave *C.cdouble, pixels C.int64_t, coeff *C.cfloat, sets C.int64_t, mean, scatter *C.cdouble, options *C.cchar) C.int32_t {
	return call(func() error {
		l, err := of[*SpectraLibrary]("library", library)
		if err != nil {
			return err
		}
		_, err = l.Add(address(flux), int(rows), address(wave), int(pixels), address(coeff), int(sets), address(mean), address(scatter), text(options))
		return err
	})
}

//export astroml_spectra_synthesize
func astroml_spectra_synthesize(job *C.uint64_t, library C.uint64_t, ivar *C.cfloat, n C.int64_t, wave *C.cdouble, pixels C.int64_t, options *C.cchar) C.int32_t {
	return startJob(job, func(j *Job) error {
		l, err := of[*SpectraLibrary]("library", library)
		if err != nil {
			return err
		}
		_, err = SpectraSynthesize(j, l, address(ivar), int(n), address(wave), int(pixels), text(options))
		return err
	})
}

//export astroml_spectra_made
func astroml_spectra_made(out *C.uint64_t, job C.uint64_t) C.int32_t {
	return call(func() error {
		j, err := of[*Job]("job", job)
		if err != nil {
			return err
		}
		s, err := SpectraMade(j)
		if err != nil {
			return err
		}
		return give(out, s)
	})
}

func withSet(h C.uint64_t, f func(*SpectraSet) error) C.int32_t {
	return call(func() error {
		s, err := of[*SpectraSet]("set of spectra", h)
		if err != nil {
			return err
		}
		return f(s)
	})
}

//export astroml_spectra_set_sizes
func astroml_spectra_set_sizes(n, pixels, classes *C.int64_t, hasIVar *C.int32_t, h C.uint64_t) C.int32_t {
	return withSet(h, func(s *SpectraSet) error {
		set(n, C.int64_t(s.set.Len()))
		set(pixels, C.int64_t(len(s.set.Wave)))
		set(classes, C.int64_t(len(s.set.Classes)))
		set(hasIVar, 0)
		if s.set.IVar != nil {
			set(hasIVar, 1)
		}
		return nil
	})
}

//export astroml_spectra_set_copy
func astroml_spectra_set_copy(flux, ivar *C.float, wave *C.double, labels *C.int64_t, n, pixels C.int64_t, h C.uint64_t) C.int32_t {
	return withSet(h, func(s *SpectraSet) error {
		_, err := s.Copy(address(flux), address(ivar), address(wave), address(labels), int(n), int(pixels))
		return err
	})
}

//export astroml_spectra_set_rows
func astroml_spectra_set_rows(to *C.char, size *C.int64_t, room C.int64_t, h C.uint64_t) C.int32_t {
	return withSet(h, func(s *SpectraSet) error {
		rows, err := s.Rows()
		if err != nil {
			return err
		}
		return putText(to, size, room, rows)
	})
}

//export astroml_spectra_rebin
func astroml_spectra_rebin(outFlux, outIVar *C.float, outWave *C.cdouble, outPixels C.int64_t, flux, ivar *C.cfloat, n C.int64_t, wave *C.cdouble, pixels C.int64_t) C.int32_t {
	return call(func() error {
		_, err := SpectraRebin(address(outFlux), address(outIVar), address(outWave), int(outPixels), address(flux), address(ivar), int(n), address(wave), int(pixels))
		return err
	})
}

//export astroml_stats_ece
func astroml_stats_ece(ece *C.double, prob *C.cfloat, labels *C.cint64, n, classes, bins C.int64_t) C.int32_t {
	return call(func() error {
		v, err := StatsScore("ece", address(prob), address(labels), int(n), int(classes), int(bins))
		set(ece, C.double(v))
		return err
	})
}
