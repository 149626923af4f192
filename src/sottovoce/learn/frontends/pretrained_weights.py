"""Finds a pretrained encoder, in a folder or on the Hugging Face hub, and reads its weights.

Only safetensors files are read: a pickle can run code. The weights are rounded to half precision,
which frozen encoders do not notice, so that copies of an encoder in either precision are the same.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import nn

from sottovoce.errors import MissingExtraError, ModelError
from sottovoce.learn.silence_logs import silence_logs
from sottovoce.text import display_path, one_line

FOLDER_VARIABLE = "SOTTOVOCE_ENCODERS"
"""The environment variable naming a folder of encoders, each in a folder of its own."""

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
"""Says in which files the weights are, where they are in several."""


class _Kind(NamedTuple):
    """A kind of encoder that transformers has."""

    config: str
    model: str
    anchor: str
    """A weight of it; what stands before this name in a file stands before all of them."""
    settings: tuple[str, ...]
    """What its config says of how the weights are used."""


_PROJECTION = "feature_projection.projection.weight"
_SETTINGS = (
    *("num_attention_heads", "hidden_act", "layer_norm_eps", "do_stable_layer_norm"),
    *("feat_extract_norm", "feat_extract_activation", "conv_stride"),
)
_KINDS: Mapping[str, _Kind] = MappingProxyType(
    {
        "whisper": _Kind(
            "WhisperConfig",
            "WhisperEncoder",
            "conv1.weight",
            ("encoder_attention_heads", "activation_function"),
        ),
        "wav2vec2": _Kind("Wav2Vec2Config", "Wav2Vec2Model", _PROJECTION, _SETTINGS),
        "hubert": _Kind("HubertConfig", "HubertModel", _PROJECTION, _SETTINGS),
        "wavlm": _Kind(
            "WavLMConfig",
            "WavLMModel",
            _PROJECTION,
            (*_SETTINGS, "num_buckets", "max_bucket_distance"),
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Pretrained:
    """An encoder of transformers, with its weights.

    Attributes:
        model: a `WhisperEncoder`, `Wav2Vec2Model`, `HubertModel` or `WavLMModel`.
        kind: "whisper", "wav2vec2", "hubert" or "wavlm".
        sample_rate: Hz, of the waveform that it takes.
        normalise: whether that is to have mean 0 and variance 1.
        digest: SHA-256 of the weights in half precision, in whatever order, and of what the config
            says of their use.
    """

    model: nn.Module
    kind: str
    sample_rate: int
    normalise: bool
    digest: str


def find(encoder: str, revision: str = "") -> Path:
    """Find the folder of an encoder.

    Args:
        encoder: a folder, or a name on the hub. A name is looked for in the folder that
            `SOTTOVOCE_ENCODERS` names, as `whisper-base` or `whisper-base-encoder` for
            openai/whisper-base, and otherwise fetched from the hub.
        revision: of the hub's: a branch, tag or commit.

    Raises:
        ModelError: it is nowhere.
        MissingExtraError: huggingface_hub is needed and not installed.
    """
    if Path(encoder).is_dir():
        return Path(encoder)
    own, base = os.environ.get(FOLDER_VARIABLE), encoder.rsplit("/", 1)[-1]
    for name in (base, f"{base}-encoder"):
        if own and base and (Path(own) / name).is_dir():
            return Path(own) / name
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingExtraError(
            f"the encoder {encoder}", str(error.name), "learn", "pretrained"
        ) from error
    patterns = [CONFIG, PREPROCESSOR, WEIGHTS, INDEX, "model-*-of-*.safetensors"]
    try:
        return Path(snapshot_download(encoder, revision=revision or None, allow_patterns=patterns))
    except Exception as error:  # the hub's errors share no base class
        place = f"in {display_path(own)} ({FOLDER_VARIABLE})" if own else f"by {FOLDER_VARIABLE}"
        reason = one_line(f"{error}\n".splitlines()[0]).rstrip(".") or type(error).__name__
        raise ModelError(
            f"{display_path(encoder)}: no folder here, none {place}, and the hub gives none "
            f"({reason}); name a folder with its {CONFIG} and {WEIGHTS}"
        ) from None


def load(folder: Path) -> Pretrained:
    """Read the encoder in a folder that transformers or the hub wrote.

    Raises:
        ModelError: it is not there as safetensors, not of a known kind, or not whole.
        MissingExtraError: transformers or safetensors is not installed.
    """
    try:
        import transformers  # noqa: F401
        from safetensors import SafetensorError
    except ImportError as error:
        raise MissingExtraError(
            f"the encoder {folder}", str(error.name), "learn", "pretrained"
        ) from error
    try:
        tensors = _read(folder)
        config = _json(folder / CONFIG) or _whisper_config(tensors)
        kind = str(config.get("model_type"))
        if kind not in _KINDS:
            raise ModelError(f"of the kind {kind!r}; known kinds: {', '.join(_KINDS)}")
        facts = _json(folder / PREPROCESSOR)
        if not facts and kind != "whisper":
            raise ModelError(
                f"holds no {PREPROCESSOR}, which says whether the waveform is to be normalised; "
                "take it from where the encoder comes from"
            )
        normalise = kind != "whisper" and bool(facts.get("do_normalize", True))
        model = _assemble(kind, config, tensors)
    except (ModelError, OSError, ValueError, TypeError, SafetensorError) as error:
        raise ModelError(f"{display_path(folder)}: {one_line(error)}") from None
    settings = {name: getattr(model.config, name) for name in _KINDS[kind].settings}
    digest = hashlib.sha256(json.dumps([kind, normalise, settings], sort_keys=True).encode())
    for tensor_digest in sorted(_digest(tensor) for tensor in model.state_dict().values()):
        digest.update(tensor_digest)
    rate = int(facts.get("sampling_rate", 16_000))
    return Pretrained(model.eval(), kind, rate, normalise, digest.hexdigest())


def _assemble(kind: str, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Any:
    """Make transformers' module with these weights, but for the parts that are never run."""
    where = f"transformers.models.{kind}"
    spec = _KINDS[kind]
    configuration = getattr(importlib.import_module(f"{where}.configuration_{kind}"), spec.config)
    anchors = [name for name in tensors if f".{name}".endswith(f".{spec.anchor}")]
    if not anchors:
        raise ModelError(f"its weights hold no {spec.anchor}, as those of a {kind} encoder do")
    before = min(anchors, key=len).removesuffix(spec.anchor)
    with silence_logs("transformers"), torch.device("meta"):
        made = configuration.from_dict(dict(config))
        model = getattr(importlib.import_module(f"{where}.modeling_{kind}"), spec.model)(made)
    for name in ("masked_spec_embed", "adapter"):  # of training, and of some recognisers
        if hasattr(model, name):
            setattr(model, name, None)
    own = {
        name.removeprefix(before): tensor
        for name, tensor in tensors.items()
        if name.startswith(before)
    }
    try:
        missing = model.load_state_dict(own, strict=False, assign=True).missing_keys
    except RuntimeError as error:  # torch's, of shapes
        raise ModelError(f"its weights do not fit its {CONFIG} ({one_line(error)[:200]})") from None
    if missing:
        raise ModelError(
            f"its weights lack {len(missing)}, such as {missing[-1]}; get a whole copy"
        )
    return model


def _read(folder: Path) -> dict[str, torch.Tensor]:
    """Every tensor, rounded to half precision, as float32."""
    from safetensors import safe_open

    files = [folder / WEIGHTS]
    if not files[0].exists():
        names = _json(folder / INDEX).get("weight_map", {}).values()
        files = [folder / Path(name).name for name in sorted(set(names))]
    if not files:
        raise ModelError(
            f"holds no {WEIGHTS}, and pickled weights are not read, since they can run code; name "
            "a folder, or a revision on the hub, that has it"
        )
    tensors = {}
    for file in files:
        with safe_open(file, framework="pt") as content:
            for name in content.keys():  # noqa: SIM118 - it is no mapping
                tensors[name] = content.get_tensor(name).half().float()
    return tensors


def _json(file: Path) -> dict[str, Any]:
    """What is in a file, or nothing where there is none."""
    if not file.exists():
        return {}
    content = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ModelError(f"{file.name} holds no object")
    return content


def _whisper_config(tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """The config of a Whisper encoder, from the shapes of its weights; heads are 64 wide."""
    shapes = {
        name.rpartition("encoder.")[2]: tensor.shape
        for name, tensor in tensors.items()
        if "decoder." not in name
    }
    if "conv1.weight" not in shapes:
        raise ModelError(f"holds no {CONFIG}; take it from where the encoder comes from")
    width, bands, _ = shapes["conv1.weight"]
    return {
        "model_type": "whisper",
        "d_model": width,
        "num_mel_bins": bands,
        "encoder_layers": sum(name.endswith(".fc1.weight") for name in shapes),
        "encoder_attention_heads": width // 64,
        "encoder_ffn_dim": shapes["layers.0.fc1.weight"][0],
        "max_source_positions": shapes["embed_positions.weight"][0],
    }


def _digest(tensor: torch.Tensor) -> bytes:
    values = tensor.half().contiguous()
    return hashlib.sha256(str(tuple(values.shape)).encode() + values.numpy().tobytes()).digest()
