"""What models gain by answering together, from their out-of-fold predictions.

    python benchmarks/ensemble.py RUN RUN [RUN ...]

RUN is the folder of a finished `sottovoce train` with its seed*/predictions.csv, or a folder with
seed*.csv as in docs/results/. All runs must be of the same clips and labels, under one protocol:
then nobody is judged by a model that learned from them. The probabilities, calibrated fold by fold,
are averaged clip by clip, the first seed of each run with the first of the others and so on, as
many as the run with the fewest has. UAR and accuracy with 95 % intervals from resampling speakers;
the change is against the best run alone, in pairs.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sottovoce.errors import SottovoceError
from sottovoce.learn.evaluate.intervals import (
    SpeakerDraws,
    intervals,
    percentile_interval,
)
from sottovoce.learn.evaluate.metrics import LabelledPredictions, MetricSums
from sottovoce.learn.evaluate.report import format_interval, markdown_table

DRAWS = 10_000


def read_run(folder: Path) -> list[LabelledPredictions]:
    """The predictions of each seed of a run."""
    files = sorted(folder.glob("seed*/predictions.csv")) or sorted(folder.glob("seed*.csv"))
    if not files:
        raise SottovoceError(
            f"{folder}: no seed*/predictions.csv and no seed*.csv; give a finished run"
        )
    return [LabelledPredictions.from_csv(file) for file in files]


def ordered(first: LabelledPredictions, other: LabelledPredictions) -> LabelledPredictions:
    """Predictions of the same clips, in the order of the first one's clips and labels."""
    place = {str(clip): row for row, clip in enumerate(other.clips)}
    if set(other.labels) != set(first.labels) or set(place) != set(map(str, first.clips)):
        raise SottovoceError(
            f"runs of {len(first.clips)} clips labelled {', '.join(first.labels)}, and of "
            f"{len(other.clips)} labelled {', '.join(other.labels)}; expected the same clips and "
            "the same labels"
        )
    rows = [place[str(clip)] for clip in first.clips]
    columns = [other.labels.index(label) for label in first.labels]
    return LabelledPredictions(
        first.truth,
        other.log_probabilities[rows][:, columns],
        first.speakers,
        first.clips,
        first.labels,
    )


def together(members: Sequence[LabelledPredictions]) -> LabelledPredictions:
    """The mean of the probabilities of predictions in one order."""
    first = members[0]
    return LabelledPredictions.from_probabilities(
        np.mean([member.probabilities for member in members], axis=0),
        truth=first.truth,
        speakers=first.speakers.tolist(),
        clips=first.clips.tolist(),
        labels=first.labels,
    )


def uar(seeds: Sequence[LabelledPredictions]) -> NDArray[np.float64]:
    """The mean over seeds of the UAR of all clips, then of each draw of speakers."""
    figures = []
    for each in seeds:
        drawn = SpeakerDraws.of(each, DRAWS)
        sums = MetricSums.of(each, drawn.unit, drawn.weights.shape[1]).weighted(drawn.weights)
        figures.append(sums.metrics(each.labels)["uar"])
    return np.mean(figures, axis=0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table: 0 done, 2 the runs do not go together."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    folders: list[Path] = parser.parse_args(arguments).runs
    try:
        runs = [read_run(folder) for folder in folders]
        count = min(map(len, runs))
        alone = [[ordered(runs[0][0], seed) for seed in run[:count]] for run in runs]
        joint = [together([run[seed] for run in alone]) for seed in range(count)]
        measured = [intervals(run, draws=DRAWS) for run in (*alone, joint)]
    except SottovoceError as error:
        print(f"ensemble.py: {error}", file=sys.stderr)
        return 2
    names = [*(folder.name for folder in folders), "together"]
    rows = [
        [name, *(format_interval(metric, found[metric]) for metric in ("uar", "accuracy"))]
        for name, found in zip(names, measured, strict=True)
    ]
    print(f"{len(joint[0].clips)} clips, {count} seed{'s' * (count > 1)}\n")
    print(markdown_table(["", "UAR", "accuracy"], rows))
    best = max(range(len(alone)), key=lambda place: measured[place]["uar"].value)
    change = percentile_interval(uar(joint) - uar(alone[best]))
    low, high = 100 * change.low, 100 * change.high
    print(f"UAR together less {names[best]}: {100 * change.value:+.1f} ({low:+.1f} to {high:+.1f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
