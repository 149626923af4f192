"""Logistic regression on summary statistics: one weight for each input and class."""

import numpy as np
import torch
from pydantic import Field

from sottovoce.learn.networks.classical import Buffers, Classical, Points, Targets, WeightedOptions


class LogisticRegressionOptions(WeightedOptions):
    """Options of the network `logistic-regression`."""

    C: float = Field(
        1.0, gt=0, le=1e6, description="Inverse of the strength of the penalty on large weights."
    )


class LogisticRegression(Classical):
    """Multinomial logistic regression with an L2 penalty (scikit-learn's, solved by L-BFGS)."""

    name = "logistic-regression"
    Options = LogisticRegressionOptions
    parameter_names = ("weights", "intercept")
    options: LogisticRegressionOptions
    weights: torch.Tensor
    intercept: torch.Tensor

    def fit_points(self, points: Points, targets: Targets, seed: int) -> Buffers:
        """Give `weights` (inputs, classes) and `intercept` (classes,)."""
        from sklearn import linear_model  # slow to import, and needed only here

        fitted = linear_model.LogisticRegression(
            C=self.options.C,
            class_weight=None if self.options.class_weight == "none" else "balanced",
            max_iter=5000,
            random_state=seed,
        ).fit(points.astype(np.float64), targets)
        weights, intercept = fitted.coef_, fitted.intercept_
        if self.classes == 2:  # it has weights for the second class alone
            weights = np.concatenate([np.zeros_like(weights), weights])
            intercept = np.append(0.0, intercept)
        return {"weights": weights.T.astype(np.float32), "intercept": intercept.astype(np.float32)}

    def scores(self, points: torch.Tensor) -> torch.Tensor:
        """points: (batch, inputs) -> logits: (batch, classes)."""
        return points @ self.weights + self.intercept
