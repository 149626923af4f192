"""The routes that the page needs beside those for everybody: why, peaks, tests of a model."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from sottovoce.audio import Audio
from sottovoce.audio.mel_scale import mel_edges, mel_filters
from sottovoce.errors import SottovoceError
from sottovoce.inference.occlusion import HIGHEST, explain
from sottovoce.models import registry
from sottovoce.options import StrictModel
from sottovoce.serve.batching import SharedModel
from sottovoce.serve.errors import ServiceError
from sottovoce.serve.routes import ERRORS, TheService, body
from sottovoce.serve.service import Service, WorkLimit, unreadable
from sottovoce.serve.uploads import Upload, read_uploads

LONGEST_WHY = 10.5
"""s that are explained at once; more would take long, and say little."""

WHY_BANDS = 8

PEAKS_PER_SECOND = 50.0
MOST_PEAKS = 100_000

BANDS, FRAME, HOP = 64, 512, 160
"""Of the spectrogram beside an explanation."""

RANGE = 60.0
"""dB below its loudest place that the spectrogram shows."""

RECORDING = {"type": "string", "format": "binary"}

router = APIRouter()
"""They need a key, where the service has keys."""


class WhyQuery(StrictModel):
    """Query of `/v1/why`."""

    model: str | None = Field(default=None, description="A model's name; the first if none.")


class WhyResponse(BaseModel):
    """What each part of a stretch spoke for or against: how far the probability drops without it.

    See `sottovoce.inference.occlusion.Explanation`.
    """

    emotion: str
    probability: float
    moments: list[float]
    """Where each moment begins, and the last ends: s from the start."""
    bands: list[float]
    """Where each band begins, and the last ends: Hz."""
    by_moment: list[float]
    by_band: list[float]
    cells: list[list[float]] | None
    """(bands, moments); null where the model is too slow for it."""
    stretch: tuple[float, float] | None
    """The decisive stretch, s."""
    range: tuple[float, float] | None
    """The decisive range, Hz."""
    spectrogram: list[list[float]]
    """(64 mel bands, time) from the first moment to the last: 0, 60 dB below its loudest, to 1."""


class PeaksResponse(BaseModel):
    """The shape of a recording."""

    duration: float
    """s"""
    peaks: list[list[float]]
    """Of each channel: the largest and the least sample of each fiftieth of a second, in turn."""


@router.post(
    "/v1/why",
    response_model=WhyResponse,
    responses=ERRORS,
    openapi_extra=body(RECORDING),
)
async def why(
    request: Request, query: Annotated[WhyQuery, Query()], service: TheService
) -> JSONResponse:
    """Which moments and which frequencies carried the decision about a recording of up to 10 s."""
    model = service.model(query.model)
    with service.admission.request() as reservation:
        uploads = await read_uploads(request, reservation, service.limits)
        content = one_of(uploads.recordings).content
        found = await service.run(service.timeline_pool, _why, service, model, content)
    return JSONResponse(found.model_dump())


@router.post(
    "/v1/peaks",
    response_model=PeaksResponse,
    responses=ERRORS,
    openapi_extra=body(RECORDING),
)
async def peaks(request: Request, service: TheService) -> JSONResponse:
    """The shape of a recording, for one that a browser cannot decode or hold."""
    with service.admission.request() as reservation:
        uploads = await read_uploads(request, reservation, service.limits)
        content = one_of(uploads.recordings).content
        found = await service.run(service.timeline_pool, _peaks, service, content)
    return JSONResponse(found.model_dump())


@router.get("/v1/models/{name}/tested", responses={404: ERRORS[404]})
async def tested(service: TheService, name: str) -> Response:
    """How the model did in its tests: which emotion it took for which, and how surely."""
    service.model(name)
    found = registry.record_of_tests(service.files[name])
    if found is None:
        raise ServiceError(404, "not_tested", f"no record of tests lies beside {name}")
    return JSONResponse(found)


def one_of(recordings: list[Upload]) -> Upload:
    """The one recording of a request.

    Raises:
        ServiceError: 422, there are more.
    """
    if len(recordings) > 1:
        raise ServiceError(422, "too_many", f"{len(recordings)} recordings; expected one")
    return recordings[0]


def _why(service: Service, model: SharedModel, content: bytes) -> WhyResponse:
    limit = WorkLimit(LONGEST_WHY, service.limits.work, service.cancelled)
    rate = model.card.sample_rate
    try:
        audio = Audio.read(content, sample_rate=rate, watch=limit.check)
        # Cells need some two hundred runs of the network, which an encoder is too slow for.
        found = explain(model, audio, bands=WHY_BANDS, cells=model.card.encoder is None)
    except (SottovoceError, MemoryError) as error:
        raise unreadable(error) from None
    shown = audio.crop(float(found.moments[0]), float(found.moments[-1]))
    return WhyResponse(
        emotion=found.emotion,
        probability=found.probability,
        moments=found.moments.tolist(),
        bands=found.bands.tolist(),
        by_moment=found.by_moment.tolist(),
        by_band=found.by_band.tolist(),
        cells=None if found.cells is None else found.cells.tolist(),
        stretch=found.stretch,
        range=found.range,
        spectrogram=np.round(spectrogram(shown), 3).tolist(),
    )


def spectrogram(audio: Audio) -> NDArray[np.float64]:
    """A mel spectrogram for a picture: (64, time), 0 (60 dB below its loudest place) to 1."""
    samples, rate = audio.samples[0], audio.sample_rate
    padded = np.pad(samples, (0, max(0, FRAME - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(FRAME))) ** 2
    filters = mel_filters(mel_edges(BANDS, 0.0, min(HIGHEST, rate / 2)), FRAME, rate)
    level = 10 * np.log10(np.maximum(filters @ power.T, 1e-10))
    return np.asarray(np.clip((level - level.max()) / RANGE + 1, 0, 1))


def _peaks(service: Service, content: bytes) -> PeaksResponse:
    limit = WorkLimit(service.limits.timeline, service.limits.work, service.cancelled)
    try:
        audio = Audio.read(content, sample_rate=8000, mono=False, watch=limit.check)
    except (SottovoceError, MemoryError) as error:
        raise unreadable(error) from None
    count = int(max(1, min(audio.duration * PEAKS_PER_SECOND, MOST_PEAKS)))
    places = np.linspace(0, audio.samples.shape[1], count, endpoint=False).astype(int)
    shape: list[list[float]] = []
    for channel in audio.samples[:2]:
        high, low = np.maximum.reduceat(channel, places), np.minimum.reduceat(channel, places)
        shape.append(np.round(np.stack([high, low], axis=1).ravel(), 4).tolist())
    return PeaksResponse(duration=audio.duration, peaks=shape)
