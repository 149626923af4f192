"""The space of a search: its keys and their distributions, and the recipes in it."""

import itertools
import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tomli_w
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial

from sottovoce.errors import RecipeError
from sottovoce.learn.recipe.messages import listed, shown
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.recipe.specs import RangeSpec
from sottovoce.learn.train.cross_validate import difference

SEARCHED = ("sample_rate", "window", "frontend", "network", "training", "augment")
"""Tables and keys of a recipe that can be searched; the others define the task."""

NOT_SEARCHED = (
    "training.monitor",
    "training.strategy",
    "training.devices",
    "training.num_nodes",
)
"""Keys of these that say how trials are compared, or where they are trained."""

Distribution = CategoricalDistribution | FloatDistribution | IntDistribution

Values = Mapping[str, Any]
"""Dotted keys of a recipe and what they are set to."""


class SearchSpace:
    """A recipe and the other recipes that its table [search] spans.

    Optuna knows a choice by its JSON, since its choices are texts and numbers alone.
    """

    def __init__(self, recipe: Recipe) -> None:
        """Check every choice and both ends of every range, each alone, in the recipe.

        Raises:
            RecipeError: there is no [search], or no validation clips; a key cannot be
                searched; a choice or an end of a range is not valid.
        """
        if recipe.search is None:
            raise RecipeError(
                f"recipe {recipe.name} has no table [search]; add one with trials and space, as in "
                "docs/search.md"
            )
        if recipe.training.ranks > 1:
            raise RecipeError(
                f"recipe {recipe.name}: training.devices: a trial trains in one process; set "
                "devices and num_nodes to 1, and start the search on each device, with one --out"
            )
        if not (recipe.protocol.validates or recipe.search.inner_folds):
            raise RecipeError(
                f"recipe {recipe.name}: trials are judged on validation clips; set "
                "protocol.validation_speakers or validation_fraction above 0, and a protocol other "
                "than none, or search.inner_folds"
            )
        self.base = recipe
        self.spec = recipe.search
        self.distributions: dict[str, Distribution] = {}
        self.own: dict[str, Any] = {}
        """The recipe's own values as Optuna knows them, where they are in the space."""
        for key, values in self.spec.space.items():
            self._check(key)
            if isinstance(values, RangeSpec):
                self.distributions[key] = self._range(key, values)
            else:
                self.distributions[key] = self._choices(key, values)

    @property
    def outside(self) -> list[str]:
        """Keys whose own value in the recipe is not in the space."""
        return [key for key in self.distributions if key not in self.own]

    def grid(self) -> list[dict[str, Any]]:
        """Every combination of choices once, as Optuna knows them; the recipe's own first.

        The others come in a random order that follows from the recipe's first seed.

        Raises:
            RecipeError: a key has a range.
        """
        choices = []
        for key, kind in self.distributions.items():
            if not isinstance(kind, CategoricalDistribution):
                raise RecipeError(
                    f'recipe {self.base.name}: search.space."{key}": is a range, and grid tries '
                    "every choice; list them, or use random or tpe"
                )
            choices.append(kind.choices)
        combinations = [
            dict(zip(self.distributions, c, strict=True)) for c in itertools.product(*choices)
        ]
        np.random.default_rng(self.base.seeds[0]).shuffle(combinations)
        return sorted(combinations, key=lambda values: values != self.own)

    @property
    def changes_clips(self) -> bool:
        """Whether trials differ in how their clips are prepared before training."""
        heads = {key.partition(".")[0] for key in self.distributions}
        return bool(heads - {"network", "training"}) or "training.crop" in self.distributions

    def suggest(self, trial: Trial) -> Values:
        """Give the trial's values; those that it has already are kept."""
        return {key: _suggest(trial, key, kind) for key, kind in self.distributions.items()}

    def values(self, params: Mapping[str, Any]) -> Values:
        """Give the values that Optuna's parameters stand for, in the order of the space."""
        return {
            key: json.loads(params[key])
            if isinstance(kind, CategoricalDistribution)
            else params[key]
            for key, kind in self.distributions.items()
            if key in params
        }

    def recipe(self, values: Values, origin: str = "recipe") -> Recipe:
        """Give the recipe with these values; `origin` begins every message.

        Raises:
            RecipeError: they do not go together.
        """
        return Recipe.parse(tomli_w.dumps(_changed(self.base.text, values, origin)), origin)

    def text(self, values: Values, name: str, heading: str) -> str:
        """Write the recipe with these values and another name as TOML, without [search].

        Args:
            values: to be set.
            name: of the recipe.
            heading: comment above it, one line or more.
        """
        tables = _changed(self.base.text, {**values, "name": name}, name)
        tables.pop("search")
        tables.pop("alternative", None)
        comment = "".join(f"# {line}\n" for line in heading.splitlines())
        return f"{comment}\n{tomli_w.dumps(tables)}"

    def _check(self, key: str) -> None:
        if key.partition(".")[0] not in SEARCHED or key in NOT_SEARCHED:
            raise RecipeError(
                f'recipe {self.base.name}: search.space."{key}": cannot be searched, since trials '
                f"are to be compared by one figure of the same clips; keys of {listed(SEARCHED)} "
                f"can, except {listed(NOT_SEARCHED)}"
            )

    def _at(self, key: str, value: Any) -> Recipe:
        origin = f'recipe {self.base.name}: search.space."{key}" = {shown(value)}'
        return self.recipe({key: value}, origin)

    def _choices(self, key: str, choices: Sequence[Any]) -> Distribution:
        recipes = [self._at(key, choice) for choice in choices]
        labels = [json.dumps(choice, ensure_ascii=False) for choice in choices]
        for label, recipe in zip(labels, recipes, strict=True):
            if not difference(recipe, self.base):
                self.own[key] = label
        return CategoricalDistribution(labels)

    def _range(self, key: str, values: RangeSpec) -> Distribution:
        for end in (values.low, values.high):
            self._at(key, end)
        low, high, step = values.low, values.high, values.step
        if values.whole:
            step = step or 1
        own = _get(self.base, key)
        off = math.remainder(own - low, step) if step else 0.0
        if low <= own <= high and abs(off) < 1e-9:
            self.own[key] = int(own) if values.whole else float(own)
        if values.whole:
            return IntDistribution(int(low), int(high), log=values.log, step=int(step or 1))
        return FloatDistribution(low, high, log=values.log, step=step)


def _suggest(trial: Trial, key: str, kind: Distribution) -> Any:
    if isinstance(kind, CategoricalDistribution):
        return json.loads(str(trial.suggest_categorical(key, kind.choices)))
    if isinstance(kind, IntDistribution):
        return trial.suggest_int(key, kind.low, kind.high, step=kind.step, log=kind.log)
    return float(trial.suggest_float(key, kind.low, kind.high, step=kind.step, log=kind.log))


def _changed(text: str, values: Values, origin: str) -> dict[str, Any]:
    """The tables of a recipe with some values set."""
    tables = tomllib.loads(text)
    for key, value in values.items():
        *parents, last = key.split(".")
        table: Any = tables
        for parent in parents:
            table = table.setdefault(parent, {})
            if not isinstance(table, dict):
                raise RecipeError(f"{origin}: {key}: {parent} is no table; set it as a whole")
        table[last] = value
    return tables


def _get(recipe: Recipe, key: str) -> float:
    """The number at a dotted key; NaN where none is set."""
    value: Any = recipe.model_dump()
    for name in ("frontend", "network"):
        value[name] |= value[name].pop("options")
    for part in key.split("."):
        value = value.get(part, {})
    return value if isinstance(value, int | float) else float("nan")
