"""The card inside a model file: everything needed to use the model, its schema and its version."""

import datetime
import hashlib
import reprlib
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from sottovoce.emotions import label_fault
from sottovoce.errors import ModelError
from sottovoce.options import StrictModel
from sottovoce.text import CONTROLS

SCHEMA_VERSION = 2
"""The version of the card's schema that this Sottovoce writes and reads."""


MOST = 1_000_000_000
"""Of whatever a card counts, and the largest of its other numbers."""
WIDEST = 1_000_000
"""Dimensions, or values a frame."""

Number = Annotated[float, Field(ge=-MOST, le=MOST)]


def speaker_hash(speaker: str) -> str:
    """16 hexadecimal digits that stand for a speaker: the first of the SHA-256 of the name.

    Args:
        speaker: as a corpus names them, e.g. "ravdess/01"; corpora of the same people share it. Of
            "table/calls/anna", a speaker of one of several tables, it is that of "table/anna": the
            table may be given alone another time.
    """
    corpus, *_, name = speaker.split("/")
    return hashlib.sha256(f"{corpus}/{name}".encode()).hexdigest()[:16]


class CardPart(StrictModel):
    """Base of what a card has: its texts are shown, so they hold nothing but what can be shown."""

    @field_validator("*")
    @classmethod
    def _only_text(cls, value: Any) -> Any:
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and CONTROLS.search(text):
                raise ValueError("holds control characters; expected text")
        return value


class WindowPolicy(CardPart):
    """How a recording is cut before the network is run; `inference.window.pieces` does it."""

    trim: Literal["speech", "none"]
    """"speech" keeps first to last speech, with `margin`; "none" keeps the whole recording."""
    margin: float = Field(ge=0, le=60)
    """s kept on either side of the speech, as far as the recording goes."""
    grid: float = Field(gt=0, le=60)
    """s; a piece's length is brought down to a multiple of this."""
    min: float = Field(gt=0, le=60)
    """s; anything shorter is padded with zeros on both sides up to this."""
    max: float = Field(gt=0, le=600)
    """s; anything longer is split into equal pieces, whose probabilities are averaged."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max < max(self.min, self.grid):
            raise ValueError("max must be at least min and grid")
        return self


class Calibration(CardPart):
    """How the probabilities were calibrated; the temperature is already inside the graph."""

    method: Literal["temperature", "none"]
    temperature: float = Field(ge=0.001, le=1000)
    """What the logits are divided by before the softmax; 1 for the method "none"."""
    fitted_on: str
    """Which speakers it was fitted on, in words."""

    @model_validator(mode="after")
    def _none_is_one(self) -> Self:
        if self.method == "none" and self.temperature != 1:
            raise ValueError('temperature must be 1 where method is "none"')
        return self


class CorpusInfo(CardPart):
    """A corpus that the model was trained on."""

    name: str
    clips: int = Field(ge=1, le=MOST)
    speakers: int = Field(ge=0, le=MOST)
    """0 where the corpus does not say who speaks."""
    speaker_hashes: tuple[str, ...]
    """The `speaker_hash` of each speaker, sorted: two corpora share the speakers whose hashes they
    share, and nobody's name is given away."""
    licence: str

    @model_validator(mode="after")
    def _one_hash_a_speaker(self) -> Self:
        if len(set(self.speaker_hashes)) != self.speakers:
            raise ValueError("speaker_hashes must be as many as speakers, each once")
        return self


class ProtocolInfo(CardPart):
    """How the figures were measured."""

    name: str
    seeds: tuple[Annotated[int, Field(ge=0, le=2**63)], ...] = Field(max_length=1000)
    folds: int = Field(ge=0, le=MOST)
    optimistic: bool
    """True where the same speakers are on both sides of a split; every report then says so."""
    note: str


class Figure(CardPart):
    """One measured figure with its 95 % interval."""

    metric: str
    """"uar", "accuracy", "ece15", "nll" ..."""
    value: Number
    low: Number
    high: Number
    unit: str = "fraction"
    """"fraction" (0 to 1, shown as a percentage) or the unit's name, such as "nats"."""
    note: str = ""

    @model_validator(mode="after")
    def _inside(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError("low, value and high must be in order")
        return self


class ProfileKind(CardPart):
    """What a profile of one kind needs to know: its baseline without any recording, and its range.

    The baseline of n recordings whose embeddings have the mean m is, dimension by dimension,
    centre + (m - centre) * n / (n + shrinkage): the posterior mean of a normal distribution
    (empirical Bayes, Efron and Morris 1975).
    """

    centre: tuple[Number, ...]
    """(dimensions,) mean of the embedding over speakers."""
    shrinkage: tuple[Number, ...]
    """(dimensions,) above 0: how many recordings' worth the centre counts for."""
    min_confidence: float = Field(ge=0, le=1)
    """Below this a prediction with such a profile is `uncertain`."""
    spread: tuple[Number, Number]
    """Usual range of the spread of a sample (`inference.profile.spread_of`), nats; outside it the
    sample is warned of."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if not all(value > 0 for value in self.shrinkage):
            raise ValueError("shrinkage must be above 0")
        if not 0 <= self.spread[0] <= self.spread[1]:
            raise ValueError("spread must be two numbers from 0, the lower first")
        return self


class ProfileInfo(CardPart):
    """How a model takes profiles.

    Its graph then has the inputs "baseline" (batch, dimensions) and "kind" (batch,), int64, 0 for
    none, 1 for normal, 2 for mixed; and gives "embedding" (batch, dimensions) beside the
    probabilities.
    """

    dimensions: int = Field(ge=1, le=WIDEST)
    """Of the embedding."""
    normal: ProfileKind
    """Of a voice as it usually is: two sentences spoken plainly."""
    mixed: ProfileKind
    """Of a person or a place in whatever moods: eight or more recordings."""

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        for kind in (self.normal, self.mixed):
            if {len(kind.centre), len(kind.shrinkage)} != {self.dimensions}:
                raise ValueError("centre and shrinkage must have as many numbers as dimensions")
        return self


class AdaptedInfo(CardPart):
    """A classifier that was fitted to its owner's own recordings, on top of the graph's.

    The logits of a recording with the embedding e and the log probabilities g of the graph, judged
    with `baseline`, less their mean, are g @ mix + (e - baseline) @ weights + intercept.
    """

    baseline: tuple[Number, ...]
    """(dimensions,) of the mixed profile of the recordings."""
    weights: tuple[tuple[Number, ...], ...]
    """(classes, dimensions)."""
    mix: tuple[tuple[Number, ...], ...]
    """(classes, graph's classes)."""
    intercept: tuple[Number, ...]
    """(classes,)"""
    temperature: float = Field(ge=0.001, le=1000)
    graph_labels: tuple[str, ...]
    """The emotions of the graph."""
    recordings: int = Field(ge=1, le=MOST)

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        if len({len(self.weights), len(self.mix), len(self.intercept)}) > 1:
            raise ValueError("weights, mix and intercept must have as many entries")
        if {len(row) for row in self.weights} != {len(self.baseline)}:
            raise ValueError("weights must have as many numbers a class as baseline")
        if {len(row) for row in self.mix} != {len(self.graph_labels)}:
            raise ValueError("mix must have as many numbers a class as graph_labels")
        return self


class SealedModel(CardPart):
    """Metadata that a sealed file holds as JSON text."""

    title_in_errors: ClassVar[str]

    def to_json(self) -> str:
        """JSON text, on one line."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The object that `to_json` wrote.

        Raises:
            ModelError: the text is not JSON, its schema version is another one, a key is missing or
                unknown, or a value is not allowed; the message names the key.
        """
        try:
            return cls.model_validate_json(text, strict=True)
        except ValidationError as error:
            raise ModelError(f"{cls.title_in_errors}: {_first_problem(error)}") from None


class EncoderInfo(SealedModel):
    """The pretrained encoder that a model needs; it is not in the model's file.

    Everything but its name says what the encoder gives: two that agree in it are interchangeable.
    """

    title_in_errors = "encoder"
    name: str = Field(min_length=1)
    """Its name on the Hugging Face hub, or its folder's."""
    revision: str
    """The hub's branch, tag or commit; the main branch where empty."""
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of its weights in half precision, and of how they are put together."""
    layers: tuple[Annotated[int, Field(ge=0, le=1000)], ...] = Field(min_length=1, max_length=1000)
    """Which hidden states it gives, one after another; 0 is what the first layer takes."""
    pooling: Literal["mean-std", "none"]
    """Of each hidden state over time; with "none" they are sequences."""
    features: int = Field(ge=1, le=WIDEST)
    """Values a frame, of all those hidden states together."""
    version: int = Field(ge=1, le=MOST)
    """Of how Sottovoce computes them."""
    one_level: bool = False
    """Whether it brings every clip to one level."""

    @property
    def key(self) -> str:
        """What it gives, as 64 hexadecimal digits; the file of its graph is named so."""
        unsaid = {"name", "revision"} | (set() if self.one_level else {"one_level"})
        facts = self.model_dump_json(exclude=unsaid)
        return hashlib.sha256(facts.encode()).hexdigest()


class Card(SealedModel):
    """Everything needed to use a model, and to know how far to trust it."""

    title_in_errors = "model card"
    schema_version: Literal[2]
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    """What `sottovoce.load` calls it: lower case letters, digits, dots, dashes, underscores."""
    version: str = Field(min_length=1)
    description: str
    labels: tuple[str, ...] = Field(min_length=2, max_length=1000)
    """The emotions, in the order of the model's outputs."""
    sample_rate: int = Field(ge=1000, le=384_000)
    """Hz, of the waveform that the graph takes."""
    window: WindowPolicy
    min_confidence: float = Field(ge=0, le=1)
    """Below this probability of the likeliest emotion a prediction is `uncertain`."""
    calibration: Calibration
    corpora: tuple[CorpusInfo, ...]
    protocol: ProtocolInfo
    figures: tuple[Figure, ...]
    language: str
    limits: tuple[str, ...]
    """What the model cannot do, or was not measured on; one sentence each."""
    licence: str
    """Of the model file itself."""
    recipe: str
    """The recipe that it was trained with, as TOML text."""
    created: str
    """The day it was made, as an ISO date."""
    encoder: EncoderInfo | None = None
    """The pretrained encoder that the graph takes its input from, if any; not in the file."""
    profiles: ProfileInfo | None = None
    """How it takes profiles, if it does."""
    adapted: AdaptedInfo | None = None
    """What `sottovoce adapt` fitted, if it did."""

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        for label in labels:
            if fault := label_fault(label):
                raise ValueError(f"a label {fault}")
        if len(set(labels)) < len(labels):
            raise ValueError("labels must be distinct")
        return labels

    @field_validator("created")
    @classmethod
    def _date(cls, created: str) -> str:
        datetime.date.fromisoformat(created)
        return created

    @property
    def title(self) -> str:
        """Name and version, as predictions give it."""
        return f"{self.name} {self.version}"


def _first_problem(error: ValidationError) -> str:
    """One line for the first thing wrong, the schema's version before all else."""
    problems = error.errors(include_url=False, include_context=False)
    versions = [problem for problem in problems if problem["loc"] == ("schema_version",)]
    problem = (versions or problems)[0]
    kind, found = problem["type"], reprlib.repr(problem["input"])
    key = ".".join(str(part) for part in problem["loc"]) or "the whole card"
    if kind == "missing":
        return f"{key}: missing key; export the model again"
    if kind == "extra_forbidden":
        return f"{key!r}: unknown key; export the model again, or update Sottovoce"
    if kind == "json_invalid":
        return f"not valid JSON ({problem['msg'].lower()}); export the model again"
    if versions:
        return (
            f"{key}: found {found}, this Sottovoce reads {SCHEMA_VERSION}; export the model again"
        )
    message = problem["msg"].removeprefix("Value error, ")
    return f"{key}: {message[:1].lower()}{message[1:]}, found {found}; export the model again"
