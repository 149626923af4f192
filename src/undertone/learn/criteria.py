"""What a model must reach to pass: the criteria of a recipe held against measured figures."""

from collections.abc import Mapping
from dataclasses import dataclass

from undertone.learn.tables import CriteriaSpec


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


def check(criteria: CriteriaSpec, measured: Mapping[str, float]) -> tuple[Check, ...]:
    """Hold figures, as `undertone.learn.evaluation.metrics` gives them, against the criteria."""
    asked = {name: getattr(criteria, name) for name in ("accuracy", "weighted_f1", "uar")}
    asked |= {name: criteria.recall for name in measured if name.startswith("recall_")}
    return tuple(Check(name, least, measured[name]) for name, least in asked.items() if least)
