"""Decoded clips in the user's cache, each a file named after its audio: decoded once, ever."""

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Audio
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
        paths: Sequence[Path],
        digests: Sequence[str],
        sample_rate: int,
        *,
        speech: Callable[[Audio], Extent | None] | None = None,
        speech_version: str = "",
        progress: Progress | None = None,
    ) -> "ClipStore":
        """Give these clips, decoding those that are not in the cache yet.

        Args:
            paths: the clips' files.
            digests: what is in each; the cache goes by these, not by paths.
            sample_rate: Hz.
            speech: finds first start and last end of speech in s, or None where there is none.
            speech_version: names how `speech` does it; another version, another file.
            progress: called as clips are decoded.

        Raises:
            SottovoceError: a clip cannot be decoded, or the cache cannot be written; the clips
                that were decoded before are kept.
        """
        key = _hash([CLIPS_VERSION, sample_rate, speech_version])
        store = cls(cache_folder() / "clips" / key, tuple(digests), sample_rate)
        missing = {
            digest: path
            for digest, path in zip(digests, paths, strict=True)
            if not store._file(digest).exists()
        }

        def decode(digest: str) -> None:
            audio = Audio.read(missing[digest], sample_rate=sample_rate)
            extent = speech(audio) if speech else None
            header = np.array(extent or (np.nan, np.nan)).tobytes()
            with writing_to_cache(store.folder.parent, "decoded clips"):
                write_atomically(store._file(digest), header + audio.samples[0].tobytes())

        pool = ThreadPoolExecutor(max_workers=available_cpus())
        try:
            for done, _ in enumerate(pool.map(decode, missing), start=1):
                if progress:
                    progress(done, len(missing))
        finally:  # also after Ctrl-C: what has not begun never will
            pool.shutdown(cancel_futures=True)
        return store

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
        return np.memmap(self._file(self.digests[index]), np.float32, mode="r")

    def _file(self, digest: str) -> Path:
        return self.folder / f"{digest}.f32"


def _hash(settings: object) -> str:
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:32]
