"""Emotion over time as a picture: the labels as bars, the probabilities as areas below."""

from __future__ import annotations

import importlib.util
import warnings
from array import array
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any

from sottovoce.emotions import colour
from sottovoce.errors import MissingExtraError
from sottovoce.export import AddSegment, ExportFormat, ExportSubject
from sottovoce.export._files import opened_for_writing
from sottovoce.results import Segment, Status
from sottovoce.text import TIME_STEPS, clock

PAUSE_COLOUR = "#e8e8e8"
MINUTE = 60


class TimelinePlot:
    """Collects segments, a few numbers each, and draws them."""

    def __init__(self, labels: Sequence[str], title: str) -> None:
        self._labels, self._title = list(labels), title
        self._channels: dict[int | None, array[float]] = {}

    def add(self, segment: Segment) -> None:
        """Keep the next segment of its channel."""
        sure = float(segment.status is Status.OK)
        label = -1 if segment.emotion is None else self._labels.index(segment.emotion)
        row = self._channels.setdefault(segment.channel, array("f"))
        row.extend((segment.start, segment.end, label, sure))
        row.extend(segment.probabilities.get(name, 0.0) for name in self._labels)

    def write(self, file: IO[bytes], kind: str) -> None:
        """Draw what was collected.

        Args:
            file: that takes the picture.
            kind: "png", "svg" or "pdf".
        """
        import numpy as np
        from matplotlib.figure import Figure
        from matplotlib.patches import Patch
        from matplotlib.ticker import MultipleLocator

        rows = 2 * max(1, len(self._channels))
        figure = Figure((12, 1 + 1.4 * rows), layout="constrained")
        heights = [1, 3] * (rows // 2)
        axes = figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        for place, (channel, values) in enumerate(sorted(self._channels.items(), key=_order)):
            table = np.array(values).reshape(-1, 4 + len(self._labels))
            self._draw(axes[2 * place], axes[2 * place + 1], table)
            if channel is not None:
                axes[2 * place].set_title(f"channel {channel}", loc="left", fontsize=9)
        axes[-1].set_xlabel("time")
        length = axes[-1].get_xlim()[1]
        spacing = next((step for step in TIME_STEPS if length <= 12 * step), length / 12)
        axes[-1].xaxis.set_major_locator(MultipleLocator(spacing))
        axes[-1].xaxis.set_major_formatter(
            (lambda seconds, _: clock(max(0.0, seconds))) if length >= MINUTE else "{x:g} s"
        )
        figure.suptitle(self._title, fontsize=11, parse_math=False)
        stacked = reversed(self._labels)  # the legend has them as the areas stand
        patches = [Patch(color=colour(name, self._labels), label=name) for name in stacked]
        patches.append(Patch(facecolor=PAUSE_COLOUR, label="no emotion"))
        patches.append(Patch(facecolor="white", edgecolor="grey", hatch="////", label="uncertain"))
        legend = figure.legend(handles=patches, loc="outside right center", frameon=False)
        for text in legend.get_texts():
            text.set_parse_math(False)
        with warnings.catch_warnings(action="ignore"):  # of letters that its font does not have
            figure.savefig(file, format=kind, dpi=110)

    def _draw(self, above: Any, below: Any, table: Any) -> None:
        """One channel: bars `above`, areas `below`; rows as `add` collects them."""
        import numpy as np

        starts, ends, chosen, sure = table[:, :4].T
        for label in (-1, *range(len(self._labels))):
            shade = PAUSE_COLOUR if label < 0 else colour(self._labels[label], self._labels)
            for certain in (True, False):
                here = (chosen == label) & ((sure == 1) == certain)
                hatched = label >= 0 and not certain
                above.broken_barh(
                    list(zip(starts[here], (ends - starts)[here], strict=True)),
                    (0, 1),
                    facecolor="white" if hatched else shade,
                    edgecolor=shade,
                    hatch="////" if hatched else None,
                    linewidth=0,
                )
        above.set_ylim(0, 1)
        above.set_yticks([])
        times = np.stack([starts, ends], axis=1).ravel()
        floor = np.zeros(times.size)
        for label, name in enumerate(self._labels):
            top = floor + np.repeat(table[:, 4 + label], 2)
            below.fill_between(times, floor, top, color=colour(name, self._labels), linewidth=0)
            floor = top
        below.set_ylim(0, 1)
        below.set_xlim(0, max(ends, default=1.0))
        below.set_ylabel("probability")


def _order(item: tuple[int | None, Any]) -> int:
    return item[0] or 0


@contextmanager
def _picture(path: str, labels: Sequence[str], title: str) -> Iterator[AddSegment]:
    plot = TimelinePlot(labels, title)
    with opened_for_writing(path, "wb") as file:
        try:
            yield plot.add
        finally:
            plot.write(file, Path(path).suffix.lower().removeprefix("."))


def _writer(path: str, about: ExportSubject) -> AbstractContextManager[AddSegment]:
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError("a picture", "matplotlib", "plot")
    return _picture(path, about.labels, about.title)


FORMAT = ExportFormat(
    "plot", "A picture: .png, .svg or .pdf.", _writer, (".png", ".svg", ".pdf"), "a picture"
)
