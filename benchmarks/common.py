"""What the benchmark scripts share: options, rows, data, clocks and memory.

A script runs its parts, and each part gives rows. A row is one line of the
table: our value, the value of what a user would pick instead, their ratio, and
whether our value is within reach of what was promised.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
THREADS = 2  # of every program that is timed


class Missing(Exception):
    """Something that a part needs is not there; the text says what to do."""


def need(package: str):
    """Imports a package, or asks for it with one sentence."""
    try:
        return importlib.import_module(package)
    except ImportError as err:
        if package == "goastroml":
            raise Missing("goastroml is not there for this Python: run `make build`, then `make peers`") from err
        raise Missing(f"{package} cannot be imported ({err}): run `make peers`") from err


def data(name: str) -> Path:
    """Returns the path of a data file, or says where it was looked for."""
    places = [ROOT.parent / "shared" / "data"]
    if "GOASTROML_DATA" in os.environ:
        places.insert(0, Path(os.environ["GOASTROML_DATA"]))
    for place in places:
        if (place / name).exists():
            return place / name
    raise Missing(f"{name} is not in {' or '.join(map(str, places))}: set GOASTROML_DATA to the data folder")


class Table:
    """Prints rows as they come: text that lines up, or a JSON object a line."""

    def __init__(self, as_json: bool):
        self.as_json = as_json
        self.missed = 0

    def row(self, row: str, value: float, unit: str, *, peer: str | None = None, peer_value: float | None = None,
            ratio: float | None = None, at_least: float | None = None, at_most: float | None = None,
            of: float | None = None, note: str = "") -> None:
        """Prints a row.

        The reach is a bound on `of`, which is the value unless it is given (a
        ratio, a distance from a nominal value). Without a bound the row only
        informs, and `met` is null.
        """
        of = value if of is None else of
        reach = met = None
        if at_least is not None:
            reach, met = f">= {at_least:g}", bool(of >= at_least)
        if at_most is not None:
            upper = f"<= {at_most:g}"
            reach = f"{reach}, {upper}" if reach else upper
            met = bool(of <= at_most) and met is not False
        self.missed += met is False
        if self.as_json:
            print(json.dumps({"row": row, "value": _plain(value), "unit": unit, "peer": peer,
                              "peer_value": _plain(peer_value), "ratio": _plain(ratio), "reach": reach, "met": met,
                              "note": note}), flush=True)
            return
        text = f"{row:<58} {_number(value):>10} {unit:<11}"
        if peer is not None:
            text += f" | {peer}: {_number(peer_value)}"
        if ratio is not None:
            text += f" | ratio {ratio:.2f}"
        if reach is not None:
            text += f" | {reach}: {'met' if met else 'MISSED'}"
        print(text + (f" | {note}" if note else ""), flush=True)

    def skipped(self, row: str, why: str) -> None:
        """Prints a row that could not be measured, and why."""
        if self.as_json:
            print(json.dumps({"row": row, "value": None, "unit": None, "peer": None, "peer_value": None, "ratio": None,
                              "reach": None, "met": None, "note": f"skipped: {why}"}), flush=True)
        else:
            print(f"{row:<58} skipped: {why}", flush=True)

    def say(self, text: str) -> None:
        """Prints what is no row: to standard error where rows are JSON."""
        print(text, file=sys.stderr if self.as_json else sys.stdout, flush=True)


def _plain(x):
    return None if x is None else float(x)


def _number(x) -> str:
    if x is None:
        return "-"
    return f"{x:.0f}" if abs(x) >= 1000 else f"{x:.4g}"


def run(title: str, parts: dict, argv: list[str] | None = None) -> int:
    """Runs the named parts of a script, each called with (table, quick).

    A part is (what it measures, function). What a part misses is printed in its
    place. Returns 1 if a value is out of reach, else 0.
    """
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--quick", action="store_true", help="small samples: minutes, and numbers that only hint")
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    parser.add_argument("--only", nargs="+", choices=list(parts), metavar="PART", help=f"some of: {' '.join(parts)}")
    args = parser.parse_args(argv)
    table = Table(args.json)
    table.say(title + (" (quick)" if args.quick else ""))
    table.say(system())
    for name in args.only or parts:
        what, function = parts[name]
        start = time.perf_counter()
        try:
            function(table, args.quick)
        except Missing as why:
            table.skipped(what, str(why))
        table.say(f"  [{name}: {time.perf_counter() - start:.0f} s]")
    return int(table.missed > 0)


def system() -> str:
    """Describes the machine, the versions and the threads, on one line each."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    versions = [f"Python {platform.python_version()}"]
    for name in ("goastroml", "numpy", "scipy", "sklearn", "torch"):
        try:
            versions.append(f"{name} {importlib.import_module(name).__version__}")
        except (ImportError, OSError, ValueError, AttributeError):
            versions.append(f"{name} -")
    return (f"{time.strftime('%Y-%m-%d')}, {model}, {os.cpu_count()} processors, {THREADS} threads, {platform.system()} "
            f"{platform.release()}, load average {os.getloadavg()[0]:.1f}\n{', '.join(versions)}")


def torch_():
    """Imports PyTorch and gives it THREADS threads."""
    try:
        torch = importlib.import_module("torch")
    except (ImportError, OSError, ValueError) as err:
        raise Missing(f"PyTorch cannot be imported ({type(err).__name__}): run `make peers`") from err
    torch.set_num_threads(THREADS)
    return torch


def clock(function) -> float:
    """Returns how long a call takes, in seconds."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def busy() -> str:
    """Returns a warning if others compute on this machine: OpenMP's teams, and
    with them PyTorch, suffer from that far more than goroutines do."""
    load = os.getloadavg()[0]
    # Our own parts, run before, keep all processors busy and no more.
    return f"NOT TO BE QUOTED: load average {load:.1f} before the start" if load > os.cpu_count() + 0.5 else ""


def alternate(ours, theirs, rounds: int) -> tuple[float, float, float]:
    """Times two things in turn, so that a noisy neighbour troubles both.

    `ours` and `theirs` return seconds. Returns both medians and the median of
    the ratios theirs/ours of each round.
    """
    a, b = [], []
    for _ in range(rounds):
        a.append(ours())
        b.append(theirs())
    return statistics.median(a), statistics.median(b), statistics.median(y / x for x, y in zip(a, b))


def go_benchmark(package: str) -> Path:
    """Compiles the benchmarks of a Go package, and returns the program."""
    out = ROOT / "build" / (package.replace("/", "-") + ".test")
    out.parent.mkdir(exist_ok=True)
    try:
        done = subprocess.run(["go", "test", "-c", "-o", str(out), f"./{package}"], cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError as err:
        raise Missing("go is not on the path: install Go") from err
    if done.returncode or not out.exists():
        raise Missing(f"the Go benchmarks of {package} do not build: {done.stderr.strip().splitlines()[-1]}")
    return out


def go_metric(program: Path, name: str, unit: str, times: int = 1) -> float:
    """Runs one Go benchmark so many times and returns what it reports in unit."""
    pattern = "/".join(f"^{part}$" for part in name.split("/"))
    done = subprocess.run([str(program), "-test.run=^$", f"-test.bench={pattern}", f"-test.benchtime={times}x",
                           f"-test.cpu={THREADS}"], cwd=ROOT, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        words = line.split()
        if unit in words:
            return float(words[words.index(unit) - 1])
    raise Missing(f"the Go benchmark {name} gave no {unit}: {(done.stderr or done.stdout).strip()[-200:]}")


def go_time(program: Path, name: str, times: int) -> float:
    """Runs one Go benchmark so many times and returns seconds an operation."""
    return 1e-9 * go_metric(program, name, "ns/op", times)


def memory() -> tuple[int, int]:
    """Returns the resident memory of this process, file pages included, and
    its peak since reset_peak, in bytes (Linux)."""
    values = {}
    for line in Path("/proc/self/status").read_text().splitlines():
        key, _, rest = line.partition(":")
        if key in ("VmRSS", "VmHWM"):
            values[key] = int(rest.split()[0]) * 1024
    return values["VmRSS"], values["VmHWM"]


def reset_peak() -> None:
    """Makes the present resident memory the peak (Linux: proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    print(system())
