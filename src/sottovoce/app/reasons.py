"""The page *Why*: which moments and which frequencies carried a decision, seen and heard."""

from __future__ import annotations

import streamlit as st

from sottovoce.app import axes, frame, recordings, words, worth
from sottovoce.app.recordings import Recording
from sottovoce.audio import Audio
from sottovoce.errors import SottovoceError
from sottovoce.inference.occlusion import Explanation, explain
from sottovoce.models.model import Model
from sottovoce.results import Status

LONGEST = 10.0
"""s that are explained at once; more would take long, and say little."""
BANDS = 8


def page() -> None:
    """Ask for a recording, and show what every part of it was worth."""
    st.markdown("What in the voice carried the decision?")
    recording = frame.one_of(frame.ask(again=False))
    whole = frame.heard(recording)
    judge = frame.model()
    audio, start = whole, 0.0
    if whole.duration > LONGEST:
        start = st.slider(
            f"Which {LONGEST:g} seconds",
            min_value=0.0,
            max_value=round(whole.duration - LONGEST, 1),
            step=0.5,
            format="from %.1f s",
            key="from",
        )
        audio = whole.crop(start, start + LONGEST)
    chosen = frame.choice()
    try:
        said = judge.predict(audio, gate=chosen.gate, min_confidence=chosen.min_confidence)
        frame.say(said, audio)
        if said.status not in (Status.OK, Status.UNCERTAIN):
            return
        found = _explain(audio, recording.key, start, judge, repr(chosen))
    except SottovoceError as error:
        st.error(words.verbatim(str(error)), icon=":material/error:")
        return
    st.markdown(f"{_when(found, start)} {_which(found)}")
    _play(found, recording, audio, start)
    _show(found, audio)
    with st.expander("How this is found"):
        st.markdown(
            "Each moment, and each band of frequencies, is taken out of the recording with smooth "
            "edges, and the model is asked again. What a part was worth is how far the probability "
            f"of *{found.emotion}* drops without it, in percentage points. Orange spoke for it, "
            "blue against it. It says what this model used, not what makes a voice sound so; parts "
            "that say the same thing twice look worthless, as each is enough alone."
        )


@st.cache_resource(scope="session", max_entries=8, show_spinner="Asking again, part by part ...")
def _explain(_audio: Audio, key: str, start: float, _judge: Model, asked: str) -> Explanation:
    quick = _judge.card.encoder is None
    return explain(_judge, _audio, gate=frame.choice().gate, bands=BANDS, cells=quick)


def _show(found: Explanation, audio: Audio) -> None:
    st.subheader("When, in points of probability", anchor=False)
    axes.show(worth.of_moments(found, audio), alt="What each moment was worth")
    axes.show(
        worth.of_cells(found, audio),
        alt="Mel spectrogram; orange lies where a part spoke for the emotion, blue against it",
    )
    st.subheader("Which frequencies, in points of probability", anchor=False)
    axes.show(worth.of_bands(found), alt="What each band was worth")


def _play(found: Explanation, recording: Recording, audio: Audio, start: float) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        frame.player(recording, audio)
    if found.stretch is not None:
        with right:
            st.caption(f"Only the decisive stretch, {_span(found.stretch, start)}")
            decisive = recordings.wav(audio.crop(*found.stretch))
            st.audio(decisive, alt="The decisive stretch")


def _span(stretch: tuple[float, float], start: float) -> str:
    return f"{start + stretch[0]:.2f} to {start + stretch[1]:.2f} s"


def _when(found: Explanation, start: float) -> str:
    if found.stretch is None:
        return f"No single moment carried {found.emotion}."
    best = float(found.by_moment.max())
    return (
        f"The decisive stretch is {_span(found.stretch, start)}: without its best quarter of a "
        f"second, {found.emotion} drops by {100 * best:.0f} points from "
        f"{words.percent(found.probability)}."
    )


def _which(found: Explanation) -> str:
    if found.range is None:
        return "No single band of frequencies carried it."
    low, high = found.range
    best = float(found.by_band.max())
    return f"Of the frequencies, {low:.0f} to {high:.0f} Hz mattered most, {100 * best:.0f} points."
