"""Writes docs/reference-results.md: the reference systems as recipes, claimed and measured.

`--collect RUNS` first takes in the metrics.json of finished runs: RUNS/<recipe>/ for the recipe's
own protocol, RUNS/<recipe>-<alternative>/ for another. They are kept in
docs/results/references/, from which, with the recipes and the model files, the page is made.
`--time` times each model file on four seconds of noise and keeps that there as well.
"""

import argparse
import json
import shutil
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
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

RUNS = 30
"""Timed calls of a model; the median is kept."""


@dataclass(frozen=True)
class System:
    """A recipe with a claim, its measured runs by protocol, and its model file."""

    recipe: Recipe
    runs: Mapping[str, Mapping[str, Any]]
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
            name = f"{recipe.name}-{protocol}" if protocol else recipe.name
            found = options.collect / name / "metrics.json"
            if found.exists() and not json.loads(found.read_text())["note"]:
                shutil.copy(found, kept / f"{name}.json")


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
            path = kept / (f"{recipe.name}-{protocol}.json" if protocol else f"{recipe.name}.json")
            if path.exists():
                runs[protocol] = json.loads(path.read_text(encoding="utf-8"))
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
    return (
        f"Accuracy, with 95 % intervals from resampling speakers:\n\n{figures}\n"
        f"How each was split (test clips, of so many speakers):\n\n{splits}\n"
        f"What each costs:\n\n{costs}"
    )


def _claim(recipe: Recipe) -> str:
    assert recipe.claim is not None
    claimed = recipe.claim.accuracy
    return f"{100 * claimed:.1f} %" if claimed is not None else "none"


def _figure(system: System, protocol: str, metric: str) -> str:
    run = system.runs.get(protocol)
    if run is None:
        return "not run" if protocol in ("", *system.recipe.alternatives) else "-"
    found = run["metrics"][metric]
    return format_interval(metric, Interval(found["value"], found["low"], found["high"]))


def _split(system: System, protocol: str) -> str:
    run = system.runs.get(protocol)
    if run is None:
        return "-"
    folds = len({each["fold"] for each in run["folds"]})
    of = f", {folds} folds" if folds > 1 else ""
    return f"{run['protocol']}{of} ({run['clips']} of {run['speakers']})"


def _costs(system: System) -> list[str]:
    run = next(iter(system.runs.values()), None)
    if run is None:
        return ["not run"] * 4
    folds = [fold for each in system.runs.values() for fold in each["folds"]]
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
