"""Works out every accuracy figure of the documents again, from the predictions kept beside it.

Each recipe's out-of-fold predictions lie in docs/results/<recipe>/seed<k>.csv: a run's
seed<k>/predictions.csv, copied. Nothing is trained here; `--train` says how they were made. Where a
file untouched.txt lies beside them, it names the speakers, one a line, on whom nothing was ever
chosen while the recipe was designed; their UAR is given apart.
"""

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sottovoce.errors import SottovoceError
from sottovoce.learn.evaluate.intervals import Interval, intervals
from sottovoce.learn.evaluate.metrics import LabelledPredictions, compute_metrics
from sottovoce.learn.evaluate.report import (
    OPTIMISTIC,
    TITLES,
    confusion_and_reliability,
    format_interval,
    markdown_table,
)

ROOT = Path(__file__).resolve().parents[1]
APART = "uar of the untouched speakers"
BEGIN, END = "<!-- accuracy.py: begin -->", "<!-- accuracy.py: end -->"


@dataclass(frozen=True)
class Result:
    """A recipe, and its models' predictions for clips that they did not train on, by seed."""

    recipe: Mapping[str, Any]
    runs: Mapping[int, LabelledPredictions]
    measured: Mapping[str, Interval]
    untouched: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The recipe's name."""
        return str(self.recipe["name"])

    @property
    def protocol(self) -> str:
        """Name of the protocol, with a note where it is optimistic."""
        name = self.recipe["protocol"]["name"]
        return f"{name} ({OPTIMISTIC})" if name == "random" else str(name)

    @property
    def size(self) -> tuple[str, str]:
        """Number of speakers, number of clips."""
        run = next(iter(self.runs.values()))
        return str(len(set(run.speakers))), str(len(run.clips))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line: 0 done, 1 the document differs, 2 something is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="*", help="names of recipes; all with results if none")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    parser.add_argument("--draws", type=int, default=10_000, help="draws of speakers")
    todo = parser.add_mutually_exclusive_group()
    todo.add_argument(
        "--write",
        action="store_true",
        help="put them into docs/results.md and beside the models",
    )
    todo.add_argument("--check", action="store_true", help="fail if those documents differ")
    todo.add_argument("--train", action="store_true", help="print the commands that made them")
    options = parser.parse_args(arguments)
    try:
        return run(options)
    except SottovoceError as error:
        print(f"accuracy.py: {error}", file=sys.stderr)
        return 2


def run(options: argparse.Namespace) -> int:
    """Do what the options ask, and give the exit status."""
    if options.recipes and (options.write or options.check):
        raise SottovoceError("the documents hold every recipe: name none with --write or --check")
    folders = sorted({path.parent for path in options.root.glob("docs/results/*/seed*.csv")})
    folders = [folder for folder in folders if folder.name in (options.recipes or [folder.name])]
    if not folders or len(folders) < len(options.recipes):
        raise SottovoceError(
            f"found results of {[folder.name for folder in folders]} in "
            f"{options.root}/docs/results; expected <recipe>/seed<k>.csv for "
            f"{options.recipes or 'one recipe or more'}"
        )
    results = [read_result(folder, options) for folder in folders]
    if options.train:
        for result in results:
            print(train_command(result))
        return 0
    texts = {"docs/results.md": render(results)}
    if not (options.write or options.check):
        print(texts["docs/results.md"])
        return 0
    differ = [name for name, text in texts.items() if not put(options.root / name, text, options)]
    differ += [result.name for result in results if not put_beside(result, options)]
    for name in differ:
        print(f"{name} differs from the predictions; run {Path(__file__).name} --write")
    return 1 if differ else 0


def put(document: Path, text: str, options: argparse.Namespace) -> bool:
    """Put a text between the marks of a document, or say whether it stands there already."""
    before = document.read_text(encoding="utf-8") if document.exists() else ""
    if before.count(BEGIN) != 1 or before.count(END) != 1:
        raise SottovoceError(f"{document}: expected the lines {BEGIN} and {END}, once each")
    pattern = f"{re.escape(BEGIN)}.*?{re.escape(END)}"
    after = re.sub(pattern, lambda _: f"{BEGIN}\n\n{text}\n{END}", before, flags=re.DOTALL)
    if options.write:
        document.write_text(after, encoding="utf-8")
    return bool(options.write or after == before)


def put_beside(result: Result, options: argparse.Namespace) -> bool:
    """Put what the app draws beside a built-in model, or say whether it stands there already."""
    model = options.root / "models" / f"{result.name}.onnx"
    if not model.exists():
        return True
    runs = list(result.runs.values())
    facts = {"name": result.name, "protocol": result.recipe["protocol"]["name"]}
    record = facts | {"labels": list(runs[0].labels)} | confusion_and_reliability(runs)
    text, file = json.dumps(record) + "\n", model.with_suffix(".json")
    if options.write:
        file.write_text(text, encoding="utf-8")
    return file.exists() and file.read_text(encoding="utf-8") == text


def read_result(folder: Path, options: argparse.Namespace) -> Result:
    """Read one recipe and the predictions of its seeds, and measure them."""
    path = options.root / "recipes" / f"{folder.name}.toml"
    if not path.exists():
        raise SottovoceError(f"{folder}: no {path} to say how these predictions were made")
    recipe = tomllib.loads(path.read_text(encoding="utf-8"))
    seeds = {int(path.stem.removeprefix("seed")): path for path in folder.glob("seed*.csv")}
    runs = {seed: LabelledPredictions.from_csv(seeds[seed]) for seed in sorted(seeds)}
    measured = intervals(list(runs.values()), draws=options.draws)
    names = folder / "untouched.txt"
    if not names.exists():
        return Result(recipe, runs, measured)
    untouched = tuple(names.read_text(encoding="utf-8").split())
    strangers = set(untouched) - set(next(iter(runs.values())).speakers)
    if strangers:
        raise SottovoceError(f"{names}: names {min(strangers)}, of whom there is no prediction")
    parts = [run.take(np.flatnonzero(np.isin(run.speakers, untouched))) for run in runs.values()]
    apart = intervals(parts, draws=options.draws)["uar"]
    return Result(recipe, runs, {**measured, APART: apart}, untouched)


def train_command(result: Result) -> str:
    """Give the command whose run leaves these predictions."""
    noisy = result.recipe.get("augment", {}).get("noise", 0) > 0
    folders = [*result.recipe["corpora"], *(["noise"] if noisy else [])]
    data = " ".join(f"--data {name}=DIR" for name in folders)
    return f"sottovoce train recipes/{result.name}.toml {data}"


def render(results: list[Result]) -> str:
    """Write the tables: all recipes side by side, then each one's seeds and classes."""
    return "\n".join([overview(results), *(detail(result) for result in results)])


def overview(results: list[Result]) -> str:
    """Write one table with a row a recipe."""
    return markdown_table(
        ["recipe", "protocol", "speakers", "clips", "seeds", *TITLES.values()],
        [
            [
                result.name,
                result.protocol,
                *result.size,
                str(len(result.runs)),
                *(format_interval(name, result.measured[name]) for name in TITLES),
            ]
            for result in results
        ],
    )


def detail(result: Result) -> str:
    """Write one recipe's command, UAR by seed and recall by class."""
    uars = ", ".join(f"{100 * compute_metrics(run)['uar']:.1f} %" for run in result.runs.values())
    apart = ""
    if result.untouched:
        apart = (
            f"UAR of the {len(result.untouched)} speakers on whom nothing was chosen "
            f"({', '.join(result.untouched)}): "
            f"{format_interval('uar', result.measured[APART])}.\n\n"
        )
    recalls = [
        [name.removeprefix("recall_"), format_interval(name, interval)]
        for name, interval in result.measured.items()
        if name.startswith("recall_")
    ]
    return (
        f"### {result.name}\n\n```\n{train_command(result)}\n```\n\n"
        f"UAR of each seed: {uars}.\n\n{apart}{markdown_table(['class', 'recall'], recalls)}"
    )


if __name__ == "__main__":
    sys.exit(main())
