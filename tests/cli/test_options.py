"""Options of the command line that are made from models."""

from typing import Annotated, Literal

import pytest
import typer
from pydantic import Field
from typer.testing import CliRunner

from sottovoce.cli._options import takes_options
from sottovoce.errors import SottovoceError
from sottovoce.options import Options


class Oven(Options, title="The oven"):
    heat: float = Field(default=180.0, gt=0, description="How hot.")
    gas: bool = Field(
        default=False, description="With gas.", json_schema_extra={"option": "--with-gas"}
    )


class Dough(Options):
    oven: Oven = Oven()
    rest: float = Field(
        default=1.5, ge=0, description="How long it rests.", json_schema_extra={"unit": "s"}
    )
    secret: int = Field(default=3, json_schema_extra={"option": None})


class Bread(Dough):
    flour: Literal["rye", "wheat"] = Field(default="rye", description="Of what.")
    salt_share: float | None = Field(
        default=None, le=1, description="How salty.", json_schema_extra={"default": "to taste"}
    )


@pytest.fixture
def bake():
    """Run a command with such options; gives its output, and what it was handed."""
    app, handed = typer.Typer(pretty_exceptions_enable=False), []

    @app.command()
    @takes_options(bread=Bread)
    def command(
        name: str, *, bread: Bread, loud: Annotated[bool, typer.Option("--loud")] = False
    ) -> None:
        handed.append((name, bread, loud))

    def call(*arguments):
        result = CliRunner().invoke(app, arguments, env={"COLUMNS": "100", "NO_COLOR": "1"})
        return result, handed

    return call


def test_the_command_gets_a_checked_model(bake):
    _, handed = bake(
        "loaf", "--flour", "wheat", "--heat", "220", "--rest", "0", "--with-gas", "--loud"
    )
    expected = Bread(flour="wheat", rest=0, oven=Oven(heat=220, gas=True))
    assert handed == [("loaf", expected, True)]


def test_without_options_it_gets_the_defaults(bake):
    assert bake("loaf")[1] == [("loaf", Bread(), False)]


def test_what_a_model_adds_stands_before_what_it_inherits_and_a_title_is_a_panel(bake):
    text = bake("--help")[0].output
    places = [text.index(word) for word in ("--flour", "--salt-share", "--rest", "--loud")]
    assert places == sorted(places)
    assert text.index("The oven") < text.index("--heat")
    assert "secret" not in text


def test_help_has_the_unit_the_sentence_and_the_default(bake):
    text = " ".join(bake("--help")[0].output.split())
    assert "--rest SECONDS How long it rests. [default: 1.5]" in text
    assert "--flour <rye|wheat> Of what. [default: rye]" in text
    assert "How salty. [default: (to taste)]" in text


def test_a_value_that_is_not_allowed_is_one_line_and_the_command_does_not_run(bake):
    result, handed = bake("loaf", "--heat", "0")
    assert isinstance(result.exception, SottovoceError)
    assert str(result.exception) == "heat is 0.0; expected more than 0"
    assert handed == []
