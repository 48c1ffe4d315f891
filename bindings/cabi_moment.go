package bindings

/*
#include <stdint.h>

typedef const char cchar;
typedef const float cfloat;
typedef const double cdouble;
typedef const int64_t cint64;
*/
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/goastroml/goastroml/astroml"
)

func withNetwork(n C.uint64_t, f func(*MomentNetwork) error) C.int32_t {
	return call(func() error {
		t, err := of[*MomentNetwork]("moment network", n)
		if err != nil {
			return err
		}
		return f(t)
	})
}

// shapeOf returns the lengths of an array's axes as JSON.
func shapeOf(shape *C.cint64, axes C.int64_t) (string, error) {
	if shape == nil || axes < 1 || axes > 16 {
		return "", fmt.Errorf("shape: %d axes, want as many as x has: %w", int64(axes), astroml.ErrShape)
	}
	return toJSON(unsafe.Slice((*int64)(unsafe.Pointer(shape)), int(axes)))
}

//export astroml_moment_train
func astroml_moment_train(job *C.uint64_t, x *C.cfloat, shape *C.cint64, axes C.int64_t, theta *C.cfloat, parameters C.int64_t, names *C.cchar, groups, folds *C.cint64, weights *C.cdouble, options *C.cchar) C.int32_t {
	return startJob(job, func(j *Job) error {
		s, err := shapeOf(shape, axes)
		if err != nil {
			return err
		}
		_, err = MomentTrain(j, address(x), s, address(theta), int(parameters), text(names), address(groups), address(folds), address(weights), text(options))
		return err
	})
}

//export astroml_moment_trained
func astroml_moment_trained(n *C.uint64_t, job C.uint64_t) C.int32_t {
	return call(func() error {
		j, err := of[*Job]("job", job)
		if err != nil {
			return err
		}
		t, err := MomentTrained(j)
		if err != nil {
			return err
		}
		return give(n, t)
	})
}

//export astroml_moment_load
func astroml_moment_load(n *C.uint64_t, path *C.cchar) C.int32_t {
	return call(func() error {
		t, err := MomentLoad(text(path))
		if err != nil {
			return err
		}
		return give(n, t)
	})
}

//export astroml_moment_save
func astroml_moment_save(n C.uint64_t, path *C.cchar) C.int32_t {
	return withNetwork(n, func(t *MomentNetwork) error {
		_, err := t.Save(text(path))
		return err
	})
}

//export astroml_moment_info
func astroml_moment_info(to *C.char, size *C.int64_t, room C.int64_t, n C.uint64_t) C.int32_t {
	return withNetwork(n, func(t *MomentNetwork) error {
		s, err := t.Info()
		if err != nil {
			return err
		}
		return putText(to, size, room, s)
	})
}

//export astroml_moment_sizes
func astroml_moment_sizes(parameters, values, moments *C.int64_t, hasCovariance *C.int32_t, n C.uint64_t) C.int32_t {
	return withNetwork(n, func(t *MomentNetwork) error {
		size := 1
		for _, l := range t.n.Shape() {
			size *= l
		}
		cfg := t.n.Config()
		set(parameters, C.int64_t(len(t.n.Names())))
		set(values, C.int64_t(size))
		set(moments, C.int64_t(cfg.Moments))
		set(hasCovariance, 0)
		if cfg.Covariance {
			set(hasCovariance, 1)
		}
		return nil
	})
}

//export astroml_moment_predict
func astroml_moment_predict(mean, std *C.float, n C.uint64_t, x *C.cfloat, shape *C.cint64, axes C.int64_t) C.int32_t {
	return withNetwork(n, func(t *MomentNetwork) error {
		s, err := shapeOf(shape, axes)
		if err != nil {
			return err
		}
		return t.predict(address(mean), address(std), address(x), s)
	})
}

//export astroml_moment_moments
func astroml_moment_moments(job *C.uint64_t, mean, std, covariance, skewness, kurtosis *C.float, n C.uint64_t, x *C.cfloat, shape *C.cint64, axes C.int64_t) C.int32_t {
	return startJob(job, func(j *Job) error {
		t, err := of[*MomentNetwork]("moment network", n)
		if err != nil {
			return err
		}
		s, err := shapeOf(shape, axes)
		if err != nil {
			return err
		}
		_, err = t.Moments(j, address(mean), address(std), address(covariance), address(skewness), address(kurtosis), address(x), s)
		return err
	})
}

//export astroml_moment_gradient
func astroml_moment_gradient(job *C.uint64_t, gradient *C.float, n C.uint64_t, x *C.cfloat, shape *C.cint64, axes, parameter C.int64_t) C.int32_t {
	return startJob(job, func(j *Job) error {
		t, err := of[*MomentNetwork]("moment network", n)
		if err != nil {
			return err
		}
		s, err := shapeOf(shape, axes)
		if err != nil {
			return err
		}
		_, err = t.Gradient(j, address(gradient), address(x), s, int(parameter))
		return err
	})
}
