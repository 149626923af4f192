"""What a card says of the clips that a model learned from, and real sound to check its graph on."""

import datetime
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Samples
from sottovoce.learn.corpora import Clip, is_known_speaker, licence
from sottovoce.models.card import CorpusInfo, WindowPolicy, speaker_hash

CHECKED_SECONDS = (0.5, 1.0, 2.3, 4.0, 10.0, 30.0)
"""s; lengths at which an exported graph is compared with torch."""


def corpora_of(clips: Sequence[Clip]) -> tuple[CorpusInfo, ...]:
    """The corpora of the clips, as a card names them."""
    found = []
    for corpus in dict.fromkeys(clip.corpus for clip in clips):
        own = [clip for clip in clips if clip.corpus == corpus]
        speakers = {clip.speaker for clip in own if is_known_speaker(clip.speaker)}
        found.append(
            CorpusInfo(
                name=corpus,
                clips=len(own),
                speakers=len(speakers),
                speaker_hashes=tuple(sorted(map(speaker_hash, speakers))),
                licence=licence(corpus),
            )
        )
    return tuple(found)


def check_batches(audio: Samples, window: WindowPolicy, rate: int) -> list[NDArray[np.float32]]:
    """Batches of 1 and 3 stretches of real speech at each length that the window allows.

    Args:
        audio: (samples,) speech; where it is shorter than a stretch, it is repeated.
        window: of the model.
        rate: Hz.
    """
    batches = []
    for seconds in CHECKED_SECONDS:
        samples = round(min(max(seconds, window.min), window.max) * rate)
        for size in (1, 3):
            starts = np.linspace(0, max(0, len(audio) - samples), size).astype(int)
            stretch = [np.resize(audio[start : start + samples], samples) for start in starts]
            batches.append(np.stack(stretch).astype(np.float32))
    return batches


def today() -> str:
    """The day, as an ISO date."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()
