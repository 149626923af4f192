"""Finds front ends and networks by name: each is one class in one file of its sub-package."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sottovoce.errors import MissingExtraError

if TYPE_CHECKING:
    from sottovoce.learn.frontends import FrontEnd
    from sottovoce.learn.networks import Network


def frontends() -> Mapping[str, type[FrontEnd]]:
    """Every front end, by the name that recipes use.

    Raises:
        MissingExtraError: torch is not installed.
    """
    return _classes("sottovoce.learn.frontends", "FrontEnd")


def networks() -> Mapping[str, type[Network]]:
    """Every network, by the name that recipes use.

    Raises:
        MissingExtraError: torch is not installed.
    """
    return _classes("sottovoce.learn.networks", "Network")


def _classes(package_name: str, base_name: str) -> dict[str, Any]:
    """Import each module of a package; the subclasses of its base that have a name, by name."""
    try:
        package = importlib.import_module(package_name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("sottovoce"):
            raise
        raise MissingExtraError("the learning half", error.name, "learn") from error
    base, found = getattr(package, base_name), {}
    for entry in pkgutil.iter_modules(package.__path__, f"{package_name}."):
        for item in vars(importlib.import_module(entry.name)).values():
            if isinstance(item, type) and issubclass(item, base) and item.__module__ == entry.name:
                name = getattr(item, "name", None)
                if isinstance(name, str):
                    found[name] = item
    return dict(sorted(found.items()))
