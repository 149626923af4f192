"""Fixtures for the tests of the service."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from serving import RunningService, run_service


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
