"""The page *Compare*: what several models say of the same recording, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from sottovoce.app import axes, frame, pictures, words
from sottovoce.app.library import Entry, entries, usable
from sottovoce.app.recordings import Recording
from sottovoce.app.settings import settings
from sottovoce.results import Prediction, Status

FIRST = 3
"""So many models are chosen at first."""
ABREAST = 3


def page() -> None:
    """Ask for a recording and models, and answer with each."""
    st.markdown("Do several models hear the same?")
    recording = frame.one_of(frame.ask(again=False))
    audio = frame.heard(recording)
    frame.player(recording, audio)
    there = usable(entries(settings().models))
    names = st.multiselect("Models", list(there), default=list(there)[:FIRST], key="compared")
    if len(there) < 2:
        st.info(
            "There is one model here. Put more .onnx files into `models/`, or start with "
            "`sottovoce app --models FOLDER`.",
            icon=":material/info:",
        )
    verdict = st.empty()
    answers: list[Prediction] = []
    for start in range(0, len(names), ABREAST):
        row = names[start : start + ABREAST]
        abreast = min(ABREAST, max(2, len(names)))
        for name, column in zip(row, st.columns(abreast, gap="large"), strict=False):
            with column:
                answers += _column(there[name], recording)
    if len(answers) > 1:
        verdict.header(_verdict(answers), anchor=False)


def _column(entry: Entry, recording: Recording) -> list[Prediction]:
    """One model's answer, or why it has none."""
    st.subheader(words.verbatim(entry.name), anchor=False)
    model = frame.opened(entry)
    if model is None:
        return []
    answer = frame.answer(recording, model)
    with st.container(gap="xxsmall"):
        st.markdown(f"**{words.headline(answer)}**")
        st.caption(_basis(entry, answer))
    if answer.probabilities:
        said = ", ".join(f"{k} {words.percent(v)}" for k, v in answer.probabilities.items())
        axes.show(
            pictures.probabilities(answer.probabilities, ranked=False),
            key=f"compare {entry.name}",
            alt=f"What {entry.name} says: {said}",
        )
    return [answer]


def _basis(entry: Entry, answer: Prediction) -> str:
    """How sure it is, and how good the model was where it was measured."""
    card = entry.card
    sure = "" if answer.confidence is None else f"{words.percent(answer.confidence)} sure. "
    uar = next((one for one in card.figures if one.metric == "uar"), None) if card else None
    if card is None or uar is None:
        return f"{sure}The model's quality was not measured."
    return (
        f"{sure}Recall on average {words.measured(uar)}, {words.protocol(card.protocol)}, "
        f"{len(card.labels)} emotions."
    )


def _verdict(answers: Sequence[Prediction]) -> str:
    """Whether they agree."""
    heard = [one.emotion for one in answers if one.status in (Status.OK, Status.UNCERTAIN)]
    if not heard:
        return "None of them hears an emotion"
    if len(heard) == len(answers) and len(set(heard)) == 1:
        return f"They agree: {heard[0]}"
    counts = {one: heard.count(one) for one in heard}
    said = ", ".join(f"{one} ({count})" for one, count in counts.items())
    return f"They do not agree: {said}"
