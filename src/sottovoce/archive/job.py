"""What an archive is of: the model and the options of all its rows, kept in its folder."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from sottovoce.audio.sources import is_address
from sottovoce.errors import MissingExtraError, SottovoceError
from sottovoce.options import StrictModel
from sottovoce.system import write_atomically
from sottovoce.text import display_path, one_line

SCHEMA_VERSION = 1
"""Of the table; docs/archive.md lists its columns."""

JOB, PROGRESS, ROWS, MEANS = "archive.json", "progress.json", "rows", "means"
"""Names in an archive's folder."""

ProfilePer = Literal["speaker", "folder"]
"""Whose recordings are judged against one another."""

DRIVERS = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
DRIVERS |= {"hf": "huggingface_hub"}
"""Kind of address -> the package that fsspec reads it with."""


class ArchiveJob(StrictModel):
    """Everything that a row's numbers follow from, besides the recording."""

    schema_version: Literal[1] = 1
    model: str
    """Name or path, as it was given; the workers look it up themselves."""
    title: str
    digest: str
    """SHA-256 of the model's file."""
    labels: tuple[str, ...]
    timeline: bool
    """A row a segment, else a row a recording."""
    options: dict[str, Any]
    """Of `PredictOptions`, or `RecordingOptions` for a timeline."""
    profile: str | None = None
    """Digest of the profile of all of them, which lies in the archive; None: without."""
    profile_per: ProfilePer | None = None
    """Whose recordings have a profile of their own; None: nobody's."""
    embeds: bool = False
    """Whether it is the first of two passes, which embeds recordings for such profiles."""


class ArchiveFolder:
    """The folder of an archive, local or at an address that fsspec knows.

    What is written is there whole or not at all.

    Args:
        out: path or address.
    """

    def __init__(self, out: str) -> None:
        self.out = out
        self.fs, self.root = filesystem(out)
        self.is_local = not is_address(out)

    def __str__(self) -> str:
        return display_path(self.out)

    def path(self, name: str) -> str:
        """The path of a file of it, as its file system has it."""
        return posixpath.join(self.root, name)

    def read(self, name: str) -> bytes | None:
        """The content of a file; None where it is not there."""
        with self.speaking_of("read"):
            try:
                content: bytes = self.fs.cat_file(self.path(name))
            except FileNotFoundError:
                return None
            return content

    def write(self, name: str, content: bytes | str) -> None:
        """Write a file, in place of one of that name."""
        data = content.encode() if isinstance(content, str) else content
        with self.speaking_of("written"):
            if self.is_local:
                write_atomically(Path(self.path(name)), data)
            else:
                self.fs.pipe_file(self.path(name), data)

    def remove(self, name: str) -> None:
        """Remove a file."""
        with self.speaking_of("written"):
            self.fs.rm_file(self.path(name))

    def parts(self, below: str = ROWS) -> list[str]:
        """The names of the parts of the table, sorted; unfinished ones are none.

        Args:
            below: only those in this folder of it.
        """
        with self.speaking_of("read"):
            self.fs.invalidate_cache()
            found = self.fs.find(self.path(below)) if self.fs.exists(self.path(below)) else []
        names = (posixpath.relpath(path, self.root) for path in found)
        return sorted(
            name
            for name in names
            if name.endswith(".parquet") and posixpath.basename(name).startswith("part-")
        )

    @contextmanager
    def speaking_of(self, what: str) -> Iterator[None]:
        """Turn what file systems raise into one clear line; `what` is "read" or "written"."""
        try:
            yield
        except SottovoceError:
            raise
        except Exception as error:  # each kind of address has errors of its own
            reason = getattr(error, "strerror", None) or one_line(error) or type(error).__name__
            raise SottovoceError(
                f"{self}: cannot be {what} ({reason}); what is finished stays there: make room or "
                "check the address and the credentials, and run it again"
            ) from None


def filesystem(address: str) -> tuple[Any, str]:
    """The fsspec file system of a path or an address, and the path in it.

    Raises:
        MissingExtraError: fsspec is not installed.
        SottovoceError: the package for this kind of address is not installed, or refuses it.
    """
    try:
        import fsspec
    except ModuleNotFoundError:
        raise MissingExtraError("an archive", "fsspec", "archive") from None
    if not is_address(address):
        return fsspec.filesystem("file"), str(Path(address).absolute())
    kind = address.partition("://")[0].lower()
    try:
        fs, root = fsspec.core.url_to_fs(address)
    except ImportError:
        package = DRIVERS.get(kind, f"a package for {kind}://")
        raise SottovoceError(
            f"{one_line(address)}: needs {package}; run: pip install {DRIVERS.get(kind, 'fsspec')}"
        ) from None
    except Exception as error:
        raise SottovoceError(
            f"{one_line(address)}: cannot be opened ({one_line(error)}); check the address"
        ) from None
    return fs, str(root)


def open_archive(folder: ArchiveFolder) -> ArchiveJob:
    """The job of an archive that is there.

    Raises:
        SottovoceError: there is none, or its schema is another version's.
    """
    content = folder.read(JOB)
    if content is None:
        raise SottovoceError(
            f"{folder}: no archive (it has no {JOB}); make one with: sottovoce archive SOURCE OUT"
        )
    try:
        found = json.loads(content)
        version = found.get("schema_version")
        if version != SCHEMA_VERSION:
            raise SottovoceError(
                f"{folder}: its schema is version {version}, and this is version "
                f"{SCHEMA_VERSION}; name another folder, or use the release that wrote it"
            )
        return ArchiveJob.model_validate_json(content)
    except (ValueError, AttributeError, ValidationError) as error:
        raise SottovoceError(
            f"{folder}: its {JOB} cannot be understood ({one_line(error)[:80]}); name another "
            "folder"
        ) from None


def begin(folder: ArchiveFolder, job: ArchiveJob) -> None:
    """Make the folder an archive of this job, or see that it is one already.

    Raises:
        SottovoceError: it is another job's, or holds something else.
    """
    if folder.read(JOB) is None:
        with folder.speaking_of("read"):
            others = folder.fs.ls(folder.root) if folder.fs.exists(folder.root) else []
        if others:
            raise SottovoceError(
                f"{folder}: holds other things and is no archive; name a new folder"
            )
        folder.write(JOB, job.model_dump_json(indent=1))
        return
    there = open_archive(folder)
    for what, old, new in (
        ("model", f"{there.title} ({there.digest[:8]})", f"{job.title} ({job.digest[:8]})"),
        ("--profile", there.profile or "none", job.profile or "none"),
        ("--profile-per", there.profile_per or "nobody", job.profile_per or "nobody"),
        ("--timeline", there.timeline, job.timeline),
        *((name, there.options.get(name), value) for name, value in job.options.items()),
    ):
        if old != new:
            raise SottovoceError(
                f"{folder}: is the archive of another job ({what} was {old}, and is {new} now); "
                "name another folder, or give the same options"
            )
