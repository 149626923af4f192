"""`/v1/predict`, `/v1/timeline` and `/v1/models`, as callers meet them."""

import httpx
import numpy as np
import pytest
from serving import PREDICT, WAV, form, raw_post, sound, status_of
from tiny_model import LABELS, VOICE

from sottovoce.audio import Audio

MULTIPART = b"Content-Type: multipart/form-data; boundary=cut"


def error_code(response: httpx.Response) -> str:
    found = response.json()["error"]
    assert found["message"]
    assert "\n" not in found["message"]
    return found["code"]


def close(answer: dict, prediction) -> bool:
    expected = prediction.to_dict()
    probabilities = pytest.approx(expected.pop("probabilities"), abs=1e-6)
    confidence = pytest.approx(expected.pop("confidence"), abs=1e-6)
    del expected["path"]
    same = {name: answer[name] for name in expected} == expected
    return same and answer["probabilities"] == probabilities and answer["confidence"] == confidence


def test_a_form_a_raw_body_and_the_library_say_the_same(http, model):
    expected = model.predict(VOICE)
    raw = http.post(PREDICT, content=WAV)
    in_form = http.post(PREDICT, files={"file": ("my voice.wav", WAV)})
    for response, name in ((raw, None), (in_form, "my voice.wav")):
        assert response.status_code == 200
        (answer,) = response.json()["predictions"]
        assert close(answer, expected)
        assert answer["name"] == name


def test_channels_are_judged_apart(http, model):
    voice = Audio.read(VOICE)
    both = sound(np.stack([voice.samples[0], 0.5 * voice.samples[0]], axis=1), voice.sample_rate)
    found = http.post(f"{PREDICT}?channels=split", content=both).json()["predictions"]
    assert [answer["channel"] for answer in found] == [1, 2]
    for answer, expected in zip(found, model.predict_channels(both), strict=True):
        assert close(answer, expected)
    files = [("file", (name, both)) for name in "ab"]
    found = http.post(f"{PREDICT}?channels=split", files=files).json()["predictions"]
    assert [(each["name"], each["channel"]) for each in found] == [
        *(("a", 1), ("a", 2), ("b", 1), ("b", 2))
    ]
    assert http.post(f"{PREDICT}?channels=both", content=both).status_code == 422


def test_a_long_recording_is_judged_by_its_timeline(http, model):
    voice = Audio.read(VOICE)
    pause = np.zeros(voice.sample_rate // 2, np.float32)
    long = sound(np.tile(np.concatenate([voice.samples[0], pause]), 17), voice.sample_rate)
    (answer,) = http.post(PREDICT, content=long).json()["predictions"]
    assert "timeline says which is heard when" in answer["message"]
    expected = model.predict(long)
    assert answer["emotion"] == expected.emotion
    assert answer["probabilities"] == pytest.approx(dict(expected.probabilities), abs=1e-5)


def test_many_recordings_are_answered_in_order_and_a_bad_one_spoils_none(http, model):
    silence = sound(np.zeros(16_000))
    contents = [WAV, b"no audio", silence, WAV]
    files = [("file", (f"{n}.wav", content)) for n, content in enumerate(contents)]
    found = http.post(PREDICT, files=files).json()["predictions"]
    assert [answer["status"] for answer in found] == ["ok", "error", "silence", "ok"]
    assert [answer["name"] for answer in found] == ["0.wav", "1.wav", "2.wav", "3.wav"]
    assert close(found[3], model.predict(VOICE))
    assert "not a recording" in found[1]["message"]


@pytest.mark.parametrize(
    "content_type", ["audio/mpeg", "image/png", "application/x-www-form-urlencoded"]
)
def test_the_content_tells_what_a_recording_is_whatever_its_type_is_said_to_be(http, content_type):
    flac = sound(np.zeros(16_000), kind="FLAC")
    response = http.post(PREDICT, content=flac, headers={"Content-Type": content_type})
    assert response.json()["predictions"][0]["status"] == "silence"


@pytest.mark.parametrize("content_type", ["application/json", "text/plain; charset=utf-8"])
def test_a_body_that_is_said_to_be_text_is_refused(http, content_type):
    response = http.post(PREDICT, content=b"{}", headers={"Content-Type": content_type})
    assert (response.status_code, error_code(response)) == (415, "not_audio")


@pytest.mark.parametrize("content", [b"", b"RIFF", b"\xff\xfb\x90" * 50, WAV[:30], bytes(5000)])
def test_what_is_no_recording_is_refused_in_one_line(http, content):
    response = http.post(PREDICT, content=content)
    assert (response.status_code, error_code(response)) == (422, "unreadable")


@pytest.mark.parametrize("path", [PREDICT, "/v1/timeline", "/v1/profile"])
@pytest.mark.parametrize("content", [b"", b"RIFF", WAV[:30], bytes(5000)])
def test_a_broken_file_has_the_same_answer_in_a_form_as_alone(http, path, content):
    alone, in_form = http.post(path, content=content), http.post(path, files={"file": content})
    assert (alone.status_code, alone.json()) == (in_form.status_code, in_form.json())
    assert alone.is_client_error


def test_an_unknown_option_is_named(http):
    response = http.post(f"{PREDICT}?min_confidance=0.5", content=WAV)
    assert "min_confidance: no such option" in response.json()["error"]["message"]


def test_min_confidence_is_passed_on(http):
    (answer,) = http.post(f"{PREDICT}?min_confidence=1", content=WAV).json()["predictions"]
    assert answer["status"] == "uncertain"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/predict?min_confidence=2", 422, "bad_option"),
        ("/v1/predict?min_confidence=nan", 422, "bad_option"),
        ("/v1/predict?model=other", 404, "no_such_model"),
        ("/v1/predict?model=/etc/passwd", 404, "no_such_model"),
        (f"/v1/predict?caller={'x' * 129}", 422, "bad_option"),
        ("/v1/timeline?hop=0", 422, "bad_option"),
        ("/v1/timeline?window=1000", 422, "bad_option"),
        ("/v1/timeline?smoothing=much", 422, "bad_option"),
        ("/v1/predict?min_confidance=0.5", 422, "bad_option"),
        ("/v1/predict?hop=1", 422, "bad_option"),
        ("/v1/predict?gate=%7B%7D", 422, "bad_option"),
        ("/v1/timeline?hop=1&window_length=3", 422, "bad_option"),
        ("/v1/profile?sort=normal", 422, "bad_option"),
        ("/v2/predict", 404, "not_found"),
    ],
)
def test_a_wrong_question_is_refused_with_a_code(http, path, status, code):
    response = http.post(path, content=WAV)
    assert (response.status_code, error_code(response)) == (status, code)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"Content-Type: multipart/form-data", form(WAV)),
        (b"Content-Type: multipart/form-data; boundary=", form(WAV)),
        (MULTIPART, form(WAV)[:-300]),
        (MULTIPART, form(WAV, boundary=b"other")),
        (MULTIPART, b"--cut\r\nContent-Disposition: form-data\r\n\r\nx\r\n--cut--\r\n"),
        (MULTIPART, b"--cut\r\n" + b"A: b\r\n" * 2000 + b"\r\nx\r\n--cut--\r\n"),
        (MULTIPART, b"--cut\r\n\x00\xff: y\r\n\r\nx\r\n--cut--\r\n"),
        (MULTIPART, b""),
    ],
)
def test_a_broken_form_is_refused(served, kind, body):
    answer = served.raw(raw_post(PREDICT, body, kind))
    assert status_of(answer) in (400, 422), answer
    assert b'"error"' in answer


def test_a_form_with_another_field_says_where_options_go(http):
    response = http.post(PREDICT, data={"model": "tiny"}, files={"file": WAV})
    assert (response.status_code, error_code(response)) == (422, "bad_form")
    assert "query" in response.json()["error"]["message"]


def test_a_strange_file_name_comes_back_as_it_was_sent(http):
    name = '../"quoted"\N{SNOWMAN}.wav'
    (answer,) = http.post(PREDICT, files={"file": (name, WAV)}).json()["predictions"]
    assert answer["name"].replace("%22", '"') == name


def test_a_timeline_says_what_the_library_says(http, model):
    with model.timeline(VOICE, hop=0.5, lookahead=3, smoothing="off") as expected:
        segments = [segment.to_dict() for segment in expected]
        summary = expected.summary().to_dict()
    answer = http.post("/v1/timeline?hop=0.5&smoothing=off", content=WAV).json()
    assert [segment["status"] for segment in answer["segments"]] == [
        segment["status"] for segment in segments
    ]
    for found, segment in zip(answer["segments"], segments, strict=True):
        assert found["probabilities"] == pytest.approx(segment["probabilities"], abs=1e-6)
        assert (found["start"], found["end"]) == (segment["start"], segment["end"])
    assert answer["summary"]["duration"] == summary["duration"]


def test_a_timeline_is_of_one_recording(http):
    response = http.post("/v1/timeline", files=[("file", WAV), ("file", WAV)])
    assert (response.status_code, error_code(response)) == (422, "too_many")


def test_the_models_and_the_card_of_one(http, model):
    (found,) = http.get("/v1/models").json()["models"]
    assert (found["name"], found["labels"], found["default"]) == ("tiny", list(LABELS), True)
    assert http.get("/v1/models/tiny").json() == model.card.model_dump(mode="json")
    assert error_code(http.get("/v1/models/other")) == "no_such_model"


def test_health_and_metrics(http):
    http.post(PREDICT, content=WAV)
    assert http.get("/healthz").json() == http.get("/readyz").json() == {"status": "ok"}
    http.get("/a/path/of/somebody's/choice")
    text = http.get("/metrics").text
    for line in (
        'sottovoce_requests_total{endpoint="/v1/predict",status="200"}',
        'sottovoce_request_seconds_count{endpoint="/v1/predict"}',
        'sottovoce_audio_seconds_total{endpoint="/v1/predict"}',
        'sottovoce_answers_total{model="tiny 1.0",status="ok"}',
        'sottovoce_emotions_total{emotion="',
        "sottovoce_queue_clips 0.0",
        "sottovoce_requests_in_progress 0.0",
        "sottovoce_held_bytes 0.0",
        "sottovoce_streams 0.0",
    ):
        assert line in text
    assert "choice" not in text


def test_every_error_has_the_same_shape(http):
    response = http.delete(PREDICT)
    assert (response.status_code, error_code(response)) == (405, "method_not_allowed")
    assert "POST" in response.headers["allow"]
