"""The page *Correct it*: say what an emotion really was, and give the recording for training."""

from __future__ import annotations

import streamlit as st

from sottovoce.app import frame, recordings, words
from sottovoce.app.settings import settings
from sottovoce.emotions import EMOTIONS
from sottovoce.errors import SottovoceError
from sottovoce.results import Status
from sottovoce.serve.corrections import LABELS, LONGEST_NAME, Correction, keep_correction
from sottovoce.text import display_path


def page() -> None:
    """Ask for a recording, what it really was, and for consent; only then is anything written."""
    st.markdown("Was it something else? Corrections become training data, if you agree.")
    recording = frame.one_of(frame.ask(again=False))
    audio = frame.heard(recording)
    judge = frame.model()
    said = frame.answer(recording, judge)
    frame.player(recording, audio)
    frame.say(said, audio)
    if said.status not in (Status.OK, Status.UNCERTAIN):
        return
    folder = settings().corrections
    with st.form("correction", border=True):
        emotion = st.selectbox(
            "What it really was", EMOTIONS, index=None, placeholder="Choose an emotion"
        )
        speaker = st.text_input(
            "Who speaks (optional)",
            max_chars=LONGEST_NAME,
            placeholder="A name or a number of your choice",
            help="The same for all recordings of one person, so that training never tests on a "
            "voice that it learned from.",
        )
        agreed = st.checkbox(
            "I agree that this recording is kept, and so does everyone who is heard in it"
        )
        st.caption(
            f"It is written to `{display_path(folder.absolute())}`, on the machine that runs this "
            "app, and goes nowhere else. Nothing is written without consent."
        )
        sent = st.form_submit_button("Keep the correction", type="primary")
    if sent:
        _keep(recording, emotion, speaker, agreed)


def _keep(recording: recordings.Recording, emotion: str | None, speaker: str, agreed: bool) -> None:
    if emotion is None:
        st.warning("Choose what it really was. Nothing was written.", icon=":material/info:")
        return
    if not agreed:
        st.warning(
            "Without consent nothing is written. Tick the box if everyone agrees.",
            icon=":material/info:",
        )
        return
    audio = frame.heard(recording)
    heard = frame.answer(recording, frame.model())
    folder = settings().corrections
    correction = Correction(
        label=emotion,
        speaker=speaker,
        heard=heard.emotion or str(heard.status),
        confidence=heard.confidence,
        model=heard.model,
    )
    try:
        count = keep_correction(folder, recordings.wav(audio), correction)
    except SottovoceError as error:
        st.error(words.verbatim(str(error)), icon=":material/error:")
        return
    shown = display_path(folder / LABELS)
    st.success(
        f"Kept as {emotion}, {count} in all. To take one back, "
        f"delete its file and its line in `{shown}`. To train on them:",
        icon=":material/check:",
    )
    st.code(f"sottovoce train RECIPE --data table={shown}", language=None, wrap_lines=True)
