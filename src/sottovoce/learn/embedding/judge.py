"""Judges the clips that a fold left out: without a profile, and with all kinds and sizes."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sottovoce.inference.adapt import features_of, fitted, uar_of
from sottovoce.learn.embedding.classifiers import Classifiers, Labels, groups_of, profile_logits
from sottovoce.learn.reading import reading
from sottovoce.system import write_atomically

DRAWS = 3
"""Random samples of each size that a figure is the mean of."""

MIXED_SIZES = (1, 2, 4, 8, 16, 32)
NORMAL_SIZES = (1, 2, 4)
PLACE_SIZES = (8, 32)

ALL = 1_000_000
"""The size of a sample that holds everything there is."""


@dataclass(frozen=True, slots=True)
class FoldJudgement:
    """What a fold's model said of the clips that it never heard, before any temperature.

    Attributes:
        clips: (n,) their names.
        truth: (n,) index of the emotion.
        speakers: (n,) who speaks.
        sexes: (n,) "male", "female" or "".
        distance: (n,) how unlike the training clips they are; see `Confidence`.
        logits: name of a way to judge -> (draws, n, classes) log probabilities: "none"; "mixed-16",
            with 16 random clips of the speaker; "normal-2", with 2 neutral ones; "place-32", with
            32 random clips of the whole corpus; or, without a profile, in one of
            `conditions.CONDITIONS`.
        adapted: (speakers, 3) what `adapted_recalls` gives; of none where that was not worked out.
    """

    clips: NDArray[np.str_]
    truth: NDArray[np.int64]
    speakers: NDArray[np.str_]
    sexes: NDArray[np.str_]
    distance: NDArray[np.float32]
    logits: Mapping[str, NDArray[np.float32]]
    adapted: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 3), np.float32))

    def write(self, path: Path) -> None:
        """Write an .npz file, logits in half precision."""
        content = io.BytesIO()
        facts = {name: getattr(self, name) for name in self.__slots__ if name != "logits"}
        ways = {f"logits/{way}": values.astype(np.float16) for way, values in self.logits.items()}
        np.savez_compressed(content, **facts, **ways)  # type: ignore[arg-type]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content.getvalue())

    @classmethod
    def read(cls, path: Path) -> "FoldJudgement":
        """Read what `write` wrote."""
        remedy = "delete it, and it is judged again"
        with reading(path, remedy), path.open("rb") as content, np.load(content) as file:
            ways = [name for name in file.files if name.startswith("logits/")]
            logits = {name.removeprefix("logits/"): file[name].astype(np.float32) for name in ways}
            facts = {name: file[name] for name in cls.__slots__ if name in file.files}
            return cls(**facts, logits=logits)


def judge(
    classifiers: Classifiers, embedding: torch.Tensor, labels: Labels, seed: int = 0
) -> dict[str, NDArray[np.float32]]:
    """Log probabilities of clips in every way: see `FoldJudgement.logits`.

    Args:
        classifiers: that never heard these speakers.
        embedding: (clips, size).
        labels: of the clips.
        seed: of the random samples.
    """
    everything = torch.arange(len(embedding))
    speakers = groups_of(labels.speakers, torch.ones_like(labels.neutral))
    neutral = groups_of(labels.speakers, labels.neutral)
    generator = torch.Generator().manual_seed(seed)

    def sample(pool: torch.Tensor, size: int) -> torch.Tensor:
        return pool[torch.randperm(len(pool), generator=generator)[:size]]

    def said(kind: int, groups: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        return profile_logits(classifiers, embedding, labels.allowed, kind, groups)

    found = {"none": torch.stack([said(0, [(everything, everything)])])}
    for size in (*MIXED_SIZES, ALL):
        draws = 1 if size == ALL else DRAWS
        own = [[(rows, sample(rows, size)) for rows in speakers.values()] for _ in range(draws)]
        found[f"mixed-{'all' if size == ALL else size}"] = torch.stack([said(2, g) for g in own])
    for size in NORMAL_SIZES:
        nobody = everything[:0]
        plain = [
            [
                (rows, sample(neutral.get(speaker, nobody), size))
                for speaker, rows in speakers.items()
            ]
            for _ in range(DRAWS)
        ]
        found[f"normal-{size}"] = torch.stack([said(1, g) for g in plain])
    for size in (*PLACE_SIZES, ALL):
        draws = 1 if size == ALL else DRAWS
        place = [[(everything, sample(everything, size))] for _ in range(draws)]
        found[f"place-{'all' if size == ALL else size}"] = torch.stack([said(2, g) for g in place])
    return {way: values.numpy() for way, values in found.items()}


def adapted_recalls(
    classifiers: Classifiers,
    embedding: torch.Tensor,
    labels: Labels,
    *,
    count: int = 20,
    draws: int = DRAWS,
    seed: int = 0,
) -> NDArray[np.float32]:
    """What `sottovoce adapt` gains from so many labelled clips of each speaker, on their others.

    Args:
        classifiers: that never heard these speakers.
        embedding: (clips, size).
        labels: of the clips.
        count: labelled clips, drawn so that emotions are as even as can be.
        draws: of them, whose mean is given.
        seed: of the draws.

    Returns:
        (speakers, 3) UAR, 0 to 1: without a profile, with the profile of those clips, adapted. A
        speaker with no more clips than `count` is left out.
    """
    found: list[list[list[float]]] = []
    generator = np.random.default_rng(seed)
    for rows in groups_of(labels.speakers, torch.ones_like(labels.neutral)).values():
        if len(rows) <= count:
            continue
        found.append([])
        for _ in range(draws):
            truth = labels.targets[rows].numpy()
            order = np.lexsort((generator.random(len(rows)), truth))
            place = np.empty(len(rows), np.int64)
            starts = np.searchsorted(truth[order], truth[order])
            place[order] = np.arange(len(rows)) - starts
            given = np.lexsort((generator.random(len(rows)), place))[:count]
            others = np.setdiff1d(np.arange(len(rows)), given)
            sample = rows[torch.from_numpy(given)]
            both = [(rows, sample)]
            plain = profile_logits(classifiers, embedding, labels.allowed, 0, both)[rows].numpy()
            mixed = profile_logits(classifiers, embedding, labels.allowed, 2, both)[rows].numpy()
            mean, many = embedding[sample].mean(dim=0), torch.tensor(float(count))
            centred = (embedding[rows] - classifiers.mixed.baseline(mean, many)).double().numpy()
            offset = np.maximum(mixed.astype(np.float64), -20)
            offset -= offset.mean(axis=1, keepdims=True)
            inputs = features_of(centred, offset)
            weights, intercept = fitted(
                inputs[given], offset[given], truth[given], offset.shape[1], 5
            )
            adapted = inputs @ weights + intercept + offset
            found[-1].append(
                [
                    uar_of(truth[others], logits[others].argmax(axis=1))
                    for logits in (plain, mixed, adapted)
                ]
            )
    recalls: NDArray[np.float32] = np.array(found, np.float32).reshape(len(found), draws, 3)
    return np.asarray(recalls.mean(axis=1))
