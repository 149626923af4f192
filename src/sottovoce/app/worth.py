"""Charts of what each part of a recording was worth to an answer, drawn with Altair."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from sottovoce.app import axes, pictures, spectrogram
from sottovoce.audio import Audio
from sottovoce.audio.mel_scale import hz_to_mel
from sottovoce.inference.occlusion import HIGHEST, Explanation

FOR, AGAINST = "#e07b1f", "#3d7fc4"
"""What spoke for an emotion and against it; told apart by those who see fewer colours too."""


def of_moments(found: Explanation, audio: Audio) -> alt.Chart:
    """A bar for each moment: above the line it spoke for the emotion."""
    table = pd.DataFrame(
        {
            "start": found.moments[:-1],
            "end": found.moments[1:],
            "worth": 100 * found.by_moment,
        }
    )
    return axes.chart(
        alt.Chart(table)
        .mark_rect(stroke="white", strokeWidth=0.5)
        .encode(
            x=axes.time(audio.duration, field="start", axis=None),
            x2="end:Q",
            y=alt.Y("worth:Q", title=None, axis=axes.plain(tickCount=3, grid=True)),
            y2=alt.datum(0),
            color=_for_or_against("worth"),
            tooltip=[
                alt.Tooltip("start:Q", format=".2f", title="from, s"),
                alt.Tooltip("end:Q", format=".2f", title="to, s"),
                alt.Tooltip("worth:Q", format="+.1f", title="points"),
            ],
        )
        .properties(height=110)
    )


def of_cells(found: Explanation, audio: Audio) -> alt.LayerChart:
    """The spectrogram in grey, what each part was worth over it, the decisive stretch framed.

    Without cells, the moments are drawn over all frequencies.
    """
    mels = hz_to_mel(found.bands)
    if found.cells is None:
        values, lows, highs = found.by_moment[None], mels[:1], mels[-1:]
    else:
        values, lows, highs = found.cells, mels[:-1], mels[1:]
    bands, moments = values.shape
    table = pd.DataFrame(
        {
            "start": np.tile(found.moments[:-1], bands),
            "end": np.tile(found.moments[1:], bands),
            "low": np.repeat(lows, moments),
            "high": np.repeat(highs, moments),
            "worth": 100 * values.ravel(),
            "strength": np.abs(values.ravel()) / max(float(np.abs(values).max()), 1e-9),
        }
    )
    over = (
        alt.Chart(table)
        .mark_rect()
        .encode(
            x=axes.time(audio.duration, field="start"),
            x2="end:Q",
            y=alt.Y("low:Q"),
            y2="high:Q",
            color=_for_or_against("worth"),
            opacity=alt.Opacity(
                "strength:Q", scale=alt.Scale(domain=[0, 1], range=[0, 0.8]), legend=None
            ),
            tooltip=[
                alt.Tooltip("start:Q", format=".2f", title="from, s"),
                alt.Tooltip("worth:Q", format="+.1f", title="points"),
            ],
        )
    )
    layers = [pictures.spectrum(audio, spectrogram.GREYS[:: 1 if axes.is_dark() else -1]), over]
    if found.stretch is not None:
        frame = pd.DataFrame(
            {
                "start": [found.stretch[0]],
                "end": [found.stretch[1]],
                "low": [0.0],
                "high": [float(hz_to_mel(HIGHEST))],
            }
        )
        layers.append(
            alt.Chart(frame)
            .mark_rect(filled=False, stroke=FOR, strokeWidth=2)
            .encode(x="start:Q", x2="end:Q", y="low:Q", y2="high:Q")
        )
    return axes.layered(*layers).properties(height=220)


def of_bands(found: Explanation) -> alt.Chart:
    """A bar for each band, high ones on top."""
    names = [f"{low / 1000:.1f} to {high / 1000:.1f} kHz" for low, high in pairwise(found.bands)]
    table = pd.DataFrame({"band": names, "worth": 100 * found.by_band})
    return axes.chart(
        alt.Chart(table)
        .mark_bar(cornerRadius=2)
        .encode(
            y=alt.Y("band:N", sort=names[::-1], title=None, axis=axes.plain(labelOverlap=False)),
            x=alt.X("worth:Q", title=None, axis=alt.Axis(grid=True, tickCount=6)),
            color=_for_or_against("worth"),
            tooltip=["band:N", alt.Tooltip("worth:Q", format="+.1f", title="points")],
        )
        .properties(height=24 * len(names) + 40)
    )


def _for_or_against(field: str) -> Any:
    return alt.condition(alt.datum[field] >= 0, alt.value(FOR), alt.value(AGAINST))
