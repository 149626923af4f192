"""What Sottovoce answers about a recording: a status, and an emotion where one was heard."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sottovoce.vad.gate import Status


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer about one recording.

    Only the statuses `ok` and `uncertain` carry an emotion, a confidence and probabilities.
    """

    status: Status
    model: str
    """Name and version of the model that was asked."""
    source: str | None = None
    r"""The path, bytes that are no UTF-8 written as `\udcXX`; None where there was none."""
    duration: float | None = None
    """s, of the whole recording; None where it could not be read."""
    emotion: str | None = None
    """The likeliest label."""
    confidence: float | None = None
    """The probability of `emotion`, 0 to 1."""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """label -> probability, in the order of the model's labels; they sum to 1."""
    message: str = ""
    """Why there is no emotion, or none that stands out, in plain words; empty for `ok`."""

    @property
    def runner_up(self) -> str | None:
        """The second likeliest label."""
        ranked = sorted(self.probabilities, key=self.probabilities.__getitem__, reverse=True)
        return ranked[1] if ranked else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values.

        The keys are path, status, emotion, confidence, probabilities, duration, model, message.
        """
        return {
            "path": self.source,
            "status": str(self.status),
            "emotion": self.emotion,
            "confidence": self.confidence,
            "probabilities": dict(self.probabilities),
            "duration": self.duration,
            "model": self.model,
            "message": self.message,
        }

    def to_json(self) -> str:
        """`to_dict` as JSON on one line; always valid UTF-8, whatever the path."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)
