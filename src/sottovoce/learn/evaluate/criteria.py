"""Compares measured metrics with the criteria of a recipe, which a model must reach to pass."""

from collections.abc import Mapping
from dataclasses import dataclass

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

    def __str__(self) -> str:
        """In words: "passed: accuracy 81.3 % (80.0 % is asked)"."""
        name = self.name.replace("recall_", "recall of ").replace("weighted_f1", "weighted F1")
        verdict = "passed" if self.passed else "failed"
        return f"{verdict}: {name} {100 * self.value:.1f} % ({100 * self.least:.1f} % is asked)"


def check_criteria(
    criteria: CriteriaSpec, measured: Mapping[str, float]
) -> tuple[CriterionCheck, ...]:
    """Compare metrics, as `compute_metrics` gives them, with the criteria that are set."""
    required = {name: getattr(criteria, name) for name in ("accuracy", "weighted_f1", "uar")}
    required |= {name: criteria.recall for name in measured if name.startswith("recall_")}
    return tuple(
        CriterionCheck(name, least, measured[name]) for name, least in required.items() if least
    )
