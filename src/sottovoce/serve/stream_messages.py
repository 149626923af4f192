"""The messages of a stream: what a client sends, and what of the speech it is sent.

What the service sends is in `sottovoce.results`, for the client reads it too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
from pydantic import ConfigDict, Field, ValidationError, model_validator

from sottovoce.audio import Audio
from sottovoce.audio.decode import MAX_CHANNELS, MAX_RATE, MIN_RATE
from sottovoce.errors import AudioError
from sottovoce.inference.predictor import MAX_PEAK
from sottovoce.inference.profile import Profile
from sottovoce.options import StrictModel, TimelineOptions
from sottovoce.results import Result, Segment, SpeechEnded, SpeechStarted
from sottovoce.serve.errors import ServiceError
from sottovoce.serve.schemas import CallerId
from sottovoce.text import one_line

SAMPLE_TYPES: Mapping[str, np.dtype[Any]] = {
    "pcm16": np.dtype("<i2"),
    "float32": np.dtype("<f4"),
}
"""encoding -> one sample of one channel; little-endian, channels in turn."""

STREAM_OPTIONS = {
    name: field
    for name, field in TimelineOptions.model_fields.items()
    if name not in ("gate", "channels")
}
"""The options of a timeline that a config may have, beside its own fields. The gate is not offered
over the network, and in place of `channels`, here their number, there is `split`."""


class StreamConfig(StrictModel):
    """The first message of a client: these fields, and those of `STREAM_OPTIONS`."""

    model_config = ConfigDict(extra="allow")

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
    caller: CallerId = None
    profile: Profile | None = Field(default=None, repr=False)
    """To judge with, as /v1/profile gives it."""

    @model_validator(mode="after")
    def _has_no_other_fields(self) -> Self:
        others = [name for name in self.model_extra or {} if name not in STREAM_OPTIONS]
        if others:
            known = ", ".join([*type(self).model_fields, *STREAM_OPTIONS])
            raise ValueError(f"{others[0]!r:.30} is no field of a config; expected {known}")
        return self

    @classmethod
    def from_text(cls, text: str) -> StreamConfig:
        """The config in a message; its `options` are looked at later.

        Raises:
            ServiceError: it is none, or a value is out of its range.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
            name = ".".join(str(part) for part in problem["loc"]) or "the message"
            raise ServiceError(422, "bad_config", f"{name}: {one_line(problem['msg'])}") from None

    @property
    def options(self) -> TimelineOptions:
        """The options of the timeline.

        Raises:
            SottovoceError: one is out of its range.
        """
        chosen = self.model_extra or {}
        return TimelineOptions(**chosen, channels="split" if self.split else "mix")

    def audio(self, frame: bytes) -> Audio:
        """The samples in a binary message.

        Raises:
            ServiceError: it is no whole number of samples of every channel, or they are no sound.
        """
        sample_type = SAMPLE_TYPES[self.encoding]
        step = sample_type.itemsize * self.channels
        if len(frame) % step:
            raise ServiceError(
                422,
                "bad_frame",
                f"{len(frame)} bytes; expected a multiple of {step}, {self.channels} "
                f"{'channel' if self.channels == 1 else 'channels'} of {self.encoding}",
            )
        samples = np.frombuffer(frame, sample_type).reshape(-1, self.channels).T
        try:
            audio = Audio(samples, self.sample_rate)
        except AudioError as error:
            message = str(error).removeprefix("the array given: ")
            raise ServiceError(422, "bad_frame", message) from None
        if audio.peak > MAX_PEAK:
            message = f"samples reach {audio.peak:.3g}; scale them to -1..1"
            raise ServiceError(422, "bad_frame", message)
        return audio


class SpeechTracker:
    """Adds to the segments of a stream when speech begins and ends in a channel."""

    def __init__(self) -> None:
        self._speech_until: dict[int | None, float] = {}
        """channel -> s up to which somebody speaks."""

    def messages(self, segment: Segment) -> list[Result]:
        """The next segment, and what begins or ends with it."""
        messages: list[Result] = []
        channel = segment.channel
        if segment.emotion is not None:
            if channel not in self._speech_until:
                messages.append(SpeechStarted(start=segment.start, channel=channel))
            self._speech_until[channel] = segment.end
        elif channel in self._speech_until:
            end = self._speech_until.pop(channel)
            messages.append(SpeechEnded(end=end, channel=channel))
        return [*messages, segment]

    def last_messages(self) -> list[SpeechEnded]:
        """The end of the speech that lasted until the end."""
        return [
            SpeechEnded(end=end, channel=channel) for channel, end in self._speech_until.items()
        ]


def is_finish(text: str | None) -> bool:
    """Whether a text message says that nothing more comes."""
    try:
        return text is not None and json.loads(text) == {"type": "finish"}
    except (ValueError, RecursionError):
        return False
