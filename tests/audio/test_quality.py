"""What is odd about the sound of a recording is noticed; ordinary sound is not."""

import io

import numpy as np
import pytest
import soundfile
import soxr

from sottovoce.audio import Audio
from sottovoce.audio.convert import Mixer
from sottovoce.audio.quality import FRAME_SECONDS, STRIDE, SoundCheck
from sottovoce.results import WarningCode

RATE = 16_000


def noise(seconds: float = 4, rate: int = RATE, seed: int = 0, level: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(round(seconds * rate))).astype(np.float32)


def codes(samples: np.ndarray, rate: int = RATE) -> list[WarningCode]:
    warnings = Audio.read((samples, rate)).warnings
    assert warnings is not None
    return [warning.code for warning in warnings]


def telephone(samples: np.ndarray, rate: int) -> np.ndarray:
    return soxr.resample(soxr.resample(samples, rate, 8000), 8000, rate)


def test_ordinary_sound_has_no_warning() -> None:
    assert codes(noise()) == []
    assert codes(np.stack([noise(), noise(seed=1)])) == []
    assert codes(np.zeros(RATE)) == []
    assert codes(np.zeros(0)) == []


@pytest.mark.parametrize(
    ("samples", "code"),
    [
        (np.stack([noise(), np.zeros(4 * RATE, np.float32)]), WarningCode.SILENT_CHANNEL),
        (np.stack([noise(), -noise()]), WarningCode.ANTIPHASE),
        (np.clip(10 * noise(), -1, 1), WarningCode.CLIPPED),
        (np.clip(10 * noise(), -0.6, 0.6), WarningCode.CLIPPED),
        (telephone(noise(), RATE), WarningCode.NARROW_BAND),
    ],
)
def test_each_oddity_has_its_code(samples: np.ndarray, code: WarningCode) -> None:
    assert codes(samples) == [code]


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000])
def test_a_narrow_band_is_noticed_at_any_rate(rate: int) -> None:
    narrow = telephone(noise(rate=rate), rate) if rate > 8000 else noise(rate=rate)
    assert codes(narrow, rate) == [WarningCode.NARROW_BAND]
    if rate > 8000:
        assert codes(noise(rate=rate), rate) == []


def test_a_narrow_band_is_noticed_through_sixteen_bits() -> None:
    file = io.BytesIO()
    soundfile.write(file, telephone(0.1 * noise(), RATE), RATE, format="WAV")
    warnings = Audio.read(file.getvalue()).warnings
    assert [warning.code for warning in warnings or ()] == [WarningCode.NARROW_BAND]


def test_one_loud_sample_is_not_clipping() -> None:
    samples = noise()
    samples[1000] = 1.0
    assert codes(samples) == []


def test_a_constant_is_not_clipping() -> None:
    assert codes(np.full(RATE, -1.0)) == []


@pytest.mark.parametrize("sizes", [(1,), (7, 1000, 333), (65_536,)])
def test_what_is_found_does_not_depend_on_the_blocks(sizes: tuple[int, ...]) -> None:
    loud = np.clip(12 * noise(2), -1, 1)
    samples = np.stack([loud, -loud, np.zeros_like(loud)], axis=1)[
        : RATE if sizes == (1,) else None
    ]

    def cut() -> list[np.ndarray]:
        parts, start = [], 0
        while start < len(samples):
            size = sizes[len(parts) % len(sizes)]
            parts.append(samples[start : start + size])
            start += size
        return parts

    checks = SoundCheck(RATE), SoundCheck(RATE)
    mixers = Mixer(RATE), Mixer(RATE)
    checks[0].add(samples)
    for part in cut():
        checks[1].add(part)
    assert checks[0].warnings() == checks[1].warnings()
    assert len(checks[0].warnings()) == 2
    whole = mixers[0].mix(samples)
    np.testing.assert_array_equal(np.concatenate([mixers[1].mix(part) for part in cut()]), whole)
    assert mixers[0].warnings() == mixers[1].warnings() != ()


@pytest.mark.parametrize("sizes", [(1,), (7, 1000, 333), (512,), (3072, 5), (8000,)])
def test_the_same_frames_are_looked_at_in_blocks_of_any_size(sizes: tuple[int, ...]) -> None:
    size, seconds = round(FRAME_SECONDS * RATE), 1
    samples, wide = telephone(noise(seconds), RATE), noise(seconds, seed=1)
    between = np.arange(samples.size) % (STRIDE * size) >= size
    samples[between] = wide[between]  # a frame that begins elsewhere has more than a narrow band
    check, start, number = SoundCheck(RATE), 0, 0
    while start < samples.size:
        end = start + sizes[number % len(sizes)]
        check.add(samples[start:end, np.newaxis])
        start, number = end, number + 1
    assert [found.code for found in check.warnings()] == [WarningCode.NARROW_BAND]


def test_where_channels_cancel_the_louder_one_is_taken() -> None:
    left = noise()
    mixed = Audio.read((np.stack([0.9 * left, -left]), RATE)).samples[0]
    settled = RATE // 10
    np.testing.assert_array_equal(mixed[settled:], -left[settled:])


def test_channels_that_only_differ_are_mixed() -> None:
    left, right = noise(), -0.3 * noise()
    both = np.stack([left, right])
    np.testing.assert_allclose(Audio.read((both, RATE)).samples[0], both.mean(axis=0), atol=1e-7)
    many = np.concatenate([left[np.newaxis], np.zeros((40, left.size), np.float32)])
    read = Audio.read((many, RATE))
    np.testing.assert_allclose(read.samples[0], many.mean(axis=0), atol=1e-7)
    assert [warning.code for warning in read.warnings or ()] == [WarningCode.SILENT_CHANNEL]


def test_warnings_go_along_when_a_recording_is_mixed_and_resampled() -> None:
    audio = Audio.read((np.stack([noise(), -noise()]), RATE), mono=False)
    assert audio.warnings == ()
    mixed = audio.mono().resample(8000)
    assert [warning.code for warning in mixed.warnings or ()] == [WarningCode.ANTIPHASE]
    assert Audio.read(mixed).warnings == mixed.warnings
