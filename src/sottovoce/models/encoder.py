"""The pretrained encoder that a model may need: its graph in the cache, and how it is opened.

The graph takes a waveform and gives the encoder's hidden states, which the model's own graph takes.
It is made once, from the encoder's weights, by `sottovoce encoder` (`learn.export.encoder`).
"""

from collections.abc import Mapping
from pathlib import Path

import onnxruntime

from sottovoce.errors import ModelError
from sottovoce.models.card import EncoderInfo
from sottovoce.models.model_file import ENCODER_KEY, read_card
from sottovoce.models.session import check_tensors, open_session
from sottovoce.system import cache_folder
from sottovoce.text import describe


def encoder_file(info: EncoderInfo) -> Path:
    """Where the graph of an encoder is kept, once it was made."""
    return cache_folder() / "encoders" / f"{info.key}.onnx"


def encoded_axes(info: EncoderInfo) -> Mapping[str, int | None]:
    """The axes of what an encoder gives after the batch, with their sizes; None is any size."""
    return {"features": info.features, "frames": None if info.pooling == "none" else 1}


def open_encoder(info: EncoderInfo, threads: int, model: str) -> onnxruntime.InferenceSession:
    """Open an encoder's graph: "waveform" (batch, samples) -> "encoded" (batch, features, frames).

    Args:
        info: which encoder.
        threads: how many threads one run may use.
        model: the model file that needs it, for the message.

    Raises:
        ModelError: it was not made yet, or its file is refused.
    """
    path = encoder_file(info)
    again = f"make it with: sottovoce encoder {model}"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(
            f"stands on the encoder {info.name}, which is not in {describe(path.parent)}; {again}"
        ) from None
    except OSError as error:
        raise ModelError(
            f"stands on the encoder {info.name}; {describe(path)} cannot be read "
            f"({error.strerror or error}); {again}"
        ) from None
    try:
        found = EncoderInfo.from_json(read_card(data, ENCODER_KEY))
        if found.key != info.key:
            raise ModelError("it is another encoder's")
        session = open_session(data, threads)
        check_tensors("input", session.get_inputs(), {"waveform": ("float", {"samples": None})})
        check_tensors("output", session.get_outputs(), {"encoded": ("float", encoded_axes(info))})
    except ModelError as error:
        raise ModelError(
            f"stands on the encoder {info.name}, and its file {describe(path)} is refused: "
            f"{error}; delete it and {again}"
        ) from None
    return session
