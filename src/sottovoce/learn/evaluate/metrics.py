"""A model's predictions for labelled clips, and how good they are: metrics and confusion."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sottovoce.errors import SottovoceError
from sottovoce.learn.corpora import is_known_speaker
from sottovoce.text import csv_cell, from_csv_cell

BINS = 15
"""Equal-width bins of confidence in the expected calibration error (Guo et al. 2017)."""

FLOOR = 1e-12
"""Least probability that counts: a 0 from a model's float32 output would make the NLL infinite."""

_COLUMNS = ("clip", "speaker", "truth", "predicted")


@dataclass(frozen=True, eq=False, slots=True)
class LabelledPredictions:
    """A prediction for each of n clips whose emotion is known; checked when made.

    Attributes:
        truth: (n,) int, index into `labels`.
        log_probabilities: (n, classes) float64, natural logarithms; each row sums to 1 after exp.
        speakers: (n,) str, who speaks; unique across corpora, e.g. "ravdess/07"; see
            `corpora.is_known_speaker`.
        clips: (n,) str, a name for each clip, none twice.
        labels: the classes' names, in the order of the columns.

    Raises:
        SottovoceError: shapes disagree, a value is out of range, or a clip occurs twice.
    """

    truth: NDArray[np.int64]
    log_probabilities: NDArray[np.float64]
    speakers: NDArray[np.str_]
    clips: NDArray[np.str_]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        for name, dtype in (
            ("truth", np.int64),
            ("log_probabilities", np.float64),
            ("speakers", np.str_),
            ("clips", np.str_),
        ):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=dtype))
        object.__setattr__(self, "labels", tuple(self.labels))
        count, classes = len(self.clips), len(self.labels)
        shapes = (self.truth.shape, self.speakers.shape, self.clips.shape)
        if shapes != ((count,),) * 3 or self.log_probabilities.shape != (count, classes):
            raise SottovoceError(
                f"predictions do not fit together: truth, speakers and clips have shapes {shapes}, "
                f"log probabilities {self.log_probabilities.shape}, labels {classes}; "
                f"expected (n,) three times and (n, labels)"
            )
        if not count:
            raise SottovoceError("predictions of 0 clips: there is nothing to measure")
        if self.truth.min() < 0 or self.truth.max() >= classes:
            raise SottovoceError(
                f"truth holds {self.truth.min()} to {self.truth.max()}; "
                f"expected indices 0 to {classes - 1} of the labels"
            )
        sums = np.exp(self.log_probabilities).sum(axis=1)
        wrong = np.flatnonzero(
            ~np.isfinite(self.log_probabilities).all(axis=1) | ~(np.abs(sums - 1) < 1e-3)
        )
        if wrong.size:
            raise SottovoceError(
                f"clip {self.clips[wrong[0]]}: its probabilities sum to {sums[wrong[0]]:.4g}; "
                f"expected finite log probabilities that sum to 1"
            )
        names, times = np.unique(self.clips, return_counts=True)
        if times.max() > 1:
            raise SottovoceError(
                f"clip {names[times.argmax()]} occurs {times.max()} times; expected each clip once"
            )

    @classmethod
    def from_probabilities(
        cls,
        probabilities: ArrayLike,
        *,
        truth: ArrayLike,
        speakers: Sequence[str],
        clips: Sequence[str],
        labels: Sequence[str],
    ) -> Self:
        """Make predictions from probabilities (n, classes), raised to `FLOOR` where below."""
        floored = np.maximum(np.asarray(probabilities, dtype=np.float64), FLOOR)
        return cls(
            np.asarray(truth),
            np.log(floored),
            np.asarray(speakers),
            np.asarray(clips),
            tuple(labels),
        )

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(n, classes), 0 to 1."""
        return np.exp(self.log_probabilities)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(n,) the most probable class; the first of several."""
        return np.asarray(self.log_probabilities.argmax(axis=1), dtype=np.int64)

    @property
    def num_speakers(self) -> int:
        """Number of speakers; 0 where it is not known of every clip who speaks."""
        speakers = np.unique(self.speakers)
        return len(speakers) if all(map(is_known_speaker, speakers)) else 0

    def take(self, rows: ArrayLike) -> "LabelledPredictions":
        """Give the predictions of some rows, in this order."""
        rows = np.asarray(rows, dtype=np.int64)
        return LabelledPredictions(
            self.truth[rows],
            self.log_probabilities[rows],
            self.speakers[rows],
            self.clips[rows],
            self.labels,
        )

    def to_csv(self, path: Path) -> None:
        """Write one line a clip: clip, speaker, truth, predicted, and a probability a label.

        Six significant digits: the metrics of what is read back agree to about 1e-6.
        """
        with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow((*_COLUMNS, *map(csv_cell, self.labels)))
            for clip, speaker, truth, predicted, row in zip(
                self.clips,
                self.speakers,
                self.truth,
                self.predicted,
                self.probabilities,
                strict=True,
            ):
                names = (clip, speaker, self.labels[truth], self.labels[predicted])
                writer.writerow((*map(csv_cell, names), *(f"{p:.6g}" for p in row)))

    @classmethod
    def from_csv(cls, path: Path) -> Self:
        """Read what `to_csv` wrote.

        Raises:
            SottovoceError: the file is not there or is not such a table; says at which line.
        """
        try:
            with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
                header, *rows = (list(map(from_csv_cell, row)) for row in csv.reader(file))
        except (OSError, ValueError, csv.Error) as error:
            raise SottovoceError(f"{path}: not a table of predictions ({error})") from error
        start = len(_COLUMNS)
        labels = header[start:]
        if tuple(header[:start]) != _COLUMNS or not labels:
            raise SottovoceError(
                f"{path}: columns {', '.join(header)}; expected {', '.join(_COLUMNS)} "
                f"and one column a label"
            )
        truth, probabilities = [], []
        for line, row in enumerate(rows, start=2):
            try:
                truth.append(labels.index(row[2]))
                probabilities.append([float(cell) for cell in row[start:]])
                if len(row) != len(header):
                    raise ValueError(f"{len(row)} cells instead of {len(header)}")
            except (ValueError, IndexError) as error:
                raise SottovoceError(f"{path}, line {line}: {error}") from error
        return cls.from_probabilities(
            np.reshape(probabilities, (len(rows), len(labels))),
            truth=truth,
            speakers=[row[1] for row in rows],
            clips=[row[0] for row in rows],
            labels=labels,
        )


@dataclass(frozen=True, eq=False, slots=True)
class MetricSums:
    """Sums over clips from which every metric follows; those of groups of clips add up.

    The leading axes "..." are the groups (none, or speakers, or runs and draws).

    Attributes:
        confusion: (..., classes, classes) clips by truth (row) and prediction (column).
        gap: (..., BINS) sum of confidence minus sum of correct, by bin of confidence.
        nll: (...) sum of -log p(truth), nats.
    """

    confusion: NDArray[np.float64]
    gap: NDArray[np.float64]
    nll: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        predictions: LabelledPredictions,
        group: NDArray[np.int64] | None = None,
        groups: int = 1,
    ) -> Self:
        """Count each group of clips apart: `group` (n,) gives 0 to groups - 1 for each clip."""
        count, classes = predictions.log_probabilities.shape
        rows = np.zeros(count, dtype=np.int64) if group is None else group
        truth, predicted = predictions.truth, predictions.predicted
        sums = cls(np.zeros((groups, classes, classes)), np.zeros((groups, BINS)), np.zeros(groups))
        np.add.at(sums.confusion, (rows, truth, predicted), 1)
        bins, confidence = confidence_bins(predictions)
        np.add.at(sums.gap, (rows, bins), confidence - (truth == predicted))
        np.add.at(sums.nll, rows, -predictions.log_probabilities[np.arange(count), truth])
        return sums

    def weighted(self, weights: NDArray[np.float64]) -> "MetricSums":
        """Add groups up, each as often as its weight says: weights (draws, groups)."""
        return MetricSums(*(np.tensordot(weights, getattr(self, f.name), 1) for f in fields(self)))

    def metrics(self, labels: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """Every metric, each of shape (...); recall of a class without clips is NaN."""
        hits = np.diagonal(self.confusion, axis1=-2, axis2=-1)
        support = self.confusion.sum(axis=-1)
        total = support.sum(axis=-1)
        present = support > 0
        classes = present.sum(axis=-1)
        recall = np.full(support.shape, np.nan)
        np.divide(hits, support, out=recall, where=present)
        answers = self.confusion.sum(axis=-2)
        precision, f1 = np.zeros(support.shape), np.zeros(support.shape)
        np.divide(hits, answers, out=precision, where=answers > 0)
        np.divide(2 * hits, support + answers, out=f1, where=present)
        return {
            "uar": np.where(present, recall, 0).sum(axis=-1) / classes,
            "accuracy": hits.sum(axis=-1) / total,
            "macro_f1": f1.sum(axis=-1) / classes,
            "weighted_f1": (f1 * support).sum(axis=-1) / total,
            "weighted_precision": (precision * support).sum(axis=-1) / total,
            "ece": np.abs(self.gap).sum(axis=-1) / total,
            "nll": self.nll / total,
            **{f"recall_{label}": recall[..., i] for i, label in enumerate(labels)},
        }


def compute_metrics(predictions: LabelledPredictions) -> dict[str, float]:
    """Compute the metrics of predictions: fractions 0 to 1, and the NLL in nats.

    uar: unweighted average recall, the mean of the classes' recalls. accuracy. macro_f1 and
    weighted_f1: mean of the classes' F1, plain and by number of clips. weighted_precision: mean of
    their precisions by number of clips, 0 for one that is never answered. ece: expected calibration
    error in `BINS` equal-width bins of confidence, and nll: mean -log p(truth) (Guo et al. 2017,
    "On Calibration of Modern Neural Networks"). recall_<label>: for each class.

    A class that does not occur in the truth has no recall: it is left out of uar and macro_f1, and
    its recall_<label> is not among the metrics.
    """
    measured = MetricSums.of(predictions).metrics(predictions.labels)
    return {name: float(value[0]) for name, value in measured.items() if not np.isnan(value[0])}


def confusion(predictions: LabelledPredictions) -> NDArray[np.int64]:
    """Count clips by truth (row) and prediction (column): (classes, classes)."""
    return np.asarray(MetricSums.of(predictions).confusion[0], dtype=np.int64)


def confidence_bins(
    predictions: LabelledPredictions,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Give each clip's bin and its confidence; bin m of `BINS` holds (m / BINS, (m + 1) / BINS]."""
    confidence = predictions.probabilities.max(axis=1)
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    return bins, confidence
