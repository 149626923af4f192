"""What a model must reach to pass: the criteria of a recipe held against measured figures."""

from collections.abc import Mapping
from dataclasses import dataclass

from sottovoce.learn.recipe.specs import CriteriaSpec

NOTHING_ASKED = CriteriaSpec()


@dataclass(frozen=True, slots=True)
class Check:
    """One criterion: what is asked, and what was found."""

    name: str
    """"accuracy", "weighted_f1", "uar" or "recall_<label>"."""
    asked: float
    found: float

    @property
    def passed(self) -> bool:
        """Whether the figure reaches what is asked."""
        return self.found >= self.asked

    def __str__(self) -> str:
        """In words: "passed: accuracy 81.3 % (80.0 % is asked)"."""
        name = self.name.replace("recall_", "recall of ").replace("weighted_f1", "weighted F1")
        verdict = "passed" if self.passed else "failed"
        return f"{verdict}: {name} {100 * self.found:.1f} % ({100 * self.asked:.1f} % is asked)"


def check(criteria: CriteriaSpec, measured: Mapping[str, float]) -> tuple[Check, ...]:
    """Hold figures, as `evaluate.metrics.metrics` gives them, against the criteria."""
    asked = {name: getattr(criteria, name) for name in ("accuracy", "weighted_f1", "uar")}
    asked |= {name: criteria.recall for name in measured if name.startswith("recall_")}
    return tuple(Check(name, least, measured[name]) for name, least in asked.items() if least)
