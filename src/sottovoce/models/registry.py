"""Where models come from: built into the package, a folder of one's own, or a path."""

import json
import os
from pathlib import Path
from typing import Any

from sottovoce.errors import ModelError
from sottovoce.models.model import Model

DEFAULT = "sottovoce-small"
"""The model that `load` gives when none is named."""

FOLDER_VARIABLE = "SOTTOVOCE_MODELS"
"""The environment variable naming a folder of further models."""


def available() -> dict[str, Path]:
    """Name -> file of every model that can be loaded by name, sorted by name.

    They are the built-in ones and those in the folder named by `SOTTOVOCE_MODELS`; there, a file of
    the same name as a built-in model takes its place.
    """
    folders = [Path(__file__).parent / "builtin"]
    if own := os.environ.get(FOLDER_VARIABLE):
        folders.append(Path(own))
    found = {file.stem: file for folder in folders for file in folder.glob("*.onnx")}
    return dict(sorted(found.items()))


def find(name_or_path: str | os.PathLike[str] | None = None) -> Path:
    """The file of a model: the default one, one known by name, or the one at a path.

    Raises:
        ModelError: no model has that name; the message lists the known ones.
    """
    name = os.fspath(name_or_path) if name_or_path is not None else DEFAULT
    known = available()
    if name in known:
        return known[name]
    if name.endswith(".onnx") or Path(name).exists():
        return Path(name)
    raise ModelError(
        f"no model is called {name!r}; known: {', '.join(known) or 'none'}; "
        "or give the path of an .onnx file"
    )


def record_of_tests(name_or_path: str | os.PathLike[str] | None = None) -> dict[str, Any] | None:
    """How a model did in its tests: which emotion it took for which, and how surely.

    It stands in a .json file beside the model's; None where there is none.

    Raises:
        ModelError: no such model.
    """
    path = find(name_or_path).with_suffix(".json")
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def load(name_or_path: str | os.PathLike[str] | None = None, *, threads: int = 1) -> Model:
    """A model, ready to predict.

    Args:
        name_or_path: a name from `available`, the path of a model file, or None for the default.
        threads: how many threads one run of the model may use.

    Raises:
        ModelError: no such model, or its file is refused.
    """
    return Model.open(find(name_or_path), threads=threads)
