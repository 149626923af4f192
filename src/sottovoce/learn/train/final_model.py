"""The model that is given away: trained on every clip, with everything fixed beforehand."""

import datetime
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sottovoce.errors import RecipeError, SottovoceError
from sottovoce.inference.window import pieces
from sottovoce.learn.corpora import licence
from sottovoce.learn.data.dataset import Data
from sottovoce.learn.evaluate.calibration import fit_temperature
from sottovoce.learn.export.model_file import export_model
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.registry import frontends
from sottovoce.learn.train.cross_validate import FoldResult, Say, difference
from sottovoce.learn.train.fit import train
from sottovoce.learn.train.lightning_module import Job
from sottovoce.models.card import (
    Calibration,
    Card,
    CorpusInfo,
    Figure,
    ProtocolInfo,
    speaker_hash,
)

CHECKED = (0.5, 1.0, 2.3, 4.0, 10.0, 30.0)
"""s; lengths at which an exported graph is compared with torch."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a finished cross-validation says about a recipe.

    Attributes:
        figures: means over its seeds, with their intervals.
        protocol: how they were measured.
        temperature: fitted on the out-of-fold logits of all clips and seeds.
        epochs: to train the final model for.
    """

    figures: tuple[Figure, ...]
    protocol: ProtocolInfo
    temperature: float
    epochs: int

    @classmethod
    def read(cls, folder: Path, recipe: Recipe) -> "Measured":
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
            FoldResult.read(folder / f"seed{each['seed']}" / f"fold{each['fold']}" / "logits.npz")
            for each in record["folds"]
        ]
        temperature = fit_temperature(
            np.concatenate([each.logits for each in results]),
            np.concatenate([each.truth for each in results]),
        )
        folds = len({each["fold"] for each in record["folds"]})
        count = len(record["seeds"])
        note = (
            f"{_runs(count, folds)}, {record['clips']} clips of "
            f"{record['speakers']} speakers; {record['interval']}. The model in this file was "
            "trained afterwards on all clips with the same recipe, and was itself tested on none."
        )
        return cls(
            tuple(
                Figure(
                    metric=name,
                    value=each["value"],
                    low=min(each["low"], each["value"]),
                    high=max(each["high"], each["value"]),
                    unit="nats" if name == "nll" else "fraction",
                )
                for name, each in record["metrics"].items()
            ),
            ProtocolInfo(
                name=record["protocol"],
                seeds=tuple(record["seeds"]),
                folds=folds,
                optimistic=record["optimistic"],
                note=note,
            ),
            temperature,
            round(float(np.median([each.epoch for each in results]))),
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
    measured: Measured | None,
    device: torch.device,
    say: Say,
) -> Path:
    """Train on every clip with the recipe's first seed, and write the model file.

    Args:
        data: the recipe and its clips.
        folder: of the run; the training is kept in `final`, the file is `<recipe's name>.onnx`.
        measured: what is known of the recipe; without it the card has no figures.
        device: to train on.
        say: told how it goes.

    Returns:
        The path of the model file.

    Raises:
        RecipeError: see `check_exportable`; nothing was trained.
    """
    recipe = data.recipe
    check_exportable(recipe)
    home = folder / "final"
    home.mkdir(parents=True, exist_ok=True)
    everything = data.examples(range(len(data.clips)))
    seed = recipe.seeds[0]
    epochs = measured.epochs if measured else recipe.training.epochs
    job = Job(recipe, "final model", (seed, 0), home, everything, None, data.noise, epochs)
    trained = train(job, device, say)
    path = folder / f"{recipe.name}.onnx"
    card, checks = make_card(data, measured), real_batches(data)
    export_model(trained.classifier, card, path, checks, fp16=recipe.weights == "float16")
    say(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return path


def make_card(data: Data, measured: Measured | None) -> Card:
    """Write the card of a final model."""
    recipe = data.recipe
    speakers: dict[str, list[str]] = defaultdict(list)
    for clip in data.clips:
        speakers[clip.corpus].append(clip.speaker)
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
        min_confidence=(
            2 / len(recipe.emotions) if recipe.min_confidence is None else recipe.min_confidence
        ),
        calibration=calibration,
        corpora=tuple(
            CorpusInfo(
                name=name,
                clips=len(who),
                speakers=len(set(who)),
                speaker_hashes=tuple(sorted({speaker_hash(one) for one in who})),
                licence=licence(name),
            )
            for name, who in speakers.items()
        ),
        protocol=measured.protocol if measured else _unmeasured(),
        figures=measured.figures if measured else (),
        language=", ".join(sorted({clip.language for clip in data.clips if clip.language})),
        limits=recipe.limits,
        licence=recipe.licence,
        recipe=recipe.text,
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
    )


def _runs(seeds: int, folds: int) -> str:
    """What the figures are of: "Means over 3 seeds of 6 folds", "One seed, one split"."""
    parts = "one split" if folds == 1 else f"{folds} folds"
    return f"One seed, {parts}" if seeds == 1 else f"Means over {seeds} seeds of {parts}"


def _unmeasured() -> ProtocolInfo:
    return ProtocolInfo(name="none", seeds=(), folds=0, optimistic=False, note="Not measured.")


def real_batches(data: Data) -> list[NDArray[np.float32]]:
    """Give real audio at each length of `CHECKED` that the window allows, one and three at once.

    Lengths beyond that of a clip are made of several clips, one after another.
    """
    window, rate = data.recipe.window, data.recipe.sample_rate
    rows = np.random.default_rng(0).permutation(len(data.clips))
    audio = np.concatenate(
        [
            piece
            for row in rows[:40]
            for piece in pieces(data.store.audio(row), window, data.store.speech(row))
        ]
    )
    batches = []
    for seconds in CHECKED:
        samples = round(min(max(seconds, window.min), window.max) * rate)
        for size in (1, 3):
            starts = np.linspace(0, max(0, len(audio) - samples), size).astype(int)
            stretch = [np.resize(audio[start : start + samples], samples) for start in starts]
            batches.append(np.stack(stretch).astype(np.float32))
    return batches
