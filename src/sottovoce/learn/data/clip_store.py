"""Decoded clips in the user's cache, each a file named after its audio: decoded once, ever."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Audio
from sottovoce.audio.parts import AudioPart, read_parts
from sottovoce.errors import AudioError
from sottovoce.system import available_cpus, cache_folder, write_atomically, writing_to_cache

CLIPS_VERSION = 2
"""To be raised whenever decoding, resampling or the files of clips change."""

HEADER = 4
"""float32 values before the samples of a file: the extent of speech, two float64, NaN for none."""

Extent = tuple[float, float]
"""First start and last end of speech, s."""

Progress = Callable[[int, int], None]
"""Called with how many are done, and of how many."""


@dataclass(frozen=True, slots=True)
class ClipStore:
    """Clips as mono waveforms at one sample rate, with the extent of speech in each.

    Attributes:
        folder: of the cache, where the clips of this rate and this way to find speech are.
        digests: of the clips, in order.
        sample_rate: Hz.
    """

    folder: Path
    digests: tuple[str, ...]
    sample_rate: int

    @classmethod
    def build(
        cls,
        parts: Sequence[AudioPart],
        digests: Sequence[str],
        sample_rate: int,
        *,
        speech: Callable[[Audio], Extent | None] | None = None,
        speech_version: str = "",
        progress: Progress | None = None,
    ) -> "ClipStore":
        """Give these clips; see `ClipWriter` and its `store` for the arguments."""
        return ClipWriter(sample_rate, speech, speech_version).store(parts, digests, progress)

    @property
    def key(self) -> str:
        """Follows from everything that is in the store."""
        return _hash([self.folder.name, self.digests])

    def __len__(self) -> int:
        return len(self.digests)

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        """Give the whole clip: (samples,), a view of its file."""
        return self._values(index)[HEADER:]

    def audio(self, index: int) -> Audio:
        """Give the whole clip with its rate."""
        return Audio(np.array(self[index])[None], self.sample_rate)

    def speech(self, index: int) -> Extent | None:
        """Give first start and last end of speech in s, or None where there is none."""
        start, end = self._values(index)[:HEADER].view(np.float64).tolist()
        return None if np.isnan(start) else (start, end)

    def _values(self, index: int) -> NDArray[np.float32]:
        return np.memmap(clip_file(self.folder, self.digests[index]), np.float32, mode="r")


class ClipWriter:
    """Puts clips into the cache, both those that are decoded already and those that are not.

    Args:
        sample_rate: Hz, to which they are resampled.
        speech: finds first start and last end of speech in s, or None where there is none.
        speech_version: names how `speech` does it; another version, another file.
    """

    def __init__(
        self,
        sample_rate: int,
        speech: Callable[[Audio], Extent | None] | None = None,
        speech_version: str = "",
    ) -> None:
        self._sample_rate = sample_rate
        self._speech = speech
        key = _hash([CLIPS_VERSION, sample_rate, speech_version])
        self._folder = cache_folder() / "clips" / key

    def add(self, digest: str, audio: Audio) -> None:
        """Keep a clip that is decoded, at whatever rate and with all its channels.

        Raises:
            SottovoceError: the cache cannot be written.
        """
        path = clip_file(self._folder, digest)
        if path.exists():
            return
        audio = audio.mono().resample(self._sample_rate)
        extent = self._speech(audio) if self._speech else None
        header = np.array(extent or (np.nan, np.nan)).tobytes()
        with writing_to_cache(self._folder.parent, "decoded clips"):
            write_atomically(path, header + audio.samples[0].tobytes())

    def store(
        self, parts: Sequence[AudioPart], digests: Sequence[str], progress: Progress | None = None
    ) -> ClipStore:
        """Decode those clips that are not in the cache yet, in threads, and give all of them.

        Args:
            parts: where the clips' sound is.
            digests: what is in each; the cache goes by these, not by files.
            progress: called as files are decoded.

        Raises:
            SottovoceError: a clip cannot be decoded, or the cache cannot be written; the clips
                that were decoded before are kept.
        """
        missing: dict[Path, dict[AudioPart, str]] = defaultdict(dict)
        for digest, part in dict(zip(digests, parts, strict=True)).items():
            if not clip_file(self._folder, digest).exists():
                missing[part.path][part] = digest
        pool = ThreadPoolExecutor(max_workers=available_cpus())
        try:
            decoded = pool.map(lambda path: self._decode(path, missing[path]), missing)
            for done, _ in enumerate(decoded, start=1):
                if progress:
                    progress(done, len(missing))
        finally:  # also after Ctrl-C: what has not begun never will
            pool.shutdown(cancel_futures=True)
        return ClipStore(self._folder, tuple(digests), self._sample_rate)

    def _decode(self, path: Path, digests: Mapping[AudioPart, str]) -> None:
        """Keep the clips that are parts of one file."""
        for part, audio in read_parts(path, list(digests)):
            if isinstance(audio, AudioError):
                raise audio
            self.add(digests[part], audio)


def clip_file(folder: Path, digest: str) -> Path:
    """Where a clip is kept."""
    return folder / f"{digest}.f32"


def _hash(settings: object) -> str:
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:32]
