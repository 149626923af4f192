"""Compares measured metrics with the criteria of a recipe, which a model must reach to pass."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from sottovoce.errors import SottovoceError
from sottovoce.learn.recipe.specs import CriteriaSpec

NO_CRITERIA = CriteriaSpec()


@dataclass(frozen=True, slots=True)
class CriterionCheck:
    """One criterion, and the value that was measured."""

    name: str
    """"accuracy", "weighted_f1", "uar" or "recall_<label>"."""
    least: float
    value: float

    @property
    def passed(self) -> bool:
        """Whether the value reaches the least that is asked."""
        return self.value >= self.least

    @property
    def shortfall(self) -> float:
        """By how much the value falls short, 0 to 1; 0 where it passed."""
        return max(0.0, self.least - self.value)

    def __str__(self) -> str:
        """In words: "failed: accuracy 76.3 % (80.0 % is asked, 3.7 points short)"."""
        name = self.name.replace("recall_", "recall of ").replace("weighted_f1", "weighted F1")
        verdict = "passed" if self.passed else "failed"
        short = "" if self.passed else f", {100 * self.shortfall:.1f} points short"
        asked = f"{100 * self.least:.1f} % is asked{short}"
        return f"{verdict}: {name} {100 * self.value:.1f} % ({asked})"


def parse_criteria(texts: Sequence[str]) -> CriteriaSpec:
    """Read criteria such as "accuracy=0.8,recall=0.75", names and least values 0 to 1.

    Raises:
        SottovoceError: a name is unknown, or a value is none.
    """
    given: dict[str, float] = {}
    for part in ",".join(texts).split(","):
        name, _, value = (each.strip() for each in part.partition("="))
        if name not in CriteriaSpec.model_fields:
            known = ", ".join(CriteriaSpec.model_fields)
            raise SottovoceError(f"criterion {name!r} is unknown; there are {known}")
        try:
            given[name] = float(value)
        except ValueError:
            raise SottovoceError(
                f"criterion {name} is {value!r}; expected the least value, 0 to 1, as {name}=0.8"
            ) from None
    try:
        return CriteriaSpec(**given)
    except ValidationError as error:
        raise SottovoceError(f"criterion {CriteriaSpec.first_error(error)}") from None


def check_criteria(
    criteria: CriteriaSpec, measured: Mapping[str, float]
) -> tuple[CriterionCheck, ...]:
    """Compare metrics, as `compute_metrics` gives them, with the criteria that are set."""
    required = {name: getattr(criteria, name) for name in ("accuracy", "weighted_f1", "uar")}
    required |= {name: criteria.recall for name in measured if name.startswith("recall_")}
    return tuple(
        CriterionCheck(name, least, measured[name]) for name, least in required.items() if least
    )
