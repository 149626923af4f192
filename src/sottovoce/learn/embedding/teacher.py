"""What a pretrained encoder makes of clips: its pooled hidden states, and frames, as targets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from sottovoce.errors import SottovoceError
from sottovoce.learn.data.batches import generator_for
from sottovoce.learn.embedding.sound import Changes, at_speed
from sottovoce.learn.embedding.speech import Speech
from sottovoce.learn.frontends.pretrained import PretrainedFrontEnd
from sottovoce.models.card import WindowPolicy

JOINED = 4
"""Frames of the encoder that are averaged to one: 12.5 a second are left of 50."""

FRAME_RATE = 12.5
"""Hz, of those."""

OVERSAMPLING = 64
"""Further components that a randomised decomposition finds, for the others to be exact."""


@dataclass(frozen=True, slots=True)
class Basis:
    """Principal components of standardised features.

    Attributes:
        mean, scale: (features,) of the features.
        components: (features, components), orthonormal.
        variances: (components,) along them, falling.
    """

    mean: torch.Tensor
    scale: torch.Tensor
    components: torch.Tensor
    variances: torch.Tensor

    @classmethod
    def fit(cls, features: torch.Tensor, count: int) -> "Basis":
        """The first components of features (clips, features), by a randomised decomposition.

        (Halko, Martinsson and Tropp 2011.)
        """
        mean, scale = features.mean(dim=0), features.std(dim=0) + 1e-6
        torch.manual_seed(0)
        wanted = min(count + OVERSAMPLING, *features.shape)
        _, values, vectors = torch.svd_lowrank((features - mean) / scale, q=wanted, niter=3)
        variances = values.square() / len(features)
        return cls(mean, scale, vectors[:, :count].contiguous(), variances[:count])

    def project(self, features: torch.Tensor, whitening: float = 0.0) -> torch.Tensor:
        """(clips, features) -> (clips, components), each divided by its deviation ** whitening."""
        found: torch.Tensor = (features - self.mean) / self.scale @ self.components
        return found / self.variances.pow(whitening / 2)


def changed_clips(
    waveform: torch.Tensor, changes: Changes, generator: torch.Generator
) -> torch.Tensor:
    """Changed copies of clips, all at one speed: (batch, samples) -> (batch, other samples)."""
    bound = changes.spec.speed
    speed = 1 + bound * (2 * float(torch.rand((), generator=generator)) - 1)
    return changes.of_waveforms(at_speed(waveform, speed), generator)


@dataclass(frozen=True, slots=True)
class Taught:
    """What the encoder gives of all clips of a `Speech`.

    Attributes:
        pooled: (clips, features) mean and standard deviation over time of the hidden states.
        frames: (frames, width) mean of the hidden states, `FRAME_RATE` a second, half precision.
        frame_starts: (clips,) where each clip's begin.
        frame_counts: (clips,) how many it has.
    """

    pooled: torch.Tensor
    frames: torch.Tensor
    frame_starts: torch.Tensor
    frame_counts: torch.Tensor


@torch.inference_mode()
def teach(
    frontend: PretrainedFrontEnd,
    speech: Speech,
    window: WindowPolicy,
    *,
    rows: Sequence[int] | None = None,
    batch: int = 16,
    changes: Changes | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Taught:
    """Run the encoder on all clips.

    Args:
        frontend: whose `raw` gives sequences (pooling "none").
        speech: the clips.
        window: how they are cut.
        rows: which clips; all if None. The others are zeros.
        batch: clips in a run.
        changes: what is done to the clips before; see `changed_clips`.
        seed: of the changes.
        progress: called with how many are done, and of how many.
    """
    chosen = list(range(len(speech.clips))) if rows is None else list(rows)
    pooled: torch.Tensor | None = None
    sequences: list[torch.Tensor | None] = [None] * len(speech.clips)
    done = 0
    for cuts in speech.whole(chosen, window, batch):
        waveform = cuts.waveform
        if changes is not None:
            generator = generator_for(seed, int(cuts.rows[0]))
            waveform = changed_clips(waveform, changes, generator)
        states = frontend.raw(waveform)
        layers = states.reshape(len(states), len(frontend.given), -1, states.shape[2])
        mean = layers.mean(dim=3)
        std = (layers - mean[..., None]).square().mean(dim=3).sqrt()
        values = torch.cat([mean, std], dim=2).flatten(1)
        if pooled is None:
            pooled = values.new_zeros(len(speech.clips), values.shape[1])
        pooled[cuts.rows] = values
        frames = layers.mean(dim=1).transpose(1, 2)
        count = max(1, frames.shape[1] // JOINED)
        joined = frames[:, : count * JOINED].reshape(len(frames), count, -1, frames.shape[2])
        for row, sequence in zip(cuts.rows.tolist(), joined.mean(dim=2).half(), strict=True):
            sequences[row] = sequence
        done += len(values)
        progress(done, len(chosen))
    if pooled is None:
        raise SottovoceError("no clip to run the encoder on")
    width = next(s for s in sequences if s is not None).shape[1]
    kept = [s if s is not None else pooled.new_zeros(1, width).half() for s in sequences]
    counts = torch.tensor([len(sequence) for sequence in kept], device=speech.device)
    return Taught(pooled, torch.cat(kept), counts.cumsum(0) - counts, counts)
