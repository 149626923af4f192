"""The routes that the page needs beside those for everybody: why, peaks, tests, corrections."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from sottovoce.audio import Audio, open_blocks
from sottovoce.audio.mel_scale import mel_edges, mel_filters
from sottovoce.errors import SottovoceError
from sottovoce.inference.occlusion import HIGHEST, explain
from sottovoce.inference.profile import Profile
from sottovoce.models.tested import read
from sottovoce.options import StrictModel
from sottovoce.serve.auth import may_correct
from sottovoce.serve.batching import SharedModel
from sottovoce.serve.corrections import Correction, keep_correction
from sottovoce.serve.errors import ServiceError
from sottovoce.serve.routes import ERRORS, TheService, body, work_for
from sottovoce.serve.schemas import ErrorResponse
from sottovoce.serve.service import WorkLimit, unreadable
from sottovoce.serve.uploads import one_of, read_uploads

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


class ReliabilityResponse(BaseModel):
    """In equal bins of confidence from 0 to 1."""

    clips: list[float]
    """Answers in each."""
    confidence: list[float | None]
    """Their mean; null in an empty bin."""
    right: list[float | None]
    """The fraction of them that was right."""


class TestedResponse(BaseModel):
    """What a model said of clips of speakers that it did not learn from."""

    labels: list[str]
    confusion: list[list[float]]
    """(labels, labels) clips by truth (row) and answer (column)."""
    reliability: ReliabilityResponse


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
        profile = service.profile_for(model, uploads.profile)
        async with work_for(request, service.work_limit(LONGEST_WHY)) as (run, limit):
            found = await run(service.timeline_pool, _why, model, content, profile, limit)
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
        async with work_for(request, service.work_limit(service.limits.timeline)) as (run, limit):
            found = await run(service.timeline_pool, _peaks, content, limit)
    return JSONResponse(found.model_dump())


@router.get("/v1/models/{name}/tested", responses={404: ERRORS[404]})
async def tested(service: TheService, name: str) -> TestedResponse:
    """How the model did in its tests: which emotion it took for which, and how surely."""
    card = service.model(name).card
    found = read(service.files[name], card)
    if found is None:
        raise ServiceError(404, "not_tested", f"no record of tests is known of {name}")
    return TestedResponse.model_validate(found.to_dict() | {"labels": card.labels})


class CorrectionResponse(BaseModel):
    """What is in the folder now."""

    labels: int
    """Stretches with a label that training reads; without those on which raters are divided."""


@router.post(
    "/v1/corrections",
    response_model=CorrectionResponse,
    responses=ERRORS
    | {
        403: {"model": ErrorResponse, "description": "Not for this caller."},
        507: {"model": ErrorResponse, "description": "The folder cannot be written."},
    },
    openapi_extra=body(RECORDING),
)
async def corrections(
    request: Request, query: Annotated[Correction, Query()], service: TheService
) -> JSONResponse:
    """Keep a stretch, as a WAV file, with the label that a person gave it.

    All who are heard in it must have agreed. It is there only with `serve --corrections FOLDER`,
    for callers with a key or on the same machine.
    """
    folder = service.settings.corrections
    if folder is None:
        message = "this service keeps no corrections; start it with --corrections FOLDER"
        raise ServiceError(404, "no_corrections", message)
    if not may_correct(request, service.settings):
        message = "corrections are taken with a key, or on the service's own machine, alone"
        raise ServiceError(403, "not_here", message)
    with service.admission.request() as reservation:
        uploads = await read_uploads(request, reservation, service.limits)
        content = one_of(uploads.recordings).content
        async with work_for(request, service.work_limit(service.limits.duration)) as (run, limit):
            count = await run(service.timeline_pool, _correct, folder, content, query, limit)
    return JSONResponse({"labels": count})


def _correct(folder: Path, content: bytes, correction: Correction, limit: WorkLimit) -> int:
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise ServiceError(422, "unreadable", "the stretch is no WAV file; send it as one")
    try:
        Audio.read(content, watch=limit.check)
    except (SottovoceError, MemoryError) as error:
        raise unreadable(error) from None
    try:
        return keep_correction(folder, content, correction)
    except SottovoceError as error:
        raise ServiceError(507, "not_written", str(error)) from None


def _why(
    model: SharedModel, content: bytes, profile: Profile | None, limit: WorkLimit
) -> WhyResponse:
    rate = model.card.sample_rate
    try:
        audio = Audio.read(content, sample_rate=rate, watch=limit.check)
        # Cells need some two hundred runs of the network, which an encoder is too slow for.
        found = explain(
            model, audio, profile=profile, bands=WHY_BANDS, cells=model.card.encoder is None
        )
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


def _peaks(content: bytes, limit: WorkLimit) -> PeaksResponse:
    try:
        with ExitStack() as stack:
            opened = open_blocks(content, stack).watched(limit.check)
            two = (np.ascontiguousarray(block[:, :2]) for block in opened.blocks)
            audio = Audio.from_blocks(opened, two, 8000)
    except (SottovoceError, MemoryError) as error:
        raise unreadable(error) from None
    count = int(max(1, min(audio.duration * PEAKS_PER_SECOND, MOST_PEAKS)))
    places = np.linspace(0, audio.samples.shape[1], count, endpoint=False).astype(int)
    shape: list[list[float]] = []
    for channel in audio.samples:
        high, low = np.maximum.reduceat(channel, places), np.minimum.reduceat(channel, places)
        shape.append(np.round(np.stack([high, low], axis=1).ravel(), 4).tolist())
    return PeaksResponse(duration=audio.duration, peaks=shape)
