"""Rows on time, memory and copies of the spectra task."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from common import THREADS, Missing, alternate, busy, go_benchmark, go_time, memory, need, reset_peak, torch_
import spectra_torch

MIB = 1 << 20
PIXELS = {"default": 4000, "gasnet2": 3600}  # as in astroml/spectra/bench_test.go
BATCH = 64
CLASSES = 13


def grid(pixels: int) -> np.ndarray:
    """Returns a grid like that of SDSS: pixels of 1e-4 in log10 λ, from 3548 Å."""
    return 10 ** (3.55 + 1e-4 * np.arange(pixels))


def model(aml, pixels: int, folder: Path) -> Path:
    """Trains a default network for an epoch, which is as fast as a good one."""
    x = aml.spectra.simulate(12, seed=1, wave=grid(pixels))
    clf = aml.spectra.Classifier(seed=1, epochs=1, threads=THREADS)
    clf.fit(x.flux, x.labels, ivar=x.ivar, wave=x.wave, classes=x.classes, progress=False)
    path = folder / f"model-{pixels}.safetensors"
    clf.save(path)
    return path


def many(table, quick: bool) -> None:
    """40,000 spectra: arrays in, the whole answer out, in a fresh process."""
    aml = need("goastroml")
    n = 4_000 if quick else 40_000
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for pixels in (3600, 4700):
            path = model(aml, pixels, folder)
            what = f"{n:,} spectra of {pixels} px"
            for way in ("arrays", "mapped"):
                got = in_fresh_process(path, n, pixels, way, folder)
                if way == "arrays":
                    table.row(f"{what}: whole call", got["seconds"], "s", at_most=10 * n / 40_000,
                              note=f"the median of {got['calls']}; {1e6 * got['seconds'] / n:.0f} µs a spectrum")
                    table.row(f"{what}: peak memory beyond the arrays", got["beyond"] / MIB, "MiB", at_most=1024)
                else:
                    table.row(f"{what}: whole call on mapped .npy", got["seconds"], "s")
                    table.row(f"{what}: peak memory in all, mapped .npy", got["peak"] / MIB, "MiB", at_most=1024,
                              note=f"pages of the file included; the file has {got['arrays'] / MIB:.0f} MiB")


def in_fresh_process(path: Path, n: int, pixels: int, way: str, folder: Path) -> dict:
    """Runs `measure` in a process that has done nothing else."""
    done = subprocess.run([sys.executable, __file__, str(path), str(n), str(pixels), way, str(folder)],
                          capture_output=True, text=True)
    if done.returncode:
        raise Missing(f"the process that classifies {n} spectra failed: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(path: str, n: int, pixels: int, way: str, folder: str) -> dict:
    """Classifies n spectra; returns seconds and peak memory."""
    import goastroml as aml

    clf = aml.spectra.Classifier.load(path)
    if way == "mapped":
        names = [Path(folder) / f"{k}-{pixels}.npy" for k in ("flux", "ivar")]
        for k, name in enumerate(names):
            write(name, n, pixels, k)
        flux, ivar = (np.load(name, mmap_mode="r") for name in names)
    else:
        flux, ivar = np.empty((n, pixels), np.float32), np.empty((n, pixels), np.float32)
        rng = np.random.default_rng(0)
        for lo in range(0, n, 1000):
            flux[lo:lo + 1000] = rng.standard_normal(flux[lo:lo + 1000].shape, np.float32) + 5
        ivar[:] = 1
    arrays = flux.nbytes + ivar.nbytes
    reset_peak()
    seconds = []
    calls = 3 if way == "arrays" else 1
    for _ in range(calls):
        start = time.perf_counter()
        answer = clf.classify(flux, ivar=ivar, wave=clf.wave_)
        seconds.append(time.perf_counter() - start)
        del answer
    _, peak = memory()
    return {"seconds": float(np.median(seconds)), "calls": calls, "peak": peak, "arrays": arrays, "beyond": peak - arrays}


def write(name: Path, n: int, pixels: int, kind: int) -> None:
    """Writes an .npy of fluxes (kind 0) or of inverse variances, piece by piece."""
    out = np.lib.format.open_memmap(name, "w+", np.float32, (n, pixels))
    rng = np.random.default_rng(0)
    for lo in range(0, n, 1000):
        piece = out[lo:lo + 1000]
        piece[:] = 1 if kind else rng.standard_normal(piece.shape, np.float32) + 5
    out.flush()


def one(table, quick: bool) -> None:
    """The latency of one spectrum."""
    aml = need("goastroml")
    with tempfile.TemporaryDirectory() as folder:
        clf = aml.spectra.Classifier.load(model(aml, 4000, Path(folder)))
    x = aml.spectra.simulate(8, seed=2, wave=clf.wave_)
    for name, call in (("class probabilities", clf.predict_proba), ("the whole answer", clf.classify)):
        times = []
        for i in range(500 if quick else 5000):
            row = slice(i % len(x.flux), i % len(x.flux) + 1)
            start = time.perf_counter()
            call(x.flux[row], ivar=x.ivar[row], wave=x.wave)
            times.append(1e3 * (time.perf_counter() - start))
        times = times[50:]
        table.row(f"one spectrum of 4000 px, {name}: p99", float(np.percentile(times, 99)), "ms", at_most=5,
                  note=f"median {np.median(times):.2g}, largest {max(times):.2g}, {len(times)} calls from Python")


def torch(table, quick: bool) -> None:
    """Training step and inference beside PyTorch, alternating."""
    torch = torch_()
    warning = busy()
    if warning:
        table.say(warning)
    program = go_benchmark("astroml/spectra")
    rounds = 3 if quick else 7
    for network, pixels in PIXELS.items():
        steps = 20 if network == "default" else 5
        peer = spectra_torch.Trainer(torch, network, pixels, CLASSES, BATCH)
        label = f"PyTorch {torch.__version__}"
        for kind, what in (("whole", "training step, as it is"), ("plain", "training step, no augmentation")):
            ours, theirs, ratio = alternate(lambda: go_time(program, f"BenchmarkStep/{network}/{kind}", steps),
                                            lambda: peer.seconds(steps), rounds)
            table.row(f"{network}: {what}", 1e3 * ours, "ms", peer=label, peer_value=1e3 * theirs, ratio=ratio,
                      at_least=1.5 if kind == "whole" else None, of=ratio,
                      note=f"batch {BATCH}, {pixels} px, {rounds} rounds")
        del peer
        reader = spectra_torch.Reader(torch, network, pixels, CLASSES)
        passes = 10 if network == "default" else 2
        for name, what, reach in (("Forward", "inference, the network alone", 1.5), ("Classify", "inference, the whole answer", None)):
            ours, theirs, ratio = alternate(lambda: go_time(program, f"Benchmark{name}/{network}", passes) / 256,
                                            lambda: reader.seconds(passes), rounds)
            table.row(f"{network}: {what}", 1e6 * ours, "µs/spectrum", peer=label, peer_value=1e6 * theirs, ratio=ratio,
                      at_least=reach, of=ratio,
                      note=f"PyTorch's is the network alone, at its best batch ({reader.batch})")


def border(table, quick: bool) -> None:
    """100 MB of NumPy across the border: what memory grows by, beyond results."""
    aml = need("goastroml")
    with tempfile.TemporaryDirectory() as folder:
        clf = aml.spectra.Classifier.load(model(aml, 4000, Path(folder)))
    flux = np.ones((6250, 4000), np.float32)  # 100 MB
    flux += np.sin(np.arange(4000, dtype=np.float32))
    moved = clf.wave_ * 1.00001
    small = flux[:64]

    def growth(call, *args) -> float:
        before, _ = memory()
        reset_peak()
        result = call(*args)
        _, peak = memory()
        results = result if isinstance(result, tuple) else (result,)
        return (peak - before - sum(a.nbytes for a in results if a is not None)) / MIB

    # A first call makes what a classifier keeps: arenas, plans.
    clf.predict_proba(small)
    aml.spectra.rebin(small, None, clf.wave_, moved)
    note = "beyond the result; a copy would be 95 MiB"
    table.row("border: memory that 100 MB in take (predict_proba)", growth(clf.predict_proba, flux), "MiB", at_most=16, note=note)
    table.row("border: memory that 100 MB in and out take (rebin)", growth(aml.spectra.rebin, flux, None, clf.wave_, moved),
              "MiB", at_most=16, note=note)


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5])))
