"""Sound as it comes: a microphone, or a file played as if it were one."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from sottovoce.audio import Samples, open_blocks
from sottovoce.errors import MissingExtraError, SottovoceError
from sottovoce.text import display_path, one_line

BLOCK_SECONDS = 0.1
"""How much comes at once."""
QUEUE_BLOCKS = 100
"""Blocks that may wait; what comes when they do is lost, and counted."""


@dataclass(slots=True)
class LiveAudio:
    """Sound that comes in blocks of (channels, samples)."""

    sample_rate: int
    name: str
    blocks: Iterator[Samples]
    lost: int = 0
    """Blocks that came while too many were waiting."""


@contextmanager
def simulated(path: str, speed: float) -> Iterator[LiveAudio]:
    """A file, given at the pace of its sound, or `speed` times as fast.

    Raises:
        AudioError: the file cannot be read.
    """
    with ExitStack() as stack:
        opened = open_blocks(path, stack)
        blocks = _paced(opened.blocks, opened.sample_rate, speed)
        yield LiveAudio(opened.sample_rate, display_path(path), blocks)


def _paced(blocks: Iterator[Any], rate: int, speed: float) -> Iterator[Samples]:
    begun, given, size = time.monotonic(), 0, max(1, round(rate * BLOCK_SECONDS))
    for block in blocks:
        for start in range(0, len(block), size):
            part = block[start : start + size].T
            given += part.shape[1]
            time.sleep(max(0.0, begun + given / (rate * speed) - time.monotonic()))
            yield part


@contextmanager
def microphone(device: str | None, channels: int) -> Iterator[LiveAudio]:
    """An input of this computer, by its number or a part of its name; the default one if None.

    Raises:
        MissingExtraError: sounddevice is not installed.
        SottovoceError: there is no such input, or it cannot be opened.
    """
    sd = _sounddevice()
    chosen = int(device) if device is not None and device.isdecimal() else device
    waiting: queue.Queue[Samples] = queue.Queue(QUEUE_BLOCKS)

    def take(samples: Any, *_: object) -> None:
        try:
            waiting.put_nowait(samples.T.copy())
        except queue.Full:
            live.lost += 1

    with ExitStack() as stack:
        try:
            info = sd.query_devices(chosen, "input")
            rate = round(info["default_samplerate"])
            stream = sd.InputStream(
                device=chosen,
                samplerate=rate,
                channels=max(1, min(channels, int(info["max_input_channels"]))),
                dtype="float32",
                blocksize=round(rate * BLOCK_SECONDS),
                callback=take,
            )
            live = LiveAudio(rate, str(info["name"]), _arriving(waiting, stream))
            stack.enter_context(stream)
        except (sd.PortAudioError, ValueError) as error:
            raise SottovoceError(
                f"no microphone can be opened ({one_line(error)}); "
                "see: sottovoce listen --list-devices"
            ) from None
        yield live


def _arriving(waiting: queue.Queue[Samples], stream: Any) -> Iterator[Samples]:
    """Blocks as they come, until the device is gone; a short wait lets Ctrl-C in everywhere."""
    while True:
        try:
            yield waiting.get(timeout=0.5)
        except queue.Empty:
            if not stream.active:
                return


@dataclass(frozen=True, slots=True)
class InputDevice:
    """A microphone, or whatever else this computer can listen to."""

    number: int
    name: str
    channels: int
    sample_rate: int
    default: bool


def input_devices() -> list[InputDevice]:
    """All of them.

    Raises:
        MissingExtraError: sounddevice is not installed.
        SottovoceError: PortAudio is not.
    """
    sd = _sounddevice()
    try:
        default = sd.query_devices(kind="input")["index"]
    except (sd.PortAudioError, ValueError):
        default = None
    return [
        InputDevice(
            number=device["index"],
            name=str(device["name"]),
            channels=int(device["max_input_channels"]),
            sample_rate=round(device["default_samplerate"]),
            default=device["index"] == default,
        )
        for device in sd.query_devices()
        if device["max_input_channels"]
    ]


def _sounddevice() -> Any:
    try:
        return import_module("sounddevice")
    except ImportError:
        raise MissingExtraError("the microphone", "sounddevice", "microphone") from None
    except OSError as error:
        raise SottovoceError(
            f"the microphone cannot be used ({one_line(error)}); install PortAudio, "
            "such as the package libportaudio2"
        ) from None
