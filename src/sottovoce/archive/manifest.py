"""Which recordings an archive is to hear: from files, folders at addresses, lists and tables."""

from __future__ import annotations

import os
import posixpath
import tempfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sottovoce.annotations.entry import checked_span, is_empty, seconds
from sottovoce.annotations.table import Rows, json_lines, parquet_rows, separated_rows
from sottovoce.annotations.text_file import read_text
from sottovoce.archive.job import filesystem
from sottovoce.archive.schema import arrow, planned_schema
from sottovoce.audio.decode import SUFFIXES
from sottovoce.audio.parts import AudioPart
from sottovoce.audio.sources import is_address
from sottovoce.errors import CorpusError, SottovoceError
from sottovoce.inference.predictor import source_path
from sottovoce.options import TableSpec
from sottovoce.text import display_path, one_line

if TYPE_CHECKING:
    import pyarrow

LISTS = (".txt", ".lst")
TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
COLUMNS = ("path", "start", "end", "speaker", "channel")
"""Of a table; it must have the first."""
MAGIC = "*?["

Version = tuple[int | None, str | None, datetime | None]
"""Size in bytes, ETag, and the time of the last change."""
VERSION = ("size", "etag", "modified")
UNKNOWN: Version = (None, None, None)


class Manifest:
    """The rows of a plan, column by column, each recording once."""

    def __init__(self) -> None:
        self._rows: list[tuple[Any, ...]] = []
        self._known: set[str] = set()
        self.repeated = 0
        """How many times a recording was named that was there already."""

    def __len__(self) -> int:
        return len(self._known)

    def add(
        self,
        path: str,
        part: tuple[float | None, float | None] = (None, None),
        speaker: str | None = None,
        channel: int | None = None,
    ) -> None:
        """Add a recording, a part of one in s, or a channel of one."""
        is_remote = is_address(path)
        place = path if is_remote else os.path.abspath(path)  # noqa: PTH100 - any string
        name = place if place.isascii() else source_path(place) or ""
        key = name
        if part != (None, None):
            key += AudioPart(Path(), part[0] or 0.0, part[1]).span
        if channel is not None:
            key += f"@{channel}"
        if key in self._known:
            self.repeated += 1
            return
        self._known.add(key)
        version = UNKNOWN if is_remote else _version(place)
        self._rows.append((key, name, *part, speaker, *version, None, channel))

    def table(self) -> pyarrow.Table:
        """The plan of them all; what lies at addresses is looked up, a listing a folder."""
        schema = planned_schema()
        columns = dict(zip(schema.names, map(list, zip(*self._rows, strict=True)), strict=True))
        listed: dict[str, dict[str, Version]] = {}
        for place, path in enumerate(columns["path"]):
            if not is_address(path):
                continue
            folder, _, name = path.rpartition("/")
            if folder not in listed:
                listed[folder] = _listing(folder)
            for column, value in zip(VERSION, listed[folder].get(name, UNKNOWN), strict=True):
                columns[column][place] = value
        return arrow().table(columns, schema=schema)


def is_table(source: str) -> bool:
    """Whether a source is a list or a table of recordings, by its name."""
    return source.lower().endswith((*LISTS, *TABLES)) and (
        is_address(source) or not Path(source).is_dir()
    )


def of_paths(paths: Iterable[str]) -> Manifest:
    """The manifest of recordings by their paths."""
    manifest = Manifest()
    for path in paths:
        manifest.add(path)
    return manifest


def of_address(address: str) -> Manifest:
    """The manifest of a folder or a pattern at an address that fsspec knows, or of one file.

    Raises:
        SottovoceError: it cannot be listed, or holds no recording.
    """
    fs, root = filesystem(address)
    scheme = address.partition("://")[0]
    try:
        if any(character in root for character in MAGIC):
            found = fs.glob(root)
        elif root.lower().endswith(SUFFIXES):
            found = [root]
        else:
            found = fs.find(root)
    except FileNotFoundError:
        found = []
    except Exception as error:  # each kind of address has errors of its own
        raise SottovoceError(
            f"{one_line(address)}: cannot be listed ({one_line(error) or type(error).__name__}); "
            "check the address and the credentials"
        ) from None
    heard = [path for path in sorted(found) if path.lower().endswith(SUFFIXES)]
    if not heard:
        raise SottovoceError(f"{one_line(address)}: no recording is found there; check the address")
    return of_paths(path if is_address(path) else f"{scheme}://{path}" for path in heard)


def of_table(source: str) -> Manifest:
    """The manifest that a list (a path a line) or a table gives; paths are relative to it.

    Raises:
        CorpusError: it cannot be read, has no column `path`, or a cell makes no sense.
    """
    if not is_address(source):
        return _of_table(Path(source), str(Path(source).absolute().parent), display_path(source))
    with tempfile.TemporaryDirectory() as copies:
        file = Path(copies, posixpath.basename(source))
        fs, root = filesystem(source)
        try:
            fs.get_file(root, str(file))
        except Exception as error:  # each kind of address has errors of its own
            reason = one_line(error) or type(error).__name__
            raise CorpusError(
                f"{one_line(source)}: cannot be read ({reason}); check the address and the "
                "credentials"
            ) from None
        return _of_table(file, posixpath.dirname(source), display_path(source))


def _of_table(file: Path, folder: str, where: str) -> Manifest:
    kind = file.suffix.lower()
    manifest = Manifest()
    if kind in LISTS:
        for line in read_text(file).split("\n"):
            if (path := line.strip()) and not path.startswith("#"):
                manifest.add(_under(folder, path))
    else:
        spec = TableSpec(label="", sex="", split="")
        if kind == ".parquet":
            rows = parquet_rows(file)
        elif kind == ".jsonl":
            rows = json_lines(read_text(file), where)
        else:
            rows = separated_rows(read_text(file), spec, where)
        _add_rows(manifest, rows, folder, where)
    if not len(manifest):
        raise CorpusError(f"{where}: names no recording; expected a path a line, or a row")
    return manifest


def _add_rows(manifest: Manifest, rows: Rows, folder: str, where: str) -> None:
    places = {name.strip().lower(): place for place, name in enumerate(rows.names)}
    file = places.get("path", places.get("file"))
    if file is None:
        raise CorpusError(
            f"{where}: no column 'path'; there are "
            f"{', '.join(map(display_path, rows.names)) or 'none'}; expected path, and if need be "
            f"{', '.join(COLUMNS[1:])}"
        )
    others = [places.get(name) for name in COLUMNS[1:]]
    for number, cells in rows.cells:
        here = f"{where}: {rows.unit} {number}"
        if not cells[file]:
            raise CorpusError(f"{here}: names no file")
        start, end, speaker, channel = (
            "" if place is None or is_empty(cells[place]) else cells[place] for place in others
        )
        part: tuple[float | None, float | None] = (None, None)
        if start or end:
            try:
                part = checked_span(seconds(start), seconds(end), here)
            except ValueError as error:
                raise CorpusError(f"{here}: {error}") from None
        manifest.add(_under(folder, cells[file]), part, speaker or None, _channel(channel, here))


def _channel(text: str, here: str) -> int | None:
    if not text:
        return None
    try:
        number = float(text)
        if number >= 1 and number == int(number):
            return int(number)
    except (ValueError, OverflowError):
        pass
    raise CorpusError(f"{here}: channel {text!r}; expected 1 for the first (left), 2 ... or none")


def _under(folder: str, path: str) -> str:
    return path if is_address(path) else posixpath.join(folder, path)  # an absolute one stays


def _version(path: str) -> Version:
    """Of a local file, whose time of change in ns stands for an ETag; unknown if not there."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a million of them
        modified = datetime.fromtimestamp(found.st_mtime, UTC)
    except (OSError, ValueError, OverflowError):
        return UNKNOWN
    return found.st_size, str(found.st_mtime_ns), modified


def _listing(folder: str) -> dict[str, Version]:
    """Name -> version of what lies in a folder at an address; empty where nobody lists it."""
    try:
        fs, root = filesystem(folder)
        found: Sequence[dict[str, Any]] = fs.ls(root, detail=True)
    except Exception:  # as web servers, which list nothing: then nobody knows what changed
        return {}
    versions = {}
    for entry in found:
        tags = (entry.get(key) for key in ("ETag", "etag", "md5Hash", "mtime"))
        tag = next((str(tag).strip('"') for tag in tags if tag), None)
        times = (entry.get(key) for key in ("LastModified", "last_modified", "updated"))
        time = next((time for time in times if isinstance(time, datetime)), None)
        versions[str(entry["name"]).rpartition("/")[2]] = (entry.get("size"), tag, time)
    return versions
