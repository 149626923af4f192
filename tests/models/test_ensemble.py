"""Models that answer together: the mean of what each says alone, whatever their rates and order."""

import json
from pathlib import Path

import numpy as np
import pytest
from serving import PREDICT, WAV, run_service
from tiny_model import LABELS, RATE, VOICE, tiny_card, write_tiny
from typer.testing import CliRunner

import sottovoce
from sottovoce.audio import Audio
from sottovoce.cli import _app
from sottovoce.client import Client
from sottovoce.errors import SottovoceError
from sottovoce.results import Segment, Status

WINDOW = {"trim": "none", "margin": 0.0, "grid": 0.25, "min": 0.5, "max": 6.0}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two models: the second at another rate, in another window, its labels in another order."""
    folder = tmp_path_factory.mktemp("ensemble")
    other = tiny_card(name="other", sample_rate=22_050, labels=LABELS[::-1], window=WINDOW)
    return [
        write_tiny(folder / "one.onnx", card=tiny_card(name="one")),
        write_tiny(folder / "other.onnx", card=other),
    ]


def test_a_prediction_is_the_mean_of_what_each_model_says(files: list[Path]) -> None:
    alone = [sottovoce.load(file).predict(VOICE) for file in files]
    for order in (files, files[::-1]):
        model = sottovoce.load(order)
        found = model.predict(VOICE)
        assert found.model == model.card.title
        for label in LABELS:
            mean = np.mean([each.probabilities[label] for each in alone])
            assert found.probabilities[label] == pytest.approx(mean, abs=1e-6)
        assert found.emotion == max(found.probabilities, key=found.probabilities.__getitem__)
        (again,) = model.predict_many([VOICE])
        assert again == found
    assert sottovoce.load(files).card.title == "one+other 1.0+1.0"


def test_each_channel_and_a_recording_that_can_be_read_once(files: list[Path]) -> None:
    model, voice = sottovoce.load(files), Audio.read(VOICE)
    both = Audio(np.stack([voice.samples[0], 0.5 * voice.samples[0]]), voice.sample_rate)
    found = model.predict_channels(both)
    assert [each.channel for each in found] == [1, 2]
    alone = [sottovoce.load(file).predict_channels(both) for file in files]
    for channel, each in enumerate(found):
        mean = np.mean([one[channel].probabilities["sad"] for one in alone])
        assert each.probabilities["sad"] == pytest.approx(mean, abs=1e-6)
    with VOICE.open("rb") as file:
        assert model.predict(file).probabilities == model.predict(VOICE).probabilities
    assert model.predict((np.zeros(2 * RATE, np.float32), RATE)).status is Status.SILENCE
    (failed,) = model.predict_many([__file__])
    assert failed.status is Status.ERROR


def test_a_timeline_and_a_stream_agree(files: list[Path]) -> None:
    model, voice = sottovoce.load(files), Audio.read(VOICE)
    options = {"lookahead": 0.3, "hop": 0.5, "window": 2.0}
    timeline = list(model.timeline(VOICE, **options))
    stream = model.stream(voice.sample_rate, **options)
    assert [*stream.feed(voice.samples), *stream.finish()] == timeline
    assert any(segment.emotion for segment in timeline)


def test_labels_that_differ_and_a_model_that_is_there_twice_are_one_line(
    files: list[Path], tmp_path: Path
) -> None:
    labels = ("neutral", "happy", "sad", "bored")
    bored = write_tiny(tmp_path / "bored.onnx", card=tiny_card(name="bored", labels=labels))
    with pytest.raises(SottovoceError, match="models that answer together need the same") as differ:
        sottovoce.load([files[0], bored])
    assert "neutral, happy, sad, angry" in str(differ.value)
    assert "neutral, happy, sad, bored" in str(differ.value)
    assert "\n" not in str(differ.value)
    with pytest.raises(SottovoceError, match="two or more different models"):
        sottovoce.load([files[0], files[0]])
    with pytest.raises(SottovoceError, match="takes no profile"):
        sottovoce.load(files).predict(VOICE, profile="anna.profile")
    assert sottovoce.load([files[0]]).card.name == "one"


def test_the_command_line_takes_several_models(files: list[Path]) -> None:
    models = [part for file in files for part in ("--model", str(file))]
    expected = sottovoce.load(files).predict(VOICE)
    runner = CliRunner()
    found = runner.invoke(_app("predict"), ["predict", str(VOICE), *models, "--json"])
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["probabilities"] == pytest.approx(dict(expected.probabilities))
    followed = runner.invoke(_app("timeline"), ["timeline", str(VOICE), *models, "--json"])
    assert followed.exit_code == 0, followed.output
    assert len(followed.stdout.splitlines()) == len(list(sottovoce.load(files).timeline(VOICE)))


def test_the_service_lets_models_answer_together(files: list[Path]) -> None:
    expected = sottovoce.load(files).predict(VOICE)
    segments = list(sottovoce.load(files).timeline(VOICE))
    with run_service(*files) as service, Client(service.url) as client:
        names = ["one", "other"]
        found = client.predict(VOICE, model=names)
        assert found.model == "one+other 1.0+1.0"
        assert found.probabilities == pytest.approx(dict(expected.probabilities), abs=1e-6)
        followed = client.timeline(VOICE, model=names)
        assert len(followed.segments) == len(segments)
        voice = Audio.read(VOICE)
        with client.stream(voice.sample_rate, model=names) as stream:
            stream.feed(voice.samples)
            assert sum(isinstance(each, Segment) for each in stream.finish())
        with pytest.raises(SottovoceError, match="two or more different models"):
            client.predict(VOICE, model=["one", "one"])
        with pytest.raises(SottovoceError, match="no such model is served here"):
            client.predict(VOICE, model=["one", "third"])
        metrics = client._http.get("/metrics").text
        assert 'model="ensemble"' in metrics
        assert "one+other" not in metrics
        response = client._http.post(f"{PREDICT}?model=one&model=other", content=WAV)
        assert response.json()["predictions"][0]["model"] == "one+other 1.0+1.0"
