"""Prints the licences of the Go modules that are linked into the shared libraries."""

import json
import pathlib
import subprocess
import sys


def modules():
    """Modules of the packages that bindings imports, Go's own library first."""
    goroot = subprocess.check_output(["go", "env", "GOROOT"], text=True).strip()
    version = subprocess.check_output(["go", "env", "GOVERSION"], text=True).strip()
    yield "Go standard library", version, goroot
    # gopyh is linked by the glue that gopy writes.
    packages = ["./bindings", "github.com/go-python/gopy/gopyh"]
    text = subprocess.check_output(["go", "list", "-deps", "-json=Module", *packages], text=True)
    decoder, at, seen = json.JSONDecoder(), 0, {}
    while at < len(text.rstrip()):
        entry, at = decoder.raw_decode(text, at + (len(text[at:]) - len(text[at:].lstrip())))
        m = entry.get("Module")
        if m and not m.get("Main"):
            seen[m["Path"]] = m["Version"], m["Dir"]
    for path in sorted(seen):
        yield path, *seen[path]


def main():
    for path, version, folder in modules():
        files = [f for f in sorted(pathlib.Path(folder).iterdir()) if f.name.split(".")[0].upper() in ("LICENSE", "LICENCE", "COPYING", "NOTICE", "PATENTS")]
        if not files and path.startswith("Go "):  # some distributions keep it elsewhere
            print(f"{'=' * 79}\n{path} {version}: BSD-3-Clause, https://go.dev/LICENSE\n{'=' * 79}\n")
        elif not files:
            sys.exit(f"licenses.py: {path} {version} has no licence file")
        for f in files:
            print(f"{'=' * 79}\n{path} {version}: {f.name}\n{'=' * 79}\n")
            print(f.read_text(encoding="utf-8", errors="replace").rstrip() + "\n")


if __name__ == "__main__":
    main()
