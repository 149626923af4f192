"""The files of a corpus folder: which are clips, by their names, and what is odd or missing."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from sottovoce.annotations.recordings import AUDIO, LOSSY
from sottovoce.errors import CorpusError
from sottovoce.learn.corpora import Clip, CorpusProblem
from sottovoce.text import display_path


class OddName(Exception):  # noqa: N818
    """A file is no clip of the corpus; the text says why. Caught here, and met by no user."""


class OtherMaterial(Exception):  # noqa: N818
    """A file is a clip that is not read, such as a video; the text says of what. Caught here."""


def files(folder: Path) -> list[Path]:
    """Every file under `folder`, in order of path, hidden ones apart; links are followed once.

    Raises:
        CorpusError: `folder` is not there, is not a folder, cannot be listed, or has no audio
            file under it.
    """
    if not folder.is_dir():
        fault = "not a folder" if folder.exists() else "no such folder"
        raise CorpusError(
            f"{display_path(folder)}: {fault}; give the folder in which the corpus lies"
        )
    found: list[Path] = []
    visited: set[str] = set()
    for parent, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        real = os.path.realpath(parent)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    if not any(path.suffix.lower() in AUDIO for path in found):
        raise CorpusError(f"{display_path(folder)}: no audio file in this folder or below it")
    return sorted(found)


def _refuse(error: OSError) -> None:
    """Stop at a folder that cannot be listed, rather than miss its clips in silence."""
    where = display_path(error.filename)
    raise CorpusError(f"{where}: cannot list this folder: {error.strerror}") from error


def find_file(folder: Path, name: str) -> Path | None:
    """The first file of this name, in any case, under `folder`, or else right beside it."""
    beside = folder.resolve().parent / name
    found = [path for path in files(folder) if path.name.lower() == name.lower()]
    return next(iter([*found, *([beside] if beside.is_file() else [])]), None)


def list_clips(
    folder: Path, parse: Callable[[Path], tuple[str, Clip]], *, report_other_files: bool = False
) -> tuple[dict[str, Clip], list[CorpusProblem]]:
    """The clips under `folder` by their names, in order of path, and what was left out.

    Of a clip that is there twice, a file without loss is preferred.

    Args:
        folder: where the corpus lies.
        parse: gives the name that tells a clip from all others of its corpus, and the clip;
            raises `OddName` where a path is not that of a clip, and `OtherMaterial` where it is
            one that is not wanted.
        report_other_files: whether a file that is not audio is a problem.

    Raises:
        CorpusError: the folder is not there, or there is no audio in it.
    """
    clips: dict[str, Clip] = {}
    problems: list[CorpusProblem] = []
    repeated: list[Path] = []
    other_material: Counter[str] = Counter()
    for path in sorted(files(folder), key=lambda path: path.suffix.lower() in LOSSY):
        if path.suffix.lower() not in AUDIO:
            if report_other_files:
                problems.append(CorpusProblem(path, "odd name", "left out: not an audio file"))
            continue
        try:
            name, clip = parse(path)
        except OddName as why:
            problems.append(CorpusProblem(path, "odd name", f"left out: {why}"))
        except OtherMaterial as what:
            other_material[str(what)] += 1
        else:
            if name in clips:
                repeated.append(path)
            else:
                clips[name] = clip
    for text, count in other_material.items():
        problems.append(CorpusProblem(None, "left out", f"{count} clips of {text}"))
    if repeated:
        text = f"{len(repeated)} clips are here again, by the same name; the first of each is used"
        problems.append(CorpusProblem(repeated[0], "repeated", text))
    return dict(sorted(clips.items(), key=lambda item: item[1].path)), problems


def missing_clips(
    complete: Mapping[str, Iterable[str]], found: Iterable[str], groups: str = "actors"
) -> list[CorpusProblem]:
    """Name the groups, and the clips of the others, that a whole copy has and this one lacks.

    Args:
        complete: group, such as "Actor_07" -> the names of all its clips.
        found: the names of the clips that are here.
        groups: what they are called, in the plural.
    """
    here = set(found)
    absent: list[str] = []
    problems: list[CorpusProblem] = []
    for group, names in complete.items():
        expected = list(names)
        lost = [name for name in expected if name not in here]
        if len(lost) == len(expected):
            absent.append(group)
        elif lost:
            more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
            text = f"{group} has {len(expected) - len(lost)} of {len(expected)} clips: missing "
            problems.append(CorpusProblem(None, "missing", text + ", ".join(lost[:5]) + more))
    if absent:
        more = f" and {len(absent) - 30} more" if len(absent) > 30 else ""
        text = f"{', '.join(absent[:30])}{more} missing: "
        text += f"{len(complete) - len(absent)} of {len(complete)} {groups}"
        problems.insert(0, CorpusProblem(None, "missing", text))
    return problems


def missing_speakers(
    speakers: Iterable[str], clips: Iterable[Clip], groups: str = "speakers"
) -> list[CorpusProblem]:
    """Name the speakers of a whole copy of whom no clip is here.

    Args:
        speakers: as the corpus itself calls them, such as "1001".
        clips: those that are here.
        groups: what speakers are called.
    """
    found = (clip.speaker.partition("/")[2] for clip in clips)
    return missing_clips({speaker: [speaker] for speaker in speakers}, found, groups)


def missing_count(clips: Collection[object], complete: int) -> list[CorpusProblem]:
    """Say how many clips of a whole copy are not here, where no names are known."""
    if len(clips) >= complete:
        return []
    text = f"{complete - len(clips)} clips missing: {len(clips)} of {complete}"
    return [CorpusProblem(None, "missing", text)]
