"""Public data sets, fetched once and checked.

:func:`fetch` brings a set of the table :data:`SETS` into a folder of the user's
and returns its path; :func:`fetch_url` does the same for any file whose SHA-256
is known. Nothing is fetched unless one of them is called.

The table is short: it holds only files that their authors keep under a fixed commit
and of which we have an unchanged copy. The checksums are of these copies; we had no
network to fetch the files themselves. No set of spectra is among them: give the address
and the checksum of one to :func:`fetch_url`, or make labelled spectra with
:func:`goastroml.spectra.simulate`.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import NamedTuple

__all__ = ["SETS", "Dataset", "cache_folder", "fetch", "fetch_url"]

_BLOCK = 1 << 20  # bytes read at a time


class Dataset(NamedTuple):
    """A file that :func:`fetch` knows."""

    url: str
    sha256: str  #: of the file, 64 hexadecimal digits
    size: int  #: bytes
    about: str  #: what it holds: arrays, shapes, units
    licence: str
    citation: str


_SBIBM = "https://raw.githubusercontent.com/sbi-benchmark/sbibm/1a45fa72f7550e6948ba4e46fafd6d9bca085009/sbibm/tasks/"
_SBIBM_CITATION = "Lueckmann et al. (2021), AISTATS, PMLR 130, 343, arXiv:2101.04653"

#: The sets by name.
SETS: dict[str, Dataset] = {
    "sbibm_slcp": Dataset(
        url=_SBIBM + "slcp/files/num_observation_1/reference_posterior_samples.csv.bz2",
        sha256="f25ff68adb9fbe7cd02b57cc42b37a50f6cec92bfd97e40d816ccc8947960cc5",
        size=201362,
        about="10,000 samples of the reference posterior of the task SLCP, observation 1: CSV, 5 columns",
        licence="MIT",
        citation=_SBIBM_CITATION,
    ),
    "sbibm_two_moons": Dataset(
        url=_SBIBM + "two_moons/files/num_observation_1/reference_posterior_samples.csv.bz2",
        sha256="36d5acbac6487d9f9ed3b277b62892567ea4c335e76224a4a4e2b0ac0a4fdedd",
        size=74038,
        about="10,000 samples of the reference posterior of the task two moons, observation 1: CSV, 2 columns",
        licence="MIT",
        citation=_SBIBM_CITATION,
    ),
}


def cache_folder() -> Path:
    """Return ``$XDG_CACHE_HOME/goastroml``, or ``~/.cache/goastroml`` where that is not set.

    A relative ``XDG_CACHE_HOME`` counts as not set, as the XDG Base Directory
    Specification wants.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "goastroml"


def fetch(name: str, *, cache: str | os.PathLike[str] | None = None, timeout: float = 30) -> Path:
    """Return the path of the public set ``name``, fetching it if it is not there.

    Parameters
    ----------
    name : a name of :data:`SETS`.
    cache : the folder to keep it in; the default is :func:`cache_folder`.
    timeout : seconds to wait for the server before giving up.

    Raises
    ------
    ValueError : there is no set of that name, or what came is not what was wanted.
    OSError : there is no network, the server does not have it, or the folder cannot be written.
    """
    if name not in SETS:
        raise ValueError(f"datasets: no set {name!r}, want one of {', '.join(sorted(SETS))}")
    s = SETS[name]
    return fetch_url(s.url, s.sha256, size=s.size, cache=cache, timeout=timeout)


def fetch_url(
    url: str,
    sha256: str,
    *,
    size: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    timeout: float = 30,
) -> Path:
    """Return the path of a copy of ``url`` whose SHA-256 is ``sha256``, fetching it if it is not there.

    The copy lies in ``cache`` under the first twelve digits of the checksum and the
    name that the address ends in. A copy that is there is read and checked, and
    fetched again if it has changed. A new one is written beside and renamed when
    its checksum is right: several processes may ask for the same file, and one that
    is stopped leaves no half of it under its name.

    Parameters
    ----------
    url : an ``http://`` or ``https://`` address.
    sha256 : 64 hexadecimal digits.
    size : bytes, if known: a server that sends more is cut short there.
    cache : the folder to keep it in; the default is :func:`cache_folder`.
    timeout : seconds to wait for the server before giving up.

    Raises
    ------
    ValueError : a bad address or checksum, or what came is not what was wanted.
    OSError : there is no network, the server does not have it, or the folder cannot be written.
    """
    wanted = sha256.lower()
    if not re.fullmatch("[0-9a-f]{64}", wanted):
        raise ValueError(f"datasets: checksum {sha256!r}, want the 64 hexadecimal digits of a SHA-256")
    path = _place(url, wanted, Path(cache) if cache is not None else cache_folder())
    try:
        if _digest(path) == wanted:
            return path
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    number, part = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as to:
            got, length = _download(url, to, size, timeout)
        if size is not None and length != size:
            raise ValueError(f"datasets: {url}: {length} bytes came, want {size}")
        if got != wanted:
            raise ValueError(f"datasets: {url}: SHA-256 {got} of {length} bytes, want {wanted}")
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise
    return path


def _place(url: str, sha256: str, folder: Path) -> Path:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError(f"datasets: address {url!r}, want one that begins with http:// or https://")
    # What the address ends in may hold anything, percent-encoded: keep what is
    # harmless in a file's name everywhere.
    name = re.sub(r"[^A-Za-z0-9._-]", "_", urllib.parse.unquote(parts.path.rsplit("/", 1)[-1]))
    return folder / f"{sha256[:12]}-{name[-100:]}"


def _digest(path: Path) -> str:
    h = hashlib.sha256()
    with path.open("rb") as f:
        while block := f.read(_BLOCK):
            h.update(block)
    return h.hexdigest()


def _download(url: str, to, size: int | None, timeout: float) -> tuple[str, int]:
    """Copy what the server sends to a file, and return its SHA-256 and its length."""
    h, length = hashlib.sha256(), 0
    request = urllib.request.Request(url, headers={"User-Agent": "goastroml", "Accept-Encoding": "identity"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            while block := answer.read(_BLOCK):
                h.update(block)
                length += len(block)
                if size is not None and length > size:
                    raise ValueError(f"datasets: {url}: more than {size} bytes came, want {size}")
                to.write(block)
            # A read of so many bytes does not say that the connection ended early.
            if answer.length:
                raise http.client.IncompleteRead(b"", answer.length)
    except urllib.error.HTTPError as e:
        raise OSError(f"datasets: {url}: the server answered {e.code} {e.reason}") from e
    except urllib.error.URLError as e:
        raise OSError(f"datasets: {url}: cannot be reached: {e.reason}") from e
    except http.client.IncompleteRead as e:
        raise OSError(f"datasets: {url}: the connection ended after {length} bytes, {e.expected} were to come") from e
    except (http.client.HTTPException, TimeoutError, ConnectionError) as e:
        raise OSError(f"datasets: {url}: the connection broke after {length} bytes: {e!r}") from e
    return h.hexdigest(), length
