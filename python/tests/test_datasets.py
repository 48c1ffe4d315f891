"""goastroml.datasets against a server on this machine."""

import hashlib
import os
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from goastroml import datasets

BODY = bytes(range(256)) * 5000  # longer than one block of the copy
SHA256 = hashlib.sha256(BODY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path == "/missing":
            self.send_error(404)
            return
        body = {"/other": b"an error page"}.get(self.path, BODY)
        self.send_response(200)
        if self.path != "/open":  # "/open" says no length: the end of the connection is the end
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self.path in ("/cut", "/open") else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    s = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    s.asked = []
    s.url = f"http://127.0.0.1:{s.server_port}"
    t = threading.Thread(target=s.serve_forever, kwargs={"poll_interval": 0.01})
    t.start()
    yield s
    s.shutdown()
    t.join()
    s.server_close()


def test_fetches_once(server, tmp_path):
    first = datasets.fetch_url(server.url + "/spec.fits", SHA256, cache=tmp_path)
    again = datasets.fetch_url(server.url + "/spec.fits", SHA256.upper(), cache=tmp_path)
    assert first == again
    assert first.read_bytes() == BODY
    assert server.asked == ["/spec.fits"]


def test_a_changed_copy_is_fetched_again(server, tmp_path):
    path = datasets.fetch_url(server.url + "/spec.fits", SHA256, cache=tmp_path)
    path.write_bytes(BODY[:-1])
    datasets.fetch_url(server.url + "/spec.fits", SHA256, cache=tmp_path)
    assert path.read_bytes() == BODY
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("path", "size", "error", "says", "why"),
    [
        ("/other", None, ValueError, "SHA-256 .* of 13 bytes, want " + SHA256, "not the file that was checked in"),
        ("/spec", len(BODY) + 1, ValueError, f"{len(BODY)} bytes came, want {len(BODY) + 1}", "shorter than the table says"),
        ("/spec", 100, ValueError, "more than 100 bytes came", "no server fills the disk"),
        ("/cut", None, OSError, r"ended after \d+ bytes, \d+ were to come", "the connection ended early"),
        ("/open", None, ValueError, f"of {len(BODY) // 2} bytes", "ended early, and the server had not said how much"),
        ("/missing", None, OSError, "the server answered 404", "moved"),
    ],
)
def test_what_comes_wrong_leaves_nothing(server, tmp_path, path, size, error, says, why):
    with pytest.raises(error, match=says):
        datasets.fetch_url(server.url + path, SHA256, size=size, cache=tmp_path)
    assert os.listdir(tmp_path) == [], why


def test_a_failed_fetch_keeps_what_was_there(server, tmp_path):
    path = datasets.fetch_url(server.url + "/spec", SHA256, cache=tmp_path)
    wrong = hashlib.sha256(b"else").hexdigest()
    with pytest.raises(ValueError, match="SHA-256"):
        datasets.fetch_url(server.url + "/spec", wrong, cache=tmp_path)
    assert os.listdir(tmp_path) == [path.name]


def test_no_network(tmp_path):
    with socket.socket() as s:  # a port that nobody listens on
        s.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="cannot be reached"):
            datasets.fetch_url(f"http://127.0.0.1:{s.getsockname()[1]}/x", SHA256, cache=tmp_path)


def test_a_silent_server(tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        with pytest.raises(OSError, match="timed out"):
            datasets.fetch_url(f"http://127.0.0.1:{s.getsockname()[1]}/x", SHA256, cache=tmp_path, timeout=0.1)


@pytest.mark.parametrize(
    ("url", "sha256", "says"),
    [
        ("file:///etc/passwd", SHA256, "begins with http"),
        ("spec.fits", SHA256, "begins with http"),
        ("http://127.0.0.1/x", "abc", "64 hexadecimal digits"),
        ("http://127.0.0.1/x", SHA256[:-1] + "g", "64 hexadecimal digits"),
    ],
)
def test_bad_arguments(tmp_path, url, sha256, says):
    with pytest.raises(ValueError, match=says):
        datasets.fetch_url(url, sha256, cache=tmp_path)


def test_names_stay_in_the_folder(server, tmp_path):
    path = datasets.fetch_url(server.url + "/a/..%2F..%2Fetc%2Fpasswd", SHA256, cache=tmp_path / "new")
    assert path.parent == tmp_path / "new"
    assert re.fullmatch(r"[0-9a-f]{12}-[A-Za-z0-9._-]+", path.name)


def test_fetch_reads_the_table(server, tmp_path, monkeypatch):
    entry = datasets.Dataset(server.url + "/sample.npz", SHA256, len(BODY), "numbers", "MIT", "nobody")
    monkeypatch.setitem(datasets.SETS, "sample", entry)
    assert datasets.fetch("sample", cache=tmp_path).read_bytes() == BODY
    with pytest.raises(ValueError, match="no set 'simple', want one of .*sample"):
        datasets.fetch("simple", cache=tmp_path)


@pytest.mark.parametrize("name", sorted(datasets.SETS))
def test_table(name):
    s = datasets.SETS[name]
    assert re.fullmatch("[0-9a-f]{64}", s.sha256)
    assert re.search("/[0-9a-f]{40}/", s.url), "an address that always gives the same bytes"
    assert s.size > 0 and s.about and s.licence and s.citation


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert datasets.cache_folder() == tmp_path / "goastroml"
    monkeypatch.setenv("HOME", str(tmp_path))
    for unset in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", unset)
        assert datasets.cache_folder() == tmp_path / ".cache" / "goastroml"
