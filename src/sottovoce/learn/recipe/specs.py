"""The tables of a recipe: protocol, training, augmentation, criteria, claim, search."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import (
    Field,
    StrictFloat,
    StrictInt,
    ValidationError,
    field_validator,
    model_validator,
)

from sottovoce.learn.recipe.messages import problems_in, shown
from sottovoce.options import StrictModel

# Strict, since TOML has types: 40 is a number, "40" and true are not.
Range = tuple[StrictFloat, StrictFloat]


class ProtocolSpec(StrictModel):
    """Which clips train, validate and test."""

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
        "holdout-speakers: one fold with a fraction of the speakers. random: folds of clips, "
        "stratified by emotion; optimistic, since speakers are on both sides. holdout-random: one "
        "fold with a fraction of the clips, stratified; optimistic too. cross-corpus: some corpora "
        "test, the others train. leave-one-corpus-out: each corpus is the test fold once. split: "
        "what the split column of the table says; optimistic where speakers are on both sides. "
        "none: every clip trains, none tests (a final model).",
    )
    folds: StrictInt = Field(
        default=5, ge=2, le=1000, description="Number of folds of speakers and random."
    )
    test_fraction: StrictFloat = Field(
        default=0.2,
        gt=0,
        le=0.5,
        description="Fraction of the speakers (holdout-speakers) or of the clips (holdout-random) "
        "to test.",
    )
    test_corpora: tuple[str, ...] = Field(
        default=(), description="Corpora that cross-corpus tests on; it trains on the others."
    )
    validation_speakers: StrictInt = Field(
        4,
        ge=0,
        le=1000,
        description="Training speakers set apart in each fold to watch training and to fit the "
        "temperature; balanced by sex. Two speakers in all leave none: set 0.",
    )
    validation_fraction: StrictFloat = Field(
        default=0.15,
        ge=0,
        lt=0.5,
        description="The same for the protocols that split by fractions, holdout-speakers, random "
        "and holdout-random: a fraction of all speakers or clips, out of the training part.",
    )

    @property
    def validates(self) -> bool:
        """Whether something is set apart in each fold."""
        if self.name in ("holdout-speakers", "random", "holdout-random"):
            return self.validation_fraction > 0
        return self.validation_speakers > 0 and self.name != "none"


class TrainingSpec(StrictModel):
    """How the network's weights are found."""

    members: StrictInt = Field(
        default=1,
        ge=1,
        le=32,
        description="Networks trained side by side from different first weights, all part of the "
        "one model; the answer is the mean of their probabilities.",
    )
    epochs: StrictInt = Field(
        default=40, ge=1, le=10_000, description="Passes over the training clips."
    )
    batch: StrictInt = Field(default=32, ge=2, le=4096, description="Clips per step.")
    optimiser: Literal["adamw", "adam", "sgd"] = Field(
        default="adamw", description="How a step is made; sgd has Nesterov's momentum of 0.9."
    )
    learning_rate: StrictFloat = Field(
        default=2e-3, gt=0, le=1, description="Highest learning rate."
    )
    weight_decay: StrictFloat = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Decay of weight matrices and kernels; decoupled in adamw.",
    )
    schedule: Literal["one-cycle", "cosine", "constant", "plateau"] = Field(
        default="one-cycle",
        description="Learning rate over the steps; plateau: it falls when `monitor` gets no "
        "better (for a final model, which has no validation: when the training loss does not).",
    )
    warmup: StrictFloat = Field(
        default=0.15,
        ge=0,
        lt=1,
        description="Fraction of the steps in which the learning rate rises; not of plateau.",
    )
    plateau_factor: StrictFloat = Field(
        default=0.5, gt=0, lt=1, description="What the learning rate is multiplied by on a plateau."
    )
    plateau_patience: StrictInt = Field(
        default=5, ge=0, le=1000, description="Epochs without better before it is."
    )
    crop: StrictFloat = Field(
        default=2.3,
        ge=0,
        le=60,
        description="s; length of a training example: a cut, or padded. 0: whole clips, as they "
        "are judged; their features are computed once and kept in the cache.",
    )
    crop_random: StrictFloat = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Probability that a cut is from anywhere, rather than from the middle.",
    )
    patience: StrictInt = Field(
        default=0,
        ge=0,
        le=10_000,
        description="Epochs without a better `monitor` before stopping; 0: off.",
    )
    monitor: Literal["uar", "accuracy", "macro_f1", "weighted_f1", "nll"] = Field(
        default="uar",
        description="Figure on the validation clips that says which epoch is better.",
    )
    mixup: StrictFloat = Field(
        default=0.3,
        ge=0,
        le=10,
        description="Beta parameter of mixing two clips of a batch; 0: off.",
    )
    loss: Literal["cross-entropy", "focal"] = Field(
        default="cross-entropy",
        description="focal: what is already right counts less (Lin et al. 2017).",
    )
    focal_gamma: StrictFloat = Field(
        default=2.0, ge=0, le=10, description="How much less; 0 is cross-entropy."
    )
    label_smoothing: StrictFloat = Field(
        default=0.1, ge=0, lt=1, description="Fraction of the target spread over all emotions."
    )
    class_weights: Literal["none", "balanced"] = Field(
        default="none",
        description="balanced: rare emotions weigh more in the loss (1 / their fraction).",
    )
    sampler: Literal["all", "balanced"] = Field(
        default="all",
        description="all: each clip once an epoch. balanced: drawn with replacement, each emotion "
        "equally often.",
    )
    boost: dict[str, StrictFloat] = Field(
        default={},
        description="How much more often the balanced sampler draws some emotions, "
        "e.g. { calm = 2.0 }.",
    )
    ema: StrictFloat = Field(
        default=0.99, ge=0, lt=1, description="Decay per step of the averaged weights; 0: off."
    )
    clip_grad: StrictFloat = Field(
        default=2.0, ge=0, description="Largest norm of a gradient; 0: off."
    )
    precision: Literal["32", "bf16"] = Field(
        default="32",
        description="Arithmetic of the network; a processor that is slow in bf16 takes 32 bits.",
    )
    workers: StrictInt = Field(
        default=0, ge=0, le=64, description="Processes that prepare batches; 0: none."
    )
    strategy: Literal["auto", "ddp", "ddp_find_unused_parameters_true"] = Field(
        default="auto",
        description="How several devices train together, by Lightning's name; auto: ddp where "
        "there are several. ddp_find_unused_parameters_true is for networks that leave out some of "
        "their weights in a step.",
    )
    devices: StrictInt = Field(
        default=1,
        ge=1,
        le=64,
        description="Processes on a machine that train together, one a GPU, or as many on "
        "processors with `--device cpu`; they divide each batch.",
    )
    num_nodes: StrictInt = Field(
        default=1, ge=1, le=1024, description="Machines, each with so many devices."
    )

    @property
    def ranks(self) -> int:
        """How many processes train together."""
        return self.devices * self.num_nodes

    @model_validator(mode="after")
    def _batch_is_divided(self) -> Self:
        if self.ranks > 1 and (self.batch % self.ranks or self.batch < 2 * self.ranks):
            raise ValueError(
                f"batch: {self.batch} clips cannot be divided among devices x num_nodes = "
                f"{self.ranks} processes, two or more each; give a multiple of {self.ranks} from "
                f"{2 * self.ranks} up"
            )
        return self

    @model_validator(mode="after")
    def _boost_is_of_the_sampler(self) -> Self:
        if any(factor <= 0 for factor in self.boost.values()):
            raise ValueError("boost: should be factors above 0")
        if self.boost and self.sampler != "balanced":
            raise ValueError('boost: needs sampler = "balanced"')
        return self


class AugmentSpec(StrictModel):
    """Random changes to training examples; 0 is off. Copies never leave the training fold."""

    copies: StrictInt = Field(
        default=0,
        ge=0,
        le=32,
        description="Where training is on whole clips (training.crop = 0): changed copies of each, "
        "whose features are kept beside its own; an example is one of them, or the clip itself.",
    )
    cut: StrictFloat = Field(
        default=0.0,
        ge=0,
        le=60,
        description="s; the copies are cuts of this length; 0: as long as the clip.",
    )
    cut_random: StrictFloat = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Probability that a cut is from anywhere, rather than from the middle.",
    )
    gain: StrictFloat = Field(
        default=0.0, ge=0, le=60, description="dB; level changes by up to this, +/-."
    )
    noise: StrictFloat = Field(
        default=0.0, ge=0, le=1, description="Probability of background noise (--data noise=DIR)."
    )
    noise_snr: Range = Field(
        default=(3.0, 30.0), description="dB; lowest and highest ratio of speech to noise."
    )
    equaliser: StrictFloat = Field(
        default=0.0,
        ge=0,
        le=24,
        description="dB; a smooth random curve over frequency, up to this, + or -.",
    )
    telephone: StrictFloat = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Probability of a telephone: its band (300 to 3400 Hz or about that), mu-law.",
    )
    coding: StrictFloat = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Probability of coding at a low rate and decoding: Opus or MP3.",
    )
    coding_kbit: Range = Field(
        default=(6.0, 32.0), description="kbit/s; lowest and highest of those rates, 6 to 256."
    )
    speed: StrictFloat = Field(
        default=0.0, ge=0, le=0.5, description="Time scale changes by up to this fraction."
    )
    pitch: StrictFloat = Field(
        default=0.0, ge=0, le=12, description="Semitones; the voice moves by up to this, + or -."
    )
    pitch_probability: StrictFloat = Field(
        default=0.5, ge=0, le=1, description="Probability that it moves at all."
    )
    formant: StrictFloat = Field(
        default=0.0, ge=0, le=0.5, description="Frequency scale changes by up to this fraction."
    )
    time_mask: StrictInt = Field(
        default=0, ge=0, le=10, description="Number of spans of time blanked out."
    )
    time_mask_max: StrictFloat = Field(
        default=0.3, gt=0, le=10, description="s; longest of those spans."
    )
    frequency_mask: StrictInt = Field(
        default=0, ge=0, le=10, description="Number of spans of bands blanked."
    )
    frequency_mask_max: StrictInt = Field(
        default=10, ge=1, le=256, description="Bands; widest of those spans."
    )

    @property
    def of_waveforms(self) -> tuple[str, ...]:
        """The keys that are on and change the waveform."""
        names = ("cut", "gain", "noise", "equaliser", "telephone", "coding", "pitch")
        return tuple(name for name in names if getattr(self, name))

    @field_validator("noise_snr")
    @classmethod
    def _ordered(cls, snr: Range) -> Range:
        if not -30 <= snr[0] <= snr[1] <= 100:
            raise ValueError("should be two numbers, the lower first, between -30 and 100 dB")
        return snr

    @field_validator("coding_kbit")
    @classmethod
    def _within_opus(cls, kbit: Range) -> Range:
        if not 6 <= kbit[0] <= kbit[1] <= 256:
            raise ValueError("should be two numbers, the lower first, between 6 and 256 kbit/s")
        return kbit


class CriteriaSpec(StrictModel):
    """What a model must reach to pass; 0: nothing."""

    accuracy: StrictFloat = Field(default=0.0, ge=0, le=1, description="Least accuracy.")
    weighted_f1: StrictFloat = Field(default=0.0, ge=0, le=1, description="Least weighted F1.")
    uar: StrictFloat = Field(
        default=0.0, ge=0, le=1, description="Least unweighted average recall."
    )
    recall: StrictFloat = Field(
        default=0.0, ge=0, le=1, description="Least recall of every emotion."
    )


class ClaimSpec(StrictModel):
    """What the authors of a system claim, for the page that compares."""

    accuracy: StrictFloat | None = Field(default=None, ge=0, le=1, description="As they claim it.")
    macro_f1: StrictFloat | None = Field(default=None, ge=0, le=1, description="As they claim it.")
    weighted_f1: StrictFloat | None = Field(
        default=None, ge=0, le=1, description="As they claim it."
    )
    note: str = Field(default="", description="What else is to be known of the claim.")


class RangeSpec(StrictModel):
    """Numbers from low to high, both included: whole ones where low and high are."""

    low: int | float
    high: int | float
    log: bool = Field(default=False, strict=True)
    step: int | float | None = None

    @field_validator("low", "high", "step", mode="before")
    @classmethod
    def _numbers(cls, value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("should be a number")
        return value

    @property
    def whole(self) -> bool:
        """Whether it gives whole numbers."""
        return all(isinstance(value, int) for value in (self.low, self.high, self.step or 1))

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError("low: should be below high")
        if self.log and (self.low <= 0 or self.step):
            raise ValueError("log: needs a low above 0, and no step")
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise ValueError("step: should be above 0, and fit between low and high")
        return self


class SearchSpec(StrictModel):
    """What `sottovoce search` tries; see docs/search.md. It changes nothing in a training."""

    trials: StrictInt = Field(default=20, ge=1, le=10_000, description="Trainings to compare.")
    sampler: Literal["random", "tpe", "grid"] = Field(
        default="tpe",
        description="random: each trial is drawn alike. tpe: after ten of them, nearer to what did "
        "well (Bergstra et al. 2011). grid: every combination of choices once, in random order.",
    )
    folds: tuple[StrictInt, ...] = Field(
        default=(1,),
        min_length=1,
        description="Numbers of the folds that each trial trains, from 1; it is judged by the mean "
        "of `training.monitor` over their validation clips.",
    )
    inner_folds: StrictInt = Field(
        default=0,
        ge=0,
        le=100,
        description="Divide the speakers of each of `folds` who do not test into so many inner "
        "folds, balanced by sex: a trial is trained on all but one of them and judged on that one, "
        "once each. 0: it is judged on the fold's own validation clips.",
    )
    prune: bool = Field(
        default=False,
        strict=True,
        description="Stop a trial that, after a fifth of the epochs of its first training or after "
        "one of its trainings, is worse than half of the trials were by then.",
    )
    space: dict[str, tuple[Any, ...] | RangeSpec] = Field(
        min_length=1,
        description="Dotted keys of the recipe, each with a list of choices, "
        '`"network.units" = [[64, 32], [128, 64]]`, or a range, `"training.learning_rate" = '
        "{ low = 1e-4, high = 1e-2, log = true }`: whole numbers where both bounds are; `step` "
        "if given.",
    )

    @field_validator("folds")
    @classmethod
    def _folds_once(cls, folds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(folds)) != len(folds) or min(folds) < 1:
            raise ValueError("should be whole numbers from 1 up, each once")
        return folds

    @field_validator("inner_folds")
    @classmethod
    def _inner_folds_divide(cls, count: int) -> int:
        if count == 1:
            raise ValueError("should be 2 or more, or 0 for none")
        return count

    @field_validator("space", mode="before")
    @classmethod
    def _choices_or_ranges(cls, space: object) -> object:
        if not isinstance(space, dict):
            raise ValueError("should be a table of dotted keys, [search.space]")
        return {key: _choices_or_range(key, values) for key, values in space.items()}


def _choices_or_range(key: str, values: object) -> tuple[Any, ...] | RangeSpec:
    if isinstance(values, list):
        if len(values) < 2 or any(value in values[:i] for i, value in enumerate(values)):
            raise ValueError(f'"{key}" should have two or more choices, each once')
        return tuple(values)
    if not isinstance(values, dict) or not values.keys() & RangeSpec.model_fields.keys():
        raise ValueError(
            f'"{key}" should be a dotted key in quotes, with a list of choices or a range, '
            f"{{ low = ..., high = ... }}; found {shown(values)}"
        )
    try:
        return RangeSpec.model_validate(values)
    except ValidationError as error:
        problem = problems_in(error, RangeSpec)[0]
        raise ValueError(f'"{key}": {problem.key}: {problem.message}') from None
