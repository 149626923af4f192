"""Several features of the same frames, one below the other, brought to a shape and normalised."""

from collections.abc import Iterable
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from pydantic import (
    BaseModel,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from torch import nn

from sottovoce.errors import SottovoceError
from sottovoce.learn.frontends import FrontEnd
from sottovoce.learn.frontends.framewise import FrameFeature, FrameOptions, Sound
from sottovoce.learn.recipe.messages import listed, problems_in, shown
from sottovoce.learn.registry import frontends
from sottovoce.options import StrictModel

MIN_STD = 1e-5
"""Standard deviation below which a feature is constant, and is not blown up."""


class Part(StrictModel):
    """A feature of a stack: the name of a front end of frames, and its options."""

    name: str
    options: SerializeAsAny[BaseModel]


class StackOptions(FrameOptions):
    """Options of the front end `stack`."""

    parts: tuple[Part, ...] = Field(
        min_length=1,
        description='The features, from the top, as tables: `{ name = "mfcc", deltas = 2 }`; each '
        "has the stack's `frame` and `hop` unless it names its own.",
    )
    middle: float = Field(
        0.0,
        ge=0,
        le=600,
        description="s; only the middle of the clip is used, a shorter one is padded with zeros "
        "on both sides; 0: all of it.",
    )
    frames: int = Field(
        0,
        ge=0,
        le=100_000,
        description="Frames that are kept from the first on; shorter is padded with zeros; 0: all.",
    )
    normalise: Literal["none", "clip", "feature", "training"] = Field(
        "none",
        description="To mean 0 and standard deviation 1. clip: all values of a clip together. "
        "feature: each feature over the clip. training: each feature over the clips of the "
        "training speakers.",
    )

    @field_validator("parts", mode="before")
    @classmethod
    def _known_parts(cls, parts: object, info: ValidationInfo) -> object:
        if not isinstance(parts, list | tuple):
            raise ValueError("should be a list of tables")
        frame = {key: info.data[key] for key in FrameOptions.model_fields if key in info.data}
        return tuple(_part(part, number, frame) for number, part in enumerate(parts, start=1))


class Stack(FrontEnd):
    """Features of frames, each a front end of its own, whose spectrum is computed once for all."""

    name = "stack"
    Options = StackOptions

    def __init__(self, options: StackOptions, sample_rate: int) -> None:
        super().__init__(options, sample_rate)
        found = frame_features()
        parts = [
            found[part.name](part.options, sample_rate)  # type: ignore[arg-type]
            for part in options.parts
        ]
        self.parts = nn.ModuleList(parts)
        self.features = sum(part.features for part in parts)
        self.hop = max(part.hop for part in parts)
        if len(parts) == 1 and options.normalise in ("none", "clip"):  # one scale for all rows
            self.register_buffer("centres", parts[0].centres, persistent=False)
        self.middle = round(options.middle * sample_rate)
        self.frames, self.normalise = options.frames, options.normalise
        self.statistics = (
            TrainingStatistics(self.features) if options.normalise == "training" else None
        )

    def raw(self, waveform: torch.Tensor) -> torch.Tensor:
        """Give the features as they are before normalisation: (batch, features, time)."""
        if self.middle:
            waveform = middle_of(waveform, self.middle)
        sound = Sound(waveform)
        time = waveform.shape[1] // self.hop + 1  # of the part with the fewest frames
        parts = (part for part in self.parts if isinstance(part, FrameFeature))  # all of them
        values = torch.cat([part.of(sound)[:, :, :time] for part in parts], dim=1)
        if self.frames:
            values = F.pad(values, (0, self.frames))[:, :, : self.frames]
        return values

    def normalised(self, values: torch.Tensor) -> torch.Tensor:
        """Shift and scale: (batch, features, time) -> the same."""
        if self.statistics is not None:
            return self.statistics(values)  # type: ignore[no-any-return]
        if self.normalise == "clip":
            return standardise(values, (1, 2))
        return standardise(values, (2,)) if self.normalise == "feature" else values

    def fit(self, values: Iterable[torch.Tensor]) -> None:
        """Take the statistics of the training clips, where the recipe needs them."""
        if self.statistics is not None:
            self.statistics.fit(values)


class TrainingStatistics(nn.Module):
    """Shifts and scales each feature by its mean and standard deviation over the training clips.

    They are buffers: a checkpoint keeps them, and an exported graph holds them. Until `fit` has set
    them they are NaN, so that features which were never normalised cannot be overlooked.

    Attributes:
        mean: (features, 1).
        std: (features, 1), above 0.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, features: int) -> None:
        """`features` is the number of values of a frame."""
        super().__init__()
        self.register_buffer("mean", torch.full((features, 1), torch.nan))
        self.register_buffer("std", torch.full((features, 1), torch.nan))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """values: (batch, features, time) -> the same."""
        return (values - self.mean) / self.std

    def fit(self, batches: Iterable[torch.Tensor]) -> None:
        """Take the statistics of batches (batch, features, time) of the training speakers' clips.

        Raises:
            SottovoceError: there is no batch.
        """
        count = 0
        total = torch.zeros_like(self.mean, dtype=torch.float64)
        squares = torch.zeros_like(total)
        for values in batches:
            frames = values.double()
            count += frames.shape[0] * frames.shape[2]
            total += frames.sum(dim=(0, 2))[:, None]
            squares += frames.square().sum(dim=(0, 2))[:, None]
        if not count:
            raise SottovoceError("no training clip to take the statistics of features from")
        mean = total / count
        std = (squares / count - mean.square()).clamp_min(0).sqrt()
        self.mean.copy_(mean)
        self.std.copy_(std.clamp_min(MIN_STD))


def standardise(values: torch.Tensor, dims: tuple[int, ...]) -> torch.Tensor:
    """Shift and scale to mean 0 and standard deviation 1 over `dims`: (batch, ...) -> the same."""
    centred = values - values.mean(dim=dims, keepdim=True)
    std = centred.square().mean(dim=dims, keepdim=True).sqrt()
    return centred / std.clamp_min(MIN_STD)


def middle_of(waveform: torch.Tensor, samples: int) -> torch.Tensor:
    """Cut the middle out, or pad evenly with zeros: (batch, any) -> (batch, samples)."""
    margin = (samples + 1) // 2
    start = (waveform.shape[1] + samples % 2) // 2  # = (length - samples) // 2 + margin, never < 0
    return F.pad(waveform, (margin, margin))[:, start : start + samples]


def frame_features() -> dict[str, type[FrameFeature]]:
    """Give the front ends that can be parts of a stack, by name."""
    return {key: item for key, item in frontends().items() if issubclass(item, FrameFeature)}


def _part(table: object, number: int, frame: dict[str, object]) -> Part:
    """Check the table of one part against the front end that it names."""
    if not isinstance(table, dict):
        raise ValueError(f"part {number}: found {shown(table)}; should be a table with a name")
    options = dict(table)
    name = options.pop("name", None)
    known = frame_features()
    if name not in known:
        raise ValueError(f"part {number}: name: found {shown(name)}; allowed: {listed(known)}")
    model = known[name].Options
    try:
        return Part(name=name, options=model.model_validate({**frame, **options}))
    except ValidationError as error:
        mistake = problems_in(error, model)[0]
        raise ValueError(f"part {number} ({name}): {mistake.key}: {mistake.message}") from error
