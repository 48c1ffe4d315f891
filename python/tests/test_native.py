"""The border to Go: errors, panics, interrupts, processes, threads."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import goastroml as aml
from goastroml import _native
from goastroml._native import call, go, run

from conftest import WAVE


def test_panic_is_an_exception():
    with pytest.raises(aml.AstromlError, match="on purpose") as e:
        call(go.Panic)
    assert type(e.value) is aml.AstromlError
    assert call(go.Version) == aml.__version__  # and life goes on


@pytest.mark.parametrize(
    "text, kind, message",
    [
        ("EINVAL: spectra: no", ValueError, "spectra: no"),
        ("ESHAPE: a: b", aml.ShapeError, "a: b"),
        ("EFORMAT: x", aml.FormatError, "x"),
        ("EVERSION: x", aml.VersionError, "x"),
        ("EDIVERGED: x", aml.DivergedError, "x"),
        ("ECANCELED: x", KeyboardInterrupt, "x"),
        ("EINTERNAL: x", aml.AstromlError, "x"),
        ("EIO 2: open p: no", FileNotFoundError, "[Errno 2] open p: no"),
        ("EIO: p is no file", OSError, "p is no file"),
        ("something new: x", aml.AstromlError, "something new: x"),
    ],
)
def test_kinds_of_errors(text, kind, message):
    e = _native._error(RuntimeError(text))
    assert type(e) is kind and str(e) == message


def test_exceptions_are_of_the_classes_people_catch():
    assert issubclass(aml.ShapeError, ValueError)
    assert issubclass(aml.VersionError, aml.FormatError)
    assert issubclass(aml.DivergedError, ArithmeticError)
    for e in (aml.ShapeError, aml.FormatError, aml.DivergedError):
        assert issubclass(e, aml.AstromlError)


def endless(spectra, **kwargs):
    """A training run that nobody waits for."""
    clf = aml.spectra.Classifier(epochs=1_000_000, patience=-1, batch_size=8)
    return clf.fit(spectra.flux, spectra.labels, ivar=spectra.ivar, wave=spectra.wave, **kwargs)


def test_exception_in_progress_cancels(spectra):
    class Enough(Exception):
        pass

    seen = []

    def progress(p):
        seen.append(p)
        if p.step:
            raise Enough

    with pytest.raises(Enough):
        endless(spectra, progress=progress)
    assert isinstance(seen[-1], aml.Progress) and seen[-1].stage and seen[-1].steps > 0
    assert not _native._running


def test_failed_start_leaves_nothing(spectra):
    with pytest.raises(ValueError, match="epochs"):
        aml.spectra.Classifier(epochs=-3).fit(spectra.flux, spectra.labels, wave=spectra.wave, progress=False)
    assert not _native._running


def test_ctrl_c(tmp_path):
    """Ctrl-C ends the job, then the call, at once; the object is as it was, and the library works on."""
    path = tmp_path / "program.py"
    path.write_text(
        textwrap.dedent(
            """
            import numpy as np, goastroml as aml
            from goastroml import _native
            s = aml.spectra.simulate(10, seed=1, wave=np.linspace(4000, 9000, 400), classes=["STAR_A0", "QSO"])
            clf = aml.spectra.Classifier(epochs=1_000_000, patience=-1, batch_size=8)
            print("ready", flush=True)
            try:
                clf.fit(s.flux, s.labels, ivar=s.ivar, wave=s.wave, progress=False)
            except KeyboardInterrupt:
                assert not hasattr(clf, "classes_") and not _native._running
                clf.set_params(epochs=1).fit(s.flux, s.labels, ivar=s.ivar, wave=s.wave, progress=False)
                print("interrupted")
            """
        )
    )
    with subprocess.Popen([sys.executable, path], stdout=subprocess.PIPE, text=True) as p:
        assert p.stdout.readline() == "ready\n"
        time.sleep(0.5)
        p.send_signal(signal.SIGINT)
        sent = time.monotonic()
        assert p.stdout.readline() == "interrupted\n"
        assert time.monotonic() - sent < 10  # most of it the second training, on a busy machine
        assert p.wait(30) == 0


def test_fork_raises_instead_of_hanging(script):
    out = script(
        """
        import os, warnings
        warnings.simplefilter("ignore")
        import goastroml as aml
        job = aml._native.call(aml._native.go.NewJob)
        pid = os.fork()
        if pid == 0:
            del job  # the release of a Go object must not hang either
            try:
                aml.spectra.simulate(1)
            except RuntimeError as e:
                os._exit(7 if "spawn" in str(e) else 1)
            os._exit(2)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """
    )
    assert out == "7"


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_multiprocessing(script, method):
    out = script(
        """
        import multiprocessing, sys
        import goastroml as aml

        def work(seed):
            return float(aml.spectra.simulate(1, seed=seed, classes=["QSO"]).flux[0, 0])

        if __name__ == "__main__":
            with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
                print(pool.map(work, [1, 2]) == [work(1), work(2)])
        """,
        method,
    )
    assert out == "True"


def test_import_leaves_the_working_folder_alone(script):
    out = script(
        """
        import os, shutil, tempfile
        folder = tempfile.mkdtemp()
        os.chdir(folder)
        os.rmdir(folder)
        import goastroml
        try:
            print(os.getcwd())
        except FileNotFoundError:
            print("still gone")
        """
    )
    assert out == "still gone"


def test_python_runs_while_go_computes(spectra):
    count, stop = [0], threading.Event()

    def tick():
        while not stop.is_set():
            count[0] += 1
            time.sleep(0.001)

    def until(p):
        if time.monotonic() - start > 0.5:
            raise TimeoutError

    t = threading.Thread(target=tick)
    t.start()
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        endless(spectra, progress=until)
    stop.set()
    t.join()
    assert count[0] > 50  # a held lock would allow about one tick a poll: five


def test_threads_get_their_own_answers(clf, spectra):
    want = [clf.predict_proba(spectra.flux[i:], ivar=spectra.ivar[i:]) for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            got = list(pool.map(lambda i: clf.predict_proba(spectra.flux[i:], ivar=spectra.ivar[i:]), range(8)))
            assert all(np.array_equal(a, b) for a, b in zip(got, want))


def test_errors_in_threads():
    def fail(i):
        with pytest.raises(FileNotFoundError, match=f"missing {i}$|missing {i}:"):
            aml.load(f"missing {i}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fail, range(50)))


def test_progress_bar(spectra, capsys):
    pytest.importorskip("tqdm")
    aml.spectra.Classifier(epochs=1, batch_size=8).fit(spectra.flux, spectra.labels, wave=spectra.wave, progress=True)
    aml.spectra.Classifier(epochs=1, batch_size=8).fit(spectra.flux, spectra.labels, wave=spectra.wave, progress=None)
    assert capsys.readouterr().out == ""  # a bar is for stderr; the library itself prints nothing


def test_bar_by_stage(monkeypatch):
    from goastroml._progress import Reporter

    bars = []

    class Bar:
        def __init__(self, total, desc, **_):
            self.total, self.desc, self.n, self.closed, self.notes = total, desc, 0, False, {}
            bars.append(self)

        def set_postfix(self, notes, refresh):
            self.notes = notes

        def update(self, n):
            self.n += n

        def close(self):
            self.closed = True

    reporter = Reporter(True)
    reporter._bars = Bar
    with reporter as report:
        report(aml.Progress("", 0, 0, 0))
        report(aml.Progress("pretrain", 0, 3, 10))
        report(aml.Progress("train", 0, 5, 20, 1.5))
        report(aml.Progress("train", 1, 9, 20, 1.25, 1.75))
    assert [(b.desc, b.total, b.n, b.closed) for b in bars] == [("pretrain", 10, 3, True), ("train", 20, 9, True)]
    assert bars[1].notes == {"loss": "1.2500", "held out": "1.7500"}


def test_the_extension_shows_the_c_abi_and_nothing_else(testdata):
    nm = subprocess.run(["nm", "-D", "--defined-only", go._astroml_go.__file__], capture_output=True, text=True)
    shown = {line.split()[2] for line in nm.stdout.splitlines()}
    golden = (testdata.parent / "bindings" / "libastroml" / "exports.txt").read_text().split()
    assert shown == {*golden, "PyInit__astroml_go"}


def test_everything_public_is_documented():
    import inspect

    for module in (aml, aml.spectra, aml.stats, aml.datasets):
        assert module.__doc__
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                assert thing.__doc__, name
                if inspect.isclass(thing) and thing.__module__.startswith("goastroml"):
                    for m, f in vars(thing).items():
                        assert m.startswith("_") or not inspect.isfunction(f) or f.__doc__, f"{name}.{m}"


def test_wait_survives_a_second_ctrl_c():
    class Job:
        waits = 0

        def Cancel(self):
            pass

        def Wait(self, ms):
            self.waits += 1
            if self.waits < 3:
                raise KeyboardInterrupt
            return 1

    job = Job()
    _native._end(job)
    assert job.waits == 3
