"""Command-line options made from the models of `sottovoce.options`, and those of several commands.

A field of a model is an option: its name, bounds, default and help are written there alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Annotated, Any, TypeVar, cast, get_origin

import typer
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from sottovoce.errors import SottovoceError
from sottovoce.options import StrictModel

METAVARS = {"s": "SECONDS", "probability": "0..1", "rate": "0..1", "level": "LEVEL"}
"""Unit of a field -> what stands for its value in the help."""

BY_NAME = inspect.Parameter.KEYWORD_ONLY

ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME|FILE",
        help="A name that `sottovoce models` lists, or an .onnx file.",
        show_default="the built-in model",
    ),
]
ModelNames = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME|FILE",
        help="A name that `sottovoce models` lists, or an .onnx file; given again, models with "
        "the same labels answer together, with the mean of their probabilities.",
        show_default="the built-in model",
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object a line, as they come, and nothing else."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", metavar="N", min=1, help="Threads.", show_default="one a processor, at most 4"
    ),
]

RawCsv = Annotated[
    bool,
    typer.Option(
        "--raw-csv",
        help="In CSV, leave texts that begin with =, +, - or @ as they are; a spreadsheet takes "
        "them for formulas.",
    ),
]

ProfileFile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="FILE",
        help="Judge against a voice or a place: what `sottovoce profile` made.",
        show_default=False,
    ),
]

ModelType = TypeVar("ModelType", bound=StrictModel)
Command = Callable[..., None]


def takes_options(**models: type[StrictModel]) -> Callable[[Command], Command]:
    """Give a command an option for every field of a model, in place of the parameter so named.

        @takes_options(options=RecordingOptions)
        def timeline(path: str, options: RecordingOptions) -> None: ...

    What a model adds stands before what it inherits. A field that is a model itself becomes the
    options of its own fields, a tuple one option with commas, a dict one that may be repeated. A
    model's title, where it has one, is its panel in the help.
    `json_schema_extra` of a field may have: `unit`, or `metavar` where it has none; `default`, the
    default in words; `option`, the option's name where it is not the field's, None for no option;
    `scale`, by which the option's number is multiplied.

    Args:
        models: parameter of the command -> model of which it gets an instance, checked before the
            command runs; a value that is not allowed raises SottovoceError.
    """

    def decorate(command: Command) -> Command:
        @wraps(command)
        def run(**values: Any) -> None:
            made = {name: _instance(model, values) for name, model in models.items()}
            command(**values, **made)

        signature = inspect.signature(command, eval_str=True)
        parameters = list[inspect.Parameter]()
        for name, given in signature.parameters.items():
            parameters += _parameters(models[name]) if name in models else [given]
        by_name = [parameter.replace(kind=BY_NAME) for parameter in parameters]
        run.__signature__ = signature.replace(parameters=by_name)  # type: ignore[attr-defined]
        return run

    return decorate


def _parameters(model: type[StrictModel]) -> Iterator[inspect.Parameter]:
    """One parameter, as Typer reads them, for each field."""
    panel = model.model_config.get("title")
    bases = [base for base in model.__mro__ if issubclass(base, StrictModel)]
    order = sorted(model.model_fields, key=lambda name: sum(name in b.model_fields for b in bases))
    for name in order:
        field = model.model_fields[name]
        if nested := _nested(field):
            yield from _parameters(nested)
        elif (extra := _extra(field)).get("option", name) is not None:
            option = typer.Option(
                extra.get("option", f"--{name.replace('_', '-')}"),
                metavar=extra.get("metavar", METAVARS.get(extra.get("unit", ""))),
                help=field.description,
                rich_help_panel=panel,
                show_default=extra.get("default", True),
            )
            kind, default = _plain(field)
            annotation = Annotated[kind, option]  # type: ignore[valid-type]
            yield inspect.Parameter(name, BY_NAME, default=default, annotation=annotation)


def _instance(model: type[ModelType], values: dict[str, Any]) -> ModelType:
    """A model of the values of its fields, which are taken out of `values`."""
    given: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if nested := _nested(field):
            given[name] = _instance(nested, values)
        elif name in values:
            given[name] = _value(field, values.pop(name))
    try:
        return model(**given)
    except ValidationError as error:
        raise SottovoceError(model.first_error(error)) from None


def _plain(field: FieldInfo) -> tuple[Any, Any]:
    """Type and default of a field as an option: a tuple with commas, a number in its unit.

    A dict is an option that may be repeated, each time with a pair, KEY=VALUE.
    """
    if get_origin(field.annotation) is dict:
        return list[str], []
    if get_origin(field.annotation) is tuple:
        return str, ",".join(field.default)
    scale = _extra(field).get("scale")
    return (float, field.default / scale) if scale else (field.annotation, field.default)


def _value(field: FieldInfo, value: Any) -> Any:
    """The field's own value of what `_plain` stands for."""
    if get_origin(field.annotation) is dict:
        return dict(map(_pair, value))
    if get_origin(field.annotation) is tuple:
        return tuple(part for part in map(str.strip, value.split(",")) if part)
    scale = _extra(field).get("scale")
    return round(value * scale) if scale else value


def _pair(text: str) -> tuple[str, str]:
    key, _, value = (part.strip() for part in text.partition("="))
    if not key or not value:
        raise SottovoceError(f"{text!r}: expected a pair, such as exc=happy")
    return key, value


def _nested(field: FieldInfo) -> type[StrictModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, StrictModel) else None


def _extra(field: FieldInfo) -> dict[str, Any]:
    return cast(dict[str, Any], field.json_schema_extra or {})
