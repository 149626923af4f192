"""The page *Models*: what each model learned from, how good it is, and what it cannot do."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from sottovoce.app import axes, matrices, words
from sottovoce.app.library import Entry, entries, missing_encoder
from sottovoce.app.settings import settings
from sottovoce.models import tested
from sottovoce.models.card import Card, Figure
from sottovoce.text import display_path

NAMES = {
    "uar": "Recall, mean of the emotions (UAR)",
    "accuracy": "Accuracy",
    "macro_f1": "F1, mean of the emotions",
    "weighted_f1": "F1, weighted by clips",
    "ece": "Calibration error",
    "nll": "Negative log likelihood",
}


def page() -> None:
    """Choose a model, and read its card."""
    st.markdown("What did it learn from, how good is it, and what can it not do?")
    listed = entries(settings().models)
    for entry in listed:
        if entry.card is None:
            st.warning(f"Left out: {words.verbatim(entry.problem)}", icon=":material/warning:")
    cards = {entry.name: entry for entry in listed if entry.card is not None}
    if not cards:
        st.info(
            "There is no model here. Put an .onnx file that Sottovoce exported into `models/`, or "
            "start with `sottovoce app --models FOLDER`.",
            icon=":material/info:",
        )
        return
    if len(cards) > 1:
        _overview(list(cards.values()))
    names = list(cards)
    chosen = st.session_state.get("model")
    name = st.selectbox(
        "Card of", names, index=names.index(chosen) if chosen in names else 0, key="card of"
    )
    entry = cards[name]
    if entry.card is not None:
        _show(entry, entry.card)


def _overview(listed: list[Entry]) -> None:
    rows = []
    for entry in listed:
        card = entry.card
        if card is None:
            continue
        uar = _figure(card, "uar")
        rows.append(
            {
                "model": entry.name,
                "emotions": len(card.labels),
                "UAR (95 %)": words.measured(uar) if uar else "not measured",
                "measured by": words.protocol(card.protocol) if uar else "",
                "trained on": ", ".join(one.name for one in card.corpora),
                "MB": round(entry.file.stat().st_size / 1e6, 1),
            }
        )
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    st.caption("Figures of different protocols, corpora or numbers of emotions cannot be compared.")


def _show(entry: Entry, card: Card) -> None:
    st.header(words.verbatim(card.title), anchor=False)
    st.markdown(card.description)
    _figures(card)
    st.subheader("Limits", anchor=False)
    st.markdown("\n".join(f"- {limit}" for limit in card.limits))
    st.subheader("What it learned from", anchor=False)
    corpora = [
        {
            "corpus": one.name,
            "clips": one.clips,
            "speakers": one.speakers,
            "licence": one.licence,
        }
        for one in card.corpora
    ]
    st.table(pd.DataFrame(corpora), hide_index=True)
    _pictures(entry, card)
    st.subheader("Facts", anchor=False)
    for heading, text in _facts(entry, card):
        st.markdown(f"**{heading}** {text}")
    with st.expander("Its recipe"):
        st.code(card.recipe or "none", language="toml")


def _figures(card: Card) -> None:
    """Every figure with its interval, under the protocol that they were measured by."""
    st.subheader("How good it is", anchor=False)
    if not card.figures:
        st.info("It was not measured.", icon=":material/info:")
        return
    by = words.protocol(card.protocol)
    if card.protocol.optimistic:
        st.warning(
            f"Measured by {by}: the same speakers are in training and test, so these figures are "
            "too good for new voices.",
            icon=":material/warning:",
        )
    main = [one for one in card.figures if not one.metric.startswith("recall_")]
    recalls = [one for one in card.figures if one.metric.startswith("recall_")]
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.table(_table("figure", main), hide_index=True)
    if recalls:
        with right:
            st.table(_table("recall of", recalls), hide_index=True)
    st.caption(f"Measured by {by}; 95 % intervals in parentheses. {card.protocol.note}")


def _table(heading: str, figures: list[Figure]) -> pd.DataFrame:
    names = [NAMES.get(one.metric, one.metric.removeprefix("recall_")) for one in figures]
    notes = [one.note for one in figures]
    columns = {heading: names, "value (95 %)": [words.measured(one) for one in figures]}
    return pd.DataFrame(columns | ({"note": notes} if any(notes) else {}))


def _pictures(entry: Entry, card: Card) -> None:
    """Confusion and reliability, where the measurement left them."""
    found = tested.read(entry.file, card)
    if found is None:
        return
    by = words.protocol(card.protocol)
    st.subheader("Where it is wrong", anchor=False)
    left, right = st.columns(2, gap="large")
    with left:
        axes.show(
            matrices.confusion(found, card.labels),
            alt="Confusion: rows are the truth, columns what the model said",
        )
        st.caption(f"Of 100 clips of each emotion, so many were taken for which. {by}.")
    with right:
        axes.show(
            matrices.reliability(found),
            alt="Reliability: how often it is right when it is so sure",
        )
        st.caption(
            "On the dashed line it would be right as often as it is sure; large points are of many "
            f"answers. {by}."
        )


def _facts(entry: Entry, card: Card) -> list[tuple[str, str]]:
    window, calibration = card.window, card.calibration
    facts = [
        ("Emotions", ", ".join(card.labels)),
        ("Language", card.language),
        ("Licence", card.licence),
        ("Uncertain", f"below {words.percent(card.min_confidence)}"),
        ("Calibration", f"{calibration.method}, fitted on {calibration.fitted_on or 'nothing'}"),
        ("Hears", f"{card.sample_rate} Hz, {window.min:g} to {window.max:g} s at once"),
        ("Made on", card.created),
        ("File", f"`{display_path(entry.file)}`, {entry.file.stat().st_size / 1e6:.1f} MB"),
    ]
    if card.encoder is not None:
        make = f"not here; make it with `sottovoce encoder {display_path(entry.file)}`"
        facts.append(
            ("Stands on", f"{card.encoder.name}, {make if missing_encoder(entry) else 'here'}")
        )
    return facts


def _figure(card: Card, metric: str) -> Figure | None:
    return next((one for one in card.figures if one.metric == metric), None)
