"""Confidence that holds for strangers: a temperature that rises with a clip's distance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """Clips of people, or of a corpus, that a model never heard, as it judged them.

    Attributes:
        logits: (clips, classes), of emotions that cannot be, very low.
        distance: (clips,) `distance` of the embedding.
        truth: (clips,) index of the emotion.
    """

    logits: Array
    distance: Array
    truth: NDArray[np.int64]

    def nll(self, temperature: float, slope: float, start: float) -> float:
        """Mean negative log likelihood, nats."""
        scaled = self.logits / (temperature * factor(self.distance, slope, start))[:, None]
        logs = log_softmax(scaled, axis=1)
        return float(-logs[np.arange(len(self.truth)), self.truth].mean())


@dataclass(frozen=True, slots=True)
class Confidence:
    """How logits become probabilities.

    Attributes:
        temperatures: of each of the three classifiers.
        slope, start: the temperature is multiplied by 1 + slope * max(0, distance - start).
        mean, std: (size,) of the embedding over the training clips, for the distance.
    """

    temperatures: tuple[float, float, float]
    slope: float
    start: float
    mean: torch.Tensor
    std: torch.Tensor

    def factor(self, embedding: torch.Tensor) -> torch.Tensor:
        """What the temperature of clips is multiplied by: (batch, size) -> (batch,)."""
        far = ((embedding - self.mean) / self.std).square().mean(dim=1).sqrt()
        return 1 + self.slope * (far - self.start).clamp_min(0)


def factor(distance: Array, slope: float, start: float) -> Array:
    """As `Confidence.factor`, of known distances: root mean squares of standardised embeddings."""
    return np.asarray(1 + slope * np.maximum(0, distance - start))


def fit_confidence(
    groups: Sequence[Sequence[Judged]], start: float
) -> tuple[tuple[float, ...], float]:
    """Fit the temperatures and the slope.

    It minimises the mean over groups of the negative log likelihood, each group (a corpus that was
    left out, or the strangers of a corpus that was not) counting alike.

    Args:
        groups: for each of them, how each of the classifiers judged it.
        start: the distance from which the temperature rises.

    Returns:
        A temperature for each classifier, and the slope they share.
    """
    kinds = len(groups[0])

    def loss(parameters: Array) -> float:
        temperatures, slope = np.exp(parameters[:kinds]), np.exp(parameters[kinds])
        return float(
            np.mean(
                [
                    judged.nll(temperatures[kind], slope, start)
                    for group in groups
                    for kind, judged in enumerate(group)
                ]
            )
        )

    found = minimize(loss, np.zeros(kinds + 1), method="Nelder-Mead", options={"maxiter": 400})
    return tuple(np.exp(found.x[:kinds]).tolist()), float(np.exp(found.x[kinds]))
