"""Changes of sound as recordings meet them: noise, telephone, codecs, rooms, microphones, levels.

Plain functions of one clip, `samples` (n,) float32 at `rate` Hz, nominally -1..1, n at least 1, to
a new array (n,) float32, or of another length only where the function says so. Nothing is random
but what is drawn from the generator that is handed in, so the same arguments give the same sound.
Unlike `augmentation`, which draws small changes for training, these change a clip by exactly as
much as they are told.
"""

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, sosfilt

from sottovoce.audio import Samples
from sottovoce.errors import AudioError

TELEPHONE_RATE = 8_000
"""Hz; the rate of G.711."""

CODEC_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
"""Hz; what Opus takes, and MP3 too; other rates go through 48 kHz."""

OPUS_KBIT = (6.0, 256.0)
"""kbit/s of one channel, from and to: libsndfile's compression levels 1 and 0 lie there."""

MP3_KBIT = {8_000: (8.0, 64.0), 12_000: (8.0, 64.0), 48_000: (32.0, 320.0)}
"""The same of MP3, by rate: MPEG 2.5 and MPEG 1; between them is MPEG 2, `MP3_MPEG2_KBIT`."""

MP3_MPEG2_KBIT = (8.0, 160.0)

MP3_DELAY = 1105
"""Samples that an MP3 encoder (576) and decoder (529) put before the sound."""


def gain(samples: Samples, db: float) -> Samples:
    """Change the level by so many dB."""
    return _float32(samples * 10 ** (db / 20))


def clip(samples: Samples, fraction: float) -> Samples:
    """Flatten the loudest samples at the level that a `fraction` (0 to 1) of them exceeds."""
    level = np.quantile(np.abs(samples), 1 - fraction, method="lower")
    return _float32(np.clip(samples, -level, level))


def crop(samples: Samples, start: int = 0, end: int = 0) -> Samples:
    """Leave out so many samples at the start and at the end: (n - start - end,), or none."""
    return samples[start : max(start, len(samples) - end)].copy()


def pad(samples: Samples, start: int = 0, end: int = 0) -> Samples:
    """Put so many zeros before and after: (start + n + end,)."""
    return np.pad(samples, (start, end))


def add_noise_at(
    samples: Samples, noise: Samples, snr_db: float, rng: np.random.Generator
) -> Samples:
    """Mix in a stretch of noise at a signal-to-noise ratio in dB, of mean powers of the whole clip.

    Args:
        samples: (n,).
        noise: (m,) at the same rate; repeated where m < n, otherwise a stretch is drawn.
        snr_db: the ratio, reached exactly; where clip or stretch is silent, nothing is added.
        rng: draws the stretch.
    """
    start = int(rng.integers(max(1, len(noise) - len(samples) + 1)))
    stretch = np.resize(noise[start : start + len(samples)], len(samples)).astype(np.float64)
    power, noise_power = _power(samples), _power(stretch)
    if not power or not noise_power:
        return samples.copy()
    return _float32(samples + stretch * np.sqrt(power / noise_power / 10 ** (snr_db / 10)))


def white_noise(samples: Samples, snr_db: float, rng: np.random.Generator) -> Samples:
    """Add Gaussian noise, equally strong at all frequencies, at a signal-to-noise ratio in dB."""
    return add_noise_at(samples, _float32(rng.normal(size=len(samples))), snr_db, rng)


def tone(samples: Samples, rate: int, frequency: float, snr_db: float) -> Samples:
    """Add a sine of `frequency` Hz whose peak is `snr_db` below the peak of the clip.

    Raises:
        AudioError: the rate is too low for the frequency.
    """
    _check_below_half(frequency, rate, "a tone")
    peak = np.abs(samples).max(initial=0.0) / 10 ** (snr_db / 20)
    return _float32(samples + peak * np.sin(2 * np.pi * frequency / rate * np.arange(len(samples))))


def low_pass(samples: Samples, rate: int, cutoff: float, order: int = 1) -> Samples:
    """Filter by a causal Butterworth low pass, -3 dB at `cutoff` Hz, 6 dB an octave each order.

    Raises:
        AudioError: the rate is too low for the cutoff.
    """
    return _butterworth(samples, rate, cutoff, order, "lowpass")


def high_pass(samples: Samples, rate: int, cutoff: float, order: int = 1) -> Samples:
    """Filter by a causal Butterworth high pass, -3 dB at `cutoff` Hz, 6 dB an octave each order.

    Raises:
        AudioError: the rate is too low for the cutoff.
    """
    return _butterworth(samples, rate, cutoff, order, "highpass")


def equaliser(samples: Samples, rate: int, curve: Sequence[tuple[float, float]]) -> Samples:
    """Filter without delay by a curve of gains, and keep the RMS.

    Args:
        samples: (n,).
        rate: Hz.
        curve: points (Hz, dB) in order of frequency; between them the dB are linear in Hz, and
            beyond the first and last as there.
    """
    size = 2 * len(samples)  # room for the filter, which would otherwise wrap round
    hertz, decibels = np.transpose(np.asarray(curve, dtype=np.float64))
    gains = 10 ** (np.interp(np.fft.rfftfreq(size, 1 / rate), hertz, decibels) / 20)
    changed = np.fft.irfft(np.fft.rfft(samples, size) * gains, size)[: len(samples)]
    return _at_level_of(samples, changed)


def tilt(samples: Samples, rate: int, db: float) -> Samples:
    """Tilt the spectrum: gains linear in Hz, 0 dB at 0 Hz and `db` at half the rate; keeps RMS."""
    return equaliser(samples, rate, ((0.0, 0.0), (rate / 2, db)))


def impulse_response(rate: int, t60: float, seed: int = 0, direct_db: float = 0.0) -> Samples:
    """A synthetic room: the direct sound, then noise that decays by 60 dB in `t60` seconds.

    The simplest model of late reverberation (Polack 1988): white Gaussian noise under an
    exponential, here from 2.5 ms after the direct sound on, until it has decayed by 60 dB.

    Args:
        rate: Hz.
        t60: s; a small furnished room has 0.3 or so.
        seed: another seed, another room.
        direct_db: energy of the direct sound over that of all the rest, dB; 0 at the distance from
            the speaker where both are equally strong.

    Returns:
        (samples,) float32, of energy 1; the direct sound is sample 0.
    """
    time = np.arange(max(2, round(t60 * rate))) / rate
    rest = np.random.default_rng(seed).normal(size=len(time)) * 10 ** (-3 * time / t60)
    rest[: max(1, round(0.0025 * rate))] = 0
    rest *= np.sqrt(10 ** (-direct_db / 10) / np.square(rest).sum())
    rest[0] = 1
    return _float32(rest / np.sqrt(np.square(rest).sum()))


def room(
    samples: Samples, rate: int, t60: float = 0.3, seed: int = 0, direct_db: float = 0.0
) -> Samples:
    """Put the clip into a synthetic room, see `impulse_response`; keeps length and RMS."""
    response = impulse_response(rate, t60, seed, direct_db)
    return _at_level_of(samples, fftconvolve(samples, response)[: len(samples)])


def g711(samples: Samples) -> Samples:
    """Code by the mu-law of ITU-T G.711, 8 bits a sample, and decode again: (n,) -> (n,).

    The magnitude in 14 bits, raised by 33 (132 in 16 bits), is written as a segment (its power of
    two) and four bits after the leading one: the piecewise linear form of
    ln(1 + 255 |x|) / ln(256), as every telephone exchange computes it. Beyond -1..1 it clips.
    """
    linear = np.clip(np.rint(samples.astype(np.float64) * 32768), -32635, 32635).astype(np.int64)
    magnitude = np.abs(linear) + 132
    segment = np.floor(np.log2(magnitude)).astype(np.int64) - 7
    steps = (magnitude >> (segment + 3)) & 15
    decoded = (((steps << 3) + 132) << segment) - 132
    return _float32(np.where(linear < 0, -decoded, decoded) / 32768)


def mu_law(samples: Samples, rate: int) -> Samples:
    """Send the clip through a telephone line: 8 kHz, G.711 mu-law, and back to its rate.

    What is above 4 kHz is lost; the 300 Hz at which old lines begin are kept.
    """
    line = g711(_resampled(samples, rate, TELEPHONE_RATE))
    return _fitted(_resampled(line, TELEPHONE_RATE, rate), len(samples))


def opus(samples: Samples, rate: int, kbit: float = 16.0) -> Samples:
    """Code as Opus at about so many kbit/s (6 to 256; the rate varies), and decode again.

    Raises:
        AudioError: `kbit` is out of its range, or this libsndfile writes no Opus.
    """
    return _coded(samples, rate, kbit, lambda codec_rate: OPUS_KBIT, format="OGG", subtype="OPUS")


def mp3(samples: Samples, rate: int, kbit: float = 32.0) -> Samples:
    """Code as MP3 at a constant rate of so many kbit/s (32 to 64 at any `rate`), and decode again.

    Raises:
        AudioError: `kbit` is out of its range, or this libsndfile writes no MP3.
    """
    return _coded(
        samples,
        rate,
        kbit,
        mp3_bounds,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
    )


def mp3_bounds(rate: int) -> tuple[float, float]:
    """The least and the most kbit/s that MP3 takes for a clip at `rate` Hz."""
    codec_rate = rate if rate in CODEC_RATES else CODEC_RATES[-1]
    return MP3_KBIT.get(codec_rate, MP3_MPEG2_KBIT)


def _coded(
    samples: Samples,
    rate: int,
    kbit: float,
    bounds: Callable[[int], tuple[float, float]],
    **coding: str,
) -> Samples:
    """Write with libsndfile and read again; `bounds` gives the least and most kbit/s at a rate."""
    codec_rate = rate if rate in CODEC_RATES else CODEC_RATES[-1]
    low, high = bounds(codec_rate)
    if not low <= kbit <= high:
        raise AudioError(
            f"{coding['format']} at {kbit:g} kbit/s; at {codec_rate} Hz it takes {low:g} to "
            f"{high:g}"
        )
    given = _resampled(samples, rate, codec_rate)
    level = min((high - kbit) / (high - low), 0.9999)  # libsndfile refuses MP3 at 1
    file = io.BytesIO()
    try:
        soundfile.write(file, given, codec_rate, compression_level=level, **coding)
        file.seek(0)
        decoded, _ = soundfile.read(file, dtype="float32")
    except (soundfile.LibsndfileError, ValueError) as error:
        raise AudioError(f"{coding['format']} cannot be written here: {error}") from None
    if len(decoded) > len(given):  # MP3 without a tag that says where the sound begins
        decoded = decoded[MP3_DELAY:]
    return _fitted(_resampled(decoded, codec_rate, rate), len(samples))


def _butterworth(samples: Samples, rate: int, cutoff: float, order: int, kind: str) -> Samples:
    _check_below_half(cutoff, rate, f"a {kind} filter")
    return _float32(sosfilt(butter(order, cutoff, kind, fs=rate, output="sos"), samples))


def _check_below_half(frequency: float, rate: int, what: str) -> None:
    if not 0 < frequency < rate / 2:
        raise AudioError(f"{what} at {frequency:g} Hz; at {rate} Hz expected below {rate / 2:g}")


def _resampled(samples: Samples, rate: int, target: int) -> Samples:
    return samples if rate == target else _float32(soxr.resample(samples, rate, target, "HQ"))


def _fitted(samples: Samples, length: int) -> Samples:
    """Cut to a length, or fill up with zeros."""
    return np.pad(samples[:length], (0, max(0, length - len(samples))))


def _at_level_of(samples: Samples, changed: NDArray[np.floating[Any]]) -> Samples:
    """Give `changed` the RMS of `samples`; silence stays as it is."""
    power = _power(changed)
    return _float32(changed * np.sqrt(_power(samples) / power) if power else changed)


def _power(samples: NDArray[np.floating[Any]]) -> float:
    return float(np.square(samples, dtype=np.float64).mean())


def _float32(samples: NDArray[np.floating[Any]]) -> Samples:
    return np.asarray(samples, dtype=np.float32)
