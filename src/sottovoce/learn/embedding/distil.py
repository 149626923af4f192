"""Trains students, side by side: small networks that learn a teacher's features."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from pydantic import Field
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from sottovoce.errors import SottovoceError
from sottovoce.learn.data.batches import generator_for
from sottovoce.learn.embedding.logistic import masked_log_softmax
from sottovoce.learn.embedding.sound import Changes
from sottovoce.learn.embedding.speech import SpeakerBatches, Speech
from sottovoce.learn.frontends.logmel import LogMel
from sottovoce.learn.networks.resnet1d import ResNet1d, ResNet1dOptions
from sottovoce.models.card import WindowPolicy
from sottovoce.options import StrictModel

EMBEDDED = 64
"""Whole clips in a run, at the end."""

KINDS = 3
"""Classifiers on the embedding: without a profile, with a normal voice, with a sample of moods."""

TRUST = 1.0
"""How many recordings' worth the centre, 0, counts for in a baseline taken from a batch."""


class DistilSpec(StrictModel):
    """How students are trained."""

    steps: int = Field(6000, ge=1)
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(0.05, ge=0)
    warmup: float = Field(0.1, ge=0, lt=1)
    speakers: int = Field(14, ge=1)
    clips: int = Field(16, ge=2)
    shares: dict[str, float]
    """Corpus -> how often a speaker drawn is of it, relative to the others."""
    seconds: tuple[float, float] = (1.5, 3.0)
    """Shortest and longest cut."""
    features: float = 1.0
    """Weight of the loss of the teacher's pooled features."""
    frames: float = 0.5
    """Of its frames."""
    labels: float = 0.5
    """Of the emotions, each of three classifiers."""
    smoothing: float = 0.1
    """Of the emotions' targets."""
    average: float = 0.998
    """Decay per step of the averaged weights."""
    clip_grad: float = 1.0


@dataclass(frozen=True, slots=True)
class Teaching:
    """What students are taught, on one device.

    Attributes:
        pooled: (bases, clips, components) the teacher's pooled features in each fold's basis.
        frames: (frames, frame components) of all clips, one after another.
        frame_starts: (clips,) where each clip's begin.
        frame_counts: (clips,) how many it has.
        frame_rate: of them, Hz.
    """

    pooled: torch.Tensor
    frames: torch.Tensor
    frame_starts: torch.Tensor
    frame_counts: torch.Tensor
    frame_rate: float

    def frames_at(self, rows: torch.Tensor, seconds: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The frame nearest to each moment, (batch, time) s, and whether it is inside its clip."""
        place = (seconds * self.frame_rate).round().long()
        counts = self.frame_counts[rows][:, None]
        inside = (place >= 0) & (place < counts)
        place = torch.minimum(place.clamp_min(0), counts - 1)
        return self.frames[self.frame_starts[rows][:, None] + place], inside


@dataclass(frozen=True, slots=True)
class Member:
    """One student of those that are trained side by side.

    Attributes:
        name: of its fold and seed.
        seed: of its first weights.
        basis: which of the bases of `Teaching.pooled` it is taught.
        learns: (clips,) bool: the clips that it may learn from.
    """

    name: str
    seed: int
    basis: int
    learns: torch.Tensor


class Student(nn.Module):
    """A network with what it needs while it is taught: features to targets of every kind."""

    def __init__(
        self, options: ResNet1dOptions, bands: int, classes: int, components: int, frames: int
    ) -> None:
        super().__init__()
        self.network = ResNet1d(options, bands, classes)
        self.pooled = nn.Linear(options.embedding, components)
        self.frames = nn.Linear(options.widths[-1], frames)
        self.heads = nn.Linear(options.embedding, KINDS * classes)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(batch, bands, time) -> embedding, pooled targets, frame targets."""
        heard = self.network.hear(features)
        batch, time, width = heard.frames.shape
        frames = self.frames(heard.frames.reshape(batch * time, width)).reshape(batch, time, -1)
        return heard.embedding, self.pooled(heard.embedding), frames


Log = Callable[[str], None]


@dataclass
class Trainer:
    """Trains members side by side on shared batches; each learns only from its own clips."""

    speech: Speech
    teaching: Teaching
    members: Sequence[Member]
    frontend: LogMel
    changes: Changes
    options: ResNet1dOptions
    spec: DistilSpec
    neutral: int
    """Index of the emotion that a normal voice has."""
    seed: int
    precision: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        self.device = self.speech.device
        self.classes = self.speech.allowed.shape[1]
        sizes = self.teaching.pooled.shape[2], self.teaching.frames.shape[1]
        made = []
        for member in self.members:
            torch.manual_seed(member.seed)
            made.append(
                Student(self.options, self.frontend.features, self.classes, *sizes).to(self.device)
            )
        self.base = made[0]
        self.weights: dict[str, torch.Tensor] = {
            name: values.detach().requires_grad_(True)
            for name, values in stack_module_state(made)[0].items()
        }
        self.averaged = {name: values.detach().clone() for name, values in self.weights.items()}
        self.learns = torch.stack([member.learns for member in self.members]).to(self.device)
        self.basis = torch.tensor([member.basis for member in self.members], device=self.device)
        decayed = [v for n, v in self.weights.items() if n.endswith("weight") and v.ndim == 3]
        rest = [v for n, v in self.weights.items() if not (n.endswith("weight") and v.ndim == 3)]
        groups: list[dict[str, Any]] = [
            {"params": decayed},
            {"params": rest, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(
            groups,
            lr=self.spec.learning_rate,
            weight_decay=self.spec.weight_decay,
            betas=(0.9, 0.98),
            fused=self.device.type == "cuda",
        )
        self.batches = SpeakerBatches(
            self.speech, self.spec.shares, self.spec.speakers, self.spec.clips
        )
        self.step = 0

    def run(self, log: Log, seconds: float | None = None) -> None:
        """Train all steps; with `seconds`, as many as fit, the schedule going by the clock."""
        started, shown = time.perf_counter(), 0.0
        self.base.train()
        while True:
            gone = time.perf_counter() - started
            done = gone / seconds if seconds else self.step / self.spec.steps
            if done >= 1:
                return
            for group in self.optimiser.param_groups:
                group["lr"] = self.spec.learning_rate * rate_at(done, self.spec.warmup)
            losses = self.train_step()
            if gone - shown > 10 or self.step in (1, 10):
                shown = gone
                figures = " ".join(f"{name} {float(loss):.3f}" for name, loss in losses.items())
                log(f"step {self.step}, {gone:.0f} s: {figures}")

    def train_step(self) -> Mapping[str, torch.Tensor]:
        """One step of all members; gives the mean loss of each part."""
        generator = generator_for(self.seed, self.step)
        spec, rate = self.spec, self.speech.sample_rate
        rows = self.batches.draw(generator).to(self.device)
        low, high = spec.seconds
        seconds = low + (high - low) * float(torch.rand((), generator=generator))
        with torch.no_grad():
            longer = seconds * (1 + self.changes.spec.speed)
            cuts = self.speech.cut(rows, longer, generator)
            waveform = self.changes.of_waveforms(cuts.waveform, generator)
            features = self.frontend.raw(waveform)
            frames = int(seconds * rate / self.frontend.options.hop)  # type: ignore[attr-defined]
            features, position = self.changes.of_features(
                features, self.frontend.centres, frames, generator
            )
        losses = self._losses(features, rows, cuts.starts, position)
        total = sum(losses.values())
        self.optimiser.zero_grad(set_to_none=True)
        total.sum().backward()  # type: ignore[union-attr]
        self._clip_gradients()
        self.optimiser.step()
        self.step += 1
        decay = min(spec.average, self.step / (self.step + 10))
        with torch.no_grad():
            averaged, current = list(self.averaged.values()), list(self.weights.values())
            torch._foreach_lerp_(averaged, current, 1 - decay)
        return {name: loss.detach().mean() for name, loss in losses.items()}

    def _losses(
        self,
        features: torch.Tensor,
        rows: torch.Tensor,
        starts: torch.Tensor,
        position: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """Each part of the loss, (members,)."""
        spec, members = self.spec, len(self.members)
        embedding, pooled, frames = self._hear(features, self.weights, randomness="different")
        learns = self.learns[:, rows].float()  # (members, batch)
        share = learns / learns.sum(dim=1, keepdim=True).clamp_min(1)
        targets = self.teaching.pooled[self.basis][:, rows].float()
        losses = {"features": ((pooled - targets).square().mean(dim=2) * share).sum(1)}
        hop = self.frontend.options.hop / self.speech.sample_rate  # type: ignore[attr-defined]
        step = position.shape[1] / frames.shape[2]
        middle = torch.arange(frames.shape[2], device=self.device) * step
        moments = starts[:, None] + position[:, middle.long()] * hop
        wanted, inside = self.teaching.frames_at(rows, moments)
        each = (frames - wanted[None].float()).square().mean(dim=3)
        losses["frames"] = ((each * inside).sum(2) / inside.sum(1).clamp_min(1) * share).sum(1)
        parts = self._class_losses(embedding, rows, learns)
        losses["labels"] = torch.stack(parts).mean(dim=0) if parts else torch.zeros(members)
        weights = {"features": spec.features, "frames": spec.frames, "labels": spec.labels}
        return {name: loss * weights[name] for name, loss in losses.items()}

    def _class_losses(
        self, embedding: torch.Tensor, rows: torch.Tensor, learns: torch.Tensor
    ) -> list[torch.Tensor]:
        """The loss of each of the three classifiers, (members,)."""
        spec, members = self.spec, len(self.members)
        targets, allowed = self.speech.targets[rows], self.speech.allowed[rows]
        known = (targets >= 0).float()
        baselines = torch.stack(
            [torch.zeros_like(embedding), *self._baselines(embedding, targets)], dim=0
        )
        inputs = embedding[None] - baselines  # (kinds, members, batch, size)
        weight = self.weights["heads.weight"].reshape(members, KINDS, self.classes, -1)
        bias = self.weights["heads.bias"].reshape(members, KINDS, self.classes)
        logits = torch.einsum("kmbd,mkcd->kmbc", inputs, weight.float())
        logits = logits + bias.float().transpose(0, 1)[:, :, None]
        logs = masked_log_softmax(logits, allowed)
        spread = allowed.float() / allowed.sum(dim=1, keepdim=True).clamp_min(1)
        wanted = F.one_hot(targets.clamp_min(0), self.classes).float()
        wanted = wanted * (1 - spec.smoothing) + spread * spec.smoothing
        loss = -(wanted * logs.masked_fill(~allowed, 0)).sum(dim=3)  # (kinds, members, batch)
        share = learns * known
        share = share / share.sum(dim=1, keepdim=True).clamp_min(1)
        return list((loss * share).sum(dim=2))

    def _baselines(
        self, embedding: torch.Tensor, targets: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Baselines of a normal voice and of a sample of moods, from the batch's own clips."""
        members, batch, size = embedding.shape
        groups = embedding.reshape(members, -1, self.spec.clips, size)
        speakers = groups.shape[1]
        generator = generator_for(self.seed, self.step, 1)
        order = torch.rand(speakers, self.spec.clips, generator=generator).argsort(dim=1)
        many = 2 ** torch.randint(0, 5, (speakers, 1), generator=generator)
        sample = (order < many).to(self.device)
        neutral = (targets == self.neutral).reshape(speakers, -1) & (order < 6).to(self.device)
        found = []
        for chosen in (neutral, sample):
            weight = chosen.float() / (chosen.sum(dim=1, keepdim=True) + TRUST)
            mean = torch.einsum("msce,sc->mse", groups, weight)
            found.append(
                mean[:, :, None].expand(-1, -1, self.spec.clips, -1).reshape(members, batch, size)
            )
        return found[0], found[1]

    def _hear(
        self, features: torch.Tensor, weights: Mapping[str, torch.Tensor], randomness: str
    ) -> tuple[torch.Tensor, ...]:
        """Run all members: features (batch, bands, time) -> (members, batch, ...) float32 each."""
        cast = {name: values.to(self.precision) for name, values in weights.items()}

        def one(own: dict[str, torch.Tensor], given: torch.Tensor) -> tuple[torch.Tensor, ...]:
            found: tuple[torch.Tensor, ...] = functional_call(self.base, own, (given,))
            return found

        heard = vmap(one, in_dims=(0, None), randomness=randomness)(
            cast, features.to(self.precision)
        )
        return tuple(values.float() for values in heard)

    def _clip_gradients(self) -> None:
        """Bring the gradient of each member down to a norm of `clip_grad`."""
        gradients = [values.grad for values in self.weights.values() if values.grad is not None]
        squares = torch.stack([g.flatten(1).square().sum(1) for g in gradients]).sum(0)
        factor = (self.spec.clip_grad / (squares.sqrt() + 1e-6)).clamp_max(1)
        for gradient in gradients:
            gradient.mul_(factor.reshape(-1, *[1] * (gradient.ndim - 1)))

    @torch.no_grad()
    def embed_features(self, features: torch.Tensor) -> torch.Tensor:
        """(batch, bands, time) -> (members, batch, size), by the averaged weights."""
        self.base.eval()
        return self._hear(features, self.averaged, randomness="error")[0]

    @torch.no_grad()
    def embed(
        self, rows: Sequence[int], window: WindowPolicy, speech: Speech | None = None
    ) -> torch.Tensor:
        """Embeddings of whole clips: (members, rows, size) in half precision.

        Args:
            rows: which clips.
            window: how they are cut.
            speech: the same clips with other sound; those that it was trained on if None.
        """
        found: torch.Tensor | None = None
        heard = speech or self.speech
        place = torch.full((len(self.speech.clips),), -1, device=self.device)
        place[torch.tensor(rows, device=self.device)] = torch.arange(len(rows), device=self.device)
        for cuts in heard.whole(rows, window, EMBEDDED):
            part = self.embed_features(self.frontend.raw(cuts.waveform)).half()
            if found is None:
                found = part.new_zeros(len(self.members), len(rows), part.shape[2])
            found[:, place[cuts.rows]] = part
        if found is None:
            raise SottovoceError("no clip to embed")
        return found

    @torch.no_grad()
    def embed_changed(self, rows: Sequence[int], seed: int, batch: int = 256) -> torch.Tensor:
        """Embeddings of changed cuts of clips: (members, rows, size) in half precision."""
        parts = []
        for first in range(0, len(rows), batch):
            generator = generator_for(self.seed, seed, first)
            chosen = torch.tensor(rows[first : first + batch], device=self.device)
            low, high = self.spec.seconds
            seconds = low + (high - low) * float(torch.rand((), generator=generator))
            cuts = self.speech.cut(chosen, seconds, generator)
            waveform = self.changes.of_waveforms(cuts.waveform, generator)
            parts.append(self.embed_features(self.frontend.raw(waveform)).half())
        return torch.cat(parts, dim=1)

    def network(self, member: int) -> ResNet1d:
        """One member's network, with the averaged weights, on the processor."""
        options = self.options
        network = ResNet1d(options, self.frontend.features, self.classes)
        network.load_state_dict(
            {
                name.removeprefix("network."): values[member].detach().cpu()
                for name, values in self.averaged.items()
                if name.startswith("network.")
            }
        )
        return network.eval()


def rate_at(done: float, warmup: float) -> float:
    """The learning rate, 0 to 1, after a fraction of the steps: a line up, half a cosine down."""
    if done < warmup:
        return max(done / warmup, 1e-3)
    return 0.5 * (1 + float(torch.cos(torch.tensor((done - warmup) / (1 - warmup) * torch.pi))))
