"""The messages of a stream: what a client may say, and what it is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sottovoce.audio import Audio
from sottovoce.audio.decode import MAX_CHANNELS, MAX_RATE, MIN_RATE
from sottovoce.errors import AudioError
from sottovoce.inference.predictor import MAX_PEAK
from sottovoce.options import TimelineOptions
from sottovoce.results import Segment
from sottovoce.serve.errors import Refusal
from sottovoce.serve.store import PRINTABLE
from sottovoce.text import one_line

DEFAULTS = TimelineOptions()

SAMPLE: Mapping[str, np.dtype[Any]] = {"pcm16": np.dtype("<i2"), "float32": np.dtype("<f4")}
"""encoding -> one sample of one channel; little-endian, channels in turn."""


class Config(BaseModel):
    """The first message of a client."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    type: Literal["config"]
    sample_rate: int = Field(ge=MIN_RATE, le=MAX_RATE)
    """Hz, of the frames."""
    encoding: Literal["pcm16", "float32"] = "pcm16"
    channels: int = Field(default=1, ge=1, le=MAX_CHANNELS)
    """How many the frames have, in turn."""
    split: bool = False
    """Follow each channel on its own, instead of their mean."""
    model: str | None = None
    key: str | None = Field(default=None, repr=False)
    """An API key, for browsers, which cannot send headers."""
    caller: str | None = Field(default=None, max_length=128, pattern=PRINTABLE)
    """An id of your own, kept with the results in the store."""
    window: float = DEFAULTS.window
    hop: float = DEFAULTS.hop
    lookahead: float = DEFAULTS.lookahead
    smoothing: Literal["off", "mean", "hmm"] = DEFAULTS.smoothing
    hold: float = DEFAULTS.hold
    min_confidence: float | None = Field(default=None, ge=0, le=1)

    @classmethod
    def from_text(cls, text: str) -> Config:
        """The config in a message.

        Raises:
            Refusal: it is none, or a value is out of its range.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(str(part) for part in problem["loc"]) or "the message"
            raise Refusal(422, "bad_config", f"{place}: {one_line(problem['msg'])}") from None

    @property
    def options(self) -> dict[str, Any]:
        """What is asked of `Model.stream`."""
        return {
            "window": self.window,
            "hop": self.hop,
            "lookahead": self.lookahead,
            "smoothing": self.smoothing,
            "hold": self.hold,
            "channels": "split" if self.split else "mix",
            "min_confidence": self.min_confidence,
        }

    def audio(self, frame: bytes) -> Audio:
        """What a binary message holds.

        Raises:
            Refusal: it is no whole number of samples of every channel, or they are no sound.
        """
        sample = SAMPLE[self.encoding]
        step = sample.itemsize * self.channels
        if len(frame) % step:
            raise Refusal(
                422,
                "bad_frame",
                f"{len(frame)} bytes; expected a multiple of {step}, {self.channels} "
                f"{'channel' if self.channels == 1 else 'channels'} of {self.encoding}",
            )
        samples = np.frombuffer(frame, sample).reshape(-1, self.channels).T
        try:
            audio = Audio(samples, self.sample_rate)
        except AudioError as problem:
            said = str(problem).removeprefix("the array given: ")
            raise Refusal(422, "bad_frame", said) from None
        if audio.peak > MAX_PEAK:
            raise Refusal(422, "bad_frame", f"samples reach {audio.peak:.3g}; scale them to -1..1")
        return audio


class Talk:
    """Makes of segments what the client is told, with the begin and end of speech."""

    def __init__(self) -> None:
        self._speaking: dict[int | None, float] = {}
        """channel -> s up to which somebody speaks."""

    def told(self, segment: Segment) -> list[dict[str, Any]]:
        """The messages about the next segment."""
        told, channel = [], segment.channel
        if segment.emotion is not None:
            if channel not in self._speaking:
                told.append(_edge("speech_started", "start", segment.start, channel))
            self._speaking[channel] = segment.end
        elif channel in self._speaking:
            told.append(_edge("speech_ended", "end", self._speaking.pop(channel), channel))
        return [*told, {"type": "measurement"} | segment.to_dict()]

    def finished(self) -> list[dict[str, Any]]:
        """The end of the speech that lasted until the end."""
        return [
            _edge("speech_ended", "end", end, channel) for channel, end in self._speaking.items()
        ]


def is_finish(text: str | None) -> bool:
    """Whether a text message says that nothing more comes."""
    try:
        return text is not None and json.loads(text) == {"type": "finish"}
    except (ValueError, RecursionError):
        return False


def error(refusal: Refusal) -> dict[str, Any]:
    """The message about something that was refused."""
    return {"type": "error", **refusal.to_dict()["error"]}


def _edge(kind: str, key: str, seconds: float, channel: int | None) -> dict[str, Any]:
    return {"type": kind, key: round(seconds, 6), "channel": channel}
