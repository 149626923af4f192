"""What a search leaves behind: trials.csv, best.toml and search.png, and a few lines to read."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from sottovoce.learn.evaluate.plots import BLUE, GREY, ORANGE, new_figure, save_figure
from sottovoce.learn.evaluate.report import TITLES
from sottovoce.learn.search.space import Space


@dataclass(frozen=True, slots=True)
class Tried:
    """A trial that is over.

    Attributes:
        number: from 1.
        state: complete; repeat: its values had been tried, so nothing was trained; pruned; failed.
        value: of `training.monitor` on validation clips; of a pruned trial, when it was stopped;
            NaN where there is none.
        epochs: trained, of all folds.
        seconds: that they took.
        values: dotted keys of the recipe and what they were set to.
        reason: why it failed.
    """

    number: int
    state: str
    value: float
    epochs: int
    seconds: float
    values: Mapping[str, Any]
    reason: str = ""

    @property
    def counts(self) -> bool:
        """Whether it was trained and judged to the end, this time or before."""
        return self.state in ("complete", "repeat")


@dataclass(frozen=True, slots=True)
class Judged:
    """A search as it is reported.

    Attributes:
        space: what was tried.
        trials: those that are over.
        unseen: numbers of the folds whose test clips no trial was trained or judged on.
        of: how many folds the protocol has.
    """

    space: Space
    trials: tuple[Tried, ...]
    unseen: tuple[int, ...]
    of: int

    @property
    def monitor(self) -> str:
        """What the trials are judged by."""
        return self.space.base.training.monitor

    @property
    def best(self) -> Tried | None:
        """The first of the best trials; None where none was judged."""
        sign = 1 if self.monitor == "nll" else -1
        counted = [trial for trial in self.trials if trial.counts]
        return min(counted, key=lambda trial: sign * trial.value, default=None)

    @property
    def own(self) -> Tried | None:
        """The recipe as it stands, where it was tried and judged."""
        own = None if self.space.outside else self.space.values(self.space.own)
        return next((trial for trial in self.trials if trial.counts and trial.values == own), None)

    @property
    def where(self) -> str:
        """Which clips they were judged on."""
        folds = sorted(self.space.spec.folds)
        return f"validation clips of fold{'s' * (len(folds) > 1)} {', '.join(map(str, folds))}"

    def figure(self, value: float) -> str:
        """Write a figure for people: "UAR 61.2 %" or "NLL (nats) 1.023"."""
        digits = f"{value:.3f}" if self.monitor == "nll" else f"{100 * value:.1f} %"
        return f"{TITLES[self.monitor]} {digits}"

    def summary(self, best: Tried, folder: Path) -> list[str]:
        """Say how the best compares to the recipe as it stands, and how to measure it."""
        own, recipe = self.own, self.space.base
        line = f"best of {len(self.trials)}: trial {best.number}, {self.figure(best.value)}"
        if own is best:
            line += ", which is the recipe as it stands"
        elif own is not None:
            line += f"; the recipe as it stands (trial {own.number}): {self.figure(own.value)}"
        command = f"sottovoce train {folder / 'best.toml'} --data ..."
        if recipe.alternative:
            command += f" --protocol {recipe.alternative}"
        lines = [f"{line}, on {self.where}", f"{folder} holds best.toml, trials.csv and search.png"]
        if not self.unseen:
            return [*lines, f"measure it with {command}; the search saw every test clip of it"]
        if len(self.unseen) < self.of:
            command += f" --folds {','.join(map(str, self.unseen))}"
        if len(recipe.seeds) > 1:
            command += " --seeds 1"
        return [*lines, f"measure it on test clips that the search never saw: {command}"]


def describe_trial(judged: Judged, count: int) -> str:
    """Say how the last trial went, in one line; `count` is how many there are to be."""
    last, best = judged.trials[-1], judged.best
    line = f"trial {last.number} of {count}: "
    if last.state == "failed":
        line += f"failed: {last.reason}"
    else:
        line += judged.figure(last.value)
        line += " (tried before)" if last.state == "repeat" else ""
        line += " when stopped" if last.state == "pruned" else ""
    if last.epochs:
        line += f", {last.epochs} epochs, {last.seconds:.0f} s"
    if best is last:
        line += "; the best so far"
    elif best is not None:
        line += f"; best so far: {judged.figure(best.value)} (trial {best.number})"
    values = [
        f"{key} = {f'{value:.4g}' if isinstance(value, float) else json.dumps(value)}"
        for key, value in last.values.items()
    ]
    return f"{line}; {', '.join(values)}"


def write_search(
    folder: Path, judged: Judged, importances: Mapping[str, float] | None = None
) -> None:
    """Write trials.csv and best.toml; with importances (key -> 0 to 1), search.png too."""
    _write_trials(folder / "trials.csv", judged)
    best = judged.best
    if best is None:
        return
    recipe = judged.space.base
    heading = (
        f"Trial {best.number} of a search from the recipe {recipe.name}, the best of "
        f"{len(judged.trials)}:\n{judged.figure(best.value)} on {judged.where}, seed "
        f"{recipe.seeds[0]}.\nIt was chosen by this figure, which therefore flatters."
    )
    text = judged.space.text(best.values, f"{recipe.name[:59].rstrip('-')}-best", heading)
    draft = folder / "best.part"
    draft.write_text(text, encoding="utf-8")
    draft.replace(folder / "best.toml")
    if importances is not None:
        title = (
            f"{recipe.name}, {len(judged.trials)} trials: best {judged.figure(best.value)}\n"
            f"on {judged.where}, by which it was chosen"
        )
        draw_search(folder / "search.png", title, judged, importances)


def _write_trials(path: Path, judged: Judged) -> None:
    """Write trials.csv, whole: a row a trial; lists and tables stand in it as JSON."""
    draft = path.with_suffix(".part")
    with draft.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(
            ["number", "state", "value", "epochs", "seconds", *judged.space.distributions]
        )
        for trial in judged.trials:
            values = trial.values.values()
            value = "" if math.isnan(trial.value) else f"{trial.value:.6g}"
            table.writerow(
                [trial.number, trial.state, value, trial.epochs, f"{trial.seconds:.1f}"]
                + [each if isinstance(each, str) else json.dumps(each) for each in values]
            )
    draft.replace(path)


def draw_search(path: Path, title: str, judged: Judged, importances: Mapping[str, float]) -> None:
    """Draw each trial's figure and the best so far; beside it, where known, which keys mattered."""
    columns = 2 if importances else 1
    figure, (axes, *others) = new_figure(title, 5.5 * columns, 4, columns=columns)
    _draw_trials(axes, judged)
    across = 5 if importances else 3
    figure.legend(loc="outside lower left", ncols=across, frameon=False, fontsize=9)
    for each in others:
        order = sorted(importances, key=lambda key: importances[key])
        each.barh(order, [importances[key] for key in order], color=BLUE, height=0.6)
        each.set_xlabel("share of the differences explained")
        each.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        each.tick_params(axis="y", length=0)
        each.spines["left"].set_visible(False)
    save_figure(figure, path)


def _draw_trials(axes: Axes, judged: Judged) -> None:
    counted = [trial for trial in judged.trials if trial.counts]
    pick = min if judged.monitor == "nll" else max
    best = [pick(each.value for each in counted[: end + 1]) for end in range(len(counted))]
    numbers = [trial.number for trial in counted]
    ends = [*numbers, judged.trials[-1].number], [*best, best[-1]]
    axes.step(*ends, where="post", color=BLUE, linewidth=1.5, label="best so far")
    pruned = [trial for trial in judged.trials if trial.state == "pruned"]
    own = [judged.own] if judged.own else []
    groups: tuple[tuple[str, Sequence[Tried], dict[str, Any]], ...] = (
        ("trial", [each for each in counted if each not in own], {"color": BLUE, "alpha": 0.6}),
        ("stopped early", pruned, {"edgecolor": GREY, "facecolor": "none"}),
        ("the recipe as it stands", own, {"color": ORANGE, "marker": "D", "zorder": 3}),
    )
    for label, group, style in groups:
        if group:
            places = [each.number for each in group], [each.value for each in group]
            axes.scatter(*places, label=label, **style)
    failed = [trial.number for trial in judged.trials if trial.state == "failed"]
    if failed:
        floor = axes.get_xaxis_transform()
        axes.plot(failed, [0.03] * len(failed), "x", color=GREY, transform=floor, label="failed")
    axes.set_xlabel("trial")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel(f"{TITLES[judged.monitor]} on validation clips")
    if judged.monitor != "nll":
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(axis="y", color="#e6e6e6")
