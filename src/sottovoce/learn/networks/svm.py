"""A support vector machine on summary statistics: one against one, by votes."""

from itertools import combinations
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from sottovoce.learn.networks.classical import Buffers, Classical, Points, Targets, WeightedOptions


class SVMOptions(WeightedOptions):
    """Options of the network `svm`."""

    kernel: Literal["rbf", "linear"] = Field(
        "rbf", description="rbf: exp(-gamma * squared distance). linear: the inner product."
    )
    C: float = Field(1.0, gt=0, le=1e6, description="Cost of a training clip on the wrong side.")
    gamma: float = Field(
        0.0,
        ge=0,
        le=1e3,
        description='Of the kernel rbf; 0: 1 / (inputs * variance), scikit-learn\'s "scale".',
    )


class SVM(Classical):
    """One support vector machine for each pair of classes (scikit-learn's `SVC`).

    A class's logit is the number of pairs that it wins and, below 1/3, a growing function of the
    sum of its margins: the decision function that scikit-learn calls "ovr". Of two classes it is
    the margin itself. These are scores; they become probabilities by temperature scaling.
    """

    name = "svm"
    Options = SVMOptions
    parameter_names = ("vectors", "gamma", "weights", "intercept")
    options: SVMOptions
    vectors: torch.Tensor
    gamma: torch.Tensor
    weights: torch.Tensor
    intercept: torch.Tensor
    first: torch.Tensor
    second: torch.Tensor

    def __init__(self, options: SVMOptions, features: int, classes: int) -> None:
        super().__init__(options, features, classes)
        pairs = torch.tensor(list(combinations(range(classes), 2)))
        for side, name in enumerate(("first", "second")):  # of each pair: (pairs, classes), 0 or 1
            self.register_buffer(name, torch.eye(classes)[pairs[:, side]], persistent=False)

    def fit_points(self, points: Points, targets: Targets, seed: int) -> Buffers:
        """Give the margins' `weights` and `intercept`: above 0, the first of the pair wins.

        rbf: weights (vectors, pairs) of support `vectors` (vectors, inputs). linear: weights
        (inputs, pairs), and no vectors.
        """
        from sklearn.svm import SVC  # slow to import, and needed only here

        options, inputs = self.options, points.astype(np.float64)
        gamma = options.gamma or 1 / (inputs.shape[1] * (inputs.var() or 1.0))
        fitted = SVC(
            kernel=options.kernel,
            C=options.C,
            gamma=gamma,
            class_weight=None if options.class_weight == "none" else "balanced",
            break_ties=True,
            random_state=seed,
        ).fit(inputs, targets)
        if options.kernel == "linear":
            vectors, weights = np.empty((0, inputs.shape[1])), fitted.coef_.T
        else:
            vectors = fitted.support_vectors_
            weights = _pair_weights(fitted.dual_coef_, fitted.n_support_)
        sign = -1 if self.classes == 2 else 1  # of two, it takes the second for the positive one
        return {
            "vectors": vectors.astype(np.float32),
            "gamma": np.float32(gamma),
            "weights": (sign * weights).astype(np.float32),
            "intercept": (sign * fitted.intercept_).astype(np.float32),
        }

    def margins(self, points: torch.Tensor) -> torch.Tensor:
        """points: (batch, inputs) -> (batch, pairs), above 0 where the first of a pair wins."""
        if self.options.kernel == "linear":
            return points @ self.weights + self.intercept
        squares = points.square().sum(dim=1, keepdim=True) + self.vectors.square().sum(dim=1)
        distance = (squares - 2 * points @ self.vectors.T).clamp_min(0)
        return torch.exp(-self.gamma * distance) @ self.weights + self.intercept

    def scores(self, points: torch.Tensor) -> torch.Tensor:
        """points: (batch, inputs) -> logits: (batch, classes)."""
        margins = self.margins(points)
        sums = margins @ (self.first - self.second)
        if self.classes == 2:
            return sums
        lost = (margins < 0).to(margins.dtype)
        votes = (1 - lost) @ self.first + lost @ self.second
        return votes + sums / (3 * (sums.abs() + 1))


def _pair_weights(dual: NDArray[np.float64], counts: NDArray[np.int32]) -> NDArray[np.float64]:
    """Unpack libsvm's coefficients, (classes - 1, vectors), to (vectors, pairs).

    The vectors stand class by class, `counts` of each. A vector of class i has a coefficient for
    each other class j, in order; so that for j stands in row j - 1 if j > i, else in row j.
    """
    owner = np.repeat(np.arange(len(counts)), counts)
    pairs = list(combinations(range(len(counts)), 2))
    weights = np.zeros((len(owner), len(pairs)))
    for number, (i, j) in enumerate(pairs):
        weights[owner == i, number] = dual[j - 1, owner == i]
        weights[owner == j, number] = dual[i, owner == j]
    return weights
