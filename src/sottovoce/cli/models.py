"""`sottovoce models`: which models there are, how good they are, and the whole card of one."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from sottovoce.text import display_path

if TYPE_CHECKING:
    from rich.console import Console

    from sottovoce.models.card import Card, CorpusInfo, EncoderInfo, Figure

COLUMNS = {
    "model": 0,
    "version": 130,
    "labels": 0,
    "UAR (95 %)": 0,
    "measured by": 100,
    "size": 0,
    "licence": 130,
}
"""Heading of a column of the list -> columns that a terminal must have for it, so that names stay
whole; the card of a model has everything."""

EXAMPLES = """Examples:

  sottovoce models\n
  sottovoce models sottovoce-small\n
  sottovoce models my-model.onnx --json\n
  sottovoce models verify theirs.onnx --key anna.pub"""


class _ShowsByDefault(TyperGroup):
    """`sottovoce models X` is `sottovoce models show X`, unless X is another command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `show` first where no command is named."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["show", *args]
        return super().parse_args(ctx, args)


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    group = typer.Typer(callback=models, cls=_ShowsByDefault, epilog=EXAMPLES)
    group.command(epilog=EXAMPLES)(show)
    group.command()(verify)
    group.command()(sign)
    app.add_typer(group, name="models")


def models() -> None:
    """List the models, show the card of one, or check whose it is."""


def show(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME|FILE]", help="Show the card of this model.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one model a line.")] = False,
) -> None:
    """List the models, or show what one was trained on, how good it is and what it cannot do.

    The word `show` may be left out.
    """
    from sottovoce.cli._output import new_console
    from sottovoce.errors import ModelError
    from sottovoce.inference.predictor import source_path
    from sottovoce.models.model_file import read_model_file
    from sottovoce.models.registry import available, find

    files = available().values() if model is None else [find(model)]
    cards: list[tuple[Path, Card]] = []
    problems: list[ModelError] = []
    for file in files:
        try:
            cards.append((file, read_model_file(file)[1]))
        except ModelError as error:
            if model is not None:
                raise
            problems.append(error)
    console = new_console()
    if as_json:
        for file, card in cards:
            facts = {"file": source_path(file), "bytes": file.stat().st_size}
            print(json.dumps(facts | card.model_dump(mode="json")))
    elif model is None:
        _list(cards, console)
    else:
        _show(*cards[0], console)
    for problem in problems:
        typer.echo(f"sottovoce: {problem}", err=True)
    raise typer.Exit(1 if problems else 0)


ModelFile = Annotated[str, typer.Argument(metavar="NAME|FILE", help="The model.")]


def verify(
    model: ModelFile,
    key: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="The public key (Ed25519, PEM) of the person that you trust."
        ),
    ],
    signature: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The signature.", show_default="MODEL.sig, beside it"),
    ] = None,
) -> None:
    """Check that a model is, to the last bit, what the owner of a key signed."""
    from sottovoce.models import signature as signatures
    from sottovoce.models.registry import find

    file = find(model)
    signatures.verify(file, key, signature)
    typer.echo(f"{display_path(file)}: signed by the owner of {display_path(key)}")


def sign(
    model: ModelFile,
    key: Annotated[
        Path, typer.Option(metavar="FILE", help="Your private key (Ed25519, PEM, no password).")
    ],
) -> None:
    """Sign a model for those who have your public key; the signature lies beside it."""
    from sottovoce.models import signature as signatures
    from sottovoce.models.registry import find

    typer.echo(display_path(signatures.sign(find(model), key)))


def _list(cards: "list[tuple[Path, Card]]", console: "Console") -> None:
    from rich.text import Text

    from sottovoce.cli._output import BrokenPath, empty_table

    if not cards:
        console.print("There are no models here; give the path of an .onnx file.")
        return
    table = empty_table(console)
    columns = [heading for heading, width in COLUMNS.items() if console.width >= width]
    for heading in columns:
        table.add_column(heading, no_wrap=heading in ("model", "UAR (95 %)"), overflow="fold")
    for file, card in cards:
        uar = next((figure for figure in card.figures if figure.metric == "uar"), None)
        measured = _figure(uar) if uar else "not measured"
        if card.protocol.optimistic and "measured by" not in columns:
            measured += " optimistic"
        size = _size(file) + (f" + {card.encoder.name}" if card.encoder else "")
        cells: dict[str, Text | BrokenPath] = {
            "model": Text(file.stem),
            "version": Text(card.version),
            "labels": Text(" ".join(card.labels)),
            "UAR (95 %)": Text(measured),
            "measured by": Text(_protocol(card)),
            "size": BrokenPath(size),
            "licence": Text(card.licence),
        }
        table.add_row(*(cells[heading] for heading in columns))
    console.print(table)


def _show(file: Path, card: "Card", console: "Console") -> None:
    from rich.table import Table
    from rich.text import Text

    from sottovoce.cli._output import BrokenPath

    window, calibration = card.window, card.calibration
    lines = [
        ("model", card.title),
        ("file", display_path(file)),
        ("size", _size(file)),
        ("what it is", card.description),
        ("labels", ", ".join(card.labels)),
        ("language", card.language),
        *(
            ("figure", f"{figure.metric}: {_figure(figure)} {figure.note}")
            for figure in card.figures
        ),
        ("measured by", f"{_protocol(card)}. {card.protocol.note}"),
        *(("trained on", _corpus(corpus)) for corpus in card.corpora),
        *((("stands on", _encoder(card.encoder, file)),) if card.encoder else ()),
        ("hears", f"{card.sample_rate} Hz; trim {window.trim}, {window.min:g} to {window.max:g} s"),
        ("uncertain", f"below {card.min_confidence:.0%}"),
        ("calibration", f"{calibration.method}, fitted on {calibration.fitted_on or 'nothing'}"),
        *(("limit", limit) for limit in card.limits),
        ("licence", card.licence),
        ("made on", card.created),
    ]
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    before = ""
    for heading, text in lines:
        table.add_row(
            "" if heading == before else heading,
            BrokenPath(text) if heading == "file" else Text(text.strip()),
        )
        before = heading
    console.print(table)


def _corpus(corpus: "CorpusInfo") -> str:
    speakers = corpus.speakers or "unknown"
    return f"{corpus.name}: {corpus.clips} clips, {speakers} speakers, {corpus.licence}"


def _encoder(info: "EncoderInfo", model: Path) -> str:
    """Which encoder, whether it is here, and how to make it if it is not."""
    from sottovoce.models.encoder import encoder_file

    made = encoder_file(info)
    if made.exists():
        return f"{info.name}, in {display_path(made)} ({_size(made)})"
    return f"{info.name}, not here yet; make it with: sottovoce encoder {display_path(model)}"


def _protocol(card: "Card") -> str:
    protocol = card.protocol
    counts = [(protocol.folds, "fold"), (len(protocol.seeds), "seed")]
    words = ", ".join(
        [protocol.name, *(f"{count} {what}{'s' * (count != 1)}" for count, what in counts)]
    )
    return f"{words}, optimistic: speakers overlap" if protocol.optimistic else words


def _figure(figure: "Figure") -> str:
    """A figure with its interval: 64.1 % (58.0 to 70.2)."""
    if figure.unit == "fraction":
        return f"{figure.value:.1%} ({100 * figure.low:.1f} to {100 * figure.high:.1f})"
    return f"{figure.value:.3g} {figure.unit} ({figure.low:.3g} to {figure.high:.3g})"


def _size(file: Path) -> str:
    return f"{file.stat().st_size / 1e6:.1f} MB"
