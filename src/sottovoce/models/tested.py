"""Where a model was right and wrong when it was measured: what `sottovoce train` wrote of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sottovoce.models.card import Card
from sottovoce.system import checkout

KEPT = Path("docs", "results", "references")
"""Where a checkout keeps the figures of further models."""
ENOUGH = 20
"""Answers from which the fraction that was right is worth saying."""


@dataclass(frozen=True, eq=False, slots=True)
class Tested:
    """What a model said of clips of speakers that it did not learn from."""

    confusion: NDArray[np.float64]
    """(labels, labels) clips, mean over seeds, by truth (row) and answer (column)."""
    clips: NDArray[np.float64]
    """(bins,) answers in each of equal bins of confidence from 0 to 1."""
    confidence: NDArray[np.float64]
    """(bins,) their mean confidence; NaN in an empty bin."""
    right: NDArray[np.float64]
    """(bins,) the fraction of them that is right; NaN in an empty bin."""

    def right_at(self, confidence: float) -> float | None:
        """The fraction right of the answers that were about as sure; None where they were few."""
        place = min(int(confidence * self.clips.size), self.clips.size - 1)
        return float(self.right[place]) if self.clips[place] >= ENOUGH else None

    def to_dict(self) -> dict[str, Any]:
        """`confusion` and `reliability` in plain values, as JSON has them; NaN is None."""
        bins = {name: getattr(self, name) for name in ("clips", "confidence", "right")}
        return {
            "confusion": self.confusion.tolist(),
            "reliability": {
                name: [None if np.isnan(value) else float(value) for value in values]
                for name, values in bins.items()
            },
        }


def read(file: Path, card: Card) -> Tested | None:
    """What is known of a model file; None where nothing is.

    It lies beside the file under the model's name, or in the folder of the run that made it.
    """
    places = [file.with_suffix(".json"), file.parent / "metrics.json"]
    if (source := checkout()) is not None:
        places.append(source / KEPT / f"{card.name}.json")
    return next((found for place in places if (found := _read(place, card)) is not None), None)


def _read(place: Path, card: Card) -> Tested | None:
    """A file's content, if it is about this model under the protocol of its card."""
    try:
        record: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        about = (record["name"], record["protocol"], tuple(record["labels"]))
        bins = record["reliability"]
        found = Tested(
            np.array(record["confusion"], float),
            *(np.array(bins[name], float) for name in ("clips", "confidence", "right")),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    classes = len(card.labels)
    whole = found.confusion.shape == (classes, classes) and (
        found.clips.shape == found.confidence.shape == found.right.shape == (found.clips.size,)
    )
    return found if whole and about == (card.name, card.protocol.name, card.labels) else None
