"""A classifier for a person's own recordings and words, from a few labelled ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Source
from sottovoce.errors import SottovoceError
from sottovoce.inference.batch_predictor import embed_many, number_of_workers
from sottovoce.inference.predictor import Predictor
from sottovoce.inference.profile import Profile
from sottovoce.inference.uncertainty import least_confidence
from sottovoce.models.card import AdaptedInfo, Card, Figure
from sottovoce.models.model import Baselines, Model
from sottovoce.options import PredictOptions
from sottovoce.results import Prediction

LEAST = 5
"""Recordings that are needed in all."""

LEAST_EACH = 2
"""The same of every label."""

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Of the penalty on large weights, from which the best is chosen."""

REACH = 8.0
"""How much all dimensions of the embedding together weigh against one log probability. Measured on
corpora that were left out: with less, a model that hears little of a stranger's moods learns little
of them; with more, words of one's own are learned worse."""

STEPS = 300
"""Of accelerated gradient descent, for one fit."""

FOLDS, INNER_FOLDS = 10, 5
DRAWS = 2000
"""Of the bootstrap."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Adapted:
    """What came of adapting.

    Attributes:
        card: of the adapted model.
        uar: by cross-validation, with its 95 % interval from resampling recordings: value, low,
            high; 0 to 1.
        generic: UAR of the model as it was, on the same recordings; None where its words are
            others.
        profiled: the same with a mixed profile of the recordings.
        recordings: how many were used.
        left_out: why others were not, a line each.
    """

    card: Card
    uar: tuple[float, float, float]
    generic: float | None
    profiled: float | None
    recordings: int
    left_out: tuple[str, ...]

    @property
    def helped(self) -> bool:
        """Whether it is better than the model as it was; where words are others, than chance."""
        if self.generic is None or self.profiled is None:
            return self.uar[1] > 1 / len(self.card.labels)
        return self.uar[0] > max(self.generic, self.profiled)


def adapt(
    model: Model,
    recordings: Sequence[tuple[Source, str]],
    *,
    name: str = "adapted",
    workers: int | None = None,
) -> Adapted:
    """Fit a regularised multinomial logistic regression to some labelled recordings.

    It stands on the model's embedding, less the mixed profile of the recordings. Where all labels
    are emotions of the model, it corrects the model's own answer with that profile rather than
    starting from nothing.

    Args:
        model: one that takes profiles.
        recordings: each with its label, in one's own words; about 5 to 50.
        name: of the new model.
        workers: as for `Model.predict_many`.

    Raises:
        SottovoceError: the model takes no profiles, or there are too few recordings with speech, of
            a label or in all.
    """
    model.profile_info()  # refuses a model that takes no profiles
    predictor = Predictor(model.card, PredictOptions())
    heard = embed_many(
        predictor, model.embed, (source for source, _ in recordings), number_of_workers(workers)
    )
    kept, given, sources, left_out = [], [], [], []
    for found, (source, label) in zip(heard, recordings, strict=True):
        if isinstance(found, Prediction):
            left_out.append(f"{found.source or 'a recording'}: {found.message}")
        else:
            kept.append(found.embedding)
            given.append(label)
            sources.append(source)
    labels = tuple(sorted(set(given), key=_order(model.labels)))
    _check(given, labels)
    embedding = np.stack(kept).astype(np.float64)
    truth = np.array([labels.index(label) for label in given])
    baseline = _mixed(model, embedding).astype(np.float64)
    plain, logs = _graph_logs(model, predictor, sources, baseline)
    inputs = features_of(embedding - baseline, logs)
    select, generic, profiled = np.zeros((len(labels), len(model.labels))), None, None
    if all(label in model.labels for label in labels):
        columns = [model.labels.index(label) for label in labels]
        select[np.arange(len(labels)), columns] = 1
        generic = uar_of(truth, plain[:, columns].argmax(axis=1))
        profiled = uar_of(truth, logs[:, columns].argmax(axis=1))
    offset = logs @ select.T
    judged = _cross_validated(inputs, offset, truth, len(labels))
    value = uar_of(truth, judged.argmax(axis=1))
    low, high = _interval(truth, judged.argmax(axis=1))
    weights, intercept = fitted(inputs, offset, truth, len(labels), FOLDS)
    temperature = _temperature(judged, truth)
    sure, right = _softmax(judged / temperature), judged.argmax(axis=1) == truth
    size = embedding.shape[1]
    own = AdaptedInfo(
        baseline=_numbers(baseline),
        weights=tuple(_numbers(row * REACH / np.sqrt(size)) for row in weights[:size].T),
        mix=tuple(_numbers(row) for row in select + weights[size:].T),
        intercept=_numbers(intercept),
        temperature=temperature,
        graph_labels=model.labels,
        recordings=len(truth),
    )
    figure = Figure(
        metric="uar",
        value=value,
        low=min(low, value),
        high=max(high, value),
        note=f"cross-validated on its owner's {len(truth)} recordings",
    )
    card = model.card.model_copy(
        update={
            "name": name,
            "description": f"{model.card.title}, adapted to {len(truth)} recordings.",
            "labels": labels,
            "adapted": own,
            "figures": (figure, *model.card.figures),
            "min_confidence": least_confidence(sure.max(axis=1), right, len(labels)),
        }
    )
    card = Card.model_validate(card.model_dump())
    return Adapted(card, (value, low, high), generic, profiled, len(truth), tuple(left_out))


def features_of(centred: Array, logs: Array) -> Array:
    """What the classifier is fitted to: (recordings, dimensions + the model's classes).

    The embedding less its baseline, weighed by `REACH`, and the log probabilities: what the model
    hears of moods.
    """
    return np.concatenate([centred * REACH / np.sqrt(centred.shape[1]), logs], axis=1)


def uar_of(truth: NDArray[np.int64], heard: NDArray[np.int64]) -> float:
    """Unweighted average recall, 0 to 1."""
    return float(np.mean([(heard[truth == one] == one).mean() for one in np.unique(truth)]))


def _order(labels: Sequence[str]) -> Callable[[str], tuple[int, str]]:
    """Sorts the model's own labels in its order, others after them."""
    return lambda label: (labels.index(label) if label in labels else len(labels), label)


def _check(given: Sequence[str], labels: Sequence[str]) -> None:
    if len(labels) < 2:
        raise SottovoceError(
            f"{len(labels)} label{'' if len(labels) == 1 else 's'} among {len(given)} recordings "
            "with speech; two or more are needed"
        )
    for label in labels:
        if given.count(label) < LEAST_EACH:
            raise SottovoceError(
                f"{label}: one recording with speech; {LEAST_EACH} or more of each label are needed"
            )
    if len(given) < LEAST:
        raise SottovoceError(f"{len(given)} recordings with speech; {LEAST} or more are needed")


def _mixed(model: Model, embedding: Array) -> NDArray[np.float32]:
    """The baseline of the mixed profile of recordings with these embeddings."""
    profile = Profile.of(
        embedding.astype(np.float32), 0.0, kind="mixed", model=model.card.title, digest=model.digest
    )
    return profile.baseline(model.profile_info())


def _graph_logs(
    model: Model, predictor: Predictor, sources: Sequence[Source], baseline: Array
) -> tuple[Array, Array]:
    """Log probabilities of each recording, less their mean: plain, and with this baseline."""
    found = []
    for baselines in (None, Baselines(baseline[None].astype(np.float32), np.array([2]))):

        def network(batch: NDArray[np.float32], own: Baselines | None = baselines) -> Array:
            return model.probabilities(batch, own).astype(np.float64)

        rows = [
            each.embedding
            for each in embed_many(predictor, network, sources, 1)  # type: ignore[arg-type]
            if not isinstance(each, Prediction)
        ]
        logs = np.log(np.maximum(np.stack(rows).astype(np.float64), 1e-9))
        found.append(logs - logs.mean(axis=1, keepdims=True))
    return found[0], found[1]


def _fit(
    inputs: Array, offset: Array, truth: NDArray[np.int64], classes: int, strength: float
) -> tuple[Array, Array]:
    """Weights (dimensions, classes) and intercept (classes,).

    They minimise the mean negative log likelihood, each class counting alike, plus strength / 2
    times the sum of the squared weights and intercepts, by Nesterov's accelerated gradient.
    """
    count, size = inputs.shape
    each = np.bincount(truth, minlength=classes)[truth]
    share = 1 / (each * (np.bincount(truth, minlength=classes) > 0).sum())
    wanted = np.eye(classes)[truth]
    full = np.concatenate([inputs, np.ones((count, 1))], axis=1)
    curvature = 0.5 * np.linalg.norm(full * np.sqrt(share)[:, None], 2) ** 2 + strength
    weights = ahead = np.zeros((size + 1, classes))
    momentum = 1.0
    for _ in range(STEPS):
        error = (_softmax(full @ ahead + offset) - wanted) * share[:, None]
        new = ahead - (full.T @ error + strength * ahead) / curvature
        next_momentum = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = new + (momentum - 1) / next_momentum * (new - weights)
        weights, momentum = new, next_momentum
    return weights[:-1], weights[-1]


def fitted(
    inputs: Array, offset: Array, truth: NDArray[np.int64], classes: int, folds: int
) -> tuple[Array, Array]:
    """The fit with the strength that does best in cross-validation on these recordings."""
    losses = []
    for strength in STRENGTHS:
        logits = np.zeros(offset.shape)
        for inside, outside in _folds(truth, folds):
            weights, intercept = _fit(
                inputs[inside], offset[inside], truth[inside], classes, strength
            )
            logits[outside] = inputs[outside] @ weights + intercept + offset[outside]
        chances = _softmax(logits)[np.arange(len(truth)), truth]
        losses.append(-np.log(np.maximum(chances, 1e-12)).mean())
    best = STRENGTHS[int(np.argmin(losses))]
    return _fit(inputs, offset, truth, classes, best)


def _cross_validated(inputs: Array, offset: Array, truth: NDArray[np.int64], classes: int) -> Array:
    """Logits of each recording by a fit that never saw it, its strength chosen without it too."""
    logits = np.zeros(offset.shape)
    for inside, outside in _folds(truth, FOLDS):
        weights, intercept = fitted(
            inputs[inside], offset[inside], truth[inside], classes, INNER_FOLDS
        )
        logits[outside] = inputs[outside] @ weights + intercept + offset[outside]
    return logits


def _folds(
    truth: NDArray[np.int64], count: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(inside, outside) of each fold, labels spread evenly; at most one fold a recording."""
    order = np.argsort(truth, kind="stable")
    number = np.empty(len(truth), np.int64)
    number[order] = np.arange(len(truth)) % min(count, len(truth))
    return [
        (np.flatnonzero(number != fold), np.flatnonzero(number == fold))
        for fold in range(number.max() + 1)
    ]


def _softmax(logits: Array) -> Array:
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(chances / chances.sum(axis=1, keepdims=True))


def _temperature(logits: Array, truth: NDArray[np.int64]) -> float:
    """The temperature, 1 to 5, at which cross-validated answers are as sure as they are right.

    Never below 1: a few recordings that are all right do not prove that others will be.
    """
    tried = np.geomspace(1, 5, 33)
    losses = [
        -np.log(np.maximum(_softmax(logits / t)[np.arange(len(truth)), truth], 1e-12)).mean()
        for t in tried
    ]
    return float(tried[int(np.argmin(losses))])


def _interval(truth: NDArray[np.int64], heard: NDArray[np.int64]) -> tuple[float, float]:
    """95 % of the UAR over resampled recordings."""
    generator = np.random.default_rng(0)
    drawn = []
    for _ in range(DRAWS):
        rows = generator.integers(len(truth), size=len(truth))
        drawn.append(uar_of(truth[rows], heard[rows]))
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(low), float(high)


def _numbers(values: Array) -> tuple[float, ...]:
    return tuple(float(f"{value:.6g}") for value in values)
