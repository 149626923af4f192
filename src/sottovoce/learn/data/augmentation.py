"""Random changes to training examples: of waveforms, then of features.

Everything draws from a generator that is handed in, works on a batch, and is used by the training
step alone: validation, testing and export call the network without passing here.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from sottovoce.audio.mel_scale import hz_to_mel
from sottovoce.learn.data.clip_store import ClipStore
from sottovoce.learn.data.degradation import mp3, mp3_bounds, opus
from sottovoce.learn.recipe.specs import AugmentSpec

AUGMENTATION_VERSION = 1
"""To be raised whenever a waveform is changed otherwise for the same options and generator: cached
features of changed copies are then not used again."""

FEATURE_KEYS = frozenset(
    {
        *("speed", "formant", "time_mask", "time_mask_max"),
        *("frequency_mask", "frequency_mask_max"),
    }
)
"""Options of `AugmentSpec` that change features in the training step, and never a waveform."""

PHASE_FRAME = 0.045
"""s; about the length of a frame of the phase vocoder."""

MU = 255
"""Of the companding law of telephones in North America and Japan (ITU-T G.711)."""

KNOTS = 5
"""Points of the equaliser's curve, spaced evenly in mel."""


def uniform(
    low: float, high: float, size: tuple[int, ...], generator: torch.Generator
) -> torch.Tensor:
    """Draw float32 numbers between `low` and `high`."""
    return low + (high - low) * torch.rand(size, generator=generator)


def augment(
    waveform: torch.Tensor,
    lengths: torch.Tensor,
    sample_rate: int,
    spec: AugmentSpec,
    noise: ClipStore | None,
    generator: torch.Generator,
) -> torch.Tensor:
    """Change a batch of waveforms as a recipe says.

    In this order: pitch, noise, equaliser, telephone, coding, gain.

    waveform: (batch, samples) of which the first `lengths` are meant -> a new (batch, samples).
    """
    if spec.pitch:
        waveform = move_pitch(waveform, sample_rate, spec, generator)
    if noise is not None and spec.noise:
        waveform = add_noise(waveform, lengths, noise, spec, generator)
    if spec.equaliser:
        waveform = equalise(waveform, sample_rate, spec.equaliser, generator)
    if spec.telephone:
        chosen = torch.rand(len(waveform), 1, generator=generator) < spec.telephone
        changed = over_telephone(waveform, sample_rate, generator)
        waveform = torch.where(chosen.to(waveform.device), changed, waveform)
    if spec.coding:
        waveform = code(waveform, sample_rate, spec, generator)
    if spec.gain:
        waveform = random_gain(waveform, spec.gain, generator)
    return waveform


def cut(
    waveform: torch.Tensor, samples: int, anywhere: float, generator: torch.Generator
) -> torch.Tensor:
    """Cut each example, from anywhere with a probability, else the middle; shorter ones stay.

    waveform: (batch, any) -> (batch, at most `samples`).
    """
    spare = waveform.shape[1] - samples
    if spare <= 0:
        return waveform
    starts = torch.randint(spare + 1, (len(waveform),), generator=generator)
    chosen = torch.rand(len(waveform), generator=generator) < anywhere
    starts = torch.where(chosen, starts, spare // 2)
    return torch.stack(
        [row[start : start + samples] for row, start in zip(waveform, starts, strict=True)]
    )


def add_noise(
    waveform: torch.Tensor,
    lengths: torch.Tensor,
    noise: ClipStore,
    spec: AugmentSpec,
    generator: torch.Generator,
) -> torch.Tensor:
    """Mix a stretch of some noise into some of the examples, at a random ratio in dB.

    Args:
        waveform: (batch, samples); only the first `lengths` samples of an example are meant.
        lengths: (batch,) samples, 1 or more.
        noise: recordings to cut from; those shorter than an example are repeated.
        spec: `noise` is the probability, `noise_snr` the range of ratios.
        generator: of the random draws.

    Returns:
        A new (batch, samples).
    """
    batch, samples = waveform.shape
    chosen = torch.rand(batch, generator=generator) < spec.noise
    ratio = 10 ** (uniform(*spec.noise_snr, (batch,), generator) / 10)
    result = waveform.clone()
    for row in torch.nonzero(chosen)[:, 0].tolist():
        source = noise[int(torch.randint(len(noise), (), generator=generator))]
        start = int(torch.randint(max(1, len(source) - samples + 1), (), generator=generator))
        stretch = torch.from_numpy(np.resize(source[start : start + samples], samples))
        power = waveform[row].square().sum() / lengths[row]
        noise_power = stretch.square().mean().clamp_min(1e-12)
        result[row] += stretch * (power / noise_power / ratio[row]).sqrt()
    return result


def equalise(
    waveform: torch.Tensor, sample_rate: int, decibels: float, generator: torch.Generator
) -> torch.Tensor:
    """Filter each example by a smooth random curve of up to +- `decibels`, linear over mel.

    waveform: (batch, samples) -> (batch, samples).
    """
    batch, samples = waveform.shape
    size = _smooth_size(samples)
    knots = uniform(-decibels, decibels, (batch, 1, KNOTS), generator)
    grid = F.interpolate(knots, size=257, mode="linear", align_corners=True)[:, 0]
    mel = hz_to_mel(np.linspace(0, sample_rate / 2, size // 2 + 1))
    position = torch.from_numpy(mel / mel[-1] * 256).float().to(waveform.device)
    gain = torch.pow(10, interpolate(grid.to(waveform.device), position.expand(batch, -1)) / 20)
    filtered: torch.Tensor = torch.fft.irfft(torch.fft.rfft(waveform, n=size) * gain, n=size)
    return filtered[:, :samples]


def over_telephone(
    waveform: torch.Tensor, sample_rate: int, generator: torch.Generator
) -> torch.Tensor:
    """Send examples over telephones: a band from 50 to 350 up to 3200 to 3800 Hz, and mu-law.

    waveform: (batch, samples) -> (batch, samples).
    """
    batch = len(waveform)
    low = uniform(50, 350, (batch, 1), generator).to(waveform.device)
    high = uniform(3200, 3800, (batch, 1), generator).to(waveform.device)
    return mu_law(band(waveform, low, high, sample_rate))


def band(
    waveform: torch.Tensor, low: torch.Tensor, high: torch.Tensor, sample_rate: int
) -> torch.Tensor:
    """Keep a band, `low` to `high` Hz, (batch, 1) each: 60 dB are gained within 200 Hz."""
    samples = waveform.shape[1]
    spectrum = torch.fft.rfft(waveform)
    hertz = torch.linspace(0, sample_rate / 2, spectrum.shape[1], device=waveform.device)
    slope = torch.minimum((hertz - low) / 200 + 0.5, (high - hertz) / 200 + 0.5).clamp(0, 1)
    slope = torch.where((low <= 0) & (hertz < high - 100), torch.ones_like(slope), slope)
    filtered: torch.Tensor = torch.fft.irfft(spectrum * (1e-3 + slope) / 1.001, n=samples)
    return filtered


def mu_law(waveform: torch.Tensor) -> torch.Tensor:
    """Compand to 8 bits and back (ITU-T G.711), after bringing the loudest sample to a half."""
    peak = waveform.abs().amax(dim=1, keepdim=True).clamp_min(1e-9) * 2
    scale = torch.log1p(torch.tensor(float(MU)))
    value = waveform / peak
    coded = value.sign() * torch.log1p(MU * value.abs()) / scale.to(value.device)
    coded = (coded * 127).round() / 127
    opened: torch.Tensor = torch.expm1(coded.abs() * scale.to(value.device)) / MU
    return coded.sign() * opened * peak


def code(
    waveform: torch.Tensor, sample_rate: int, spec: AugmentSpec, generator: torch.Generator
) -> torch.Tensor:
    """Code some examples at a low rate and decode them: (batch, samples) -> the same, changed.

    Each with Opus or MP3 (half each), at `spec.coding_kbit` kbit/s, even on a logarithmic scale;
    MP3 at what it takes at this sample rate.
    """
    coded = waveform.clone()
    batch = len(waveform)
    chosen = torch.rand(batch, generator=generator) < spec.coding
    low, high = (math.log(kbit) for kbit in spec.coding_kbit)
    kbits = torch.exp(uniform(low, high, (batch,), generator))
    as_mp3 = torch.rand(batch, generator=generator) < 0.5
    for row in torch.nonzero(chosen)[:, 0].tolist():
        sound, kbit = waveform[row].cpu().numpy(), float(kbits[row])
        if as_mp3[row]:
            least, most = mp3_bounds(sample_rate)
            changed = mp3(sound, sample_rate, min(max(kbit, least), most))
        else:
            changed = opus(sound, sample_rate, kbit)
        coded[row] = torch.from_numpy(changed).to(coded)
    return coded


def random_gain(
    waveform: torch.Tensor, decibels: float, generator: torch.Generator
) -> torch.Tensor:
    """Change the level of each example by up to +- `decibels`: (batch, samples) -> the same."""
    level = uniform(-decibels, decibels, (len(waveform), 1), generator)
    return waveform * torch.pow(10, level / 20).to(waveform.device)


def warp_time(features: torch.Tensor, lengths: torch.Tensor, frames: int) -> torch.Tensor:
    """Stretch the first `lengths` frames of each example to `frames` frames, by interpolation.

    features: (batch, features, time), lengths: (batch,) float, up to time
    -> (batch, features, frames).
    """
    steps = torch.linspace(0, 1, frames, device=features.device)
    position = steps * (lengths.to(features.device)[:, None] - 1)
    return interpolate(features, position[:, None].expand(-1, features.shape[1], -1))


def warp_frequency(
    features: torch.Tensor, centres: torch.Tensor, factors: torch.Tensor
) -> torch.Tensor:
    """Scale the frequencies of each example: a factor of 1.1 moves formants down by a tenth.

    Band b then holds what was at `factors * centres[b]`, interpolated; beyond the lowest and
    highest band, what these hold.

    features: (batch, bands, time), centres: (bands,) Hz, factors: (batch,) -> as features.
    """
    bands = features.shape[1]
    wanted = (factors.to(centres)[:, None] * centres).contiguous()
    above = torch.searchsorted(centres, wanted).clamp(1, bands - 1)
    low, high = centres[above - 1], centres[above]
    position = (above - 1) + ((wanted - low) / (high - low)).clamp(0, 1)
    positions = position[:, None].expand(-1, features.shape[2], -1)
    return interpolate(features.transpose(1, 2), positions).transpose(1, 2)


def interpolate(values: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
    """Read between the entries of the last axis: values (..., n) at position (..., m) -> (..., m).

    Positions count from 0 to n - 1; beyond, the end's value holds.
    """
    last = values.shape[-1] - 1
    position = position.clamp(0, last)
    below = position.floor().clamp_max(max(0, last - 1)).long()
    first = torch.gather(values, -1, below)
    second = torch.gather(values, -1, (below + 1).clamp_max(last))
    return torch.lerp(first, second, position - below)


def mask(
    features: torch.Tensor, widest: int, generator: torch.Generator, *, dim: int
) -> torch.Tensor:
    """Blank a span of each example with zeros (SpecAugment, Park et al. 2019).

    features: (batch, features, time); dim: 1 blanks bands, 2 blanks frames; its width is uniform
    from 0 to below `widest`, which is at most the half of what there is.
    """
    batch, size = features.shape[0], features.shape[dim]
    widest = min(widest, size // 2)
    width = (torch.rand(batch, 1, generator=generator) * widest).long()
    start = (torch.rand(batch, 1, generator=generator) * (size - widest)).long()
    index = torch.arange(size)
    blank = ((index >= start) & (index < start + width)).to(features.device)
    return features.masked_fill(blank[:, :, None] if dim == 1 else blank[:, None, :], 0.0)


def mix(
    features: torch.Tensor, targets: torch.Tensor, beta: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Blend each example with another of the batch, and its target likewise (Zhang et al. 2018).

    features: (batch, ...), targets: (batch, classes); the weight is drawn from Beta(beta, beta).
    """
    seed = int(torch.randint(2**31, (), generator=generator))
    weight = float(np.random.default_rng(seed).beta(beta, beta))
    other = torch.randperm(len(features), generator=generator).to(features.device)
    mixed = torch.lerp(features[other], features, weight)
    return mixed, torch.lerp(targets[other], targets, weight)


def _smooth_size(samples: int) -> int:
    """The next even length that a fast Fourier transform is fast at: 2^a times 1, 3, 5, 9 or 15."""
    return min(odd << max(1, math.ceil(math.log2(samples / odd))) for odd in (1, 3, 5, 9, 15))


def move_pitch(
    waveform: torch.Tensor, sample_rate: int, spec: AugmentSpec, generator: torch.Generator
) -> torch.Tensor:
    """Move the pitch of some examples by up to +- `spec.pitch` semitones: (batch, samples)."""
    moved = waveform.clone()
    steps = uniform(-spec.pitch, spec.pitch, (len(waveform),), generator)
    chosen = torch.rand(len(waveform), generator=generator) < spec.pitch_probability
    for row in torch.nonzero(chosen)[:, 0].tolist():
        moved[row] = shift_pitch(waveform[row], sample_rate, float(steps[row]))
    return moved


def shift_pitch(waveform: torch.Tensor, sample_rate: int, semitones: float) -> torch.Tensor:
    """Move the pitch and keep the tempo: (samples,) -> (samples,).

    A phase vocoder (Flanagan and Golden 1966) stretches the sound; read faster or slower, it has
    its own length again.
    """
    factor = 2 ** (semitones / 12)
    size = 2 ** round(math.log2(PHASE_FRAME * sample_rate))
    hop = size // 4
    window = torch.hann_window(size)
    spectrum = torch.stft(waveform, size, hop, window=window, return_complex=True)
    last = spectrum.shape[1] - 1
    position = torch.arange(0, last, 1 / factor)
    below = position.floor().long().clamp_max(max(0, last - 1))
    before, after = spectrum[:, below], spectrum[:, below + 1]
    magnitude = torch.lerp(before.abs(), after.abs(), (position - below)[None])
    expected = 2 * math.pi * hop * torch.arange(size // 2 + 1)[:, None] / size
    turn = torch.angle(after) - torch.angle(before) - expected
    advance = expected + turn - 2 * math.pi * torch.round(turn / (2 * math.pi))
    phase = torch.cumsum(torch.cat([torch.angle(spectrum[:, :1]), advance[:, :-1]], dim=1), dim=1)
    stretched = torch.istft(torch.polar(magnitude, phase), size, hop, window=window)
    return interpolate(stretched, torch.arange(len(waveform)) * factor)
