"""The few kinds of error that a user of Sottovoce can meet, each one clear line."""

import json
from urllib.parse import urlsplit
from urllib.request import url2pathname


class SottovoceError(Exception):
    """Base of every error raised on purpose; its text is one line fit for a person.

    The text says what was found, what was expected and what to do.
    """


class AudioError(SottovoceError):
    """A recording could not be read or decoded."""


class ModelError(SottovoceError):
    """A model file was refused, or no model has the name asked for."""


class RecipeError(SottovoceError):
    """A recipe (TOML) is not valid; the text names the key and the allowed values."""


class CorpusError(SottovoceError):
    """A corpus folder, a protocol or a split cannot be used as asked."""


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


def install_line(*extras: str) -> str:
    """The command that adds optional dependencies to this installation of Sottovoce.

    A checkout (an editable install, PEP 610) is installed again from its folder, anything else
    by name.

    Args:
        extras: names of optional dependencies, as in pyproject.toml.
    """
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        origin = json.loads(distribution("sottovoce").read_text("direct_url.json") or "{}")
    except PackageNotFoundError:
        origin = {}
    names = ",".join(extras)
    if origin.get("dir_info", {}).get("editable"):
        folder = url2pathname(urlsplit(origin["url"]).path)
        return f'pip install --editable "{folder}[{names}]"'
    return f'pip install "sottovoce[{names}]"'
