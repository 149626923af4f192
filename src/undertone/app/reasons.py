"""The page *Why*: which moments and which frequencies carried a decision, seen and heard."""

from __future__ import annotations

import streamlit as st

from undertone.app import frame, pictures, recordings, words
from undertone.audio import Audio
from undertone.errors import UndertoneError
from undertone.gate import Status
from undertone.model import Model
from undertone.why import Explanation, explain

LONGEST = 10.0
"""s that are explained at once; more would take long, and say little."""
BANDS = 8


def page() -> None:
    """Ask for a recording, and show what every part of it was worth."""
    st.markdown("What in the voice carried the decision?")
    recording = frame.one_of(frame.ask())
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
    said = judge.predict(audio, gate=frame.choice().gate)
    if said.status not in (Status.OK, Status.UNCERTAIN):
        frame.say(said, audio)
        return
    try:
        found = _explain(audio, recording.key, start, judge, repr(frame.choice()))
    except UndertoneError as error:
        st.error(str(error), icon=":material/error:")
        return
    frame.say(said, audio)
    _show(found, audio)
    _play(found, audio, start)
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
    st.subheader("When", anchor=False)
    st.altair_chart(pictures.worth_of_moments(found, audio), alt=_when(found))
    st.altair_chart(
        pictures.worth_of_cells(found, audio),
        alt="Mel spectrogram; orange lies where a part spoke for the emotion, blue against it",
    )
    st.subheader("Which frequencies", anchor=False)
    st.altair_chart(pictures.worth_of_bands(found), alt=_which(found))


def _play(found: Explanation, audio: Audio, start: float) -> None:
    stretch = found.stretch
    st.markdown(f"{_when(found)} {_which(found)}")
    left, right = st.columns(2, gap="large")
    with left:
        st.caption("What was judged")
        st.audio(recordings.wav(audio), alt="The recording")
    if stretch is not None:
        with right:
            st.caption(
                f"Only the decisive stretch, {start + stretch[0]:.2f} to {start + stretch[1]:.2f} s"
            )
            st.audio(recordings.wav(audio.crop(*stretch)), alt="The decisive stretch")


def _when(found: Explanation) -> str:
    if found.stretch is None:
        return f"No single moment carried {found.emotion}."
    best = float(found.by_moment.max())
    return (
        f"The decisive moment lies between {found.stretch[0]:.2f} and {found.stretch[1]:.2f} s: "
        f"without its best part {found.emotion} loses {100 * best:.0f} points of "
        f"{words.percent(found.probability)}."
    )


def _which(found: Explanation) -> str:
    if found.range is None:
        return "No single band of frequencies carried it."
    low, high = found.range
    best = float(found.by_band.max())
    return f"Among frequencies, {low:.0f} to {high:.0f} Hz mattered most, {100 * best:.0f} points."
