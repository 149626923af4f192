"""The figures of models that take profiles, from what each fold said of those it never heard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from sottovoce.inference.adapt import uar_of
from sottovoce.inference.profile import spread_of
from sottovoce.learn.embedding.calibrate import Judged, Temperature, fit_temperature
from sottovoce.learn.embedding.conditions import CONDITIONS
from sottovoce.learn.embedding.judge import FoldJudgement
from sottovoce.learn.embedding.students import LEFT_OUT
from sottovoce.learn.evaluate.intervals import Interval, intervals
from sottovoce.learn.evaluate.metrics import LabelledPredictions
from sottovoce.models.card import Figure

KINDS = ("none", "normal-2", "mixed-16")
"""How the clips are judged on which the temperature of each classifier is fitted."""

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, slots=True)
class Runs:
    """The judgements of a model's folds.

    Attributes:
        strangers: seed -> the folds of RAVDESS, one after another.
        left_out: corpus -> seed -> the judgement of the fold that left it out.
        labels: of the classes.
    """

    strangers: Mapping[int, FoldJudgement]
    left_out: Mapping[str, Mapping[int, FoldJudgement]]
    labels: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path, labels: Sequence[str]) -> "Runs":
        """Read `<fold>-<seed>-e<classes>.npz` files."""
        end = f"e{len(labels)}.npz"
        seeds = sorted({int(path.name.split("-")[-2]) for path in folder.glob(f"ravdess1-*-{end}")})
        strangers = {
            seed: joined(
                [FoldJudgement.read(folder / f"ravdess{fold}-{seed}-{end}") for fold in range(1, 7)]
            )
            for seed in seeds
        }
        left_out = {
            corpus: {
                seed: FoldJudgement.read(folder / f"without-{corpus}-{seed}-{end}")
                for seed in seeds
                if (folder / f"without-{corpus}-{seed}-{end}").exists()
            }
            for corpus in LEFT_OUT
        }
        return cls(strangers, {c: runs for c, runs in left_out.items() if runs}, tuple(labels))


def joined(folds: Sequence[FoldJudgement]) -> FoldJudgement:
    """Several folds as one."""
    facts = {
        name: np.concatenate([getattr(fold, name) for fold in folds])
        for name in FoldJudgement.__slots__
        if name != "logits"
    }
    ways = folds[0].logits
    logits = {way: np.concatenate([f.logits[way] for f in folds], axis=1) for way in ways}
    return FoldJudgement(**facts, logits=logits)


def predictions(
    judgements: Sequence[FoldJudgement],
    way: str,
    labels: Sequence[str],
    temperatures: Sequence[NDArray[np.float64]] | None = None,
) -> list[LabelledPredictions]:
    """One way to judge as predictions, a run for each seed and draw.

    Args:
        judgements: one a seed.
        way: as in `FoldJudgement.logits`.
        labels: of the classes.
        temperatures: of each judgement, (clips,); 1 if None.
    """
    runs = []
    for number, judgement in enumerate(judgements):
        for draw in judgement.logits[way]:
            logits = np.asarray(draw, dtype=np.float64)
            if temperatures is not None:
                logits = logits / temperatures[number][:, None]
            runs.append(
                LabelledPredictions(
                    judgement.truth,
                    log_softmax(np.maximum(logits, -1e4), axis=1),
                    judgement.speakers,
                    judgement.clips,
                    tuple(labels),
                )
            )
    return runs


def figure(
    judgements: Sequence[FoldJudgement],
    way: str,
    labels: Sequence[str],
    temperatures: Sequence[NDArray[np.float64]] | None = None,
) -> dict[str, Interval]:
    """Metrics of one way to judge: means over seeds and draws, with intervals over speakers.

    The arguments are those of `predictions`.
    """
    return intervals(predictions(judgements, way, labels, temperatures), draws=2000)


def by_speaker(judgements: Sequence[FoldJudgement], way: str) -> dict[str, float]:
    """Speaker -> UAR, the mean over seeds and draws."""
    found: dict[str, list[float]] = {}
    for judgement in judgements:
        for speaker in np.unique(judgement.speakers):
            rows = judgement.speakers == speaker
            for draw in judgement.logits[way]:
                found.setdefault(str(speaker), []).append(
                    uar_of(judgement.truth[rows], draw[rows].argmax(axis=1))
                )
    return {speaker: float(np.mean(values)) for speaker, values in found.items()}


def sex_gap(judgements: Sequence[FoldJudgement], way: str) -> float:
    """UAR of women less that of men, the mean over seeds and draws; NaN where one is not there."""
    gaps = []
    for judgement in judgements:
        for draw in judgement.logits[way]:
            heard = draw.argmax(axis=1)
            women, men = (judgement.sexes == sex for sex in ("female", "male"))
            if women.any() and men.any():
                gaps.append(
                    uar_of(judgement.truth[women], heard[women])
                    - uar_of(judgement.truth[men], heard[men])
                )
    return float(np.mean(gaps)) if gaps else float("nan")


def judged(judgement: FoldJudgement, way: str, rows: NDArray[np.bool_] | None = None) -> Judged:
    """One draw of a judgement, as a calibration is fitted to it."""
    chosen = np.ones(len(judgement.truth), bool) if rows is None else rows
    return Judged(
        np.asarray(judgement.logits[way][0][chosen], np.float64),
        np.asarray(judgement.distance[chosen], np.float64),
        judgement.truth[chosen],
    )


def calibration_groups(runs: Runs, way: str) -> dict[str, list[Judged]]:
    """Group -> clips of each seed: RAVDESS's strangers, and each corpus that was left out."""
    everyone = {"strangers": runs.strangers, **runs.left_out}
    return {name: [judged(one, way) for one in seeds.values()] for name, seeds in everyone.items()}


def fit_final(runs: Runs) -> tuple[Temperature, ...]:
    """The temperatures of the final model's classifiers: of all groups."""
    groups = [calibration_groups(runs, way).values() for way in KINDS]
    return tuple(fit_temperature([one for seeds in each for one in seeds]) for each in groups)


def honest_temperatures(runs: Runs, way: str) -> dict[str, list[NDArray[np.float64]]]:
    """Temperatures for each clip that were fitted on other people: group -> seed -> (clips,).

    Those of a corpus that was left out come from the other corpora; those of RAVDESS's strangers
    from the other half of them and the corpora.
    """
    groups = calibration_groups(runs, way)
    found: dict[str, list[NDArray[np.float64]]] = {}
    for name in runs.left_out:
        others = [seed for other, seeds in groups.items() if other != name for seed in seeds]
        temperature = fit_temperature(others)
        found[name] = [temperature.of(one.distance) for one in groups[name]]
    corpora = [seed for other, seeds in groups.items() if other != "strangers" for seed in seeds]
    found["strangers"] = []
    for one, own in zip(runs.strangers.values(), groups["strangers"], strict=True):
        half = np.isin(one.speakers, np.unique(one.speakers)[::2])
        temperatures = np.zeros(len(one.truth))
        for side in (half, ~half):
            fitted = fit_temperature([*corpora, judged(one, way, ~side)])
            temperatures[side] = fitted.of(own.distance[side])
        found["strangers"].append(temperatures)
    return found


def right_at(
    judgements: Sequence[FoldJudgement],
    way: str,
    temperatures: Sequence[NDArray[np.float64]],
) -> dict[float, tuple[float, float]]:
    """Confidence -> fraction of clips judged at least so surely, and of these that are right."""
    confidences, right = [], []
    for judgement, temperature in zip(judgements, temperatures, strict=True):
        for draw in judgement.logits[way]:
            chances = np.exp(log_softmax(draw / temperature[:, None], axis=1))
            confidences.append(chances.max(axis=1))
            right.append(chances.argmax(axis=1) == judgement.truth)
    confidence, hit = np.concatenate(confidences), np.concatenate(right)
    return {
        least: (float((confidence >= least).mean()), float(hit[confidence >= least].mean()))
        for least in THRESHOLDS
        if (confidence >= least).any()
    }


def expected_error(
    judgements: Sequence[FoldJudgement],
    way: str,
    labels: Sequence[str],
    temperatures: Sequence[NDArray[np.float64]],
) -> Interval:
    """The expected calibration error in 15 bins."""
    return figure(judgements, way, labels, temperatures)["ece"]


LONG = 3.0
"""s of a recording that count as long."""


def restricted(judgement: FoldJudgement, rows: NDArray[np.bool_]) -> FoldJudgement:
    """A judgement of some of its clips alone."""
    facts = {
        name: getattr(judgement, name)[rows]
        for name in ("clips", "truth", "speakers", "sexes", "distance")
    }
    logits = {way: values[:, rows] for way, values in judgement.logits.items()}
    return FoldJudgement(**facts, logits=logits)


def card_figures(runs: Runs, durations: Mapping[str, float]) -> tuple[Figure, ...]:
    """What a card says of strangers: means over seeds and draws, with intervals over speakers.

    Args:
        runs: the judgements, by the labels of the model.
        durations: name of a clip -> s.
    """
    figures: list[Figure] = []
    labels = runs.labels
    honest = honest_temperatures(runs, "none")

    def add(metric: str, found: Interval, note: str) -> None:
        value, low, high = (round(number, 4) for number in (found.value, found.low, found.high))
        figures.append(Figure(metric=metric, value=value, low=low, high=high, note=note))

    strangers = list(runs.strangers.values())
    here = "RAVDESS, speakers apart"
    for metric in ("uar", "accuracy"):
        add(metric, figure(strangers, "none", labels)[metric], f"{here}, no profile")
    for way, words in (
        ("normal-2", "two neutral clips of the speaker"),
        ("mixed-16", "16 unlabelled clips of the speaker"),
        *((way, words) for way, (words, _) in CONDITIONS.items() if way in strangers[0].logits),
    ):
        add("uar", figure(strangers, way, labels)["uar"], f"{here}, {words}")
    for sex, words in (("female", "women"), ("male", "men")):
        own = [restricted(one, one.sexes == sex) for one in strangers]
        add("uar", figure(own, "none", labels)["uar"], f"{here}, {words}, no profile")
    ece = expected_error(strangers, "none", labels, honest["strangers"])
    add("ece", ece, f"{here}, no profile")
    for corpus, seeds in runs.left_out.items():
        judgements, where = list(seeds.values()), f"{corpus} left out of training"
        add("uar", figure(judgements, "none", labels)["uar"], f"{where}, no profile")
        add("uar", figure(judgements, "place-32", labels)["uar"], f"{where}, 32 clips of it")
        for words, long in ((f"under {LONG:g} s", False), (f"{LONG:g} s or more", True)):
            rows = [(np.array([durations[c] for c in j.clips]) >= LONG) == long for j in judgements]
            if all(
                len(np.unique(j.speakers[r])) > 1 for j, r in zip(judgements, rows, strict=True)
            ):
                own = [restricted(j, r) for j, r in zip(judgements, rows, strict=True)]
                add("uar", figure(own, "none", labels)["uar"], f"{where}, {words}, no profile")
        ece = expected_error(judgements, "none", labels, honest[corpus])
        add("ece", ece, f"{where}, no profile")
    return tuple(figures)


SPREAD_SAMPLES = {"normal": 3, "mixed": 12}
"""Recordings in the samples whose spread is taken for usual."""

SPREAD_RANGE = (5, 95)
"""Percentiles of it, between which a sample is usual."""


def usual_spreads(runs: Runs) -> dict[str, tuple[float, float]]:
    """The usual range of the spread of samples of RAVDESS's strangers, by the final temperatures.

    "normal": of their neutral (and calm) clips; "mixed": of any.
    """
    temperature = fit_final(runs)[0]
    generator = np.random.default_rng(0)
    neutral = runs.labels.index("neutral")
    found: dict[str, list[float]] = {name: [] for name in SPREAD_SAMPLES}
    for one in runs.strangers.values():
        scale = temperature.of(np.asarray(one.distance, np.float64))
        chances = np.exp(log_softmax(one.logits["none"][0] / scale[:, None], axis=1))
        for speaker in np.unique(one.speakers):
            rows = np.flatnonzero(one.speakers == speaker)
            pools = {"normal": rows[one.truth[rows] == neutral], "mixed": rows}
            for name, size in SPREAD_SAMPLES.items():
                for _ in range(20):
                    sample = generator.choice(pools[name], size, replace=False)
                    found[name].append(spread_of(chances[sample]))
    ranges = {name: np.percentile(values, SPREAD_RANGE) for name, values in found.items()}
    return {
        name: (round(float(low), 3), round(float(high), 3)) for name, (low, high) in ranges.items()
    }
