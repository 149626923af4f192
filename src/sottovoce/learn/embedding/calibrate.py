"""Confidence that holds for strangers: a temperature that rises with a clip's distance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

Array = NDArray[np.float64]


class Temperature(NamedTuple):
    """What the logits of one classifier are divided by: usual * exp(slope * (distance - 1)).

    A training clip's distance is 1 in the root mean square.
    """

    usual: float
    slope: float

    def of(self, distance: Array) -> Array:
        """(clips,) of clips at these distances."""
        return np.asarray(self.usual * np.exp(self.slope * (distance - 1)))


@dataclass(frozen=True, slots=True)
class Judged:
    """Clips of people, or of a corpus, that a model never heard, as it judged them.

    Attributes:
        logits: (clips, classes), of emotions that cannot be, very low.
        distance: (clips,) root mean square of the standardised embedding.
        truth: (clips,) index of the emotion.
    """

    logits: Array
    distance: Array
    truth: NDArray[np.int64]

    def nll(self, temperature: Temperature) -> float:
        """Mean negative log likelihood, nats."""
        logs = log_softmax(self.logits / temperature.of(self.distance)[:, None], axis=1)
        return float(-logs[np.arange(len(self.truth)), self.truth].mean())


@dataclass(frozen=True, slots=True)
class Confidence:
    """How logits become probabilities.

    Attributes:
        temperatures: of each of the three classifiers.
        mean, std: (size,) of the embedding over the training clips, for the distance.
    """

    temperatures: tuple[Temperature, Temperature, Temperature]
    mean: torch.Tensor
    std: torch.Tensor

    def distance(self, embedding: torch.Tensor) -> torch.Tensor:
        """How unlike the training clips others are: (batch, size) -> (batch,)."""
        return ((embedding - self.mean) / self.std).square().mean(dim=1).sqrt()


def fit_temperature(groups: Sequence[Judged]) -> Temperature:
    """Fit the temperature of a classifier.

    It minimises the mean over groups of the negative log likelihood, each group (a corpus that was
    left out, or the strangers of a corpus that was not) counting alike. It never falls with the
    distance.

    Args:
        groups: how the classifier judged each.
    """

    def loss(parameters: Array) -> float:
        temperature = Temperature(float(np.exp(parameters[0])), float(parameters[1]))
        return float(np.mean([judged.nll(temperature) for judged in groups]))

    bounds = [(None, None), (0, None)]
    usual, slope = minimize(loss, np.array([0.0, 1.0]), method="L-BFGS-B", bounds=bounds).x
    return Temperature(float(np.exp(usual)), float(slope))
