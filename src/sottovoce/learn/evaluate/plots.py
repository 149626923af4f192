"""Plots of a run: confusion, learning curves, reliability, recall per class, ROC (PNG)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator, PercentFormatter

from sottovoce import emotions
from sottovoce.learn.evaluate.calibration import reliability
from sottovoce.learn.evaluate.intervals import Interval
from sottovoce.learn.evaluate.metrics import LabelledPredictions, confusion

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#767676"
"""Okabe and Ito's blue and vermilion, told apart with any colour vision, and a neutral grey."""


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """The figures of one training, a value an epoch: losses in nats, UAR 0 to 1."""

    seed: int
    fold: str
    train_loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
    validation_uar: tuple[float, ...]


def draw_confusion(path: Path, title: str, runs: Sequence[LabelledPredictions]) -> None:
    """Draw recall, row by row, with the number of clips (mean over runs) below it."""
    labels = runs[0].labels
    counts = np.mean([confusion(run) for run in runs], axis=0)
    support = counts.sum(axis=1, keepdims=True)
    recall = counts / np.maximum(support, 1)
    side = 1.8 + 0.66 * len(labels)
    figure, (axes,) = new_figure(title, side + 0.4, side)
    axes.imshow(recall, cmap="Blues", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(recall):
        if value >= 0.005:
            ink = "white" if value > 0.55 else "#222222"
            axes.text(
                column,
                row - 0.12,
                f"{100 * value:.0f} %",
                ha="center",
                va="center",
                color=ink,
                fontsize=11,
                weight="bold" if row == column else "normal",
            )
            axes.text(
                column,
                row + 0.24,
                f"{counts[row, column]:.0f}",
                ha="center",
                va="center",
                color=ink,
                fontsize=8,
                alpha=0.85,
            )
    places = range(len(labels))
    axes.set_xticks(places, labels, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, labels)
    axes.set_xlabel("what the model said")
    axes.set_ylabel("what the corpus says")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    save_figure(figure, path)


def draw_curves(path: Path, title: str, curves: Sequence[LearningCurve]) -> None:
    """Draw a thin line a training, and the mean over those that reached each epoch's number."""
    figure, (loss, uar) = new_figure(title, 9, 3.8, columns=2)
    panels = (
        (loss, "train_loss", GREY, "training"),
        (loss, "validation_loss", BLUE, "validation"),
        (uar, "validation_uar", BLUE, "validation"),
    )
    for axes, name, colour, legend in panels:
        lines = [getattr(curve, name) for curve in curves]
        for line in lines:
            axes.plot(range(1, len(line) + 1), line, color=colour, linewidth=0.7, alpha=0.35)
        shortest = min(map(len, lines))
        mean = np.mean([line[:shortest] for line in lines], axis=0)
        axes.plot(range(1, shortest + 1), mean, color=colour, linewidth=2.2, label=legend)
    loss.set_ylabel("loss (nats)")
    loss.legend(frameon=False)
    uar.set_ylabel("UAR on validation speakers")
    uar.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    for axes in (loss, uar):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y", color="#e6e6e6")
    save_figure(figure, path)


def draw_reliability(
    path: Path, title: str, runs: Sequence[LabelledPredictions], ece: Interval
) -> None:
    """Draw the reliability diagram: accuracy against confidence, and how many clips have it."""
    table = reliability(*runs)
    width = 1 / len(table.count)
    filled = table.count > 0
    figure, (axes, counts) = new_figure(title, 5.4, 5.6, rows=(3.2, 1))
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
    axes.text(0.97, 0.9, "perfect", color=GREY, ha="right", va="top", fontsize=9, rotation=38)
    left, right = table.edges[:-1][filled], table.accuracy[filled]
    axes.bar(left, right, width, align="edge", color=BLUE, alpha=0.3, edgecolor="white")
    few = np.sqrt(table.count[filled] / table.count.max())
    axes.scatter(table.confidence[filled], right, 12 + 70 * few, color=BLUE, zorder=3)
    axes.set_ylabel("clips judged right")
    axes.set_ylim(0, 1)
    axes.tick_params(labelbottom=False)
    axes.text(
        0.03,
        0.95,
        f"ECE {100 * ece.value:.1f} %\n({100 * ece.low:.1f} to {100 * ece.high:.1f})",
        va="top",
        fontsize=11,
    )
    counts.bar(
        table.edges[:-1],
        table.count / table.count.sum(),
        width,
        align="edge",
        color=BLUE,
        edgecolor="white",
    )
    counts.set_ylabel("share")
    counts.set_xlabel("the model's confidence")
    for panel in (axes, counts):
        panel.set_xlim(0, 1)
        panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        panel.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    save_figure(figure, path)


def draw_recall(
    path: Path,
    title: str,
    labels: Sequence[str],
    measured: Mapping[str, Interval],
    unit: str = "speakers",
) -> None:
    """Draw each class's recall with its 95 % interval, beside their mean (UAR) and chance.

    `unit`: "speakers" or "clips", which were drawn for the intervals.
    """
    known = [label for label in labels if f"recall_{label}" in measured]
    figure, (axes,) = new_figure(title, 7, 1.7 + 0.42 * len(known))
    uar, chance = measured["uar"], 1 / len(labels)
    axes.axvspan(uar.low, uar.high, color=ORANGE, alpha=0.13, linewidth=0)
    axes.axvline(uar.value, color=ORANGE, linewidth=1.5)
    axes.axvline(chance, color=GREY, linewidth=1, linestyle="--")
    for place, label in enumerate(known):
        recall = measured[f"recall_{label}"]
        axes.plot([recall.low, recall.high], [place, place], color=BLUE, linewidth=2)
        axes.plot(recall.value, place, "o", color=BLUE, markersize=8)
    for value, name, colour in ((uar.value, "UAR", ORANGE), (chance, "chance", GREY)):
        axes.text(value, -0.75, name, color=colour, ha="center", va="bottom", fontsize=10)
    axes.set_yticks(range(len(known)), known)
    axes.set_ylim(len(known) - 0.4, -0.7)
    axes.set_xlim(0, 1)
    axes.set_xlabel(f"recall, with the 95 % interval over {unit}")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    save_figure(figure, path)


def draw_roc(path: Path, title: str, runs: Sequence[LabelledPredictions]) -> None:
    """Draw each class's ROC curve, one class against the others, with the area under it (AUC).

    Over the clips of all runs together; a class that no clip or every clip has, has no curve.
    """
    from sklearn.metrics import auc, roc_curve

    labels = runs[0].labels
    truth = np.concatenate([run.truth for run in runs])
    rows = np.concatenate([run.probabilities for run in runs])
    figure, (axes,) = new_figure(title, 6.4, 5.6)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
    for number, label in enumerate(labels):
        is_label = truth == number
        if not is_label.any() or is_label.all():
            continue
        false, true, _ = roc_curve(is_label, rows[:, number])
        axes.plot(
            *(false, true),
            color=emotions.colour(label, labels),
            linestyle=("-", "--", "-.", ":")[number % 4],
            label=f"{label}, AUC {auc(false, true):.3f}",
        )
    axes.set_xlabel("others taken for it")
    axes.set_ylabel("found")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    axes.legend(frameon=False, loc="lower right")
    save_figure(figure, path)


def new_figure(
    title: str, width: float, height: float, columns: int = 1, rows: tuple[float, ...] = (1,)
) -> tuple[Figure, list[Axes]]:
    """Make an empty figure of width x height inches with its title; `rows` are relative heights."""
    figure = Figure((width, height), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.02, ha="left", fontsize=12)
    grid = figure.subplots(len(rows), columns, squeeze=False, height_ratios=rows)
    for axes in grid.flat:
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_axisbelow(True)
    return figure, list(grid.flat)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a PNG without a date or a version in it: the same run gives the same bytes."""
    figure.savefig(path, dpi=120, metadata={"Software": None})
