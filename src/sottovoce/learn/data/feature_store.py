"""Features of whole clips in one memory-mapped file of the user's cache: computed once, ever."""

import contextlib
import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from sottovoce.errors import RecipeError
from sottovoce.learn.data.batches import ChangedClips, WholeClips
from sottovoce.learn.data.clip_store import Progress
from sottovoce.learn.frontends import FEATURES_VERSION, FrontEnd
from sottovoce.system import cache_folder, writing_to_cache

ABANDONED = 24 * 3600.0
"""s after which a temporary folder that nobody has written to is taken for that of a killed run."""

INDEX = "index.json"
"""The file without which a store is not whole; written last."""


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
        if not (folder / INDEX).exists():
            with writing_to_cache(folder.parent, "features"):
                folder.parent.mkdir(parents=True, exist_ok=True)
                remove_abandoned(folder.parent)
                with _temporary_folder(folder) as temporary:
                    _write(temporary, frontend, clips, progress)
        return cls(folder)

    def __reduce__(self) -> tuple[type[Self], tuple[Path]]:
        """Let another process map the file again, rather than be sent all of it."""
        return type(self), (self._folder,)

    def __len__(self) -> int:
        return len(self._pieces)

    def pieces(self, clip: int) -> Sequence[tuple[NDArray[np.float32], int]]:
        """Give the values (features, time) of each piece of a clip, with the piece's samples."""
        return [(self._values[place], samples) for place, samples in self._pieces[clip]]


@contextlib.contextmanager
def _temporary_folder(folder: Path) -> Iterator[Path]:
    """A folder that gets the name `folder` at the end; of two runs, that of the first to finish."""
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix="draft-"))
    try:
        yield temporary
        temporary.rename(folder)
    except OSError:
        if not (folder / INDEX).exists():  # otherwise another run was quicker
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(
    folder: Path,
    frontend: FrontEnd,
    clips: WholeClips | ChangedClips,
    progress: Progress | None,
) -> None:
    """Compute the features of all clips into a folder."""
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


def remove_abandoned(cache: Path) -> None:
    """Remove the temporary folders in a cache that no run writes to any more.

    A run that is alive writes again and again, so its folder is young; two runs that remove the
    same old one do no harm.
    """
    for temporary in cache.glob("draft-*"):
        with contextlib.suppress(OSError):
            newest = max(path.stat().st_mtime for path in (temporary, *temporary.iterdir()))
            if time.time() - newest > ABANDONED:
                shutil.rmtree(temporary, ignore_errors=True)
