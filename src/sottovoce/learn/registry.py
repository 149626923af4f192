"""Finds front ends and networks by name: each is one class in one file of its sub-package."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from sottovoce.errors import MissingExtraError

if TYPE_CHECKING:
    from sottovoce.learn.frontends import FrontEnd
    from sottovoce.learn.networks import Network

T = TypeVar("T")


def frontends() -> Mapping[str, type[FrontEnd]]:
    """Every front end, by the name that recipes use.

    Raises:
        MissingExtraError: torch is not installed.
    """
    package = _import("sottovoce.learn.frontends")
    return _classes(package, package.FrontEnd)


def networks() -> Mapping[str, type[Network]]:
    """Every network, by the name that recipes use.

    Raises:
        MissingExtraError: torch is not installed.
    """
    package = _import("sottovoce.learn.networks")
    return _classes(package, package.Network)


def _import(package: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("sottovoce"):
            raise
        raise MissingExtraError("the learning half", error.name, "learn") from error


def _classes(package: ModuleType, base: type[T]) -> dict[str, type[T]]:
    """Import each module of `package`; its subclasses of `base`, by name, in order of name."""
    found: dict[str, type[T]] = {}
    for entry in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        for item in vars(importlib.import_module(entry.name)).values():
            if isinstance(item, type) and issubclass(item, base) and item.__module__ == entry.name:
                name = getattr(item, "name", None)
                if isinstance(name, str):
                    found[name] = item
    return dict(sorted(found.items()))
