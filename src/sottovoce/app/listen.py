"""The page *Listen*: which emotion recordings carry, with pictures, over time, and as files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from sottovoce.app import axes, frame, pictures, words
from sottovoce.app.recordings import Recording
from sottovoce.audio import Audio
from sottovoce.errors import SottovoceError
from sottovoce.models.model import Model
from sottovoce.options import RecordingOptions
from sottovoce.results import Prediction, Segment, Status, Summary
from sottovoce.text import duration

LONG = 6.0
"""s from which a recording is followed over time."""


def page() -> None:
    """Ask for recordings, and answer."""
    st.markdown("Which emotion does a voice carry?")
    held = frame.ask()
    keys = tuple(one.key for one in held)
    asked = st.button("Predict", type="primary", icon=":material/graphic_eq:")
    if asked:
        st.session_state["predicted"] = keys
    if st.session_state.get("predicted") != keys:
        if len(held) == 1:
            _show_sound(held[0], frame.heard(held[0]))
        return
    judge = frame.model()
    answers = _answers(held, judge)
    if len(held) > 1:
        _list(held, answers)
    recording = frame.one_of(held)
    prediction = answers[held.index(recording)]
    if prediction.status is Status.ERROR:
        frame.unreadable(prediction.message)
        return
    audio = frame.heard(recording)
    _show(prediction, recording, audio, judge)
    segments: list[Segment] = []
    if audio.duration >= LONG and prediction.status is not Status.SILENCE:
        segments = _over_time(audio, recording, judge)
    _downloads(answers, segments, recording)


def _answers(held: list[Recording], judge: Model) -> list[Prediction]:
    if len(held) == 1:
        return [_answer(held[0], held[0].key, judge, repr(frame.choice()))]
    answers = []
    bar = st.progress(0.0, "Listening ...")
    for place, one in enumerate(held, 1):
        answers.append(_answer(one, one.key, judge, repr(frame.choice())))
        bar.progress(place / len(held), f"Listening to {words.verbatim(one.name)}")
    bar.empty()
    return answers


@st.cache_resource(scope="session", max_entries=200, show_spinner=False)
def _answer(_recording: Recording, key: str, _judge: Model, asked: str) -> Prediction:
    return frame.answer(_recording, _judge)


def _list(held: list[Recording], answers: Sequence[Prediction]) -> None:
    lengths = ["" if one.duration is None else duration(one.duration) for one in answers]
    table = pd.DataFrame(
        {
            "recording": [one.name for one in held],
            "heard": [words.headline(one) for one in answers],
            "sure": [one.confidence and round(100 * one.confidence) for one in answers],
            "length": lengths,
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            "sure": st.column_config.ProgressColumn(format="%d %%", min_value=0, max_value=100)
        },
    )


def _show(prediction: Prediction, recording: Recording, audio: Audio, judge: Model) -> None:
    """The answer, with the probabilities where there are any, beside the sound."""
    frame.say(prediction, audio)
    if prediction.probabilities:
        left, right = st.columns([2, 3], gap="large")
        least = frame.choice().min_confidence
        if least is None:
            least = judge.card.min_confidence
        with left:
            said = ", ".join(f"{k} {words.percent(v)}" for k, v in prediction.probabilities.items())
            axes.show(
                pictures.probabilities(prediction.probabilities, threshold=least),
                alt=f"Probability of each emotion: {said}",
            )
            if least:
                st.caption(f"Dashed: the minimum confidence, {words.percent(least)}.")
        with right:
            _show_sound(recording, audio)
    else:
        _show_sound(recording, audio)


def _show_sound(recording: Recording, audio: Audio) -> None:
    """Player, waveform and spectrogram."""
    frame.player(recording, audio)
    if audio.samples.size:
        waveform, spectrum = _drawn(audio, recording.key)
        axes.show(waveform, alt="Waveform of the recording")
        axes.show(spectrum, alt="Mel spectrogram of the recording, up to 8 kHz, lighter is louder")


@st.cache_resource(scope="session", max_entries=4, show_spinner=False)
def _drawn(_audio: Audio, key: str) -> tuple[alt.Chart, alt.Chart]:
    return pictures.waveform(_audio), pictures.spectrum(_audio)


def _over_time(audio: Audio, recording: Recording, judge: Model) -> list[Segment]:
    st.subheader("Over time", anchor=False)
    try:
        segments, summary = _follow(audio, recording.key, judge, repr(frame.choice()))
    except SottovoceError as error:
        st.info(f"It cannot be followed: {words.verbatim(str(error))}", icon=":material/info:")
        return []
    axes.show(pictures.over_time(segments, judge.labels), alt="Which emotion was heard when")
    axes.show(pictures.chances_over_time(segments, judge.labels), alt="Probabilities over time")
    st.caption(_sum_up(summary))
    return segments


@st.cache_resource(scope="session", max_entries=4, show_spinner="Following the recording ...")
def _follow(_audio: Audio, key: str, _judge: Model, asked: str) -> tuple[list[Segment], Summary]:
    chosen = frame.choice()
    timeline = _judge.timeline(
        _audio,
        lookahead=RecordingOptions().lookahead,
        gate=chosen.gate,
        min_confidence=chosen.min_confidence,
    )
    return list(timeline), timeline.summary()


def _sum_up(summary: Summary) -> str:
    """The timeline in a sentence or two."""
    shares = sorted(summary.shares.items(), key=lambda one: -one[1])
    named = ", ".join(f"{label} {words.percent(share)}" for label, share in shares if share >= 0.01)
    if summary.longest is None:
        return "Over time no emotion stands out."
    times = "change" if summary.changes == 1 else "changes"
    longest = summary.longest
    return (
        f"Of the time with an emotion: {named}. {summary.changes} {times}; the longest stretch is "
        f"{longest.emotion}, {duration(longest.duration)}. Small letters and pale colours are "
        "uncertain, grey has no emotion."
    )


def _downloads(
    answers: Sequence[Prediction], segments: Sequence[Segment], recording: Recording
) -> None:
    name = "sottovoce" if len(answers) > 1 else _stem(recording.name)
    with st.container(horizontal=True):
        st.download_button(
            "CSV",
            _csv([one.row() for one in answers]),
            f"{name}.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
        st.download_button(
            "JSON",
            json.dumps([one.to_dict() for one in answers], indent=1, ensure_ascii=False),
            f"{name}.json",
            "application/json",
            icon=":material/download:",
            on_click="ignore",
        )
        if segments:
            st.download_button(
                "Timeline as CSV",
                _csv([one.row() for one in segments]),
                f"{_stem(recording.name)}-timeline.csv",
                "text/csv",
                icon=":material/download:",
                on_click="ignore",
            )


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _stem(name: str) -> str:
    return name.rsplit(".", 1)[0] or "recording"
