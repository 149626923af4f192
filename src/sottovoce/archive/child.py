"""The process that hears: rows of a plan come on standard input, answers go out, a line each.

It is one of its own, so that a file that crashes or hangs a decoder takes nothing else with it.
"""

from __future__ import annotations

import json
import os
import queue
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from typing import Any

from sottovoce.archive.job import ArchiveFolder, ArchiveJob
from sottovoce.archive.profiles import read_profile
from sottovoce.audio import Source
from sottovoce.audio.parts import AudioPart, read_parts
from sottovoce.audio.sources import fetched, is_address
from sottovoce.errors import AudioError, ModelError, SottovoceError
from sottovoce.inference.embed import embed
from sottovoce.inference.predictor import Predictor
from sottovoce.inference.profile import Profile
from sottovoce.models.model import Model
from sottovoce.models.registry import load
from sottovoce.options import GateOptions, PredictOptions
from sottovoce.results import Prediction, Status

Row = dict[str, Any]


def opened(job: ArchiveJob) -> Model:
    """The model of a job.

    Raises:
        ModelError: it is not here, or another one of its name is.
    """
    model = load(job.model)
    if model.digest != job.digest:
        raise ModelError(
            f"the model {job.model} of this worker is another one ({model.digest[:8]}, and the "
            f"job's is {job.digest[:8]}); put the same file on every machine"
        )
    return model


class Hearing:
    """Hears recordings as `sottovoce predict` or `sottovoce timeline` does.

    Args:
        job: of the archive.
        out: the archive's folder, where profiles lie.
    """

    def __init__(self, job: ArchiveJob, out: str) -> None:
        self._job = job
        self._model = opened(job)
        self._profile = cache(partial(read_profile, ArchiveFolder(out)))

    def rows(self, row: Row) -> list[Row]:
        """What is heard in one recording of a plan: rows of the archive, without `PLANNED`."""
        path = _path(row["path"])
        wanted = row["channel"]
        options = dict(self._job.options)
        if wanted is not None:
            options["channels"] = "split"
        begun = time.perf_counter()
        with ExitStack() as stack:
            try:
                source = _source(path, row["part_start"], row["part_end"], stack)
                profile = None if row["profile"] is None else self._profile(row["profile"])
                found = list(
                    self._embedded(source)
                    if self._job.embeds
                    else self._heard(source, options, profile)
                )
            except (SottovoceError, MemoryError) as error:
                message = str(error) or f"{path}: not enough memory to decode it; split it"
                found = [failure(message)]
        if wanted is not None and not self._job.embeds:
            found = [one for one in found if one.get("channel") in (None, wanted)] or [
                failure(f"{row['path']}: no channel {wanted}; it has {len(found)}")
            ]
        compute = time.perf_counter() - begun
        return [
            one | {"compute": compute if place == 0 else 0.0} for place, one in enumerate(found)
        ]

    def _embedded(self, source: Source) -> Iterator[Row]:
        """The row of the first pass, in which there may be no speech."""
        gate = GateOptions(**self._job.options["gate"])
        predictor = Predictor(self._model.card, PredictOptions(gate=gate))
        found = embed(predictor, self._model.run_network, source)
        if isinstance(found, Prediction):
            yield found.row()
            return
        yield {
            "status": str(Status.OK),
            "embedding": found.embedding.tolist(),
            "probabilities": found.probabilities.tolist(),
            "seconds": found.seconds,
        }

    def _heard(
        self, source: Source, options: dict[str, Any], profile: Profile | None
    ) -> Iterator[Row]:
        if not self._job.timeline:
            answers = self._model.predict_many(
                [source], workers=1, profile=profile, **_read(options)
            )
            yield from (answer.row() for answer in answers)
            return
        found = False
        with self._model.timeline(source, workers=1, profile=profile, **_read(options)) as timeline:
            for segment in timeline:
                found = True
                yield segment.row()
        if not found:
            yield Prediction(
                status=Status.TOO_SHORT, model="", message=Status.TOO_SHORT.words.sentence
            ).row()


def failure(message: str) -> Row:
    """The row of a recording that could not be heard."""
    return Prediction(status=Status.ERROR, model="", message=message).row()


def _read(options: dict[str, Any]) -> dict[str, Any]:
    return options | {"gate": GateOptions(**options["gate"])}


def _path(text: str) -> str:
    r"""A path of a table, in which bytes that are no UTF-8 are written as `\udcXX`."""
    if is_address(text) or "\\udc" not in text or os.path.lexists(text):
        return text
    return re.sub(r"\\udc([0-9a-f]{2})", lambda found: chr(0xDC00 + int(found[1], 16)), text)


def _source(path: str, start: float | None, end: float | None, stack: ExitStack) -> Source:
    """The recording at a path or an address, or the part of it that is meant."""
    if start is None and end is None:
        return path
    file: Any = fetched(path, stack) if is_address(path) else Path(path)
    part = AudioPart(Path(path), start or 0.0, end)
    ((_, sound),) = read_parts(file, [part])
    if isinstance(sound, AudioError):
        raise sound
    return sound


def main() -> None:
    """Hear what comes, until standard input ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not get between the answers

    def send(message: Row) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    try:
        begun = json.loads(sys.stdin.readline())
        hearing = Hearing(ArchiveJob.model_validate(begun["job"]), begun["out"])
    except SottovoceError as error:
        send({"fatal": str(error)})
        return
    send({"ready": True})
    waiting: queue.Queue[Row] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            waiting.put(json.loads(line))
        os._exit(0)  # whoever asked is gone, even if a decoder hangs

    threading.Thread(target=read, daemon=True).start()
    while True:
        send({"rows": hearing.rows(waiting.get())})


if __name__ == "__main__":
    from sottovoce.system import return_large_blocks

    return_large_blocks()
    main()
