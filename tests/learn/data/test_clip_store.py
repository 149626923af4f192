"""Clips are decoded once, kept whole or not at all, and found again by what is in them."""

import errno
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
import pytest
import soundfile

from sottovoce import system
from sottovoce.audio import Audio
from sottovoce.audio.parts import AudioPart
from sottovoce.errors import AudioError, SottovoceError
from sottovoce.learn.data.clip_store import ClipStore

RATE = 16_000


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Three recordings: 16 kHz, 48 kHz stereo, and one without samples; a cache of their own."""
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(tmp_path / "cache"))
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
    version: str = "middle",
    rate: int = RATE,
    speech: Callable[[Audio], tuple[float, float] | None] = middle,
) -> ClipStore:
    return ClipStore.build(
        [*map(AudioPart, files)], ["A", "B", "C"], rate, speech=speech, speech_version=version
    )


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
        build(files, version="b", speech=lambda _: None),
    )
    assert len(lower[0]) == len(first[0]) // 2
    assert other.speech(0) is None
    assert first.speech(0) is not None


def test_clips_are_shared_by_stores_whose_paths_and_order_differ(files: list[Path]) -> None:
    first = build(files)
    elsewhere = [path.with_name(f"copy-of-{path.name}") for path in reversed(files)]
    other = ClipStore.build(
        [*map(AudioPart, elsewhere)],
        ["C", "B", "A"],
        RATE,
        speech=forbidden,
        speech_version="middle",
    )
    np.testing.assert_array_equal(other[2], first[0])
    assert other.key != first.key


def test_what_was_decoded_before_a_failure_is_not_decoded_again(
    files: list[Path], tmp_path: Path
) -> None:
    good = files[2].read_bytes()
    files[2].write_bytes(b"not audio")
    with pytest.raises(AudioError, match=r"c\.wav"):
        build(files)
    files[2].write_bytes(good)
    reports: list[tuple[int, int]] = []
    store = ClipStore.build(
        [*map(AudioPart, files)],
        ["A", "B", "C"],
        RATE,
        speech=middle,
        speech_version="middle",
        progress=lambda *counts: reports.append(counts),
    )
    assert reports == [(1, 1)]
    np.testing.assert_array_equal(store[1], Audio.read(files[1], sample_rate=RATE).samples[0])


def test_a_disk_that_fills_leaves_no_clip_that_is_not_whole(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = os.fdopen

    def full(handle: int, how: str) -> IO[bytes]:
        really(handle, how).close()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(system.os, "fdopen", full)
        message = r"decoded clips cannot be kept here \(No space left on device\); make room"
        with pytest.raises(SottovoceError, match=message) as caught:
            build(files)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").rglob("*.*")), "no part, and nothing to be taken for one"
    assert len(build(files)) == 3


def test_other_processes_map_it_again(files: list[Path]) -> None:
    store = build(files)
    sent = pickle.dumps(store)
    assert len(sent) < 1000
    np.testing.assert_array_equal(pickle.loads(sent)[0], store[0])  # noqa: S301


def test_progress_reaches_the_end(files: list[Path]) -> None:
    reports: list[tuple[int, int]] = []
    ClipStore.build(
        [*map(AudioPart, files)],
        ["A", "B", "C"],
        RATE,
        progress=lambda *counts: reports.append(counts),
    )
    assert reports == [(1, 3), (2, 3), (3, 3)]


def test_a_cache_that_cannot_be_written_is_one_clear_line(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(tmp_path / "file"))
    with pytest.raises(SottovoceError, match="SOTTOVOCE_CACHE") as caught:
        build(files)
    assert "\n" not in str(caught.value)


def test_a_store_of_nothing_but_empty_clips_opens(files: list[Path]) -> None:
    store = ClipStore.build([AudioPart(files[2])], ["C"], RATE)
    assert store[0].shape == (0,)
