"""What could not be decoded of a file, gathered while it is decoded."""

from __future__ import annotations

from dataclasses import dataclass, field

from sottovoce.results import AudioWarning, WarningCode, Warnings
from sottovoce.text import clock, duration

MOST_PLACES = 3
"""Damaged places that are named; of more, the number is said."""
SAME_PLACE = 0.5
"""s from one damage to the next within which they are one."""


@dataclass(slots=True)
class DecodingNotes:
    """Filled by the decoders while blocks come; complete after the last one."""

    places: list[float] = field(default_factory=list)
    """s where a file is damaged, in the sound that was decoded; the first few."""
    damages: int = 0
    """How many such places there are."""
    _last: float = 0.0
    unheard: str = ""
    """Why what comes after the last damaged place was not decoded; empty where it was."""
    end: float | None = None
    """s after which a file ends that should go on."""
    promised: float | None = None
    """s that such a file says that it has."""
    trailing: int = 0
    """Bytes after the end of the recording."""

    def damage(self, at: float) -> None:
        """Note a damaged place; one within half a second of the last goes on with it."""
        goes_on = bool(self.damages) and at - self._last < SAME_PLACE
        self._last = at
        if goes_on:
            return
        self.damages += 1
        if self.damages <= MOST_PLACES:
            self.places.append(at)

    def cut(self, end: float, promised: float | None = None) -> None:
        """Note that a file ends early."""
        self.end, self.promised = end, promised

    def warnings(self) -> Warnings:
        """The same as results have it."""
        found = []
        if self.damages:
            places = ", ".join(clock(place) for place in self.places)
            more = self.damages - len(self.places)
            text = f"damaged at {places}" + (f" and {more} more places" if more else "")
            text += f"; {self.unheard}" if self.unheard else ""
            found.append(AudioWarning(code=WarningCode.DAMAGED, message=text, at=self.places[0]))
        if self.end is not None:
            text = "cut short: the file ends in the middle"
            if self.promised is not None:
                text = f"cut short: {duration(self.end)} of {duration(self.promised)} are there"
            found.append(AudioWarning(code=WarningCode.TRUNCATED, message=text, at=self.end))
        if self.trailing:
            text = f"{self.trailing:,} bytes after the end were ignored"
            found.append(AudioWarning(code=WarningCode.TRAILING_BYTES, message=text))
        return tuple(found)
