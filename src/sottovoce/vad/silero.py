"""Silero VAD: the probability of speech, 32 ms by 32 ms."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from sottovoce.system import available_cpus

if TYPE_CHECKING:
    from sottovoce.audio import Samples

RATE = 16_000
"""Hz, of the samples that the detector takes."""
FRAME = 512
"""Samples that one probability is about."""
CONTEXT = 64
"""Samples before each frame that the detector sees with it."""
GRAPH = Path(__file__).with_name("silero.onnx")
"""The detector's file."""


def speech_probabilities(samples: Samples) -> NDArray[np.float32]:
    """Run Silero VAD over samples at 16 kHz.

    Silero VAD 6.2 (Silero Team, https://github.com/snakers4/silero-vad, MIT; see
    `silero.onnx.LICENSE`), in the form of one graph for a whole sequence of frames: the magnitude
    of a short-time Fourier transform, four convolutions and an LSTM over the frames. Safe to call
    from several threads at once.

    Args:
        samples: (samples,); speech at about 0.1 RMS is detected best.

    Returns:
        (frames,), one probability for every `FRAME` samples begun.
    """
    return SpeechDetector().feed(samples)


_OPENING = threading.Lock()
_RUNNING = threading.BoundedSemaphore(available_cpus())
"""More runs at a time than processors would be no quicker, and each takes memory of its own."""


class SpeechDetector:
    """Silero VAD, fed piece by piece: it keeps the state of the LSTM and the context of a frame."""

    def __init__(self) -> None:
        self._state = (np.zeros((1, 1, 128), np.float32), np.zeros((1, 1, 128), np.float32))
        self._context = np.zeros(CONTEXT, np.float32)

    def feed(self, samples: Samples) -> NDArray[np.float32]:
        """Run on the next samples, whole frames of them but for the last call.

        Args:
            samples: (samples,), as for `speech_probabilities`.

        Returns:
            (frames,), one probability for every `FRAME` samples begun.
        """
        count = -(-samples.size // FRAME)
        if not count:
            return np.zeros(0, np.float32)
        padded = np.zeros(CONTEXT + count * FRAME, np.float32)
        padded[:CONTEXT] = self._context
        padded[CONTEXT : CONTEXT + samples.size] = samples
        self._context = padded[-CONTEXT:].copy()
        frames = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT + FRAME)[::FRAME]
        feed = {"input": np.ascontiguousarray(frames), "h": self._state[0], "c": self._state[1]}
        with _OPENING:
            session = _session()
        with _RUNNING:
            found, *state = session.run(["speech_probs", "hn", "cn"], feed)
        self._state = (state[0], state[1])
        return cast(NDArray[np.float32], found)


@cache
def _session() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # patterns are kept for every length ever met
    return onnxruntime.InferenceSession(GRAPH, options, providers=["CPUExecutionProvider"])
