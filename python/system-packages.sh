#!/bin/sh
# Installs the system packages that are missing, as root or with sudo; else says
# which they are.
#
#   system-packages.sh PYTHON
set -eu
python=$1
missing=
command -v go >/dev/null || { echo "goastroml needs Go 1.26 or newer: https://go.dev/dl" >&2; exit 1; }
command -v "${CC:-cc}" >/dev/null || missing="$missing gcc libc6-dev"
command -v "$python" >/dev/null || missing="$missing python3"
lacks() { ! "$python" -c "$1" 2>/dev/null; }
lacks 'import venv, ensurepip' && missing="$missing python3-venv"
lacks 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' && missing="$missing python3-dev"
no_hdf5() { ! echo '#include <hdf5.h>' | "${CC:-cc}" ${CGO_CFLAGS:-} -I/usr/include/hdf5/serial -E -x c - >/dev/null 2>&1; }
no_hdf5 && missing="$missing libhdf5-dev"
[ -z "$missing" ] && exit 0

sudo=
[ "$(id -u)" = 0 ] || sudo="sudo -n"
if command -v apt-get >/dev/null && { [ -z "$sudo" ] || $sudo true 2>/dev/null; }; then
	$sudo apt-get update -qq
	# shellcheck disable=SC2086
	DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
if ! command -v "${CC:-cc}" >/dev/null || lacks 'import os, sysconfig, venv, ensurepip; os.stat(sysconfig.get_path("include") + "/Python.h")'; then
	echo "goastroml needs these packages for $python; install them and try again:$missing" >&2
	exit 1
fi
if no_hdf5; then # Python reads HDF5 with h5py
	echo "the Go packages hdf5 and camels, and go test ./... with them, need libhdf5-dev; all else works without" >&2
fi
