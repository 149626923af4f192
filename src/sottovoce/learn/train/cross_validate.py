"""A recipe's cross-validation: every fold with every seed, in a folder from which it can go on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sottovoce.errors import CorpusError, SottovoceError
from sottovoce.learn.data.batches import WholeClips
from sottovoce.learn.data.dataset import Data
from sottovoce.learn.evaluate.calibration import apply_temperature, fit_temperature
from sottovoce.learn.evaluate.intervals import Interval
from sottovoce.learn.evaluate.metrics import Predictions, metrics
from sottovoce.learn.evaluate.plots import Curve
from sottovoce.learn.evaluate.report import Effort, Run, SeedRun, write_report
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.splits.folds import Fold, Split
from sottovoce.learn.splits.leaks import check_leaks
from sottovoce.learn.splits.protocols import make_split
from sottovoce.learn.train.classifier import judge
from sottovoce.learn.train.fit import train
from sottovoce.learn.train.history import curve, read_history
from sottovoce.learn.train.lightning_module import Job

Say = Callable[[str], None]
"""Called with one line for people."""

WORDS = {
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
"""Keys of a recipe that change nothing in what is trained."""


@dataclass(frozen=True, slots=True)
class FoldResult:
    """What a finished fold leaves behind, in logits.npz.

    Attributes:
        clips: (n,) names of the test clips.
        truth: (n,) index of the emotion.
        logits: (n, classes) of the test clips, before any temperature.
        temperature: fitted on the inner validation speakers; 1 where there are none.
        epoch: how many epochs the weights had seen.
        parameters: numbers that were learned.
    """

    clips: NDArray[np.str_]
    truth: NDArray[np.int64]
    logits: NDArray[np.float64]
    temperature: float
    epoch: int
    parameters: int

    @classmethod
    def read(cls, path: Path) -> "FoldResult":
        """Read logits.npz."""
        with np.load(path) as file:
            return cls(
                file["clips"],
                file["truth"],
                file["logits"],
                float(file["temperature"]),
                int(file["epoch"]),
                int(file["parameters"]),
            )


def open_folder(folder: Path, recipe: Recipe, *, resume: bool) -> None:
    """Make a run folder with the recipe in it, or check that an old one is of this recipe.

    Raises:
        SottovoceError: the folder is there and `resume` is False, or it is of another experiment.
    """
    kept = folder / "recipe.toml"
    if kept.exists():
        if not resume:
            raise SottovoceError(
                f"{folder}: there is a run here already; add --resume to go on with it, "
                "or name another folder with --out"
            )
        differs = difference(Recipe.load(kept), recipe)
        if differs:
            raise SottovoceError(
                f"{folder}: this run is of another recipe ({differs} differs); "
                "name another folder with --out"
            )
    folder.mkdir(parents=True, exist_ok=True)
    kept.write_text(recipe.text, encoding="utf-8")


def difference(one: Recipe, other: Recipe) -> str:
    """Name the first key that makes two recipes different experiments; "" where none does."""
    first, second = (recipe.model_dump(exclude=WORDS) for recipe in (one, other))
    for key, value in first.items():
        if value != second[key]:
            if isinstance(value, dict) and isinstance(second[key], dict):
                inner = [k for k in value | second[key] if value.get(k) != second[key].get(k)]
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
    say: Say,
) -> Mapping[str, Interval]:
    """Train and test every fold with every seed, but for those that are finished; report.

    Args:
        data: the recipe and its clips.
        folder: of the run; see `open_folder`.
        seeds: one whole cross-validation each.
        folds: numbers of the folds, from 1; all of them if None.
        device: to train on.
        say: told how it goes.

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
    results = []
    for seed, split in splits.items():
        check_leaks(split, data.clips)
        for number, fold in chosen[seed].items():
            run_fold(
                data, fold, number, seed, folder / f"seed{seed}" / f"fold{number}", device, say
            )
        results.append(_gather(data, seed, chosen[seed], folder))
    total = len(splits[seeds[0]].folds)
    ran = len(chosen[seeds[0]])
    run = Run(
        name=recipe.name,
        protocol=recipe.protocol.name,
        optimistic=any(split.optimistic for split in splits.values()),
        seeds=tuple(results),
        note="" if ran == total else f"Only {ran} of {total} folds were run.",
        criteria=recipe.criteria,
    )
    return write_report(folder, run)


def run_fold(
    data: Data, fold: Fold, number: int, seed: int, folder: Path, device: torch.device, say: Say
) -> FoldResult:
    """Train one fold and test it, unless that is done."""
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
        say(f"{title}: finished before")
        return result
    folder.mkdir(parents=True, exist_ok=True)
    recipe = data.recipe
    validation = data.examples(fold.validation) if fold.validation else None
    job = Job(
        recipe, title, (seed, number), folder, data.examples(fold.train), validation, data.noise
    )
    trained = train(job, device, say)
    temperature = 1.0
    if validation is not None:
        logits = judge(trained.classifier, WholeClips(validation, recipe.window), device)
        temperature = fit_temperature(logits, validation.targets)
    test = data.examples(fold.test)
    logits = judge(trained.classifier, WholeClips(test, recipe.window), device)
    result = FoldResult(
        names,
        np.array(test.targets),
        logits,
        temperature,
        trained.epoch,
        trained.classifier.learned,
    )
    draft = folder / "logits.part.npz"
    np.savez_compressed(
        draft,
        clips=result.clips,
        truth=result.truth,
        logits=result.logits,
        temperature=result.temperature,
        epoch=result.epoch,
        parameters=result.parameters,
    )
    draft.replace(finished)
    uar = metrics(_predictions(data, list(fold.test), result))["uar"]
    say(f"{title}: UAR {uar:.1%}, temperature {temperature:.2f}")
    return result


def _predictions(data: Data, rows: Sequence[int], *results: FoldResult) -> Predictions:
    """The calibrated predictions of test clips; `rows` are those of the results, in order."""
    calibrated = [apply_temperature(each.logits, each.temperature) for each in results]
    return Predictions(
        np.concatenate([each.truth for each in results]),
        np.concatenate(calibrated),
        np.array([data.clips[row].speaker for row in rows]),
        np.concatenate([each.clips for each in results]),
        data.recipe.emotions,
    )


def _gather(data: Data, seed: int, folds: Mapping[int, Fold], folder: Path) -> SeedRun:
    """Put the folds of a seed together."""
    results, curves = [], []
    efforts: dict[str, Effort] = {}
    rows: list[int] = []
    places: dict[str, range] = {}
    for number, fold in folds.items():
        home = folder / f"seed{seed}" / f"fold{number}"
        results.append(FoldResult.read(home / "logits.npz"))
        places[str(number)] = range(len(rows), len(rows) + len(fold.test))
        rows += fold.test
        history = read_history(home / "history.csv")
        efforts[str(number)] = Effort(
            epochs=len(history),
            seconds=round(sum(row["seconds"] for row in history), 1),
            parameters=results[-1].parameters,
        )
        curves.append(
            Curve(
                seed,
                str(number),
                curve(history, "train_loss"),
                curve(history, "validation_nll"),
                curve(history, "validation_uar"),
            )
        )
    predictions = _predictions(data, rows, *results)
    return SeedRun(seed, predictions, places, tuple(curves), efforts)


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
