"""The few kinds of error that a user of Sottovoce can meet, each one clear line."""


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


class MissingExtraError(SottovoceError):
    """An optional dependency is needed; the text gives the exact install line."""


class DownloadError(SottovoceError):
    """A file could not be fetched, or it is not what its owner published."""
