"""Decoding m4a, mp4 and webm with PyAV, which the extra `media` installs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from sottovoce.errors import AudioError, MissingExtraError
from sottovoce.text import one_line


def decode_media(
    file: BinaryIO, container: str, name: str, stack: ExitStack
) -> tuple[int, int, Iterator[NDArray[np.float32]]]:
    """Decode the first sound track of a file, as `sottovoce.audio.decode.decode` does.

    The container is given to FFmpeg, so that no other demuxer is ever tried on the bytes.

    Returns:
        Sample rate in Hz, channels, and blocks of (frames, channels).

    Raises:
        AudioError: the file is not what it seems, or has no sound.
        MissingExtraError: PyAV is not installed.
    """
    try:
        import av
    except ImportError:
        raise MissingExtraError(f"{name}: {container}", "PyAV", "media") from None
    try:
        media = stack.enter_context(av.open(file, mode="r", format=container))
    except (av.FFmpegError, OSError, ValueError) as error:
        raise AudioError(
            f"{name}: not a whole {container} file ({one_line(error)}); it may be cut short"
        ) from None
    if not media.streams.audio:
        raise AudioError(f"{name}: has no sound track; expected one with sound")
    context = media.streams.audio[0].codec_context
    if context is None or not context.sample_rate or not context.channels:
        raise AudioError(f"{name}: its sound is in a codec that is not known here; convert it")
    return context.sample_rate, context.channels, _blocks(media, name)


def _blocks(media: Any, name: str) -> Iterator[NDArray[np.float32]]:
    import av

    context = media.streams.audio[0].codec_context
    convert = av.AudioResampler(format="fltp", layout=context.layout, rate=context.sample_rate)
    started = False
    try:
        for frame in media.decode(audio=0):
            for part in convert.resample(frame):
                started = True
                yield cast(NDArray[np.float32], part.to_ndarray().T)
        for part in convert.resample(None):
            yield cast(NDArray[np.float32], part.to_ndarray().T)
    except (av.FFmpegError, OSError) as error:
        if not started:
            raise AudioError(
                f"{name}: the recording is damaged ({one_line(error)}); nothing could be decoded"
            ) from None
