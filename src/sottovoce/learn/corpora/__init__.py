"""Corpora: one file each, all giving the same table of clips.

A corpus is one module of this package, found by its name. It defines `NAME`, `LICENCE`, `SOURCE`
(where it is got) and `read(folder) -> Listing`, which goes by names and tables alone; decoding is
done here, for all.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType

from sottovoce.errors import CorpusError
from sottovoce.learn.corpora._sources import Archive, ByHand
from sottovoce.text import display_path

SILENT = 1e-4
"""Offset-free RMS (full scale is 1) below which a clip holds nothing: -80 dBFS."""
CLIPPED = 1e-4
"""Share of a clip's samples, flat at full scale, from which it is worth saying; see also below."""
CLIPPED_SAMPLES = 10
"""So many of them at least: in a short clip a single peak is a large share."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance, and what its corpus says of it."""

    path: Path
    corpus: str
    speaker: str
    """Unique across corpora: "ravdess/07"."""
    sex: str
    """"male", "female", or "" where the corpus does not say."""
    emotion: str
    """One of `sottovoce.emotions.EMOTIONS`."""
    intensity: str = ""
    text: str = ""
    language: str = ""
    duration: float = 0.0
    """s"""
    digest: str = ""
    """Of the decoded audio, one channel at its own rate: equal content, equal digest."""
    split: str = ""
    """What the owner of a table says it is for, such as "train"."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about a corpus folder that its user should know."""

    path: Path | None
    kind: str
    """"missing", "odd name", "repeated", "left out", or of the content: "unreadable", "silent",
    "clipped", "stereo", "duplicate"."""
    message: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What the names in a corpus folder say; the clips have no duration and no digest yet."""

    clips: tuple[Clip, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class CorpusScan:
    """A corpus folder, read and decoded; unreadable and silent clips are left out."""

    corpus: str
    folder: Path
    clips: tuple[Clip, ...]
    problems: tuple[Problem, ...]


def is_known_speaker(speaker: str) -> bool:
    """Whether a speaker's name says who it is; "table/unknown" does not."""
    return not speaker.endswith("/unknown")


@cache
def known() -> tuple[str, ...]:
    """Names of the corpora that Sottovoce can read, in order of name."""
    modules = [each.name for each in pkgutil.iter_modules(__path__) if each.name[0] != "_"]
    return tuple(sorted(name.replace("_", "-") for name in modules))


def licence(corpus: str) -> str:
    """The licence of a corpus, as an SPDX identifier or in words."""
    text: str = _module(corpus).LICENCE
    return text


def source(corpus: str) -> Archive | ByHand:
    """Where a corpus is got."""
    where: Archive | ByHand = _module(corpus).SOURCE
    return where


def summary(corpus: str) -> str:
    """The sentence with which the file of a corpus begins."""
    return (_module(corpus).__doc__ or "").partition("\n")[0]


def listing(corpus: str, folder: Path, **options: object) -> Listing:
    """Read the names in a corpus folder; `options` are what its `read` takes beside the folder.

    Raises:
        CorpusError: the corpus is not known, the folder is not there, or no audio is in it.
    """
    found: Listing = _module(corpus).read(folder, **options)
    return found


def scan(
    corpus: str,
    folder: str | os.PathLike[str],
    *,
    progress: Callable[[int, int], None] | None = None,
    **options: object,
) -> CorpusScan:
    """Read a corpus folder: its clips, in order of path, and what is wrong with it.

    Every clip is decoded once, in threads; what was found is kept in the user's cache folder.

    Args:
        corpus: a name in `known()`.
        folder: where the corpus lies.
        progress: called with how many clips are decoded, and of how many.
        options: what the corpus's `read` takes beside its folder.

    Raises:
        CorpusError: the corpus is not known, the folder is not there, or no clip of the corpus is
            in it.
    """
    from sottovoce.learn.corpora._content import Content, describe

    folder = Path(folder)
    named = listing(corpus, folder, **options)
    problems = list(named.problems)
    clips: list[Clip] = []
    contents = describe([clip.path for clip in named.clips], folder, progress)
    for clip, content in zip(named.clips, contents, strict=True):
        if not isinstance(content, Content):
            problems.append(Problem(clip.path, "unreadable", f"left out: {content}"))
            continue
        if content.rms < SILENT:
            what = "holds no samples" if content.duration == 0 else "below -80 dBFS throughout"
            problems.append(Problem(clip.path, "silent", f"left out: {what}"))
            continue
        if content.clipped >= CLIPPED and content.clipped_samples >= CLIPPED_SAMPLES:
            share = f"{content.clipped:.2%} of its samples are flat at full scale"
            problems.append(Problem(clip.path, "clipped", share))
        if content.channels > 1:
            text = f"{content.channels} channels; they are mixed down"
            problems.append(Problem(clip.path, "stereo", text))
        clips.append(replace(clip, duration=content.duration, digest=content.digest))
    if not clips:
        first = problems[0]
        name = f"{display_path(first.path.name)}: " if first.path else ""
        where = f"{display_path(folder)}: no clip of {corpus} in it can be used"
        raise CorpusError(f"{where}; {name}{first.message}")
    if folder.is_file():  # a table, whose clips may lie anywhere
        folder = Path(os.path.commonpath([clip.path.parent for clip in clips]))
    return CorpusScan(corpus, folder, tuple(clips), (*problems, *_duplicates(clips)))


def _module(corpus: str) -> ModuleType:
    if corpus not in known():
        raise CorpusError(f"no corpus is called {corpus!r}; known: {', '.join(known())}")
    return importlib.import_module(f"{__name__}.{corpus.replace('-', '_')}")


def _duplicates(clips: list[Clip]) -> list[Problem]:
    """Each clip whose audio is that of an earlier one."""
    same: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        same[clip.digest].append(clip)
    problems = []
    for first, *copies in same.values():
        for copy in copies:
            text = f"the same audio as {display_path(first.path.name)}"
            if (copy.speaker, copy.emotion) != (first.speaker, first.emotion):
                text += f", but {copy.speaker} {copy.emotion}, not {first.speaker} {first.emotion}"
            problems.append(Problem(copy.path, "duplicate", text))
    return problems
