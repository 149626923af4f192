"""Audits a model: is it correct, fair and robust enough, by the requirements that the field has.

The tests and their thresholds are those of ser-tests for categories of emotion (Derington,
Wierstorf, Özkil, Eyben, Burkhardt and Schuller, "Testing Correctness, Fairness, and Robustness of
Speech Emotion Recognition Models", arXiv 2312.06270; github.com/audeering/ser-tests, in whose
folder test/emotion each test named here as `source` has its thresholds). What differs from them is
in docs/audit.md.
"""

import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sottovoce.audio import Audio
from sottovoce.errors import AudioError
from sottovoce.learn.corpora import Clip, CorpusScan, is_known_speaker
from sottovoce.learn.data.clip_store import ClipStore
from sottovoce.learn.evaluate.audit_changes import CHANGES, SoundChange
from sottovoce.learn.evaluate.audit_groups import level_range, pitch_groups, thirds
from sottovoce.learn.evaluate.evaluate_model import Progress, evaluate_model, predict_clips
from sottovoce.learn.evaluate.intervals import Interval, SpeakerDraws, percentile_interval
from sottovoce.learn.evaluate.metrics import LabelledPredictions
from sottovoce.models.model import Model

DRAWS = 2000
"""Of the speakers, for an interval."""

LEAST_CLIPS = 5
"""Of an emotion in each of the groups that are compared; emotions with fewer are left out."""

SPEAKER_CLIPS = 8
"""Of each emotion by a speaker whose share of emotions is looked at; so in ser-tests."""

TITLES = {
    "uar": "UAR",
    "uap": "UAP",
    "recall": "recall of each emotion",
    "precision": "precision of each emotion",
    "share": "share of each emotion among the predictions",
}


class Verdict(StrEnum):
    """What came of a requirement."""

    PASSED = "passed"
    FAILED = "failed"
    NO_THRESHOLD = "no threshold"
    NOT_POSSIBLE = "not possible"


@dataclass(frozen=True, slots=True)
class Threshold:
    """What a figure is compared with: it must be above `least`, or nearer to 0 than `most`."""

    source: str
    """The test of ser-tests that sets it."""
    least: float | None = None
    most: float | None = None
    borrowed: bool = False
    """Whether that test asks it of something else, the closest to this."""

    def margin(self, value: float) -> float:
        """How far a figure is on the right side; it passes above 0."""
        return value - self.least if self.least is not None else (self.most or 0.0) - abs(value)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement: the figure that was measured, and what it should be."""

    area: str
    """"correctness", "fairness" or "robustness"."""
    corpus: str
    test: str
    emotion: str = ""
    """Where each emotion has a figure of its own."""
    figure: Interval | None = None
    """A fraction, or a difference of fractions, with its 95 % interval over speakers."""
    difference: bool = False
    threshold: Threshold | None = None
    reason: str = ""
    """Why it is not possible; or a remark on the figure."""
    trained_on: bool = False
    """Whether the model was trained on some of these speakers: the figure is then optimistic."""

    @property
    def verdict(self) -> Verdict:
        """Passed or failed by the figure itself, not by its interval."""
        if self.figure is None:
            return Verdict.NOT_POSSIBLE
        if self.threshold is None:
            return Verdict.NO_THRESHOLD
        return Verdict.PASSED if self.threshold.margin(self.figure.value) > 0 else Verdict.FAILED


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found about a model, and what a reader of it must know."""

    model: str
    notes: tuple[str, ...]
    requirements: tuple[Requirement, ...]

    @property
    def counts(self) -> Counter[Verdict]:
        """Verdict -> number of requirements."""
        return Counter(requirement.verdict for requirement in self.requirements)


CORRECTNESS = {
    **dict.fromkeys(
        ("uar", "uap", "recall", "precision"), Threshold("Correctness Classification", least=0.5)
    ),
    "share": Threshold("Correctness Distribution", most=0.15),
}
SEX, PITCH = "Fairness Sex", "Fairness Pitch"
FAIRNESS: Mapping[str, Mapping[str, Threshold | None]] = {
    "sex": {
        "uar": Threshold(SEX, most=0.075),
        "uap": Threshold(SEX, most=0.05),
        "recall": Threshold(SEX, most=0.175),
        "precision": Threshold(SEX, most=0.075),
        "share": Threshold("Fairness Language", most=0.1, borrowed=True),
    },
    "pitch": {
        "uar": Threshold(PITCH, most=0.075),
        "uap": Threshold(PITCH, most=0.05),
        "recall": Threshold(PITCH, most=0.225),
        "precision": Threshold(PITCH, most=0.1),
    },
    "language": {"uar": None, "share": Threshold("Fairness Language", most=0.1)},
    "length": {"uar": None},
    "background": {"uar": None},
}
"""What groups are made by -> the scores whose differences are required to be small."""

SPEAKER_AVERAGE = Threshold("Correctness Speaker Average", most=0.1)

NOT_POSSIBLE = (
    ("correctness", "consistency", "asks for arousal, dominance and valence, not for emotions"),
    (
        "correctness",
        "speaker ranking",
        "acted corpora ask every speaker for the same emotions: there is no ranking to find",
    ),
    ("fairness", "accent", "no corpus that Sottovoce reads says with which accent is spoken"),
    (
        "fairness",
        "linguistic sentiment",
        "needs the same happy and sad texts spoken without emotion in several languages",
    ),
    (
        "robustness",
        "coughing, sneezing, babble and music",
        "need recordings of each; noise=DIR stands in for environmental noise alone",
    ),
    (
        "robustness",
        "recording condition",
        "needs the same speech recorded by several microphones at once; the made-up ones stand in",
    ),
)
"""(area, test of ser-tests, why it is not here)."""


@dataclass(frozen=True, eq=False, slots=True)
class AuditedClips:
    """Clips that got an answer, and the predictions for them, `NO_ANSWER` among the labels."""

    corpus: str
    clips: tuple[Clip, ...]
    predictions: LabelledPredictions
    trained_on: bool

    def requirement(self, area: str, test: str, **more: object) -> Requirement:
        """Make a requirement about these clips."""
        return Requirement(area, self.corpus, test, trained_on=self.trained_on, **more)  # type: ignore[arg-type]

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
            yield self.requirement(
                area,
                test,
                emotion=emotion,
                figure=interval,
                difference=difference,
                threshold=threshold,
                reason=reason if interval else "too few speakers or clips",
            )


def audit(
    model: Model,
    scans: Sequence[CorpusScan],
    noise: ClipStore | None = None,
    *,
    clips: int = 300,
    report: Progress = lambda what, done, total: None,
) -> Audit:
    """Measure a model against every requirement that some corpora allow.

    Args:
        model: an opened model file.
        scans: one or more corpora.
        noise: recordings of background noise at the model's rate, if there are any.
        clips: how many to take of each corpus at most, see `subset`; 0 takes all.
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
        for change in CHANGES:
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
        [clip.path for clip in taken],
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
        source=lambda clip: store.audio(row[clip.name]),
    )
    notes += [f"{scan.corpus}: {warning}" for warning in evaluation.warnings]
    kept = np.flatnonzero(evaluation.with_gate.predicted != len(model.labels))
    store = ClipStore(store.folder, tuple(store.digests[k] for k in kept), store.sample_rate)
    predictions = evaluation.with_gate.take(kept)
    trained_on = bool(evaluation.shared_speakers)
    return AuditedClips(scan.corpus, tuple(taken[k] for k in kept), predictions, trained_on), store


def _correctness(part: AuditedClips) -> Iterator[Requirement]:
    draws = SpeakerDraws.of(part.predictions, DRAWS)
    emotions = _emotions(part.predictions)
    names = [part.predictions.labels[emotion] for emotion in emotions]
    confusion = draws.total(_confusions(part.predictions, emotions))
    scores = _scores(confusion)
    scores["share"] = scores["share"] - confusion.sum(-1) / confusion.sum((-2, -1))[..., None]
    for score, threshold in CORRECTNESS.items():
        title = TITLES[score] + (", less the true share" if score == "share" else "")
        yield from part.judge(
            "correctness", title, scores[score], threshold, names, difference=score == "share"
        )
    test = "speaker average: error in the share of each emotion"
    each = _by_speaker(draws, _confusions(part.predictions, emotions))
    enough = (each.sum(-1) >= SPEAKER_CLIPS).all(-1)
    if part.predictions.num_speakers < 2 or enough.sum() < 2:
        why = f"needs two speakers with {SPEAKER_CLIPS} clips of each emotion, among those taken"
        yield part.requirement("correctness", test, reason=why)
        return
    error = np.abs(_scores(each)["share"] - each.sum(-1) / each.sum((-2, -1))[:, None])[enough]
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
        yield part.requirement("fairness", by, reason=why)
        return
    truth = part.predictions.truth
    emotions = [
        emotion
        for emotion in _emotions(part.predictions)
        if all(np.sum((groups == name) & (truth == emotion)) >= LEAST_CLIPS for name in names)
    ]
    if len(emotions) < 2:
        why = f"needs two emotions with {LEAST_CLIPS} clips in each group: {', '.join(names)}"
        yield part.requirement("fairness", by, reason=why)
        return
    draws = SpeakerDraws.of(part.predictions, DRAWS)
    each = _confusions(part.predictions, emotions)
    counts = np.stack([draws.total(each * (groups == n)[:, None, None]) for n in names])
    clips = counts.sum(-1, keepdims=True)
    there = (clips > 0).all(axis=0)  # a draw may lack an emotion in one group
    rates = np.divide(counts, clips, out=np.zeros_like(counts), where=there & (clips > 0))
    combined = _scores(rates.mean(axis=0))
    labels = [part.predictions.labels[emotion] for emotion in emotions]
    for name, group in zip(names, rates, strict=True):
        scores = _scores(group)
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
    if change.needs_noise and not noise:
        why = "needs recordings of noise: --data noise=DIR"
        yield part.requirement("robustness", change.name, reason=why)
        return
    row = {clip.name: number for number, clip in enumerate(part.clips)}
    recordings = [noise[k] for k in range(len(noise))] if noise and change.needs_noise else []

    def changed(clip: Clip) -> Audio:
        rng = np.random.default_rng([_checksum(change.name), _checksum(clip.name)])
        samples = change.apply(store[row[clip.name]], store.sample_rate, rng, recordings)
        return Audio(samples, store.sample_rate)

    before = part.predictions
    try:
        after, refused = predict_clips(
            model,
            part.clips,
            changed,
            lambda what, done, total: report(f"{part.corpus}: {change.name}", done, total),
        )
    except AudioError as error:
        yield part.requirement("robustness", change.name, reason=str(error))
        return
    draws = SpeakerDraws.of(before, DRAWS)
    same = draws.total((before.predicted == after.predicted).astype(float))
    reason = f"{refused.total()} of {len(part.clips)} got no answer" if refused else ""
    yield from part.judge(
        "robustness",
        f"{change.name}: unchanged predictions",
        same / draws.total(np.ones(len(part.clips))),
        None
        if change.unchanged is None
        else Threshold(change.test, least=change.unchanged, borrowed=change.borrowed),
        reason=reason,
    )
    emotions = _emotions(before)
    scores = [_scores(draws.total(_confusions(run, emotions))) for run in (before, after)]
    for score in ("uar", "uap"):
        threshold = None
        if change.uar is not None:
            threshold = Threshold(change.test, least=change.uar, borrowed=change.borrowed)
        elif score == "uap" or change.unchanged is not None:
            continue
        yield from part.judge(
            "robustness",
            f"{change.name}: change of {TITLES[score]}",
            scores[1][score] - scores[0][score],
            threshold,
            difference=True,
            reason=reason,
        )


def _emotions(predictions: LabelledPredictions) -> list[int]:
    """The emotions of some clips, as indices of the labels."""
    return [int(emotion) for emotion in np.unique(predictions.truth)]


def _confusions(predictions: LabelledPredictions, emotions: Sequence[int]) -> NDArray[np.float64]:
    """One-hot confusion of each clip: (n, emotions, labels); the emotions are the first labels."""
    labels = len(predictions.labels)
    order = [*emotions, *(label for label in range(labels) if label not in set(emotions))]
    column = np.argsort(order)[predictions.predicted]
    row = np.argsort(order)[predictions.truth]
    result = np.zeros((len(predictions.clips), len(emotions), labels))
    known = np.flatnonzero(row < len(emotions))
    result[known, row[known], column[known]] = 1
    return result


def _scores(confusion: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Score confusion matrices (..., emotions, labels), the emotions being the first labels.

    An emotion without clips has no recall or precision (NaN) and is left out of their means; one
    that is never predicted has precision 0, as in ser-tests.
    """
    emotions = confusion.shape[-2]
    hits = np.diagonal(confusion[..., :emotions], axis1=-2, axis2=-1)
    clips, predicted = confusion.sum(-1), confusion.sum(-2)[..., :emotions]
    there = clips > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = hits / clips
        precision = np.where(there, np.where(predicted > 0, hits / predicted, 0.0), np.nan)
        return {
            "uar": np.where(there, recall, 0).sum(-1) / there.sum(-1),
            "uap": np.where(there, precision, 0).sum(-1) / there.sum(-1),
            "recall": recall,
            "precision": precision,
            "share": predicted / clips.sum(-1)[..., None],
        }


def _by_speaker(draws: SpeakerDraws, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum a value of each clip over the clips of each speaker: (n, ...) -> (speakers, ...)."""
    speakers = draws.weights.shape[1]
    return SpeakerDraws(np.eye(speakers), draws.unit).total(values)


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
