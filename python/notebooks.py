"""Executes the notebooks and writes their pages.

    notebooks.py [--quick] [--store] OUT

--quick runs them on small settings: the cell tagged "parameters" is followed by
one that sets what the notebook's metadata has under "quick", such as
{"per_class": 20}. --store writes the results into the notebooks themselves.
"""

import argparse
import pathlib
import sys
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

ROOT = pathlib.Path(__file__).resolve().parent.parent / "notebooks"


def quicken(book):
    """Follows the parameters by smaller ones; returns whether there are any."""
    settings = book.metadata.get("quick", {})
    for i, cell in enumerate(book.cells):
        if settings and "parameters" in cell.metadata.get("tags", ()):
            source = "\n".join(f"{k} = {v!r}" for k, v in settings.items())
            book.cells.insert(i + 1, nbformat.v4.new_code_cell(source))
            return True
    return False


def settle(book):
    """Leaves of a progress bar what one sees in the end: its last state."""
    for cell in book.cells:
        outputs = []
        for o in cell.get("outputs", ()):
            if outputs and o.output_type == "stream" and outputs[-1].output_type == "stream" and outputs[-1].name == o.name:
                outputs[-1].text += o.text
            else:
                outputs.append(o)
        for o in outputs:
            if o.output_type == "stream":
                o.text = "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in o.text.split("\n"))
        if outputs:
            cell.outputs = [o for o in outputs if o.output_type != "stream" or o.text.strip()]


def main():
    parser = argparse.ArgumentParser(description="Executes the notebooks and writes their pages.")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--store", action="store_true")
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for path in sorted(ROOT.glob("*.ipynb")):
        book = nbformat.read(path, as_version=4)
        if args.quick and not quicken(book):
            print(f"{path.name}: no quick settings (metadata \"quick\", a cell tagged \"parameters\")")
        start = time.monotonic()
        client = NotebookClient(book, timeout=1800, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}})
        try:
            client.execute()
        except CellExecutionError as e:
            print(e, file=sys.stderr)
            failed += 1
        settle(book)
        page, _ = HTMLExporter(embed_images=True).from_notebook_node(book)
        (args.out / path.with_suffix(".html").name).write_text(page, encoding="utf-8")
        if args.store and not failed:
            nbformat.write(book, path)
        print(f"{path.name}: {time.monotonic() - start:.0f} s, {args.out / path.with_suffix('.html').name}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
