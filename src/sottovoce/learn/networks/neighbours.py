"""Nearest neighbours on summary statistics: the classes of the training clips that are closest."""

from typing import Literal

import numpy as np
import torch
from pydantic import Field

from sottovoce.errors import SottovoceError
from sottovoce.learn.networks.classical import (
    Buffers,
    Classical,
    ClassicalOptions,
    Points,
    Targets,
    log_probabilities,
)


class NeighboursOptions(ClassicalOptions):
    """Options of the network `k-nearest-neighbours`."""

    neighbours: int = Field(5, ge=1, le=1000, description="Number of training clips that vote.")
    weights: Literal["uniform", "distance"] = Field(
        "uniform", description="distance: a clip counts by the inverse of its distance."
    )


class Neighbours(Classical):
    """The class fractions among the nearest training clips, by Euclidean distance.

    It needs no fitting by scikit-learn: the training clips are what it learns. The model file holds
    their inputs.
    """

    name = "k-nearest-neighbours"
    Options = NeighboursOptions
    parameter_names = ("training_points", "one_hot")
    options: NeighboursOptions
    training_points: torch.Tensor
    one_hot: torch.Tensor

    def fit_points(self, points: Points, targets: Targets, seed: int) -> Buffers:
        """Give `training_points` (clips, inputs) and `one_hot` (clips, classes).

        Raises:
            SottovoceError: there are fewer clips than neighbours.
        """
        if len(points) < self.options.neighbours:
            raise SottovoceError(
                f"{len(points)} training clips for {self.options.neighbours} neighbours; give "
                "fewer neighbours in [network], or more clips"
            )
        return {
            "training_points": points,
            "one_hot": np.eye(self.classes, dtype=np.float32)[targets],
        }

    def scores(self, points: torch.Tensor) -> torch.Tensor:
        """points: (batch, inputs) -> logits: (batch, classes)."""
        # By |x - v|^2 - |x|^2 = |v|^2 - 2 x v; its rounding would spoil the weights of the nearest.
        order = self.training_points.square().sum(dim=1) - 2 * points @ self.training_points.T
        nearest = order.topk(self.options.neighbours, dim=1, largest=False).indices
        votes = self.one_hot[nearest]
        if self.options.weights == "uniform":
            return log_probabilities(votes.mean(dim=1))
        distance = (
            (self.training_points[nearest] - points[:, None])
            .square()
            .sum(dim=2, keepdim=True)
            .sqrt()
        )
        same = (distance == 0).to(points.dtype)  # the very clip counts alone
        weight = torch.where(same.amax(dim=1, keepdim=True) > 0, same, 1 / distance)
        return log_probabilities((weight * votes).sum(dim=1) / weight.sum(dim=1))
