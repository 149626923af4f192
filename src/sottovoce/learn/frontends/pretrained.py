"""Hidden states of a pretrained speech encoder: wav2vec 2.0, HuBERT, WavLM or Whisper."""

from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, field_validator
from torch import nn

from sottovoce.errors import RecipeError, SottovoceError
from sottovoce.learn.frontends import FrontEnd
from sottovoce.learn.frontends.pretrained_parts import Layers, Parts, gather
from sottovoce.learn.frontends.pretrained_weights import find, load
from sottovoce.models.card import EncoderInfo
from sottovoce.options import StrictModel

VERSION = 1
"""Raised whenever the same encoder would give other values than before."""

Count = Annotated[int, Field(strict=True, ge=0, le=1000)]


class PretrainedOptions(StrictModel):
    """Options of the front end `pretrained`."""

    encoder: str = Field(
        min_length=1,
        description="Name on the Hugging Face hub, such as openai/whisper-base, or a folder. A "
        "name is first looked for in the folder that the environment variable SOTTOVOCE_ENCODERS "
        "names.",
    )
    revision: str = Field("", description="Branch, tag or commit on the hub; empty: the main one.")
    layers: tuple[Count, ...] = Field(
        (),
        description="Which hidden states; 0 is what the first layer takes, 1 what it gives. "
        "Empty: all.",
    )
    pooling: Literal["mean-std", "none"] = Field(
        "mean-std",
        description="mean-std: of each hidden state over time, one frame in all. none: "
        "sequences, 50 frames a second.",
    )
    one_level: bool = Field(
        False,
        description="Of Whisper: every clip is brought to one level, so that a quiet one sounds "
        "as a loud one does. The others do so by themselves.",
    )
    train_layers: Count | Literal["all"] = Field(
        0,
        description="How many of the last layers that are taken are trained; 0: the encoder stays "
        "as it is. all: the whole encoder is trained, and is in the model's file.",
    )

    @field_validator("layers")
    @classmethod
    def _in_order(cls, layers: tuple[int, ...]) -> tuple[int, ...]:
        if sorted(set(layers)) != list(layers):
            raise ValueError("should be in rising order, each once")
        return layers


class LayerFeatures(int):
    """A number of features that come in equal groups, one a layer of an encoder."""

    layers: int

    def __new__(cls, features: int, layers: int = 1) -> "LayerFeatures":
        """`features` in all, of `layers` layers."""
        made = super().__new__(cls, features)
        made.layers = layers
        return made


class Frozen(nn.Module):
    """The part of an encoder that is never trained: waveform to hidden states."""

    def __init__(self, parts: Parts, given: tuple[int, ...], pooled: bool) -> None:
        """`given`: which hidden states."""
        super().__init__()
        self.embedding = parts.embedding
        self.layers = parts.layers(0, given[-1])
        self.given, self.pooled = given, pooled
        self.eval().requires_grad_(False)

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        """waveform: (batch, samples) -> (batch, features, time), as `gather` has it."""
        hidden = self.embedding(waveform)
        states = [hidden, *self.layers(hidden)]
        return gather([states[number] for number in self.given], self.pooled)


class _Unregistered:
    """Hides the frozen part from torch.

    It is no part of checkpoints, of what is trained, nor of what is copied for averaged weights.
    """

    def __init__(self, part: Frozen) -> None:
        self.part = part

    def __deepcopy__(self, _: dict[int, Any]) -> "_Unregistered":
        return self


class PretrainedFrontEnd(FrontEnd):
    """The hidden states of a speech encoder that was trained on far more speech, perhaps pooled.

    `raw` gives the output of its frozen part, and `normalised` runs the layers that are trained.

    Attributes:
        encoder: what the frozen part is, for the card; None where there is none.
        longest: samples that it takes at most; None where any number will do.
    """

    name = "pretrained"
    Options = PretrainedOptions

    def __init__(
        self, options: PretrainedOptions, sample_rate: int, folder: Path | None = None
    ) -> None:
        """See `PretrainedOptions`; `folder` is where the encoder lies, if it need not be found.

        Raises:
            ModelError: the encoder is not there, or is refused.
            RecipeError: the options name layers that it does not have, or another rate.
        """
        super().__init__(options, sample_rate)
        loaded = load(folder or find(options.encoder, options.revision))
        parts = Parts(loaded, options.one_level)
        self.wanted = options.layers or tuple(range(parts.depth + 1))
        top, train = self.wanted[-1], options.train_layers
        self._check(options, parts.depth, top)
        if options.one_level and loaded.kind != "whisper":
            raise RecipeError(f"frontend.one_level: is for Whisper; {options.encoder} is not")
        if sample_rate != loaded.sample_rate:
            raise RecipeError(
                f"sample_rate: {sample_rate} Hz; {options.encoder} takes {loaded.sample_rate} Hz"
            )
        self.pooled = options.pooling == "mean-std"
        self.longest = parts.embedding.longest
        width = (2 if self.pooled else 1) * parts.width
        self.features = LayerFeatures(len(self.wanted) * width, len(self.wanted))
        start = top if train == 0 else 0 if train == "all" else top - int(train)
        self.given = tuple(sorted({*(n for n in self.wanted if n <= start), start}))
        self.layers: Layers | None = parts.layers(start, top) if train else None
        self.embedding = parts.embedding if train == "all" else None
        self.encoder: EncoderInfo | None = None
        self._unregistered: _Unregistered | None = None
        if train != "all":
            frozen_pooling = self.pooled and not train
            self._unregistered = _Unregistered(Frozen(parts, self.given, frozen_pooling))
            self.encoder = EncoderInfo(
                name=Path(options.encoder).name
                if Path(options.encoder).is_dir()
                else options.encoder,
                revision=options.revision,
                digest=loaded.digest,
                layers=self.given,
                pooling="mean-std" if frozen_pooling else "none",
                features=len(self.given) * (2 if frozen_pooling else 1) * parts.width,
                version=VERSION,
                one_level=options.one_level,
            )
        self.identity = self.encoder.key if self.encoder else loaded.digest

    @property
    def frozen(self) -> Frozen | None:
        """The frozen part: waveform (batch, samples) -> what `raw` gives."""
        return self._unregistered.part if self._unregistered else None

    def raw(self, waveform: torch.Tensor) -> torch.Tensor:
        """Run the frozen part of the encoder: (batch, features, time).

        Where the whole encoder is trained that is the waveform itself: (batch, 1, samples).
        """
        if not torch.compiler.is_exporting():
            self.check_length(waveform.shape[1])
        if self.frozen is None:
            return waveform[:, None]
        values: torch.Tensor = self.frozen.to(waveform.device)(waveform)
        return values

    def normalised(self, values: torch.Tensor) -> torch.Tensor:
        """Run the layers that are trained: what `raw` gave -> (batch, features, time)."""
        if self.layers is None:
            return values
        if self.embedding is not None:
            known = [self.embedding(values[:, 0])]
        else:
            known = list(values.transpose(1, 2).chunk(len(self.given), dim=2))
        states = dict(zip(self.given, known, strict=True))
        states |= enumerate(self.layers(known[-1]), start=self.given[-1] + 1)
        return gather([states[number] for number in self.wanted], self.pooled)

    def check_length(self, samples: int) -> None:
        """Refuse a clip that is too long for the encoder.

        Raises:
            SottovoceError: it has more samples than `longest`.
        """
        if self.longest is not None and samples > self.longest:
            raise SottovoceError(
                f"the encoder takes {self.longest / self.sample_rate:g} s at most, found "
                f"{samples / self.sample_rate:.2f} s; lower window.max"
            )

    @staticmethod
    def _check(options: PretrainedOptions, depth: int, top: int) -> None:
        if top > depth:
            raise RecipeError(
                f"frontend.layers: {top}; {options.encoder} has hidden states 0 to {depth}"
            )
        if options.train_layers != "all" and options.train_layers > top:
            raise RecipeError(
                f"frontend.train_layers: {options.train_layers}; only {top} layers are taken, so "
                f'it can be 0 to {top}, or "all"'
            )
