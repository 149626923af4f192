"""The app's charts: probabilities, waveform, spectrogram and emotion over time, drawn with Altair.

Every emotion has one colour everywhere, that of the timeline in the terminal, and never the colour
alone: its name or its letter stands there too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

import altair as alt
import numpy as np
import pandas as pd

from undertone.app import spectrogram, words
from undertone.audio import Audio
from undertone.colours import colour, letters
from undertone.display import clock
from undertone.gate import Status
from undertone.segments import Segment, stretches
from undertone.why import HIGHEST, Explanation, mel

GREY = "#8b8f98"
FOR, AGAINST = "#e07b1f", "#3d7fc4"
"""What spoke for an emotion and against it; told apart by those who see fewer colours too."""
MARGIN = 58
"""px left of every picture over time, so that they stand below one another."""
TIME = "format(floor(datum.value / 60), '') + ':' + format(datum.value % 60, '02.0f')"
"""Vega's words for a time on an axis of a minute or more."""


def probabilities(
    answer: Mapping[str, float], *, threshold: float | None = None, ranked: bool = True
) -> alt.LayerChart:
    """A bar for each emotion, with its figure.

    Args:
        answer: label -> probability.
        threshold: where a thin line stands, if any.
        ranked: the likeliest first, or as they come.
    """
    labels = list(answer)
    order = sorted(labels, key=answer.__getitem__, reverse=True) if ranked else labels
    table = pd.DataFrame(
        {
            "emotion": labels,
            "probability": [answer[one] for one in labels],
            "said": [words.percent(answer[one]) for one in labels],
        }
    )
    base = alt.Chart(table).encode(
        y=alt.Y("emotion:N", sort=order, title=None, axis=_plain(labelFontSize=13, labelLimit=110)),
        x=alt.X("probability:Q", scale=alt.Scale(domain=[0, 1.12]), axis=None),
        tooltip=["emotion:N", alt.Tooltip("probability:Q", format=".1%")],
    )
    bars = base.mark_bar(cornerRadiusEnd=3, height={"band": 0.62}).encode(
        color=alt.Color("emotion:N", scale=_scale(labels), legend=None)
    )
    figures = base.mark_text(align="left", dx=6, fontSize=13, color=GREY).encode(text="said:N")
    layers = [bars, figures]
    if threshold:
        rule = alt.Chart(pd.DataFrame({"x": [threshold]})).mark_rule(
            strokeDash=[3, 3], color=GREY, opacity=0.8
        )
        layers.append(rule.encode(x="x:Q"))
    return _layered(*layers).properties(height=27 * len(labels) + 6)


def waveform(audio: Audio) -> alt.Chart:
    """The lowest and highest samples over time."""
    times, low, high = spectrogram.outline(audio)
    scale = max(float(np.abs(low).max()), float(np.abs(high).max()), 0.01)
    table = pd.DataFrame({"time": times, "low": low / scale, "high": high / scale})
    return _chart(
        alt.Chart(table)
        .mark_area(color=GREY, opacity=0.9)
        .encode(
            x=_time(audio.duration, axis=None),
            y=alt.Y(
                "low:Q", axis=_plain(labels=False), title=None, scale=alt.Scale(domain=[-1, 1])
            ),
            y2="high:Q",
        )
        .properties(height=70)
    )


def spectrum(audio: Audio, colours: Sequence[str] = spectrogram.COLOURS) -> alt.Chart:
    """The log-mel spectrogram, its axis in kHz."""
    top = float(mel(HIGHEST))
    image = pd.DataFrame(
        {
            "url": [spectrogram.picture(spectrogram.log_mel(audio), colours)],
            "start": [0.0],
            "end": [audio.duration],
            "low": [0.0],
            "high": [top],
        }
    )
    ticks = {f"{kilo:g}": float(mel(1000 * kilo)) for kilo in (0.5, 1, 2, 4, 8)}
    names = " : ".join(f"datum.value < {place + 1:.1f} ? '{one}'" for one, place in ticks.items())
    return _chart(
        alt.Chart(image)
        .mark_image(aspect=False)
        .encode(
            url="url:N",
            x=_time(audio.duration, field="start"),
            x2="end:Q",
            y=alt.Y(
                "low:Q",
                title=None,
                scale=alt.Scale(domain=[0, top], nice=False),
                axis=_plain(values=list(ticks.values()), labelExpr=f"({names} : '') + ' kHz'"),
            ),
            y2="high:Q",
        )
        .properties(height=190)
    )


def over_time(segments: Sequence[Segment], labels: Sequence[str]) -> alt.LayerChart:
    """A strip of the emotions that lasted, each with its letter where it fits."""
    duration = segments[-1].end
    known = letters(labels)
    rows = []
    for one in stretches(segments):
        sure = one.status is Status.OK
        name = one.emotion or "none"
        rows.append(
            {
                "start": one.start,
                "end": one.end,
                "emotion": name,
                "letter": (known[name] if sure else known[name].lower()) if one.emotion else "",
                "middle": (one.start + one.end) / 2,
                "sure": "" if one.confidence is None else words.percent(one.confidence),
                "status": str(one.status).replace("_", " "),
                "from": clock(one.start),
                "opacity": 1.0 if sure else 0.45,
                "row": "",
                "wide": one.duration >= duration / 60,
            }
        )
    base = alt.Chart(pd.DataFrame(rows)).encode(
        y=alt.Y("row:N", title=None, axis=_plain(labels=False)),
        tooltip=["from:N", "emotion:N", "sure:N", "status:N"],
    )
    bars = base.mark_rect().encode(
        x=_time(duration, field="start", axis=None),
        x2="end:Q",
        color=alt.Color("emotion:N", scale=_scale(labels, "none"), legend=None),
        opacity=alt.Opacity("opacity:Q", scale=None, legend=None),
    )
    text = (
        base.transform_filter("datum.wide")
        .mark_text(fontSize=13, fontWeight="bold", color="#15171c")
        .encode(x=alt.X("middle:Q", axis=None), text="letter:N")
    )
    return _layered(bars, text).properties(height=44)


def chances_over_time(segments: Sequence[Segment], labels: Sequence[str]) -> alt.Chart:
    """The probabilities of every segment, piled upon one another; the legend has the letters."""
    known = letters(labels)
    names = {label: f"{known[label]}  {label}" for label in labels}
    rows = []
    for one in segments:
        below = 0.0
        for label, probability in one.probabilities.items():
            rows.append(
                {
                    "start": one.start,
                    "end": one.end,
                    "from": clock(one.start),
                    "emotion": names[label],
                    "low": below,
                    "high": below + probability,
                    "said": words.percent(probability),
                }
            )
            below += probability
    columns = ["start", "end", "from", "emotion", "low", "high", "said"]
    return _chart(
        alt.Chart(pd.DataFrame(rows, columns=columns))
        .mark_rect()
        .encode(
            x=_time(segments[-1].end, field="start"),
            x2="end:Q",
            y=alt.Y(
                "low:Q",
                title=None,
                scale=alt.Scale(domain=[0, 1]),
                axis=_plain(values=[0, 0.5, 1], format="%"),
            ),
            y2="high:Q",
            color=alt.Color(
                "emotion:N",
                scale=alt.Scale(
                    domain=list(names.values()), range=[colour(one, labels) for one in labels]
                ),
                legend=alt.Legend(orient="bottom", title=None, columns=4, symbolType="square"),
            ),
            tooltip=["from:N", "emotion:N", "said:N"],
        )
        .properties(height=250)
    )


def worth_of_moments(found: Explanation, audio: Audio) -> alt.Chart:
    """A bar for each moment: above the line it spoke for the emotion."""
    table = pd.DataFrame(
        {
            "start": found.moments[:-1],
            "end": found.moments[1:],
            "worth": 100 * found.by_moment,
        }
    )
    return _chart(
        alt.Chart(table)
        .mark_rect(stroke="white", strokeWidth=0.5)
        .encode(
            x=_time(audio.duration, field="start", axis=None),
            x2="end:Q",
            y=alt.Y("worth:Q", title=None, axis=_plain(tickCount=3, grid=True)),
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


def worth_of_cells(found: Explanation, audio: Audio, *, dark: bool) -> alt.LayerChart:
    """The spectrogram in grey, what each part was worth over it, the decisive stretch framed.

    Without cells, the moments are drawn over all frequencies.
    """
    mels = mel(found.bands)
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
            x=_time(audio.duration, field="start"),
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
    layers = [spectrum(audio, spectrogram.GREYS[:: 1 if dark else -1]), over]
    if found.stretch is not None:
        frame = pd.DataFrame(
            {
                "start": [found.stretch[0]],
                "end": [found.stretch[1]],
                "low": [0.0],
                "high": [float(mel(HIGHEST))],
            }
        )
        layers.append(
            alt.Chart(frame)
            .mark_rect(filled=False, stroke=FOR, strokeWidth=2)
            .encode(x="start:Q", x2="end:Q", y="low:Q", y2="high:Q")
        )
    return _layered(*layers).properties(height=220)


def worth_of_bands(found: Explanation) -> alt.Chart:
    """A bar for each band, high ones on top."""
    names = [f"{low / 1000:.1f} to {high / 1000:.1f} kHz" for low, high in pairwise(found.bands)]
    table = pd.DataFrame({"band": names, "worth": 100 * found.by_band})
    return _chart(
        alt.Chart(table)
        .mark_bar(cornerRadius=2)
        .encode(
            y=alt.Y("band:N", sort=names[::-1], title=None, axis=_plain(labelOverlap=False)),
            x=alt.X("worth:Q", title=None, axis=alt.Axis(grid=True, tickCount=6)),
            color=_for_or_against("worth"),
            tooltip=["band:N", alt.Tooltip("worth:Q", format="+.1f", title="points")],
        )
        .properties(height=24 * len(names) + 40)
    )


def _for_or_against(field: str) -> Any:
    return alt.condition(alt.datum[field] >= 0, alt.value(FOR), alt.value(AGAINST))


def _chart(chart: Any) -> alt.Chart:
    """Altair's methods give `Any`."""
    return cast(alt.Chart, chart)


def _layered(*charts: Any) -> alt.LayerChart:
    return cast(alt.LayerChart, alt.layer(*charts))


def _scale(labels: Sequence[str], *grey: str) -> alt.Scale:
    shades = [colour(one, labels) for one in labels]
    return alt.Scale(domain=[*labels, *grey], range=[*shades, *("#d9d9d4" for _ in grey)])


def _time(duration: float, field: str = "time", axis: Any = True) -> alt.X:
    """The axis of time, in s, or in minutes and seconds from a minute on."""
    if axis is not None:
        axis = alt.Axis(
            title=None,
            grid=False,
            labelExpr=TIME if duration >= 60 else "datum.label + ' s'",
            tickCount=8,
            labelFlush=True,
        )
    scale = alt.Scale(domain=[0, max(duration, 1e-3)], nice=False)
    return alt.X(f"{field}:Q", scale=scale, axis=axis, title=None)


def _plain(**changes: Any) -> alt.Axis:
    """An axis of nothing but labels, as wide as all others."""
    plain = {"grid": False, "ticks": False, "domain": False}
    return alt.Axis(**{**plain, "minExtent": MARGIN, "maxExtent": 120, **changes})
