"""Multinomial logistic regression over clips of several corpora that name different emotions."""

from dataclasses import dataclass
from typing import Self

import torch

STEPS = 300
"""Most iterations of L-BFGS; it ends before, once the loss no longer falls."""


@dataclass(frozen=True, slots=True)
class Points:
    """Labelled clips as a classifier is fitted to them; all tensors are on one device.

    Attributes:
        inputs: (clips, inputs) float32.
        targets: (clips,) int64, index of the emotion.
        allowed: (clips, classes) bool: the emotions that the clip's corpus has. One that it does
            not have is no counter-example there: its probability is left out of the loss.
        weights: (clips,) how much each counts, 0 or more.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    allowed: torch.Tensor
    weights: torch.Tensor

    def with_inputs(self, inputs: torch.Tensor) -> Self:
        """The same clips with other inputs, (clips, inputs)."""
        return type(self)(inputs, self.targets, self.allowed, self.weights)

    @classmethod
    def joined(cls, *parts: "Points") -> "Points":
        """Clips of several sets, one after another."""
        return cls(*(torch.cat([getattr(p, name) for p in parts]) for name in cls.__slots__))


def balanced_weights(
    corpora: torch.Tensor, targets: torch.Tensor, power: float = 1.0
) -> torch.Tensor:
    """Weights with which the emotions of a corpus count alike, and the corpora too.

    Args:
        corpora: (clips,) int64, number of the corpus.
        targets: (clips,) int64, index of the emotion.
        power: 1: corpora count alike; 0: each as its number of clips; between: in between.

    Returns:
        (clips,) with a mean of 1.
    """
    pairs = corpora * (int(targets.max()) + 1) + targets
    _, group, counts = pairs.unique(return_inverse=True, return_counts=True)  # type: ignore[no-untyped-call]
    _, corpus, sizes = corpora.unique(return_inverse=True, return_counts=True)  # type: ignore[no-untyped-call]
    weights = sizes[corpus].double() ** (1 - power) / counts[group].double()
    emotions = torch.zeros(len(sizes), dtype=torch.float64, device=corpora.device)
    emotions.index_add_(0, corpus, 1 / counts[group].double())
    weights = weights / emotions[corpus]
    balanced: torch.Tensor = (weights / weights.mean()).float()
    return balanced


def masked_log_softmax(logits: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """Log probabilities among the allowed classes; of the others a very low number.

    logits: (..., clips, classes), allowed: (clips, classes) -> (..., clips, classes).
    """
    return logits.masked_fill(~allowed, -1e4).log_softmax(dim=-1)


def fit_logistic(
    points: Points, strength: float, *, start: torch.Tensor | None = None
) -> torch.Tensor:
    """Fit weights (inputs + 1, classes), the last row being the intercept.

    It minimises the weighted mean of the negative log likelihood, plus strength / 2 times the sum
    of the squared weights (without the intercept), by L-BFGS in float32: the problem is convex,
    so the answer does not hang on the start. Each weight is scaled by about the root of the loss's
    curvature along it, which spares most of the steps where inputs differ in how much they vary.

    Args:
        points: the clips.
        strength: of the penalty.
        start: weights to start from; zeros if None.
    """
    inputs = torch.cat([points.inputs, torch.ones_like(points.inputs[:, :1])], dim=1)
    classes = points.allowed.shape[1]
    share = points.weights / points.weights.sum()
    penalised = torch.ones_like(inputs[0, :, None])
    penalised[-1] = 0
    likely = (classes - 1) / classes**2  # p (1 - p) of classes that are alike
    power = (inputs.square() * share[:, None]).sum(dim=0)[:, None]
    scale = (likely * power + strength * penalised).clamp_min(1e-12).rsqrt()
    scaled = inputs.new_zeros(inputs.shape[1], classes) if start is None else start / scale
    scaled.requires_grad_(True)
    inputs, penalised = inputs * scale.T, penalised * scale.square()
    optimiser = torch.optim.LBFGS(
        [scaled],
        max_iter=STEPS,
        history_size=20,
        tolerance_grad=1e-6,
        tolerance_change=1e-7,
        line_search_fn="strong_wolfe",
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        logs = masked_log_softmax(inputs @ scaled, points.allowed)
        right = logs.gather(1, points.targets[:, None])[:, 0]
        loss = -(share * right).sum() + strength / 2 * (scaled.square() * penalised).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return scaled.detach() * scale


def logits_of(inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """inputs: (..., inputs), weights as `fit_logistic` gives them -> logits: (..., classes)."""
    return inputs @ weights[:-1] + weights[-1]
