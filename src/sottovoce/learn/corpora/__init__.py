"""Corpora: one file each, all giving the same table of clips.

A corpus is one module of this package, found by its name. It defines `NAME`, `LICENCE`, `SOURCE`
(where to get it), `EMOTION_CODES` (its own names of emotions) and `read(folder) -> Listing`, which
goes by names and tables alone; decoding is done here, for all. Modules with an underscore are what
the corpora share.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType, ModuleType

from sottovoce.audio.parts import AudioPart
from sottovoce.emotions import EMOTIONS
from sottovoce.errors import CorpusError
from sottovoce.learn.corpora._content import Content, OnDecoded, measure
from sottovoce.text import display_path, some

SILENCE_RMS = 1e-4
"""Offset-free RMS (full scale is 1) below which a clip counts as silent: -80 dBFS."""
CLIPPED_FRACTION = 1e-4
"""Fraction of a clip's samples, flat at full scale, from which clipping is reported, if ..."""
CLIPPED_SAMPLES = 10
"""... there are at least so many of them: in a short clip a single peak is a large fraction."""
TABLE = "table"
"""The corpus that is a user's own table; of several tables, "table/" and the name of the file."""
FOLDERS = "folders"
"""The corpus that is a user's own folder."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance, and what its corpus says about it."""

    path: Path
    corpus: str
    speaker: str
    """Unique across corpora: "ravdess/07"."""
    sex: str
    """"male", "female", or "" where the corpus does not say."""
    emotion: str
    """One of `sottovoce.emotions.EMOTIONS`, or a word of its owner's."""
    intensity: str = ""
    text: str = ""
    language: str = ""
    duration: float = 0.0
    """s"""
    digest: str = ""
    """Of the decoded audio, one channel at its own rate: equal content, equal digest."""
    split: str = ""
    """What the owner of a table says it is for, such as "train"."""
    name: str = ""
    """Unique, the same on every machine: its corpus and its path there, "savee/DC/a01.wav"; of a
    part of a file with its times, "table/call.wav#3.2-7.05"."""
    start: float = 0.0
    """s; where in its file it begins."""
    end: float | None = None
    """s; where it ends, None: with the file."""

    @property
    def part(self) -> AudioPart:
        """Where its sound is: a file, or a part of one."""
        return AudioPart(self.path, self.start, self.end)


@dataclass(frozen=True, slots=True)
class CorpusProblem:
    """Something about a corpus folder that its user should know."""

    path: Path | None
    kind: str
    """"missing", "odd name", "repeated", "left out", of one's own annotations "no label",
    "not there", "uncertain", "no speaker", or of the content: "unreadable", "silent", "clipped",
    "stereo", "duplicate"."""
    message: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The clips of a corpus folder by file names alone: without name, duration and digest."""

    clips: tuple[Clip, ...]
    problems: tuple[CorpusProblem, ...]


@dataclass(frozen=True, slots=True)
class CorpusScan:
    """A corpus folder, read and decoded; unreadable and silent clips are left out."""

    corpus: str
    folder: Path
    clips: tuple[Clip, ...]
    problems: tuple[CorpusProblem, ...]

    @property
    def left_out(self) -> tuple[str, ...]:
        """A line for each kind of clips that are left out, with how many and the first of them."""
        said: dict[str, list[str]] = defaultdict(list)
        for problem in self.problems:
            said[problem.kind].append(problem.message.removeprefix("left out: "))
            if problem.kind == "silent" and problem.path is not None:
                said[problem.kind][-1] = display_path(problem.path.name)
        lines = [
            f"{self.corpus}: {len(said[kind])} {kind}: {some(said[kind], '; ')}"
            for kind in ("unreadable", "silent")
            if said[kind]
        ]
        lines += [
            f"{self.corpus}: {some(said[kind], '; ')}"
            for kind in ("not there", "no label", "uncertain")
            if said[kind]
        ]
        return tuple(lines)


@dataclass(frozen=True, slots=True)
class Archive:
    """One zip file in the archive that the owners of a corpus chose."""

    url: str
    page: str
    """Where people read about the corpus and its licence."""
    size: int | None = None
    """Bytes; None where the archive is packed on request."""
    checksum: str = ""
    """"md5:..." or "sha256:...", where the owners' archive publishes one."""


@dataclass(frozen=True, slots=True)
class ManualDownload:
    """A corpus that no program should fetch."""

    page: str
    instructions: str
    """How to get it, as one line; DIR in it is the user's folder."""


def is_known_speaker(speaker: str) -> bool:
    """Whether a speaker's name says who it is; "table/unknown" does not."""
    return not speaker.endswith("/unknown")


@cache
def known() -> tuple[str, ...]:
    """Names of the corpora that Sottovoce can read, in order of name."""
    modules = [module.name for module in pkgutil.iter_modules(__path__) if module.name[0] != "_"]
    return tuple(sorted(name.replace("_", "-") for name in modules))


def licence(corpus: str) -> str:
    """The licence of a corpus, as an SPDX identifier or in words."""
    text: str = _module(corpus).LICENCE
    return text


def source(corpus: str) -> Archive | ManualDownload:
    """Where to get a corpus."""
    where: Archive | ManualDownload = _module(corpus).SOURCE
    return where


def summary(corpus: str) -> str:
    """The sentence with which the file of a corpus begins."""
    return (_module(corpus).__doc__ or "").partition("\n")[0]


@cache
def label_sets() -> Mapping[str, tuple[str, ...]]:
    """Named, ordered sets of emotions, among them those of each corpus under its name.

    The order is that of a model's outputs.
    """
    own = {corpus: set(_module(corpus).EMOTION_CODES.values()) for corpus in known()}
    ordered = {
        corpus: tuple(emotion for emotion in EMOTIONS if emotion in emotions)
        for corpus, emotions in own.items()
        if emotions
    }
    return MappingProxyType(
        {
            "ravdess8": ordered["ravdess"],
            "common6": ("neutral", "happy", "sad", "angry", "fearful", "disgust"),
            "common4": ("neutral", "happy", "sad", "angry"),
            **ordered,
        }
    )


def is_table(corpus: str) -> bool:
    """Whether a corpus is a table of the user's own, the only one or one of several."""
    return corpus.partition("/")[0] == TABLE


def is_own(corpus: str) -> bool:
    """Whether a corpus is a user's own, with columns and labels of any names."""
    return is_table(corpus) or corpus == FOLDERS


def listing(corpus: str, folder: Path, **options: object) -> Listing:
    """Read the names in a corpus folder.

    Args:
        corpus: a name in `known()`, or "table/" and a name, for one of several tables: its speakers
            are told apart from those of the others.
        folder: where the corpus lies; of a table, its file.
        options: what the corpus's `read` takes beside its folder.

    Raises:
        CorpusError: the corpus is not known, the folder is not there, or no audio is in it.
    """
    module = _module(corpus)
    found: Listing = module.read(folder, **options)
    if corpus == module.NAME:
        return found
    clips = (
        replace(clip, corpus=corpus, speaker=corpus + clip.speaker.removeprefix(module.NAME))
        for clip in found.clips
    )
    return replace(found, clips=tuple(clips))


def scan(
    corpus: str,
    folder: str | os.PathLike[str],
    *,
    progress: Callable[[int, int], None] | None = None,
    on_decoded: OnDecoded | None = None,
    **options: object,
) -> CorpusScan:
    """Read a corpus folder: its clips, in order of path, and what is wrong with it.

    Every clip is decoded once, in threads; what was found is kept in the user's cache folder.

    Args:
        corpus: as `listing` takes it.
        folder: where the corpus lies.
        progress: called with how many clips are decoded, and of how many.
        on_decoded: called with the digest and the audio of each clip that is decoded here, such as
            `ClipWriter.add`, so that it need not be decoded again.
        options: what the corpus's `read` takes beside its folder.

    Raises:
        CorpusError: the corpus is not known, the folder is not there, or no clip of the corpus is
            in it.
    """
    folder = Path(folder)
    listed = listing(corpus, folder, **options)
    problems = list(listed.problems)
    clips: list[Clip] = []
    contents = measure([clip.part for clip in listed.clips], folder, progress, on_decoded)
    home = folder
    if folder.is_file():  # a table, whose clips may lie anywhere
        home = Path(os.path.commonpath([clip.path.parent for clip in listed.clips]))
    for clip, content in zip(listed.clips, contents, strict=True):
        if not isinstance(content, Content):
            problems.append(CorpusProblem(clip.path, "unreadable", f"left out: {content}"))
            continue
        if content.rms < SILENCE_RMS:
            what = "holds no samples" if content.duration == 0 else "below -80 dBFS throughout"
            problems.append(CorpusProblem(clip.path, "silent", f"left out: {what}{_times(clip)}"))
            continue
        if content.clipped >= CLIPPED_FRACTION and content.clipped_samples >= CLIPPED_SAMPLES:
            text = f"{content.clipped:.2%} of its samples are flat at full scale{_times(clip)}"
            problems.append(CorpusProblem(clip.path, "clipped", text))
        if content.channels > 1:
            text = f"{content.channels} channels; they are mixed down"
            problems.append(CorpusProblem(clip.path, "stereo", text))
        name = f"{corpus}/{Path(os.path.relpath(clip.path, home)).as_posix()}{clip.part.span}"
        clips.append(replace(clip, name=name, duration=content.duration, digest=content.digest))
    if not clips:
        first = problems[0]
        example = f"{display_path(first.path.name)}: " if first.path else ""
        where = f"{display_path(folder)}: no clip of {corpus} in it can be used"
        raise CorpusError(f"{where}; {example}{first.message}")
    return CorpusScan(corpus, home, tuple(clips), (*problems, *_duplicates(clips)))


def _times(clip: Clip) -> str:
    """After a message, of which part of a file it is; empty for a whole one."""
    return f" (from {clip.start:g} s)" if not clip.part.is_whole else ""


def _module(corpus: str) -> ModuleType:
    name = TABLE if is_table(corpus) else corpus
    if name not in known():
        raise CorpusError(f"no corpus is called {corpus!r}; known: {', '.join(known())}")
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}")


def _duplicates(clips: Iterable[Clip]) -> list[CorpusProblem]:
    """Each clip whose audio is that of an earlier one."""
    same_audio: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        same_audio[clip.digest].append(clip)
    problems = []
    for first, *copies in same_audio.values():
        for copy in copies:
            text = f"the same audio as {display_path(first.path.name)}{first.part.span}"
            if (copy.speaker, copy.emotion) != (first.speaker, first.emotion):
                text += f", but {copy.speaker} {copy.emotion}, not {first.speaker} {first.emotion}"
            problems.append(CorpusProblem(copy.path, "duplicate", text + _times(copy)))
    return problems
