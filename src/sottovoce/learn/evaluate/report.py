"""The report of a run: metrics.json, predictions CSV, pictures and a summary for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from sottovoce.errors import SottovoceError
from sottovoce.learn.evaluate.calibration import reliability
from sottovoce.learn.evaluate.criteria import NOTHING_ASKED, check
from sottovoce.learn.evaluate.intervals import Interval, intervals
from sottovoce.learn.evaluate.metrics import Predictions, confusion, metrics
from sottovoce.learn.evaluate.plots import (
    Curve,
    draw_confusion,
    draw_curves,
    draw_recall,
    draw_reliability,
)
from sottovoce.learn.recipe.specs import CriteriaSpec

OPTIMISTIC = "optimistic: speakers overlap"
"""What every report and picture of a split says in which a speaker is in training and in test."""

TITLES = {
    "uar": "UAR",
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "ece": "ECE",
    "nll": "NLL (nats)",
}
"""metric -> its name in a table; recall_<label> is apart."""


@dataclass(frozen=True, slots=True)
class Effort:
    """What a training took.

    Attributes:
        epochs: that were trained, whichever of them was kept.
        seconds: of all of them, with validation, on the machine that trained.
        parameters: numbers that were learned.
    """

    epochs: int
    seconds: float
    parameters: int


@dataclass(frozen=True, slots=True)
class SeedRun:
    """What one seed of a recipe gave.

    Attributes:
        seed: of the initial weights, the batches and the augmentation.
        predictions: of every test clip, each by the model that did not train on it.
        folds: fold's name -> rows of `predictions` that it tested; together every row once.
        curves: one a fold; none for a run without training.
        efforts: fold's name -> what its training took.
    """

    seed: int
    predictions: Predictions
    folds: Mapping[str, Sequence[int]]
    curves: tuple[Curve, ...] = ()
    efforts: Mapping[str, "Effort"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = sorted(row for fold in self.folds.values() for row in fold)
        if rows != list(range(len(self.predictions.clips))):
            raise SottovoceError(
                f"seed {self.seed}: the folds hold {len(rows)} rows of "
                f"{len(self.predictions.clips)} predictions; expected each row in one fold"
            )


@dataclass(frozen=True, slots=True)
class Run:
    """A recipe's run over one or more seeds, as it is reported.

    Attributes:
        name: the recipe's.
        protocol: who tested whom, e.g. "emobox6".
        optimistic: whether a speaker was in training and in test.
        seeds: one entry a seed, over the same clips.
        note: one more sentence for the summary, e.g. which folds are missing.
        criteria: what the mean figures are held against.
    """

    name: str
    protocol: str
    optimistic: bool
    seeds: tuple[SeedRun, ...]
    note: str = ""
    criteria: CriteriaSpec = NOTHING_ASKED


def write_report(folder: Path, run: Run, draws: int = 10_000) -> dict[str, Interval]:
    """Write a run's report into a folder (made if need be), and give its figures.

    Files: metrics.json, summary.md, seed<k>/predictions.csv, confusion.png, reliability.png,
    recall.png and, where there are curves, curves.png. The same run gives the same bytes.

    Raises:
        SottovoceError: see `intervals`; the seeds are of different clips, or of one speaker only.
    """
    runs = [each.predictions for each in run.seeds]
    measured = intervals(runs, draws=draws)
    for each in run.seeds:
        path = folder / f"seed{each.seed}" / "predictions.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        each.predictions.to_csv(path)
    record = to_record(run, measured, draws)
    (folder / "metrics.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    heading = f"{run.name}, {run.protocol}: UAR {describe('uar', measured['uar'])}"
    if run.optimistic:
        heading += f"\n{OPTIMISTIC}"
    curves = [curve for each in run.seeds for curve in each.curves]
    draw_confusion(folder / "confusion.png", heading, runs)
    draw_reliability(folder / "reliability.png", heading, runs, measured["ece"])
    draw_recall(folder / "recall.png", heading, runs[0].labels, measured)
    if curves:
        draw_curves(folder / "curves.png", heading, curves)
    (folder / "summary.md").write_text(_summary(run, measured, bool(curves)), encoding="utf-8")
    return measured


def to_record(run: Run, measured: Mapping[str, Interval], draws: int) -> dict[str, object]:
    """Give what metrics.json holds: fractions 0 to 1 and NLL in nats, six digits."""
    first = run.seeds[0].predictions
    by_seed = {each.seed: metrics(each.predictions) for each in run.seeds}
    return {
        "name": run.name,
        "protocol": run.protocol,
        "optimistic": run.optimistic,
        "note": run.note,
        "seeds": list(by_seed),
        "labels": list(first.labels),
        "clips": len(first.clips),
        "speakers": len(np.unique(first.speakers)),
        "interval": f"95 % percentile interval, {draws} draws of speakers",
        "metrics": {
            name: {
                "value": round(interval.value, 6),
                "low": round(interval.low, 6),
                "high": round(interval.high, 6),
                "seeds": [round(values[name], 6) for values in by_seed.values()],
            }
            for name, interval in measured.items()
        },
        **where_wrong([each.predictions for each in run.seeds]),
        "folds": [
            {"seed": each.seed, "fold": fold, "clips": len(rows), "uar": round(uar, 6)}
            | (asdict(each.efforts[fold]) if fold in each.efforts else {})
            for each in run.seeds
            for fold, rows, uar in _fold_uars(each)
        ],
    }


def where_wrong(runs: Sequence[Predictions]) -> dict[str, object]:
    """Give what the pictures of confusion and reliability draw, for JSON.

    The confusion is in clips, mean over runs, by truth (row) and prediction (column). The
    reliability is an entry for each of equal bins of confidence: how many clips of all runs, their
    mean confidence, and the fraction of them that is right, both null in an empty bin.
    """
    counts = np.mean([confusion(run) for run in runs], axis=0)
    bins = reliability(*runs)
    columns = {"clips": bins.count, "confidence": bins.confidence, "right": bins.accuracy}
    return {
        "confusion": [[round(float(count), 3) for count in row] for row in counts],
        "reliability": {
            name: [None if np.isnan(value) else round(value, 6) for value in column.tolist()]
            for name, column in columns.items()
        },
    }


def describe(name: str, interval: Interval) -> str:
    """Write a figure for people: "64.1 % (60.2 to 67.9)", or for the NLL "1.02 (0.95 to 1.10)"."""
    low, high = (_figure(name, value).removesuffix(" %") for value in (interval.low, interval.high))
    return f"{_figure(name, interval.value)} ({low} to {high})"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table; every column but the first is aligned to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _figure(name: str, value: float) -> str:
    return f"{value:.2f}" if name == "nll" else f"{100 * value:.1f} %"


def _fold_uars(run: SeedRun) -> list[tuple[str, Sequence[int], float]]:
    return [
        (fold, rows, metrics(run.predictions.take(rows))["uar"]) for fold, rows in run.folds.items()
    ]


def _summary(run: Run, measured: Mapping[str, Interval], curves: bool) -> str:
    """Write the summary: every figure with its interval, and beside it each seed's and fold's."""
    first = run.seeds[0].predictions
    plain = {name: interval.value for name, interval in measured.items()}
    several = len(run.seeds) > 1
    by_seed = [metrics(each.predictions) for each in run.seeds if several]
    names = [f"seed {each.seed}" for each in run.seeds]
    values = table(
        [
            "",
            f"{'mean over seeds' if several else 'value'} (95 % interval)",
            *names[: len(by_seed)],
        ],
        [
            [
                TITLES.get(name, name.replace("recall_", "recall, ")),
                describe(name, interval),
                *(_figure(name, values[name]) for values in by_seed),
            ]
            for name, interval in measured.items()
        ],
    )
    folds = [{fold: uar for fold, _, uar in _fold_uars(each)} for each in run.seeds]
    fold_names = dict.fromkeys(fold for each in folds for fold in each)
    fold_table = table(
        ["UAR by fold", *names],
        [
            [fold, *(_figure("uar", each[fold]) if fold in each else "" for each in folds)]
            for fold in fold_names
        ],
    )
    paragraphs = [
        f"# {run.name}",
        f"**{OPTIMISTIC.capitalize()}. These figures do not say how new speakers fare.**"
        if run.optimistic
        else "",
        f"Protocol `{run.protocol}`, {len(first.clips)} clips of {len(np.unique(first.speakers))} "
        f"speakers; 95 % intervals from resampling speakers.",
        run.note,
        "\n".join(f"- {each}" for each in check(run.criteria, plain)),
        values,
        fold_table if len(fold_names) > 1 else "",
        *(
            f"![{name}]({name}.png)"
            for name in ("confusion", "recall", "reliability", *(["curves"] if curves else []))
        ),
    ]
    return "\n\n".join(text.strip() for text in paragraphs if text) + "\n"
