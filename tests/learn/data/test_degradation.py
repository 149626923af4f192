"""Changes of sound: each does exactly what it says, by an oracle, and to a copy."""

import io
from collections.abc import Callable

import numpy as np
import pytest
import soundfile

from sottovoce.audio import Samples
from sottovoce.errors import AudioError
from sottovoce.learn.data import degradation as change

RATE = 16_000
CLIP = np.random.default_rng(1).normal(0, 0.1, 2 * RATE).astype(np.float32)


def level(samples: Samples) -> float:
    """RMS in dB of full scale."""
    return float(10 * np.log10(np.square(samples, dtype=np.float64).mean()))


def sine(frequency: float, rate: int = RATE, amplitude: float = 0.5) -> Samples:
    return (amplitude * np.sin(2 * np.pi * frequency / rate * np.arange(2 * rate))).astype("f4")


def settled(samples: Samples) -> Samples:
    """Without the first and the last quarter, where filters begin and end."""
    return samples[len(samples) // 4 : -len(samples) // 4]


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


CHANGES: dict[str, Callable[[Samples, int], Samples]] = {
    "gain": lambda x, rate: change.gain(x, -20),
    "clip": lambda x, rate: change.clip(x, 0.01),
    "noise": lambda x, rate: change.add_noise_at(x, CLIP[:999], 10, rng()),
    "white noise": lambda x, rate: change.white_noise(x, 20, rng()),
    "tone": lambda x, rate: change.tone(x, rate, 3000, 40),
    "low pass": lambda x, rate: change.low_pass(x, rate, 3000),
    "high pass": lambda x, rate: change.high_pass(x, rate, 150),
    "tilt": lambda x, rate: change.tilt(x, rate, -10),
    "room": lambda x, rate: change.room(x, rate),
    "mu-law": change.mu_law,
    "opus": change.opus,
    "mp3": change.mp3,
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 48_000])
@pytest.mark.parametrize("length", [1, 801, 12_345])
def test_length_and_type_are_kept_the_clip_is_not_touched_and_all_is_repeatable(
    name: str, rate: int, length: int
) -> None:
    clip = CLIP[:length].copy()
    changed = CHANGES[name](clip, rate)
    assert changed.dtype == np.float32
    assert changed.shape == (length,)
    assert np.isfinite(changed).all()
    assert np.array_equal(clip, CLIP[:length])
    assert np.array_equal(changed, CHANGES[name](clip, rate))


@pytest.mark.parametrize("name", CHANGES)
def test_silence_stays_silence(name: str) -> None:
    assert np.abs(CHANGES[name](np.zeros(4000, np.float32), RATE)).max() < 1e-4


def test_gain_moves_the_level_by_its_decibels() -> None:
    assert level(change.gain(CLIP, -20)) == pytest.approx(level(CLIP) - 20, abs=1e-4)


def test_clipping_flattens_that_fraction_of_the_samples_and_no_other() -> None:
    clipped = change.clip(CLIP, 0.003)
    assert (clipped != CLIP).mean() == pytest.approx(0.003, abs=2 / len(CLIP))
    flat = np.abs(clipped) == np.abs(clipped).max()
    assert np.array_equal(clipped[~flat], CLIP[~flat])
    assert np.array_equal(np.sign(clipped), np.sign(CLIP))


def test_cropping_and_padding_undo_each_other() -> None:
    assert np.array_equal(change.crop(CLIP, 100, 500), CLIP[100:-500])
    padded = change.pad(CLIP, 100, 500)
    assert not padded[:100].any()
    assert not padded[-500:].any()
    assert np.array_equal(change.crop(padded, 100, 500), CLIP)
    assert change.crop(CLIP[:300], 200, 200).size == 0


@pytest.mark.parametrize("snr", [20.0, 0.0, -5.0])
@pytest.mark.parametrize("noise_length", [100, 2 * RATE, 5 * RATE])
def test_noise_is_added_at_exactly_the_ratio_asked(snr: float, noise_length: int) -> None:
    noise = np.random.default_rng(2).uniform(-0.9, 0.9, noise_length).astype(np.float32)
    added = change.add_noise_at(CLIP, noise, snr, rng()).astype(np.float64) - CLIP
    assert level(CLIP) - level(added) == pytest.approx(snr, abs=1e-3)


def test_the_noise_is_a_stretch_of_the_recording_given() -> None:
    noise = np.arange(1, 3 * RATE + 1, dtype=np.float32) / RATE
    added = change.add_noise_at(CLIP[:RATE], noise, -60, rng()).astype(np.float64) - CLIP[:RATE]
    steps = np.diff(added) / added[-1]
    assert steps == pytest.approx(steps.mean(), rel=1e-2)
    other = change.add_noise_at(CLIP[:RATE], noise, -60, np.random.default_rng(6))
    assert not np.allclose(other, added + CLIP[:RATE], rtol=1e-3)


def test_white_noise_is_equally_strong_in_every_octave_s_hertz() -> None:
    added = change.white_noise(CLIP, 20, rng()).astype(np.float64) - CLIP
    assert level(CLIP) - level(added) == pytest.approx(20, abs=1e-3)
    bands = np.square(np.abs(np.fft.rfft(added)))[1:].reshape(8, -1).mean(axis=1)
    assert 10 * np.log10(bands / bands.mean()) == pytest.approx(0, abs=0.5)


def test_the_tone_has_its_frequency_and_its_peak_below_that_of_the_clip() -> None:
    added = change.tone(CLIP, RATE, 6000, 40).astype(np.float64) - CLIP
    assert np.abs(np.fft.rfft(added)).argmax() * RATE / len(CLIP) == 6000
    assert np.abs(added).max() == pytest.approx(np.abs(CLIP).max() / 100, rel=0.01)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("frequency", [250.0, 1000.0, 2000.0, 6000.0])
def test_filters_lose_what_butterworth_says(order: int, frequency: float) -> None:
    bent = np.tan(np.pi * frequency / RATE) / np.tan(np.pi * 1000 / RATE)  # bilinear transform
    for function, ratio in ((change.low_pass, bent), (change.high_pass, 1 / bent)):
        filtered = settled(function(sine(frequency), RATE, 1000, order))
        loss = level(settled(sine(frequency))) - level(filtered)
        assert loss == pytest.approx(10 * np.log10(1 + ratio ** (2 * order)), abs=0.01)


def test_a_frequency_beyond_half_the_rate_is_an_error() -> None:
    with pytest.raises(AudioError, match="at 16000 Hz expected below 8000"):
        change.low_pass(CLIP, RATE, 8000)
    with pytest.raises(AudioError, match="a tone at 6000 Hz; at 8000 Hz expected below 4000"):
        change.tone(CLIP, 8000, 6000, 40)


def test_the_equaliser_follows_its_curve_and_keeps_the_level() -> None:
    curve = ((100.0, -20.0), (1000.0, 0.0), (5000.0, 6.0))
    mixed = sine(50) + sine(1000) + sine(3000) + sine(7000)
    changed = change.equaliser(mixed, RATE, curve)
    assert level(changed) == pytest.approx(level(mixed), abs=1e-3)
    before, after = (np.abs(np.fft.rfft(settled(x) * np.hanning(RATE))) for x in (mixed, changed))
    gains = 20 * np.log10(after / before)[[50, 1000, 3000, 7000]]
    assert gains - gains[1] == pytest.approx([-20, 0, 3, 6], abs=0.1)


def test_a_tilt_is_linear_in_frequency() -> None:
    changed = change.tilt(CLIP, RATE, -16)
    ratio = np.abs(np.fft.rfft(changed)) / np.abs(np.fft.rfft(CLIP))
    bands = 20 * np.log10(ratio[1:]).reshape(8, -1).mean(axis=1)
    assert np.diff(bands) == pytest.approx(-2, abs=0.2)
    assert level(changed) == pytest.approx(level(CLIP), abs=1e-3)


@pytest.mark.parametrize("t60", [0.3, 0.8])
@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_a_room_decays_by_60_db_in_its_t60_as_schroeder_measures_it(t60: float, rate: int) -> None:
    response = change.impulse_response(rate, t60)
    energy = np.cumsum(np.square(response[1:], dtype=np.float64)[::-1])[::-1]  # Schroeder (1965)
    decay = 10 * np.log10(energy / energy[0])
    start, end = np.flatnonzero(decay < -5)[0], np.flatnonzero(decay < -25)[0]
    assert 3 * (end - start) / rate == pytest.approx(t60, rel=0.1)  # T20, to 60 dB


@pytest.mark.parametrize("direct", [0.0, 6.0])
def test_the_direct_sound_is_that_much_stronger_than_the_rest(direct: float) -> None:
    response = np.square(change.impulse_response(RATE, 0.3, direct_db=direct), dtype=np.float64)
    assert 10 * np.log10(response[0] / response[1:].sum()) == pytest.approx(direct, abs=1e-3)
    assert response.sum() == pytest.approx(1, abs=1e-5)
    assert not response[1:40].any()


def test_a_room_is_the_convolution_with_its_response_at_the_level_of_the_clip() -> None:
    clip = CLIP[:3000]
    expected = np.convolve(clip, change.impulse_response(RATE, 0.3, seed=3))[:3000]
    changed = change.room(clip, RATE, 0.3, seed=3)
    assert level(changed) == pytest.approx(level(clip), abs=1e-3)
    assert changed / changed[0] == pytest.approx(expected / expected[0], rel=1e-2, abs=1e-2)
    assert not np.allclose(changed, change.room(clip, RATE, 0.3, seed=4))


def test_g711_is_that_of_libsndfile_to_the_bit() -> None:
    every = np.arange(-32768, 32768).astype(np.int16)
    file = io.BytesIO()
    soundfile.write(file, every, 8000, format="WAV", subtype="ULAW")
    file.seek(0)
    expected, _ = soundfile.read(file, dtype="float32")
    coded = change.g711((every / 32768).astype(np.float32))
    assert np.array_equal(coded, expected)
    assert np.array_equal(change.g711(coded), coded)
    assert np.abs(change.g711(np.array([3.0, -3.0], np.float32))) == pytest.approx(max(expected))


def test_g711_quantises_evenly_in_the_companding_formula() -> None:
    every = np.linspace(0.01, 0.98, 50_000, dtype=np.float32)
    error = _compressed(change.g711(every)) - _compressed(every)
    assert np.abs(error).max() < 1.6 / 256  # half a step of 2 / 256, and what the segments bend


def _compressed(samples: Samples) -> Samples:
    return np.asarray(np.log1p(255 * samples) / np.log(256))


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 48_000])
def test_the_telephone_keeps_what_is_below_4_khz_alone(rate: int) -> None:
    kept = change.mu_law(sine(1000, rate), rate)
    assert level(settled(kept - sine(1000, rate))) < level(sine(1000)) - 30
    if rate > 12_000:
        assert np.abs(settled(change.mu_law(sine(5000, rate), rate))).max() < 1e-3


@pytest.mark.parametrize("name", ["opus", "mp3", "mu-law"])
@pytest.mark.parametrize("rate", [8_000, 12_000, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_coded_sound_stays_where_it_was_in_time(name: str, rate: int) -> None:
    clip = change.low_pass(CLIP, rate, 2000, 4)
    changed = CHANGES[name](clip, rate)
    size = 4 * len(clip)
    product = np.fft.rfft(changed, size) * np.conj(np.fft.rfft(clip, size))
    lag = int(np.fft.irfft(product, size).argmax())
    assert min(lag, size - lag) <= rate / 4000
    assert level(changed) == pytest.approx(level(clip), abs=3)
    assert not np.allclose(changed, clip, atol=1e-3)


@pytest.mark.parametrize("kbit", [32.0, 64.0])
def test_mp3_at_either_rate_begins_where_the_sound_begins(kbit: float) -> None:
    clip = change.low_pass(CLIP, RATE, 2000, 4)
    changed = change.mp3(clip, RATE, kbit)
    assert np.corrcoef(changed, clip)[0, 1] > 0.9


@pytest.mark.parametrize("function", [change.opus, change.mp3])
def test_fewer_bits_are_further_from_the_clip(
    function: Callable[[Samples, int, float], Samples],
) -> None:
    clip = change.low_pass(CLIP, RATE, 2000, 4)
    few, many = (level(function(clip, RATE, kbit) - clip) for kbit in (16.0, 64.0))
    assert few > many + 3
    with pytest.raises(AudioError, match=r"at 500 kbit/s; at 16000 Hz it takes"):
        function(clip, RATE, 500.0)
