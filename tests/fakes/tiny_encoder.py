"""Tiny pretrained encoders of random weights, written as transformers writes real ones."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import (
    HubertConfig,
    HubertModel,
    PreTrainedModel,
    Wav2Vec2Config,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
    WhisperConfig,
)
from transformers.models.whisper.modeling_whisper import WhisperEncoder

KINDS = ("whisper", "wav2vec2", "hubert", "wavlm")
WIDTH = 64
DEPTH = 2

_WAVES = {
    "wav2vec2": (Wav2Vec2Config, Wav2Vec2Model),
    "hubert": (HubertConfig, HubertModel),
    "wavlm": (WavLMConfig, WavLMModel),
}


def tiny_encoder(
    kind: str, folder: Path, *, stable: bool = False, normalise: bool = True
) -> PreTrainedModel:
    """Write an encoder to `folder`, and give transformers' own model with the same weights.

    `stable`: the arrangement of the large wav2vec 2.0 models, with the norm before each layer.
    """
    torch.manual_seed(0)
    sizes = {"layerdrop": 0.5, "attn_implementation": "eager"}
    if kind == "whisper":
        model: PreTrainedModel = WhisperEncoder(
            WhisperConfig(
                d_model=WIDTH,
                encoder_layers=DEPTH,
                encoder_attention_heads=WIDTH // 64,
                encoder_ffn_dim=96,
                max_source_positions=300,
            )
        )
    else:
        config, made = _WAVES[kind]
        model = made(
            config(
                hidden_size=WIDTH,
                num_hidden_layers=DEPTH,
                num_attention_heads=4,
                intermediate_size=96,
                conv_dim=(32,) * 3,
                conv_kernel=(10, 8, 8),
                conv_stride=(5, 8, 8),
                num_conv_pos_embeddings=16,
                num_conv_pos_embedding_groups=4,
                do_stable_layer_norm=stable,
                feat_extract_norm="layer" if stable else "group",
                **sizes,
            )
        )
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():  # a random start is nearly a linear map
            if weight.ndim > 1 and "positions" not in name:
                weight += 0.2 * torch.randn(weight.shape, generator=generator) / WIDTH**0.5
            weight.copy_(weight.half().float())
    model.save_pretrained(folder)
    if kind != "whisper":
        facts = {"do_normalize": normalise, "sampling_rate": 16_000}
        (folder / "preprocessor_config.json").write_text(json.dumps(facts))
    return model.eval()


def rewrite(folder: Path, before: str, *, half: bool) -> None:
    """Put `before` before the name of every weight in `folder`, and drop the config."""
    from safetensors.torch import load_file

    file = folder / "model.safetensors"
    tensors = load_file(file)
    save_file({before + n: t.half() if half else t for n, t in tensors.items()}, file)
    (folder / "config.json").unlink()
