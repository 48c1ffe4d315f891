"""In a Jupyter kernel: an interrupt and a panic are exceptions, and the kernel lives."""

import time

import pytest

manager = pytest.importorskip("jupyter_client.manager")

START = """
import numpy as np, goastroml as aml
s = aml.spectra.simulate(10, seed=1, wave=np.linspace(4000, 9000, 400), classes=["STAR_A0", "QSO"])
clf = aml.spectra.Classifier(epochs=1_000_000, patience=-1, batch_size=8)
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_kernel():
    km, kc = manager.start_new_kernel(kernel_name="python3")
    try:

        def run(code, interrupt=False):
            request = kc.execute(code, stop_on_error=False)  # else what comes soon after an error is not run
            if interrupt:
                time.sleep(1)
                km.interrupt_kernel()
            while True:
                reply = kc.get_shell_msg(timeout=60)
                if reply["parent_header"]["msg_id"] == request:
                    return reply["content"]

        assert run(START)["status"] == "ok"
        sent = time.monotonic()
        reply = run("clf.fit(s.flux, s.labels, wave=s.wave)", interrupt=True)
        assert reply["ename"] == "KeyboardInterrupt" and time.monotonic() - sent < 10
        assert run("aml._native.call(aml._native.go.Panic)")["ename"] == "AstromlError"
        assert run("clf.set_params(epochs=1).fit(s.flux, s.labels, wave=s.wave)")["status"] == "ok"
    finally:
        kc.stop_channels()
        km.shutdown_kernel(now=True)
