"""`sottovoce audit`: a table, JSON and HTML of the same requirements, and an exit status."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest
import soundfile
import typer
from click.testing import Result
from tiny_model import VOICE, tiny_card, write_tiny
from typer.testing import CliRunner

from sottovoce.cli import audit
from sottovoce.errors import CorpusError
from sottovoce.models.card import CorpusInfo, speaker_hash

EMOTIONS = ("01", "02", "03", "05")
"""neutral, calm, happy and angry; calm is none of the tiny model's."""


class Audited(NamedTuple):
    result: Result
    record: dict
    html: str


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    app = typer.Typer()
    audit.register(app)
    return app


@pytest.fixture(scope="module")
def ravdess(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One synthesised voice at different levels, as the clips of a man and a woman."""
    folder = tmp_path_factory.mktemp("ravdess")
    samples, rate = soundfile.read(VOICE)
    for actor in (1, 2):
        for number, emotion in enumerate(EMOTIONS):
            name = f"03-01-{emotion}-01-01-01-{actor:02}.wav"
            soundfile.write(folder / name, samples * (0.3 + 0.1 * number + 0.05 * actor), rate)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, trained on the man as its card has it."""
    hashes = (speaker_hash("ravdess/01"),)
    known = CorpusInfo(name="ravdess", clips=9, speakers=1, speaker_hashes=hashes, licence="none")
    folder = tmp_path_factory.mktemp("model")
    return write_tiny(folder / "tiny.onnx", card=tiny_card(corpora=(known,)))


def run(app: typer.Typer, *arguments: object, columns: int = 200) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": str(columns)})


@pytest.fixture(scope="module")
def audited(
    app: typer.Typer, ravdess: Path, model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Audited:
    out = tmp_path_factory.mktemp("out")
    files = ["--json", out / "audit.json", "--report", out / "audit.html"]
    result = run(app, model, "--data", f"ravdess={ravdess}", "--clips", "6", *files)
    assert result.exit_code == 0, result.output
    return Audited(
        result, json.loads((out / "audit.json").read_text()), (out / "audit.html").read_text()
    )


def test_every_requirement_is_in_the_json_with_its_threshold_and_its_source(
    audited: Audited,
) -> None:
    requirements = audited.record["requirements"]
    assert audited.record["model"] == "tiny 1.0"
    assert sum(audited.record["counts"].values()) == len(requirements)
    uar = next(one for one in requirements if one["test"] == "UAR")
    assert uar["threshold"]["least"] == 0.5
    assert uar["threshold"]["source"] == "Correctness Classification"
    assert uar["figure"]["low"] <= uar["figure"]["value"] <= uar["figure"]["high"]
    assert uar["verdict"] == ("passed" if uar["figure"]["value"] > 0.5 else "failed")
    for one in requirements:
        assert (one["figure"] is None) == (one["verdict"] == "not possible")
        assert one["reason"] or one["figure"]


def test_the_table_says_in_words_what_passed_failed_and_was_not_possible(audited: Audited) -> None:
    text = " ".join(audited.result.stdout.split())
    for words in ("Audit of tiny 1.0", "passed", "failed", "not possible", "no corpus that"):
        assert words in text
    counts = audited.record["counts"]
    assert f"{len(audited.record['requirements'])} requirements: " in text
    for verdict, count in counts.items():
        assert f"{count} {verdict}" in text


def test_training_speakers_calm_clips_and_the_clips_taken_are_said(audited: Audited) -> None:
    text = " ".join(audited.result.stdout.split())
    assert "trained on 1 of the 2 speakers" in text
    assert text.count("ravdess (trained on speakers of it)") == 2
    assert "calm counts as neutral" in text
    assert "ravdess: 6 of 8 clips" in text


def test_the_report_is_one_html_file_with_the_same_rows(audited: Audited) -> None:
    assert audited.html.lstrip().startswith("<!DOCTYPE html>")
    assert '<html lang="en">' in audited.html
    for words in (
        "<title>Audit of tiny 1.0</title>",
        "Classification",
        "ravdess (trained on speakers of it)",
        "not possible",
    ):
        assert words in audited.html
    assert "src=" not in audited.html
    assert "href=" not in audited.html


def test_strict_exits_with_1_where_something_fails_and_json_goes_to_standard_output(
    app: typer.Typer, ravdess: Path, model: Path, audited: Audited
) -> None:
    assert audited.record["counts"]["failed"]
    arguments = [model, "--data", f"ravdess={ravdess}", "--clips", "6", "--json", "-", "--strict"]
    result = run(app, *arguments)
    assert result.exit_code == 1
    assert json.loads(result.stdout) == audited.record


def test_noise_alone_is_no_corpus(app: typer.Typer, ravdess: Path, model: Path) -> None:
    result = run(app, model, "--data", f"noise={ravdess}")
    assert isinstance(result.exception, CorpusError)
    assert "noise alone" in str(result.exception)
