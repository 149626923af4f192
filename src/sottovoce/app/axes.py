"""What the app's charts have in common: colours, the axis of time, and Altair with types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import altair as alt
import streamlit as st

from sottovoce.emotions import colour

GREY = "#8b8f98"
MARGIN = 58
"""px left of every picture over time, so that they stand below one another."""
STEPS = (10, 15, 20, 30, 60, 120, 300)
"""s between two labels of the axis of time, from a minute on."""
TIME = "format(floor(datum.value / 60), '') + ':' + format(datum.value % 60, '02.0f')"
"""Vega's words for a time on an axis of a minute or more."""


def is_dark() -> bool:
    """Whether the person who looks has a dark page."""
    return st.context.theme.type == "dark"


def ink() -> str:
    """The colour of text on the page."""
    return "#e6e6e3" if is_dark() else "#22252b"


def show(chart: alt.TopLevelMixin, alt: str, key: str | None = None) -> None:
    """Show a chart on the page, its words in the page's ink.

    Args:
        chart: what to show.
        alt: what it shows, for those who do not see it.
        key: tells charts apart that look the same.
    """
    shade: Any = ink()
    worded = chart.configure_axis(labelColor=shade, titleColor=shade)
    st.altair_chart(worded.configure_legend(labelColor=shade), key=key, alt=alt)


def chart(chart: Any) -> alt.Chart:
    """The chart, typed: Altair's methods give `Any`."""
    return cast(alt.Chart, chart)


def layered(*charts: Any) -> alt.LayerChart:
    """One chart over another, typed."""
    return cast(alt.LayerChart, alt.layer(*charts))


def scale(labels: Sequence[str], *grey: str) -> alt.Scale:
    """The colours of emotions, and of `grey` things that are none."""
    shades = [colour(one, labels) for one in labels]
    return alt.Scale(domain=[*labels, *grey], range=[*shades, *("#d9d9d4" for _ in grey)])


def time(duration: float, field: str = "time", axis: Any = True) -> alt.X:
    """The axis of time, in s, or in minutes and seconds from a minute on."""
    if axis is not None:
        ticks: dict[str, Any] = {"tickCount": 8, "labelExpr": "datum.label + ' s'"}
        if duration >= 60:
            step = next((one for one in STEPS if duration <= 8 * one), duration / 8)
            places = range(int(duration / step) + 1)
            ticks = {"values": [step * place for place in places], "labelExpr": TIME}
        axis = alt.Axis(title=None, grid=False, labelFlush=True, **ticks)
    whole = alt.Scale(domain=[0, max(duration, 1e-3)], nice=False)
    return alt.X(f"{field}:Q", scale=whole, axis=axis, title=None)


def plain(**changes: Any) -> alt.Axis:
    """An axis of nothing but labels, as wide as all others."""
    nothing = {"grid": False, "ticks": False, "domain": False}
    return alt.Axis(**{**nothing, "minExtent": MARGIN, "maxExtent": 120, **changes})
