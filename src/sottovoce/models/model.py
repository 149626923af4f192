"""A model: opens one model file, checks it, and predicts one recording or many."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sottovoce.audio import Samples, Source
from sottovoce.errors import AudioError, ModelError, SottovoceError
from sottovoce.inference.batch_predictor import (
    embed_many,
    number_of_workers,
    predict_many,
    run_network,
)
from sottovoce.inference.own_voice import OwnVoice
from sottovoce.inference.predictor import Network, Predictor, Probabilities
from sottovoce.inference.profile import (
    KIND_NUMBERS,
    Kind,
    Profile,
    ProfileSource,
    kind_info,
    open_profile,
)
from sottovoce.inference.stream import Stream
from sottovoce.inference.timeline import Timeline
from sottovoce.models.card import AdaptedInfo, Card, ProfileInfo
from sottovoce.models.encoder import encoded_axes, open_encoder
from sottovoce.models.model_file import read_model_file
from sottovoce.models.session import check_tensors, open_session
from sottovoce.options import GateOptions, PredictOptions, TimelineOptions
from sottovoce.results import Prediction, Status
from sottovoce.text import describe, one_line

Embeddings = NDArray[np.float32]
"""(clips, dimensions)."""


class Baselines(NamedTuple):
    """What clips are judged against, as the graph takes it.

    Attributes:
        baseline: (clips, dimensions) float32.
        kind: (clips,) int64: 0 for none, 1 for a normal voice, 2 for a mixed sample.
    """

    baseline: NDArray[np.float32]
    kind: NDArray[np.int64]

    @classmethod
    def none(cls, clips: int, dimensions: int) -> Baselines:
        """Of clips that are judged without a profile."""
        return cls(np.zeros((clips, dimensions), np.float32), np.zeros(clips, np.int64))


@dataclass(frozen=True, slots=True)
class ProfiledNetwork:
    """A model's network with one profile: called with (clips, samples), it gives probabilities.

    Attributes:
        run: the network.
        baseline: (dimensions,) and kind of the profile; None for none.
        min_confidence: that goes with the profile; None: the card's.
    """

    run: Callable[..., Probabilities]
    baseline: tuple[NDArray[np.float32], int] | None
    min_confidence: float | None

    def __call__(self, batch: NDArray[Any]) -> Probabilities:
        """(clips, samples) -> (clips, classes)."""
        if self.baseline is None:
            return self.run(batch)
        values, kind = self.baseline
        count = len(batch)
        return self.run(
            batch, Baselines(np.tile(values, (count, 1)), np.full(count, kind, np.int64))
        )


class Model:
    """One opened model file. Safe to use from several threads at once.

    Open it with `sottovoce.load` or `Model.open`.
    """

    def __init__(
        self,
        card: Card,
        session: onnxruntime.InferenceSession,
        encoder: onnxruntime.InferenceSession | None = None,
        digest: str = "",
    ) -> None:
        self._card = card
        self._session = session
        self._encoder = encoder
        self._digest = digest

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, threads: int = 1) -> Self:
        """Open a model file, after checking all of it.

        Args:
            path: an .onnx file that Sottovoce exported.
            threads: how many threads one run of the network may use.

        Raises:
            ModelError: the file cannot be read or is refused, or the pretrained encoder that it
                needs is not here; one line says why.
            SottovoceError: `threads` is not at least 1.
        """
        if threads < 1:
            raise SottovoceError(f"threads is {threads}; expected 1 or more")
        data, card = read_model_file(path)
        try:
            session = open_session(data, threads)
            encoder = None
            if card.encoder is not None:
                encoder = open_encoder(card.encoder, threads, describe(path))
            check_tensors("input", session.get_inputs(), _inputs(card))
            check_tensors("output", session.get_outputs(), _outputs(card))
            model = cls(card, session, encoder, hashlib.sha256(data).hexdigest())
            model._check_answers()
        except ModelError as error:
            raise ModelError(f"{describe(path)}: {error}") from None
        return model

    @property
    def card(self) -> Card:
        """Everything known about the model."""
        return self._card

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions, in the order of the outputs."""
        return self._card.labels

    @property
    def digest(self) -> str:
        """SHA-256 of the model's file, 64 hexadecimal digits."""
        return self._digest

    def __repr__(self) -> str:
        return f"<Model {self._card.title}: {', '.join(self.labels)}>"

    def probabilities(
        self, batch: NDArray[np.floating[Any]], baselines: Baselines | None = None
    ) -> Probabilities:
        """Run the network alone: no gate, no window.

        Args:
            batch: (clips, samples), at `card.sample_rate`, nominally -1..1.
            baselines: of the profile of each clip; None: without profiles.

        Returns:
            (clips, classes), each row summing to 1, in the order of `labels`.

        Raises:
            ModelError: the network cannot take this batch.
            SottovoceError: the model takes no profiles, and here are baselines.
        """
        if baselines is not None:
            self.profile_info()
        if self._card.adapted is None:
            return self._run(batch, baselines)["probabilities"]
        return adapted_probabilities(self._card.adapted, lambda own: self._run(batch, own))

    def embed(self, batch: NDArray[np.floating[Any]]) -> Embeddings:
        """What the network makes of clips, before it judges them: (clips, dimensions).

        Args:
            batch: as for `probabilities`.

        Raises:
            ModelError: the network cannot take this batch.
            SottovoceError: the model takes no profiles, so it has no embedding to give.
        """
        self.profile_info()
        return self._run(batch, None)["embedding"]

    def profile_info(self) -> ProfileInfo:
        """How the model takes profiles.

        Raises:
            SottovoceError: it takes none.
        """
        if self._card.adapted is not None:
            raise SottovoceError(
                f"{self._card.title} was adapted, and has the profile of its recordings in it; "
                "leave the profile out, or use the model that was adapted"
            )
        if self._card.profiles is None:
            raise SottovoceError(
                f"{self._card.title} takes no profile; use a model that does, such as the built-in "
                "one"
            )
        return self._card.profiles

    def _run(
        self, batch: NDArray[np.floating[Any]], baselines: Baselines | None
    ) -> dict[str, NDArray[np.float32]]:
        """Output's name -> its values."""
        waveform = np.ascontiguousarray(batch, dtype=np.float32)
        given: dict[str, NDArray[Any]] = {}
        if self._card.profiles is not None:
            count, dimensions = len(waveform), self._card.profiles.dimensions
            chosen = baselines or Baselines.none(count, dimensions)
            if len(chosen.kind) != count:  # one for all
                chosen = Baselines(
                    np.repeat(chosen.baseline, count, axis=0), np.repeat(chosen.kind, count)
                )
            given = chosen._asdict()
        names = [tensor.name for tensor in self._session.get_outputs()]
        try:
            if self._encoder is not None:
                given["encoded"] = self._encoder.run(["encoded"], {"waveform": waveform})[0]
            else:
                given["waveform"] = waveform
            found = self._session.run(names, given)
        except Exception as error:  # ONNX Runtime's errors share no base class
            raise ModelError(
                f"{self._card.title} cannot run on a batch of {waveform.shape}: {one_line(error)}"
            ) from None
        return {
            name: np.asarray(values, dtype=np.float32)
            for name, values in zip(names, found, strict=True)
        }

    def predict(
        self,
        source: Source,
        *,
        gate: GateOptions | None = None,
        min_confidence: float | None = None,
        profile: ProfileSource | None = None,
    ) -> Prediction:
        """The emotion in one recording.

        Args:
            source: a path, the bytes of a file, a binary file object, (array, rate) or `Audio`.
            gate: thresholds of the gate; the defaults if None.
            min_confidence: below it the status is `uncertain`, 0 to 1; the card's own if None.
            profile: of the voice or the place, or its file; None: without.

        Raises:
            AudioError: the source cannot be read, its samples are far beyond -1..1, or the model's
                output is not a number.
            SottovoceError: `min_confidence` is not within 0 to 1, or the profile is another
                model's.
        """
        network = self.network(profile)
        predictor = self._predictor(gate, min_confidence, network)
        prepared = predictor.preprocess(source)
        if isinstance(prepared, Prediction):
            return prepared
        prediction = run_network(predictor, network, prepared)
        if prediction.status is Status.ERROR:
            raise AudioError(prediction.message)
        return prediction

    def predict_many(
        self,
        sources: Iterable[Source],
        *,
        gate: GateOptions | None = None,
        min_confidence: float | None = None,
        profile: ProfileSource | None = None,
        workers: int | None = None,
    ) -> Iterator[Prediction]:
        """The emotions in many recordings, in order, as they come.

        A source that cannot be read gives a prediction of status `error`, and the rest go on.

        Args:
            sources: any number of what `predict` takes; read as they are needed, a few
                dozen ahead.
            gate: as for `predict`.
            min_confidence: as for `predict`.
            profile: as for `predict`; of all of them.
            workers: threads that decode, gate and run; if None, one a processor, at most 4.

        Raises:
            SottovoceError: an argument is out of its range.
        """
        threads = number_of_workers(workers)
        network = self.network(profile)
        predictor = self._predictor(gate, min_confidence, network)
        return predict_many(predictor, network, sources, threads)

    def timeline(
        self,
        source: Source,
        *,
        profile: ProfileSource | None = None,
        workers: int | None = None,
        **options: Any,
    ) -> Timeline:
        """Emotion over time in a recording of any length, segment by segment as it is read.

        Args:
            source: as for `predict`.
            profile: as for `predict`.
            workers: threads for the network; if None, one a processor, at most 4.
            options: window=3.0, hop=1.0 and the other fields of `TimelineOptions`.

        Raises:
            AudioError: the source cannot be opened or decoded, then or while it is read.
            SottovoceError: an option is unknown, out of its range or does not go with the model, or
                `workers` is not at least 1.
        """
        chosen = TimelineOptions(**options)
        network = self.network(profile)
        own = self._own_voice(chosen, profile)
        if own is None:
            predictor = Predictor(self._card, chosen, network.min_confidence)
            return Timeline(predictor, network, source, chosen, workers)
        voice, predictor = own

        def listen(channel: int, pieces: Sequence[Samples]) -> Network:
            voice.hear(channel, pieces)
            return network

        unsmoothed = chosen.model_copy(update={"smoothing": "off"})
        file: Any = source if hasattr(source, "seek") else None
        start = file.tell() if file else 0
        with Timeline(predictor, network, source, unsmoothed, workers, listen) as heard:
            for _ in heard:
                pass
        if file:
            file.seek(start)
        networks: dict[int, Network] = {}

        def judge(channel: int, _: Sequence[Samples]) -> Network:
            if channel not in networks:
                networks[channel] = self.network(voice.profile(channel))
            return networks[channel]

        return Timeline(predictor, network, source, chosen, workers, judge)

    def stream(
        self, sample_rate: int, *, profile: ProfileSource | None = None, **options: Any
    ) -> Stream:
        """The same for samples that come piece by piece, at this rate in Hz; see `Stream`.

        Raises:
            AudioError: the sample rate is out of its range.
            SottovoceError: an option is unknown or out of its range.
        """
        chosen = TimelineOptions(**options)
        network = self.network(profile)
        own = self._own_voice(chosen, profile)
        if own is None:
            predictor = Predictor(self._card, chosen, network.min_confidence)
            return Stream(predictor, network, sample_rate, chosen)
        voice, predictor = own

        def judge(channel: int, pieces: Sequence[Samples]) -> Network:
            voice.hear(channel, pieces)
            return self.network(voice.profile(channel))

        return Stream(predictor, network, sample_rate, chosen, judge)

    def profile(
        self,
        recordings: Iterable[Source],
        kind: Kind = "mixed",
        *,
        gate: GateOptions | None = None,
        workers: int | None = None,
    ) -> Profile:
        """What a voice, or a place, sounds like: the baseline that others are judged against.

        Args:
            recordings: any number of what `predict` takes. Those without speech, and those that
                cannot be read, are left out; `Profile.left_out` says which and why.
            kind: "normal": one person's, spoken plainly, two sentences or more. "mixed": of one
                person or one place in whatever moods, eight recordings or more.
            gate: as for `predict`.
            workers: as for `predict_many`.

        Raises:
            SottovoceError: the model takes no profiles, an argument is out of its range, or speech
                is heard in none of the recordings.
        """
        self.profile_info()
        if kind not in KIND_NUMBERS:
            raise SottovoceError(f"kind is {kind!r}; expected normal or mixed")
        predictor = self._predictor(gate, None, self.network(None))
        size = self.profile_info().dimensions
        found, seconds, left_out = [], 0.0, []

        def both(batch: NDArray[Any]) -> NDArray[np.float32]:
            outputs = self._run(batch, None)
            return np.concatenate([outputs["embedding"], outputs["probabilities"]], axis=1)

        for heard in embed_many(predictor, both, recordings, number_of_workers(workers)):
            if isinstance(heard, Prediction):
                left_out.append(f"{heard.source or 'a recording'}: {heard.message}")
            else:
                found.append(heard.embedding)
                seconds += heard.seconds
        if not found:
            first = f" ({left_out[0]})" if left_out else ""
            raise SottovoceError(
                f"no speech was heard in any of {len(left_out)} recordings{first}; "
                "a profile needs one or more with speech"
            )
        rows = np.stack(found)
        return Profile.of(
            rows[:, :size],
            seconds,
            probabilities=rows[:, size:],
            kind=kind,
            model=self._card.title,
            digest=self._digest,
            left_out=tuple(left_out),
        )

    def network(self, profile: ProfileSource | None) -> ProfiledNetwork:
        """The network with a profile, or without: what predictors run.

        Raises:
            SottovoceError: the model takes no profile, or this one is another model's.
        """
        if profile is None:
            return ProfiledNetwork(self.probabilities, None, None)
        info = self.profile_info()
        opened = open_profile(profile, self._card.title, self._digest)
        return ProfiledNetwork(
            self.probabilities,
            (opened.baseline(info), KIND_NUMBERS[opened.kind]),
            kind_info(info, opened.kind).min_confidence,
        )

    def _own_voice(
        self, options: TimelineOptions, profile: ProfileSource | None
    ) -> tuple[OwnVoice, Predictor] | None:
        """What judges a voice against itself, where the options ask for it."""
        if not options.same_voice:
            return None
        if profile is not None:
            raise SottovoceError(
                "same_voice makes a profile of its own; give no other, or leave it"
            )
        info = self.profile_info()
        title = self._card.title, self._digest
        voice = OwnVoice(self.embed, info, options.hop / options.window, title)
        return voice, Predictor(self._card, options, info.mixed.min_confidence)

    def _predictor(
        self, gate: GateOptions | None, min_confidence: float | None, network: ProfiledNetwork
    ) -> Predictor:
        options = PredictOptions(gate=gate or GateOptions(), min_confidence=min_confidence)
        return Predictor(self._card, options, network.min_confidence)

    def _check_answers(self) -> None:
        """Run the network on a little noise: its output must be probabilities of the labels."""
        samples = max(1, round(self._card.window.min * self._card.sample_rate))
        noise = np.random.default_rng(0).normal(0, 0.1, (2, samples))
        rows = self.probabilities(noise)
        expected = (2, len(self.labels))
        if rows.shape != expected:
            raise ModelError(
                f"gives {rows.shape} for 2 clips; expected {expected}, one column a label; "
                "export it again"
            )
        if not (rows >= 0).all() or not np.allclose(rows.sum(axis=1), 1, atol=1e-3):
            raise ModelError("gives no probabilities (0 to 1, summing to 1); export it again")


def adapted_probabilities(
    info: AdaptedInfo, run: Callable[[Baselines], Mapping[str, NDArray[np.float32]]]
) -> Probabilities:
    """What an adapted model says: (clips, classes).

    Args:
        info: of the card.
        run: the graph, with baselines of one clip or as many as there are clips.
    """
    baseline = np.array(info.baseline, np.float32)
    found = run(Baselines(baseline[None], np.array([2])))
    logs = np.log(np.maximum(found["probabilities"].astype(np.float64), 1e-9))
    logs -= logs.mean(axis=1, keepdims=True)
    logits = (found["embedding"] - baseline) @ np.array(info.weights).T
    logits = (logits + logs @ np.array(info.mix).T + np.array(info.intercept)) / info.temperature
    logits -= logits.max(axis=1, keepdims=True)
    chances = np.exp(logits)
    return np.asarray(chances / chances.sum(axis=1, keepdims=True), np.float32)


Tensors = Mapping[str, tuple[str, Mapping[str, int | None]]]
"""Name -> type, and the sizes of its axes after the batch."""


def _inputs(card: Card) -> Tensors:
    """What the graph of a model takes."""
    sound: Tensors = {"waveform": ("float", {"samples": None})}
    if card.encoder is not None:
        sound = {"encoded": ("float", encoded_axes(card.encoder))}
    if card.profiles is None:
        return sound
    dimensions = {"dimensions": card.profiles.dimensions}
    return {**sound, "baseline": ("float", dimensions), "kind": ("int64", {})}


def _outputs(card: Card) -> Tensors:
    """What it gives."""
    labels = card.labels if card.adapted is None else card.adapted.graph_labels
    probabilities: Tensors = {"probabilities": ("float", {"classes": len(labels)})}
    if card.profiles is None:
        return probabilities
    dimensions = {"dimensions": card.profiles.dimensions}
    return {**probabilities, "embedding": ("float", dimensions)}
