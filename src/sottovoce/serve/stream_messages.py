"""The messages of a stream: what a client sends, and what of the speech it is sent.

What the service sends is in `sottovoce.results`, for the client reads it too.
"""

from __future__ import annotations

import json
from typing import Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from sottovoce.audio.decode import MAX_CHANNELS, MAX_RATE, MIN_RATE
from sottovoce.inference.profile import Profile
from sottovoce.options import StrictModel, TimelineOptions
from sottovoce.results import Result, Segment, SpeechEnded, SpeechStarted
from sottovoce.serve.errors import ServiceError
from sottovoce.serve.schemas import CallerId
from sottovoce.text import one_line

FINISH_LENGTH = 64
"""Characters of a `finish` at most; a longer text is none, and is not looked at."""

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
    encoding: Literal["pcm16", "float32", "mulaw", "alaw"] = "pcm16"
    channels: int = Field(default=1, ge=1, le=MAX_CHANNELS)
    """How many the frames have, in turn."""
    split: bool = False
    """Follow each channel on its own, instead of their mean."""
    model: str | list[str] | None = None
    """One that the service has, or several that answer together."""
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
            raise bad_config(error) from None

    @property
    def models(self) -> list[str] | None:
        """The models that are named, if any is."""
        return [self.model] if isinstance(self.model, str) else self.model

    @property
    def options(self) -> TimelineOptions:
        """The options of the timeline.

        Raises:
            SottovoceError: one is out of its range.
        """
        chosen = self.model_extra or {}
        return TimelineOptions(**chosen, channels="split" if self.split else "mix")


def bad_config(error: ValidationError) -> ServiceError:
    """Make the error for the first thing that is wrong with a config."""
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = ".".join(str(part) for part in problem["loc"]) or "the message"
    return ServiceError(422, "bad_config", f"{name}: {one_line(problem['msg'])}")


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
    if text is None or len(text) > FINISH_LENGTH:
        return False
    try:
        return bool(json.loads(text) == {"type": "finish"})
    except (ValueError, RecursionError):
        return False
