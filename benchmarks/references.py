"""Writes docs/reference-results.md: the reference systems as recipes, claimed and measured.

`--collect RUNS` first takes in the metrics.json of finished runs: RUNS/<recipe>/ for the recipe's
own protocol, RUNS/<recipe>-<alternative>/ for another, and either with -seed<k> at the end for a
run of one seed more (`sottovoce train --seed K`). They are kept in docs/results/references/, from
which, with the recipes and the model files, the page is made. `--time` times each model file on
four seconds of noise and keeps that there as well.
"""

import argparse
import json
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accuracy import ROOT, put

from sottovoce.errors import SottovoceError
from sottovoce.learn.evaluate.intervals import Interval
from sottovoce.learn.evaluate.report import format_interval, markdown_table
from sottovoce.learn.recipe.recipe import Recipe

PAGE = "docs/reference-results.md"
KEPT = "docs/results/references"
TIMES = "times.json"
COLUMNS = {
    "claimed": "authors' split",
    "": "speakers apart",
    "leaking": "their shares, speakers mixed",
}
"""Name of a recipe's protocol ("" its own) -> heading."""

FOLDS = "folds"
"""Name of the protocol whose folds are repetitions of one another: random folds of clips."""

Record = Mapping[str, Any]
"""What metrics.json of a run holds."""

RUNS = 30
"""Timed calls of a model; the median is kept."""


@dataclass(frozen=True)
class System:
    """A recipe with a claim, its measured runs by protocol, and its model file."""

    recipe: Recipe
    runs: Mapping[str, Sequence[Record]]
    size: int | None
    milliseconds: float | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line: 0 done, 1 the page differs, 2 something is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    parser.add_argument("--collect", type=Path, metavar="RUNS", help="take in finished runs")
    parser.add_argument("--time", action="store_true", help="time the model files")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE}")
    options = parser.parse_args(arguments)
    try:
        if options.collect:
            collect(options)
        if options.time:
            time_models(options.root)
        systems = read(options.root)
        text = render(systems)
        if not options.write:
            print(text)
        same = put(options.root / PAGE, text, options)
    except SottovoceError as error:
        print(f"references.py: {error}", file=sys.stderr)
        return 2
    if not same:
        print(f"{PAGE} differs from the kept runs; run references.py --write")
    return 0 if same else 1


def claimed_recipes(root: Path) -> list[Recipe]:
    """Give the recipes that have a claim, in order of name."""
    recipes = [Recipe.load(path) for path in sorted(root.glob("recipes/*.toml"))]
    return [recipe for recipe in recipes if recipe.claim is not None]


def collect(options: argparse.Namespace) -> None:
    """Keep the metrics.json of each finished run of a recipe with a claim."""
    kept = options.root / KEPT
    kept.mkdir(parents=True, exist_ok=True)
    for recipe in claimed_recipes(options.root):
        for protocol in ("", *recipe.alternatives):
            name = _name(recipe, protocol)
            for found in options.collect.glob(f"{name}*/metrics.json"):
                folder = found.parent.name
                if folder != name and not folder.startswith(f"{name}-seed"):
                    continue  # another recipe's, or another protocol's
                if not json.loads(found.read_text())["note"]:
                    shutil.copy(found, kept / f"{folder}.json")


def time_models(root: Path) -> None:
    """Time every model file on one thread; keep ms for four seconds of sound."""
    import numpy as np

    from sottovoce import load

    models = {path.stem: load(path) for path in sorted(root.glob("models/*.onnx"))}
    taken: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(RUNS + 1):  # in turns, so that a slow moment of the machine falls on all
        for name, model in models.items():
            noise = np.random.default_rng(0).normal(0, 0.1, (1, 4 * model.card.sample_rate))
            start = time.perf_counter()
            model.probabilities(noise)
            if turn:  # the first warms up
                taken[name].append(time.perf_counter() - start)
    times = {name: round(1000 * statistics.median(each), 1) for name, each in taken.items()}
    kept = root / KEPT / TIMES
    kept.write_text(json.dumps(times, indent=2) + "\n", encoding="utf-8")


def read(root: Path) -> list[System]:
    """Put together what is known of each recipe with a claim."""
    kept = root / KEPT
    times = json.loads((kept / TIMES).read_text()) if (kept / TIMES).exists() else {}
    systems = []
    for recipe in claimed_recipes(root):
        runs = {}
        for protocol in ("", *recipe.alternatives):
            name = _name(recipe, protocol)
            paths = [*kept.glob(f"{name}.json"), *sorted(kept.glob(f"{name}-seed*.json"))]
            if paths:
                runs[protocol] = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
                seeds = [seed for run in runs[protocol] for seed in run["seeds"]]
                if len(set(seeds)) < len(seeds):
                    raise SottovoceError(
                        f"{kept}: the runs {name} have a seed twice ({sorted(seeds)}); keep one"
                    )
        model = root / "models" / f"{recipe.name}.onnx"
        size = model.stat().st_size if model.exists() else None
        systems.append(System(recipe, runs, size, times.get(recipe.name)))
    if not systems:
        raise SottovoceError(f"{root}/recipes: no recipe with a [claim] to write about")
    return systems


def render(systems: Sequence[System]) -> str:
    """Write the two tables: figures, and costs."""
    figures = markdown_table(
        ["recipe", "claimed accuracy", *COLUMNS.values(), "UAR, speakers apart"],
        [
            [
                system.recipe.name,
                _claim(system.recipe),
                *(_figure(system, protocol, "accuracy") for protocol in COLUMNS),
                _figure(system, "", "uar"),
            ]
            for system in systems
        ],
    )
    costs = markdown_table(
        ["recipe", "parameters", "model file", "training of a fold", "4 s clip, one thread"],
        [[system.recipe.name, *_costs(system)] for system in systems],
    )
    splits = markdown_table(
        ["recipe", "corpora", *COLUMNS.values()],
        [
            [
                system.recipe.name,
                ", ".join(system.recipe.corpora),
                *(_split(system, protocol) for protocol in COLUMNS),
            ]
            for system in systems
        ],
    )
    rows = [row for system in systems for row in _repeated(system)]
    spread = markdown_table(["recipe", "split", "runs", "mean (SD)", "each"], rows)
    several = "; of several runs the means of the figures and of the intervals' ends"
    return (
        f"Accuracy, with 95 % intervals from resampling speakers{several if rows else ''}:"
        f"\n\n{figures}\n"
        + (f"Where there are several runs, the accuracy of each:\n\n{spread}\n" if rows else "")
        + f"How each was split (test clips, of so many speakers):\n\n{splits}\n"
        f"What each costs:\n\n{costs}"
    )


def _claim(recipe: Recipe) -> str:
    assert recipe.claim is not None
    claimed = recipe.claim.accuracy
    return f"{100 * claimed:.1f} %" if claimed is not None else "none"


def _name(recipe: Recipe, protocol: str) -> str:
    return f"{recipe.name}-{protocol}" if protocol else recipe.name


def _figure(system: System, protocol: str, metric: str) -> str:
    runs = system.runs.get(protocol)
    if runs is None:
        return "not run" if protocol in ("", *system.recipe.alternatives) else "-"
    weights = [len(run["metrics"][metric]["seeds"]) for run in runs]
    ends = (
        sum(weight * run["metrics"][metric][end] for weight, run in zip(weights, runs, strict=True))
        for end in ("value", "low", "high")
    )
    return format_interval(metric, Interval(*(end / sum(weights) for end in ends)))


def _repeated(system: System) -> Iterator[list[str]]:
    """Give a row for each protocol that was run several times, or whose folds say how it varies."""
    for protocol, runs in system.runs.items():
        values = [value for run in runs for value in run["metrics"]["accuracy"]["seeds"]]
        kind = "seeds"
        if protocol == FOLDS:
            values, kind = [fold["accuracy"] for run in runs for fold in run["folds"]], "folds"
        if len(values) > 1:
            mean, spread = statistics.mean(values), statistics.stdev(values)
            yield [
                system.recipe.name,
                COLUMNS.get(protocol, runs[0]["protocol"]),
                f"{len(values)} {kind}",
                f"{100 * mean:.1f} % ({100 * spread:.1f})",
                ", ".join(f"{100 * value:.1f}" for value in values),
            ]


def _split(system: System, protocol: str) -> str:
    run = next(iter(system.runs.get(protocol, ())), None)
    if run is None:
        return "-"
    folds = len({each["fold"] for each in run["folds"]})
    of = f", {folds} folds" if folds > 1 else ""
    return f"{run['protocol']}{of} ({run['clips']} of {run['speakers']})"


def _costs(system: System) -> list[str]:
    folds = [fold for runs in system.runs.values() for run in runs for fold in run["folds"]]
    if not folds:
        return ["not run"] * 4
    parameters = statistics.median(fold["parameters"] for fold in folds)
    seconds = statistics.median(fold["seconds"] for fold in folds)
    epochs = statistics.median(fold["epochs"] for fold in folds)
    return [
        f"{parameters:,.0f}",
        f"{system.size / 1e6:.1f} MB" if system.size else "-",
        _training(seconds, epochs),
        f"{system.milliseconds:.1f} ms" if system.milliseconds else "-",
    ]


def _training(seconds: float, epochs: float) -> str:
    if epochs <= 1:  # nothing was learned in steps
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min, {epochs:.0f} epochs of {seconds / epochs:.1f} s"


if __name__ == "__main__":
    sys.exit(main())
