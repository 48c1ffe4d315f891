"""The way into the Go library. This module alone knows the extension.

Arrays cross as addresses, never by value. What Go computes for long is a job
that Python polls, so that Ctrl-C and progress bars work in a terminal and in
Jupyter alike: there are no callbacks.
"""

from __future__ import annotations

import json
import os
from typing import Any, Callable, NamedTuple, Optional

import numpy as np

from ._errors import AstromlError, DivergedError, FormatError, ShapeError, VersionError
from ._go import bindings as go

_POLL_MS = 100  # Ctrl-C is seen this much later, at most

_KINDS = {
    "EINVAL": ValueError,
    "ESHAPE": ShapeError,
    "EFORMAT": FormatError,
    "EVERSION": VersionError,
    "EDIVERGED": DivergedError,
    "ECANCELED": KeyboardInterrupt,
    "EINTERNAL": AstromlError,
}

_pid = os.getpid()

# What running jobs work on. A job that something tears us away from before its
# end keeps its arrays here: memory lost, but never memory overwritten.
_running: dict = {}


def _after_fork() -> None:
    # The child has one thread, and none of Go's: the release of a Go object, which
    # Python may do at any time, could wait for ever.
    go._astroml_go.DecRef = lambda handle: None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Progress(NamedTuple):
    """The state of a long call. ``loss`` and ``valid`` are None while they are not known."""

    stage: str  #: what is being done: "pretrain", "train", "calibrate"
    epoch: int  #: epochs done in this stage
    step: int  #: steps done in this stage
    steps: int  #: steps of this stage, at most
    loss: Optional[float] = None  #: training loss, mean of the epoch so far
    valid: Optional[float] = None  #: held-out loss of the last full epoch


def _plain(a: Any) -> Any:
    """What crosses the border: an array's address, 0 for None, else the value itself."""
    if a is None:
        return 0
    if isinstance(a, np.ndarray):
        return a.__array_interface__["data"][0]
    return a


def _error(e: RuntimeError) -> BaseException:
    """The exception for a Go error: 'ESHAPE: text', or 'EIO 2: text' with the system's number."""
    kind, _, text = str(e).partition(": ")
    kind, _, number = kind.partition(" ")
    if kind == "EIO":
        return OSError(int(number), text) if number else OSError(text)
    return _KINDS[kind](text) if kind in _KINDS else AstromlError(str(e))


def call(function: Callable, *args: Any) -> Any:
    """Calls a function of the flat API; arrays become addresses, None becomes 0."""
    if os.getpid() != _pid:
        raise RuntimeError(
            "goastroml does not survive os.fork(): use multiprocessing with 'spawn' or 'forkserver'"
        )
    try:
        return function(*map(_plain, args))
    except RuntimeError as e:
        error = _error(e)
    raise error


def run(function: Callable, *args: Any, progress: Optional[Callable[[Progress], Any]] = None) -> Any:
    """Starts a job and returns it when it has ended.

    Ctrl-C, or an exception from ``progress``, cancels the job, waits for its end
    and goes on up.
    """
    job = call(go.NewJob)
    _running[id(job)] = job, args
    try:
        call(function, job, *args)
        while not call(job.Wait, _POLL_MS):
            if progress is not None:
                progress(Progress(**json.loads(job.Progress())))
        if progress is not None:
            progress(Progress(**json.loads(job.Progress())))
    finally:
        _end(job)
        _running.pop(id(job), None)
    return job


def _end(job: Any) -> None:
    """Cancels a job if it runs, and waits for its end, however often Ctrl-C is pressed."""
    while os.getpid() == _pid:
        try:
            job.Cancel()
            if job.Wait(1000):
                return
        except RuntimeError:  # the job's own error: it has ended
            return
        except KeyboardInterrupt:
            continue
