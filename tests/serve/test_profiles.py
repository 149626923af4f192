"""Profiles over the network: what the library does with them at home."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import RunningService, post, run_service
from tiny_model import VOICE, write_tiny_profiled

import sottovoce
from sottovoce.audio import Audio
from sottovoce.client import Client
from sottovoce.errors import SottovoceError
from sottovoce.inference.profile import Profile
from sottovoce.models.model import Model
from sottovoce.results import Segment


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_profiled(tmp_path_factory.mktemp("models") / "profiled.onnx")


@pytest.fixture(scope="module")
def served(path: Path) -> Iterator[RunningService]:
    with run_service(path) as running:
        yield running


@pytest.fixture(scope="module")
def profiled(path: Path) -> Model:
    return sottovoce.load(path)


@pytest.fixture(scope="module")
def profile(profiled: Model) -> Profile:
    return profiled.profile([VOICE], "normal")


def test_a_profile_made_there_is_that_made_here(served: RunningService, profile: Profile) -> None:
    with Client(served.url) as client:
        made = client.profile([VOICE], "normal")
    assert made.mean == pytest.approx(profile.mean, abs=1e-5)
    same = {"mean": profile.mean, "spread": profile.spread}
    assert made.model_copy(update=same) == profile


def test_what_is_judged_with_a_profile_agrees(
    served: RunningService, profiled: Model, profile: Profile
) -> None:
    expected = profiled.predict(VOICE, profile=profile)
    with Client(served.url) as client:
        one = client.predict(VOICE, profile=profile)
        many = client.predict_many([VOICE, VOICE], profile=profile)
        segments = client.timeline(VOICE, hop=0.5, window=1.0, profile=profile).segments
        plain = client.timeline(VOICE, hop=0.5, window=1.0).segments
        own = client.timeline(VOICE, hop=0.5, window=1.0, same_voice=True).segments
        voice = Audio.read(VOICE)
        with client.stream(voice.sample_rate, hop=0.5, window=1.0, profile=profile) as live:
            heard = [*live.feed(voice.samples), *live.finish()]
    for found in (one, *many):
        assert dict(found.probabilities) == pytest.approx(dict(expected.probabilities), abs=1e-6)
    here = list(profiled.timeline(VOICE, hop=0.5, window=1.0, lookahead=3.0, profile=profile))
    assert [s.emotion for s in segments] == [s.emotion for s in here]
    assert len({tuple(s.confidence for s in each) for each in (segments, plain, own)}) == 3
    stream = profiled.stream(voice.sample_rate, hop=0.5, window=1.0, profile=profile)
    expected_live = stream.feed(voice.samples) + stream.finish()
    live_segments = [message for message in heard if isinstance(message, Segment)]
    assert [s.emotion for s in live_segments] == [s.emotion for s in expected_live]


def test_a_profile_that_cannot_be_used_is_refused_in_one_line(
    served: RunningService, profile: Profile
) -> None:
    other = profile.model_copy(update={"model_digest": "0" * 64})
    for text, said in (("{}", "not a profile"), (other.to_json(), "make it again")):
        answer = post(
            f"{served.url}/v1/predict",
            files={"file": VOICE.read_bytes()},
            data={"profile": text},
        )
        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "bad_profile"
        assert said in answer.json()["error"]["message"]
    with (
        Client(served.url) as client,
        pytest.raises(SottovoceError, match="make it again"),
        client.stream(16_000, profile=other) as live,
    ):
        live.finish()


def test_a_service_may_have_a_profile_of_its_own(
    path: Path, profiled: Model, profile: Profile, tmp_path: Path
) -> None:
    profile.save(tmp_path / "anna.profile")
    expected = profiled.predict(VOICE, profile=profile)
    with (
        run_service(path, profile=str(tmp_path / "anna.profile")) as running,
        Client(running.url) as client,
    ):
        found = client.predict(VOICE)
    assert dict(found.probabilities) == pytest.approx(dict(expected.probabilities), abs=1e-6)
