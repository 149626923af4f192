"""Profiles: what a voice or a place sounds like as a rule, against which recordings are judged."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from sottovoce.errors import SottovoceError
from sottovoce.models.card import MOST, CardPart, Number, ProfileInfo, ProfileKind
from sottovoce.system import write_atomically
from sottovoce.text import describe

Kind = Literal["normal", "mixed"]
"""Of a voice as it usually is, or of whatever moods there are."""

KIND_NUMBERS = {"normal": 1, "mixed": 2}
"""Kind -> what the graph of a model calls it; 0 is no profile."""

FEW_MIXED = 8
"""Recordings below which a mixed sample is warned of."""

MAX_BYTES = 1_000_000
"""A file larger than this is no profile."""


class Profile(CardPart):
    """The baseline of a voice or of a place: the mean of a model's embedding of some recordings.

    It says something about a person: keep it no longer than it is needed.
    """

    schema_version: Literal[1] = 1
    model: str
    """Name and version of the model that it is for."""
    model_digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of that model's file: another model's embedding means something else."""
    kind: Kind
    mean: tuple[Number, ...] = Field(min_length=1)
    """(dimensions,) of the embedding, over recordings."""
    recordings: float = Field(gt=0, le=MOST)
    """How many; of a stream, in which windows overlap, how many they amount to."""
    seconds: float = Field(ge=0, le=MOST)
    """s, of what was heard in them."""
    spread: float | None = Field(default=None, ge=0, le=MOST)
    """How much the model hears the recordings' moods differ: see `spread_of`; None for one."""
    left_out: tuple[str, ...] = ()
    """Why recordings that were given are not in it, a line each."""

    @classmethod
    def of(
        cls,
        embeddings: NDArray[np.float32],
        seconds: float,
        *,
        probabilities: NDArray[np.float32] | None = None,
        kind: Kind,
        model: str,
        digest: str,
        left_out: tuple[str, ...] = (),
    ) -> Self:
        """The profile of recordings.

        Args:
            embeddings: (recordings, dimensions), one or more.
            seconds: s, of what was heard in them.
            probabilities: (recordings, classes) without a profile, for the spread; None: none.
            kind: of the profile.
            model: its name and version.
            digest: of the model's file.
            left_out: why other recordings are not in it.
        """
        values = embeddings.astype(np.float64)
        spread = None
        if probabilities is not None and len(values) > 1:
            spread = spread_of(probabilities)
        return cls(
            model=model,
            model_digest=digest,
            kind=kind,
            mean=tuple(values.mean(axis=0).tolist()),
            recordings=len(values),
            seconds=seconds,
            spread=spread,
            left_out=left_out,
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a profile that `save` wrote.

        Raises:
            SottovoceError: the file cannot be read, or holds no profile.
        """
        name = describe(path)
        try:
            with Path(path).open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SottovoceError(
                f"{name}: cannot be read ({reason}); make a profile with: sottovoce profile"
            ) from None
        if len(content) > MAX_BYTES:
            raise SottovoceError(
                f"{name}: larger than {MAX_BYTES // 1000} kB, so no profile; give the file that "
                "sottovoce profile wrote"
            )
        return cls.from_json(content, name)

    @classmethod
    def from_json(cls, content: str | bytes, name: str = "profile") -> Self:
        """The profile in JSON text.

        Raises:
            SottovoceError: it is none; the line begins with `name`.
        """
        try:
            return cls.model_validate_json(content, strict=True)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            key = ".".join(map(str, problem["loc"][:2]))
            where = f"{key}: " if key else ""
            raise SottovoceError(
                f"{name}: not a profile ({where}{problem['msg']}); "
                "give what sottovoce profile wrote"
            ) from None

    def to_json(self) -> str:
        """JSON text, on one line."""
        return self.model_dump_json()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file, whole or not at all.

        Raises:
            SottovoceError: the file cannot be written.
        """
        try:
            write_atomically(Path(path), self.to_json().encode())
        except OSError as error:
            raise SottovoceError(
                f"{describe(path)}: cannot be written ({error.strerror or error}); "
                "name another place"
            ) from None

    def warnings(self, info: ProfileInfo) -> tuple[str, ...]:
        """What is doubtful about it, a sentence each."""
        found = []
        low, high = kind_info(info, self.kind).spread
        if self.kind == "mixed":
            if self.recordings < FEW_MIXED:
                found.append(
                    f"made from {self.recordings:g} recordings; {FEW_MIXED} or more are better "
                    "for a mixed profile"
                )
            elif self.spread is not None and self.spread < low:
                found.append(
                    "the recordings sound alike, as if of one mood; a mixed profile needs several "
                    "moods, else what is usual there is taken for neutral"
                )
        elif self.spread is not None and self.spread > high:
            found.append(
                "the recordings differ as moods do; a normal profile needs a voice that is spoken "
                "plainly throughout"
            )
        return tuple(found)

    def baseline(self, info: ProfileInfo) -> NDArray[np.float32]:
        """What the model takes off the embedding, (dimensions,): see `ProfileKind` for the law."""
        kind = kind_info(info, self.kind)
        centre = np.array(kind.centre)
        trust = self.recordings / (self.recordings + np.array(kind.shrinkage))
        baseline = centre + (np.array(self.mean) - centre) * trust
        return np.asarray(baseline, dtype=np.float32)


ProfileSource: TypeAlias = Profile | str | os.PathLike[str]
"""A profile, or the file of one."""


def spread_of(probabilities: NDArray[np.floating[Any]]) -> float:
    """How much recordings differ in mood, as a model hears them: (recordings, classes) -> nats.

    The root mean square over emotions of the standard deviation over recordings of the log
    probabilities less their mean; 0 where all are alike. Embeddings would not do: sentences differ
    in them more than moods.
    """
    logs = np.log(np.maximum(np.asarray(probabilities, np.float64), 1e-9))
    logs -= logs.mean(axis=1, keepdims=True)
    return float(np.sqrt(logs.var(axis=0, ddof=1).mean()))


def kind_info(info: ProfileInfo, kind: Kind) -> ProfileKind:
    """What a model's card says of a kind."""
    return info.normal if kind == "normal" else info.mixed


def open_profile(source: ProfileSource, model: str, digest: str) -> Profile:
    """A profile, checked to be this model's.

    Args:
        source: it, or its file.
        model: name and version of the model.
        digest: of the model's file.

    Raises:
        SottovoceError: the file cannot be read, or the profile is another model's.
    """
    profile = source if isinstance(source, Profile) else Profile.load(source)
    if profile.model_digest != digest:
        raise SottovoceError(
            f"the profile was made with {profile.model} ({profile.model_digest[:8]}), and this is "
            f"{model} ({digest[:8]}); make it again with this model"
        )
    return profile
