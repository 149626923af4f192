"""A model: what is asked of one model file, of one recording, of many, or over time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Samples, Source, Watch
from sottovoce.audio.sources import recordings as several
from sottovoce.errors import AudioError, SottovoceError
from sottovoce.inference.batch_predictor import predict_many
from sottovoce.inference.denoise import with_noise_reduced
from sottovoce.inference.details import Details, details
from sottovoce.inference.embed import Embedded, embed, embed_many
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
from sottovoce.inference.recording import RecordingPredictor
from sottovoce.inference.stream import Stream
from sottovoce.inference.timeline import Timeline
from sottovoce.models.card import Card, ProfileInfo
from sottovoce.models.network import (
    Baselines,
    ModelNetwork,
    NetworkOnDemand,
    NetworkOutput,
    ProfiledNetwork,
)
from sottovoce.options import (
    Channels,
    GateOptions,
    PredictOptions,
    RecordingOptions,
    TimelineOptions,
)
from sottovoce.results import Prediction, Status
from sottovoce.system import number_of_workers
from sottovoce.text import describe


class Model:
    """One opened model file. Safe to use from several threads at once.

    Open it with `sottovoce.load` or `Model.open`.
    """

    def __init__(self, network: ModelNetwork | NetworkOnDemand) -> None:
        self._network = network
        self._card = network.card

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
        return cls(ModelNetwork.open(path, threads))

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
        return self._network.digest

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
        return self.run_network(batch, baselines).probabilities

    def run_network(
        self, batch: NDArray[np.floating[Any]], baselines: Baselines | None = None
    ) -> NetworkOutput:
        """The same with all that the network gives: probabilities and embeddings of one run."""
        if baselines is not None:
            self.profile_info()
        return self._network.run(batch, baselines)

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

    def predict(
        self,
        source: Source,
        *,
        gate: GateOptions | None = None,
        min_confidence: float | None = None,
        profile: ProfileSource | None = None,
        denoise: bool = False,
    ) -> Prediction:
        """The emotion in one recording.

        Of a recording over a minute it is the one with the most time in its timeline, and the
        message says so: see `timeline`.

        Args:
            source: a path, an address (https://..., with the extra `remote`), the bytes of a file,
                a binary file object, (array, rate) or (rate, array), `Audio`, a dict as Hugging
                Face gives it or a torchcodec decoder; see `sottovoce.audio.Source`.
            gate: thresholds of the gate; the defaults if None.
            min_confidence: below it the status is `uncertain`, 0 to 1; the card's own if None.
            profile: of the voice or the place, or its file; None: without.
            denoise: whether noise is reduced first (extra `denoise`).

        Raises:
            AudioError: the source cannot be read, its samples are far beyond -1..1, or the model's
                output is not a number.
            SottovoceError: `min_confidence` is not within 0 to 1, or the profile is another
                model's.
        """
        (prediction,) = self.predict_channels(
            source,
            gate=gate,
            min_confidence=min_confidence,
            profile=profile,
            denoise=denoise,
            channels="mix",
        )
        return prediction

    def details(self, source: Source, *, gate: GateOptions | None = None) -> Details:
        """The emotion in one recording, and what there is to be seen on the way to it.

        The sound, to be drawn, the features that the front end gives and the network takes, with
        their shape, and how long each step took; see `Details`. It is computed anew for this, and
        takes twice as long as `predict`.

        Args:
            source: as for `predict`, at most a minute.
            gate: as for `predict`.

        Raises:
            AudioError: the source cannot be read.
            SottovoceError: it is longer than a minute, or these are several models.
        """
        return details(self, source, gate=gate)

    def features(self, batch: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """What the front end gives and the network takes: no gate, no window.

        Args:
            batch: as for `probabilities`.

        Returns:
            (clips, features, frames); frames are 1 where the front end keeps none.

        Raises:
            ModelError: no weight of a network is found in the model's graph.
            SottovoceError: these are several models.
        """
        return self._network.features(batch)

    def predict_channels(
        self,
        source: Source,
        *,
        gate: GateOptions | None = None,
        min_confidence: float | None = None,
        channels: Channels = "split",
        profile: ProfileSource | None = None,
        denoise: bool = False,
        watch: Watch | None = None,
    ) -> list[Prediction]:
        """The emotion in each channel of one recording, heard on its own.

        Args:
            source: as for `predict`.
            gate: as for `predict`.
            min_confidence: as for `predict`.
            channels: "split", or "mix": one prediction of them all.
            profile: as for `predict`.
            denoise: as for `predict`.
            watch: called after each block that is decoded; what it raises ends the work.

        Returns:
            One prediction a channel; its `channel` is 1 for the first (left) one.

        Raises:
            AudioError: as for `predict`.
            SottovoceError: as for `predict`.
        """
        options = PredictOptions(
            gate=gate or GateOptions(),
            min_confidence=min_confidence,
            channels=channels,
            denoise=denoise,
        )
        predictions = self._recording(options, profile, None).predict(source, watch)
        for prediction in predictions:
            if prediction.status is Status.ERROR:
                raise AudioError(prediction.message)
        return predictions

    def predict_many(
        self,
        sources: Source | Iterable[Source],
        *,
        gate: GateOptions | None = None,
        min_confidence: float | None = None,
        channels: Channels = "mix",
        profile: ProfileSource | None = None,
        denoise: bool = False,
        workers: int | None = None,
    ) -> Iterator[Prediction]:
        """The emotions in many recordings, in order, as they come.

        A source that cannot be read gives a prediction of status `error`, and the rest go on.

        Args:
            sources: any number of what `predict` takes, read as they are needed, a few dozen
                ahead; or one.
            gate: as for `predict`.
            min_confidence: as for `predict`.
            channels: "split" gives a prediction for each channel of each recording.
            profile: as for `predict`; of all of them.
            denoise: as for `predict`.
            workers: threads that decode, gate and run; if None, one a processor, at most 4.

        Raises:
            SottovoceError: an argument is out of its range, or `sources` is no recording and no
                iterable of them.
        """
        options = PredictOptions(
            gate=gate or GateOptions(),
            min_confidence=min_confidence,
            channels=channels,
            denoise=denoise,
        )
        threads = number_of_workers(workers)
        return predict_many(self._recording(options, profile, threads), several(sources), threads)

    def timeline(
        self,
        source: Source,
        *,
        profile: ProfileSource | None = None,
        workers: int | None = None,
        watch: Watch | None = None,
        **options: Any,
    ) -> Timeline:
        """Emotion over time in a recording of any length, segment by segment as it is read.

        Args:
            source: as for `predict`.
            profile: as for `predict`.
            workers: threads for the network; if None, one a processor, at most 4.
            watch: called after each block that is decoded; what it raises ends the reading.
            options: window=3.0, hop=1.0 and the other fields of `RecordingOptions`.

        Raises:
            AudioError: the source cannot be opened or decoded, then or while it is read.
            SottovoceError: an option is unknown, out of its range or does not go with the model, or
                `workers` is not at least 1.
        """
        chosen = RecordingOptions(**options)
        network = self.network(profile, denoise=chosen.denoise)
        own = self._own_voice(chosen, profile)
        if own is None:
            predictor = Predictor(self._card, chosen, network.min_confidence)
            return Timeline(predictor, network, source, chosen, workers, watch=watch)
        voice, predictor = own

        def listen(channel: int, _: Sequence[Samples]) -> Network:
            return voice.listener(channel)

        unsmoothed = chosen.model_copy(update={"smoothing": "off"})
        file: Any = source if hasattr(source, "seek") else None
        start = file.tell() if file else 0
        with Timeline(
            predictor, network, source, unsmoothed, workers, listen, watch=watch
        ) as heard:
            for _ in heard:
                pass
        if file:
            file.seek(start)
        networks: dict[int, Network] = {}

        def judge(channel: int, _: Sequence[Samples]) -> Network:
            if channel not in networks:
                networks[channel] = self.network(voice.profile(channel), denoise=chosen.denoise)
            return networks[channel]

        return Timeline(predictor, network, source, chosen, workers, judge, watch=watch)

    def stream(
        self, sample_rate: int, *, profile: ProfileSource | None = None, **options: Any
    ) -> Stream:
        """The same for samples that come piece by piece, at this rate in Hz; see `Stream`.

        Args:
            sample_rate: Hz.
            profile: as for `predict`.
            options: the fields of `TimelineOptions`; they are those of `timeline`, but `lookahead`
                is short, so that a label comes soon.

        Raises:
            AudioError: the sample rate is out of its range.
            SottovoceError: an option is unknown or out of its range.
        """
        chosen = TimelineOptions(**options)
        network = self.network(profile, denoise=chosen.denoise)
        own = self._own_voice(chosen, profile)
        if own is None:
            predictor = Predictor(self._card, chosen, network.min_confidence)
            return Stream(predictor, network, sample_rate, chosen)
        voice, predictor = own

        def judge(channel: int, pieces: Sequence[Samples]) -> Network:
            voice.hear(channel, pieces)
            return self.network(voice.profile(channel), denoise=chosen.denoise)

        return Stream(predictor, network, sample_rate, chosen, judge)

    def embed(self, source: Source, *, gate: GateOptions | None = None) -> NDArray[np.float32]:
        """The embedding of one recording: what the classifier stands on, a vector.

        Recordings that sound alike have vectors near one another. They are this model's: those of
        another one mean something else.

        Args:
            source: as for `predict`.
            gate: as for `predict`; the vector is of what it takes for speech.

        Returns:
            (dimensions,): of a long recording the mean over its parts.

        Raises:
            AudioError: the source cannot be read, or nobody speaks in it.
            SottovoceError: the model gives no embeddings.
        """
        found = embed(self._embedder(gate), self.run_network, source)
        if isinstance(found, Prediction):
            raise AudioError(f"{describe(source)}: {found.message}; there is nothing to embed")
        return found.embedding

    def embed_many(
        self,
        sources: Source | Iterable[Source],
        *,
        gate: GateOptions | None = None,
        workers: int | None = None,
    ) -> Iterator[NDArray[np.float32] | Prediction]:
        """The embeddings of many recordings, in order, as they come.

        Where a source cannot be read, or nobody speaks in it, a prediction stands in its place,
        whose status and message say why.

        Args:
            sources: as for `predict_many`.
            gate: as for `predict`.
            workers: as for `predict_many`.

        Raises:
            SottovoceError: the model gives no embeddings, or `workers` is not at least 1.
        """
        predictor, threads = self._embedder(gate), number_of_workers(workers)
        found = embed_many(predictor, self.run_network, several(sources), threads)
        return (one.embedding if isinstance(one, Embedded) else one for one in found)

    def profile(
        self,
        recordings: Source | Iterable[Source],
        kind: Kind = "mixed",
        *,
        gate: GateOptions | None = None,
        workers: int | None = None,
    ) -> Profile:
        """What a voice, or a place, sounds like: the baseline that others are judged against.

        Args:
            recordings: any number of what `predict` takes, or one. Those without speech, and those
                that cannot be read, are left out; `Profile.left_out` says which and why.
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
        predictor = Predictor(self._card, PredictOptions(gate=gate or GateOptions()))
        found, seconds, left_out = [], 0.0, []
        threads = number_of_workers(workers)
        heard = embed_many(predictor, self.run_network, several(recordings), threads)
        for one in heard:
            if isinstance(one, Prediction):
                left_out.append(f"{one.source or 'a recording'}: {one.message}")
            else:
                found.append(one)
                seconds += one.seconds
        if not found:
            first = f" ({left_out[0]})" if left_out else ""
            raise SottovoceError(
                f"no speech was heard in any of {len(left_out)} recordings{first}; "
                "a profile needs one or more with speech"
            )
        return Profile.of(
            np.stack([one.embedding for one in found]),
            seconds,
            probabilities=np.stack([one.probabilities for one in found]),
            kind=kind,
            model=self._card.title,
            digest=self.digest,
            left_out=tuple(left_out),
        )

    def network(self, profile: ProfileSource | None, *, denoise: bool = False) -> ProfiledNetwork:
        """The network with a profile, or without: what predictors run.

        Args:
            profile: as for `predict`.
            denoise: as for `predict`.

        Raises:
            SottovoceError: the model takes no profile, or this one is another model's.
        """
        run: Callable[..., Probabilities] = self.probabilities
        if denoise:
            run = with_noise_reduced(run, self._card.sample_rate)
        if profile is None:
            return ProfiledNetwork(run, None, None)
        info = self.profile_info()
        opened = open_profile(profile, self._card.title, self.digest)
        return ProfiledNetwork(
            run,
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
        title = self._card.title, self.digest
        run: Callable[..., NetworkOutput] = self.run_network
        if options.denoise:
            run = with_noise_reduced(run, self._card.sample_rate)
        voice = OwnVoice(run, info, options.hop / options.window, title)
        return voice, Predictor(self._card, options, info.mixed.min_confidence)

    def _embedder(self, gate: GateOptions | None) -> Predictor:
        """What prepares recordings to be embedded."""
        if self._card.profiles is None:
            raise SottovoceError(
                f"{self._card.title} gives no embeddings; use a model that takes profiles, such as "
                "the built-in one"
            )
        return Predictor(self._card, PredictOptions(gate=gate or GateOptions()))

    def _recording(
        self, options: PredictOptions, profile: ProfileSource | None, workers: int | None
    ) -> RecordingPredictor:
        network = self.network(profile, denoise=options.denoise)
        predictor = Predictor(self._card, options, network.min_confidence)
        return RecordingPredictor(predictor, network, options, workers)
