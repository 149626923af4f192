"""What an audit asks of a model, and of what came of it.

The tests and their thresholds are those of ser-tests for categories of emotion (Derington,
Wierstorf, Özkil, Eyben, Burkhardt and Schuller, "Testing Correctness, Fairness, and Robustness of
Speech Emotion Recognition Models", arXiv 2312.06270; github.com/audeering/ser-tests, in whose
folder test/emotion each test named here as `source` has its thresholds). What differs from them is
in docs/audit.md.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sottovoce.learn.evaluate.intervals import Interval

TITLES = {
    "uar": "UAR",
    "uap": "UAP",
    "recall": "recall",
    "precision": "precision",
    "share": "share of the predictions",
}
"""Score -> its name; the last three are of each emotion."""


class Verdict(StrEnum):
    """What came of a requirement."""

    PASSED = "passed"
    FAILED = "failed"
    NO_THRESHOLD = "no threshold"
    NOT_POSSIBLE = "not possible"


@dataclass(frozen=True, slots=True)
class Threshold:
    """What a figure is compared with: it must be above `least`, or nearer to 0 than `most`."""

    source: str
    """The test of ser-tests that sets it."""
    least: float | None = None
    most: float | None = None
    borrowed: bool = False
    """Whether that test asks it of something else, the closest to this."""

    def margin(self, value: float) -> float:
        """How far a figure is on the right side; it passes above 0."""
        return value - self.least if self.least is not None else (self.most or 0.0) - abs(value)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement: the figure that was measured, and what it should be."""

    area: str
    """"correctness", "fairness" or "robustness"."""
    corpus: str
    test: str
    emotion: str = ""
    """Where each emotion has a figure of its own."""
    figure: Interval | None = None
    """A fraction, or a difference of fractions, with its 95 % interval over speakers."""
    difference: bool = False
    threshold: Threshold | None = None
    reason: str = ""
    """Why it is not possible; or a remark on the figure."""
    trained_on: bool = False
    """Whether the model was trained on some of these speakers: the figure is then optimistic."""

    @property
    def verdict(self) -> Verdict:
        """Passed or failed by the figure itself, not by its interval."""
        if self.figure is None:
            return Verdict.NOT_POSSIBLE
        if self.threshold is None:
            return Verdict.NO_THRESHOLD
        return Verdict.PASSED if self.threshold.margin(self.figure.value) > 0 else Verdict.FAILED


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found about a model, and what a reader of it must know."""

    model: str
    notes: tuple[str, ...]
    requirements: tuple[Requirement, ...]

    @property
    def counts(self) -> Counter[Verdict]:
        """Verdict -> number of requirements."""
        return Counter(requirement.verdict for requirement in self.requirements)


CORRECTNESS = {
    **dict.fromkeys(
        ("uar", "uap", "recall", "precision"), Threshold("Correctness Classification", least=0.5)
    ),
    "share": Threshold("Correctness Distribution", most=0.15),
}
SEX, PITCH = "Fairness Sex", "Fairness Pitch"
FAIRNESS: Mapping[str, Mapping[str, Threshold | None]] = {
    "sex": {
        "uar": Threshold(SEX, most=0.075),
        "uap": Threshold(SEX, most=0.05),
        "recall": Threshold(SEX, most=0.175),
        "precision": Threshold(SEX, most=0.075),
        "share": Threshold("Fairness Language", most=0.1, borrowed=True),
    },
    "pitch": {
        "uar": Threshold(PITCH, most=0.075),
        "uap": Threshold(PITCH, most=0.05),
        "recall": Threshold(PITCH, most=0.225),
        "precision": Threshold(PITCH, most=0.1),
    },
    "language": {"uar": None, "share": Threshold("Fairness Language", most=0.1)},
    "length": {"uar": None},
    "background": {"uar": None},
}
"""What groups are made by -> the scores whose differences are required to be small."""

SPEAKER_AVERAGE = Threshold("Correctness Speaker Average", most=0.1)

NOT_POSSIBLE = (
    ("correctness", "consistency", "asks for arousal, dominance and valence, not for emotions"),
    (
        "correctness",
        "speaker ranking",
        "acted corpora ask every speaker for the same emotions: there is no ranking to find",
    ),
    ("fairness", "accent", "no corpus that Sottovoce reads says with which accent is spoken"),
    (
        "fairness",
        "linguistic sentiment",
        "needs the same happy and sad texts spoken without emotion in several languages",
    ),
    (
        "robustness",
        "coughing, sneezing, babble and music",
        "need recordings of each; noise=DIR stands in for environmental noise alone",
    ),
    (
        "robustness",
        "recording condition",
        "needs the same speech recorded by several microphones at once; simulated ones stand in",
    ),
)
"""(area, test of ser-tests, why it is not here)."""
