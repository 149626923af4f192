"""Features of whole clips in one memory-mapped file of the user's cache: computed once, ever."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from sottovoce.errors import RecipeError
from sottovoce.learn.data.atomic_directory import INDEX, write_directory_atomically
from sottovoce.learn.data.batches import ChangedClips, WholeClips
from sottovoce.learn.data.clip_store import Progress
from sottovoce.learn.frontends import FEATURES_VERSION, FrontEnd
from sottovoce.system import cache_folder


class FeatureStore:
    """What a front end's `raw` gives of each piece of each clip, all of one shape.

    Attributes:
        shape: (features, time) of every piece.
        mean_samples: of waveform in a piece, on average.
    """

    def __init__(self, folder: Path) -> None:
        """Open a finished store."""
        self._folder = folder
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        self.shape: tuple[int, int] = tuple(index["shape"])
        self._pieces: list[list[list[int]]] = index["pieces"]
        count = sum(map(len, self._pieces))
        self.mean_samples = sum(n for clip in self._pieces for _, n in clip) / max(1, count)
        self._values: NDArray[np.float32] = np.memmap(
            folder / "values.f32", dtype=np.float32, mode="r", shape=(count, *self.shape)
        )

    @classmethod
    def build(
        cls,
        frontend: FrontEnd,
        clips: WholeClips | ChangedClips,
        key: str,
        progress: Progress | None = None,
    ) -> Self:
        """Give the store of these clips, from the cache or by computing it.

        Args:
            frontend: whose `raw` is wanted.
            clips: all of them, cut as the recipe's window says.
            key: of everything else that the features follow from: the front end and its options,
                the clips, the window, how the clips are changed.
            progress: called as batches are done.

        Raises:
            RecipeError: clips of different lengths give features of different lengths.
            SottovoceError: the cache cannot be written.
        """
        digest = hashlib.sha256(f"{FEATURES_VERSION} {key}".encode()).hexdigest()[:32]
        folder = cache_folder() / "features" / digest
        write_directory_atomically(
            folder, "features", lambda new: _write(new, frontend, clips, progress)
        )
        return cls(folder)

    def __reduce__(self) -> tuple[type[Self], tuple[Path]]:
        """Let another process map the file again, rather than be sent all of it."""
        return type(self), (self._folder,)

    def __len__(self) -> int:
        return len(self._pieces)

    def pieces(self, clip: int) -> Sequence[tuple[NDArray[np.float32], int]]:
        """Give the values (features, time) of each piece of a clip, with the piece's samples."""
        return [(self._values[place], samples) for place, samples in self._pieces[clip]]


def _write(
    folder: Path,
    frontend: FrontEnd,
    clips: WholeClips | ChangedClips,
    progress: Progress | None,
) -> None:
    """Compute everything into a folder."""
    shape: tuple[int, ...] = ()
    pieces: list[list[list[int]]] = [[] for _ in clips.examples.rows]
    written = 0
    with (folder / "values.f32").open("wb") as file, torch.inference_mode():
        for number in range(len(clips)):
            batch = clips[number]
            values = frontend.raw(batch.sound).float().numpy()
            shape = shape or values.shape[1:]
            if values.shape[1:] != shape:
                raise RecipeError(
                    f"training.crop = 0 takes whole clips, but the front end gives them "
                    f"{shape[1]} and {values.shape[2]} frames; set frames or middle in "
                    "[frontend], or give training.crop"
                )
            file.write(np.ascontiguousarray(values).tobytes())
            for place, owner in enumerate(batch.owners.tolist(), start=written):
                pieces[owner].append([place, batch.samples])
            written += len(values)
            if progress:
                progress(number + 1, len(clips))
    index = {"shape": shape, "pieces": pieces}
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")
