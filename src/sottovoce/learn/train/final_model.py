"""The model that is given away: trained on every clip, with everything fixed beforehand."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sottovoce.errors import RecipeError, SottovoceError
from sottovoce.inference.uncertainty import least_confidence, threshold_bounds
from sottovoce.inference.window import pieces
from sottovoce.learn.data.dataset import Data
from sottovoce.learn.evaluate.calibration import apply_temperature, fit_temperature
from sottovoce.learn.evaluate.report import speaker_count
from sottovoce.learn.export.model_file import export_model
from sottovoce.learn.export.provenance import check_batches, corpora_of, today
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.registry import frontends
from sottovoce.learn.splits.folds import Fold
from sottovoce.learn.train.cross_validate import FoldResult, difference, keep_recipe
from sottovoce.learn.train.fit import fit_fold
from sottovoce.learn.train.history import LogLine, ReportProgress, no_progress
from sottovoce.learn.train.ranks import rank_of
from sottovoce.models.card import Calibration, Card, Figure, ProtocolInfo


@dataclass(frozen=True, slots=True)
class CrossValidationResult:
    """What a finished cross-validation of a recipe gives the final model and its card.

    Attributes:
        figures: means over its seeds, with their intervals.
        protocol: how they were measured.
        temperature: fitted on the out-of-fold logits of all clips and seeds.
        least_confidence: below which such an answer, with this temperature, is uncertain.
        epochs: to train the final model for.
    """

    figures: tuple[Figure, ...]
    protocol: ProtocolInfo
    temperature: float
    least_confidence: float
    epochs: int

    @classmethod
    def read(cls, folder: Path, recipe: Recipe) -> "CrossValidationResult":
        """Read the folder of a run.

        Raises:
            SottovoceError: no finished run is there, or it is of another recipe.
        """
        try:
            record = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
            kept = Recipe.load(folder / "recipe.toml")
        except (OSError, ValueError) as error:
            raise SottovoceError(
                f"{folder}: holds no finished cross-validation of {recipe.name} to take the "
                "figures and the temperature from; run sottovoce train without --final first"
            ) from error
        differs = difference(kept, recipe)
        if differs:
            raise SottovoceError(
                f"{folder}: its figures are of another recipe ({differs} differs); "
                "cross-validate this recipe first"
            )
        if record["note"]:
            raise SottovoceError(f"{folder}: {record['note']} Run all folds first")
        results = [
            FoldResult.read(folder / f"seed{fold['seed']}" / f"fold{fold['fold']}" / "logits.npz")
            for fold in record["folds"]
        ]
        logits = np.concatenate([result.logits for result in results])
        truth = np.concatenate([result.truth for result in results])
        temperature = fit_temperature(logits, truth)
        sure = np.exp(apply_temperature(logits, temperature)).max(axis=1)
        least = least_confidence(sure, logits.argmax(axis=1) == truth, logits.shape[1])
        folds = len({fold["fold"] for fold in record["folds"]})
        count = len(record["seeds"])
        note = (
            f"{_runs(count, folds)}, {record['clips']} clips of "
            f"{speaker_count(record['speakers'])}; {record['interval']}. The model in "
            "this file was trained afterwards on all clips with the same recipe, and was itself "
            "tested on none."
        )
        return cls(
            tuple(
                Figure(
                    metric=name,
                    value=interval["value"],
                    low=min(interval["low"], interval["value"]),
                    high=max(interval["high"], interval["value"]),
                    unit="nats" if name == "nll" else "fraction",
                )
                for name, interval in record["metrics"].items()
            ),
            ProtocolInfo(
                name=record["protocol"],
                seeds=tuple(record["seeds"]),
                folds=folds,
                optimistic=record["optimistic"],
                note=note,
            ),
            temperature,
            least,
            round(float(np.median([result.epoch for result in results]))),
        )


def check_exportable(recipe: Recipe) -> None:
    """See that a model file can hold what the recipe computes.

    Raises:
        RecipeError: its front end is computed by a package of its own.
    """
    if not frontends()[recipe.frontend.name].exportable:
        raise RecipeError(
            f"frontend.name: {recipe.frontend.name} is computed by a package of its own, which a "
            "model file cannot hold; cross-validate with it, or choose another front end"
        )


def train_final(
    data: Data,
    folder: Path,
    measured: CrossValidationResult | None,
    device: torch.device,
    log: LogLine,
    report: ReportProgress = no_progress,
) -> Path:
    """Train on every clip with the recipe's first seed, and write the model file.

    Args:
        data: the recipe and its clips.
        folder: of the run; the training is kept in `final`, the file is `<recipe's name>.onnx`.
        measured: without it the card has no figures.
        device: to train on.
        log: gets a line an epoch.
        report: gets the progress.

    Returns:
        The path of the model file; rank 0 writes it.

    Raises:
        RecipeError: see `check_exportable`; nothing was trained.
    """
    recipe = data.recipe
    check_exportable(recipe)
    keep_recipe(folder, recipe)
    fitted = fit_fold(
        data,
        Fold("all", tuple(range(len(data.clips))), (), ()),
        (recipe.seeds[0], 0),
        folder / "final",
        device,
        title="final model",
        log=log,
        report=report,
        max_epochs=measured.epochs if measured else None,
    )
    path = folder / f"{recipe.name}.onnx"
    if rank_of(recipe.training):
        return path
    rows = np.random.default_rng(0).permutation(len(data.clips))[:40]
    audio = [
        piece
        for row in rows
        for piece in pieces(data.store.audio(row), recipe.window, data.store.speech(row))
    ]
    checks = check_batches(np.concatenate(audio), recipe.window, recipe.sample_rate)
    card = make_card(data, measured)
    export_model(fitted.classifier, card, path, checks, fp16=recipe.weights == "float16")
    log(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return path


def make_card(data: Data, measured: CrossValidationResult | None) -> Card:
    """Write the card of a final model."""
    recipe = data.recipe
    calibration = Calibration(method="none", temperature=1.0, fitted_on="nobody")
    if measured:
        calibration = Calibration(
            method="temperature",
            temperature=measured.temperature,
            fitted_on="the out-of-fold logits of every clip in cross-validation",
        )
    return Card(
        schema_version=2,
        name=recipe.name,
        version=recipe.version,
        description=recipe.description,
        labels=recipe.emotions,
        sample_rate=recipe.sample_rate,
        window=recipe.window,
        min_confidence=_min_confidence(recipe, measured),
        calibration=calibration,
        corpora=corpora_of(data.clips),
        protocol=measured.protocol if measured else _unmeasured(),
        figures=measured.figures if measured else (),
        language=", ".join(sorted({clip.language for clip in data.clips if clip.language})),
        limits=recipe.limits,
        licence=recipe.licence,
        recipe=recipe.text,
        created=today(),
    )


def _min_confidence(recipe: Recipe, measured: CrossValidationResult | None) -> float:
    """The recipe's own, or what was measured, or for want of it the lowest there is."""
    if recipe.min_confidence is not None:
        return recipe.min_confidence
    return measured.least_confidence if measured else threshold_bounds(len(recipe.emotions))[0]


def _runs(seeds: int, folds: int) -> str:
    """In words, what the figures are of: "Means over 3 seeds of 6 folds", "One seed, one split"."""
    parts = "one split" if folds == 1 else f"{folds} folds"
    return f"One seed, {parts}" if seeds == 1 else f"Means over {seeds} seeds of {parts}"


def _unmeasured() -> ProtocolInfo:
    return ProtocolInfo(name="none", seeds=(), folds=0, optimistic=False, note="Not measured.")
