"""An app of one file on Sottovoce's public API, for Streamlit Cloud, Spaces or your own machine.

    pip install -r requirements.txt
    streamlit run streamlit_app.py

Upload or record, choose one model or several, see probabilities, a threshold and a timeline.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

import sottovoce

LONG = 6.0
"""s from which a recording gets a timeline."""

LIMITS = (
    "It hears how an utterance sounds, not what a person feels, and it can be wrong while it is "
    "sure. In the European Union it is forbidden to infer emotions of employees or pupils from "
    "their voices, and people must be told that a system recognises their emotions."
)


@st.cache_resource(max_entries=4)
def opened(name: str) -> sottovoce.Model:
    """A model; opened once for everybody."""
    return sottovoce.load(name)


def recordings() -> list[tuple[str, bytes]]:
    """Name and bytes of everything that was uploaded or recorded."""
    uploaded = st.file_uploader(
        "Recordings", accept_multiple_files=True, help="wav, flac, ogg, opus, mp3, m4a, webm ..."
    )
    found = [(one.name, one.getvalue()) for one in uploaded or []]
    if (spoken := st.audio_input("Or speak")) is not None:
        found.append(("microphone.wav", spoken.getvalue()))
    return found


def settings() -> tuple[list[str], float]:
    """The models that are asked, and the least confidence."""
    with st.sidebar:
        names = list(sottovoce.available())
        default = ["sottovoce-small"] if "sottovoce-small" in names else names[:1]
        models = st.multiselect("Models", names, default=default)
        least = st.slider("Least confidence", 0.0, 1.0, 0.5, 0.05)
        st.caption(LIMITS)
    return models, least


def probabilities(predictions: list[sottovoce.Prediction]) -> pd.DataFrame:
    """Emotions down, models across."""
    return pd.DataFrame({one.model: one.probabilities for one in predictions})


def timeline(model: sottovoce.Model, audio: sottovoce.Audio) -> pd.DataFrame:
    """A row for each second: the probabilities, indexed by time."""
    with model.timeline(audio) as segments:
        rows = [{"time": one.start, **one.probabilities} for one in segments]
    return pd.DataFrame(rows).set_index("time")


def show(name: str, content: bytes, models: list[str], least: float) -> dict[str, object] | None:
    """One recording; the row of the table of all."""
    st.subheader(name, anchor=False)
    try:
        audio = sottovoce.Audio.read(content)
        said = [opened(model).predict(audio, min_confidence=least) for model in models]
    except sottovoce.SottovoceError as error:
        st.error(str(error))
        return None
    st.audio(content)
    for column, prediction in zip(st.columns(len(said)), said, strict=True):
        sure = f"{prediction.confidence:.0%} sure" if prediction.confidence else prediction.message
        column.metric(prediction.model, prediction.words.capitalize(), sure, delta_color="off")
    if any(one.probabilities for one in said):
        st.bar_chart(probabilities(said), horizontal=True, stack=False)
    if audio.duration >= LONG:
        st.caption(f"Over time, {models[0]}")
        st.line_chart(timeline(opened(models[0]), audio))
    first = said[0]
    return {"file": name, "emotion": first.words, "confidence": first.confidence}


def main() -> None:
    """The page."""
    st.set_page_config(page_title="Sottovoce", page_icon="🎙️")
    st.title("How does it sound?", anchor=False)
    models, least = settings()
    given = recordings()
    if not models:
        st.info("Choose a model.")
    elif given:
        rows = [row for one in given if (row := show(*one, models, least))]
        if len(rows) > 1:
            table = pd.DataFrame(rows)
            st.dataframe(table, hide_index=True)
            st.download_button("CSV", table.to_csv(index=False), "predictions.csv", "text/csv")


if __name__ == "__main__":
    main()
