"""Where Sottovoce keeps what it can make or find again."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder of all caches.

    That is $SOTTOVOCE_CACHE where it is set, otherwise `sottovoce` in the user's cache folder.
    """
    own = os.environ.get("SOTTOVOCE_CACHE")
    if own:
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "sottovoce"
