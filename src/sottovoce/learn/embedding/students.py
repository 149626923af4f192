"""The students of an experiment: who learns from whom, and what they are taught."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from sottovoce.learn.embedding.classifiers import Labels
from sottovoce.learn.embedding.speech import Speech
from sottovoce.learn.embedding.teacher import Basis, Taught
from sottovoce.learn.splits.protocols import EMOBOX6

LEFT_OUT = ("savee", "tess", "nemo")
"""Corpora that are left out in turn, to see how a model does on a corpus that it never heard."""

FINAL = "final"
"""The fold that leaves nobody out."""


@dataclass(frozen=True, slots=True)
class FoldPlan:
    """Who is left out.

    Attributes:
        name: "ravdess1" to "ravdess6", "without-savee" ..., or `FINAL`.
        learns: (clips,) bool: what is learned from.
        tests: rows of the clips that are left out and have an emotion.
    """

    name: str
    learns: torch.Tensor
    tests: tuple[int, ...]


def plan_folds(speech: Speech) -> list[FoldPlan]:
    """Who is left out: RAVDESS's six published folds, then a corpus at a time, then nobody."""
    folds = []
    corpora = [clip.corpus for clip in speech.clips]
    speakers = [clip.speaker for clip in speech.clips]
    known = (speech.targets >= 0).tolist()
    for number, actors in enumerate(EMOBOX6, start=1):
        names = {f"ravdess/{actor:02}" for actor in actors}
        folds.append(_plan(f"ravdess{number}", [speaker in names for speaker in speakers], known))
    folds += [
        _plan(f"without-{corpus}", [name == corpus for name in corpora], known)
        for corpus in LEFT_OUT
        if corpus in corpora
    ]
    folds.append(_plan(FINAL, [False] * len(corpora), known))
    return [fold for fold in folds if fold.name == FINAL or fold.tests]


def _plan(name: str, out: Sequence[bool], known: Sequence[bool]) -> FoldPlan:
    rows = tuple(
        row for row, (left, has) in enumerate(zip(out, known, strict=True)) if left and has
    )
    return FoldPlan(name, ~torch.tensor(out), rows)


def labels_of(speech: Speech, labels: Sequence[str], targets: torch.Tensor) -> Labels:
    """What is known of all clips, for classifiers of these labels; targets -1 for none."""
    corpora = speech.corpora
    has = torch.zeros(len(speech.corpus_names), len(labels), dtype=torch.bool)
    has = has.to(speech.device)
    known = targets >= 0
    has[corpora[known], targets[known]] = True
    neutral = torch.tensor([clip.emotion == "neutral" for clip in speech.clips])
    return Labels(targets, corpora, speech.speakers, has[corpora], neutral.to(speech.device))


def targets_for(
    folds: Sequence[FoldPlan], taught: Taught, components: int, whitening: float
) -> torch.Tensor:
    """The teacher's pooled features in the basis of each fold: (folds, clips, components), half.

    Their mean square is 1 over the clips that the fold learns from.
    """
    found = []
    for fold in folds:
        learns = fold.learns.to(taught.pooled.device)
        basis = Basis.fit(taught.pooled[learns], components)
        projected = basis.project(taught.pooled, whitening)
        found.append((projected / projected[learns].square().mean().sqrt()).half())
    return torch.stack(found)


def frame_targets(
    taught: Taught, rows: Sequence[int], components: int, whitening: float
) -> torch.Tensor:
    """The teacher's frames in a basis of those of some clips alone: (frames, components), half.

    Nobody is tested on those clips: the basis is the same for every fold.
    """
    spans = [
        taught.frames[start : start + count]
        for start, count in zip(
            taught.frame_starts[list(rows)].tolist(),
            taught.frame_counts[list(rows)].tolist(),
            strict=True,
        )
    ]
    basis = Basis.fit(torch.cat(spans).float(), components)
    projected = basis.project(taught.frames.float(), whitening)
    return (projected / projected.square().mean().sqrt()).half()
