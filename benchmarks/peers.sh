#!/bin/sh
# Makes .venv-peers, the Python environment of the benchmarks: one pinned
# PyTorch and the other packages that users would pick instead of goastroml.
# The goastroml that `make build` has built is seen from it too.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
venv=.venv-peers
torch=2.9.0

[ -x $venv/bin/python ] || "$python" -m venv $venv || {
	echo "peers: $python cannot make virtual environments; install python3-venv" >&2
	exit 1
}
pip="$venv/bin/python -m pip --disable-pip-version-check -q"
$pip install -r benchmarks/requirements-peers.txt

# The CPU build of PyTorch is 200 MB; the usual one, which brings 3 GB of CUDA
# libraries that it cannot be imported without, is the same on a CPU.
if ! $venv/bin/python -c "import torch; assert torch.__version__.split('+')[0] == '$torch'" 2>/dev/null; then
	$pip install --retries 0 --index-url https://download.pytorch.org/whl/cpu "torch==$torch" 2>/dev/null ||
		$pip install "torch==$torch" ||
		echo "peers: no PyTorch $torch for this Python; the benchmarks take the system's (apt install python3-torch)" >&2
fi

# goastroml as `make build` left it in the tree, behind the peers' packages.
site=$($venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
echo "$PWD/python" >"$site/goastroml-build.pth"

$venv/bin/python benchmarks/common.py
