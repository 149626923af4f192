"""Audits a model: measures every requirement that some corpora allow."""

import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sottovoce.audio import Audio
from sottovoce.errors import AudioError
from sottovoce.learn.corpora import Clip, CorpusScan, is_known_speaker
from sottovoce.learn.data.clip_store import ClipStore
from sottovoce.learn.evaluate.audit.changes import CHANGES, SoundChange, noise_at
from sottovoce.learn.evaluate.audit.groups import level_range, pitch_groups, thirds
from sottovoce.learn.evaluate.audit.requirements import (
    CORRECTNESS,
    FAIRNESS,
    NOT_POSSIBLE,
    SPEAKER_AVERAGE,
    TITLES,
    Audit,
    Requirement,
    Threshold,
)
from sottovoce.learn.evaluate.audit.scores import by_speaker, confusions, emotions_of, scores_of
from sottovoce.learn.evaluate.evaluate_model import Progress, evaluate_model, predict_clips
from sottovoce.learn.evaluate.intervals import SpeakerDraws, percentile_interval
from sottovoce.learn.evaluate.metrics import LabelledPredictions
from sottovoce.models.model import Model

DRAWS = 2000
"""Of the speakers, for an interval."""

LEAST_CLIPS = 5
"""Of an emotion in each of the groups that are compared; emotions with fewer are left out."""

SPEAKER_CLIPS = 8
"""Of each emotion by a speaker whose share of emotions is looked at; so in ser-tests."""


@dataclass(frozen=True, eq=False, slots=True)
class AuditedClips:
    """Clips that got an answer, and the predictions for them, `NO_ANSWER` among the labels."""

    corpus: str
    clips: tuple[Clip, ...]
    predictions: LabelledPredictions
    trained_on: bool

    def not_possible(self, area: str, test: str, reason: str) -> Requirement:
        """Make a requirement that these clips do not allow to measure."""
        return Requirement(area, self.corpus, test, reason=reason, trained_on=self.trained_on)

    def judge(
        self,
        area: str,
        test: str,
        figures: NDArray[np.float64],
        threshold: Threshold | None,
        emotions: Sequence[str] = (),
        *,
        difference: bool = False,
        reason: str = "",
    ) -> Iterator[Requirement]:
        """Make a requirement of figures (1 + draws,); of (1 + draws, emotions), one an emotion."""
        columns = figures.reshape(len(figures), -1).T
        for emotion, column in zip(emotions if figures.ndim > 1 else ("",), columns, strict=True):
            interval = percentile_interval(column)
            yield Requirement(
                area,
                self.corpus,
                test,
                emotion=emotion,
                figure=interval,
                difference=difference,
                threshold=threshold,
                reason=reason if interval else "too few speakers or clips",
                trained_on=self.trained_on,
            )


def audit(
    model: Model,
    scans: Sequence[CorpusScan],
    noise: ClipStore | None = None,
    *,
    clips: int = 300,
    changes: Sequence[SoundChange] = CHANGES,
    report: Progress = lambda what, done, total: None,
) -> Audit:
    """Measure a model against every requirement that some corpora allow.

    Args:
        model: an opened model file.
        scans: one or more corpora.
        noise: recordings of background noise at the model's rate, if there are any.
        clips: how many to take of each corpus at most, see `subset`; 0 takes all.
        changes: of sound that it should be robust to.
        report: called as clips are decoded and predicted.

    Raises:
        CorpusError: a corpus has no clip with an emotion that the model knows, or none got an
            answer.
    """
    notes: list[str] = []
    requirements: list[Requirement] = []
    parts = []
    for scan in scans:
        part, store = _predicted(model, scan, clips, notes, report)
        parts.append(part)
        requirements += _correctness(part)
        requirements += _fairness_within(part, store)
        for change in changes:
            requirements += _robustness(model, part, store, change, noise, report)
    everything = _together(parts)
    languages = [clip.language for clip in everything.clips]
    requirements += _fairness(everything, "language", languages)
    requirements += [Requirement(area, "", test, reason=why) for area, test, why in NOT_POSSIBLE]
    order = ("correctness", "fairness", "robustness")
    requirements.sort(key=lambda requirement: order.index(requirement.area))
    return Audit(model.card.title, tuple(notes), tuple(requirements))


def subset(clips: Sequence[Clip], count: int) -> tuple[Clip, ...]:
    """Take clips evenly from every speaker and emotion, the same ones every time.

    One clip of each emotion of each speaker, then a second, and so on; which comes first, in an
    order that a checksum of the names gives. 0 takes all.
    """
    if not count:
        return tuple(clips)
    cells: dict[tuple[str, str], list[Clip]] = defaultdict(list)
    for clip in sorted(clips, key=lambda clip: (_checksum(clip.name), clip.name)):
        cells[clip.speaker, clip.emotion].append(clip)
    ranked = [(rank, clip) for cell in cells.values() for rank, clip in enumerate(cell)]
    ranked.sort(key=lambda item: (item[0], _checksum(item[1].name), item[1].name))
    return tuple(clip for _, clip in ranked[:count])


def _predicted(
    model: Model, scan: CorpusScan, count: int, notes: list[str], report: Progress
) -> tuple[AuditedClips, ClipStore]:
    """Predict a subset of a corpus; the clips that got an answer, and their sound, row by row."""
    clips = list(scan.clips)
    if "calm" not in model.labels and "neutral" in model.labels:
        calm = sum(clip.emotion == "calm" for clip in clips)
        clips = [replace(c, emotion="neutral") if c.emotion == "calm" else c for c in clips]
        if calm:
            notes.append(f"{scan.corpus}: calm counts as neutral; the model has no calm.")
    known = [clip for clip in clips if clip.emotion in model.labels]
    taken = subset(known, count)
    if len(taken) < len(known):
        notes.append(
            f"{scan.corpus}: {len(taken)} of {len(known)} clips, evenly from each speaker and "
            "emotion."
        )
    store = ClipStore.build(
        [clip.part for clip in taken],
        [clip.digest for clip in taken],
        model.card.sample_rate,
        progress=lambda done, total: report(f"{scan.corpus}: decoding", done, total),
    )
    row = {clip.name: number for number, clip in enumerate(taken)}
    unknown = [clip for clip in clips if clip.emotion not in model.labels]
    evaluation = evaluate_model(
        model,
        [replace(scan, clips=(*taken, *unknown))],
        lambda what, done, total: report(f"{scan.corpus}: {what}", done, total),
        sources=lambda clips: (store.audio(row[clip.name]) for clip in clips),
    )
    notes += [f"{scan.corpus}: {warning}" for warning in evaluation.warnings]
    kept = np.flatnonzero(evaluation.with_gate.predicted != len(model.labels))
    store = ClipStore(store.folder, tuple(store.digests[k] for k in kept), store.sample_rate)
    predictions = evaluation.with_gate.take(kept)
    trained_on = bool(evaluation.shared_speakers)
    return AuditedClips(scan.corpus, tuple(taken[k] for k in kept), predictions, trained_on), store


def _correctness(part: AuditedClips) -> Iterator[Requirement]:
    draws = SpeakerDraws.of(part.predictions, DRAWS)
    emotions = emotions_of(part.predictions)
    names = [part.predictions.labels[emotion] for emotion in emotions]
    confusion = draws.total(confusions(part.predictions, emotions))
    scores = scores_of(confusion)
    scores["share"] = scores["share"] - confusion.sum(-1) / confusion.sum((-2, -1))[..., None]
    for score, threshold in CORRECTNESS.items():
        title = TITLES[score] + (", less the true one" if score == "share" else "")
        yield from part.judge(
            "correctness", title, scores[score], threshold, names, difference=score == "share"
        )
    test = "speaker average: error of the share of the predictions"
    each = by_speaker(draws, confusions(part.predictions, emotions))
    enough = (each.sum(-1) >= SPEAKER_CLIPS).all(-1)
    if part.predictions.num_speakers < 2 or enough.sum() < 2:
        why = f"needs two speakers with {SPEAKER_CLIPS} clips of each emotion; take more clips"
        yield part.not_possible("correctness", test, why)
        return
    error = np.abs(scores_of(each)["share"] - each.sum(-1) / each.sum((-2, -1))[:, None])[enough]
    weights = draws.weights[:, enough]
    with np.errstate(invalid="ignore"):
        mean = weights @ error / weights.sum(1, keepdims=True)
    yield from part.judge("correctness", test, mean, SPEAKER_AVERAGE, names, difference=True)


def _fairness_within(part: AuditedClips, store: ClipStore) -> Iterator[Requirement]:
    sound = [store.audio(row) for row in range(len(store))]
    yield from _fairness(part, "sex", [clip.sex for clip in part.clips])
    yield from _fairness(part, "pitch", pitch_groups(sound, [c.speaker for c in part.clips]))
    lengths = [audio.duration for audio in sound]
    yield from _fairness(part, "length", thirds(lengths, ("short", "medium", "long")))
    ranges = [level_range(audio) for audio in sound]
    yield from _fairness(part, "background", thirds(ranges, ("noisy", "medium", "clean")))


def _fairness(part: AuditedClips, by: str, groups: ArrayLike) -> Iterator[Requirement]:
    """Compare groups of clips, each emotion of each group weighing the same.

    groups: (n,) names, "" for clips in no group. A score of a group is compared with that of the
    mean of the groups' confusion matrices, whose rows are fractions: so a group with more clips of
    an emotion is not taken for another behaviour of the model.
    """
    groups = np.asarray(groups)
    speakers = {
        str(name): set(filter(is_known_speaker, part.predictions.speakers[groups == name]))
        for name in np.unique(groups)
        if name
    }
    names = [name for name, own in speakers.items() if len(own) > 1]
    if len(names) < 2:
        found = ", ".join(f"{name} {len(own)}" for name, own in speakers.items()) or "not known"
        why = f"needs two groups of two speakers or more; found: {found}"
        yield part.not_possible("fairness", by, why)
        return
    truth = part.predictions.truth
    emotions = [
        emotion
        for emotion in emotions_of(part.predictions)
        if all(np.sum((groups == name) & (truth == emotion)) >= LEAST_CLIPS for name in names)
    ]
    if len(emotions) < 2:
        why = f"needs two emotions with {LEAST_CLIPS} clips in each group; take more clips"
        yield part.not_possible("fairness", by, why)
        return
    draws = SpeakerDraws.of(part.predictions, DRAWS)
    each = confusions(part.predictions, emotions)
    counts = np.stack([draws.total(each * (groups == n)[:, None, None]) for n in names])
    clips = counts.sum(-1, keepdims=True)
    there = (clips > 0).all(axis=0)  # a draw may lack an emotion in one group
    rates = np.divide(counts, clips, out=np.zeros_like(counts), where=there & (clips > 0))
    combined = scores_of(rates.mean(axis=0))
    labels = [part.predictions.labels[emotion] for emotion in emotions]
    for name, group in zip(names, rates, strict=True):
        scores = scores_of(group)
        for score, threshold in FAIRNESS[by].items():
            yield from part.judge(
                "fairness",
                f"{by}: {TITLES[score]}, {name} less all",
                scores[score] - combined[score],
                threshold,
                labels,
                difference=True,
            )


def _robustness(
    model: Model,
    part: AuditedClips,
    store: ClipStore,
    change: SoundChange,
    noise: ClipStore | None,
    report: Progress,
) -> Iterator[Requirement]:
    apply = change.apply
    if isinstance(apply, float):
        if not noise:
            why = "needs recordings of noise: --data noise=DIR"
            yield part.not_possible("robustness", change.name, why)
            return
        apply = noise_at(apply, noise)
    row = {clip.name: number for number, clip in enumerate(part.clips)}

    def changed(clip: Clip) -> Audio:
        rng = np.random.default_rng([_checksum(change.name), _checksum(clip.name)])
        return Audio(apply(store[row[clip.name]], store.sample_rate, rng), store.sample_rate)

    before = part.predictions
    try:
        after, refused = predict_clips(
            model,
            part.clips,
            lambda clips: map(changed, clips),
            lambda what, done, total: report(f"{part.corpus}: {change.name}", done, total),
        )
    except AudioError as error:
        yield part.not_possible("robustness", change.name, str(error))
        return
    draws = SpeakerDraws.of(before, DRAWS)
    same = draws.total((before.predicted == after.predicted).astype(float))
    reason = f"{refused.total()} of {len(part.clips)} without an answer" if refused else ""
    unchanged = same / draws.total(np.ones(len(part.clips)))
    test = f"{change.name}: unchanged predictions"
    threshold = change.threshold(change.unchanged)
    yield from part.judge("robustness", test, unchanged, threshold, reason=reason)
    if change.test and change.uar is None:
        return
    emotions = emotions_of(before)
    scores = [scores_of(draws.total(confusions(run, emotions))) for run in (before, after)]
    for score in ("uar", "uap"):
        test = f"{change.name}: change of {TITLES[score]}"
        figures = scores[1][score] - scores[0][score]
        threshold = change.threshold(change.uar)
        yield from part.judge(
            "robustness", test, figures, threshold, difference=True, reason=reason
        )


def _together(parts: Sequence[AuditedClips]) -> AuditedClips:
    """All clips as those of one corpus."""
    predictions = [part.predictions for part in parts]
    return AuditedClips(
        " and ".join(part.corpus for part in parts),
        tuple(clip for part in parts for clip in part.clips),
        LabelledPredictions(
            np.concatenate([one.truth for one in predictions]),
            np.concatenate([one.log_probabilities for one in predictions]),
            np.concatenate([one.speakers for one in predictions]),
            np.concatenate([one.clips for one in predictions]),
            predictions[0].labels,
        ),
        any(part.trained_on for part in parts),
    )


def _checksum(name: str) -> int:
    return zlib.crc32(name.encode("utf-8", "surrogateescape"))
