"""Builds the model file of an experiment: its final fold, and the figures of the others.

    python -m sottovoce.learn.embedding.build RECIPE --run FOLDER --data ravdess=DIR ... --out FILE

The folder is that of `sottovoce.learn.embedding.experiment`, run to its end.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sottovoce.errors import SottovoceError
from sottovoce.learn.embedding.calibrate import Confidence
from sottovoce.learn.embedding.classifiers import Classifiers, Prior
from sottovoce.learn.embedding.experiment import BANDS, EIGHT, RATE, Experiment
from sottovoce.learn.embedding.final import (
    EncodedToEmbedding,
    SoundToEmbedding,
    Thresholds,
    affine_of,
    profile_info,
)
from sottovoce.learn.embedding.graph import ProfiledModel, export_profiled
from sottovoce.learn.embedding.measure import Runs, card_figures, fit_final, usual_spreads
from sottovoce.learn.embedding.recipe import EmbeddingRecipe
from sottovoce.learn.embedding.speech import FULL_SCALE
from sottovoce.learn.embedding.students import FINAL
from sottovoce.learn.embedding.teacher import Basis
from sottovoce.learn.export.encoder import write_encoder
from sottovoce.learn.export.provenance import check_batches, corpora_of, today
from sottovoce.learn.frontends.logmel import LogMel, LogMelOptions
from sottovoce.learn.frontends.pretrained import PretrainedFrontEnd, PretrainedOptions
from sottovoce.learn.networks.resnet1d import ResNet1d
from sottovoce.models.card import Calibration, Card, ProtocolInfo

LEAST = Thresholds(0.5, 0.5, 0.5)
"""Confidence below which an answer is uncertain: about where half of a stranger's are right."""

CHECKED = 120
"""s of speech on which the graph is compared with torch."""


def build(recipe_path: Path, run: Path, experiment: Experiment, out: Path) -> None:
    """Write the model file.

    Args:
        recipe_path: of the recipe.
        run: folder of the experiment.
        experiment: with the clips.
        out: of the file.

    Raises:
        SottovoceError: the run is not finished.
        ModelError: the graph disagrees with torch.
    """
    recipe = experiment.recipe
    kept_path = run / f"{FINAL}-{recipe.seeds[0]}-e{len(recipe.labels)}.pt"
    if not kept_path.exists():
        raise SottovoceError(f"{kept_path}: not there; run the experiment to its end first")
    kept = torch.load(kept_path, weights_only=True)
    basis, scale = Basis(*(part.cpu() for part in kept["basis"])), float(kept["scale"])
    classifiers = Classifiers(
        kept["weights"].cpu(),
        Prior(*(part.cpu() for part in kept["normal"])),
        Prior(*(part.cpu() for part in kept["mixed"])),
    )
    whitening = recipe.embedding.whitening
    runs = Runs.read(run, recipe.labels)
    none, normal, mixed = fit_final(runs)
    std = basis.variances.pow(0.5 - whitening / 2) / scale
    confidence = Confidence((none, normal, mixed), torch.zeros_like(std), std)
    affine = affine_of(basis, whitening, scale)
    encoder = None
    sound: Callable[[NDArray[np.float32]], torch.Tensor] = _as_waveform
    embed: nn.Module
    if recipe.network is None:
        spec = recipe.teacher
        frontend = PretrainedFrontEnd(
            PretrainedOptions.model_validate(spec.encoder_options),
            RATE,
        )
        embed, encoder, sound = EncodedToEmbedding(affine), frontend.encoder, _encoded(frontend)
        if frontend.frozen is not None and encoder is not None:
            write_encoder(frontend.frozen, encoder)
    else:
        network = ResNet1d(recipe.network, BANDS, len(EIGHT))
        state = run / f"{FINAL}-{recipe.seeds[0]}-network.pt"
        network.load_state_dict(torch.load(state, weights_only=True))
        logmel = LogMel(LogMelOptions.model_validate({"bands": BANDS}), RATE)
        embed = SoundToEmbedding(logmel, network, affine)
    clips = experiment.speech.clips[: experiment.originals]
    durations = {clip.name: clip.duration for clip in clips}
    card = Card(
        schema_version=2,
        name=recipe.name,
        version=recipe.version,
        description=recipe.description,
        labels=recipe.labels,
        sample_rate=RATE,
        window=recipe.window,
        min_confidence=LEAST.none,
        calibration=Calibration(
            method="temperature",
            temperature=round(none.usual, 4),
            fitted_on="people and corpora that the model of each fold never heard; it rises with "
            "how unlike the training clips a clip is",
        ),
        corpora=corpora_of([clip for clip in clips if clip.emotion]),
        protocol=ProtocolInfo(
            name="emobox6 with other corpora to learn from; leave-one-corpus-out",
            seeds=tuple(runs.strangers),
            folds=6 + len(runs.left_out),
            optimistic=False,
            note="Means over seeds; intervals from resampling speakers. The model in this file was "
            "trained afterwards on all clips, and was itself tested on none.",
        ),
        figures=card_figures(runs, durations),
        language=recipe.language,
        limits=recipe.limits,
        licence=recipe.licence,
        recipe=recipe_path.read_text(encoding="utf-8"),
        created=today(),
        encoder=encoder,
        profiles=profile_info(classifiers, LEAST, usual_spreads(runs)),
    )
    model = ProfiledModel(embed, classifiers, confidence).eval()
    speech = experiment.speech.samples[: CHECKED * RATE].cpu().numpy()
    samples = np.asarray(speech / FULL_SCALE, np.float32)
    export_profiled(model, card, out, sound, check_batches(samples, recipe.window, RATE))


def _as_waveform(batch: NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy(batch)


def _encoded(frontend: PretrainedFrontEnd) -> Callable[[NDArray[np.float32]], torch.Tensor]:
    """A batch of waveforms -> what the encoder gives."""

    def sound(batch: NDArray[np.float32]) -> torch.Tensor:
        with torch.no_grad():
            return frontend.raw(torch.from_numpy(batch))

    return sound


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", action="append", default=[], metavar="CORPUS=DIR")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    folders = {name: Path(folder) for name, _, folder in (d.partition("=") for d in given.data)}
    recipe = EmbeddingRecipe.load(given.recipe)
    experiment = Experiment.load(recipe, folders, given.run, torch.device("cpu"))
    build(given.recipe, given.run, experiment, given.out)


if __name__ == "__main__":
    try:
        main()
    except SottovoceError as error:
        sys.exit(f"sottovoce: {error}")
