"""The report of a run: metrics.json, predictions CSV, pictures and a summary for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from sottovoce.errors import SottovoceError
from sottovoce.learn.evaluate.calibration import reliability
from sottovoce.learn.evaluate.criteria import NO_CRITERIA, check_criteria
from sottovoce.learn.evaluate.errors import ErrorAnalysis, analyse_errors
from sottovoce.learn.evaluate.intervals import Interval, intervals
from sottovoce.learn.evaluate.metrics import LabelledPredictions, compute_metrics, confusion
from sottovoce.learn.evaluate.plots import (
    LearningCurve,
    draw_confusion,
    draw_curves,
    draw_recall,
    draw_reliability,
    draw_roc,
)
from sottovoce.learn.recipe.specs import CriteriaSpec
from sottovoce.system import write_atomically

OPTIMISTIC = "optimistic: speakers overlap"
"""What every report and picture of a split says in which a speaker is in training and in test."""

OPTIMISTIC_INTERVALS = "optimistic: intervals over clips, not over speakers"
"""The same where there is one speaker only, or it is not known who speaks."""

SHOWN_PAIRS = 12
"""How many pairs of confused emotions the summary shows; metrics.json has them all."""
PICTURES = ("confusion", "recall", "reliability", "roc")
"""That every report has."""

TITLES = {
    "uar": "UAR",
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "weighted_precision": "weighted precision",
    "ece": "ECE",
    "nll": "NLL (nats)",
}
"""metric -> its name in a table; see also `metric_title`."""


@dataclass(frozen=True, slots=True)
class TrainingCost:
    """What a training cost.

    Attributes:
        epochs: that were trained, whichever of them was kept.
        seconds: of all of them, with validation, on the machine that trained.
        num_parameters: trained weights.
    """

    epochs: int
    seconds: float
    num_parameters: int


@dataclass(frozen=True, slots=True)
class SeedRun:
    """The predictions of one seed of a run, and how they came about.

    Attributes:
        seed: of the initial weights, the batches and the augmentation.
        predictions: of every test clip, each by the model that did not train on it.
        folds: fold's name -> rows of `predictions` that it tested; together every row once.
        curves: one a fold; none for a run without training.
        costs: fold's name -> what its training cost.
    """

    seed: int
    predictions: LabelledPredictions
    folds: Mapping[str, Sequence[int]]
    curves: tuple[LearningCurve, ...] = ()
    costs: Mapping[str, TrainingCost] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = sorted(row for fold in self.folds.values() for row in fold)
        if rows != list(range(len(self.predictions.clips))):
            raise SottovoceError(
                f"seed {self.seed}: the folds hold {len(rows)} rows of "
                f"{len(self.predictions.clips)} predictions; expected each row in one fold"
            )


@dataclass(frozen=True, slots=True)
class Run:
    """A recipe's run over one or more seeds, or a model's evaluation, as it is reported.

    Attributes:
        name: the recipe's.
        protocol: how it was split, e.g. "emobox6".
        optimistic: whether a speaker was in training and in test.
        seeds: one entry a seed, over the same clips.
        note: one more sentence for the summary, e.g. which folds are missing.
        criteria: what the mean metrics are compared with.
    """

    name: str
    protocol: str
    optimistic: bool
    seeds: tuple[SeedRun, ...]
    note: str = ""
    criteria: CriteriaSpec = NO_CRITERIA

    @property
    def predictions(self) -> list[LabelledPredictions]:
        """Of each seed."""
        return [seed.predictions for seed in self.seeds]

    @property
    def over_speakers(self) -> bool:
        """Whether its intervals come from resampling speakers, rather than clips."""
        return self.predictions[0].num_speakers > 1

    @property
    def caveats(self) -> list[str]:
        """Why its figures are optimistic, if they are."""
        overlap = [OPTIMISTIC] if self.optimistic else []
        return overlap if self.over_speakers else [*overlap, OPTIMISTIC_INTERVALS]


def write_report(folder: Path, run: Run, draws: int = 10_000) -> dict[str, Interval]:
    """Write a run's report into a folder (made if need be), and give its figures.

    Files: metrics.json, summary.md, seed<k>/predictions.csv, confusion.png, reliability.png,
    recall.png, roc.png and, where there are curves, curves.png. The same run gives the same bytes.

    Raises:
        SottovoceError: the seeds are of different clips; see `intervals`.
    """
    runs = run.predictions
    measured = intervals(runs, draws=draws)
    for seed in run.seeds:
        path = folder / f"seed{seed.seed}" / "predictions.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        seed.predictions.to_csv(path)
    record = to_record(run, measured, draws)
    write_atomically(folder / "metrics.json", json.dumps(record, indent=2) + "\n")
    title = f"{run.name}, {run.protocol}: UAR {format_interval('uar', measured['uar'])}"
    heading = "\n".join([title, *run.caveats])
    curves = [curve for seed in run.seeds for curve in seed.curves]
    draw_confusion(folder / "confusion.png", heading, runs)
    draw_reliability(folder / "reliability.png", heading, runs, measured["ece"])
    draw_recall(folder / "recall.png", heading, runs[0].labels, measured, _unit(run))
    draw_roc(folder / "roc.png", heading, runs)
    if curves:
        draw_curves(folder / "curves.png", heading, curves)
    write_atomically(folder / "summary.md", _summary(run, measured, bool(curves)))
    return measured


def to_record(run: Run, measured: Mapping[str, Interval], draws: int) -> dict[str, object]:
    """Give what metrics.json holds: fractions 0 to 1 and NLL in nats, six digits."""
    first = run.predictions[0]
    by_seed = {seed.seed: compute_metrics(seed.predictions) for seed in run.seeds}
    interval_of = f"95 % percentile interval, {draws} draws of {_unit(run)}"
    return {
        "name": run.name,
        "protocol": run.protocol,
        "optimistic": run.optimistic,
        "note": run.note,
        "seeds": list(by_seed),
        "labels": list(first.labels),
        "clips": len(first.clips),
        "speakers": first.num_speakers,
        "interval": interval_of + ("" if run.over_speakers else " (optimistic)"),
        "metrics": {
            name: {
                "value": round(interval.value, 6),
                "low": round(interval.low, 6),
                "high": round(interval.high, 6),
                "seeds": [round(values[name], 6) for values in by_seed.values()],
            }
            for name, interval in measured.items()
        },
        **confusion_and_reliability(run.predictions),
        "errors": _errors_record(analyse_errors(run.predictions)),
        "folds": [
            {
                "seed": seed.seed,
                "fold": fold,
                "clips": len(rows),
                "uar": round(metrics["uar"], 6),
                "accuracy": round(metrics["accuracy"], 6),
            }
            | (_cost_record(seed.costs[fold]) if fold in seed.costs else {})
            for seed in run.seeds
            for fold, rows, metrics in _by_fold(seed)
        ],
    }


def _errors_record(errors: ErrorAnalysis) -> dict[str, object]:
    """As JSON: six digits, and null where nothing can be said."""
    return {
        kind: [
            {
                key: (None if np.isnan(value) else round(value, 6))
                if isinstance(value, float)
                else value
                for key, value in asdict(row).items()
            }
            for row in rows
        ]
        for kind, rows in (
            ("pairs", errors.pairs),
            ("labels", errors.labels),
            ("weighted", (errors.weighted,)),
            ("speakers", errors.speakers),
        )
    }


def _cost_record(cost: TrainingCost) -> dict[str, float]:
    return {"epochs": cost.epochs, "seconds": cost.seconds, "parameters": cost.num_parameters}


def confusion_and_reliability(runs: Sequence[LabelledPredictions]) -> dict[str, object]:
    """Give the confusion matrix and the reliability diagram as JSON.

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


def metric_title(name: str) -> str:
    """The name of a metric in a table: "UAR", "recall, happy"."""
    return TITLES.get(name, name.replace("recall_", "recall, "))


def format_interval(name: str, interval: Interval) -> str:
    """Write a figure for people: "64.1 % (60.2 to 67.9)", or for the NLL "1.02 (0.95 to 1.10)"."""
    low, high = (_format(name, value).removesuffix(" %") for value in (interval.low, interval.high))
    return f"{_format(name, interval.value)} ({low} to {high})"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table; every column but the first is aligned to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def speaker_count(speakers: int) -> str:
    """In words: "24 speakers"; 0 are not known."""
    return f"{speakers} speaker{'s' * (speakers != 1)}" if speakers else "unknown speakers"


def _unit(run: Run) -> str:
    """What is drawn for the intervals."""
    return "speakers" if run.over_speakers else "clips"


def _format(name: str, value: float) -> str:
    return f"{value:.2f}" if name == "nll" else f"{100 * value:.1f} %"


def _by_fold(seed: SeedRun) -> list[tuple[str, Sequence[int], dict[str, float]]]:
    return [
        (fold, rows, compute_metrics(seed.predictions.take(rows)))
        for fold, rows in seed.folds.items()
    ]


def _summary(run: Run, measured: Mapping[str, Interval], curves: bool) -> str:
    """Write the summary: every metric with its interval, and beside it each seed's and fold's."""
    first = run.predictions[0]
    several = len(run.seeds) > 1
    by_seed = [compute_metrics(predictions) for predictions in run.predictions if several]
    names = [f"seed {seed.seed}" for seed in run.seeds]
    values = markdown_table(
        [
            "",
            f"{'mean over seeds' if several else 'value'} (95 % interval)",
            *names[: len(by_seed)],
        ],
        [
            [
                metric_title(name),
                format_interval(name, interval),
                *(_format(name, metrics[name]) for metrics in by_seed),
            ]
            for name, interval in measured.items()
        ],
    )
    folds = [{fold: metrics["uar"] for fold, _, metrics in _by_fold(seed)} for seed in run.seeds]
    fold_names = dict.fromkeys(fold for uars in folds for fold in uars)
    fold_table = markdown_table(
        ["UAR by fold", *names],
        [
            [fold, *(_format("uar", uars[fold]) if fold in uars else "" for uars in folds)]
            for fold in fold_names
        ],
    )
    checks = check_criteria(
        run.criteria, {name: interval.value for name, interval in measured.items()}
    )
    paragraphs = [
        f"# {run.name}",
        f"**{OPTIMISTIC.capitalize()}. These figures do not say how new speakers fare.**"
        if run.optimistic
        else "",
        f"Protocol `{run.protocol}`, {len(first.clips)} clips of "
        f"{speaker_count(first.num_speakers)}; 95 % intervals from resampling {_unit(run)}.",
        "" if run.over_speakers else f"**{OPTIMISTIC_INTERVALS.capitalize()}.**",
        run.note,
        "\n".join(f"- {check}" for check in checks),
        values,
        fold_table if len(fold_names) > 1 else "",
        *_error_tables(analyse_errors(run.predictions), run.over_speakers),
        *(
            f"![{name}]({name}.png)"
            for name in (
                "confusion",
                "recall",
                "reliability",
                "roc",
                *(["curves"] if curves else []),
            )
        ),
    ]
    return "\n\n".join(text.strip() for text in paragraphs if text) + "\n"


def _error_tables(errors: ErrorAnalysis, over_speakers: bool) -> list[str]:
    """Where it errs, as tables: by emotion, by pair of emotions, by speaker."""
    labels = markdown_table(
        ["emotion", "clips", "precision", "recall", "F1"],
        [
            [
                found.label,
                str(found.clips),
                *map(_percent, (found.precision, found.recall, found.f1)),
            ]
            for found in (*errors.labels, errors.weighted)
        ],
    )
    pairs = markdown_table(
        ["most confused", "taken for", "clips", "of its clips"],
        [
            [pair.truth, pair.predicted, f"{pair.clips:.3g}", _percent(pair.fraction)]
            for pair in errors.pairs[:SHOWN_PAIRS]
        ],
    )
    speakers = markdown_table(
        ["speaker", "clips", "accuracy", "most frequent error"],
        [
            [found.speaker, str(found.clips), _percent(found.accuracy), found.confused]
            for found in errors.speakers
        ],
    )
    return [labels, pairs if errors.pairs else "", speakers if over_speakers else ""]


def _percent(fraction: float) -> str:
    return "" if np.isnan(fraction) else f"{100 * fraction:.1f} %"
