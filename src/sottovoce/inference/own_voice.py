"""A recording judged against itself: mixed profiles of what each of its channels sounded like."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Samples
from sottovoce.inference.predictor import Network, Probabilities
from sottovoce.inference.profile import Profile
from sottovoce.models.card import ProfileInfo
from sottovoce.models.network import Embeddings, NetworkOutput


@dataclass
class _Heard:
    """What was heard of a channel: the sum of the embeddings of its windows, and how many."""

    total: NDArray[np.float64]
    windows: int = 0


class OwnVoice:
    """The running mixed profile of each channel of a recording.

    Windows overlap, so each counts as so much of a recording as it adds: hop / window.

    Args:
        network: (clips, samples) -> its output, without a profile.
        info: of the model.
        share: of a recording that a window counts for.
        model: name and version, and `digest` of the model, for the profile.
    """

    def __init__(
        self,
        network: Callable[[Samples], NetworkOutput],
        info: ProfileInfo,
        share: float,
        model: tuple[str, str],
    ) -> None:
        self._network, self._info, self._share, self._model = network, info, share, model
        self._channels: dict[int, _Heard] = {}
        self._adding = threading.Lock()

    def hear(self, channel: int, pieces: Sequence[Samples]) -> None:
        """Take a window in, in the pieces that the network is run on."""
        rows = np.stack([self._network(piece[None]).embedding[0] for piece in pieces])
        self._add(channel, rows, [len(piece) for piece in pieces])

    def listener(self, channel: int) -> Network:
        """The network, which takes in what it judges: one run gives both."""

        def network(batch: Samples) -> Probabilities:
            found = self._network(batch)
            self._add(channel, found.embedding, [batch.shape[1]] * len(batch))
            return found.probabilities

        return network

    def _add(self, channel: int, rows: Embeddings, lengths: Sequence[int]) -> None:
        """The embeddings of a window's pieces; a window is one piece, for no model takes longer."""
        embedding = np.average(rows.astype(np.float64), axis=0, weights=lengths)
        with self._adding:
            heard = self._channels.setdefault(channel, _Heard(np.zeros(self._info.dimensions)))
            heard.total += embedding
            heard.windows += 1

    def profile(self, channel: int) -> Profile | None:
        """The profile of what was heard of a channel so far; None before anything was."""
        heard = self._channels.get(channel)
        if heard is None:
            return None
        return Profile(
            model=self._model[0],
            model_digest=self._model[1],
            kind="mixed",
            mean=tuple((heard.total / heard.windows).tolist()),
            recordings=heard.windows * self._share,
            seconds=0.0,
        )
