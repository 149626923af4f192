"""A front end and its networks as one module, and its log probabilities for whole clips."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sottovoce.learn.data.batches import Whole, WholeClips
from sottovoce.learn.frontends import FrontEnd
from sottovoce.learn.networks import Fitted, Network
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.registry import frontends, networks


class Classifier(nn.Module):
    """Waveform to logits, without any randomness of augmentation.

    Attributes:
        members: networks of the same kind, trained side by side from different first weights; the
            answer is the mean of their probabilities (an ensemble, Hansen and Salamon 1990).
        classes: number of logits.
    """

    def __init__(self, frontend: FrontEnd, members: Sequence[Network]) -> None:
        """The members, one or more, take what the front end gives."""
        super().__init__()
        self.frontend = frontend
        self.members = nn.ModuleList(members)
        self.classes = members[0].classes

    @classmethod
    def build(cls, recipe: Recipe) -> Self:
        """Make an untrained classifier as a recipe says, from torch's global generator."""
        frontend = make_frontend(recipe)
        network_class = networks()[recipe.network.name]
        options, classes = recipe.network.options, len(recipe.emotions)
        members = [
            network_class(options, frontend.features, classes)  # type: ignore[arg-type]
            for _ in range(recipe.training.members)
        ]
        return cls(frontend, members)

    def member_logits(self, frames: torch.Tensor) -> torch.Tensor:
        """frames: (batch, features, time) -> logits of each member: (members, batch, classes)."""
        return torch.stack([member(frames) for member in self.members])

    @property
    def num_parameters(self) -> int:
        """Number of trained weights, and of the values that `Fitted` members hold."""
        fitted = [member for member in self.members if isinstance(member, Fitted)]
        return sum(weights.numel() for weights in self.parameters() if weights.requires_grad) + sum(
            buffer.numel() for member in fitted for buffer in member.buffers()
        )

    def frames(self, sound: torch.Tensor) -> torch.Tensor:
        """Give what the networks take: (batch, features, time).

        sound: (batch, samples), -1..1, or (batch, features, time), what the front end's `raw` gave.
        """
        return self.frontend.normalised(self._raw(sound))

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        """sound: as for `frames` -> logits: (batch, classes)."""
        logits = self.member_logits(self.frames(sound))
        if len(logits) == 1:
            return logits[0]
        return logits.softmax(dim=-1).mean(dim=0).clamp_min(1e-30).log()

    @torch.inference_mode()
    def fit_frontend(self, clips: WholeClips) -> None:
        """Let the front end learn what the features of these training clips are like."""
        self.frontend.fit(self._raw(batch.sound) for batch in batches_of(clips))

    @torch.inference_mode()
    def fit_members(self, versions: Sequence[WholeClips], seed: int) -> None:
        """Fit members that are not trained in steps, each with a seed of its own.

        Args:
            versions: the training clips, and changed copies of them.
            seed: of the first member.

        Raises:
            SottovoceError: scikit-learn cannot be fitted to them.
        """
        for number, member in enumerate(self.members):
            if isinstance(member, Fitted):
                batches = itertools.chain.from_iterable(map(batches_of, versions))
                frames = ((self.frames(batch.sound), batch.targets) for batch in batches)
                member.fit(frames, seed + number)

    def _raw(self, sound: torch.Tensor) -> torch.Tensor:
        return self.frontend.raw(sound) if sound.ndim == 2 else sound


def make_frontend(recipe: Recipe) -> FrontEnd:
    """Make the front end of a recipe."""
    kind = frontends()[recipe.frontend.name]
    return kind(recipe.frontend.options, recipe.sample_rate).eval()  # type: ignore[arg-type]


def batches_of(clips: WholeClips) -> Iterator[Whole]:
    """Give the batches of whole clips one by one."""
    return (clips[number] for number in range(len(clips)))


def predict_clips(
    classifier: Classifier, clips: WholeClips, device: torch.device
) -> NDArray[np.float64]:
    """Give log probabilities of whole clips, in the order of the examples: (clips, classes).

    No temperature is applied. They are the logits of a clip in one piece, up to a constant; of a
    clip in several, the logarithm of their mean probabilities, weighted by length.
    """
    classifier = classifier.to(device).eval()
    count = len(clips.examples.rows)
    sums = torch.zeros(count, classifier.classes, dtype=torch.float64)
    total = torch.zeros(count)
    with torch.inference_mode():
        for batch in batches_of(clips):
            logits = classifier(batch.sound.to(device)).double().cpu()
            weight = batch.samples  # as in inference
            sums.index_add_(0, batch.owners, logits.softmax(dim=1), alpha=weight)
            total.index_add_(0, batch.owners, torch.ones(len(logits)), alpha=weight)
    return np.asarray((sums / total[:, None]).clamp_min(1e-30).log())
