"""Clips that the tests of training share."""

import pytest
import soundfile
from tiny_corpus import RATE, voice

from sottovoce.audio.parts import AudioPart
from sottovoce.learn.data.clip_store import ClipStore


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    """48 voices, neutral and angry in turn."""
    folder, paths = tmp_path_factory.mktemp("voices"), []
    for number in range(48):
        paths.append(folder / f"{number}.wav")
        soundfile.write(paths[-1], voice((1, 5)[number % 2], number, 0.7 + number % 3 / 10), RATE)
    return ClipStore.build(
        [*map(AudioPart, paths)], [f"voice {number}" for number in range(48)], RATE
    )
