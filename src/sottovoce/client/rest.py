"""The client of the HTTP routes: `Client`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from time import sleep
from typing import Any, BinaryIO, Self, TypeAlias

from sottovoce.audio.sources import recordings as several
from sottovoce.client.stream import LiveStream, error_of
from sottovoce.errors import AudioError, MissingExtraError, SottovoceError
from sottovoce.inference.profile import Kind, Profile
from sottovoce.models.card import Card
from sottovoce.options import PredictOptions, RecordingOptions, TimelineOptions
from sottovoce.results import Prediction, Status, TimelineResult
from sottovoce.text import describe, one_line

try:
    import httpx
except ModuleNotFoundError:
    raise MissingExtraError("the client", "httpx", "client") from None

Recording: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO
"""A path, the bytes of a file, or a binary file object, read from where it stands."""

TRIES = 4
"""How often a request is sent while the service is too busy."""

MAX_WAIT = 10.0
"""s between two of them at most."""


class Client:
    """A connection to a service; may be used from several threads.

    A request that finds the service too busy is sent again after the time that it names.

    Args:
        url: of the service, such as http://127.0.0.1:8000.
        key: an API key, where the service wants one.
        timeout: s to wait for a response, or for a stream to begin.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8000", *, key: str | None = None, timeout: float = 120.0
    ) -> None:
        self._url, self._timeout = url.rstrip("/"), timeout
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=self._url, headers=self._headers, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def predict(
        self,
        source: Recording,
        *,
        model: str | Sequence[str] | None = None,
        caller: str | None = None,
        profile: Profile | None = None,
        **options: Any,
    ) -> Prediction:
        """The emotion in one recording.

        Args:
            source: the recording; its name is not sent.
            model: one that the service has; its first one if None. Several: they answer together.
            caller: an id of your own that the service's store keeps with the result.
            profile: of the voice or the place, such as `profile` gives; it is sent along.
            options: the fields of `PredictOptions` but for `gate`, such as min_confidence=0.5.

        Raises:
            AudioError: the recording cannot be read, here or there, or is too long.
            SottovoceError: the service cannot be reached, or refuses the request; an option is
                unknown or out of its range, or `gate` was given, or channels="split".
        """
        if options.get("channels") == "split":
            raise SottovoceError("channels is 'split', which gives several; use predict_many")
        query = {"model": model, "caller": caller, **_checked(PredictOptions, options)}
        response = self._post("/v1/predict", query, **_body(source, profile))
        prediction = _prediction(response["predictions"][0], source)
        if prediction.status is Status.ERROR:
            raise AudioError(prediction.message)
        return prediction

    def predict_many(
        self,
        sources: Recording | Iterable[Recording],
        *,
        model: str | Sequence[str] | None = None,
        caller: str | None = None,
        profile: Profile | None = None,
        **options: Any,
    ) -> list[Prediction]:
        """The emotions in several recordings, in one request.

        Args:
            sources: as for `predict`; one that the service cannot judge gives a prediction of
                status `error`.
            model: as for `predict`.
            caller: as for `predict`.
            profile: as for `predict`; of all of them.
            options: as for `predict`; channels="split" gives a prediction for each channel of each
                recording.

        Raises:
            AudioError: a recording cannot be read here.
            SottovoceError: as for `predict`.
        """
        recordings = list(several(sources))
        if not recordings:
            return []
        query = {"model": model, "caller": caller, **_checked(PredictOptions, options)}
        files = [("file", (str(n), _content(source))) for n, source in enumerate(recordings, 1)]
        body = {"files": files, "data": _form(profile)}
        try:
            predictions = self._post("/v1/predict", query, **body)["predictions"]
        except AudioError as error:  # of several, each would have its answer
            if len(recordings) > 1:
                raise
            reason = str(error).removeprefix(f"{self._url}: ")
            values = {"status": Status.ERROR, "model": self._title(model), "message": reason}
            return [_prediction(values, recordings[0])]
        return [_prediction(values, recordings[int(values["name"]) - 1]) for values in predictions]

    def timeline(
        self,
        source: Recording,
        *,
        model: str | Sequence[str] | None = None,
        caller: str | None = None,
        profile: Profile | None = None,
        **options: Any,
    ) -> TimelineResult:
        """Emotion over time in one recording.

        Args:
            source: as for `predict`.
            model: as for `predict`.
            caller: as for `predict`.
            profile: as for `predict`.
            options: the fields of `RecordingOptions` but for `gate`, such as hop=2.0.

        Raises:
            AudioError: as for `predict`.
            SottovoceError: as for `predict`.
        """
        query = {"model": model, "caller": caller, **_checked(RecordingOptions, options)}
        response = self._post("/v1/timeline", query, **_body(source, profile))
        return TimelineResult.from_dict(response)

    def profile(
        self,
        sources: Recording | Iterable[Recording],
        kind: Kind = "mixed",
        *,
        model: str | None = None,
    ) -> Profile:
        """A profile of recordings of a voice or a place; the service keeps nothing of it.

        Args:
            sources: one or more, as for `predict`.
            kind: as for `Model.profile`.
            model: as for `predict`.

        Raises:
            AudioError: a recording cannot be read here.
            SottovoceError: as for `predict`, or speech is heard in none of them.
        """
        files = [
            ("file", (str(n), _content(source))) for n, source in enumerate(several(sources), 1)
        ]
        content = self._post("/v1/profile", {"model": model, "kind": kind}, files=files)
        return Profile.model_validate(content)

    def stream(
        self,
        sample_rate: int,
        *,
        inputs: int = 1,
        model: str | Sequence[str] | None = None,
        caller: str | None = None,
        profile: Profile | None = None,
        **options: Any,
    ) -> LiveStream:
        """Emotion while it is being spoken; a context manager.

        Args:
            sample_rate: of the samples that will be fed, Hz.
            inputs: channels that they have.
            model: as for `predict`.
            caller: as for `predict`.
            profile: as for `predict`.
            options: as for `timeline`; `channels` says whether to mix or to split them.

        Raises:
            SottovoceError: the service cannot be reached, or refuses the stream; an option is
                unknown or out of its range, or `gate` was given.
        """
        config = _checked(TimelineOptions, options) | {
            "type": "config",
            "sample_rate": sample_rate,
            "encoding": "float32",
            "channels": inputs,
            "split": options.get("channels") == "split",
            "model": model if model is None or isinstance(model, str) else list(model),
            "caller": caller,
        }
        if profile is not None:
            config["profile"] = profile.model_dump(mode="json")
        return LiveStream(self._url, self._headers, config, self._timeout)

    def models(self) -> list[dict[str, Any]]:
        """The models that the service has, in short: name, version, labels and so on.

        Raises:
            SottovoceError: as for `predict`.
        """
        models: list[dict[str, Any]] = self._request("GET", "/v1/models")["models"]
        return models

    def card(self, name: str) -> Card:
        """Everything known about one of the service's models.

        Raises:
            SottovoceError: as for `predict`, or there is no such model.
        """
        return Card.model_validate(self._request("GET", f"/v1/models/{name}"))

    def is_ready(self) -> bool:
        """Whether the service can be reached and takes requests."""
        try:
            return self._http.get("/readyz").is_success
        except httpx.HTTPError:
            return False

    def _title(self, name: str | Sequence[str] | None) -> str:
        """Name and version of a model of the service; of its first one if None."""
        if name is not None and not isinstance(name, str):
            return "+".join(name)
        for model in self.models():
            if model["name"] == (name or model["name"]):
                return f"{model['name']} {model['version']}"
        return name or ""

    def _post(self, path: str, query: Mapping[str, Any], **body: Any) -> dict[str, Any]:
        params = {name: value for name, value in query.items() if value is not None}
        return self._request("POST", path, params=params, **body)

    def _request(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        for attempt in range(TRIES):
            try:
                response = self._http.request(method, path, **arguments)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise SottovoceError(
                    f"{self._url} does not answer ({one_line(error)}); is the service running?"
                ) from None
            if response.status_code != httpx.codes.TOO_MANY_REQUESTS or attempt == TRIES - 1:
                break
            sleep(_seconds(response.headers.get("retry-after", "")))
        if not response.is_success:
            raise error_of(self._url, response.status_code, response.content)
        try:
            content: dict[str, Any] = response.json()
        except ValueError:
            raise SottovoceError(
                f"{self._url} answers something that is no JSON; is it a Sottovoce service?"
            ) from None
        return content


def _seconds(retry_after: str) -> float:
    """How long to wait; proxies may give a date instead of a number, or hours."""
    return min(float(retry_after), MAX_WAIT) if retry_after.isdecimal() else 1.0


def _checked(kind: type[PredictOptions], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given; the service has the defaults of the others."""
    if options.get("gate") is not None:
        raise SottovoceError("gate cannot be sent to a service; leave it out")
    known = [name for name in kind.model_fields if name != "gate"]
    for name in options:
        if name not in (*known, "gate"):
            raise SottovoceError(f"{name}: no such option; expected {', '.join(known)}")
    chosen = {name: value for name, value in options.items() if value is not None}
    checked = kind(**chosen)
    return {name: getattr(checked, name) for name in chosen}


def _content(source: Recording) -> bytes:
    try:
        if isinstance(source, bytes):
            return source
        if isinstance(source, str | os.PathLike):
            return Path(source).read_bytes()
        content = source.read()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"{describe(source)}: cannot be read ({reason})") from None
    if not isinstance(content, bytes):
        raise AudioError(f"{describe(source)}: is open as text; open it in binary mode ('rb')")
    return content


def _body(source: Recording, profile: Profile | None) -> dict[str, Any]:
    """A recording as a request's body, or, with a profile, a form of both."""
    if profile is None:
        return {"content": _content(source)}
    return {"files": [("file", ("1", _content(source)))], "data": _form(profile)}


def _form(profile: Profile | None) -> dict[str, str]:
    """The fields of a form beside its files."""
    return {} if profile is None else {"profile": profile.to_json()}


def _prediction(values: Mapping[str, Any], source: Recording) -> Prediction:
    """The service's prediction, with the path of the recording, where it has one."""
    path = os.fsdecode(source) if isinstance(source, str | os.PathLike) else None
    return Prediction.from_dict({**values, "path": path})
