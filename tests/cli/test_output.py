"""What the terminal shows: whole names, paths broken at separators, colours of emotions."""

import io

import pytest
from rich.console import Console

from sottovoce.cli import run
from sottovoce.cli._output import BrokenPath, table
from sottovoce.cli._timeline_view import Strip
from sottovoce.cli.models import show
from sottovoce.emotions import colour
from sottovoce.models.registry import available
from sottovoce.results import Prediction, Segment, Status


def terminal(width: int, **options: object) -> Console:
    """A terminal that keeps what it is shown."""
    options = {"force_terminal": True, "color_system": None} | options
    return Console(file=io.StringIO(), width=width, highlight=False, **options)  # type: ignore[arg-type]


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def prediction(status: Status = Status.OK, source: str = "a.wav") -> Prediction:
    return Prediction(
        status=status,
        emotion="angry",
        confidence=0.7,
        probabilities={"sad": 0.3, "angry": 0.7},
        model="m",
        source=source,
        duration=1.0,
    )


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_names_of_models_are_whole(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    console = terminal(width)
    monkeypatch.setattr("sottovoce.cli._output.new_console", lambda: console)
    with pytest.raises(BaseException, match="0"):  # typer.Exit
        show()
    lines = shown(console).splitlines()
    for name in available():
        assert any(line.strip().split(" ")[0] == name for line in lines), name
    assert "…" not in shown(console)
    assert max(map(len, lines)) <= width


def test_paths_break_after_separators() -> None:
    path = "/data/recordings-of-2024/interviews/anna-and-ben/session-one/first-part.wav"
    console = terminal(80)
    with table(console, console) as add:
        add(prediction(source=path))
    cells = [line.split("  ")[0].strip() for line in shown(console).splitlines()]
    parts = cells[cells.index("recording") + 2 :]
    parts = parts[: parts.index("")]
    assert len(parts) > 1
    assert "".join(parts) == path
    assert all(part.endswith("/") for part in parts[:-1])


def test_a_name_that_is_longer_than_a_line_is_broken_and_whole() -> None:
    console = terminal(10)
    console.print(BrokenPath("folder/a-very-long-name.wav"))
    lines = [line.strip() for line in shown(console).splitlines()]
    assert "".join(lines) == "folder/a-very-long-name.wav"
    assert lines[0] == "folder/"


@pytest.mark.parametrize("arguments", [["models"], ["predict", "samples"], ["recipes"]])
def test_piped_lines_carry_no_padding(
    arguments: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pathlib import Path

    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    monkeypatch.setenv("COLUMNS", "80")
    assert run(arguments) == 0
    lines = capfd.readouterr().out.splitlines()
    assert max(map(len, lines)) > 80  # nor are they broken
    assert [line for line in lines if line != line.rstrip()] == []


@pytest.mark.parametrize("status", [Status.OK, Status.UNCERTAIN])
def test_an_emotion_has_its_own_colour_in_the_table_and_in_the_strip(status: Status) -> None:
    shade = colour("angry", ["angry"])
    console = terminal(100, record=True)
    with table(console, console) as add:
        add(prediction(status))
    assert console.export_html(inline_styles=True).count(f'"color: {shade};') == 2
    strip = Strip(["sad", "angry"])
    strip.add(
        Segment(
            start=0,
            end=5,
            status=status,
            emotion="angry",
            confidence=0.7,
            probabilities={"sad": 0.3, "angry": 0.7},
        )
    )
    console = terminal(100, record=True)
    console.print(strip.lines(100, utf=True)[0])
    assert shade in console.export_html(inline_styles=True)
