"""A report holds every figure of its run, says when it is optimistic, and is the same each time."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from sottovoce.errors import SottovoceError
from sottovoce.learn.evaluate import plots, report
from sottovoce.learn.evaluate.intervals import Interval, intervals
from sottovoce.learn.evaluate.metrics import LabelledPredictions, compute_metrics, confusion
from sottovoce.learn.evaluate.plots import LearningCurve
from sottovoce.learn.evaluate.report import (
    OPTIMISTIC,
    OPTIMISTIC_INTERVALS,
    Run,
    SeedRun,
    format_interval,
    markdown_table,
    write_report,
)

LABELS = ("neutral", "happy", "sad")


def simulated(seed: int) -> SeedRun:
    rng = np.random.default_rng(seed)
    truth = np.arange(60) % 3
    probabilities = rng.dirichlet(np.ones(3), size=60)
    probabilities[np.arange(60), truth] += 0.5
    predictions = LabelledPredictions.from_probabilities(
        probabilities / 1.5,
        truth=truth,
        speakers=[f"made/{i // 10}" for i in range(60)],
        clips=[f"clip{i:02d}" for i in range(60)],
        labels=LABELS,
    )
    curves = tuple(
        LearningCurve(seed, fold, (1.1, 0.9, 0.8), (1.1, 1.0, 0.9), (0.3, 0.5, 0.6))
        for fold in "12"
    )
    return SeedRun(seed, predictions, {"1": range(30), "2": range(30, 60)}, curves)


def simulated_run(optimistic: bool = False, note: str = "") -> Run:
    protocol = "random" if optimistic else "speakers"
    return Run("made3-tiny", protocol, optimistic, (simulated(0), simulated(4)), note)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_report_holds_every_file_and_is_the_same_each_time(tmp_path: Path) -> None:
    write_report(tmp_path / "a", simulated_run(), draws=100)
    write_report(tmp_path / "b", simulated_run(), draws=100)
    first = files(tmp_path / "a")
    assert set(first) == {
        "metrics.json",
        "summary.md",
        "seed0/predictions.csv",
        "seed4/predictions.csv",
        "confusion.png",
        "curves.png",
        "reliability.png",
        "recall.png",
        "roc.png",
    }
    assert first == files(tmp_path / "b")
    for name in ("confusion", "curves", "reliability", "recall", "roc"):
        with Image.open(tmp_path / "a" / f"{name}.png") as picture:
            assert 400 < picture.width < 1400


def test_metrics_json_holds_the_figures_their_intervals_and_where_they_come_from(
    tmp_path: Path,
) -> None:
    run = simulated_run(note="Fold 3 is missing.")
    given = write_report(tmp_path, run, draws=100)
    record = json.loads((tmp_path / "metrics.json").read_text())
    runs = [each.predictions for each in run.seeds]
    assert given == intervals(runs, draws=100)
    assert record["protocol"] == "speakers"
    assert record["optimistic"] is False
    assert record["note"] == "Fold 3 is missing."
    assert (record["seeds"], record["clips"], record["speakers"]) == ([0, 4], 60, 6)
    assert record["labels"] == list(LABELS)
    for name, interval in given.items():
        entry = record["metrics"][name]
        expected = (interval.value, interval.low, interval.high)
        assert (entry["value"], entry["low"], entry["high"]) == pytest.approx(expected, abs=1e-6)
        assert entry["seeds"] == pytest.approx([compute_metrics(p)[name] for p in runs], abs=1e-6)
    assert record["confusion"] == np.mean([confusion(p) for p in runs], axis=0).tolist()
    bins = record["reliability"]
    assert sum(bins["clips"]) == 120
    right = sum((r or 0) * n for r, n in zip(bins["right"], bins["clips"], strict=True)) / 120
    assert right == pytest.approx(given["accuracy"].value, abs=1e-5)
    last = record["folds"][-1]
    assert (last["seed"], last["fold"], last["clips"]) == (4, "2", 30)
    assert last["uar"] == pytest.approx(
        compute_metrics(runs[1].take(range(30, 60)))["uar"], abs=1e-6
    )


def test_the_csv_of_a_seed_gives_its_figures_again(tmp_path: Path) -> None:
    run = simulated_run()
    write_report(tmp_path, run, draws=100)
    again = compute_metrics(LabelledPredictions.from_csv(tmp_path / "seed4" / "predictions.csv"))
    assert again == pytest.approx(compute_metrics(run.seeds[1].predictions), abs=1e-5)


@pytest.fixture
def titles(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The titles of the figures that are drawn."""
    drawn = list[str]()
    plain = plots.new_figure

    def new_figure(title: str, *sizes: object, **more: object) -> object:
        drawn.append(title)
        return plain(title, *sizes, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(plots, "new_figure", new_figure)
    return drawn


@pytest.mark.parametrize("optimistic", [False, True])
def test_an_optimistic_run_says_so_in_the_summary_and_in_every_picture(
    tmp_path: Path, titles: list[str], optimistic: bool
) -> None:
    write_report(tmp_path, simulated_run(optimistic), draws=100)
    assert [OPTIMISTIC in title for title in titles] == [optimistic] * 5
    summary = (tmp_path / "summary.md").read_text()
    assert (OPTIMISTIC in summary.lower()) is optimistic
    assert json.loads((tmp_path / "metrics.json").read_text())["optimistic"] is optimistic


def test_intervals_over_clips_are_called_optimistic_everywhere(
    tmp_path: Path, titles: list[str]
) -> None:
    run = simulated_run()
    nobody = np.full(60, "table/unknown")
    seeds = tuple(
        replace(seed, predictions=replace(seed.predictions, speakers=nobody)) for seed in run.seeds
    )
    write_report(tmp_path, replace(run, seeds=seeds), draws=100)
    assert all(OPTIMISTIC_INTERVALS in title for title in titles)
    summary = (tmp_path / "summary.md").read_text()
    assert "60 clips of unknown speakers; 95 % intervals from resampling clips." in summary
    assert OPTIMISTIC_INTERVALS in summary.lower()
    record = json.loads((tmp_path / "metrics.json").read_text())
    assert record["speakers"] == 0
    assert record["interval"] == "95 % percentile interval, 100 draws of clips (optimistic)"


def test_the_summary_shows_mean_interval_and_each_seed(tmp_path: Path) -> None:
    run = simulated_run(note="Fold 3 is missing.")
    measured = write_report(tmp_path, run, draws=100)
    summary = (tmp_path / "summary.md").read_text()
    seeds = [f"{100 * compute_metrics(each.predictions)['uar']:.1f} %" for each in run.seeds]
    assert (
        f"| UAR | {format_interval('uar', measured['uar'])} | {seeds[0]} | {seeds[1]} |" in summary
    )
    assert "| recall, happy |" in summary
    assert "Fold 3 is missing." in summary
    assert "60 clips of 6 speakers" in summary
    assert "![confusion](confusion.png)" in summary


def test_a_run_without_training_has_no_curves(tmp_path: Path) -> None:
    full = simulated(0)
    bare = SeedRun(0, full.predictions, {"all": range(60)})
    write_report(tmp_path, Run("made", "none", False, (bare,)), draws=100)
    assert not (tmp_path / "curves.png").exists()
    summary = (tmp_path / "summary.md").read_text()
    assert "curves" not in summary
    assert "seed" not in summary.replace("seed0", "")  # one of each: nothing to set side by side
    assert "fold" not in summary


def test_folds_that_miss_or_repeat_a_clip_are_refused() -> None:
    predictions = simulated(0).predictions
    for rows in (range(59), [*range(60), 3]):
        with pytest.raises(SottovoceError, match="expected each row in one fold"):
            SeedRun(0, predictions, {"1": rows})


def test_a_figure_is_written_for_people() -> None:
    assert format_interval("uar", Interval(0.6412, 0.6, 0.68)) == "64.1 % (60.0 to 68.0)"
    assert format_interval("nll", Interval(1.021, 0.95, 1.104)) == "1.02 (0.95 to 1.10)"
    assert markdown_table(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |\n"
    assert set(report.TITLES) == {
        m for m in compute_metrics(simulated(0).predictions) if "recall" not in m
    }


def test_a_class_without_clips_is_drawn_and_left_out_of_the_recalls(tmp_path: Path) -> None:
    predictions = simulated(0).predictions
    some = predictions.take(np.flatnonzero(predictions.truth != 1))
    run = Run("made", "none", False, (SeedRun(0, some, {"all": range(40)}),))
    assert "recall_happy" not in write_report(tmp_path, run, draws=100)
    assert (tmp_path / "recall.png").exists()


def test_roc_curves_say_the_area_under_them(tmp_path: Path) -> None:
    run = simulated_run()
    figures = []
    keep = plots.save_figure

    def kept(figure: Figure, path: Path) -> None:
        figures.append(figure)
        keep(figure, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "save_figure", kept)
        plots.draw_roc(tmp_path / "roc.png", "title", run.predictions)
    (axes,) = figures[0].axes
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    first = run.predictions[0]
    rows = np.concatenate([each.probabilities for each in run.predictions])
    truth = np.concatenate([each.truth for each in run.predictions])
    for number, label in enumerate(first.labels):
        inside, outside = rows[truth == number, number], rows[truth != number, number]
        above = (inside[:, None] > outside).mean() + (inside[:, None] == outside).mean() / 2
        assert f"{label}, AUC {above:.3f}" in legend
