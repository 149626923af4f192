"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real corpora that UNDERTONE_DATA names; skips the test where there is none."""
    folder = os.environ.get("UNDERTONE_DATA")
    if not folder:
        pytest.skip("real speech is needed: set UNDERTONE_DATA to the folder of corpora")
    return Path(folder)


@pytest.fixture(scope="session")
def ravdess(corpora: Path) -> Path:
    """The folder of RAVDESS speech."""
    return corpora / "ravdess"


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the tests' caches away from the user's."""
    os.environ["UNDERTONE_CACHE"] = str(tmp_path_factory.mktemp("cache"))
