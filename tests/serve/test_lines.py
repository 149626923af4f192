"""Timelines as lines: the messages of a stream, as they are worked out."""

import json
from pathlib import Path

import httpx
import numpy as np
import pytest
from serving import RunningService, sound, until

from sottovoce.results import STREAM_MESSAGES, StreamFinished

LINES = {"Accept": "application/x-ndjson"}


def read(answer: httpx.Response) -> list[dict]:
    return [json.loads(line) for line in answer.text.splitlines()]


def test_the_lines_are_what_the_whole_answer_has(http: httpx.Client, speech: bytes) -> None:
    whole = http.post("/v1/timeline", content=speech).json()
    answer = http.post("/v1/timeline", content=speech, headers=LINES)
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    ready, *segments, last = read(answer)
    assert (ready["type"], ready["model"]) == ("ready", whole["model"])
    assert [{k: v for k, v in one.items() if k != "type"} for one in segments] == whole["segments"]
    assert last == {"type": "finished", "summary": whole["summary"]}
    assert STREAM_MESSAGES["finished"] is StreamFinished


def test_a_recording_that_is_refused_has_its_status_and_no_line(http: httpx.Client) -> None:
    answer = http.post("/v1/timeline", content=b"no sound" * 100, headers=LINES)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "unreadable"


def test_who_leaves_ends_the_work(served: RunningService, http: httpx.Client) -> None:
    rng = np.random.default_rng(0)
    long = sound(rng.normal(0, 0.05, 16_000 * 1800).astype(np.float32))
    with http.stream("POST", "/v1/timeline?hop=0.2", content=long, headers=LINES) as answer:
        assert json.loads(next(answer.iter_lines()))["type"] == "ready"
    until(lambda: served.service.admission.requests == 0, 20)


@pytest.fixture(scope="module")
def speech() -> bytes:
    voice = Path(__file__).parents[2] / "samples" / "lively-voice.wav"
    return voice.read_bytes()
