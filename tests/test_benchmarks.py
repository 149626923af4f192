"""The benchmark scripts run, and docs/results.md can only say what the predictions say."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from tiny_model import write_tiny

from sottovoce.learn.evaluate.metrics import LabelledPredictions, compute_metrics

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


Accuracy = Callable[..., tuple[int, str, str]]


def speed(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, BENCHMARKS / "speed.py", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.fixture
def accuracy(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Accuracy:
    """Run accuracy.py on `root` with more arguments: exit status, stdout, stderr."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    main = import_module("accuracy").main

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["--root", str(root), "--draws", "100", *arguments])
        return (status, *capsys.readouterr())

    return run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with the results of one small recipe, and a document to write them into."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "docs" / "results" / "made"
    folder.mkdir(parents=True)
    for seed in (0, 1):
        LabelledPredictions.from_probabilities(
            rng.dirichlet(np.ones(2), size=40),
            truth=np.arange(40) % 2,
            speakers=[f"made/{i // 10}" for i in range(40)],
            clips=[f"{i:02d}" for i in range(40)],
            labels=("happy", "sad"),
        ).to_csv(folder / f"seed{seed}.csv")
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "made.toml").write_text(
        'name = "made"\ncorpora = ["ravdess"]\n'
        '[protocol]\nname = "random"\n[augment]\nnoise = 0.5\n'
    )
    for name in ("docs/results.md",):
        (tmp_path / name).write_text(
            "# Results\n\n<!-- accuracy.py: begin -->\n<!-- accuracy.py: end -->\n\nNotes.\n"
        )
    return tmp_path


def test_accuracy_prints_the_mean_of_the_seeds_and_flags_an_optimistic_split(
    root: Path, accuracy: Accuracy
) -> None:
    status, tables, _ = accuracy()
    assert status == 0
    files = sorted((root / "docs" / "results" / "made").iterdir())
    uar = np.mean([compute_metrics(LabelledPredictions.from_csv(file))["uar"] for file in files])
    assert f"| {100 * uar:.1f} % (" in tables
    assert "random (optimistic: speakers overlap) | 4 | 40 | 2 |" in tables


def test_accuracy_gives_the_speakers_apart_on_whom_nothing_was_chosen(
    root: Path, accuracy: Accuracy
) -> None:
    folder = root / "docs" / "results" / "made"
    (folder / "untouched.txt").write_text("made/0\nmade/3\n")
    _, tables, _ = accuracy()
    runs = [LabelledPredictions.from_csv(file) for file in sorted(folder.glob("seed*.csv"))]
    parts = [run.take(np.flatnonzero(np.isin(run.speakers, ["made/0", "made/3"]))) for run in runs]
    uar = np.mean([compute_metrics(part)["uar"] for part in parts])
    assert f"nothing was chosen (made/0, made/3): {100 * uar:.1f} % (" in tables
    (folder / "untouched.txt").write_text("made/9\n")
    status, _, error = accuracy()
    assert status == 2
    assert "made/9" in error


def test_accuracy_writes_the_document_and_then_finds_it_right_until_it_is_changed(
    root: Path, accuracy: Accuracy
) -> None:
    document = root / "docs" / "results.md"
    assert accuracy("--check")[0] == 1
    assert accuracy("--write")[0] == 0
    text = document.read_text()
    assert text.startswith("# Results\n")
    assert text.endswith("\n\nNotes.\n")
    assert accuracy("--check")[0] == 0
    document.write_text(text.replace(" % (", " % ( ", 1))
    assert accuracy("--check")[0] == 1


def test_accuracy_writes_beside_a_model_what_the_app_draws(root: Path, accuracy: Accuracy) -> None:
    models = root / "models"
    models.mkdir(parents=True)
    (models / "made.onnx").touch()
    assert accuracy("--write")[0] == 0
    record = json.loads((models / "made.json").read_text())
    runs = [
        LabelledPredictions.from_csv(file) for file in (root / "docs/results/made").glob("*.csv")
    ]
    uars = np.diag(record["confusion"]) / np.sum(record["confusion"], axis=1)
    assert np.mean(uars) == pytest.approx(
        np.mean([compute_metrics(run)["uar"] for run in runs]), abs=1e-3
    )
    assert accuracy("--check")[0] == 0
    (models / "made.json").write_text("{}")
    assert accuracy("--check")[0] == 1


def test_accuracy_prints_the_commands_that_train(accuracy: Accuracy) -> None:
    _, commands, _ = accuracy("--train")
    assert commands == "sottovoce train recipes/made.toml --data ravdess=DIR --data noise=DIR\n"


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--write", "expected the lines <!-- accuracy.py: begin -->"),
        ("other", "expected <recipe>/seed<k>.csv"),
    ],
)
def test_accuracy_says_in_one_line_what_is_missing(
    root: Path, accuracy: Accuracy, argument: str, message: str
) -> None:
    (root / "docs" / "results.md").write_text("# Results\n")
    status, _, said = accuracy(argument)
    assert status == 2
    assert message in said
    assert said.count("\n") == 1


def test_speed_measures_sottovoce_on_its_own(tmp_path: Path) -> None:
    model = write_tiny(tmp_path / "tiny.onnx")
    result = speed("--model", model, "--runs", 1, "--starts", 1, "--json", "--peers")
    assert result.returncode in (0, 1), result.stderr  # how fast it is, is no claim of this test
    record = json.loads(result.stdout)
    rows = {row["what"]: row for row in record["rows"]}
    assert {row["target"] for row in rows.values()} == {None, 15, 0.8, 0.25, 10}
    assert all(row["median"] > 0 for row in rows.values())
    assert rows["model file"]["median"] == pytest.approx(model.stat().st_size / 1e6)


def test_speed_says_in_one_line_which_models_there_are() -> None:
    result = speed("--model", "none-such", "--runs", 1, "--starts", 1, "--peers")
    assert result.returncode == 2
    assert "no model is called 'none-such'" in result.stderr


def test_the_documents_say_what_the_kept_predictions_say() -> None:
    command = [sys.executable, BENCHMARKS / "accuracy.py", "--check"]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@pytest.fixture
def references(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Accuracy:
    """Run references.py on a checkout with one recipe, one finished run and one unfinished."""
    text = (BENCHMARKS.parent / "recipes" / "b-knn.toml").read_text()
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "b-knn.toml").write_text(text)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "reference-results.md").write_text(
        "# Page\n<!-- accuracy.py: begin -->\n<!-- accuracy.py: end -->\n"
    )
    figure = {"value": 0.4567, "low": 0.4, "high": 0.5, "seeds": [0.4567]}
    fold = {"seed": 0, "fold": "1", "epochs": 1, "seconds": 2.5, "parameters": 1234}
    for name, note in (("b-knn", ""), ("b-knn-leaking", "Only 1 of 6 folds were run.")):
        (tmp_path / "runs" / name).mkdir(parents=True)
        record = {
            "protocol": "emobox6",
            "note": note,
            "seeds": [0],
            "clips": 48,
            "speakers": 24,
            "metrics": {"accuracy": figure, "uar": figure},
            "folds": [fold],
        }
        (tmp_path / "runs" / name / "metrics.json").write_text(json.dumps(record))
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    main = import_module("references").main

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["--root", str(tmp_path), *arguments])
        return (status, *capsys.readouterr())

    return run


def test_references_keeps_finished_runs_and_puts_claims_beside_them(
    references: Accuracy, tmp_path: Path
) -> None:
    assert references("--collect", str(tmp_path / "runs"), "--write")[0] == 0
    page = (tmp_path / "docs" / "reference-results.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| b-knn")]
    assert "| 58.0 % | not run | 45.7 % (40.0 to 50.0) | not run |" in rows[0]
    assert "emobox6 (48 of 24)" in rows[1]
    assert "| 1,234 | - | 2.5 s | - |" in rows[2]
    assert references()[0] == 0
    (tmp_path / "docs" / "results" / "references" / "b-knn.json").unlink()
    assert references()[0] == 1


def test_references_shows_the_mean_and_the_spread_of_several_runs(
    references: Accuracy, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    record = json.loads((runs / "b-knn" / "metrics.json").read_text())
    for seed, value in ((1, 0.5), (2, 0.6)):
        figure = {"value": value, "low": 0.4, "high": 0.7, "seeds": [value]}
        (runs / f"b-knn-seed{seed}").mkdir()
        (runs / f"b-knn-seed{seed}" / "metrics.json").write_text(
            json.dumps(record | {"seeds": [seed], "metrics": {"accuracy": figure, "uar": figure}})
        )
    assert references("--collect", str(runs), "--write")[0] == 0
    page = (tmp_path / "docs" / "reference-results.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| b-knn")]
    assert "| 51.9 % (40.0 to 63.3) |" in rows[0]
    assert rows[1].endswith("| speakers apart | 3 seeds | 51.9 % (7.3) | 45.7, 50.0, 60.0 |")
    shutil.copy(
        tmp_path / "docs/results/references/b-knn-seed1.json",
        tmp_path / "docs/results/references/b-knn-seed3.json",
    )
    status, _, error = references()
    assert (status, "have a seed twice ([0, 1, 1, 2])" in error) == (2, True)


def test_the_page_of_reference_systems_says_what_the_kept_runs_say() -> None:
    command = [sys.executable, BENCHMARKS / "references.py"]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-200:] + run.stderr


def test_models_that_answer_together_are_the_mean_whatever_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    ensemble = import_module("ensemble")
    rng, truth = np.random.default_rng(0), np.arange(60) % 3
    clips, labels = [f"{row:02d}" for row in range(60)], ("happy", "sad", "angry")
    rows = [rng.dirichlet(np.ones(3), size=60) + 0.4 * np.eye(3)[truth] for _ in range(2)]
    rows = [each / each.sum(axis=1, keepdims=True) for each in rows]
    orders = [(np.arange(60), [0, 1, 2]), (rng.permutation(60), [2, 0, 1])]
    for name, each, (order, columns) in zip("ab", rows, orders, strict=True):
        (tmp_path / name / "seed0").mkdir(parents=True)
        LabelledPredictions.from_probabilities(
            each[order][:, columns],
            truth=[columns.index(label) for label in truth[order]],
            speakers=[f"made/{row // 10}" for row in order],
            clips=[clips[row] for row in order],
            labels=[labels[column] for column in columns],
        ).to_csv(tmp_path / name / "seed0" / "predictions.csv")
    assert ensemble.main([str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    said = capsys.readouterr().out
    right = np.mean(rows, axis=0).argmax(axis=1) == truth
    assert f"| together | {100 * right.mean():.1f} %" in said
    assert "UAR together less" in said
    (tmp_path / "c").mkdir()
    LabelledPredictions.from_probabilities(
        rows[0],
        truth=truth,
        speakers=["made/0"] * 60,
        clips=clips,
        labels=("happy", "sad", "bored"),
    ).to_csv(tmp_path / "c" / "seed0.csv")
    for other, words in (
        ("c", "expected the same clips and the same labels"),
        ("d", "give a fini"),
    ):
        assert ensemble.main([str(tmp_path / "a"), str(tmp_path / other)]) == 2
        assert words in capsys.readouterr().err
