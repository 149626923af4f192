"""Lists the clips of a corpus by the names of its files, and says what is odd or missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from sottovoce.learn.corpora import Clip, Problem
from sottovoce.learn.corpora._files import AUDIO, files

LOSSY = frozenset({".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".mp4", ".webm"})
"""Of a clip that is there twice, a file with another extension is used."""


class OddName(Exception):  # noqa: N818
    """A file is no clip of the corpus; the text says why. Caught here, and met by no user."""


def list_clips(
    folder: Path, parse: Callable[[Path], tuple[str, Clip]]
) -> tuple[dict[str, Clip], list[Problem]]:
    """Give each clip under `folder` by its name, in order of path, and what was left out.

    Args:
        folder: where the corpus lies.
        parse: gives what tells a clip from all others of its corpus, and the clip; raises
            `OddName` where a path is not that of a clip.

    Raises:
        CorpusError: the folder is not there, or there is no audio in it.
    """
    everything = files(folder)
    audio = [path for path in everything if path.suffix.lower() in AUDIO]
    clips: dict[str, Clip] = {}
    problems: list[Problem] = []
    repeated: list[Path] = []
    for path in sorted(audio, key=lambda path: path.suffix.lower() in LOSSY):
        try:
            key, clip = parse(path)
        except OddName as why:
            problems.append(Problem(path, "odd name", f"left out: {why}"))
            continue
        if key in clips:
            repeated.append(path)
        else:
            clips[key] = clip
    if repeated:
        text = f"{len(repeated)} clips are here again, by the same name; the first of each is used"
        problems.append(Problem(repeated[0], "repeated", text))
    return dict(sorted(clips.items(), key=lambda item: item[1].path)), problems


def missing(
    whole: Mapping[str, Iterable[str]], here: Iterable[str], groups: str = "actors"
) -> list[Problem]:
    """Name the groups, and the clips of the others, that a whole copy would have.

    Args:
        whole: group, such as "Actor_07" -> the names of all its clips.
        here: the names that were found.
        groups: what they are called, in the plural.
    """
    found = set(here)
    absent: list[str] = []
    problems: list[Problem] = []
    for group, names in whole.items():
        all_names = list(names)
        lost = [name for name in all_names if name not in found]
        if len(lost) == len(all_names):
            absent.append(group)
        elif lost:
            more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
            text = f"{group} has {len(all_names) - len(lost)} of {len(all_names)} clips: missing "
            problems.append(Problem(None, "missing", text + ", ".join(lost[:5]) + more))
    if absent:
        more = f" and {len(absent) - 30} more" if len(absent) > 30 else ""
        text = f"{', '.join(absent[:30])}{more} missing: "
        text += f"{len(whole) - len(absent)} of {len(whole)} {groups}"
        problems.insert(0, Problem(None, "missing", text))
    return problems
