"""A pretrained encoder in parts: the embedding of the waveform, its layers, pooling over time.

The layers are transformers' own. They are called one by one, so that an encoder can be cut in two,
and so that what transformers adds in training, masks in time and skipped layers, is left out.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torch.nn.utils import parametrize

from sottovoce.audio.mel_scale import mel_edges, mel_filters
from sottovoce.learn.frontends.pretrained_weights import Pretrained
from sottovoce.learn.frontends.spectrum import Spectrum

HOP = 160
"""Samples from one of Whisper's frames to the next."""

POWER_FLOOR = 1e-10
"""Least power of a mel band that Whisper is given."""

LOUDEST = 1.5
"""Power, log10, that the loudest band and frame is brought to where all clips get one level."""


class WhisperEmbedding(nn.Module):
    """Whisper's log-mel, its two convolutions and its positions (Radford et al. 2022).

    The clip is not padded to 30 s, and the positions end where it does.

    Attributes:
        longest: samples that it takes at most.
    """

    filters: torch.Tensor

    def __init__(self, model: Any, one_level: bool = False) -> None:
        """`model` is transformers' `WhisperEncoder`; `one_level`: of all clips, see `log_mel`."""
        super().__init__()
        self.one_level = one_level
        self.spectrum = Spectrum(400, 400, HOP, pad="reflect")
        filters = mel_filters(mel_edges(model.conv1.in_channels, 0, 8000), 400, 16_000)
        self.register_buffer("filters", torch.from_numpy(filters), persistent=False)
        self.conv1, self.conv2, self.positions = model.conv1, model.conv2, model.embed_positions
        self.longest: int | None = 2 * self.positions.num_embeddings * HOP

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        """waveform: (batch, samples) -> the first hidden state: (batch, time, width)."""
        hidden = F.gelu(self.conv2(F.gelu(self.conv1(self.log_mel(waveform))))).transpose(1, 2)
        embedded: torch.Tensor = hidden + self.positions.weight[: hidden.shape[1]]
        return embedded

    def log_mel(self, waveform: torch.Tensor) -> torch.Tensor:
        """waveform: (batch, samples) -> what `WhisperFeatureExtractor` gives: (batch, bands, time).

        It ends 80 dB below the clip's loudest band and frame. With `one_level` that has the same
        level in every clip, so that nothing depends on how loud a clip is.
        """
        power = torch.matmul(self.filters, self.spectrum(waveform).transpose(1, 2)[:, :, :-1])
        if self.one_level:
            loudest = power.amax(dim=(1, 2), keepdim=True).clamp_min(1e-20)
            power = power / loudest * 10**LOUDEST
        level = power.clamp_min(POWER_FLOOR).log10()
        return (torch.maximum(level, level.amax(dim=(1, 2), keepdim=True) - 8) + 4) / 4


class WaveEmbedding(nn.Module):
    """The convolutions over the waveform of wav2vec 2.0 and its kin (Baevski et al. 2020)."""

    longest: int | None = None

    def __init__(self, model: Any, normalise: bool) -> None:
        """`model` is a `Wav2Vec2Model`, `HubertModel` or `WavLMModel`."""
        super().__init__()
        self.normalise = normalise
        self.convolutions, self.projection = model.feature_extractor, model.feature_projection
        self.position, self.dropout = model.encoder.pos_conv_embed, model.encoder.dropout
        if parametrize.is_parametrized(self.position.conv, "weight"):  # weight norm, multiplied out
            parametrize.remove_parametrizations(self.position.conv, "weight")
        stable = model.config.do_stable_layer_norm
        self.norm = nn.Identity() if stable else model.encoder.layer_norm

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        """waveform: (batch, samples) -> the first hidden state: (batch, time, width)."""
        if self.normalise:
            centred = waveform - waveform.mean(dim=1, keepdim=True)
            waveform = centred / (centred.square().mean(dim=1, keepdim=True) + 1e-7).sqrt()
        projected = self.projection(self.convolutions(waveform).transpose(1, 2))
        hidden = projected[0] if isinstance(projected, tuple) else projected
        embedded: torch.Tensor = self.dropout(self.norm(hidden + self.position(hidden)))
        return embedded


class Layers(nn.Module):
    """Some of an encoder's layers, one after another."""

    def __init__(self, layers: Sequence[nn.Module], norm: nn.Module | None) -> None:
        """`norm` follows the last of them."""
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = norm

    def forward(self, hidden: torch.Tensor) -> list[torch.Tensor]:
        """hidden: (batch, time, width) -> the hidden state after each layer, of the same shape."""
        states: list[torch.Tensor] = []
        shared: dict[str, torch.Tensor] = {}
        for layer in self.layers:
            given = layer(hidden, attention_mask=None, **shared)
            if isinstance(given, tuple):  # WavLM: its first layer gives a bias that all others take
                hidden, shared["position_bias"] = given
            else:
                hidden = given
            states.append(hidden)
        if self.norm is not None:
            states[-1] = self.norm(states[-1])
        return states


class Parts:
    """The embedding of the waveform, and the layers, which can be cut anywhere.

    Attributes:
        embedding: waveform (batch, samples) -> (batch, time, width).
        depth: number of layers.
        width: values of a hidden state.
    """

    def __init__(self, encoder: Pretrained, one_level: bool = False) -> None:
        """Take an encoder apart, which is used up; `one_level`: see `WhisperEmbedding`."""
        model: Any = encoder.model
        self.embedding: WhisperEmbedding | WaveEmbedding
        if encoder.kind == "whisper":
            self.embedding = WhisperEmbedding(model, one_level)
            self._layers, self._norm = list(model.layers), model.layer_norm
        else:
            self.embedding = WaveEmbedding(model, encoder.normalise)
            self._layers = list(model.encoder.layers)
            self._norm = model.encoder.layer_norm if model.config.do_stable_layer_norm else None
        self.width: int = model.config.hidden_size
        self.depth = len(self._layers)

    def layers(self, first: int, last: int) -> Layers:
        """Give the layers after hidden state `first` up to hidden state `last`."""
        chosen = self._layers[first:last]
        attention = getattr(self._layers[0], "attention", None)
        table = getattr(attention, "rel_attn_embed", None)
        if first and chosen and table is not None:
            chosen[0].attention.rel_attn_embed = deepcopy(table)  # else only layer 1 has WavLM's
        return Layers(chosen, self._norm if last == self.depth else None)


def gather(states: Sequence[torch.Tensor], pooled: bool) -> torch.Tensor:
    """Put hidden states together.

    states: each (batch, time, width) -> (batch, states * width, time), or, pooled, their means and
    standard deviations over time: (batch, states * 2 * width, 1).
    """
    if not pooled:
        return torch.cat(list(states), dim=2).transpose(1, 2)
    statistics: list[torch.Tensor] = []
    for state in states:
        mean = state.mean(dim=1, keepdim=True)
        variance = (state - mean).square().mean(dim=1)
        statistics += [mean[:, 0], variance.clamp_min(1e-12).sqrt()]
    return torch.cat(statistics, dim=1)[:, :, None]
