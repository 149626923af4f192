"""The app's charts: probabilities, waveform, spectrogram and emotion over time, drawn with Altair.

Every emotion has one colour everywhere, that of the timeline in the terminal, and never the colour
alone: its name or its letter stands there too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from sottovoce.app import axes, spectrogram, words
from sottovoce.audio import Audio
from sottovoce.emotions import colour, letters
from sottovoce.inference.occlusion import HIGHEST, mel
from sottovoce.inference.segments import merge_segments
from sottovoce.results import Segment, Status
from sottovoce.text import clock


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
        y=alt.Y(
            "emotion:N", sort=order, title=None, axis=axes.plain(labelFontSize=13, labelLimit=110)
        ),
        x=alt.X("probability:Q", scale=alt.Scale(domain=[0, 1.12]), axis=None),
        tooltip=["emotion:N", alt.Tooltip("probability:Q", format=".1%")],
    )
    bars = base.mark_bar(cornerRadiusEnd=3, height={"band": 0.62}).encode(
        color=alt.Color("emotion:N", scale=axes.scale(labels), legend=None)
    )
    figures = base.mark_text(align="left", dx=6, fontSize=13, color=axes.ink()).encode(
        text="said:N"
    )
    layers = [bars, figures]
    if threshold:
        rule = alt.Chart(pd.DataFrame({"x": [threshold]})).mark_rule(
            strokeDash=[3, 3], color=axes.GREY, opacity=0.8
        )
        layers.append(rule.encode(x="x:Q"))
    return axes.layered(*layers).properties(height=27 * len(labels) + 6)


def waveform(audio: Audio) -> alt.Chart:
    """The lowest and highest samples over time."""
    times, low, high = spectrogram.outline(audio)
    scale = max(float(np.abs(low).max()), float(np.abs(high).max()), 0.01)
    table = pd.DataFrame({"time": times, "low": low / scale, "high": high / scale})
    return axes.chart(
        alt.Chart(table)
        .mark_area(color=axes.GREY, opacity=0.9)
        .encode(
            x=axes.time(audio.duration, axis=None),
            y=alt.Y(
                "low:Q", axis=axes.plain(labels=False), title=None, scale=alt.Scale(domain=[-1, 1])
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
    return axes.chart(
        alt.Chart(image)
        .mark_image(aspect=False)
        .encode(
            url="url:N",
            x=axes.time(audio.duration, field="start"),
            x2="end:Q",
            y=alt.Y(
                "low:Q",
                title=None,
                scale=alt.Scale(domain=[0, top], nice=False),
                axis=axes.plain(values=list(ticks.values()), labelExpr=f"({names} : '') + ' kHz'"),
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
    for one in merge_segments(segments):
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
        y=alt.Y("row:N", title=None, axis=axes.plain(labels=False)),
        tooltip=["from:N", "emotion:N", "sure:N", "status:N"],
    )
    bars = base.mark_rect().encode(
        x=axes.time(duration, field="start", axis=None),
        x2="end:Q",
        color=alt.Color("emotion:N", scale=axes.scale(labels, "none"), legend=None),
        opacity=alt.Opacity("opacity:Q", scale=None, legend=None),
    )
    text = (
        base.transform_filter("datum.wide")
        .mark_text(fontSize=13, fontWeight="bold")
        .encode(
            x=alt.X("middle:Q", axis=None),
            text="letter:N",
            color=alt.condition(
                alt.datum.opacity == 1, alt.value("#15171c"), alt.value(axes.ink())
            ),
        )
    )
    return axes.layered(bars, text).properties(height=44)


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
    return axes.chart(
        alt.Chart(pd.DataFrame(rows, columns=columns))
        .mark_rect()
        .encode(
            x=axes.time(segments[-1].end, field="start"),
            x2="end:Q",
            y=alt.Y(
                "low:Q",
                title=None,
                scale=alt.Scale(domain=[0, 1]),
                axis=axes.plain(values=[0, 0.5, 1], format="%"),
            ),
            y2="high:Q",
            color=alt.Color(
                "emotion:N",
                scale=alt.Scale(
                    domain=list(names.values()), range=[colour(one, labels) for one in labels]
                ),
                legend=alt.Legend(orient="bottom", title=None, columns=3, symbolType="square"),
            ),
            tooltip=["from:N", "emotion:N", "said:N"],
        )
        .properties(height=250)
    )
