"""Charts of where a model was right and wrong when it was measured, drawn with Altair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from sottovoce.app import axes
from sottovoce.models.tested import Tested

BLUE, DEEP = "#3d7fc4", "#1f5a9e"
"""On a dark page, and on a light one."""
MOST = 0.75
"""Share of a row from which white is easier to read on its blue."""


def confusion(found: Tested, labels: Sequence[str]) -> alt.LayerChart:
    """A square for each truth (row) and answer (column), the bluer the larger its share of a row.

    Args:
        found: what was measured.
        labels: the emotions, in the order of the card.
    """
    shares = found.confusion / np.maximum(found.confusion.sum(axis=1, keepdims=True), 1)
    table = pd.DataFrame(
        {
            "truth": np.repeat(labels, len(labels)),
            "answer": np.tile(labels, len(labels)),
            "share": shares.ravel(),
            "clips": found.confusion.ravel().round(1),
            "said": [f"{100 * one:.0f}" if one >= 0.005 else "" for one in shares.ravel()],
        }
    )
    base = alt.Chart(table).encode(
        x=alt.X("answer:N", sort=None, title="what the model said", axis=_names(labelAngle=-45)),
        y=alt.Y("truth:N", sort=None, title="what it was", axis=_names()),
        tooltip=["truth:N", "answer:N", alt.Tooltip("share:Q", format=".1%"), "clips:Q"],
    )
    squares = base.mark_rect(color=BLUE if axes.is_dark() else DEEP).encode(
        opacity=alt.Opacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0.04, 1]), legend=None)
    )
    figures = base.mark_text(fontSize=12).encode(
        text="said:N",
        color=alt.condition(alt.datum.share > MOST, alt.value("white"), alt.value(axes.ink())),
    )
    return axes.layered(squares, figures).properties(height=38 * len(labels) + 70)


def reliability(found: Tested) -> alt.LayerChart:
    """How often the model was right against how sure it was, a point for each bin.

    The more answers are so sure, the larger the point; the dashed line is perfect.
    """
    full = found.clips > 0
    table = pd.DataFrame(
        {
            "sure": found.confidence[full],
            "right": found.right[full],
            "answers": found.clips[full],
            "zero": 0.0,
        }
    )
    base = alt.Chart(table).encode(
        x=alt.X("sure:Q", title="how sure it was", scale=_unit(), axis=_percent()),
        y=alt.Y("right:Q", title="how often it was right", scale=_unit(), axis=_percent()),
        tooltip=[
            alt.Tooltip("sure:Q", format=".1%"),
            alt.Tooltip("right:Q", format=".1%"),
            "answers:Q",
        ],
    )
    perfect = (
        alt.Chart(pd.DataFrame({"sure": [0.0, 1.0], "right": [0.0, 1.0]}))
        .mark_line(color=axes.GREY, strokeDash=[4, 4], strokeWidth=1.5)
        .encode(x="sure:Q", y="right:Q")
    )
    points = base.mark_circle(color=BLUE, opacity=1).encode(
        size=alt.Size("answers:Q", scale=alt.Scale(range=[20, 220]), legend=None)
    )
    return axes.layered(perfect, points).properties(height=374)


def _names(**changes: Any) -> alt.Axis:
    return alt.Axis(
        grid=False, ticks=False, domain=False, labelFontSize=12, labelOverlap=False, **changes
    )


def _percent() -> alt.Axis:
    return alt.Axis(format="%", tickCount=5)


def _unit() -> alt.Scale:
    return alt.Scale(domain=[0, 1])
