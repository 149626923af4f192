"""What the audio of each clip of a corpus is like, measured once and kept in a cache."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ValidationError

from sottovoce.audio import Audio
from sottovoce.audio.parts import AudioPart, read_parts
from sottovoce.errors import AudioError
from sottovoce.system import available_cpus, cache_folder, write_atomically

OnDecoded = Callable[[str, Audio], None]
"""Takes the digest and the audio of a clip, with all its channels, at its own rate."""

FULL_SCALE = 0.999
CLIPPED_RUN = 3
"""Samples in a row at full scale that count as clipping: a loud peak touches it for one or two."""


@dataclass(frozen=True, slots=True)
class Content:
    """Facts about the decoded audio of one clip."""

    duration: float
    """s"""
    sample_rate: int
    """Hz"""
    channels: int
    rms: float
    """Of all samples less their mean; full scale is 1."""
    peak: float
    clipped: float
    """Fraction of the samples that lie in runs of `CLIPPED_RUN` or more at full scale."""
    digest: str
    """SHA-256 of the rate and of the samples, mixed down, at that rate."""

    @property
    def clipped_samples(self) -> int:
        """How many samples, of all channels, `clipped` is."""
        return round(self.clipped * self.duration * self.sample_rate * self.channels)

    @classmethod
    def of(cls, audio: Audio) -> Content:
        """Measure a recording as it was decoded, with all its channels."""
        samples = audio.samples
        mono = audio.mono().samples[0]
        digest = hashlib.sha256(f"{audio.sample_rate}:".encode())
        digest.update(np.ascontiguousarray(mono).data)
        empty = samples.size == 0
        return cls(
            duration=audio.duration,
            sample_rate=audio.sample_rate,
            channels=samples.shape[0],
            rms=0.0 if empty else float(mono.std(dtype=np.float64)),
            peak=0.0 if empty else float(np.abs(samples).max()),
            clipped=0.0 if empty else _clipped(samples),
            digest=digest.hexdigest(),
        )


def _clipped(samples: np.ndarray) -> float:
    """The fraction of samples that is clipped. samples: (channels, samples), -1 to 1."""
    at_full_scale = np.abs(samples) >= FULL_SCALE
    if not at_full_scale.any():
        return 0.0
    edge = np.zeros((len(samples), 1), dtype=np.int8)
    steps = np.diff(np.hstack([edge, at_full_scale.astype(np.int8), edge]).ravel())
    runs = np.flatnonzero(steps == -1) - np.flatnonzero(steps == 1)
    return float(runs[runs >= CLIPPED_RUN].sum() / samples.size)


def measure(
    parts: Sequence[AudioPart],
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
    on_decoded: OnDecoded | None = None,
) -> list[Content | AudioError]:
    """The content of each clip, or why it cannot be read, in the order of `parts`.

    Args:
        parts: the clips; those of one file are cut out of it in one pass.
        folder: of the corpus, which names the cache.
        progress: called with how many clips are done, and of how many.
        on_decoded: called, in threads, with the digest and the audio of each clip that is decoded.
    """
    store = cache_folder() / "contents" / f"{_hash(os.fsencode(folder.resolve()))[:32]}.json"
    remembered = _load(store)
    files = {path: _key(path) for path in {part.path for part in parts}}
    keys = {part: files[part.path] + part.span for part in parts}
    found: dict[AudioPart, Content | AudioError] = {
        part: remembered[key] for part, key in keys.items() if key in remembered
    }
    report = progress or (lambda done, total: None)
    report(len(found), len(keys))
    for part, content in _decode([part for part in keys if part not in found], on_decoded):
        found[part] = content
        report(len(found), len(keys))
    facts = {keys[part]: fact for part, fact in found.items() if isinstance(fact, Content)}
    if facts != remembered:
        _save(store, facts)
    return [found[part] for part in parts]


def _decode(
    parts: Sequence[AudioPart], on_decoded: OnDecoded | None
) -> Iterator[tuple[AudioPart, Content | AudioError]]:
    """Decode in threads, a file in one of them; results come as files are ready."""
    by_file: dict[Path, list[AudioPart]] = defaultdict(list)
    for part in parts:
        by_file[part.path].append(part)
    pool = ThreadPoolExecutor(max_workers=available_cpus())
    try:
        waiting = [pool.submit(_read, path, own, on_decoded) for path, own in by_file.items()]
        for future in as_completed(waiting):
            yield from future.result().items()
    finally:  # also after Ctrl-C: what has not begun never will
        pool.shutdown(cancel_futures=True)


def _read(
    path: Path, parts: Sequence[AudioPart], on_decoded: OnDecoded | None
) -> dict[AudioPart, Content | AudioError]:
    """Measure the parts of one file."""
    found: dict[AudioPart, Content | AudioError] = {}
    try:
        for part, audio in read_parts(path, parts):
            if isinstance(audio, AudioError):
                found[part] = audio
                continue
            found[part] = content = Content.of(audio)
            if on_decoded is not None:
                on_decoded(content.digest, audio)
    except AudioError as error:
        return {part: found.get(part, error) for part in parts}
    return found


def _key(path: Path) -> str:
    """Changes whenever the file does."""
    try:
        stat = path.stat()
    except OSError:
        return ""
    return _hash(b"%d %d " % (stat.st_size, stat.st_mtime_ns) + os.fsencode(path.resolve()))


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class _Store(BaseModel):
    """What a file in the cache holds: the contents of one folder, by `_key`."""

    format: Literal[1]
    """Raised when `Content`, or how it is found, changes."""
    contents: dict[str, Content]


def _load(store: Path) -> dict[str, Content]:
    """What was remembered; a cache that cannot be read or understood is as good as none."""
    try:
        return _Store.model_validate_json(store.read_bytes()).contents
    except (OSError, ValidationError):
        return {}


def _save(store: Path, contents: dict[str, Content]) -> None:
    """A cache that cannot be written costs time only."""
    with contextlib.suppress(OSError):
        write_atomically(store, _Store(format=1, contents=contents).model_dump_json())
