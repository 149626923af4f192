"""Evaluates a model file on labelled corpora: its predictions, and the clips without an answer."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sottovoce.audio import Source
from sottovoce.audio.parts import sounds
from sottovoce.errors import CorpusError
from sottovoce.learn.corpora import Clip, CorpusScan, is_known_speaker
from sottovoce.learn.evaluate.metrics import LabelledPredictions
from sottovoce.models.card import speaker_hash
from sottovoce.models.model import Model

NO_ANSWER = "no answer"
"""The name of the extra class that clips turned away by the gate are counted under."""


@dataclass(frozen=True, slots=True)
class ModelEvaluation:
    """A model's predictions for the clips of some corpora.

    Attributes:
        model: its name and version.
        corpora: names of the corpora.
        answered: the clips that the model gave probabilities for, `uncertain` ones among them.
        refused: status -> number of clips without probabilities, e.g. {"no_speech": 2}.
        with_gate: all clips; those refused hold the class `NO_ANSWER`, so they count as errors.
        unknown: emotion -> number of clips left out, because the model has no such label.
        shared_speakers: how many of the clips' speakers the model was trained on, by its card.
        left_out: which clips could not be used and why, a line for each reason.
    """

    model: str
    corpora: tuple[str, ...]
    answered: LabelledPredictions
    refused: Mapping[str, int]
    with_gate: LabelledPredictions
    unknown: Mapping[str, int]
    shared_speakers: int
    left_out: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the figures must know, each one sentence."""
        warnings = []
        if self.shared_speakers:
            speakers = sum(map(is_known_speaker, set(self.with_gate.speakers)))
            shared = "all" if self.shared_speakers == speakers else self.shared_speakers
            warnings.append(
                f"This model was trained on {shared} of the {speakers} speakers of these clips: "
                "the figures do not say how new speakers fare."
            )
        if self.refused:
            count = sum(self.refused.values())
            warnings.append(
                f"{count} of {len(self.with_gate.clips)} clips got no answer "
                f"({_counts(self.refused)}): left out of the figures, but counted as errors "
                f'"with the gate".'
            )
        if self.unknown:
            warnings.append(
                f"{sum(self.unknown.values())} clips were left out, because the model does not "
                f"know their emotion ({_counts(self.unknown)})."
            )
        warnings += [f"Left out: {line}." for line in self.left_out]
        return tuple(warnings)


Progress = Callable[[str, float, float | None], None]
"""Called with what is being done, how many clips are done, and of how many."""

Sources = Callable[[Sequence[Clip]], Iterable[Source]]
"""Gives what is heard of each clip."""


def own_sounds(clips: Sequence[Clip]) -> Iterable[Source]:
    """What is in the clips' files."""
    return sounds([clip.part for clip in clips])


def predict_clips(
    model: Model,
    clips: Sequence[Clip],
    sources: Sources = own_sounds,
    report: Progress = lambda what, done, total: None,
) -> tuple[LabelledPredictions, Counter[str]]:
    """Run a model with its default gate over labelled clips whose emotions it knows.

    Args:
        model: an opened model file.
        clips: one or more.
        sources: what is heard of the clips, in their order; what is in their files if nothing else
            is said.
        report: called after each clip.

    Returns:
        A prediction for each clip, in order, over the model's labels and the class `NO_ANSWER`,
        which those hold that the gate turns away; and status -> number of these.
    """
    predictions = []
    for prediction in model.predict_many(sources(clips)):
        predictions.append(prediction)
        report("predicting", len(predictions), len(clips))
    no_answer = [*[0.0] * len(model.labels), 1.0]
    with_gate = LabelledPredictions.from_probabilities(
        [[*p.probabilities.values(), 0.0] if p.probabilities else no_answer for p in predictions],
        truth=[model.labels.index(clip.emotion) for clip in clips],
        speakers=[clip.speaker for clip in clips],
        clips=[clip.name for clip in clips],
        labels=(*model.labels, NO_ANSWER),
    )
    return with_gate, Counter(str(p.status) for p in predictions if not p.probabilities)


def evaluate_model(
    model: Model,
    scans: Sequence[CorpusScan],
    report: Progress = lambda what, done, total: None,
    sources: Sources = own_sounds,
    copies: Sequence[Sources] = (),
) -> ModelEvaluation:
    """Run a model with its default gate over every clip of some scanned corpora.

    Args:
        model: an opened model file.
        scans: the corpora, from `sottovoce.learn.corpora.scan`.
        report: called after each clip.
        sources: what is heard of the clips, see `predict_clips`.
        copies: what is heard beside it: the probabilities are the mean over all that got an answer.

    Raises:
        CorpusError: no clip has an emotion that the model knows, or none got an answer.
    """
    labels = model.labels
    clips = [clip for scan in scans for clip in scan.clips]
    unknown = Counter(clip.emotion for clip in clips if clip.emotion not in labels)
    clips = [clip for clip in clips if clip.emotion in labels]
    names = tuple(scan.corpus for scan in scans)
    if not clips:
        raise CorpusError(
            f"{', '.join(names)}: no clip with an emotion that {model.card.title} knows "
            f"({', '.join(labels)})"
        )
    with_gate, refused = predict_clips(model, clips, sources, report)
    if copies:
        others = [predict_clips(model, clips, heard, report)[0] for heard in copies]
        with_gate = _mean(with_gate, others)
    has_answer = np.flatnonzero(with_gate.predicted != len(labels))
    if not has_answer.size:
        raise CorpusError(
            f"{', '.join(names)}: none of {len(clips)} clips got an answer ({_counts(refused)})"
        )
    kept = with_gate.take(has_answer)
    answered = LabelledPredictions(
        kept.truth, kept.log_probabilities[:, :-1], kept.speakers, kept.clips, labels
    )
    trained_on = {speaker for corpus in model.card.corpora for speaker in corpus.speaker_hashes}
    speakers = {clip.speaker for clip in clips if is_known_speaker(clip.speaker)}
    return ModelEvaluation(
        model=model.card.title,
        corpora=names,
        answered=answered,
        refused=dict(refused),
        with_gate=with_gate,
        unknown=dict(unknown),
        shared_speakers=len(trained_on & set(map(speaker_hash, speakers))),
        left_out=tuple(line for scan in scans for line in scan.left_out),
    )


def _mean(
    with_gate: LabelledPredictions, others: Sequence[LabelledPredictions]
) -> LabelledPredictions:
    """Predictions, and others of the same clips, averaged; one without an answer stays so."""
    no_answer = len(with_gate.labels) - 1
    total, count = with_gate.probabilities.copy(), np.ones(len(with_gate.clips))
    has_answer = with_gate.predicted != no_answer
    for other in others:
        heard = has_answer & (other.predicted != no_answer)
        total[heard] += other.probabilities[heard]
        count[heard] += 1
    return LabelledPredictions.from_probabilities(
        total / count[:, np.newaxis],
        truth=with_gate.truth,
        speakers=with_gate.speakers.tolist(),
        clips=with_gate.clips.tolist(),
        labels=with_gate.labels,
    )


def _counts(counts: Mapping[str, int]) -> str:
    """In words: "angry 2, sad 1"."""
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
