"""Writes docs/recipes.md from the schema of a recipe: `python -m sottovoce.learn.recipe.docs`."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Annotated, Any, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.registry import frontends, networks

OPENING = """# Recipes

A recipe is one TOML file that says everything about an experiment. It is checked before anything
runs, and it is kept in the run and in the model file.

    sottovoce train recipes/NAME.toml --data CORPUS=DIR

Folders are given on the command line, so a recipe holds no path. A wrong key or value gets one line
that names it and what is allowed:

    recipes/mine.toml: training.epohs: unknown key (did you mean epochs?); allowed: batch, ...

## Several GPUs or machines

    [training]
    devices = 4       # GPUs of a machine that train one network together
    num_nodes = 1     # machines
    strategy = "auto" # Lightning's name of how; auto is ddp, distributed data parallel

A process trains on each device, and each batch is divided among them: batch, steps and learning
rate are those of the recipe, however many devices there are, and so is what is learned, but for
batch norm, which sees a process's own share of a batch, and for what is changed at random. So raise
`batch` with the devices. On one machine the command starts the other processes itself. On several,
start it on each of them, with the run's folder, the corpora and the cache (SOTTOVOCE_CACHE) on a
disk that all of them see:

    torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d --rdzv-endpoint HOST:29500 \\
        "$(command -v sottovoce)" train recipes/NAME.toml --data CORPUS=DIR --out DIR
    srun --nodes 2 --ntasks-per-node 4 --gpus-per-node 4 \\
        sottovoce train recipes/NAME.toml --data CORPUS=DIR --out DIR

One process writes the run, as if it were alone; `--resume` goes on with it. Validation and test
clips are judged in every process. What was tested is two processes on the processors of one machine
(`--device cpu`, gloo), not several GPUs.

## Keys

Below is every key, made from the schema by `python -m sottovoce.learn.recipe.docs`. A key without a
default must be there.
"""

WINDOW: Mapping[str, str] = MappingProxyType(
    {
        "trim": "speech: keep from the first speech to the last, with `margin`. none: keep all.",
        "margin": "s kept on either side of the speech, as far as the recording goes.",
        "grid": "s; the length of a piece is brought down to a multiple of this.",
        "min": "s; shorter pieces are padded with zeros on both sides.",
        "max": "s; longer ones are split evenly, and their probabilities averaged.",
    }
)
"""What the card of a model says of its window, for readers of a recipe."""


def document() -> str:
    """Give the page: one table for each table of a recipe, and for each front end and network."""
    kinds = {
        name: next(iter(get_args(field.annotation)), field.annotation)
        for name, field in Recipe.model_fields.items()
    }
    tables = {
        name: kind
        for name, kind in kinds.items()
        if isinstance(kind, type) and issubclass(kind, BaseModel)
    }
    parts = [OPENING, _section("Top of the file", Recipe, set(tables))]
    for name, model in tables.items():
        classes: Mapping[str, Any] = {"frontend": frontends, "network": networks}.get(name, dict)()
        for component, kind in classes.items():
            heading = f'`[{name}]` with `name = "{component}"`'
            parts.append(_section(heading, kind.Options, about=_first_line(kind)))
        if not classes:
            parts.append(_section(f"`[{name}]`", model, about=_first_line(model)))
    return "\n".join(parts)


def _section(
    heading: str, model: type[BaseModel], without: Collection[str] = (), about: str = ""
) -> str:
    rows = ["| key | default | allowed | what it is |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if name not in without:
            default = "" if field.is_required() else f"`{_toml(field.default)}`"
            default = "not set" if field.default is None else default
            text = (field.description or WINDOW.get(name, "")).replace("|", "\\|")
            rows.append(f"| `{name}` | {default} | {_allowed(field)} | {text} |")
    return "\n".join([f"## {heading}", "", *([about, ""] if about else []), *rows, ""])


def _first_line(model: type) -> str:
    return (model.__doc__ or "").partition("\n")[0]


def _allowed(field: FieldInfo) -> str:
    """The type in the terms of TOML, with bounds."""
    bounds = [
        f"{sign} {getattr(rule, name)}"
        for rule in field.metadata
        for kind, name, sign in ((Ge, "ge", "≥"), (Gt, "gt", ">"), (Le, "le", "≤"), (Lt, "lt", "<"))
        if isinstance(rule, kind)
    ]
    return " ".join([_kind(field.annotation), ", ".join(bounds)]).strip()


def _kind(annotation: object) -> str:
    names: Mapping[object, str] = {
        bool: "`true`, `false`",
        int: "whole number",
        float: "number",
        str: "text",
        Any: "value",
    }
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if origin is dict:
        return f"table of {_plural(_kind(_bare(arguments[1])))}"
    if arguments and arguments[-1] is type(None):
        return _kind(_bare(arguments[0]))
    if origin is tuple:
        return f"list of {_plural(_kind(_bare(arguments[0])))}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "tables"
    if annotation in names:
        return names[annotation]
    if all(isinstance(value, str | int | float) for value in arguments):
        return ", ".join(f"`{_toml(value)}`" for value in arguments)
    return " or ".join(_kind(_bare(argument)) for argument in arguments)


def _bare(annotation: Any) -> object:
    """Annotated[int, ...] -> int."""
    return annotation.__origin__ if get_origin(annotation) is Annotated else annotation


def _plural(kind: str) -> str:
    kind = f"lists{kind[4:]}" if kind.startswith("list ") else kind
    return f"{kind}s" if kind.endswith(("number", "value")) else kind


def _toml(value: object) -> str:
    """A value as it stands in a TOML file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


if __name__ == "__main__":
    print(document(), end="")
