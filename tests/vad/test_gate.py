"""The gate: voices pass, however quiet or shrill, and what is no voice is told apart by kind."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sottovoce.audio import Audio
from sottovoce.errors import SottovoceError
from sottovoce.options import GateOptions
from sottovoce.results import Status
from sottovoce.vad.gate import Gate
from sottovoce.vad.silero import FRAME, RATE, speech_probabilities

SECONDS = np.arange(4 * RATE) / RATE


def noise(level: float, color: float = 0.0, seed: int = 0) -> np.ndarray:
    """Noise whose power falls with frequency to the power `color`, at a level (RMS)."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=SECONDS.size))
    spectrum *= np.maximum(np.arange(spectrum.size), 20) ** (-color / 2)
    samples = np.fft.irfft(spectrum)
    return samples / samples.std() * level


def sine(hz: float, level: float = 0.1) -> np.ndarray:
    return level * np.sqrt(2) * np.sin(2 * np.pi * hz * SECONDS)


@pytest.fixture(scope="module")
def utterance(ravdess: Path) -> Audio:
    """About a second of silence, then speech, then silence."""
    return Audio.read(ravdess / "Actor_01" / "03-01-05-01-01-01-01.flac", sample_rate=RATE)


# No voice


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(RATE),
        np.full(RATE, 0.5),
        np.where(np.arange(RATE) == 8000, 0.9, 0.0),  # one click
        noise(10 ** (-70 / 20)),  # the floor of a microphone that hears nothing
        0.9 + noise(10 ** (-70 / 20)),
    ],
    ids=["zeros", "offset", "click", "floor", "floor and offset"],
)
def test_what_has_no_level_is_silence(samples) -> None:
    assert Gate().check(Audio(samples, RATE)).status is Status.SILENCE


@pytest.mark.parametrize("gain", [0.02, 1.0, 8.0])
@pytest.mark.parametrize(
    "samples",
    [
        noise(0.1),
        noise(0.1, color=1),
        noise(0.1, color=2),
        noise(0.1) * (1 + np.sin(2 * np.pi * 4 * SECONDS)),
        sine(50) + sine(150, 0.03),
        sine(440),
        sine(262) + sine(330) + sine(392),
        sine(800) * (SECONDS * 4 % 1 < 0.3),
    ],
    ids=["white", "pink", "brown", "pulsing", "hum", "tone", "chord", "beeps"],
)
def test_noise_and_tones_are_no_speech(samples, gain) -> None:
    verdict = Gate().check(Audio(samples * gain, RATE))
    assert verdict.status is Status.NO_SPEECH
    assert verdict.speech == ()
    assert verdict.extent is None


def test_rooms_machines_and_a_piano_are_no_speech(corpora: Path) -> None:
    for name in ("fan", "running_tap", "exercise_bike", "doing_the_dishes", "piano", "pink_noise"):
        audio = Audio.read(corpora / "noise" / f"{name}.ogg", sample_rate=RATE)
        for start in range(0, int(audio.duration) - 3, 4):
            verdict = Gate().check(audio.crop(start, start + 4))
            assert verdict.status is Status.NO_SPEECH, (name, start)


# A voice


def test_ravdess_passes_whatever_the_emotion(ravdess: Path) -> None:
    paths = [path for actor in (6, 9) for path in sorted((ravdess / f"Actor_{actor:02}").iterdir())]
    paths = [path for path in paths if path.stem[6:8] in ("02", "04", "05", "06")][::2]
    found = Counter(Gate().check(Audio.read(path)).status for path in paths)
    assert found[Status.OK] >= 0.97 * len(paths), found  # actor 6 screams highest of all


@pytest.mark.parametrize("decibels", [-60, -40, -10])
def test_speech_is_heard_at_any_level(utterance: Audio, decibels: int) -> None:
    level = Gate().check(utterance).rms
    verdict = Gate().check(Audio(utterance.samples * (10 ** (decibels / 20) / level), RATE))
    assert verdict.status is Status.OK
    assert verdict.rms == pytest.approx(10 ** (decibels / 20), rel=1e-3)


@pytest.mark.parametrize("offset", [-0.4, 0.4])
def test_an_offset_changes_neither_level_nor_status(utterance: Audio, offset: float) -> None:
    plain, shifted = (Gate().check(Audio(utterance.samples + o, RATE)) for o in (0, offset))
    assert shifted.status is Status.OK
    assert shifted.rms == pytest.approx(plain.rms, rel=1e-3)


def test_the_extent_holds_the_loud_part_of_the_recording(utterance: Audio) -> None:
    verdict = Gate().check(utterance)
    assert verdict.extent is not None
    start, end = verdict.extent
    frames = np.abs(utterance.samples[0])[: utterance.samples.size // 320 * 320].reshape(-1, 320)
    loud = np.flatnonzero(frames.max(1) > 0.1 * utterance.peak) * 0.02
    assert start <= loud[0] + 0.1
    assert loud[-1] - 0.1 <= end <= utterance.duration
    assert end - start < utterance.duration - 1
    assert 0.5 < sum(last - first for first, last in verdict.speech) <= end - start


def test_an_hour_away_speech_is_found_at_its_place(utterance: Audio) -> None:
    silence = np.zeros(200 * RATE, np.float32)
    alone = Gate().check(utterance)
    verdict = Gate().check(Audio(np.concatenate([silence, utterance.samples[0], silence]), RATE))
    assert alone.extent is not None
    assert verdict.extent is not None
    np.testing.assert_allclose(np.subtract(verdict.extent, 200), alone.extent, atol=0.1)


def test_a_bang_elsewhere_does_not_hide_quiet_speech(utterance: Audio) -> None:
    quiet = utterance.samples[0] * np.float32(0.003 / Gate().check(utterance).rms)
    bang = np.concatenate([noise(0.3)[:RATE].astype("f4"), np.zeros(70 * RATE, "f4")])
    assert Gate().check(Audio(np.concatenate([bang, quiet]), RATE)).status is Status.OK


def test_other_rates_and_channels_get_the_same_answer(utterance: Audio) -> None:
    verdict = Gate().check(utterance)
    stereo = Audio(np.repeat(utterance.samples, 2, axis=0), RATE).resample(44_100)
    other = Gate().check(stereo)
    assert other.status is Status.OK
    assert other.rms == pytest.approx(verdict.rms, rel=0.02)
    np.testing.assert_allclose(other.extent, verdict.extent, atol=0.1)


def test_many_threads_get_the_answers_that_one_gets(utterance: Audio) -> None:
    clips = [utterance.crop(i / 10, utterance.duration) for i in range(12)]
    alone = [Gate().check(clip) for clip in clips]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(Gate().check, clips)) == alone


# Thresholds


def test_the_order_is_length_then_level_then_speech() -> None:
    short, silent = np.zeros(RATE // 2 - 1), np.zeros(RATE // 2)
    assert Gate().check(Audio(short, RATE)).status is Status.TOO_SHORT
    assert Gate().check(Audio(silent, RATE)).status is Status.SILENCE
    assert Gate().check(Audio(np.zeros(0), RATE)).status is Status.TOO_SHORT
    assert (
        Gate(GateOptions(min_duration=0)).check(Audio(np.zeros(0), RATE)).status is Status.SILENCE
    )


def test_every_threshold_can_be_moved(utterance: Audio) -> None:
    result = Gate().check(utterance)
    assert Gate(GateOptions(min_duration=60)).check(utterance).status is Status.TOO_SHORT
    assert (
        Gate(GateOptions(silence_rms=result.rms * 1.01)).check(utterance).status is Status.SILENCE
    )
    assert Gate(GateOptions(silence_rms=result.rms * 0.99)).check(utterance).status is Status.OK
    assert Gate(GateOptions(min_speech=60)).check(utterance).status is Status.NO_SPEECH
    assert Gate(GateOptions(speech_threshold=1)).check(utterance).status is Status.NO_SPEECH
    crossings = result.zero_crossing_rate
    for factor, status in ((1.01, Status.NO_SPEECH), (0.99, Status.OK)):
        options = GateOptions(min_zero_crossing_rate=crossings * factor)
        assert Gate(options).check(utterance).status is status
    hiss = Audio(noise(0.1), RATE)
    assert Gate(GateOptions(speech_threshold=0)).check(hiss).speech == ((0.0, 4.0),)


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_duration": -1},
        {"silence_rms": 2},
        {"speech_threshold": 1.5},
        {"speech_threshold": float("nan")},
        {"min_speech": -0.1},
        {"min_zero_crossing_rate": 1.5},
    ],
)
def test_a_threshold_out_of_range_is_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(SottovoceError, match=next(iter(wrong))):
        GateOptions(**wrong)


@pytest.mark.parametrize(("hz", "status"), [(50.0, Status.NO_SPEECH), (400.0, Status.OK)])
def test_hum_has_too_few_zero_crossings_for_speech(hz: float, status: Status) -> None:
    """Whatever the detector says: here it calls everything speech."""
    options = GateOptions(speech_threshold=0, min_zero_crossing_rate=0.01)
    assert Gate(options).check(Audio(sine(hz, 0.1), RATE)).status is status


# What is measured


@given(st.floats(0.001, 0.5), st.sampled_from([200.0, 1000.0, 3000.0]))
def test_level_of_a_tone_is_its_rms_and_its_zero_crossings_twice_its_frequency(level, hz) -> None:
    verdict = Gate(GateOptions(min_speech=0)).check(Audio(sine(hz, level)[: RATE // 4] + 0.2, RATE))
    assert verdict.rms == pytest.approx(level, rel=0.01)
    assert verdict.zero_crossing_rate == pytest.approx(2 * hz / RATE, rel=0.05)


def test_level_is_of_the_loudest_part() -> None:
    samples = np.concatenate([np.zeros(3 * RATE), noise(0.1)[: RATE // 2]])
    assert Gate().check(Audio(samples, RATE)).rms == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize("size", [0, 1, FRAME - 1, FRAME, FRAME + 1, 10 * FRAME])
def test_there_is_a_probability_for_every_frame_begun(size: int) -> None:
    probabilities = speech_probabilities(noise(0.1)[:size].astype(np.float32))
    assert probabilities.shape == (-(-size // FRAME),)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()


def test_frames_do_not_hear_what_comes_after_them(utterance: Audio) -> None:
    whole = speech_probabilities(utterance.samples[0])
    part = speech_probabilities(utterance.samples[0, : 50 * FRAME])
    np.testing.assert_allclose(whole[:50], part, atol=1e-5)
