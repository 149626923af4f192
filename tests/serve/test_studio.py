"""The routes that the page needs: why, peaks, and how a model did in its tests."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from serving import run_service, sound

import sottovoce
from sottovoce.inference.occlusion import explain

VOICE = Path(__file__).parents[2] / "samples" / "calm-voice.wav"


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with (
        run_service(None) as service,
        httpx.Client(base_url=service.url, timeout=60) as client,
    ):
        yield client


def test_why_is_the_library_s_and_beside_a_picture_of_the_sound(http: httpx.Client) -> None:
    found = http.post("/v1/why", content=VOICE.read_bytes()).json()
    expected = explain(sottovoce.load(), VOICE, bands=8, cells=True)
    assert found["emotion"] == expected.emotion
    np.testing.assert_allclose(found["by_moment"], expected.by_moment, atol=1e-5)
    np.testing.assert_allclose(found["cells"], expected.cells, atol=1e-5)
    picture = np.array(found["spectrogram"])
    assert picture.shape[0] == 64
    assert picture.min() >= 0
    assert picture.max() == 1
    assert picture.shape[1] == pytest.approx(100 * np.ptp(found["moments"]), abs=4)


def test_why_goes_by_the_profile_that_the_answer_was_given_with(http: httpx.Client) -> None:
    model = sottovoce.load()
    lively = VOICE.with_name("lively-voice.wav")
    profile = model.profile([lively, VOICE, VOICE.with_name("stern-voice.wav")])
    form = {"files": {"file": VOICE.read_bytes()}, "data": {"profile": profile.to_json()}}
    found = http.post("/v1/why", **form).json()
    expected = explain(model, VOICE, profile=profile, bands=8)
    np.testing.assert_allclose(found["by_moment"], expected.by_moment, atol=1e-5)
    plain = http.post("/v1/why", content=VOICE.read_bytes()).json()
    assert plain["by_moment"] != found["by_moment"]


def test_what_is_too_long_or_silent_is_refused_in_a_sentence(http: httpx.Client) -> None:
    long = http.post("/v1/why", content=sound(np.zeros(16_000 * 12)))
    assert (long.status_code, long.json()["error"]["code"]) == (413, "too_long")
    silent = http.post("/v1/why", content=sound(np.zeros(16_000 * 2)))
    assert silent.status_code == 422
    assert "no decision to explain" in silent.json()["error"]["message"]


def test_peaks_are_the_largest_and_least_of_each_fiftieth_of_a_second(http: httpx.Client) -> None:
    rate = 8000
    left = np.zeros(rate, np.float32)
    left[4000], left[4001] = 0.5, -0.25
    right = np.full(rate, 0.125, np.float32)
    stereo = sound(np.stack([left, right], axis=1), rate, subtype="FLOAT")
    found = http.post("/v1/peaks", content=stereo).json()
    assert found["duration"] == pytest.approx(1)
    first, second = (np.array(channel).reshape(-1, 2) for channel in found["peaks"])
    assert len(first) == 50
    np.testing.assert_allclose(first[25], [0.5, -0.25], atol=1e-3)
    assert np.abs(np.delete(first, 25, axis=0)).max() == 0
    np.testing.assert_allclose(second[:, 0], 0.125, atol=1e-3)


def test_how_a_model_did_is_what_lies_beside_it(http: httpx.Client) -> None:
    found = http.get("/v1/models/sottovoce-small/tested").json()
    labels = len(sottovoce.load().labels)
    assert np.array(found["confusion"]).shape == (labels, labels)
    reliability = found["reliability"]
    assert len(reliability["clips"]) == len(reliability["right"]) == 15
    assert [r is None for r in reliability["right"]] == [n == 0 for n in reliability["clips"]]
    assert http.get("/v1/models/nothing/tested").status_code == 404
