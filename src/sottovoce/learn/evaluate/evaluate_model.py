"""Trying a model file on labelled corpora: what it answered, and what its gate turned away."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sottovoce.errors import CorpusError
from sottovoce.learn.corpora import CorpusScan
from sottovoce.learn.evaluate.metrics import Predictions
from sottovoce.models.model import Model
from sottovoce.results import Prediction

NO_ANSWER = "no answer"
"""The name of the extra class that clips turned away by the gate are counted under."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a model on the clips of some corpora.

    Attributes:
        model: its name and version.
        corpora: names of the corpora.
        answered: the clips that the model gave probabilities for, `uncertain` ones among them.
        refused: status -> number of clips without probabilities, e.g. {"no_speech": 2}.
        with_gate: all clips; those refused hold the class `NO_ANSWER`, so they count as errors.
        unknown: emotion -> number of clips left out, because the model has no such label.
        seen: those of `corpora` that the model was trained on, by its card.
    """

    model: str
    corpora: tuple[str, ...]
    answered: Predictions
    refused: Mapping[str, int]
    with_gate: Predictions
    unknown: Mapping[str, int]
    seen: tuple[str, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the figures must know, each one sentence."""
        said = []
        if self.seen:
            said.append(
                f"This model was trained on these speakers ({', '.join(self.seen)}): "
                f"the figures say nothing about new ones."
            )
        if self.refused:
            count = sum(self.refused.values())
            said.append(
                f"{count} of {len(self.with_gate.clips)} clips got no answer "
                f"({_listed(self.refused)}): left out of the figures, but counted as errors "
                f'"with the gate".'
            )
        if self.unknown:
            said.append(
                f"{sum(self.unknown.values())} clips were left out, because the model does not "
                f"know their emotion ({_listed(self.unknown)})."
            )
        return tuple(said)


def try_model(
    model: Model,
    scans: Sequence[CorpusScan],
    progress: Callable[[Iterable[Prediction], int], Iterable[Prediction]] = lambda each, _: each,
) -> Trial:
    """Run a model with its default gate over every clip of some scanned corpora.

    Args:
        model: an opened model file.
        scans: the corpora, from `sottovoce.learn.corpora.scan`.
        progress: given the predictions as they come and their number, passes them on.

    Raises:
        CorpusError: no clip has an emotion that the model knows, or none got an answer.
    """
    labels = model.labels
    clips = [(scan, clip) for scan in scans for clip in scan.clips]
    unknown = Counter(clip.emotion for _, clip in clips if clip.emotion not in labels)
    clips = [(scan, clip) for scan, clip in clips if clip.emotion in labels]
    names = tuple(scan.corpus for scan in scans)
    if not clips:
        raise CorpusError(
            f"{', '.join(names)}: no clip with an emotion that {model.card.title} knows "
            f"({', '.join(labels)})"
        )
    predictions = list(progress(model.predict_many(clip.path for _, clip in clips), len(clips)))
    refused = Counter(str(each.status) for each in predictions if not each.probabilities)
    gone = [*[0.0] * len(labels), 1.0]
    with_gate = Predictions.from_probabilities(
        [[*p.probabilities.values(), 0.0] if p.probabilities else gone for p in predictions],
        truth=[labels.index(clip.emotion) for _, clip in clips],
        speakers=[clip.speaker for _, clip in clips],
        clips=[
            f"{scan.corpus}/{clip.path.relative_to(scan.folder).as_posix()}" for scan, clip in clips
        ],
        labels=(*labels, NO_ANSWER),
    )
    judged = np.flatnonzero([bool(each.probabilities) for each in predictions])
    if not judged.size:
        raise CorpusError(
            f"{', '.join(names)}: none of {len(clips)} clips got an answer ({_listed(refused)})"
        )
    kept = with_gate.take(judged)
    answered = Predictions(
        kept.truth, kept.log_probabilities[:, :-1], kept.speakers, kept.clips, labels
    )
    trained = {corpus.name for corpus in model.card.corpora}
    return Trial(
        model=model.card.title,
        corpora=names,
        answered=answered,
        refused=dict(refused),
        with_gate=with_gate,
        unknown=dict(unknown),
        seen=tuple(name for name in names if name in trained),
    )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
