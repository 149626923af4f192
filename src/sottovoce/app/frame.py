"""What the pages share: the sidebar's choices, the recordings that were given, and the answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import streamlit as st

from sottovoce.app import library, recordings, words
from sottovoce.app.library import Entry, entries, usable
from sottovoce.app.recordings import MOST_SECONDS, TYPES, Recording
from sottovoce.app.settings import settings
from sottovoce.audio import Audio
from sottovoce.errors import ModelError, SottovoceError
from sottovoce.models.model import Model
from sottovoce.options import GateOptions
from sottovoce.results import Prediction, Status
from sottovoce.text import display_path, duration


class Ended(Exception):  # noqa: N818 - nothing is wrong
    """A page has said all that it can; what stands below every page follows."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the sidebar says."""

    entry: Entry | None
    """None where no model can be used."""
    gate: GateOptions
    min_confidence: float | None
    """None for the model's own."""


def sidebar() -> None:
    """Show the sidebar, and keep what is chosen there for `choice`."""
    usable_ones = usable(entries(settings().models))
    with st.sidebar:
        st.subheader("Settings")
        name = st.selectbox("Model", list(usable_ones), key="model", placeholder="No model here")
        silence = st.slider(
            "Silence threshold",
            min_value=-90,
            max_value=-20,
            value=round(20 * math.log10(GateOptions().silence_rms)),
            format="%d dB",
            key="silence",
            help="Recordings quieter than this are called silent; 0 dB is full scale.",
        )
        entry = usable_ones.get(name) if name else None
        own = entry.card.min_confidence if entry is not None and entry.card is not None else 0.25
        least = st.slider(
            "Minimum confidence",
            min_value=0,
            max_value=100,
            value=round(100 * own),
            format="%d %%",
            key=f"confidence {name}",
            help="Below it the answer is “perhaps”. It starts at the model's own.",
        )
    st.session_state["choice"] = Choice(
        entry,
        GateOptions(silence_rms=10 ** (silence / 20)),
        None if least == round(100 * own) else least / 100,
    )


def choice() -> Choice:
    """What is chosen in the sidebar."""
    chosen: Choice = st.session_state["choice"]
    return chosen


def model() -> Model:
    """The chosen model; where there is none, says so and ends the page."""
    entry = choice().entry
    if entry is None:
        st.error(
            "There is no model that can be used. Put an .onnx file that Sottovoce exported into "
            "`models/`, or start with `sottovoce app --models FOLDER`; the page Models lists what "
            "was found.",
            icon=":material/error:",
        )
        raise Ended
    judge = opened(entry)
    if judge is None:
        raise Ended
    return judge


def opened(entry: Entry) -> Model | None:
    """A model; where it cannot be opened, says why and what to do, and gives None."""
    encoder = library.missing_encoder(entry)
    if encoder is not None:
        st.warning(
            f"{words.verbatim(entry.name)} stands on the pretrained encoder "
            f"{words.verbatim(encoder.name)}, which is not on this machine. Make it once, with "
            "`sottovoce[learn,pretrained]` installed, and ask again:",
            icon=":material/info:",
        )
        st.code(f"sottovoce encoder {display_path(entry.file)}", language=None, wrap_lines=True)
        return None
    try:
        return library.opened(entry)
    except ModelError as error:
        said = words.verbatim(str(error))
        st.error(f"This model cannot be used: {said}", icon=":material/error:")
        return None


def ask(*, again: bool = True) -> list[Recording]:
    """The widgets that take recordings, and the recordings held; ends the page where none is.

    Args:
        again: whether to show them in full where a recording is held already.
    """
    if recordings.held() and not again:
        with st.expander("Another recording"):
            _widgets()
    else:
        _widgets()
    if said := st.session_state.get("left out"):
        st.warning(said, icon=":material/info:")
    held = recordings.held()
    if not held:
        st.caption(words.PRIVACY)
        raise Ended
    return held


def _widgets() -> None:
    how = st.segmented_control(
        "Where from",
        ("Upload", "Record"),
        default="Upload",
        required=True,
        key="where from",
        label_visibility="collapsed",
        persist_state="session",
    )
    if how == "Record":
        st.audio_input(
            "Say something, then stop the recording",
            sample_rate=16_000,
            key="recorder",
            on_change=_take,
            args=("recorder",),
        )
    else:
        st.file_uploader(
            f"Recordings of speech, up to {MOST_SECONDS / 60:g} minutes each",
            type=list(TYPES),
            accept_multiple_files=True,
            key="uploader",
            on_change=_take,
            args=("uploader",),
        )


def one_of(held: list[Recording]) -> Recording:
    """The recording to look at; asks where there are several."""
    if len(held) == 1:
        return held[0]
    place = st.selectbox(
        "Recording", range(len(held)), format_func=lambda i: held[i].name, key="recording"
    )
    return held[place or 0]


def heard(recording: Recording) -> Audio:
    """The recording decoded; where it cannot be, says so and ends the page."""
    try:
        return recordings.sound(recording, recording.key)
    except SottovoceError as error:
        unreadable(str(error))
        raise Ended from None


def unreadable(message: str) -> None:
    """Say why a recording could not be read."""
    st.error(f"This file could not be read. {words.verbatim(message)}", icon=":material/error:")


def answer(recording: Recording, judge: Model) -> Prediction:
    """What a model says of a recording under the sidebar's thresholds; never an exception."""
    chosen = choice()
    try:
        audio = recordings.sound(recording, recording.key)
        said = judge.predict(audio, gate=chosen.gate, min_confidence=chosen.min_confidence)
    except SottovoceError as error:
        said = Prediction(status=Status.ERROR, model=judge.card.title, message=str(error))
    return said.model_copy(update={"source": recording.name})


def say(prediction: Prediction, audio: Audio | None) -> None:
    """The answer in large letters, and a sentence."""
    st.header(words.headline(prediction), anchor=False)
    st.markdown(words.reason(prediction, choice().gate, audio))
    for warning in prediction.warnings:
        st.warning(f"This recording: {warning.message}.", icon=":material/warning:")


def player(recording: Recording, audio: Audio) -> None:
    """The recording to play, with its name and length."""
    st.caption(f"{words.verbatim(recording.name)}, {duration(audio.duration)}")
    st.audio(recordings.wav(audio), alt=f"The recording {recording.name}")


def _take(key: str) -> None:
    """Hold what a widget was given."""
    value: Any = st.session_state.get(key)
    files = value if isinstance(value, list) else [] if value is None else [value]
    kept, said = recordings.given(files)
    recordings.hold(kept)
    st.session_state["left out"] = said
