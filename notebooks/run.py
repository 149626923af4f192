"""Runs the notebooks from end to end: `make notebooks`.

What they show and write lies in build/notebooks afterwards; the notebooks themselves stay without
outputs. Exit status: 0 both ran, 2 one could not, which is said in a line.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

HERE = Path(__file__).resolve().parent


def run(notebook: Path, folder: Path) -> Path:
    """Run a notebook in a folder, and write it there with its outputs.

    Raises:
        CellExecutionError: a cell failed; the copy has what came before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = nbformat.read(notebook, as_version=4)
    client = NotebookClient(
        content,
        timeout=None,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    done = folder / notebook.name
    try:
        client.execute(stderr=subprocess.DEVNULL)  # of the kernel: cells keep theirs
    finally:
        nbformat.write(content, done)
    return done


def main(arguments: Sequence[str] | None = None) -> int:
    """Run those that are named, or all, in a folder each."""
    names = list(sys.argv[1:] if arguments is None else arguments)
    notebooks = [Path(name) for name in names] or sorted(HERE.glob("*.ipynb"))
    for notebook in notebooks:
        start = time.monotonic()
        try:
            done = run(notebook, Path("build/notebooks") / notebook.stem)
        except CellExecutionError as error:
            print(f"{notebook.name}: {error.ename}: {error.evalue}", file=sys.stderr)
            return 2
        print(f"{done}: {time.monotonic() - start:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
