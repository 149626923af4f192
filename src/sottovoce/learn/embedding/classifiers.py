"""The three classifiers on an embedding, and what a profile of each kind needs to know."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from sottovoce.learn.embedding.logistic import (
    Points,
    balanced_weights,
    fit_logistic,
    logits_of,
    masked_log_softmax,
)
from sottovoce.options import StrictModel

LEAST_CLIPS = 8
"""A speaker with fewer says nothing about how much speakers differ."""

LEAST_NORMAL = 2
"""The same for the clips in a normal voice."""


class ClassifiersSpec(StrictModel):
    """How the classifiers are fitted."""

    strength: float = 0.01
    """Of the penalty on large weights."""
    corpus_power: float = 1.0
    """How alike corpora count; see `balanced_weights`."""
    corpus_weights: tuple[float, ...] = ()
    """Of each corpus, by its number, beside that; all 1 where empty."""
    draws: int = 4
    """Baselines that are drawn for each clip."""
    normal_sizes: tuple[int, ...] = (1, 2, 3, 4, 8)
    """How many recordings a normal voice is learned from, each equally often."""
    mixed_sizes: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 1000)
    """How many recordings a sample of moods is."""


@dataclass(frozen=True, slots=True)
class Prior:
    """What a baseline would be without any recording, and how soon recordings change it.

    Attributes:
        centre: (size,) mean over speakers.
        shrinkage: (size,) how many recordings' worth the centre counts for: the variance of a
            speaker's recordings over the variance between speakers, which makes the baseline the
            posterior mean of a normal distribution (empirical Bayes; Efron and Morris 1975).
    """

    centre: torch.Tensor
    shrinkage: torch.Tensor

    @classmethod
    def fit(cls, embedding: torch.Tensor, groups: Sequence[torch.Tensor]) -> "Prior":
        """Fit to the embedding (clips, size) of the clips of each speaker."""
        means = torch.stack([embedding[rows].mean(dim=0) for rows in groups])
        within = torch.stack([embedding[rows].var(dim=0) for rows in groups]).mean(dim=0)
        inverse = sum(1 / len(rows) for rows in groups) / len(groups)
        between = means.var(dim=0) - within * inverse
        return cls(means.mean(dim=0), within / torch.maximum(between, 1e-3 * within))

    def baseline(self, mean: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        """The baseline of the mean (..., size) of so many recordings (...,)."""
        trust = count[..., None] / (count[..., None] + self.shrinkage)
        return self.centre + (mean - self.centre) * trust


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known of clips, all tensors (clips,) or (clips, classes), on one device."""

    targets: torch.Tensor
    corpora: torch.Tensor
    speakers: torch.Tensor
    allowed: torch.Tensor
    neutral: torch.Tensor
    """bool: spoken in a normal voice."""

    def take(self, rows: torch.Tensor) -> "Labels":
        """Some of the clips."""
        return Labels(*(getattr(self, name)[rows] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Classifiers:
    """Without a profile, with a normal voice, with a sample of moods: in this order.

    Attributes:
        weights: (3, size + 1, classes) as `fit_logistic` gives them.
        normal, mixed: what the baselines of each kind need.
    """

    weights: torch.Tensor
    normal: Prior
    mixed: Prior

    def logits(self, embedding: torch.Tensor, kind: int, baseline: torch.Tensor) -> torch.Tensor:
        """embedding, baseline: (clips, size) -> (clips, classes); kind 0 takes no baseline."""
        return logits_of(embedding - baseline if kind else embedding, self.weights[kind])


def fit_classifiers(
    versions: Sequence[torch.Tensor], labels: Labels, spec: ClassifiersSpec, seed: int = 0
) -> Classifiers:
    """Fit all three.

    Args:
        versions: the embedding of the clips, (clips, size), then of changed copies of them.
        labels: of the clips, all of which have an emotion.
        spec: how.
        seed: of the random baselines.
    """
    generator = torch.Generator().manual_seed(seed)
    everyone = groups_of(labels.speakers, torch.ones_like(labels.neutral))
    neutral = groups_of(labels.speakers, labels.neutral)
    mixed = Prior.fit(versions[0], [rows for rows in everyone.values() if len(rows) >= LEAST_CLIPS])
    normal = Prior.fit(
        versions[0], [rows for rows in neutral.values() if len(rows) >= LEAST_NORMAL]
    )
    weights = balanced_weights(labels.corpora, labels.targets, spec.corpus_power)
    if spec.corpus_weights:
        factors = torch.tensor(spec.corpus_weights, device=weights.device)
        weights = weights * factors[labels.corpora]
    plain = Points(versions[0], labels.targets, labels.allowed, weights)
    fitted = [fit_logistic(Points.joined(*map(plain.with_inputs, versions)), spec.strength)]
    for prior, pools, sizes in (
        (normal, neutral, spec.normal_sizes),
        (mixed, everyone, spec.mixed_sizes),
    ):
        parts = []
        for draw in range(max(spec.draws, len(versions))):
            embedding = versions[draw % len(versions)]
            baseline, known = draw_baselines(embedding, everyone, pools, sizes, prior, generator)
            rows = torch.nonzero(known)[:, 0]
            part = plain.with_inputs(embedding - baseline)
            parts.append(Points(*(getattr(part, name)[rows] for name in Points.__slots__)))
        fitted.append(fit_logistic(Points.joined(*parts), spec.strength, start=fitted[0]))
    return Classifiers(torch.stack(fitted), normal, mixed)


def groups_of(speakers: torch.Tensor, chosen: torch.Tensor) -> dict[int, torch.Tensor]:
    """Speaker -> rows of their clips that are chosen; speakers without any are left out."""
    rows = torch.nonzero(chosen)[:, 0]
    own = speakers[rows]
    return {int(speaker): rows[own == speaker] for speaker in own.unique()}  # type: ignore[no-untyped-call]


def draw_baselines(
    embedding: torch.Tensor,
    everyone: dict[int, torch.Tensor],
    pools: dict[int, torch.Tensor],
    sizes: Sequence[int],
    prior: Prior,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """A baseline for each clip, from a random sample of random size of its speaker's pool.

    Args:
        embedding: (clips, size).
        everyone: speaker -> rows of all their clips.
        pools: speaker -> rows that baselines are made of.
        sizes: how many of them, each equally often; the whole pool where it has fewer.
        prior: of the baselines.
        generator: of the draws, on the processor.

    Returns:
        (clips, size), and (clips,) whether the clip's speaker has a pool.
    """
    baseline = torch.zeros_like(embedding)
    known = torch.zeros(len(embedding), dtype=torch.bool, device=embedding.device)
    for speaker, rows in everyone.items():
        if speaker not in pools:
            continue
        pool = pools[speaker]
        picked = torch.tensor(sizes)[torch.randint(len(sizes), (len(rows),), generator=generator)]
        count = picked.clamp_max(len(pool))
        order = torch.rand(len(rows), len(pool), generator=generator).argsort(dim=1).argsort(dim=1)
        inside = (order < count[:, None]).to(embedding)
        sizes_here = count.to(embedding)
        mean = inside @ embedding[pool] / sizes_here[:, None]
        baseline[rows], known[rows] = prior.baseline(mean, sizes_here), True
    return baseline, known


def profile_logits(
    classifiers: Classifiers,
    embedding: torch.Tensor,
    allowed: torch.Tensor,
    kind: int,
    groups: Sequence[tuple[torch.Tensor, torch.Tensor]],
) -> torch.Tensor:
    """Log probabilities of clips that are judged with profiles: (clips, classes).

    Args:
        classifiers: that judge.
        embedding: (clips, size).
        allowed: (clips, classes) emotions that may be.
        kind: 0, 1 (normal) or 2 (mixed).
        groups: of each profile, the rows that are judged with it and the rows it is made of.
    """
    logits = embedding.new_zeros(len(embedding), allowed.shape[1])
    prior = classifiers.normal if kind == 1 else classifiers.mixed
    for judged, sample in groups:
        count = torch.tensor(float(len(sample)), device=embedding.device)
        mean = embedding[sample].mean(dim=0) if len(sample) else prior.centre
        baseline = prior.baseline(mean, count).expand(len(judged), -1)
        logits[judged] = classifiers.logits(embedding[judged], kind, baseline)
    return masked_log_softmax(logits, allowed)
