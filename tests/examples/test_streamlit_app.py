"""The Streamlit example, run by Streamlit's own AppTest."""

from pathlib import Path

import pytest

import sottovoce

EXAMPLE = Path(__file__).parents[2] / "examples" / "streamlit_app.py"
VOICE = EXAMPLE.parents[1] / "samples" / "calm-voice.wav"


@pytest.fixture
def app():
    testing = pytest.importorskip("streamlit.testing.v1", reason="the example needs Streamlit")
    return testing.AppTest.from_file(str(EXAMPLE), default_timeout=120)


def test_it_opens_without_a_recording_and_offers_every_model(app) -> None:
    app.run()
    assert not app.exception
    assert app.multiselect[0].options == list(sottovoce.available())
    assert app.multiselect[0].value == ["sottovoce-small"]
    app.multiselect[0].set_value([]).run()
    assert app.info[0].value == "Choose a model."


def test_an_uploaded_recording_gets_the_models_answer(app) -> None:
    app.run()
    app.file_uploader[0].upload(VOICE.name, VOICE.read_bytes(), "audio/wav").run()
    assert not app.exception
    said = sottovoce.load().predict(VOICE, min_confidence=0.5)
    assert app.metric[0].value == said.words.capitalize()
    assert app.subheader[0].value == VOICE.name
    app.slider[0].set_value(1.0).run()
    assert app.metric[0].value == f"Perhaps {said.emotion}"


def test_a_file_that_is_no_recording_is_told_in_a_sentence(app) -> None:
    app.run()
    app.file_uploader[0].upload("notes.wav", b"no sound at all" * 50, "audio/wav").run()
    assert not app.exception
    assert app.error
    assert not app.metric


def test_it_is_short_and_uses_nothing_but_the_public_api() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    imports = [
        line for line in text.splitlines() if line.startswith(("import sotto", "from sotto"))
    ]
    assert imports == ["import sottovoce"]
