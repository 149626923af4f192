"""Makes the graph of a pretrained encoder, once, in the cache where models look for it."""

from pathlib import Path

import numpy as np
import onnxruntime
import torch

from sottovoce.errors import ModelError
from sottovoce.learn.export.graphs import to_fp16, to_graph
from sottovoce.learn.frontends.pretrained import VERSION, Frozen
from sottovoce.learn.frontends.pretrained_parts import Parts
from sottovoce.learn.frontends.pretrained_weights import find, load
from sottovoce.models.card import EncoderInfo
from sottovoce.models.encoder import encoder_file
from sottovoce.models.model_file import ENCODER_KEY, seal
from sottovoce.system import write_atomically, writing_to_cache
from sottovoce.text import describe

SHORTEST = 800
"""Samples from which on the graph of an encoder works."""

TRIED = ((1, SHORTEST), (3, 16_000), (1, 41_234))
"""Batches, in clips and samples, on which a graph is compared with torch."""

TOLERANCE = 1e-2
"""Largest difference between torch and the graph, in standard deviations of what they give."""


def make_encoder(info: EncoderInfo, folder: Path | None = None) -> Path:
    """Make the graph of the encoder that a model needs, if it is not there yet.

    Args:
        info: from the model's card.
        folder: where its weights lie; if None they are looked for by name.

    Returns:
        The file in the cache.

    Raises:
        ModelError: it cannot be found, or it is not the very one that the model was trained on.
        SottovoceError: the cache cannot be written.
    """
    path = encoder_file(info)
    if path.exists():
        return path
    if info.version != VERSION:
        raise ModelError(
            f"the encoder {info.name} was computed in way {info.version}, this Sottovoce has way "
            f"{VERSION}; train the model again, or use the Sottovoce that it was trained with"
        )
    source = folder or find(info.name, info.revision)
    loaded = load(source)
    if loaded.digest != info.digest:
        raise ModelError(
            f"{describe(source)}: other weights ({loaded.digest[:12]}) than the {info.name} that "
            f"the model was trained on ({info.digest[:12]}); name the folder of that one"
        )
    return write_encoder(
        Frozen(Parts(loaded, info.one_level), info.layers, info.pooling != "none"), info
    )


def write_encoder(frozen: Frozen, info: EncoderInfo) -> Path:
    """Write the graph of an encoder's frozen part into the cache, if it is not there yet.

    It is checked against torch; its weights, which were rounded to half precision when they were
    read, are stored so.

    Raises:
        ModelError: the graph disagrees with torch.
        SottovoceError: the cache cannot be written.
    """
    path, frozen = encoder_file(info), frozen.cpu()
    if path.exists():
        return path
    axes = {0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("samples", min=SHORTEST)}
    graph = to_graph(frozen, {"waveform": (torch.zeros(2, 16_000), axes)}, ["encoded"])
    graph = to_fp16(graph, [buffer.numpy() for buffer in frozen.buffers()])
    worst = _disagreement(frozen, graph)
    if not worst <= TOLERANCE:
        raise ModelError(
            f"{info.name}: its graph differs from torch by {worst:.1e} standard deviations; "
            f"expected at most {TOLERANCE:.0e}; nothing was written"
        )
    with writing_to_cache(path.parent, "the encoder"):
        write_atomically(path, seal(graph, info.to_json(), ENCODER_KEY))
    return path


def _disagreement(frozen: Frozen, graph: bytes) -> float:
    """The largest difference on noise of changing level, in standard deviations."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(0)
    worst = 0.0
    for size, samples in TRIED:
        loudness = np.abs(np.sin(np.arange(samples) / 3000))
        waveform = (0.1 * loudness * generator.standard_normal((size, samples))).astype(np.float32)
        (found,) = session.run(["encoded"], {"waveform": waveform})
        with torch.inference_mode():
            expected = frozen(torch.from_numpy(waveform)).numpy()
        worst = max(worst, float(np.abs(found - expected).max() / expected.std()))
    return worst
