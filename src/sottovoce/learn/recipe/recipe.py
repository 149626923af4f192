"""The recipe: one TOML file that defines an experiment, checked before anything runs."""

from __future__ import annotations

import io
import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    Field,
    PrivateAttr,
    SerializeAsAny,
    StrictFloat,
    StrictInt,
    ValidationError,
    field_validator,
    model_validator,
)

from sottovoce.emotions import EMOTIONS, canonical, label_fault
from sottovoce.errors import RecipeError
from sottovoce.learn import corpora
from sottovoce.learn.recipe.messages import RecipeProblem, listed, problems_in, shown
from sottovoce.learn.recipe.specs import (
    AugmentSpec,
    ClaimSpec,
    CriteriaSpec,
    ProtocolSpec,
    SearchSpec,
    TrainingSpec,
)
from sottovoce.learn.registry import frontends, networks
from sottovoce.models.card import WindowPolicy
from sottovoce.options import StrictModel, TableSpec
from sottovoce.text import display_path

LABEL_SETS = corpora.label_sets()


class Component(StrictModel):
    """A front end or a network: its name and the options of its class, already checked."""

    name: str
    options: SerializeAsAny[BaseModel]


LONGEST = 256_000
"""Bytes; the recipes here have a hundredth of it."""
MOST_DOTS = 200
"""In one line."""


class Recipe(StrictModel):
    """Everything about one experiment, checked; made by `Recipe.load` or `Recipe.parse`."""

    name: str = Field(
        pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$",
        max_length=64,
        description="Names the run and the model: small letters, digits and single hyphens.",
    )
    description: str = Field(default="", description="One sentence on what this is.")
    labels: str | tuple[str, ...] = Field(
        description="A label set (" + ", ".join(LABEL_SETS) + ") or a list of emotions, in the "
        "order of the model's outputs; of one's own tables and folders in any words. Clips of "
        "other emotions are left out.",
    )
    corpora: tuple[str, ...] = Field(
        min_length=1, description="Corpora to learn from; each folder is given as --data NAME=DIR."
    )
    sample_rate: StrictInt = Field(
        default=16_000, ge=4000, le=192_000, description="Hz; clips are resampled to this."
    )
    version: str = Field(
        default="1", min_length=1, max_length=32, description="Version of the model it gives."
    )
    min_confidence: StrictFloat | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Probability below which the model says it is uncertain; if not given it is "
        "chosen on the out-of-fold answers, between a quarter and three quarters of the way from "
        "that of a guess to 1.",
    )
    weights: Literal["float32", "float16"] = Field(
        default="float32", description="How the model file keeps its weights; float16 halves it."
    )
    seeds: tuple[StrictInt, ...] = Field(
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
    window: WindowPolicy
    frontend: Component
    network: Component
    training: TrainingSpec = TrainingSpec()
    augment: AugmentSpec = AugmentSpec()
    criteria: CriteriaSpec = CriteriaSpec()
    claim: ClaimSpec | None = None
    search: SearchSpec | None = None
    alternatives: dict[str, ProtocolSpec] = Field(
        default={},
        description="Other protocols by name, such as that of the authors of a system: "
        "`sottovoce train --protocol NAME` splits by it.",
    )
    alternative: str = Field(
        default="",
        description="Name of the alternative that takes the place of [protocol]; set by "
        "`--protocol`.",
    )

    _text: str = PrivateAttr("")

    @property
    def text(self) -> str:
        """The TOML as it was written; it is kept in the run and in the model file."""
        return self._text

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions to tell apart, in the order of the model's outputs."""
        return LABEL_SETS[self.labels] if isinstance(self.labels, str) else self.labels

    def with_protocol(self, alternative: str) -> Self:
        """Give the same recipe with another of its protocols.

        Raises:
            RecipeError: it has no alternative of this name.
        """
        self._check_alternative(alternative)
        head, table, rest = self.text.partition("\n[")
        head = re.sub(r"(?m)^[ \t]*alternative[ \t]*=.*\n?", "", head)  # a run's recipe.toml has it
        return self.parse(f'alternative = "{alternative}"\n{head}{table}{rest}', self.name)

    def with_columns(self, columns: TableSpec) -> Self:
        """Give the same recipe with what columns say beyond their defaults in its [table].

        Raises:
            RecipeError: the [table] of the recipe is written in a way that cannot be changed.
        """
        return self._with("table", columns.model_dump(exclude_defaults=True))

    def with_training(self, boost: str = "", *, focal: bool = False) -> Self:
        """Give the same recipe with emotions drawn more often, or with focal loss.

        Args:
            boost: such as "calm:2.0,sad:2.0" or "1:2.0,3:2.0", where labels have numbers from 0 in
                the order of `emotions`; the sampler is then the balanced one.
            focal: focal loss in place of the recipe's.

        Raises:
            RecipeError: `boost` says something else, or the [training] of the recipe is written in
                a way that cannot be changed.
        """
        given: dict[str, Any] = {"loss": "focal"} if focal else {}
        if boost:
            factors = dict(self._boost(part) for part in boost.split(","))
            given |= {"sampler": "balanced", "boost": factors}
        return self._with("training", given)

    def _boost(self, part: str) -> tuple[str, float]:
        label, _, factor = part.replace("=", ":").rpartition(":")
        label = label.strip()
        if label.isdecimal() and int(label) < len(self.emotions):
            label = self.emotions[int(label)]
        try:
            if label in self.emotions:
                return label, float(factor)
        except ValueError:
            pass
        raise RecipeError(
            f"--boost {shown(part)}: expected a label or its number, and a factor, such as "
            f"{self.emotions[1]}:2.0 or 1:2.0; labels are {listed(self.emotions)}"
        )

    def _with(self, name: str, given: Mapping[str, Any]) -> Self:
        """Give the same recipe with other values in one of its tables."""
        if not given:
            return self
        tables = parse_toml(self.text, self.name)
        table = dict(tables.get(name, {}))
        for key, value in given.items():
            table[key] = table.get(key, {}) | value if isinstance(value, dict) else value
        section = rf"(?ms)^[ \t]*\[{name}(\.\w+)?\][^\n]*\n.*?(?=^[ \t]*\[|\Z)"
        rest = re.sub(section, "", self.text)
        text = "\n".join([rest.rstrip(), "", f"[{name}]", *_toml_lines(table), ""])
        wanted = tables | {name: {k: _as_toml(value) for k, value in table.items()}}
        try:
            changed = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            changed = {}
        if changed != wanted:
            raise RecipeError(
                f"recipe {self.name}: its [{name}] cannot be changed from the command line; write "
                f"{listed(given)} into it"
            )
        return self.parse(text, self.name)

    def _check_alternative(self, alternative: str) -> None:
        if alternative not in self.alternatives:
            names = ", ".join(self.alternatives) or "none"
            raise RecipeError(
                f"recipe {self.name} has no protocol called {shown(alternative)}; its "
                f"[alternatives] are {names}"
            )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read and check a recipe file.

        Raises:
            RecipeError: it cannot be read, is not TOML, or a key or a value is wrong.
        """
        return cls.parse(read_text(path), display_path(path))

    @classmethod
    def check(cls, path: str | os.PathLike[str], alternative: str = "") -> None:
        """Check all of a recipe file but its front end and network, without loading torch.

        Args:
            path: of the file.
            alternative: a protocol that it must have, if any.

        Raises:
            RecipeError: it cannot be read, is not TOML, or something else in it is wrong.
        """
        origin = display_path(path)
        tables = parse_toml(read_text(path), origin)
        tables |= {key: _ANY for key in ("frontend", "network") if key in tables}
        recipe = cls._validate(tables, origin, [])
        if alternative:
            recipe._check_alternative(alternative)

    @classmethod
    def parse(cls, text: str, origin: str = "recipe") -> Self:
        """Check the text of a recipe; `origin` begins every message.

        Raises:
            RecipeError: it is not TOML, or a key or a value is wrong.
        """
        tables = parse_toml(text, origin)
        problems: list[RecipeProblem] = []
        known: dict[str, Mapping[str, type[Any]]] = {"frontend": frontends(), "network": networks()}
        for key, classes in known.items():
            if key in tables:
                tables[key], more_problems = _component(key, tables[key], classes)
                problems += more_problems
        recipe = cls._validate(tables, origin, problems)
        from sottovoce.learn.networks import Fitted  # brings torch, which `check` does without

        network = recipe.network.name
        if recipe.training.ranks > 1 and issubclass(known["network"][network], Fitted):
            raise RecipeError(
                f"{origin}: training.devices: {network} is fitted in one go, by one process; set "
                "devices and num_nodes to 1"
            )
        recipe._text = text
        return recipe

    @classmethod
    def _validate(cls, tables: dict[str, Any], origin: str, problems: list[RecipeProblem]) -> Self:
        """Make a recipe of its tables, unless there are problems before or now."""
        recipe = None
        try:
            recipe = cls.model_validate(tables)
        except ValidationError as error:
            problems += problems_in(error, cls)
        if recipe is None or problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise RecipeError(f"{origin}: {problems[0].key}: {problems[0].message}{more}")
        return recipe

    @field_validator("labels", mode="before")
    @classmethod
    def _known_labels(cls, labels: object) -> object:
        if isinstance(labels, str) and labels in LABEL_SETS:
            return labels
        if not isinstance(labels, list | tuple):
            raise ValueError(f"should be a list of emotions, or one of {listed(LABEL_SETS)}")
        for label in labels:
            if not isinstance(label, str):
                raise ValueError(f"{shown(label)} is not one of {listed(EMOTIONS)}")
            if fault := label_fault(label):
                raise ValueError(f"{shown(label)} {fault}")
        words = tuple(map(canonical, labels))
        if len(set(words)) != len(words) or len(words) < 2:
            raise ValueError("should be two or more emotions, each once")
        return words

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

    @model_validator(mode="before")
    @classmethod
    def _alternative_protocol(cls, tables: Any) -> Any:
        name, others = tables.get("alternative"), tables.get("alternatives")
        if isinstance(others, dict) and name in others:
            return tables | {"protocol": others[name]}
        return tables

    @model_validator(mode="after")
    def _labels_are_known(self) -> Self:
        """Words of one's own need a corpus that may have them."""
        unknown = [label for label in self.emotions if label not in EMOTIONS]
        if unknown and not any(map(corpora.is_own, self.corpora)):
            raise ValueError(
                f"labels: found {shown(list(self.emotions))}; {shown(unknown[0])} is not one of "
                f"{listed(EMOTIONS)}"
            )
        strange = [emotion for emotion in self.training.boost if emotion not in self.emotions]
        if strange:
            raise ValueError(
                f"training.boost: {shown(strange[0])} is not one of {listed(self.emotions)}"
            )
        return self

    @model_validator(mode="after")
    def _stopping_needs_validation(self) -> Self:
        if self.training.patience and not self.protocol.validates:
            raise ValueError(
                "training.patience: stopping early needs validation speakers or clips "
                "(protocol.validation_speakers or validation_fraction above 0, and a protocol "
                "other than none)"
            )
        return self

    @model_validator(mode="after")
    def _whole_clips_change_in_copies(self) -> Self:
        spec, whole = self.augment, not self.training.crop
        if whole and spec.speed:
            raise ValueError(
                "augment.speed: whole clips (training.crop = 0) keep their length; set it to 0, "
                "or give training.crop"
            )
        if whole and spec.of_waveforms and not spec.copies:
            raise ValueError(
                f"augment.{spec.of_waveforms[0]}: features of whole clips (training.crop = 0) are "
                "computed once; give augment.copies, or training.crop"
            )
        if spec.copies and not (whole and spec.of_waveforms):
            raise ValueError(
                "augment.copies: they are of whole clips (training.crop = 0), changed by gain, "
                "noise, equaliser, pitch or cut; set it to 0"
            )
        if spec.cut and not whole:
            raise ValueError("augment.cut: it is of copies of whole clips; set training.crop alone")
        return self

    @model_validator(mode="after")
    def _speed_needs_free_lengths(self) -> Self:
        fixed = [key for key in ("frames", "middle") if getattr(self.frontend.options, key, 0)]
        if self.augment.speed and fixed:
            raise ValueError(
                f"augment.speed: the front end gives every clip the same length (its {fixed[0]}), "
                "so none can be stretched; set one of them to 0"
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


def _toml_lines(table: Mapping[str, Any]) -> list[str]:
    """The lines of a table of texts, numbers, lists of texts and tables of texts."""
    return [f"{key} = {_toml(value)}" for key, value in table.items()]


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        pairs = (f"{_toml(key)} = {_toml(one)}" for key, one in value.items())
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)  # texts, numbers and booleans are written alike


def _as_toml(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a recipe.

    Raises:
        RecipeError: it cannot be read, is too long, or is no text.
    """
    origin = display_path(path)
    try:
        with Path(path).open("rb") as file:
            content = file.read(LONGEST + 1)
        if len(content) > LONGEST:
            raise RecipeError(f"{origin}: longer than {LONGEST} bytes; a recipe is a page or two")
        return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8").read()
    except OSError as error:
        reason = error.strerror or error
        raise RecipeError(f"{origin}: cannot read this recipe: {reason}") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{origin}: not a recipe: it is not UTF-8 text") from error


def parse_toml(text: str, origin: str) -> dict[str, Any]:
    """The tables of a recipe's text.

    Raises:
        RecipeError: it is not TOML, or takes more work than a recipe is worth.
    """
    for number, line in enumerate(text.splitlines(), 1):
        if (dots := line.count(".")) > MOST_DOTS:  # tomllib's memory grows with their square
            raise RecipeError(
                f"{origin}: line {number} has {dots} dots; expected {MOST_DOTS} at most; break it"
            )
    try:
        return tomllib.loads(text)
    except ValueError as error:  # a TOMLDecodeError, or a number of thousands of digits
        raise RecipeError(f"{origin}: not valid TOML: {error}") from error
    except RecursionError:
        raise RecipeError(f"{origin}: not a recipe: it is nested too deep") from None


def _component(
    key: str, table: object, classes: Mapping[str, type[Any]]
) -> tuple[object, list[RecipeProblem]]:
    """Check the table of a front end or a network against the class that it names."""
    if not isinstance(table, dict):
        return _ANY, [RecipeProblem(key, f"found {shown(table)}; should be a table, [{key}]")]
    options = dict(table)
    name = options.pop("name", None)
    if name is None:
        return _ANY, [RecipeProblem(f"{key}.name", f"missing; allowed: {listed(classes)}")]
    if not isinstance(name, str) or name not in classes:
        return _ANY, [
            RecipeProblem(f"{key}.name", f"found {shown(name)}; allowed: {listed(classes)}")
        ]
    model = classes[name].Options
    try:
        return Component(name=name, options=model.model_validate(options)), []
    except ValidationError as error:
        return _ANY, problems_in(error, model, key)


# Stands for a component that was refused, so that the rest of the recipe is still checked.
_ANY = Component(name="", options=StrictModel())
