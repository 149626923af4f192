"""A random forest on summary statistics: all trees in flat tensors, walked level by level."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from sottovoce.learn.networks.classical import (
    Buffers,
    Classical,
    Points,
    Targets,
    WeightedOptions,
    log_probabilities,
)


class RandomForestOptions(WeightedOptions):
    """Options of the network `random-forest`."""

    trees: int = Field(300, ge=1, le=5000, description="Number of trees.")
    max_depth: int = Field(
        0, ge=0, le=64, description="Most questions on the way to a leaf; 0: any number."
    )
    min_samples_leaf: int = Field(1, ge=1, le=10_000, description="Fewest clips in a leaf.")
    max_features: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Fraction of the inputs that each question is chosen from; 0: the square root "
        "of their number.",
    )


class RandomForest(Classical):
    """The mean of the class fractions in the leaves that a clip falls into (Breiman 2001).

    Node n asks whether input `question[n]` is above `threshold[n]`: where not it goes on at node
    `below[n]`, else at the one after. A leaf goes on at itself, whatever its threshold, infinity,
    is compared with.
    """

    name = "random-forest"
    Options = RandomForestOptions
    parameter_names = ("roots", "question", "threshold", "below", "leaf", "fractions")
    options: RandomForestOptions
    roots: torch.Tensor
    question: torch.Tensor
    threshold: torch.Tensor
    below: torch.Tensor
    leaf: torch.Tensor
    fractions: torch.Tensor
    depth = 0

    def fit_points(self, points: Points, targets: Targets, seed: int) -> Buffers:
        """Give the nodes of all trees, one tree after the other.

        `roots` (trees,) are their first nodes; `question`, `threshold`, `below` and `leaf` have
        an entry a node; a leaf's class fractions are row `leaf[n]` of `fractions` (kinds, classes).
        """
        from sklearn.ensemble import RandomForestClassifier  # slow to import, needed only here

        options = self.options
        forest = RandomForestClassifier(
            options.trees,
            max_depth=options.max_depth or None,
            min_samples_leaf=options.min_samples_leaf,
            max_features=options.max_features or "sqrt",
            class_weight=None if options.class_weight == "none" else "balanced",
            random_state=seed,
        ).fit(points, targets)
        trees = [estimator.tree_ for estimator in forest.estimators_]
        counts = [tree.node_count for tree in trees]
        roots = np.cumsum([0, *counts[:-1]])
        parts = [_nodes(tree, root) for tree, root in zip(trees, roots, strict=True)]
        question, threshold, below, fractions = (
            np.concatenate(arrays) for arrays in zip(*parts, strict=True)
        )
        fractions, leaf = np.unique(fractions.astype(np.float32), axis=0, return_inverse=True)
        self.depth = _depth(torch.from_numpy(roots), torch.from_numpy(below))
        whole = {"roots": roots, "question": question, "below": below, "leaf": leaf}
        return {
            **{name: values.astype(np.int32) for name, values in whole.items()},
            "threshold": threshold,
            "fractions": fractions,
        }

    def scores(self, points: torch.Tensor) -> torch.Tensor:
        """points: (batch, inputs) -> logits: (batch, classes)."""
        node = self.roots.long().expand(points.shape[0], -1)
        for _ in range(self.depth):
            value = points.gather(1, self.question[node].long())
            node = self.below[node].long() + (value > self.threshold[node]).long()
        return log_probabilities(self.fractions[self.leaf[node].long()].mean(dim=1))

    def _load_from_state_dict(self, *rest: Any, **more: Any) -> None:
        super()._load_from_state_dict(*rest, **more)
        self.depth = _depth(self.roots.long(), self.below.long())


def _nodes(
    tree: Any, root: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.float64]]:
    """Renumber a tree from `root` on, the two nodes below a question side by side.

    Gives question, threshold, below, and the class fractions, an entry a node.
    """
    asks = np.flatnonzero(tree.children_left >= 0)
    leaves = np.flatnonzero(tree.children_left < 0)
    place = np.zeros(tree.node_count, dtype=np.int64)
    place[tree.children_left[asks]] = 1 + 2 * np.arange(len(asks))
    place[tree.children_right[asks]] = 2 + 2 * np.arange(len(asks))
    question = np.zeros(tree.node_count, dtype=np.int64)
    question[place[asks]] = tree.feature[asks]
    threshold = np.full(tree.node_count, np.inf, dtype=np.float32)
    threshold[place[asks]] = _rounded_down(tree.threshold[asks])
    below = np.arange(tree.node_count)
    below[place[asks]] = place[tree.children_left[asks]]
    fractions = np.zeros((tree.node_count, tree.value.shape[2]))
    values = tree.value[leaves, 0]
    fractions[place[leaves]] = values / values.sum(axis=1, keepdims=True)
    return question, threshold, below + root, fractions


def _rounded_down(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """The greatest float32 that is not above: float32 values are above both or above neither."""
    near = threshold.astype(np.float32)
    return np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near)


def _depth(roots: torch.Tensor, below: torch.Tensor) -> int:
    """Count the questions on the longest way from a root to a leaf."""
    nodes, levels = roots, 0
    while len(nodes := nodes[below[nodes] != nodes]):
        nodes = torch.cat([below[nodes], below[nodes] + 1])
        levels += 1
    return levels
