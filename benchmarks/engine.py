"""The engine beside PyTorch: seven networks that users run.

    python benchmarks/engine.py [--quick] [--json] [--only NETWORK ...]

Both have the same weights, batch and threads, and take turns in one run. For
each network: outputs and gradients compared; a training step (forward,
backward, AdamW); inference of the batch and of one sample; peak memory; two
cores over one. The kernel table is a Go benchmark:

    go test -run '^$' -bench Table -benchtime 1x ./astroml/internal/kernel
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import engine_torch
from common import ROOT, THREADS, Missing, alternate, busy, need, run, torch_

MIB = 1 << 20
RATIOS: dict[str, list[float]] = {}  # PyTorch's time over ours, of all networks so far
TWO_CORES = ("unet2d", "unet3d", "diffusion", "camels")


class Engine:
    """A process that runs one of our networks."""

    def __init__(self, which: str, threads: int = THREADS):
        program = ROOT / "build" / "engine"
        try:
            done = subprocess.run(["go", "build", "-o", str(program), "./astroml/internal/engine"], cwd=ROOT, capture_output=True, text=True)
        except FileNotFoundError as err:
            raise Missing("go is not on the path: install Go") from err
        if done.returncode:
            raise Missing(f"the engine does not build: {done.stderr.strip().splitlines()[-1]}")
        self.process = subprocess.Popen([str(program), which, str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, "GOMAXPROCS": str(threads)})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate()

    def ask(self, order: str) -> dict:
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise Missing(f"the engine ended on {order!r}")
        return json.loads(line)

    def step(self, k: int) -> float:
        return self.ask(f"step {k}")["seconds"]

    def infer(self, n: int, k: int) -> float:
        return self.ask(f"infer {n} {k}")["seconds"]

    def memory(self) -> tuple[int, int]:
        """Returns resident memory and its peak, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        value = lambda key: int(status.split(key)[1].split()[0]) * 1024
        return value("VmRSS:"), value("VmHWM:")


def agreement(table, which: str, engine: Engine, torch, quick: bool) -> None:
    """Compares outputs and gradients, for the same weights and inputs, with
    PyTorch's in double precision, and shows how far PyTorch's own in single
    precision are from these.

    A ReLU whose argument rounds to the other side of zero passes or stops a
    gradient whole, and so does the largest of a pool: in deep networks single
    precision is good to 1e-2 only, for PyTorch and for us, and a few such
    roundings decide. What is asked of an array is 1e-4, or to be no farther off
    than three times what PyTorch's own single precision, or weights that are
    changed by 1e-6 of their size, do to any array of its kind.
    """
    safetensors = need("safetensors.numpy")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "exchange.safetensors"
        names = engine.ask(f"exchange {path}")["names"]
        file = safetensors.load_file(path)
    compute = lambda dtype, jitter=0: engine_torch.Peer(torch, which, exact=True).exchange(file, names, dtype, jitter)
    double = compute(torch.float64)
    others = [compute(torch.float32)] + [compute(torch.float64, 1e-6 * (i + 1)) for i in range(1 if quick else 3)]
    # A gradient that is nothing but rounding, as that of a bias before a
    # normalisation, is compared with the typical size of all gradients.
    size = lambda x: float(np.linalg.norm(np.asarray(x, np.float64)))
    typical = statistics.median(size(b) / math.sqrt(b.size) for name, (_, b) in double.items() if "." in name)
    kinds = {}
    for name, (ours, exact) in double.items():
        scale = max(size(exact), 1e-2 * typical * math.sqrt(exact.size) if "." in name else 0)
        distance = lambda x: size(np.ravel(x) - np.ravel(exact)) / scale
        worst = kinds.setdefault("gradients" if "." in name else name, [0, 0, 0])
        found = [distance(ours), distance(others[0][name][1]), max(distance(o[name][1]) for o in others)]
        worst[:] = map(max, worst, found)
    for kind, (ours, theirs, noise) in kinds.items():
        table.row(f"{which}: {kind}, distance from double precision", ours, "relative L2", peer="PyTorch's", peer_value=theirs,
                  of=ours / max(1e-4, 3 * noise), at_most=1, note=f"the largest of {len(double) - len(kinds) + 1} arrays" if kind == "gradients" else "")


def rounds_of(seconds: float, quick: bool) -> tuple[int, int]:
    """Returns how many repeats make a measurement, and how many of these to take."""
    return max(1, round((0.1 if quick else 0.5) / seconds)), 3 if quick else 7


def measure(table, which: str, quick: bool) -> None:
    """All rows of one network."""
    torch = torch_()
    warning = busy()
    if warning:
        table.say(warning)
    batch = engine_torch.BATCH[which]
    label = f"PyTorch {torch.__version__}"
    with Engine(which) as engine:
        before, _ = engine.memory()
        engine.step(3)
        used = engine.memory()[1] - before
        agreement(table, which, engine, torch, quick)
        peer = engine_torch.Peer(torch, which)
        profile = engine.ask(f"profile {ROOT / 'build' / ('profile-' + which + '.txt')}")
        peak = engine.ask("peak")["all"]
        peer.step(2)
        cases = [("training step", engine.step, peer.step, profile["gflops"])]
        for n in dict.fromkeys((batch, 1)):
            cases.append((f"inference, batch {n}", lambda k, n=n: engine.infer(n, k), lambda k, n=n: peer.infer(n, k), n * profile["forward"]))
        for what, ours, theirs, gflops in cases:
            ours(1), theirs(1)
            (k, rounds), (l, _) = rounds_of(ours(1), quick), rounds_of(theirs(1), quick)
            a, b, ratio = alternate(lambda: ours(k), lambda: theirs(l), rounds)
            kind = "training step" if what == "training step" else "inference, one" if what.endswith(" 1") else "inference, batch"
            RATIOS.setdefault(kind, []).append(ratio)
            share = gflops / b / peak
            table.row(f"{which}: {what}", 1e3 * a, "ms", peer=label, peer_value=1e3 * b, ratio=ratio, of=ratio, at_least=1.5 if share < 0.55 else 1.0,
                      note=f"{rounds} rounds; PyTorch at {100 * share:.0f} %, ours at {100 * gflops / a / peak:.0f} % of the peak of {peak:.0f} GFLOP/s")
            if what == "training step":
                table.row(f"{which}: rate in convolutions, of the peak", 100 * profile["rate"] / peak, "%", at_least=None if share < 0.55 else 85,
                          note=f"they take {100 * profile['share']:.0f} % of a step; see build/profile-{which}.txt")
        compiled(table, which, torch, engine, quick)
    peak_memory(table, which, used)
    if which in TWO_CORES:
        cores(table, which, quick)
    if which == "flow":
        steady(table, quick)


def peak_memory(table, which: str, used: int) -> None:
    """What our training step has used, beside PyTorch's in a fresh process."""
    theirs = subprocess.run([sys.executable, str(Path(__file__).with_name("engine_torch.py")), which], capture_output=True, text=True)
    if theirs.returncode:
        raise Missing(f"PyTorch's memory: {theirs.stderr.strip()[-300:]}")
    theirs = int(theirs.stdout)
    table.row(f"{which}: peak memory of a training step", used / MIB, "MiB", peer="PyTorch", peer_value=theirs / MIB, ratio=theirs / used,
              of=theirs / used, at_least=1, note="beyond what each takes before")


def compiled(table, which: str, torch, engine: Engine, quick: bool) -> None:
    """A training step beside torch.compile, where that works."""
    if quick:
        return
    row = f"{which}: training step beside torch.compile"
    try:
        peer = engine_torch.Peer(torch, which, compiled=True)
        peer.step(3)
    except Exception as err:  # whatever the compiler meets
        table.skipped(row, f"torch.compile fails: {str(err).strip().splitlines()[0][:120]}")
        return
    (k, rounds), (l, _) = rounds_of(engine.step(1), quick), rounds_of(peer.step(1), quick)
    a, b, ratio = alternate(lambda: engine.step(k), lambda: peer.step(l), rounds)
    table.row(row, 1e3 * a, "ms", peer="compiled", peer_value=1e3 * b, ratio=ratio)


def cores(table, which: str, quick: bool) -> None:
    """Two cores over one, beside a loop of multiply-adds alone."""
    with Engine(which, 1) as one, Engine(which, 2) as two:
        one.step(1), two.step(2)
        k, rounds = rounds_of(two.step(1), quick)
        _, _, ratio = alternate(lambda: two.step(k), lambda: one.step(k), rounds)
        peak = two.ask("peak")
        table.row(f"{which}: two cores over one, training step", ratio, "times", at_least=1.8,
                  note=f"{peak['all'] / peak['one']:.2f} times is what these cores do in a loop of multiply-adds alone")


def steady(table, quick: bool) -> None:
    """What a long run allocates."""
    with Engine("flow") as engine:
        engine.step(100)
        # The runtime allocates for threads of its own, now and then.
        mallocs = min(engine.ask("step 100")["mallocs"] for _ in range(10))
        engine.step(1_000)
        before, _ = engine.memory()
        steps = 1_000 if quick else 10_000
        engine.step(steps)
        after, _ = engine.memory()
        table.row("flow: allocations in 100 training steps", mallocs, "mallocs", at_most=0)
        table.row(f"flow: growth of memory over {steps:,} steps", (after - before) / MIB, "MiB", at_most=1)


def means(table, quick: bool) -> None:
    for what, ratios in RATIOS.items():
        mean = math.exp(statistics.fmean(map(math.log, ratios)))
        table.row(f"all: {what}, geometric mean of the ratios", mean, "times", at_least=1.7, note=f"{len(ratios)} ratios, the smallest {min(ratios):.2f}")


if __name__ == "__main__":
    parts = {which: (f"network {which}", lambda table, quick, which=which: measure(table, which, quick)) for which in engine_torch.BATCH}
    parts["means"] = ("geometric means", means)
    sys.exit(run(__doc__.splitlines()[0], parts))
