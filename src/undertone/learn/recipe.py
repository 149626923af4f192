"""The recipe: one TOML file that says everything about an experiment, checked before it runs."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    Field,
    PrivateAttr,
    SerializeAsAny,
    ValidationError,
    field_validator,
    model_validator,
)

from undertone.card import Window
from undertone.display import display_path
from undertone.emotions import EMOTIONS, LABEL_SETS
from undertone.errors import RecipeError
from undertone.learn import corpora
from undertone.learn.corpora.table import TableSpec
from undertone.learn.mistakes import Mistake, listed, mistakes_in, shown
from undertone.learn.registry import Options, frontends, networks

# TOML has types: 40 is a number, "40" and true are not.
Whole = Annotated[int, Field(strict=True)]
Number = Annotated[float, Field(strict=True)]
Range = tuple[Number, Number]


class ProtocolSpec(Options):
    """Who is trained on, who is validated on, who is tested on."""

    name: Literal[
        "emobox6",
        "loso",
        "speakers",
        "holdout-speakers",
        "random",
        "holdout-random",
        "cross-corpus",
        "leave-one-corpus-out",
        "split",
        "none",
    ] = Field(
        description="emobox6: the six published folds of four RAVDESS actors. loso: each speaker "
        "is the test fold once. speakers: folds of whole speakers, balanced by sex. "
        "holdout-speakers: one fold with a share of the speakers. random: folds of clips, "
        "stratified by emotion; optimistic, since speakers are on both sides. holdout-random: one "
        "fold with a share of the clips, stratified; optimistic too. cross-corpus: some corpora "
        "test, the others train. leave-one-corpus-out: each corpus is the test fold once. split: "
        "what the split column of the table says; optimistic where speakers are on both sides. "
        "none: every clip trains, none tests (a final model).",
    )
    folds: Whole = Field(
        default=5, ge=2, le=1000, description="Number of folds of speakers and random."
    )
    test_share: Number = Field(
        default=0.2,
        gt=0,
        le=0.5,
        description="Share of the speakers (holdout-speakers) or clips (holdout-random) to test.",
    )
    test_corpora: tuple[str, ...] = Field(
        default=(), description="Corpora that cross-corpus tests on; it trains on the others."
    )
    validation_speakers: Whole = Field(
        4,
        ge=0,
        le=1000,
        description="Training speakers set apart in each fold to watch training and to fit the "
        "temperature; balanced by sex. Two speakers in all leave none: set 0.",
    )
    validation_share: Number = Field(
        default=0.15,
        ge=0,
        lt=0.5,
        description="The same for the protocols that split by shares, holdout-speakers, random "
        "and holdout-random: a share of all speakers or clips, out of the training part.",
    )

    @property
    def validates(self) -> bool:
        """Whether something is set apart in each fold."""
        if self.name in ("holdout-speakers", "random", "holdout-random"):
            return self.validation_share > 0
        return self.validation_speakers > 0 and self.name != "none"


class TrainingSpec(Options):
    """How the network's weights are found."""

    members: Whole = Field(
        default=1,
        ge=1,
        le=32,
        description="Networks trained side by side from different first weights, all part of the "
        "one model; the answer is the mean of their probabilities.",
    )
    epochs: Whole = Field(
        default=40, ge=1, le=10_000, description="Passes over the training clips."
    )
    batch: Whole = Field(default=32, ge=2, le=4096, description="Clips per step.")
    optimiser: Literal["adamw"] = Field(default="adamw", description="How a step is made.")
    learning_rate: Number = Field(default=2e-3, gt=0, le=1, description="Highest learning rate.")
    weight_decay: Number = Field(
        default=0.05, ge=0, le=1, description="Decoupled decay of weight matrices and kernels."
    )
    schedule: Literal["one-cycle", "cosine", "constant"] = Field(
        default="one-cycle", description="Learning rate over the steps."
    )
    warmup: Number = Field(
        default=0.15, ge=0, lt=1, description="Share of the steps in which the learning rate rises."
    )
    crop: Number = Field(
        default=2.3,
        gt=0,
        le=60,
        description="s; length of a training example: a random cut, or padded.",
    )
    patience: Whole = Field(
        default=0,
        ge=0,
        le=10_000,
        description="Epochs without a better `monitor` before stopping; 0: off.",
    )
    monitor: Literal["uar", "nll"] = Field(
        default="uar",
        description="Figure on the validation speakers that says which epoch is better.",
    )
    mixup: Number = Field(
        default=0.3,
        ge=0,
        le=10,
        description="Beta parameter of mixing two clips of a batch; 0: off.",
    )
    label_smoothing: Number = Field(
        default=0.1, ge=0, lt=1, description="Share of the target spread over all emotions."
    )
    class_weights: Literal["none", "balanced"] = Field(
        default="none",
        description="balanced: rare emotions weigh more in the loss (1 / their share).",
    )
    ema: Number = Field(
        default=0.99, ge=0, lt=1, description="Decay per step of the averaged weights; 0: off."
    )
    clip_grad: Number = Field(default=2.0, ge=0, description="Largest norm of a gradient; 0: off.")
    precision: Literal["32", "bf16"] = Field(default="32", description="Arithmetic of the network.")
    workers: Whole = Field(
        default=0, ge=0, le=64, description="Processes that prepare batches; 0: none."
    )


class AugmentSpec(Options):
    """Random changes to training examples; 0 is off. Copies never leave the training fold."""

    gain: Number = Field(
        default=0.0, ge=0, le=60, description="dB; level changes by up to this, +/-."
    )
    noise: Number = Field(
        default=0.0, ge=0, le=1, description="Probability of background noise (--data noise=DIR)."
    )
    noise_snr: Range = Field(
        default=(3.0, 30.0), description="dB; lowest and highest ratio of speech to noise."
    )
    equaliser: Number = Field(
        default=0.0,
        ge=0,
        le=24,
        description="dB; a smooth random curve over frequency, up to this, + or -.",
    )
    speed: Number = Field(
        default=0.0, ge=0, le=0.5, description="Time scale changes by up to this share."
    )
    formant: Number = Field(
        default=0.0, ge=0, le=0.5, description="Frequency scale changes by up to this share."
    )
    time_mask: Whole = Field(
        default=0, ge=0, le=10, description="Number of spans of time blanked out."
    )
    time_mask_max: Number = Field(
        default=0.3, gt=0, le=10, description="s; longest of those spans."
    )
    frequency_mask: Whole = Field(
        default=0, ge=0, le=10, description="Number of spans of bands blanked."
    )
    frequency_mask_max: Whole = Field(
        default=10, ge=1, le=256, description="Bands; widest of those spans."
    )

    @field_validator("noise_snr")
    @classmethod
    def _ordered(cls, snr: Range) -> Range:
        if not -30 <= snr[0] <= snr[1] <= 100:
            raise ValueError("should be two numbers, the lower first, between -30 and 100 dB")
        return snr


class Component(Options):
    """A front end or a network: its name and the options of its class, already checked."""

    name: str
    options: SerializeAsAny[BaseModel]


class Recipe(Options):
    """Everything about one experiment, checked; made by `Recipe.load` or `Recipe.parse`."""

    name: str = Field(
        pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$",
        max_length=64,
        description="Names the run and the model: small letters, digits and single hyphens.",
    )
    description: str = Field(default="", description="One sentence on what this is.")
    labels: str | tuple[str, ...] = Field(
        description="A label set (" + ", ".join(LABEL_SETS) + ") or a list of emotions, in the "
        "order of the model's outputs. Clips of other emotions are left out.",
    )
    corpora: tuple[str, ...] = Field(
        min_length=1, description="Corpora to learn from; each folder is given as --data NAME=DIR."
    )
    sample_rate: Whole = Field(
        default=16_000, ge=4000, le=192_000, description="Hz; clips are resampled to this."
    )
    seeds: tuple[Whole, ...] = Field(
        default=(0, 1, 2), min_length=1, description="One whole cross-validation is run for each."
    )
    licence: str = Field(
        min_length=1, description="Licence of the model, which follows from that of its corpora."
    )
    limits: tuple[str, ...] = Field(
        default=(), description="Sentences on what the model is not fit for."
    )
    table: TableSpec = TableSpec()
    protocol: ProtocolSpec
    window: Window
    frontend: Component
    network: Component
    training: TrainingSpec = TrainingSpec()
    augment: AugmentSpec = AugmentSpec()

    _text: str = PrivateAttr("")

    @property
    def text(self) -> str:
        """The TOML as it was written, to be kept in the run and in the model file."""
        return self._text

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions to tell apart, in the order of the model's outputs."""
        return LABEL_SETS[self.labels] if isinstance(self.labels, str) else self.labels

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read and check a recipe file.

        Raises:
            RecipeError: it cannot be read, is not TOML, or a key or a value is wrong.
        """
        origin = display_path(path)
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            reason = error.strerror or error
            raise RecipeError(f"{origin}: cannot read this recipe: {reason}") from error
        except UnicodeDecodeError as error:
            raise RecipeError(f"{origin}: not a recipe: it is not UTF-8 text") from error
        return cls.parse(text, origin)

    @classmethod
    def parse(cls, text: str, origin: str = "recipe") -> Self:
        """Check the text of a recipe; `origin` begins every message.

        Raises:
            RecipeError: it is not TOML, or a key or a value is wrong.
        """
        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise RecipeError(f"{origin}: not valid TOML: {error}") from error
        mistakes: list[Mistake] = []
        known: dict[str, Mapping[str, type[Any]]] = {"frontend": frontends(), "network": networks()}
        for key, classes in known.items():
            if key in tables:
                tables[key], found = _component(key, tables[key], classes)
                mistakes += found
        recipe = None
        try:
            recipe = cls.model_validate(tables)
        except ValidationError as error:
            mistakes += mistakes_in(error, cls)
        if recipe is None or mistakes:
            more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
            raise RecipeError(f"{origin}: {mistakes[0].key}: {mistakes[0].message}{more}")
        recipe._text = text
        return recipe

    @field_validator("labels", mode="before")
    @classmethod
    def _known_labels(cls, labels: object) -> object:
        if isinstance(labels, str) and labels in LABEL_SETS:
            return labels
        if not isinstance(labels, list | tuple):
            raise ValueError(f"should be a list of emotions, or one of {listed(LABEL_SETS)}")
        unknown = [label for label in labels if label not in EMOTIONS]
        if unknown:
            raise ValueError(f"{shown(unknown[0])} is not one of {listed(EMOTIONS)}")
        if len(set(labels)) != len(labels) or len(labels) < 2:
            raise ValueError("should be two or more emotions, each once")
        return labels

    @field_validator("corpora")
    @classmethod
    def _known_corpora(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in corpora.known()]
        if unknown:
            raise ValueError(f"{shown(unknown[0])} is not one of {listed(corpora.known())}")
        if len(set(names)) != len(names):
            raise ValueError("should name each corpus once")
        return names

    @field_validator("seeds")
    @classmethod
    def _seeds_once(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds) or min(seeds) < 0:
            raise ValueError("should be whole numbers from 0 up, each once")
        return seeds

    @model_validator(mode="after")
    def _stopping_needs_validation(self) -> Self:
        if self.training.patience and not self.protocol.validates:
            raise ValueError(
                "training.patience: stopping early needs validation speakers or clips "
                "(protocol.validation_speakers or validation_share above 0, and a protocol other "
                "than none)"
            )
        return self

    @model_validator(mode="after")
    def _tested_corpora_are_here(self) -> Self:
        tested = set(self.protocol.test_corpora)
        if self.protocol.name == "cross-corpus" and not (tested and tested < set(self.corpora)):
            raise ValueError(
                f"protocol.test_corpora: found {shown(list(self.protocol.test_corpora))}; "
                f"should be some, and not all, of the corpora {listed(self.corpora)}"
            )
        return self


def _component(
    key: str, table: object, classes: Mapping[str, type[Any]]
) -> tuple[object, list[Mistake]]:
    """Check the table of a front end or a network against the class that it names."""
    if not isinstance(table, dict):
        return _ANY, [Mistake(key, f"found {shown(table)}; should be a table, [{key}]")]
    options = dict(table)
    name = options.pop("name", None)
    if name is None:
        return _ANY, [Mistake(f"{key}.name", f"missing; allowed: {listed(classes)}")]
    if not isinstance(name, str) or name not in classes:
        return _ANY, [Mistake(f"{key}.name", f"found {shown(name)}; allowed: {listed(classes)}")]
    model = classes[name].Options
    try:
        return Component(name=name, options=model.model_validate(options)), []
    except ValidationError as error:
        return _ANY, mistakes_in(error, model, key)


# Stands for a component that was refused, so that the rest of the recipe is still checked.
_ANY = Component(name="", options=Options())
