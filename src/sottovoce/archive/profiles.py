"""Profiles of the voices or the folders of an archive: means of the first pass, for the second."""

from __future__ import annotations

import hashlib
import posixpath
from typing import TYPE_CHECKING, Any

import numpy as np

from sottovoce.archive.job import MEANS, ArchiveFolder, ArchiveJob, ProfilePer
from sottovoce.archive.schema import VECTORS, arrow, compute, read_part
from sottovoce.errors import SottovoceError
from sottovoce.inference.profile import Profile

if TYPE_CHECKING:
    import pyarrow


def digest_of(profile: Profile) -> str:
    """What rows that were judged against a profile are marked with."""
    return hashlib.sha256(profile.to_json().encode()).hexdigest()[:16]


def keep_profile(folder: ArchiveFolder, profile: Profile) -> str:
    """Keep a profile in an archive, where workers find it; gives its digest."""
    digest = digest_of(profile)
    folder.write(f"profiles/{digest}.json", profile.to_json())
    return digest


def read_profile(folder: ArchiveFolder, digest: str) -> Profile:
    """The profile of a digest.

    Raises:
        SottovoceError: it is not there.
    """
    name = f"profiles/{digest}.json"
    content = folder.read(name)
    if content is None:
        raise SottovoceError(f"{folder}/{name}: is not there; run the archive again")
    return Profile.from_json(content, f"{folder}/{name}")


def groups(wanted: pyarrow.Table, per: ProfilePer) -> pyarrow.Array:
    """The speaker, or the folder, of each row of a plan; null where no speaker is known.

    Raises:
        SottovoceError: no row has a speaker.
    """
    if per == "folder":
        return arrow().array([posixpath.dirname(path) for path in wanted["path"].to_pylist()])
    speakers = wanted["speaker"].combine_chunks()
    if speakers.null_count == len(speakers):
        raise SottovoceError(
            "--profile-per speaker: no recording has a speaker; give a table with a column "
            "'speaker', or --profile-per folder"
        )
    return speakers


def with_profiles(
    folder: ArchiveFolder, job: ArchiveJob, wanted: pyarrow.Table, per: ProfilePer
) -> Any:
    """A plan with the profile of each row, made from the first pass and kept in the archive.

    A profile is a mixed one, as `sottovoce profile` makes it of the same recordings. Those of a
    group in which nobody speaks have none.
    """
    pa, pc = arrow(), compute()
    names = ["id", "status", *VECTORS, "seconds"]
    parts = [read_part(folder.read(name) or b"", name, names) for name in folder.parts(MEANS)]
    of = groups(wanted, per)
    if not parts:
        return wanted
    heard = pa.concat_tables(parts).sort_by("id")
    heard = heard.filter(pc.is_valid(heard["embedding"]))
    place = pc.index_in(heard["id"], value_set=wanted["id"].combine_chunks())
    heard = heard.append_column("group", pc.take(of, place))
    digests = {}
    for group in pc.unique(heard["group"]).drop_null().to_pylist():
        mine = heard.filter(pc.equal(heard["group"], group))
        embeddings, chances = (np.array(mine[name].to_pylist(), np.float32) for name in VECTORS)
        profile = Profile.of(
            embeddings,
            pc.sum(mine["seconds"]).as_py(),
            probabilities=chances,
            kind="mixed",
            model=job.title,
            digest=job.digest,
        )
        digests[group] = keep_profile(folder, profile)
    profiles = pa.array([digests.get(group) for group in of.to_pylist()], pa.string())
    return wanted.set_column(wanted.schema.get_field_index("profile"), "profile", profiles)
