"""Clips that the tests of batches and features share."""

import numpy as np
import pytest
import soundfile
from ramps import DURATIONS, RATE

from sottovoce.audio.parts import AudioPart
from sottovoce.learn.data.batches import Examples
from sottovoce.learn.data.clip_store import ClipStore


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    """Clips whose samples count up, so that a crop says where it is from; speech in the middle."""
    folder, paths = tmp_path_factory.mktemp("clips"), []
    for number, seconds in enumerate(DURATIONS):
        samples = np.arange(1, round(seconds * RATE) + 1) / 2**16
        paths.append(folder / f"{number}.wav")
        soundfile.write(paths[-1], samples, RATE, subtype="FLOAT")
    store = ClipStore.build(
        [*map(AudioPart, paths)],
        [f"ramp {number}" for number in range(len(paths))],
        RATE,
        speech=lambda audio: (0.25 * audio.duration, 0.75 * audio.duration),
        speech_version="middle half",
    )
    return Examples(store, tuple(range(len(paths))), (0, 1, 0, 1, 0))
