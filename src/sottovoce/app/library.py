"""The models that the app offers: those known by name, and those in a folder of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from sottovoce.errors import ModelError
from sottovoce.models.card import Card, EncoderInfo
from sottovoce.models.encoder import encoder_file
from sottovoce.models.model import Model
from sottovoce.models.model_file import read_model_file
from sottovoce.models.registry import DEFAULT, available


@dataclass(frozen=True, slots=True)
class Entry:
    """One model file."""

    name: str
    """What people choose; the file's name, with its folder where two have the same."""
    file: Path
    card: Card | None
    """None where the file is refused."""
    problem: str = ""
    """Why it is refused, in one line."""


def entries(own: Path | None) -> list[Entry]:
    """Every model file, the default one first, then by name.

    Args:
        own: a further folder, if any.
    """
    files = [*available().values(), *(sorted(own.glob("*.onnx")) if own is not None else [])]
    distinct = list({file.resolve(): file for file in files}.values())
    stems = [file.stem for file in distinct]
    listed = [
        _entry(file.stem if stems.count(file.stem) == 1 else f"{file.stem} ({file.parent})", file)
        for file in distinct
    ]
    return sorted(listed, key=lambda entry: (entry.file.stem != DEFAULT, entry.name))


def usable(listed: list[Entry]) -> dict[str, Entry]:
    """Name -> entry of those whose file is whole."""
    return {entry.name: entry for entry in listed if entry.card is not None}


def missing_encoder(entry: Entry) -> EncoderInfo | None:
    """The pretrained encoder that a model stands on, where it was not made yet."""
    encoder = entry.card.encoder if entry.card is not None else None
    return encoder if encoder is not None and not encoder_file(encoder).exists() else None


def opened(entry: Entry) -> Model:
    """The model, opened once for everybody.

    Raises:
        ModelError: the file is refused, or what it stands on is not here.
    """
    return _open(str(entry.file), *_stamp(entry.file))


def _entry(name: str, file: Path) -> Entry:
    try:
        return Entry(name, file, _card(str(file), *_stamp(file)))
    except ModelError as error:
        return Entry(name, file, None, str(error))


def _stamp(file: Path) -> tuple[int, int]:
    """What changes when a file does: its time and its size; zeros where it is not there."""
    try:
        facts = file.stat()
    except OSError:
        return 0, 0
    return facts.st_mtime_ns, facts.st_size


@st.cache_resource(max_entries=64, show_spinner=False)
def _card(file: str, changed: int, size: int) -> Card:
    return read_model_file(file)[1]


@st.cache_resource(max_entries=8, show_spinner="Opening the model ...")
def _open(file: str, changed: int, size: int) -> Model:
    return Model.open(file)
