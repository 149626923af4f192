"""Occlusion: which moments and which frequencies carried a model's decision.

By occlusion (Zeiler and Fergus 2014, "Visualizing and understanding convolutional networks"): a
part of the waveform is taken out, and the probability of the predicted emotion drops by what that
part contributed. Only the model file's graph is run, so it works for every model alike.

A recording is the sum of its parts: raised cosines over time that add up to one, times bands of
raised cosines over the mel scale that add up to one too. So edges are smooth, and nothing but the
part is taken out. What remains is unlike any speech the model was trained on, as with all
occlusion; a part's contribution is a hint, not a proof.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Audio, Samples, Source
from sottovoce.audio.mel_scale import hz_to_mel, mel_to_hz
from sottovoce.errors import AudioError, SottovoceError
from sottovoce.inference.predictor import BATCH_SECONDS, Network
from sottovoce.inference.profile import ProfileSource
from sottovoce.inference.window import pieces
from sottovoce.options import GateOptions
from sottovoce.results import Status
from sottovoce.text import describe
from sottovoce.vad.gate import Gate

if TYPE_CHECKING:
    from sottovoce.models.model import Model

MOMENT_SECONDS = 0.25
"""s that a moment lasts, unless the recording is long."""
MAX_MOMENTS = 32
BANDS = 10
HIGHEST = 8000.0
"""Hz, where the last band ends in pictures; it takes all that is above too."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What every part of a recording contributed: how far the probability drops without it.

    Above 0 a part spoke for the emotion, below 0 against it.
    """

    emotion: str
    """The likeliest label."""
    probability: float
    """Of it, with nothing taken out."""
    moments: Values
    """(moments + 1,): where each moment begins and ends, s from the start of the recording."""
    bands: Values
    """(bands + 1,): where each band begins and ends, Hz."""
    by_moment: Values
    """(moments,): contribution of each moment, all its frequencies together."""
    by_band: Values
    """(bands,): contribution of each band, all the time."""
    cells: Values | None = None
    """(bands, moments): contribution of each band in each moment, if `cells` was given."""

    @property
    def stretch(self) -> tuple[float, float] | None:
        """The decisive stretch, s: the best moment, and all around it that contribute half as much.

        None where no moment spoke for the emotion.
        """
        return _peak(self.by_moment, self.moments)

    @property
    def range(self) -> tuple[float, float] | None:
        """The decisive range of frequencies, Hz, found in the same way."""
        return _peak(self.by_band, self.bands)


def explain(
    model: Model,
    source: Source,
    *,
    gate: GateOptions | None = None,
    profile: ProfileSource | None = None,
    bands: int = BANDS,
    cells: bool = False,
) -> Explanation:
    """Take out every moment, every band, and on request every cell of both, and run the network.

    Args:
        model: whose decision is explained.
        source: as for `Model.predict`.
        gate: as for `Model.predict`; it also finds the speech that the network is run on.
        profile: as for `Model.predict`.
        bands: how many bands there are, 2 or more.
        cells: take out every band in every moment too, `bands` times as many runs.

    Raises:
        AudioError: the source cannot be read, or there is nothing to judge in it.
        SottovoceError: it is too long to be judged at once, or there are too few bands.
    """
    if bands < 2:
        raise SottovoceError(f"bands is {bands}; expected 2 or more")
    card, network = model.card, model.network(profile)
    audio = Audio.read(source, sample_rate=card.sample_rate)
    piece, first, last, before = _network_input(model, audio, Gate(gate), describe(source))
    start, end = first / card.sample_rate, last / card.sample_rate
    count = int(np.clip(round((end - start) / MOMENT_SECONDS), 2, MAX_MOMENTS))
    mels = np.linspace(0.0, hz_to_mel(min(HIGHEST, card.sample_rate / 2)), bands + 1)

    windows = _raised_cosines(
        np.arange(piece.size) - before, np.linspace(0.0, last - first, count + 1)
    )
    frequencies = np.fft.rfftfreq(piece.size, 1 / card.sample_rate)
    filters = _raised_cosines(hz_to_mel(frequencies), mels)
    most = max(1, int(BATCH_SECONDS * card.sample_rate) // piece.size)
    rows = _run(network, _occluded(piece, windows, filters, cells), most)
    label = int(rows[0].argmax())
    drops = rows[0, label] - rows[1:, label]
    return Explanation(
        emotion=card.labels[label],
        probability=float(rows[0, label]),
        moments=np.linspace(start, end, count + 1),
        bands=mel_to_hz(mels),
        by_moment=drops[:count],
        by_band=drops[count : count + bands],
        cells=drops[count + bands :].reshape(bands, count) if cells else None,
    )


def _network_input(
    model: Model, audio: Audio, gate: Gate, name: str
) -> tuple[Samples, int, int, int]:
    """The one piece that the network is run on, and where it is from.

    Returns:
        Its samples; which sample of the recording is its first, which comes after its last, and
        how many zeros stand before them.
    """
    found = gate.check(audio)
    if found.status is not Status.OK:
        status = str(found.status).replace("_", " ")
        raise AudioError(f"{name}: {status}; there is no decision to explain")
    window = model.card.window
    cut = pieces(audio, window, found.extent)
    if len(cut) > 1:
        raise SottovoceError(
            f"{name}: longer than the {window.max:g} s that {model.card.title} hears at once; "
            "give a part of it"
        )
    # The same cut of a ramp says where each sample is from; what was padded is 0.
    ramp = np.arange(1, audio.samples.shape[1] + 1, dtype=np.float32)
    (numbers,) = pieces(Audio(ramp, audio.sample_rate), window, found.extent)
    kept = np.flatnonzero(numbers)
    first = int(numbers[kept[0]]) - 1
    return cut[0], first, first + kept.size, int(kept[0])


def _occluded(
    piece: Samples, windows: Sequence[Samples], filters: Sequence[Samples], cells: bool
) -> Iterator[Samples]:
    """The piece whole, then without each moment, each band, and each cell, band by band."""
    yield piece
    for window in windows:
        yield piece - piece * window
    spectrum = np.fft.rfft(piece)
    bands = [
        np.fft.irfft(spectrum * response, piece.size).astype(np.float32) for response in filters
    ]
    for band in bands:
        yield piece - band
    for band in bands if cells else ():
        for window in windows:
            yield piece - band * window


def _run(network: Network, clips: Iterator[Samples], most: int) -> Values:
    """The probabilities of clips of one length, so many at a time, which bounds the memory."""
    rows = []
    while batch := list(islice(clips, most)):
        rows.append(network(np.stack(batch)))
    return np.concatenate(rows).astype(np.float64)


def _raised_cosines(places: NDArray[Any], edges: Values) -> list[Samples]:
    """Raised cosines, one for each interval between `edges`, that add up to 1 at every place.

    Each is 1 in the middle of its interval, a half at its edges, and 0 in the middle of the next;
    the outermost stay 1 outwards.
    """
    middles = (edges[:-1] + edges[1:]) / 2
    at = np.interp(places, middles, np.arange(middles.size))
    return [
        (np.cos(np.pi / 2 * np.clip(np.abs(at - i), 0, 1)) ** 2).astype(np.float32)
        for i in range(middles.size)
    ]


def _peak(values: Values, edges: Values) -> tuple[float, float] | None:
    best = int(values.argmax())
    if values[best] <= 0:
        return None
    first = last = best
    while first > 0 and values[first - 1] >= values[best] / 2:
        first -= 1
    while last + 1 < values.size and values[last + 1] >= values[best] / 2:
        last += 1
    return float(edges[first]), float(edges[last + 1])
