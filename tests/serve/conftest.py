"""Fixtures for the tests of the service."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from browser import pages
from serving import RunningService, run_service, until

from sottovoce.serve import web_page

OTHER = Path(__file__).parents[2] / "models" / "ravdess8-tcn.onnx"


@pytest.fixture(scope="module")
def served(tiny: Path) -> Iterator[RunningService]:
    """A service with the usual limits."""
    with run_service(tiny) as service:
        yield service


@pytest.fixture
def http(served: RunningService) -> Iterator[httpx.Client]:
    """A client of it."""
    with httpx.Client(base_url=served.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def built() -> None:
    """Skips the test where the page's libraries are not there."""
    if not web_page.is_built():
        pytest.skip(web_page.NOT_BUILT)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the service of the page keeps corrections."""
    return tmp_path_factory.mktemp("kept") / "corrections"


@pytest.fixture(scope="module")
def studio(built: None, kept: Path) -> Iterator[RunningService]:
    """The page, its service with the built-in model and another one, for one stream at a time."""
    with run_service(None, OTHER, corrections=kept, limits={"streams": 1}) as service:
        yield service


@pytest.fixture
def visit(_chromium: Any, studio: RunningService) -> Iterator[Callable[..., Any]]:
    """Open the page: `pages` of tests/fakes/browser.py."""
    with pages(_chromium, studio.url) as go:
        yield go
    until(lambda: studio.service.admission.streams == 0)
