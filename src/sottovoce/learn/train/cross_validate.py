"""A recipe's cross-validation: every fold with every seed, in a folder from which it can go on."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sottovoce.errors import CorpusError, SottovoceError
from sottovoce.learn.data.dataset import Data
from sottovoce.learn.evaluate.calibration import apply_temperature, fit_temperature
from sottovoce.learn.evaluate.intervals import Interval
from sottovoce.learn.evaluate.metrics import LabelledPredictions, compute_metrics
from sottovoce.learn.evaluate.plots import LearningCurve
from sottovoce.learn.evaluate.report import Run, SeedRun, TrainingCost, write_report
from sottovoce.learn.reading import reading
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.splits.folds import Fold, Split
from sottovoce.learn.splits.leaks import check_leaks
from sottovoce.learn.splits.protocols import make_split
from sottovoce.learn.train.fit import fit_fold
from sottovoce.learn.train.history import COLUMNS, LogLine, ReportProgress, no_progress
from sottovoce.learn.train.ranks import rank_of
from sottovoce.system import write_atomically

NOT_TRAINED = {
    "name",
    "description",
    "limits",
    "licence",
    "seeds",
    "version",
    "min_confidence",
    "weights",
    "criteria",
    "claim",
    "search",
    "alternatives",
}
"""Keys of a recipe that change nothing in training."""


@dataclass(frozen=True, slots=True)
class FoldResult:
    """A finished fold, as logits.npz holds it.

    Attributes:
        clips: (n,) names of the test clips.
        truth: (n,) index of the emotion.
        logits: (n, classes) of the test clips, before any temperature.
        temperature: fitted on the inner validation clips; 1 where there are none.
        epoch: how many epochs the weights had seen.
        num_parameters: trained weights.
        history: (epochs, columns) the columns of history.csv.
    """

    clips: NDArray[np.str_]
    truth: NDArray[np.int64]
    logits: NDArray[np.float64]
    temperature: float
    epoch: int
    num_parameters: int
    history: NDArray[np.float64]

    @classmethod
    def read(cls, path: Path) -> "FoldResult":
        """Read logits.npz.

        Raises:
            SottovoceError: it was cut short, or is something else.
        """
        remedy = "delete it, and --resume trains its fold again"
        with reading(path, remedy), path.open("rb") as content, np.load(content) as file:
            return cls(
                file["clips"],
                file["truth"],
                file["logits"],
                float(file["temperature"]),
                int(file["epoch"]),
                int(file["num_parameters"]),
                file["history"],
            )

    def write(self, path: Path) -> None:
        """Write logits.npz."""
        file = io.BytesIO()
        np.savez_compressed(file, **{name: getattr(self, name) for name in self.__slots__})
        write_atomically(path, file.getvalue())

    def column(self, name: str) -> tuple[float, ...]:
        """One column of the history, a value an epoch."""
        return tuple(self.history[:, COLUMNS.index(name)].tolist())


def check_folder(folder: Path, recipe: Recipe, *, resume: bool, search: bool = False) -> None:
    """Check that a run of this recipe, or a search, may be begun in a folder, or go on there.

    Raises:
        SottovoceError: one is there and `resume` is False, or it is of another recipe.
    """
    kept = folder / "recipe.toml"
    if rank_of(recipe.training) or not kept.exists():
        return
    what = "search" if search else "run"
    if not resume:
        raise SottovoceError(
            f"{folder}: there is a {what} here already; add --resume to go on with it, "
            "or name another folder with --out"
        )
    differs = difference(Recipe.load(kept), recipe, search=search)
    if differs:
        raise SottovoceError(
            f"{folder}: this {what} is of another recipe ({differs} differs); "
            "name another folder with --out"
        )


def keep_recipe(folder: Path, recipe: Recipe) -> None:
    """Make the folder of a run, with the recipe in it."""
    if not rank_of(recipe.training):
        write_atomically(folder / "recipe.toml", recipe.text)


def difference(recipe_a: Recipe, recipe_b: Recipe, *, search: bool = False) -> str:
    """Name the first key that makes two recipes different experiments; "" where none does.

    With `search`, also one that makes them different searches; more trials do not.
    """
    a, b = (recipe.model_dump(exclude=NOT_TRAINED) for recipe in (recipe_a, recipe_b))
    if search:
        for settings, recipe in ((a, recipe_a), (b, recipe_b)):
            settings["seeds"] = recipe.seeds[:1]
            settings |= recipe.model_dump(include={"search"}, exclude={"search": {"trials"}})
    for key, value in a.items():
        if value != b[key]:
            if isinstance(value, dict) and isinstance(b[key], dict):
                inner = [k for k in value | b[key] if value.get(k) != b[key].get(k)]
                return f"{key}.{inner[0]}"
            return key
    return ""


def cross_validate(
    data: Data,
    folder: Path,
    *,
    seeds: Sequence[int],
    folds: Sequence[int] | None = None,
    device: torch.device,
    log: LogLine,
    report: ReportProgress = no_progress,
) -> Mapping[str, Interval]:
    """Train and test every fold with every seed, but for those that are finished; report.

    Args:
        data: the recipe and its clips.
        folder: of the run; nothing is made before the split is known to be sound.
        seeds: one whole cross-validation each.
        folds: numbers of the folds, from 1; all of them if None.
        device: to train on.
        log: gets a line an epoch and a line a fold.
        report: gets the progress of each training.

    Returns:
        The figures of the report; none but on rank 0, which writes it.

    Raises:
        CorpusError: the protocol tests nobody, or the split leaks.
        SottovoceError: there is no fold of a number, or a training failed.
    """
    recipe = data.recipe
    splits = {seed: make_split(recipe.protocol, data.clips, seed) for seed in seeds}
    chosen = {seed: choose_folds(split, folds) for seed, split in splits.items()}
    tested = [sorted(i for fold in group.values() for i in fold.test) for group in chosen.values()]
    if not tested[0]:
        raise CorpusError(
            f"protocol {recipe.protocol.name} tests nobody: nothing to cross-validate"
        )
    if any(rows != tested[0] for rows in tested):
        raise SottovoceError(
            "these folds hold other clips for each seed; run all folds, or one seed at a time"
        )
    for split in splits.values():
        check_leaks(split, data.clips)
    keep_recipe(folder, recipe)
    seed_runs = []
    for seed, group in chosen.items():
        results = {
            number: run_fold(data, fold, number, seed, folder, device, log, report)
            for number, fold in group.items()
        }
        seed_runs.append(_seed_run(data, seed, group, results))
    total = len(splits[seeds[0]].folds)
    count = len(chosen[seeds[0]])
    run = Run(
        name=recipe.name,
        protocol=recipe.protocol.name,
        optimistic=any(split.optimistic for split in splits.values()),
        seeds=tuple(seed_runs),
        note="" if count == total else f"Only {count} of {total} folds were run.",
        criteria=recipe.criteria,
    )
    return {} if rank_of(recipe.training) else write_report(folder, run)


def run_fold(
    data: Data,
    fold: Fold,
    number: int,
    seed: int,
    run_folder: Path,
    device: torch.device,
    log: LogLine,
    report: ReportProgress = no_progress,
) -> FoldResult:
    """Train one fold and test it, unless that is done; see `cross_validate`."""
    folder = run_folder / f"seed{seed}" / f"fold{number}"
    finished = folder / "logits.npz"
    title = f"seed {seed}, fold {number}"
    names = np.array([data.name(row) for row in fold.test])
    if finished.exists():
        result = FoldResult.read(finished)
        if not np.array_equal(result.clips, names):
            raise SottovoceError(
                f"{finished}: is of other clips than those given now; "
                "give the corpora of that run, or name another folder with --out"
            )
        log(f"{title}: finished before")
        return result
    fitted = fit_fold(
        data, fold, (seed, number), folder, device, title=title, log=log, report=report
    )
    temperature = 1.0
    if fold.validation:
        truth = data.examples(fold.validation).targets
        temperature = fit_temperature(fitted.validation_logits, truth)
    result = FoldResult(
        names,
        np.array(data.examples(fold.test).targets),
        fitted.test_logits,
        temperature,
        fitted.epoch,
        fitted.classifier.num_parameters,
        np.array([[epoch[name] for name in COLUMNS] for epoch in fitted.history]),
    )
    if not rank_of(data.recipe.training):
        result.write(finished)
    uar = compute_metrics(_predictions(data, fold.test, result))["uar"]
    log(f"{title}: UAR {uar:.1%}, temperature {temperature:.2f}")
    return result


def _predictions(data: Data, rows: Sequence[int], *results: FoldResult) -> LabelledPredictions:
    """The calibrated predictions of test clips; `rows` are those of the results, in order."""
    return LabelledPredictions(
        np.concatenate([result.truth for result in results]),
        np.concatenate([apply_temperature(r.logits, r.temperature) for r in results]),
        np.array([data.clips[row].speaker for row in rows]),
        np.concatenate([result.clips for result in results]),
        data.recipe.emotions,
    )


def _seed_run(
    data: Data, seed: int, folds: Mapping[int, Fold], results: Mapping[int, FoldResult]
) -> SeedRun:
    """Put the folds of a seed together."""
    curves = []
    costs: dict[str, TrainingCost] = {}
    rows: list[int] = []
    rows_of_fold: dict[str, range] = {}
    for number, result in results.items():
        test = folds[number].test
        rows_of_fold[str(number)] = range(len(rows), len(rows) + len(test))
        rows += test
        costs[str(number)] = TrainingCost(
            epochs=len(result.history),
            seconds=round(sum(result.column("seconds")), 1),
            num_parameters=result.num_parameters,
        )
        curves.append(
            LearningCurve(
                seed,
                str(number),
                result.column("train_loss"),
                result.column("validation_nll"),
                result.column("validation_uar"),
            )
        )
    predictions = _predictions(data, rows, *results.values())
    return SeedRun(seed, predictions, rows_of_fold, tuple(curves), costs)


def choose_folds(split: Split, folds: Sequence[int] | None) -> dict[int, Fold]:
    """Give folds by number, from 1; all of them if None.

    Raises:
        SottovoceError: there is no fold of a number.
    """
    count = len(split.folds)
    numbers = range(1, count + 1) if folds is None else sorted(set(folds))
    wrong = [number for number in numbers if not 1 <= number <= count]
    if wrong:
        raise SottovoceError(
            f"fold {wrong[0]}: protocol {split.protocol} has folds 1 to {count} here"
        )
    return {number: split.folds[number - 1] for number in numbers}
