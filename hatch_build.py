"""Puts what the web page needs of others into the package: `make page`, and every wheel, does this.

wavesurfer.js and fflate come from npm by package-lock.json; they are never committed.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGE = Path("src", "sottovoce", "serve", "page")
VENDOR = {
    "wavesurfer.js": "wavesurfer.js/dist/wavesurfer.esm.js",
    "minimap.js": "wavesurfer.js/dist/plugins/minimap.esm.js",
    "timeline.js": "wavesurfer.js/dist/plugins/timeline.esm.js",
    "regions.js": "wavesurfer.js/dist/plugins/regions.esm.js",
    "fflate.js": "fflate/esm/browser.js",
    "wavesurfer.LICENSE": "wavesurfer.js/LICENSE",
    "fflate.LICENSE": "fflate/LICENSE",
}
"""File in the page's folder `vendor` -> where npm puts it."""

SAMPLES = ("calm-voice.wav", "lively-voice.wav", "stern-voice.wav")


def is_built(root: Path) -> bool:
    """Whether all of it is there."""
    vendor = (root / PAGE / "vendor" / name for name in VENDOR)
    samples = (root / PAGE / "samples" / name for name in SAMPLES)
    return all(path.is_file() for path in (*vendor, *samples))


def build_page(root: Path) -> None:
    """Fetch and copy it; `SystemExit` with one line where npm is missing or fails."""
    if not all((root / "node_modules" / source).is_file() for source in VENDOR.values()):
        _fetch(root)
    for name, source in VENDOR.items():
        _copy(root / "node_modules" / source, root / PAGE / "vendor" / name)
    for name in SAMPLES:
        _copy(root / "samples" / name, root / PAGE / "samples" / name)


def _fetch(root: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        sys.exit(
            "the page needs npm, which comes with Node.js; install it and run again: make page"
        )
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    if subprocess.run(command, cwd=root, check=False, stdout=subprocess.DEVNULL).returncode:
        sys.exit("npm could not fetch what the page needs; see its message above")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(source, target)


class PageHook(BuildHookInterface[Any]):
    """Builds the page into a wheel; an editable install does without, and `make page` adds it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """See the class."""
        root = Path(self.root)
        if version != "editable" and not is_built(root):
            build_page(root)


if __name__ == "__main__":
    build_page(Path(__file__).resolve().parent)
