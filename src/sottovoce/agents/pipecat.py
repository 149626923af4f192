"""A frame processor for Pipecat that adds the speaker's emotion to each turn of the user.

Between the user's context aggregator and the language model it writes a note into the user's
message; wherever it stands it pushes an `EmotionFrame` for each turn:

    Pipeline([transport.input(), stt, aggregators.user(), EmotionProcessor(), llm, tts, ...])
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sottovoce.agents.words import sentence
from sottovoce.errors import MissingExtraError, SottovoceError
from sottovoce.inference.profile import ProfileSource
from sottovoce.models.model import Model
from sottovoce.models.registry import load
from sottovoce.results import Prediction, Status

try:
    from pipecat.frames.frames import (
        DataFrame,
        EndFrame,
        Frame,
        InputAudioRawFrame,
        LLMContextFrame,
        UserStartedSpeakingFrame,
        UserStoppedSpeakingFrame,
    )
    from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
except ModuleNotFoundError as error:
    raise MissingExtraError("EmotionProcessor", str(error.name), "agents") from error

PREROLL = 1.0
"""s kept from before a turn starts, which is told only when speech was detected for a while."""
GROWN = 0.5
"""s of sound since a turn was judged, from which it is judged again for what follows in it."""


@dataclass
class EmotionFrame(DataFrame):
    """How the user sounded in a turn; a turn that is answered in parts may have several."""

    prediction: Prediction
    """Without an emotion where nothing could be judged; see `Status`."""


@dataclass(eq=False)
class _Turn:
    """The sound of a turn, and the newest answer about it."""

    audio: bytearray = field(default_factory=bytearray)
    """PCM, 16 bits, channels interleaved."""
    lost: int = 0
    """Bytes that were taken off the start, as the turn is long."""
    prediction: Prediction | None = None
    judged: int = 0
    """Bytes of the turn, from its start, that `prediction` is about."""
    noted: int = 0
    """The same of the newest answer that was noted in the context."""

    @property
    def length(self) -> int:
        return self.lost + len(self.audio)


def emotion_note(prediction: Prediction) -> str:
    """What is added to the user's message: a sentence in brackets, nothing unless it is sure."""
    return f"[{sentence(prediction)}]" if prediction.status is Status.OK else ""


class EmotionProcessor(FrameProcessor):
    """Judges the sound of each turn of the user, and adds how it sounds.

    Place it after the user's context aggregator. There, each `LLMContextFrame` waits until the turn
    is judged, which takes some hundredths of a second in a thread; the note stands at the end of
    the user's message, in the context that the language model sees. The sound must come so far:
    Pipecat's transports and speech recognition pass it on unless told otherwise. Before the
    aggregator it adds nothing to the context. It expects one speaker at a time, and no echo.

    Args:
        model: judges; the built-in one if None.
        profile: of the user's voice, or its file; None: without.
        min_confidence: below it an answer is `uncertain`, 0 to 1; the model's own if None.
        note: what is added to the user's message, from the answer; "" adds nothing.
        longest: s of a turn that are kept; of a longer one its end is judged.
        options: for `FrameProcessor`.

    Raises:
        SottovoceError: the profile is another model's, or an argument is out of its range.
    """

    def __init__(
        self,
        model: Model | None = None,
        *,
        profile: ProfileSource | None = None,
        min_confidence: float | None = None,
        note: Callable[[Prediction], str] = emotion_note,
        longest: float = 30.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if not longest > 0:
            raise SottovoceError(f"longest is {longest} s; expected more than 0")
        if min_confidence is not None and not 0 <= min_confidence <= 1:
            raise SottovoceError(f"min_confidence is {min_confidence}; expected 0 to 1")
        self._model = load() if model is None else model
        self._model.network(profile)  # a profile that does not fit is told here
        self._profile, self._min_confidence = profile, min_confidence
        self._note, self._longest = note, longest
        self._format = (0, 1)  # sample rate in Hz, channels
        self._speaking = False
        self._turn: _Turn | None = None
        self._preroll = bytearray()
        self._judging = asyncio.Lock()
        self._task: asyncio.Task[Any] | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take the next frame, and pass it on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self._hear(frame)
        elif isinstance(frame, UserStartedSpeakingFrame):
            if not self._speaking:
                self._speaking, self._turn = True, _Turn(self._preroll)
                self._preroll = bytearray()
        elif isinstance(frame, UserStoppedSpeakingFrame):
            if self._speaking:
                self._speaking = False
                self._task = self.create_task(self._judge())  # other system frames do not wait
        elif isinstance(frame, LLMContextFrame):
            await self._annotate(frame)
        elif isinstance(frame, EndFrame) and self._task is not None:
            await asyncio.wait([self._task])
        await self.push_frame(frame, direction)

    async def cleanup(self) -> None:
        """Leave nothing behind."""
        await super().cleanup()  # type: ignore[no-untyped-call]
        if self._task is not None:
            await self.cancel_task(self._task)
            self._task = None

    def _hear(self, frame: InputAudioRawFrame) -> None:
        """Keep the sound: of a turn as much as may be judged, otherwise the last second."""
        if self._format != (frame.sample_rate, frame.num_channels):
            self._format = frame.sample_rate, frame.num_channels
            self._preroll = bytearray()
            if self._speaking:
                self._turn = _Turn()
        if self._speaking and self._turn is not None:
            self._turn.audio += frame.audio
            self._turn.lost += self._cut(self._turn.audio, self._longest)
        else:
            self._preroll += frame.audio
            self._cut(self._preroll, PREROLL)

    def _cut(self, audio: bytearray, seconds: float) -> int:
        """Take off what is more than the last seconds; gives the number of bytes."""
        excess = max(0, len(audio) - self._bytes(seconds))
        del audio[:excess]
        return excess

    def _bytes(self, seconds: float) -> int:
        rate, channels = self._format
        return round(seconds * rate) * 2 * channels

    async def _judge(self) -> _Turn | None:
        """Judge the newest turn, unless that was done, and push the answer; gives the turn."""
        async with self._judging:
            turn = self._turn
            if turn is None or not turn.audio:
                return None
            heard = turn.length
            if turn.prediction is None or heard - turn.judged >= self._bytes(GROWN):
                pcm, (rate, channels) = bytes(turn.audio), self._format
                said = await asyncio.to_thread(self._predict, pcm, rate, channels)
                turn.prediction, turn.judged = said, heard
                await self.push_frame(EmotionFrame(said))
            return turn

    def _predict(self, pcm: bytes, rate: int, channels: int) -> Prediction:
        """The answer about PCM of 16 bits; what goes wrong is an answer too."""
        try:
            return self._model.predict(
                (_samples(pcm, channels), rate),
                profile=self._profile,
                min_confidence=self._min_confidence,
            )
        except SottovoceError as error:
            return Prediction(status=Status.ERROR, model=self._model.card.title, message=str(error))

    async def _annotate(self, frame: LLMContextFrame) -> None:
        """Write the note into the user's newest message, once, where it belongs to the turn."""
        messages = frame.context.messages
        message: Any = messages[-1] if messages else None
        if not isinstance(message, dict) or message.get("role") != "user":
            return
        turn = await self._judge()
        if turn is None or turn.prediction is None or turn.noted == turn.judged:
            return
        turn.noted = turn.judged
        if note := self._note(turn.prediction):
            message["content"] = _with_note(message["content"], note)


def _samples(pcm: bytes, channels: int) -> NDArray[np.int16]:
    """PCM of 16 bits, channels interleaved -> (channels, samples)."""
    whole = len(pcm) // (2 * channels) * 2 * channels
    return np.frombuffer(pcm[:whole], "<i2").reshape(-1, channels).T


def _with_note(content: Any, note: str) -> Any:
    """The content of a message, a text or a list of parts, with a text after it."""
    if isinstance(content, str):
        return f"{content} {note}"
    return [*content, {"type": "text", "text": note}]
