"""Label tracks of the audio editor Audacity: start, end and label of each stretch."""

from __future__ import annotations

import re

from sottovoce.annotations.entry import LabelEntry, checked_span
from sottovoce.errors import CorpusError

LABEL = re.compile(r"\s*(\d+[.,]?\d*)\t(\d+[.,]?\d*)(?:\t(.*))?")


def is_audacity(text: str) -> bool:
    """Whether a text is a label track."""
    return LABEL.fullmatch(text.partition("\n")[0]) is not None


def audacity_entries(text: str, where: str) -> list[LabelEntry]:
    """The labels of a track, as Audacity exports it; ranges of frequency are passed over.

    Raises:
        CorpusError: a line is none of a label track, or a label has no length.
    """
    entries = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.startswith("\\"):
            continue
        place = f"line {number}"
        found = LABEL.fullmatch(line)
        if found is None:
            raise CorpusError(
                f"{where}: {place}: no label of Audacity; expected start, end and label between "
                "tabs"
            )
        start, end = (float(found[group].replace(",", ".")) for group in (1, 2))
        span = checked_span(start, end, f"{where}: {place}")
        entries.append(LabelEntry(place, "", (found[3] or "").strip(), *span))
    return entries
