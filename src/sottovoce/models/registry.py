"""Where models come from: built into the package, the folders where they lie, or a path."""

import os
from collections.abc import Sequence
from pathlib import Path

from sottovoce.errors import ModelError
from sottovoce.models.model import Model
from sottovoce.system import checkout

DEFAULT = "sottovoce-small"
"""The model that `load` gives when none is named."""

FOLDER_VARIABLE = "SOTTOVOCE_MODELS"
"""The environment variable naming folders of further models, separated as in PATH."""

HERE = Path("models")
"""The folder of models beside what a command was started in."""


def available() -> dict[str, Path]:
    """Name -> file of every model that can be loaded by name, sorted by name.

    They lie in the folders that `SOTTOVOCE_MODELS` names, in the package, in the folder `models` of
    the checkout that Sottovoce was installed from, and in that of the current folder. Of two of one
    name the first in this order is meant: the same one wherever a command is started.
    """
    own = os.environ.get(FOLDER_VARIABLE, "").split(os.pathsep)
    folders = [*map(Path, filter(None, own)), Path(__file__).parent / "builtin"]
    if (source := checkout()) is not None:
        folders.append(source / "models")
    found: dict[str, Path] = {}
    for folder in [*folders, HERE]:
        for file in folder.glob("*.onnx"):
            found.setdefault(file.stem, file)
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
        f"no model is called {name!r}; known: {', '.join(known) or 'none'}; give the path of an "
        f".onnx file, or name the folder that it lies in in {FOLDER_VARIABLE}"
    )


def load(
    name_or_path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    *,
    threads: int = 1,
) -> Model:
    """A model, ready to predict.

    Args:
        name_or_path: a name from `available`, the path of a model file, or None for the default.
            Several: models with the same labels that answer together, with the mean of their
            probabilities.
        threads: how many threads one run of a model may use.

    Raises:
        ModelError: no such model, or its file is refused.
        SottovoceError: of several the labels differ, or one is there twice.
    """
    if name_or_path is None or isinstance(name_or_path, str | os.PathLike):
        return Model.open(find(name_or_path), threads=threads)
    paths = [find(each) for each in name_or_path]
    members = [Model.open(path, threads=threads) for path in paths or [find()]]
    if len(members) == 1:
        return members[0]
    from sottovoce.models.ensemble import Ensemble

    return Ensemble(members)
