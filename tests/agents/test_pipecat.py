"""What Pipecat's own pipelines make of the processor, with real speech."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_model import VOICE, write_tiny, write_tiny_profiled

import sottovoce
from sottovoce.audio import Audio
from sottovoce.errors import MissingExtraError, SottovoceError, install_line
from sottovoce.results import Prediction, Status

pytest.importorskip("pipecat", reason="EmotionProcessor needs the extra agents")

from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    LLMContextFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.tests.utils import run_test
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from sottovoce.agents.pipecat import EmotionFrame, EmotionProcessor, emotion_note

RATE = 16_000


def pcm(path: Path) -> NDArray[np.int16]:
    """A recording as a transport gives it: 16 bits at 16 kHz, one channel."""
    samples = Audio.read(path, sample_rate=RATE).samples[0]
    return np.clip(np.round(samples * 2**15), -(2**15), 2**15 - 1).astype("<i2")


def sound(samples: NDArray[np.int16]) -> list[InputAudioRawFrame]:
    """Frames of 20 ms."""
    data, step = samples.tobytes(), RATE // 50 * 2
    return [
        InputAudioRawFrame(data[start : start + step], RATE, 1)
        for start in range(0, len(data), step)
    ]


def turn(samples: NDArray[np.int16]) -> list[Frame]:
    return [UserStartedSpeakingFrame(), *sound(samples), UserStoppedSpeakingFrame()]


def sent(processor: Any, frames: Sequence[Frame]) -> list[Frame]:
    """What comes out of a pipeline with the processor, in order, without the sound."""
    down, _ = asyncio.run(run_test(processor, frames_to_send=frames, start_timeout=30))
    return [frame for frame in down if not isinstance(frame, InputAudioRawFrame)]


def emotions(frames: Sequence[Frame]) -> list[Prediction]:
    return [frame.prediction for frame in frames if isinstance(frame, EmotionFrame)]


@pytest.fixture(scope="module")
def built_in() -> sottovoce.Model:
    return sottovoce.load()


@pytest.fixture
def clip(ravdess: Path) -> Path:
    """An angry sentence of RAVDESS."""
    return ravdess / "Actor_01" / "03-01-05-02-01-01-01.flac"


def test_a_turn_has_the_emotion_that_predict_gives(built_in: sottovoce.Model, clip: Path) -> None:
    samples = pcm(clip)
    (said,) = emotions(sent(EmotionProcessor(built_in), turn(samples)))
    assert said == built_in.predict((samples, RATE))
    assert said.status is Status.OK


def test_the_users_message_says_how_it_sounded(built_in: sottovoce.Model, clip: Path) -> None:
    samples = pcm(clip)
    context = LLMContext([{"role": "user", "content": "Kids are talking by the door."}])
    frames = sent(EmotionProcessor(built_in), [*turn(samples), LLMContextFrame(context)])
    expected = built_in.predict((samples, RATE))
    assert context.messages == [
        {
            "role": "user",
            "content": "Kids are talking by the door. [The voice sounds "
            f"{expected.emotion} ({expected.confidence:.0%} sure).]",
        }
    ]
    kinds = [type(frame) for frame in frames]
    assert kinds.index(EmotionFrame) < kinds.index(LLMContextFrame)


def test_pipecats_own_aggregator_gives_each_turn_its_note(
    built_in: sottovoce.Model, clip: Path
) -> None:
    """The whole way: speech detected, words recognised, the context that a language model gets."""
    calm = clip.parent / "03-01-01-01-02-01-01.flac"
    context = LLMContext()
    strategies = UserTurnStrategies(stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0)])
    pair = LLMContextAggregatorPair(
        context, user_params=LLMUserAggregatorParams(user_turn_strategies=strategies)
    )
    pipeline = Pipeline([pair.user(), EmotionProcessor(built_in)])
    first, second = pcm(clip), pcm(calm)
    frames: list[Frame] = []
    for words, samples in (("Kids talk.", first), ("Dogs sit.", second)):
        frames += [VADUserStartedSpeakingFrame(), *sound(samples), VADUserStoppedSpeakingFrame()]
        frames += [TranscriptionFrame(words, "user", "now", finalized=True)]
        frames += [Wait()]
    out = asyncio.run(through(pipeline, frames))
    messages = [message["content"] for message in context.messages if message["role"] == "user"]
    said = emotions(out)
    assert len(said) == 2
    for message, words, prediction in zip(messages, ("Kids", "Dogs"), said, strict=True):
        note = emotion_note(prediction)
        assert message.startswith(words)
        assert message.endswith(note)
    assert said[0].emotion == built_in.predict((first, RATE)).emotion


class Wait(Frame):
    """Stands for: send nothing more until the turn's context has come out."""


async def through(pipeline: Pipeline, frames: Sequence[Frame]) -> list[Frame]:
    """What comes out of a pipeline to which the frames are sent one after another."""
    from pipecat.frames.frames import EndFrame
    from pipecat.pipeline.worker import PipelineWorker
    from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
    from pipecat.workers.runner import WorkerRunner

    out: list[Frame] = []
    answered, started = asyncio.Event(), asyncio.Event()

    class Sink(FrameProcessor):
        async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
            await super().process_frame(frame, direction)
            out.append(frame)
            if isinstance(frame, LLMContextFrame):
                answered.set()
            await self.push_frame(frame, direction)

    worker = PipelineWorker(Pipeline([pipeline, Sink()]), cancel_on_idle_timeout=False)

    @worker.event_handler("on_pipeline_started")
    async def on_pipeline_started(worker: Any, frame: Any) -> None:
        started.set()

    async def send() -> None:
        await asyncio.wait_for(started.wait(), 30)
        for frame in frames:
            if isinstance(frame, Wait):
                await asyncio.wait_for(answered.wait(), 30)
                answered.clear()
            else:
                await worker.queue_frame(frame)
        await worker.queue_frame(EndFrame())

    runner = WorkerRunner()
    await runner.add_workers(worker)
    await asyncio.gather(runner.run(), send())
    return out


def test_what_is_not_sure_is_told_in_the_frame_and_not_in_the_context(
    built_in: sottovoce.Model, clip: Path
) -> None:
    context = LLMContext([{"role": "user", "content": "Hm."}])
    processor = EmotionProcessor(built_in, min_confidence=1.0)
    (said,) = emotions(sent(processor, [*turn(pcm(clip)), LLMContextFrame(context)]))
    assert said.status is Status.UNCERTAIN
    assert context.messages[-1]["content"] == "Hm."


def test_a_note_of_ones_own_stands_in_any_kind_of_message(model: sottovoce.Model) -> None:
    parts = [{"type": "text", "text": "Look."}]
    context = LLMContext([{"role": "user", "content": parts}])
    processor = EmotionProcessor(model, note=lambda said: f"<{said.emotion}>")
    (said,) = emotions(sent(processor, [*turn(pcm(VOICE)), LLMContextFrame(context)]))
    assert context.messages[-1]["content"] == [
        *parts,
        {"type": "text", "text": f"<{said.emotion}>"},
    ]


def test_a_context_without_a_new_turn_of_the_user_stays_as_it_is(model: sottovoce.Model) -> None:
    spoken = LLMContext([{"role": "user", "content": "Spoken."}])
    typed = LLMContext([{"role": "user", "content": "Typed."}])
    tool = LLMContext([{"role": "assistant", "content": "Said."}])
    frames = [LLMContextFrame(context) for context in (tool, spoken, typed)]
    sent(EmotionProcessor(model, note=lambda said: "!"), [*turn(pcm(VOICE)), *frames])
    assert [one.messages[-1]["content"] for one in (tool, spoken, typed)] == [
        "Said.",
        "Spoken. !",
        "Typed.",
    ]


def test_sound_from_before_the_turn_was_told_counts(model: sottovoce.Model) -> None:
    samples = pcm(VOICE)
    late = RATE // 2
    frames = [*sound(samples[:late]), UserStartedSpeakingFrame(), *sound(samples[late:])]
    (said,) = emotions(sent(EmotionProcessor(model), [*frames, UserStoppedSpeakingFrame()]))
    assert said == model.predict((samples, RATE))


def test_of_a_long_turn_its_end_is_kept(model: sottovoce.Model) -> None:
    samples = pcm(VOICE)
    processor = EmotionProcessor(model, longest=2.0)
    (said,) = emotions(sent(processor, turn(np.tile(samples, 3))))
    assert said == model.predict((samples[-2 * RATE :], RATE))
    assert said.duration == 2.0
    assert len(processor._preroll) <= 2 * RATE


def test_two_channels_are_heard_as_predict_hears_them(model: sottovoce.Model) -> None:
    samples = pcm(VOICE)
    both = np.stack([samples, samples // 2])
    data, step = both.T.tobytes(), RATE // 50 * 4
    chunks = [data[start : start + step] for start in range(0, len(data), step)]
    frames = [InputAudioRawFrame(chunk, RATE, 2) for chunk in chunks]
    out = sent(
        EmotionProcessor(model),
        [UserStartedSpeakingFrame(), *frames, UserStoppedSpeakingFrame()],
    )
    assert emotions(out) == [model.predict((both, RATE))]


def test_a_profile_is_taken_off(tmp_path: Path) -> None:
    model = sottovoce.load(write_tiny_profiled(tmp_path / "p.onnx"))
    profile = model.profile([VOICE], "normal")
    samples = pcm(VOICE)
    (said,) = emotions(sent(EmotionProcessor(model, profile=profile), turn(samples)))
    assert said == model.predict((samples, RATE), profile=profile)
    assert said.probabilities != model.predict((samples, RATE)).probabilities
    other = sottovoce.load(write_tiny(tmp_path / "other.onnx"))
    with pytest.raises(SottovoceError):
        EmotionProcessor(other, profile=profile)


def test_silence_and_nonsense_do_not_end_the_conversation(model: sottovoce.Model) -> None:
    silent = np.zeros(RATE, "<i2")
    nothing = [UserStartedSpeakingFrame(), UserStoppedSpeakingFrame()]
    strange = [UserStartedSpeakingFrame(), InputAudioRawFrame(b"\1\2\3\4" * 99, 7, 1)]
    out = sent(EmotionProcessor(model), [*nothing, *turn(silent)])
    assert [said.status for said in emotions(out)] == [Status.SILENCE]
    out = sent(EmotionProcessor(model), [*strange, UserStoppedSpeakingFrame()])
    assert [said.status for said in emotions(out)] == [Status.ERROR]


@pytest.mark.parametrize("options", [{"longest": 0}, {"min_confidence": 1.5}])
def test_arguments_out_of_their_range_are_refused(
    model: sottovoce.Model, options: dict[str, float]
) -> None:
    with pytest.raises(SottovoceError, match="expected"):
        EmotionProcessor(model, **options)


def test_without_pipecat_the_install_line_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sottovoce.agents.pipecat")
    monkeypatch.setitem(sys.modules, "pipecat.frames.frames", None)
    with pytest.raises(MissingExtraError) as refused:
        import sottovoce.agents.pipecat  # noqa: F401
    assert str(refused.value).endswith(f"; run: {install_line('agents')}")
