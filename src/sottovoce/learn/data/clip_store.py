"""Decoded clips in one memory-mapped file of the user's cache: each is decoded once, ever."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Audio
from sottovoce.learn.data.atomic_directory import INDEX, keep
from sottovoce.system import available_cpus, cache_folder

FORMAT = 1
"""Raised whenever the files of a store, or what is in them, change."""

Progress = Callable[[int, int], None]
"""Called with how many are done, and of how many."""


class ClipStore:
    """Clips as mono waveforms at one sample rate, with the extent of speech in each.

    Attributes:
        sample_rate: Hz.
    """

    def __init__(self, folder: Path) -> None:
        """Open a finished store."""
        self._folder = folder
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        self.sample_rate: int = index["sample_rate"]
        self._offsets: list[int] = index["offsets"]
        self._speech: list[list[float] | None] = index["speech"]
        self._samples: NDArray[np.float32] = np.empty(0, dtype=np.float32)
        if self._offsets[-1]:  # nothing cannot be mapped
            self._samples = np.memmap(folder / "samples.f32", dtype=np.float32, mode="r")

    @classmethod
    def build(
        cls,
        paths: Sequence[Path],
        digests: Sequence[str],
        sample_rate: int,
        *,
        speech: Callable[[Audio], tuple[float, float] | None] | None = None,
        speech_key: str = "",
        progress: Progress | None = None,
    ) -> Self:
        """Give the store of these clips, from the cache or by decoding them.

        Args:
            paths: the clips' files.
            digests: what is in each; the cache goes by these, not by paths.
            sample_rate: Hz.
            speech: finds first start and last end of speech in s, or None where it hears none.
            speech_key: says how `speech` does it; another key, another store.
            progress: called as clips are decoded.

        Raises:
            SottovoceError: a clip cannot be decoded, or the cache cannot be written.
        """
        recipe = [FORMAT, sample_rate, speech_key, list(digests)]
        key = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:32]
        folder = cache_folder() / "clips" / key
        keep(
            folder,
            "decoded clips",
            lambda draft: _write(draft, paths, sample_rate, speech, progress),
        )
        return cls(folder)

    @property
    def key(self) -> str:
        """Follows from everything that is in the store."""
        return self._folder.name

    def __reduce__(self) -> tuple[type[Self], tuple[Path]]:
        """Let another process map the file again, rather than be sent all of it."""
        return type(self), (self._folder,)

    def __len__(self) -> int:
        return len(self._speech)

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        """Give the whole clip: (samples,), a view of the file."""
        return self._samples[self._offsets[index] : self._offsets[index + 1]]

    def audio(self, index: int) -> Audio:
        """Give the whole clip with its rate."""
        return Audio(np.array(self[index])[None], self.sample_rate)

    def speech(self, index: int) -> tuple[float, float] | None:
        """Give first start and last end of speech in s, or None where none was heard."""
        extent = self._speech[index]
        return None if extent is None else (extent[0], extent[1])


def _write(
    folder: Path,
    paths: Sequence[Path],
    sample_rate: int,
    speech: Callable[[Audio], tuple[float, float] | None] | None,
    progress: Progress | None,
) -> None:
    """Decode everything into a folder."""
    offsets, extents = [0], []
    with (folder / "samples.f32").open("wb") as file:
        for done, (samples, extent) in enumerate(_decode(paths, sample_rate, speech), start=1):
            file.write(samples.tobytes())
            offsets.append(offsets[-1] + len(samples))
            extents.append(extent)
            if progress:
                progress(done, len(paths))
    index = {"sample_rate": sample_rate, "offsets": offsets, "speech": extents}
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")


def _decode(
    paths: Sequence[Path],
    sample_rate: int,
    speech: Callable[[Audio], tuple[float, float] | None] | None,
) -> Iterator[tuple[NDArray[np.float32], tuple[float, float] | None]]:
    def read(path: Path) -> tuple[NDArray[np.float32], tuple[float, float] | None]:
        audio = Audio.read(path, sample_rate=sample_rate)
        return audio.samples[0], speech(audio) if speech else None

    pool = ThreadPoolExecutor(max_workers=available_cpus())
    try:
        yield from pool.map(read, paths)
    finally:  # also after Ctrl-C: what has not begun never will
        pool.shutdown(cancel_futures=True)
