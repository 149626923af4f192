"""The few kinds of error that a user of Sottovoce can meet, each one clear line."""

import json
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from sottovoce.text import printable


class SottovoceError(Exception):
    """Base of every error raised on purpose; its text is one line fit for a person.

    The text says what was found, what was expected and what to do. What it quotes of a file may be
    anybody's, so that control characters are spelled out in it.
    """

    def __init__(self, text: str) -> None:
        super().__init__(printable(text))


class AudioError(SottovoceError):
    """A recording could not be read or decoded."""


class ModelError(SottovoceError):
    """A model file was refused, or no model has the name given."""


class RecipeError(SottovoceError):
    """A recipe (TOML) is not valid; the text names the key and the allowed values."""


class CorpusError(SottovoceError):
    """A corpus folder, a protocol or a split cannot be used as given."""


class DownloadError(SottovoceError):
    """A file could not be fetched, or it is not what its owner published."""


class MissingExtraError(SottovoceError):
    """An optional dependency is missing; the text gives the exact install line.

    Args:
        feature: what needs it, e.g. "the microphone".
        package: that is missing, e.g. "sounddevice".
        extras: of Sottovoce that bring it, e.g. "microphone".
    """

    def __init__(self, feature: str, package: str, *extras: str) -> None:
        super().__init__(f"{feature} needs {package}; run: {install_line(*extras)}")


def install_line(*extras: str, checkout: str | None = None) -> str:
    """The command that adds optional dependencies to this installation of Sottovoce.

    Args:
        extras: names of optional dependencies, as in pyproject.toml.
        checkout: folder of the checkout that it is installed from (an editable install, PEP 610);
            looked for if None, and "" where it is installed from a wheel.
    """
    if checkout is None:
        origin, editable = installed_from()
        checkout = str(origin) if editable else ""
    names = ",".join(extras)
    if checkout:
        return f'pip install --editable "{checkout}[{names}]"'
    return f'pip install "sottovoce[{names}]"'


def installed_from() -> tuple[Path | None, bool]:
    """The folder or the wheel on this machine that Sottovoce was installed from, as PEP 610 has it.

    Returns:
        Its path, None where there is none; and whether the installation is an editable one.
    """
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        origin = json.loads(distribution("sottovoce").read_text("direct_url.json") or "{}")
    except PackageNotFoundError:  # run from the source tree, not installed
        return None, False
    url = urlsplit(origin.get("url", ""))
    path = Path(url2pathname(url.path)) if url.scheme == "file" else None
    return path, bool(origin.get("dir_info", {}).get("editable"))
