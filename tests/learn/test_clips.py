"""Clips are decoded once, kept whole or not at all, and found again by what is in them."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from undertone.audio import Audio
from undertone.errors import AudioError, UndertoneError
from undertone.learn.clips import ClipStore

RATE = 16_000


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Three recordings: 16 kHz, 48 kHz stereo, and one without samples; a cache of their own."""
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    shapes = {"a": ((8000,), RATE), "b": ((24_000, 2), 48_000), "c": ((0,), RATE)}
    paths = []
    for name, (shape, rate) in shapes.items():
        paths.append(tmp_path / f"{name}.wav")
        soundfile.write(paths[-1], 0.1 * rng.standard_normal(shape), rate)
    return paths


def middle(audio: Audio) -> tuple[float, float] | None:
    return (audio.duration / 4, audio.duration / 2) if audio.duration else None


def forbidden(audio: Audio) -> None:
    raise AssertionError("decoded again")


def build(
    files: list[Path],
    key: str = "middle",
    rate: int = RATE,
    speech: Callable[[Audio], tuple[float, float] | None] = middle,
) -> ClipStore:
    return ClipStore.build(files, ["A", "B", "C"], rate, speech=speech, speech_key=key)


def test_a_clip_is_what_audio_reads(files: list[Path]) -> None:
    store = build(files)
    assert len(store) == 3
    for row, path in enumerate(files):
        expected = Audio.read(path, sample_rate=RATE)
        np.testing.assert_array_equal(store[row], expected.samples[0])
        assert store.audio(row).sample_rate == RATE
        assert store.speech(row) == middle(expected)


def test_it_is_decoded_once(files: list[Path]) -> None:
    first = build(files)
    for path in files:
        path.unlink()
    again = build(files, speech=forbidden)
    np.testing.assert_array_equal(again[1], first[1])
    assert again.speech(0) == first.speech(0)


def test_another_rate_or_another_gate_is_another_store(files: list[Path]) -> None:
    first, lower, other = (
        build(files),
        build(files, rate=8000),
        build(files, key="b", speech=lambda _: None),
    )
    assert len(lower[0]) == len(first[0]) // 2
    assert other.speech(0) is None
    assert first.speech(0) is not None


def test_a_store_that_was_cut_short_is_not_taken_for_whole(
    files: list[Path], tmp_path: Path
) -> None:
    good = files[1].read_bytes()
    files[1].write_bytes(b"not audio")
    with pytest.raises(AudioError, match=r"b\.wav"):
        build(files)
    assert not list((tmp_path / "cache").rglob("*.f32"))
    files[1].write_bytes(good)
    assert len(build(files)) == 3


def test_other_processes_map_it_again(files: list[Path]) -> None:
    store = build(files)
    sent = pickle.dumps(store)
    assert len(sent) < 1000
    np.testing.assert_array_equal(pickle.loads(sent)[0], store[0])  # noqa: S301


def test_progress_reaches_the_end(files: list[Path]) -> None:
    said: list[tuple[int, int]] = []
    ClipStore.build(files, ["A", "B", "C"], RATE, progress=lambda *counts: said.append(counts))
    assert said == [(1, 3), (2, 3), (3, 3)]


def test_a_cache_that_cannot_be_written_is_one_clear_line(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path / "file"))
    with pytest.raises(UndertoneError, match="UNDERTONE_CACHE") as caught:
        build(files)
    assert "\n" not in str(caught.value)


def test_a_store_of_nothing_but_empty_clips_opens(files: list[Path]) -> None:
    store = ClipStore.build(files[2:], ["C"], RATE)
    assert store[0].shape == (0,)
