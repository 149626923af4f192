"""Parts of recordings: cut out in one pass, the same samples as cutting the whole file."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from sottovoce.audio import Audio
from sottovoce.audio.parts import AudioPart, read_parts, sounds
from sottovoce.errors import AudioError

RATE = 8_000
SECONDS = 20.0
"""More than two blocks of the decoder."""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("parts") / "ramp.wav"
    ramp = np.arange(round(SECONDS * RATE)) / 2**18
    soundfile.write(path, np.stack([ramp, -ramp / 2], axis=1), RATE, subtype="FLOAT")
    return path


times = st.floats(0, SECONDS - 0.01).flatmap(
    lambda start: st.tuples(st.just(start), st.none() | st.floats(start + 0.001, SECONDS))
)


@settings(deadline=None, max_examples=60)
@given(spans=st.lists(times, max_size=8, unique=True))
def test_parts_are_the_samples_of_the_whole_file(
    file: Path, spans: list[tuple[float, float | None]]
) -> None:
    whole = Audio.read(file, mono=False)
    parts = [AudioPart(file, *span) for span in spans]
    found = dict(read_parts(file, parts))
    assert set(found) == set(parts)
    for part, sound in found.items():
        expected = whole.crop(part.start, SECONDS if part.end is None else part.end)
        assert isinstance(sound, Audio)
        np.testing.assert_array_equal(sound.samples, expected.samples)


def test_sounds_come_in_the_order_asked_for_and_whole_files_as_paths(file: Path) -> None:
    parts = [AudioPart(file), AudioPart(file, 1, 19), AudioPart(file, 2, 3), AudioPart(file, 2.5)]
    path, *cut = sounds(parts)
    assert path == file
    assert [sound.duration for sound in cut if isinstance(sound, Audio)] == [18, 1, 17.5]


def test_a_part_beyond_its_recording_is_named_and_the_others_are_given(file: Path) -> None:
    rounded, beyond, outside = (
        AudioPart(file, 19, 20.05),
        AudioPart(file, 1, 21),
        AudioPart(file, 30, 31.5),
    )
    found = dict(read_parts(file, [rounded, beyond, outside]))
    assert isinstance(found[rounded], Audio)
    assert str(found[beyond]) == f"{file}#1-21: the recording ends at 20 s"
    assert str(found[outside]) == f"{file}#30-31.5: the recording ends at 20 s"
    with pytest.raises(AudioError, match="#1-21: the recording ends at 20 s"):
        list(sounds([AudioPart(file, 0, 1), beyond]))


def test_nothing_is_decoded_after_the_last_part(tmp_path: Path) -> None:
    """The file is damaged after it: what is never reached does no harm."""
    path = tmp_path / "long.wav"
    samples = np.ones(200_000, np.float32)
    samples[-1] = np.nan
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    ((_, sound),) = read_parts(path, [AudioPart(path, 0, 1)])
    assert isinstance(sound, Audio)
    with pytest.raises(AudioError, match="NaN"):
        list(read_parts(path, [AudioPart(path, 0, 1), AudioPart(path, 24)]))


def test_names_hold_the_times_without_needless_zeros() -> None:
    assert [AudioPart(Path("a.wav"), *span).span for span in ((), (0, 1), (3.2, 7.05), (10,))] == [
        *("", "#0-1", "#3.2-7.05", "#10-")
    ]
