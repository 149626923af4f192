"""Random changes to speech, on any device: rooms, noise, channels, telephones, tempo, voices."""

from dataclasses import dataclass

import torch

from sottovoce.learn.data.augmentation import (
    band,
    equalise,
    interpolate,
    mask,
    over_telephone,
    uniform,
    warp_frequency,
)
from sottovoce.options import StrictModel


class ChangesSpec(StrictModel):
    """How far cuts are changed. Probabilities are per clip."""

    room: float = 0.3
    """Probability of a room."""
    room_decay: tuple[float, float] = (0.1, 0.6)
    """s in which its echo falls by 60 dB."""
    noise: float = 0.6
    """Probability of noise."""
    noise_snr: tuple[float, float] = (0.0, 30.0)
    """dB."""
    equaliser: float = 8.0
    """dB, of a smooth random curve over frequency."""
    low_pass: float = 0.3
    """Probability that high frequencies are taken away."""
    telephone: float = 0.2
    """Probability of a telephone: 300 to 3400 Hz, mu-law."""
    speed: float = 0.15
    """Largest relative change of tempo."""
    formant: float = 0.12
    """Largest relative change of the frequency scale."""
    time_mask: int = 10
    """Frames of the longest blanked span."""
    frequency_mask: int = 12
    """Bands of the widest blanked span."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes waveforms, then features, at random.

    Attributes:
        spec: how far.
        noise: (recordings, samples) stretches of noise on the device; None for none.
        sample_rate: Hz.
    """

    spec: ChangesSpec
    noise: torch.Tensor | None
    sample_rate: int

    def of_waveforms(self, waveform: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """(batch, samples) -> a new (batch, samples)."""
        spec, rate, batch = self.spec, self.sample_rate, len(waveform)

        def some(probability: float) -> torch.Tensor:
            chosen = torch.rand(batch, 1, generator=generator) < probability
            return chosen.to(waveform.device)

        if spec.room:
            decay = uniform(*spec.room_decay, (batch, 1), generator).to(waveform.device)
            changed = in_room(waveform, decay, rate, generator)
            waveform = torch.where(some(spec.room), changed, waveform)
        if spec.noise and self.noise is not None:
            snr = uniform(*spec.noise_snr, (batch, 1), generator).to(waveform.device)
            changed = waveform + noise_for(waveform, self.noise, snr, generator)
            waveform = torch.where(some(spec.noise), changed, waveform)
        waveform = equalise(waveform, rate, spec.equaliser, generator)
        if spec.low_pass:
            edge = uniform(2800, rate / 2, (batch, 1), generator).to(waveform.device)
            changed = band(waveform, torch.zeros_like(edge), edge, rate)
            waveform = torch.where(some(spec.low_pass), changed, waveform)
        if spec.telephone:
            changed = over_telephone(waveform, rate, generator)
            waveform = torch.where(some(spec.telephone), changed, waveform)
        return waveform

    def of_features(
        self, features: torch.Tensor, centres: torch.Tensor, frames: int, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Change tempo and frequency scale, and blank a span of each.

        Args:
            features: (batch, bands, time), of which a part is heard faster or slower.
            centres: (bands,) Hz of the bands.
            frames: what comes out, at most time / (1 + speed).
            generator: of the random draws.

        Returns:
            (batch, bands, frames), and where each of them was in time: (batch, frames).
        """
        spec, batch = self.spec, len(features)
        speed = uniform(1 - spec.speed, 1 + spec.speed, (batch, 1), generator)
        spare = (features.shape[2] - 1 - (frames - 1) * speed).clamp_min(0)
        start = spare * torch.rand(batch, 1, generator=generator)
        position = (start + speed * torch.arange(frames)).to(features.device)
        changed = interpolate(features, position[:, None].expand(-1, features.shape[1], -1))
        if spec.formant:
            factor = uniform(1 - spec.formant, 1 + spec.formant, (batch,), generator)
            changed = warp_frequency(changed, centres, factor.to(features.device))
        changed = mask(changed, spec.time_mask, generator, dim=2)
        return mask(changed, spec.frequency_mask, generator, dim=1), position


def noise_for(
    waveform: torch.Tensor, noise: torch.Tensor, snr: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """A stretch of some noise for each cut, at its ratio: (batch, samples).

    Args:
        waveform: (batch, samples).
        noise: (recordings, more samples).
        snr: (batch, 1) dB.
        generator: of the random draws.
    """
    batch, samples = waveform.shape
    which = torch.randint(len(noise), (batch,), generator=generator).to(waveform.device)
    spare = noise.shape[1] - samples
    start = (torch.rand(batch, generator=generator) * spare).long().to(waveform.device)
    place = start[:, None] + torch.arange(samples, device=waveform.device)
    stretch = noise[which[:, None], place]
    power = waveform.square().mean(dim=1, keepdim=True)
    level = stretch.square().mean(dim=1, keepdim=True).clamp_min(1e-12)
    scaled: torch.Tensor = stretch * (power / level / 10 ** (snr / 10)).sqrt()
    return scaled


def in_room(
    waveform: torch.Tensor, decay: torch.Tensor, sample_rate: int, generator: torch.Generator
) -> torch.Tensor:
    """Add the echo of a room: noise that dies away exponentially after the direct sound.

    Args:
        waveform: (batch, samples).
        decay: (batch, 1) s in which the echo falls by 60 dB.
        sample_rate: Hz.
        generator: draws the seeds; how strong the echo is, -20 to 0 dB of the direct sound.

    Returns:
        A new (batch, samples), as loud as it was.
    """
    batch, samples = waveform.shape
    length = min(samples, round(0.5 * sample_rate))
    time = torch.arange(length, device=waveform.device) / sample_rate
    seed = int(torch.randint(2**31, (), generator=generator))
    own = torch.Generator(waveform.device).manual_seed(seed)
    echo = torch.randn(batch, length, generator=own, device=waveform.device)
    echo = echo * torch.exp(-6.908 * time / decay) * (time > 0.002)
    strength = 10 ** (uniform(-20, 0, (batch, 1), generator).to(waveform.device) / 20)
    echo = echo / echo.square().sum(dim=1, keepdim=True).sqrt().clamp_min(1e-9) * strength
    size = 1 << (samples + length - 1).bit_length()
    heard = torch.fft.irfft(torch.fft.rfft(waveform, n=size) * torch.fft.rfft(echo, n=size), n=size)
    mixed: torch.Tensor = waveform + heard[:, :samples]
    level = waveform.square().mean(dim=1, keepdim=True) / mixed.square().mean(
        dim=1, keepdim=True
    ).clamp_min(1e-12)
    louder: torch.Tensor = mixed * level.sqrt()
    return louder


def at_speed(waveform: torch.Tensor, speed: float) -> torch.Tensor:
    """Play faster or slower, the pitch with it: (batch, samples) -> (batch, samples / speed).

    It is resampled by cutting or padding its spectrum.
    """
    samples = waveform.shape[1]
    wanted = max(2, 2 * round(samples / speed / 2))
    spectrum = torch.fft.rfft(waveform)
    bins = wanted // 2 + 1
    spectrum = torch.nn.functional.pad(spectrum, (0, bins - spectrum.shape[1]))
    changed: torch.Tensor = torch.fft.irfft(spectrum, n=wanted) * (wanted / samples)
    return changed
