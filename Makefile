# make build     .venv/ with goastroml and all that development needs
# make check     the tests to run all the time: under a minute
# make test      all tests: Go, race detector, C, C++, ctypes, Python, wheel, notebooks; under 15 minutes on two cores
# make tutorial  the notebooks, executed, as pages under build/tutorial/
# make wheel     dist/goastroml-*.whl          make lib    build/lib/libastroml.so, build/include/astroml.h
# make peers     .venv-peers/, for benchmarks  make bench  the tables of numbers
#
# All of them install what they need. PYTHON=/usr/bin/python3.12 make build takes another Python.

PYTHON ?= python3
export JUPYTER_PREFER_ENV_PATH = 1
export GOFLAGS += -buildvcs=false

python   := .venv/bin/python
ext      := python/goastroml/_go/_astroml_go.abi3.so
lib      := build/lib/libastroml.so.1
go_files := go.mod go.sum $(shell find astroml bindings -name '*.[ch]' -o -name '*.go' ! -name '*_test.go')

.PHONY: build check test tutorial wheel lib peers bench clean test-go test-c test-python test-wheel test-notebooks

build: .venv/installed $(ext)

.venv/installed: pyproject.toml python/requirements-dev.txt python/system-packages.sh
	sh python/system-packages.sh $(PYTHON)
	[ -x $(python) ] || $(PYTHON) -m venv .venv
	$(python) -m pip install -q --disable-pip-version-check -r python/requirements-dev.txt
	$(MAKE) $(ext)
	$(python) -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	touch $@

$(ext): $(go_files) bindings/build-python.sh bindings/libastroml/exports.map
	bindings/build-python.sh $(python) $(@D)

lib: $(lib)

$(lib): $(go_files) bindings/libastroml/exports.map
	mkdir -p build/include
	CGO_ENABLED=1 go build -trimpath -buildmode=c-shared -o $@ \
		-ldflags="-s -w -extldflags '-Wl,-soname,libastroml.so.1 -Wl,--version-script=$(CURDIR)/bindings/libastroml/exports.map'" ./bindings/libastroml
	ln -sf libastroml.so.1 build/lib/libastroml.so
	cp bindings/astroml.h build/include/

check: build
	test -z "$$(gofmt -l astroml bindings | tee /dev/stderr)"
	go vet ./...
	go test -short ./...
	$(python) -m pytest -q -m 'not slow'

test: build
	$(MAKE) test-go test-c test-python test-wheel test-notebooks

test-go:
	test -z "$$(gofmt -l astroml bindings | tee /dev/stderr)"
	go vet ./...
	go test ./...
	go test -short -race ./...
	CGO_ENABLED=0 go test -short ./...

# The C tests need a C compiler and nothing else; the header is tried from C++ where there is one.
test-c: $(lib)
	nm -D --defined-only $(lib) | awk '{ print $$3 }' | diff bindings/libastroml/exports.txt -
	$(CC) -std=c11 -O1 -Wall -Wextra -Werror -pedantic -Ibuild/include bindings/ctest/test.c -o build/ctest -Lbuild/lib -lastroml -lpthread -lm -Wl,-rpath,$(CURDIR)/build/lib
	build/ctest testdata/golden/spectra
	if command -v $(CXX) >/dev/null; then $(CXX) -std=c++11 -Wall -Wextra -Werror -pedantic -Ibuild/include bindings/ctest/header.cc -o build/ctest++ -Lbuild/lib -lastroml -Wl,-rpath,$(CURDIR)/build/lib && build/ctest++; fi

test-python: build $(lib)
	$(python) -m pytest -q

wheel: build
	rm -rf dist
	$(python) -m pip wheel -q --disable-pip-version-check --no-build-isolation --no-deps -w dist .

test-wheel: wheel
	$(PYTHON) -m venv --clear build/venv-wheel
	build/venv-wheel/bin/python -m pip install -q --disable-pip-version-check dist/goastroml-*.whl
	cd build && venv-wheel/bin/python ../python/tests/wheel.py

test-notebooks: build
	$(python) python/notebooks.py --quick build/notebooks

tutorial: build
	$(python) python/notebooks.py build/tutorial

peers: build
	PYTHON=$(PYTHON) sh benchmarks/peers.sh

bench: peers
	go test -run '^$$' -bench Table -benchtime 1x ./astroml/internal/kernel
	go test -run '^$$' -bench Loops ./astroml/internal/kernel
	for b in benchmarks/engine.py benchmarks/spectra.py benchmarks/moment.py; do .venv-peers/bin/python $$b || exit 1; done

clean:
	rm -rf build dist .venv .venv-peers python/goastroml/_go
