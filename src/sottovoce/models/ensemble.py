"""Several models that answer together: the mean of their calibrated probabilities."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from sottovoce.errors import SottovoceError
from sottovoce.inference.profile import ProfileSource
from sottovoce.inference.recording import RecordingPredictor
from sottovoce.models.card import Calibration, Card, ProtocolInfo
from sottovoce.models.model import Model
from sottovoce.models.network import Baselines, ModelNetwork, NetworkOutput
from sottovoce.options import PredictOptions


class Ensemble(Model):
    """Models with the same labels, as one: the arithmetic mean of their probabilities.

    A recording is heard by each as it would be alone, at its rate and in its window; the windows
    of a timeline are the same for all. It takes no profiles and gives no embeddings.

    Args:
        members: two or more models, each once.

    Raises:
        SottovoceError: there are fewer, one is there twice, or their labels differ.
    """

    def __init__(self, members: Sequence[Model]) -> None:
        super().__init__(EnsembleNetwork(members))
        self.members = tuple(members)

    def _recording(
        self, options: PredictOptions, profile: ProfileSource | None, workers: int | None
    ) -> RecordingPredictor:
        together = super()._recording(options, profile, workers)
        members = tuple(member._recording(options, None, workers) for member in self.members)
        return RecordingPredictor(
            together.predictor, together.network, options, workers, members=members
        )


class EnsembleNetwork(ModelNetwork):
    """The networks of an ensemble as one; arguments and errors are those of `Ensemble`.

    It takes sound at the highest rate of its members.
    """

    def __init__(self, members: Sequence[Model]) -> None:
        digests = [member.digest for member in members]
        titles = " and ".join(member.card.title for member in members)
        if len(set(digests)) < max(2, len(digests)):
            raise SottovoceError(
                f"{titles or 'no model'}: an ensemble is of two or more different models"
            )
        first = members[0]
        for member in members[1:]:
            if set(member.labels) != set(first.labels):
                raise SottovoceError(
                    f"{first.card.title} knows {', '.join(first.labels)}, and {member.card.title} "
                    f"{', '.join(member.labels)}; models that answer together need the same labels"
                )
        self._members = tuple(members)
        self.card = ensemble_card([member.card for member in members])
        self.digest = hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()

    def run(
        self, batch: NDArray[np.floating[Any]], baselines: Baselines | None = None
    ) -> NetworkOutput:
        """The mean of what the members give, in the order of the first one's labels."""
        labels, rate = self.card.labels, self.card.sample_rate
        waveform = np.ascontiguousarray(batch, dtype=np.float32)
        rows = []
        for member in self._members:
            heard = waveform
            if member.card.sample_rate != rate:
                heard = np.stack(
                    [soxr.resample(clip, rate, member.card.sample_rate) for clip in waveform]
                )
            order = [member.labels.index(label) for label in labels]
            rows.append(member.probabilities(heard)[:, order])
        return NetworkOutput(np.mean(rows, axis=0), np.empty((len(waveform), 0), np.float32))


def ensemble_card(cards: Sequence[Card]) -> Card:
    """The card of models that answer together: what holds of each, and no figures.

    Args:
        cards: of the members, in order; the labels are in the order of the first.
    """
    first = cards[0]
    names = ", ".join(card.title for card in cards)

    def once(values: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(values))

    return first.model_copy(
        update={
            "name": "+".join(card.name for card in cards),
            "version": "+".join(card.version for card in cards),
            "description": f"The mean of the probabilities of {names}.",
            "sample_rate": max(card.sample_rate for card in cards),
            "window": first.window.model_copy(
                update={
                    "min": max(card.window.min for card in cards),
                    "max": min(card.window.max for card in cards),
                }
            ),
            "min_confidence": sum(card.min_confidence for card in cards) / len(cards),
            "calibration": Calibration(method="none", temperature=1.0, fitted_on=""),
            "corpora": tuple(corpus for card in cards for corpus in card.corpora),
            "protocol": ProtocolInfo(
                name="none",
                seeds=(),
                folds=0,
                optimistic=any(card.protocol.optimistic for card in cards),
                note="Not measured together; each model's own card has its figures.",
            ),
            "figures": (),
            "language": ", ".join(once([card.language for card in cards])),
            "limits": once([limit for card in cards for limit in card.limits]),
            "licence": "; ".join(once([card.licence for card in cards])),
            "recipe": "",
            "created": max(card.created for card in cards),
            "encoder": None,
            "profiles": None,
            "adapted": None,
        }
    )
