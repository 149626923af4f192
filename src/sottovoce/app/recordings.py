"""Recordings that people give to the app: kept in the session's memory, decoded within bounds."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
import streamlit as st

from sottovoce.audio import Audio
from sottovoce.errors import AudioError

TYPES = ("wav", "mp3", "flac", "ogg", "opus", "m4a", "mp4", "mov", "webm", "aac", "amr", "wma")
MOST_SECONDS = 600.0
"""The longest recording that the app takes; longer ones are for the command line."""
MOST_BYTES = 200 * 2**20
"""Of all recordings that a session holds together."""
MOST_FILES = 50

_KEPT = "recordings"
_CHOSEN = "recording"


@dataclass(frozen=True, slots=True)
class Recording:
    """A file as it was given."""

    name: str
    data: bytes
    key: str
    """SHA-256 of the data."""


def given(files: Iterable[Any]) -> tuple[list[Recording], str]:
    """Recordings of uploaded files, each once, and a line about those left out, empty if none."""
    kept: dict[str, Recording] = {}
    total = left = 0
    for file in files:
        data = file.getvalue()
        key = hashlib.sha256(data).hexdigest()
        if key in kept:
            continue
        if len(kept) >= MOST_FILES or total + len(data) > MOST_BYTES:
            left += 1
            continue
        total += len(data)
        kept[key] = Recording(file.name, data, key)
    said = (
        f"{left} left out: at most {MOST_FILES} files and {MOST_BYTES >> 20} MB at a time; for "
        "more, run: sottovoce predict FOLDER"
    )
    return list(kept.values()), said if left else ""


def held() -> list[Recording]:
    """What this session holds."""
    kept: list[Recording] = st.session_state.get(_KEPT, [])
    return kept


def hold(recordings: list[Recording]) -> None:
    """Hold these instead of what was held."""
    st.session_state[_KEPT] = recordings
    st.session_state.pop(_CHOSEN, None)


def read(data: bytes, name: str) -> Audio:
    """Decode a recording, mixed to one channel, no further than the bound.

    Raises:
        AudioError: it cannot be decoded, or lasts longer than `MOST_SECONDS`.
        MissingExtraError: the format needs PyAV.
    """
    file = io.BytesIO(data)
    file.name = name  # for the messages

    def watch(seconds: float) -> None:
        if seconds > MOST_SECONDS:
            raise AudioError(
                f"{name}: longer than {MOST_SECONDS / 60:g} minutes, the most that fits here; "
                "cut it, or run: sottovoce timeline FILE"
            )

    return Audio.read(file, watch=watch)


@st.cache_resource(scope="session", max_entries=3, show_spinner=False)
def sound(_recording: Recording, key: str) -> Audio:
    """Decode a recording, or give it again; `key` is the recording's."""
    return read(_recording.data, _recording.name)


def wav(audio: Audio) -> bytes:
    """A recording as a 16-bit WAV file, which every browser plays."""
    file = io.BytesIO()
    soundfile.write(
        file, np.clip(audio.samples.T, -1, 1), audio.sample_rate, format="WAV", subtype="PCM_16"
    )
    return file.getvalue()
