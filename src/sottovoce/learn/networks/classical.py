"""The base of classical classifiers: a clip's summary statistics, standardised, as input."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, field_validator

from sottovoce.errors import SottovoceError
from sottovoce.learn.networks import Fitted
from sottovoce.learn.recipe.messages import listed
from sottovoce.learn.silence_logs import silence_logs
from sottovoce.options import StrictModel

Statistic = Literal["mean", "std", "min", "max", "range", "median", "slope"]

Points = NDArray[np.float32]
"""(clips, inputs), standardised."""

Targets = NDArray[np.int64]
"""(clips,), index of the emotion of each."""

Buffers = Mapping[str, NDArray[Any]]
"""Name -> values, of what a classifier learned."""

MIN_PROBABILITY = 1e-6
"""What a probability of 0 becomes, so that it has a logarithm."""

MIN_RELATIVE_STD = 1e-6
"""Standard deviation over the training clips, relative to the mean, below which an input is
constant."""


class ClassicalOptions(StrictModel):
    """Options of every classical classifier."""

    statistics: tuple[Statistic, ...] = Field(
        ("mean", "std"),
        min_length=1,
        description="What is taken of each feature over the clip; slope: per frame, of the line "
        'fitted to it. `["mean"]` is all there is of features that are one frame a clip.',
    )

    @field_validator("statistics")
    @classmethod
    def _once(cls, statistics: tuple[Statistic, ...]) -> tuple[Statistic, ...]:
        if len(set(statistics)) < len(statistics):
            raise ValueError("should name each statistic once")
        return statistics


class WeightedOptions(ClassicalOptions):
    """Options of classical classifiers that can weight the classes."""

    class_weight: Literal["none", "balanced"] = Field(
        "none", description="balanced: each class counts the same, however many clips it has."
    )


class Classical(Fitted):
    """A classifier of scikit-learn, whose fitted numbers become buffers and whose rule is torch.

    Its inputs are the statistics of each feature over time, shifted and scaled to mean 0 and
    standard deviation 1 over the training clips; one that is constant there is only shifted.

    Attributes:
        parameter_names: of the buffers that `fit_points` gives.
        inputs: number of inputs.
        centre: (inputs,) their means over the training clips; empty before `fit`.
        scale: (inputs,) their standard deviations.
    """

    parameter_names: ClassVar[tuple[str, ...]]
    options: ClassicalOptions
    centre: torch.Tensor
    scale: torch.Tensor

    def __init__(self, options: ClassicalOptions, features: int, classes: int) -> None:
        super().__init__(options, features, classes)
        self.inputs = features * len(options.statistics)
        for name in ("centre", "scale", *self.parameter_names):
            self.register_buffer(name, torch.empty(0))

    @abstractmethod
    def fit_points(self, points: Points, targets: Targets, seed: int) -> Buffers:
        """Fit to points (clips, inputs) and targets (clips,); give buffers, `parameter_names`."""

    @abstractmethod
    def scores(self, points: torch.Tensor) -> torch.Tensor:
        """points: (batch, inputs) -> logits: (batch, classes)."""

    @property
    def trained(self) -> bool:
        """Whether it was fitted."""
        return bool(self.centre.numel())

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """frames: (batch, features, time) -> logits: (batch, classes).

        Raises:
            SottovoceError: it was not fitted yet.
        """
        if not self.trained:
            raise SottovoceError(
                f"this {self.name} has not learned anything yet: fit it, or load a fitted one"
            )
        return self.scores(self._standardised(summary(frames, self.options.statistics)))

    def fit(self, batches: Iterable[tuple[torch.Tensor, torch.Tensor]], seed: int) -> None:
        """Learn from batches of frames (batch, features, time) and targets (batch,), int64.

        Raises:
            SottovoceError: a class has no clip, or a feature is not a finite number.
        """
        pairs = [(summary(frames, self.options.statistics), labels) for frames, labels in batches]
        if not pairs:
            raise SottovoceError(f"no training clip; {self.name} needs some of every class")
        all_inputs = torch.cat([inputs for inputs, _ in pairs]).double().cpu().numpy()
        targets = torch.cat([labels for _, labels in pairs]).cpu().numpy()
        self._check(all_inputs, targets)
        centre, std = all_inputs.mean(axis=0), all_inputs.std(axis=0)
        scale = np.where(std > MIN_RELATIVE_STD * np.abs(centre), std, 1.0)
        self._set_buffers({"centre": centre.astype(np.float32), "scale": scale.astype(np.float32)})
        points = torch.cat([self._standardised(inputs) for inputs, _ in pairs]).cpu().numpy()
        with silence_logs():
            self._set_buffers(self.fit_points(points, targets, seed))

    def _standardised(self, inputs: torch.Tensor) -> torch.Tensor:
        return (inputs - self.centre) / self.scale

    def _check(self, inputs: NDArray[np.float64], targets: Targets) -> None:
        unsound = int((~np.isfinite(inputs).all(axis=1)).sum())
        if unsound:
            raise SottovoceError(
                f"{unsound} of {len(inputs)} training clips have features that are not finite "
                f"numbers; {self.name} cannot be fitted to them: use another front end, or leave "
                "these clips out"
            )
        absent = np.flatnonzero(np.bincount(targets, minlength=self.classes) == 0)
        if absent.size:
            raise SottovoceError(
                f"no training clip of class {listed(map(str, absent))} (of 0 to "
                f"{self.classes - 1}); {self.name} needs clips of every class: add some, or leave "
                "the emotion out of the recipe's labels"
            )

    def _set_buffers(self, buffers: Buffers) -> None:
        # Inside torch.inference_mode they would be tensors that nothing may be loaded into later.
        with torch.inference_mode(False):
            for name, values in buffers.items():
                setattr(self, name, torch.from_numpy(np.array(values)).to(self.centre.device))

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *rest: Any, **more: Any
    ) -> None:
        """Make room first: how large the buffers are depends on what was learned."""
        for name, old in list(self.named_buffers(recurse=False)):
            if (new := state_dict.get(prefix + name)) is not None:
                setattr(self, name, torch.empty_like(new, device=old.device))
        super()._load_from_state_dict(state_dict, prefix, *rest, **more)


def summary(frames: torch.Tensor, statistics: Iterable[Statistic]) -> torch.Tensor:
    """Take statistics over time: (batch, features, time) -> (batch, statistics * features).

    The standard deviation divides by the number of frames; of a single frame it and the slope are
    0.
    """
    return torch.cat([_statistic(frames, name) for name in statistics], dim=1)


def log_probabilities(probabilities: torch.Tensor) -> torch.Tensor:
    """Give logits whose softmax is these probabilities, but for what is added to 0."""
    return probabilities.clamp_min(MIN_PROBABILITY).log()


def _statistic(frames: torch.Tensor, name: Statistic) -> torch.Tensor:
    if name == "mean":
        return frames.mean(dim=2)
    if name == "std":
        centred = frames - frames.mean(dim=2, keepdim=True)
        return centred.square().mean(dim=2).sqrt()
    if name == "min":
        return frames.amin(dim=2)
    if name == "max":
        return frames.amax(dim=2)
    if name == "range":
        return frames.amax(dim=2) - frames.amin(dim=2)
    time = frames.shape[2]
    if name == "median":
        ordered = frames.sort(dim=2).values
        return (ordered[:, :, (time - 1) // 2] + ordered[:, :, time // 2]) / 2
    moment = torch.arange(time, device=frames.device, dtype=frames.dtype) - (time - 1) / 2
    return (frames * moment).sum(dim=2) / moment.square().sum().clamp_min(0.5)  # two frames: 0.5
