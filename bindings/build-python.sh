#!/bin/sh
# Builds the Python extension against CPython's stable ABI: one file for every
# CPython from 3.9 on.
#
#   build-python.sh PYTHON OUT     PYTHON has pybindgen; OUT is a new folder
#
# gopy writes the glue for one Python that it links; five edits make it glue
# for all. They are checked: an edit that no longer finds its place stops the
# build, so that a new gopy or pybindgen cannot slip by.
set -eu
case $1 in
*/*) python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1") ;;
*) python=$1 ;;
esac
mkdir -p "$2"
out=$(cd "$2" && pwd)
cd "$(dirname "$0")/.."

# Go's wildcards pass over folders that begin with an underscore.
work=$PWD/build/_gopy
name=astroml_go
rm -rf "$work"
mkdir -p "$work" build/bin
go build -o build/bin/ github.com/go-python/gopy golang.org/x/tools/cmd/goimports
PATH=$PWD/build/bin:$PATH
export GOFLAGS="${GOFLAGS:-} -buildvcs=false" # the same file from a checkout and from an archive

gopy gen -vm="$python" -output="$work" -name=$name ./bindings >"$work/gopy.log" 2>&1 || { cat "$work/gopy.log"; exit 1; }
cd "$work"
goimports -w $name.go

edit() { # edit FILE PATTERN SED-COMMAND
	grep -q -e "$2" "$1" || { echo "build-python.sh: $1 has no '$2': gopy or pybindgen has changed" >&2; exit 1; }
	sed -i -e "$3" "$1"
}
# The cgo lines name one Python and link libpython.
edit $name.go '^#cgo CFLAGS:' '/^#cgo CFLAGS:/d'
edit $name.go '^#cgo LDFLAGS:' '/^#cgo LDFLAGS:/d'
# The stable ABI has neither PyMethod_Check (for callbacks, which we have none
# of) nor PyComplex_AsCComplex.
edit $name.go 'return PyMethod_Check(obj);' 's|return PyMethod_Check(obj);|return 0;|'
edit $name.go 'C.PyComplex_AsCComplex' 's|C.PyComplex_AsCComplex|C.as_complex|'
edit $name.go '^#include <Python.h>' 's|^#include <Python.h>|#include <Python.h>\ntypedef struct { double real, imag; } complex_value;\nstatic inline complex_value as_complex(PyObject *o) { complex_value c = { PyComplex_RealAsDouble(o), PyComplex_ImagAsDouble(o) }; return c; }|'

include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
export CGO_ENABLED=1 CGO_CFLAGS="-O2 -std=gnu17 -I$include -DPy_LIMITED_API=0x03090000"
# build.py writes a C file that includes the header of the Go code: that first.
go build -buildmode=c-archive -o ${name}_go.a .
rm -f ${name}_go.a
"$python" build.py
edit $name.c '^typedef PyAsyncMethods\* cmpfunc;' 's/^typedef PyAsyncMethods\* cmpfunc;/typedef void *cmpfunc;/'
go build -trimpath -buildmode=c-shared -o _$name.abi3.so \
	-ldflags="-s -w -extldflags=-Wl,--version-script=$PWD/../../bindings/libastroml/exports.map" .

# The modules change the working folder while they are imported: not needed.
for f in bindings go; do
	edit $f.py '^os.chdir(' '/^cwd = os.getcwd()$/d; /^currentdir = /d; /^os.chdir(/d; /^# gopy gen /d'
done
# A running process keeps the library that it has opened.
cp _$name.abi3.so "$out/new.so"
mv -f "$out/new.so" "$out/_$name.abi3.so"
cp bindings.py go.py __init__.py "$out"
