"""Fixtures for the tests of the service."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from serving import Running, running
from tiny_model import write_tiny

import sottovoce


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a tiny model."""
    return write_tiny(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="session")
def model(tiny: Path) -> sottovoce.Model:
    """The same, as the library has it."""
    return sottovoce.load(tiny)


@pytest.fixture(scope="module")
def served(tiny: Path) -> Iterator[Running]:
    """A service with the usual limits."""
    with running(tiny) as one:
        yield one


@pytest.fixture
def http(served: Running) -> Iterator[httpx.Client]:
    """A client of it."""
    with httpx.Client(base_url=served.url, timeout=30) as client:
        yield client
