"""What is asked of a timeline or a stream: how long a window is, how often, how it is smoothed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict, get_args

from sottovoce.errors import SottovoceError

if TYPE_CHECKING:
    from sottovoce.models.card import Card
    from sottovoce.vad.gate import Gate

Smoothing = Literal["off", "mean", "hmm"]
Channels = Literal["mix", "split"]

SHORTEST_HOP = 0.1
"""s; more often than this a label says nothing new."""
RECORDED_LOOKAHEAD = 3.0
"""s for a recording, whose labels nobody waits for; those that know what follows are truer."""
LONGEST_WAIT = 60.0
"""s that a label may wait or last; the work for each grows with it."""


class Options(TypedDict, total=False):
    """The keywords of `Model.timeline`, `Model.stream`, `Timeline` and `Stream`; see `Plan`."""

    window: float
    hop: float
    lookahead: float
    smoothing: Smoothing
    hold: float
    channels: Channels
    gate: Gate | None
    min_confidence: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a recording is followed over time.

    A segment lasts `hop`. What is said of it comes from a window that ends up to `lookahead` after
    it, and from its neighbours where there is smoothing. A stream knows a segment `lookahead` after
    its end, so the words in it get their label `hop + lookahead` after they are spoken at the
    latest.

    Raises:
        SottovoceError: a value is out of its range.
    """

    window: float = 3.0
    """s that the network hears at once, from the gate's `min_duration` to the model's `max`."""
    hop: float = 1.0
    """s, how long a segment is; from 0.1 to `window`."""
    lookahead: float = 0.3
    """s beyond its end that are heard for a segment, 0 to 60. Up to `(window - hop) / 2` it moves
    the window, which then has the segment in its middle; each further `hop` lets the smoothing
    hear one window more."""
    smoothing: Smoothing = "hmm"
    """"off"; "mean" of the neighbouring windows; "hmm", a hidden Markov model. See
    `sottovoce.inference.smoothing`."""
    hold: float = 2.0
    """s of speech that a label lasts at least before another takes its place, 0 (none) to 60."""
    channels: Channels = "mix"
    """"mix" them down to their mean, or "split": follow each on its own."""
    gate: Gate | None = None
    """When there is nothing to judge; the default gate if None. Its levels and lengths hold for a
    window."""
    min_confidence: float | None = None
    """Below it a segment is `uncertain`, 0 to 1; the card's own if None."""

    def __post_init__(self) -> None:
        for name, allowed in (("smoothing", get_args(Smoothing)), ("channels", get_args(Channels))):
            if getattr(self, name) not in allowed:
                raise SottovoceError(
                    f"{name} is {getattr(self, name)!r}; expected {' or '.join(allowed)}"
                )
        for name, lowest in (("hop", SHORTEST_HOP), ("lookahead", 0.0), ("hold", 0.0)):
            value = getattr(self, name)
            if not lowest <= value <= LONGEST_WAIT:
                raise SottovoceError(
                    f"{name} is {value} s; expected {lowest:g} s to {LONGEST_WAIT:g} s"
                )
        if not self.hop <= self.window:
            raise SottovoceError(
                f"window is {self.window} s; expected at least the hop, {self.hop} s, so that "
                "nothing is left out"
            )

    @property
    def ahead(self) -> float:
        """How long after its segment a window ends, s."""
        return min(self.lookahead, (self.window - self.hop) / 2)

    @property
    def lag(self) -> int:
        """How many later windows the smoothing hears before a segment is final."""
        return int((self.lookahead - self.ahead) / self.hop + 1e-9)

    def check(self, card: Card) -> None:
        """Hold the window against a model and the gate.

        Raises:
            SottovoceError: the model hears less at once, or the gate needs more.
        """
        from sottovoce.vad.gate import Gate

        shortest = (self.gate or Gate()).min_duration
        if not shortest <= self.window <= card.window.max:
            raise SottovoceError(
                f"window is {self.window} s; expected {shortest:g} s, the gate's shortest, to "
                f"{card.window.max:g} s, what {card.title} hears at once"
            )
