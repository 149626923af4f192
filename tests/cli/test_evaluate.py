"""`sottovoce evaluate` prints every figure with its interval, and what a reader must know of it."""

import json
import sys
from pathlib import Path

import pytest
import typer
from tiny_corpus import RECIPE
from tiny_model import tiny_card, write_tiny
from typer.testing import CliRunner

from sottovoce.cli import evaluate
from sottovoce.errors import (
    CorpusError,
    MissingExtraError,
    ModelError,
    SottovoceError,
    install_line,
)
from sottovoce.models.card import CorpusInfo, speaker_hash

runner = CliRunner()


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    evaluate.register(app)
    return app


@pytest.fixture(scope="module")
def folder(ravdess: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips an emotion of three actors, linked, so that a test costs little."""
    folder = tmp_path_factory.mktemp("ravdess")
    for actor in ("01", "02", "03"):
        for path in sorted(ravdess.rglob(f"03-01-??-01-0?-01-{actor}.*")):
            (folder / path.name).symlink_to(path)
    return folder


def test_figures_come_with_intervals_and_the_gate_is_counted(
    app: typer.Typer, folder: Path, tmp_path: Path
) -> None:
    model = write_tiny(tmp_path / "tiny.onnx")
    result = runner.invoke(app, [str(model), "--data", f"ravdess={folder}", "--json"])
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["model"] == "tiny 1.0"
    assert record["speakers"] == 3
    assert set(record["unknown"]) == {"calm", "fearful", "disgust", "surprised"}
    assert record["clips"] + sum(record["unknown"].values()) == 48
    uar = record["metrics"]["uar"]
    assert 0 <= uar["low"] <= uar["value"] <= uar["high"] <= 1
    assert record["with_gate"]["accuracy"]["value"] <= record["metrics"]["accuracy"]["value"]
    assert not any("was trained on" in warning for warning in record["warnings"])


def test_a_table_of_ones_own_is_measured_like_a_corpus(
    app: typer.Typer, folder: Path, tmp_path: Path
) -> None:
    model = write_tiny(tmp_path / "tiny.onnx")
    rows = [
        f"{path}\t{('happy', 'sad', 'angry').index(emotion)}\t{path.stem[-2:]}"
        for code, emotion in (("03", "happy"), ("04", "sad"), ("05", "angry"))
        for path in sorted(folder.glob(f"03-01-{code}-*"))
    ]
    table = tmp_path / "mine.tsv"
    table.write_text("\n".join(["clip\ty\tspeaker", *rows]))
    columns = ["--path-column", "clip", "--label-column", "y", "--numbers", "happy,sad,angry"]
    result = runner.invoke(app, [str(model), "--data", f"table={table}", "--json", *columns])
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["corpora"] == ["table"]
    assert record["clips"] == len(rows) == 18
    assert record["speakers"] == 3
    alone = runner.invoke(app, [str(model), "--data", f"ravdess={folder}", *columns])
    assert "columns are named for a table, and here is ravdess" in str(alone.exception)


def test_speakers_of_the_training_are_called_out_in_the_table_and_in_the_report(
    app: typer.Typer, folder: Path, tmp_path: Path
) -> None:
    card = tiny_card(
        corpora=(
            CorpusInfo(
                name="ravdess",
                clips=9,
                speakers=3,
                speaker_hashes=tuple(
                    sorted(speaker_hash(f"ravdess/{one:02}") for one in (1, 2, 3))
                ),
                licence="none",
            ),
        )
    )
    model = write_tiny(tmp_path / "tiny.onnx", card=card)
    out = tmp_path / "report"
    arguments = [str(model), "--data", f"ravdess={folder}", "--out", str(out)]
    result = runner.invoke(app, arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    warning = "trained on all of the 3 speakers of these clips: the figures do not say how"
    assert warning in result.stdout
    assert "UAR" in result.stdout
    summary = (out / "summary.md").read_text()
    assert warning in summary
    assert "Optimistic: speakers overlap" in summary
    assert json.loads((out / "metrics.json").read_text())["optimistic"] is True


@pytest.mark.parametrize("data", ["ravdess", "=folder", "ravdess="])
def test_data_without_name_or_folder_is_one_clear_line(
    app: typer.Typer, tmp_path: Path, data: str
) -> None:
    model = write_tiny(tmp_path / "tiny.onnx")
    result = runner.invoke(app, [str(model), "--data", data])
    assert isinstance(result.exception, CorpusError)
    assert "expected a corpus and its folder, like ravdess=DIR" in str(result.exception)


def test_an_unknown_model_is_refused_before_any_clip_is_read(
    app: typer.Typer, tmp_path: Path
) -> None:
    result = runner.invoke(app, ["no-such-model", "--data", f"ravdess={tmp_path}"])
    assert isinstance(result.exception, ModelError)


def test_a_missing_extra_gives_the_install_line(
    app: typer.Typer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    for name in ("sottovoce.learn.evaluate.report", "sottovoce.learn.evaluate.plots"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    result = runner.invoke(app, ["tiny.onnx", "--data", "ravdess=DIR"])
    assert isinstance(result.exception, MissingExtraError)
    assert install_line("learn") in str(result.exception)


def test_criteria_say_by_how_much_each_emotion_falls_short_and_set_the_exit_status(
    app: typer.Typer, folder: Path, tmp_path: Path
) -> None:
    model = write_tiny(tmp_path / "tiny.onnx")
    asked = ["--criteria", "accuracy=0,weighted_f1=0.01", "--criteria", "recall=1"]
    command = [str(model), "--data", f"ravdess={folder}", *asked]
    result = runner.invoke(app, command, env={"COLUMNS": "200"})
    assert result.exit_code == 1, result.output
    record = json.loads(runner.invoke(app, [*command, "--json"]).stdout)
    short = record["shortfall"]
    for label in ("happy", "sad", "angry"):
        recall = record["metrics"][f"recall_{label}"]["value"]
        if recall < 1:
            assert short[f"recall_{label}"] == pytest.approx(1 - recall)
            assert f"failed: recall of {label} {100 * recall:.1f} %" in result.stdout
            assert f"{100 * (1 - recall):.1f} points short" in result.stdout
    assert short
    passed = runner.invoke(app, [*command[:3], "--criteria", "accuracy=0.001"])
    assert passed.exit_code == 0, passed.output
    assert "passed: accuracy" in passed.stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "acuracy=0.8",
            "criterion 'acuracy' is unknown; there are accuracy, weighted_f1, uar, rec",
        ),
        ("recall=most", "criterion recall is 'most'; expected the least value, 0 to 1, as recall="),
        ("recall=75", "criterion recall is 75.0; expected 0 to 1"),
    ],
)
def test_an_unknown_criterion_is_one_line(
    app: typer.Typer, tmp_path: Path, text: str, words: str
) -> None:
    model = write_tiny(tmp_path / "tiny.onnx")
    result = runner.invoke(app, [str(model), "--data", f"ravdess={tmp_path}", "--criteria", text])
    assert isinstance(result.exception, SottovoceError)
    assert words in str(result.exception)
    assert "\n" not in str(result.exception)


def test_copies_of_each_clip_change_the_figures_as_the_recipe_changes_training(
    app: typer.Typer, folder: Path, tmp_path: Path
) -> None:
    recipe = RECIPE.replace('labels = ["neutral", "angry"]', 'labels = ["happy", "sad"]')
    model = write_tiny(tmp_path / "tiny.onnx", card=tiny_card(recipe=recipe))
    command = [str(model), "--data", f"ravdess={folder}", "--json"]
    plain, mean, again = (
        json.loads(runner.invoke(app, [*command, "--tta", str(copies)]).stdout)
        for copies in (1, 3, 3)
    )
    assert mean == again
    assert mean["clips"] == plain["clips"]
    assert mean["metrics"]["nll"] != plain["metrics"]["nll"]
    bare = write_tiny(tmp_path / "bare.onnx")
    result = runner.invoke(app, [str(bare), *command[1:], "--tta", "2"])
    assert "has no recipe to change clips by; leave --tta out" in str(result.exception)
    still = tiny_card(recipe=recipe.partition("[augment]")[0])
    model = write_tiny(tmp_path / "still.onnx", card=still)
    result = runner.invoke(app, [str(model), *command[1:], "--tta", "2"])
    assert "changes no sound in training" in str(result.exception)


def test_a_folder_of_samples_is_judged_with_its_expected_labels(
    app: typer.Typer, folder: Path, tmp_path: Path
) -> None:
    model = write_tiny(tmp_path / "tiny.onnx")
    for code, emotion in (("03", "happy"), ("04", "sad")):
        home = tmp_path / "samples" / emotion
        home.mkdir(parents=True)
        for path in sorted(folder.glob(f"03-01-{code}-*"))[:3]:
            (home / path.name).symlink_to(path.resolve())
    command = [str(model), "--data", f"folders={tmp_path / 'samples'}", "--json"]
    result = runner.invoke(app, command)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["clips"] == 6
