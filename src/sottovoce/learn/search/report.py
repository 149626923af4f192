"""What a search leaves behind: trials.csv, best.toml and search.png, and a few lines to read."""

import csv
import io
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
from sottovoce.learn.search.space import SearchSpace
from sottovoce.system import write_atomically
from sottovoce.text import csv_cell


@dataclass(frozen=True, slots=True)
class TrialResult:
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
    def finished(self) -> bool:
        """Whether it was trained to the end, this time or before."""
        return self.state in ("complete", "repeat")


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A search so far.

    Attributes:
        space: of the search.
        trials: those that are over.
        unseen_folds: numbers of the folds whose test clips no trial trained or validated on.
        num_folds: how many folds the protocol has.
    """

    space: SearchSpace
    trials: tuple[TrialResult, ...]
    unseen_folds: tuple[int, ...]
    num_folds: int

    @property
    def monitor(self) -> str:
        """The metric that the trials are compared by."""
        return self.space.base.training.monitor

    @property
    def best(self) -> TrialResult | None:
        """The first of the best trials; None where none is finished."""
        sign = 1 if self.monitor == "nll" else -1
        finished = [trial for trial in self.trials if trial.finished]
        return min(finished, key=lambda trial: sign * trial.value, default=None)

    @property
    def own(self) -> TrialResult | None:
        """The trial of the recipe as it stands, where it is finished."""
        own = None if self.space.outside else self.space.values(self.space.own)
        return next(
            (trial for trial in self.trials if trial.finished and trial.values == own), None
        )

    @property
    def clips(self) -> str:
        """In words, the clips that the values are of."""
        folds, inner = sorted(self.space.spec.folds), self.space.spec.inner_folds
        kind = f"training clips in {inner} inner folds" if inner else "validation clips"
        return f"{kind} of fold{'s' * (len(folds) > 1)} {', '.join(map(str, folds))}"

    def format_value(self, value: float) -> str:
        """Write a value for people: "UAR 61.2 %" or "NLL (nats) 1.023"."""
        digits = f"{value:.3f}" if self.monitor == "nll" else f"{100 * value:.1f} %"
        return f"{TITLES[self.monitor]} {digits}"

    def summary(self, best: TrialResult, folder: Path) -> list[str]:
        """In words, how the best compares to the recipe as it stands, and how to measure it."""
        own, recipe = self.own, self.space.base
        line = f"best of {len(self.trials)}: trial {best.number}, {self.format_value(best.value)}"
        if own is best:
            line += ", which is the recipe as it stands"
        elif own is not None:
            line += (
                f"; the recipe as it stands (trial {own.number}): {self.format_value(own.value)}"
            )
        command = f"sottovoce train {folder / 'best.toml'} --data ..."
        if recipe.alternative:
            command += f" --protocol {recipe.alternative}"
        lines = [f"{line}, on {self.clips}", f"{folder} holds best.toml, trials.csv and search.png"]
        if not self.unseen_folds:
            return [*lines, f"measure it with {command}; the search saw every test clip of it"]
        if len(self.unseen_folds) < self.num_folds:
            command += f" --folds {','.join(map(str, self.unseen_folds))}"
        if len(recipe.seeds) > 1:
            command += " --seeds 1"
        return [*lines, f"measure it on test clips that the search never saw: {command}"]


def describe_trial(result: SearchResult, number: int, count: int) -> str:
    """Describe a trial in one line; `count` is how many there are to be."""
    last, best = next(t for t in result.trials if t.number == number), result.best
    line = f"trial {last.number} of {count}: "
    if last.state == "failed":
        line += f"failed: {last.reason}"
    else:
        line += result.format_value(last.value)
        line += " (tried before)" if last.state == "repeat" else ""
        line += " when stopped" if last.state == "pruned" else ""
    if last.epochs:
        line += f", {last.epochs} epochs, {last.seconds:.0f} s"
    if best is last:
        line += "; the best so far"
    elif best is not None:
        line += f"; best so far: {result.format_value(best.value)} (trial {best.number})"
    values = [
        f"{key} = {f'{value:.4g}' if isinstance(value, float) else json.dumps(value)}"
        for key, value in last.values.items()
    ]
    return f"{line}; {', '.join(values)}"


def write_search(
    folder: Path, result: SearchResult, importances: Mapping[str, float] | None = None
) -> None:
    """Write trials.csv and best.toml; with importances (key -> 0 to 1), search.png too."""
    _write_trials(folder / "trials.csv", result)
    best = result.best
    if best is None:
        return
    recipe = result.space.base
    heading = (
        f"Trial {best.number} of a search from the recipe {recipe.name}, the best of "
        f"{len(result.trials)}:\n{result.format_value(best.value)} on {result.clips}, seed "
        f"{recipe.seeds[0]}.\nIt was chosen by this figure, which therefore flatters."
    )
    text = result.space.text(best.values, f"{recipe.name[:59].rstrip('-')}-best", heading)
    write_atomically(folder / "best.toml", text)
    if importances is not None:
        title = (
            f"{recipe.name}, {len(result.trials)} trials: best {result.format_value(best.value)}\n"
            f"on {result.clips}, by which it was chosen"
        )
        draw_search(folder / "search.png", title, result, importances)


def _write_trials(path: Path, result: SearchResult) -> None:
    """Write trials.csv: a row a trial; lists and tables stand in it as JSON."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["number", "state", "value", "epochs", "seconds", *result.space.distributions])
    for trial in result.trials:
        value = "" if math.isnan(trial.value) else f"{trial.value:.6g}"
        settings = (v if isinstance(v, str) else json.dumps(v) for v in trial.values.values())
        table.writerow(
            [
                *(trial.number, trial.state, value, trial.epochs, f"{trial.seconds:.1f}"),
                *map(csv_cell, settings),
            ]
        )
    write_atomically(path, text.getvalue())


def draw_search(
    path: Path, title: str, result: SearchResult, importances: Mapping[str, float]
) -> None:
    """Draw each trial's value and the best so far, and, where known, each key's importance."""
    columns = 2 if importances else 1
    figure, (axes, *others) = new_figure(title, 5.5 * columns, 4, columns=columns)
    _draw_trials(axes, result)
    legend_columns = 5 if importances else 3
    figure.legend(loc="outside lower left", ncols=legend_columns, frameon=False, fontsize=9)
    for panel in others:
        order = sorted(importances, key=lambda key: importances[key])
        panel.barh(order, [importances[key] for key in order], color=BLUE, height=0.6)
        panel.set_xlabel("share of the differences explained")
        panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        panel.tick_params(axis="y", length=0)
        panel.spines["left"].set_visible(False)
    save_figure(figure, path)


def _draw_trials(axes: Axes, result: SearchResult) -> None:
    finished = [trial for trial in result.trials if trial.finished]
    pick = min if result.monitor == "nll" else max
    best = [pick(trial.value for trial in finished[: end + 1]) for end in range(len(finished))]
    numbers = [trial.number for trial in finished]
    ends = [*numbers, result.trials[-1].number], [*best, best[-1]]
    axes.step(*ends, where="post", color=BLUE, linewidth=1.5, label="best so far")
    pruned = [trial for trial in result.trials if trial.state == "pruned"]
    own = [result.own] if result.own else []
    groups: tuple[tuple[str, Sequence[TrialResult], dict[str, Any]], ...] = (
        ("trial", [trial for trial in finished if trial not in own], {"color": BLUE, "alpha": 0.6}),
        ("stopped early", pruned, {"edgecolor": GREY, "facecolor": "none"}),
        ("the recipe as it stands", own, {"color": ORANGE, "marker": "D", "zorder": 3}),
    )
    for label, group, style in groups:
        if group:
            places = [trial.number for trial in group], [trial.value for trial in group]
            axes.scatter(*places, label=label, **style)
    failed = [trial.number for trial in result.trials if trial.state == "failed"]
    if failed:
        floor = axes.get_xaxis_transform()
        axes.plot(failed, [0.03] * len(failed), "x", color=GREY, transform=floor, label="failed")
    axes.set_xlabel("trial")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel(f"{TITLES[result.monitor]} on validation clips")
    if result.monitor != "nll":
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(axis="y", color="#e6e6e6")
