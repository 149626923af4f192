"""Turns pydantic's validation errors into messages: the key, the value, what is allowed."""

import difflib
from collections.abc import Iterable
from typing import NamedTuple, get_args

from pydantic import BaseModel, ValidationError


class RecipeProblem(NamedTuple):
    """A key of a recipe, dotted, and what is wrong with it."""

    key: str
    message: str


def problems_in(
    error: ValidationError, model: type[BaseModel], prefix: str = ""
) -> list[RecipeProblem]:
    """Turn each of pydantic's errors into a message: the key, what was found, what is allowed."""
    problems = []
    prefixed = [prefix] if prefix else []
    details = error.errors(include_url=False)
    # A misspelt key is both unknown and missing: the first says more.
    for detail in sorted(details, key=lambda detail: detail["type"] != "extra_forbidden"):
        where = [str(part) for part in detail["loc"]]
        key = ".".join(part if part.isprintable() else repr(part) for part in (*prefixed, *where))
        expected = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
        expected = expected[0].lower() + expected[1:]
        if detail["type"] == "extra_forbidden":
            allowed = _allowed(model, where[:-1])
            near = difflib.get_close_matches(where[-1], allowed, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            problems.append(
                RecipeProblem(key, f"unknown key{hint}; allowed: {listed(sorted(allowed))}")
            )
        elif detail["type"] == "missing":
            problems.append(RecipeProblem(key, "missing"))
        elif not where and ": " in expected:  # a rule over several keys names its key itself
            name, _, message = expected.partition(": ")
            problems.append(RecipeProblem(".".join((*prefixed, name)), message))
        elif isinstance(detail["input"], dict):  # a rule over several keys of one table
            problems.append(RecipeProblem(key, expected))
        else:
            problems.append(RecipeProblem(key, f"found {shown(detail['input'])}; {expected}"))
    return list({problem.key: problem for problem in reversed(problems)}.values())[::-1]


def _allowed(model: type[BaseModel], where: list[str]) -> list[str]:
    """The keys of the table at `where` inside `model`."""
    for part in where:
        kind = model.model_fields[part].annotation
        inner = next(iter(get_args(kind)), kind)  # of Table | None, the table
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)


def listed(names: Iterable[str]) -> str:
    """Names, as a sentence lists them."""
    return ", ".join(names)


def shown(value: object) -> str:
    """A value as a reader of TOML would write it, cut to fit in a line."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
