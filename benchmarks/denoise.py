"""Whether reducing noise before the network (`--denoise`) helps a model.

    python benchmarks/denoise.py --data ravdess=DIR --data noise=DIR [--model NAME] [--clips N]

The models of this package were trained on the speakers of these corpora and know their clips by
heart, so what is measured is what they stand on: a logistic regression is fitted to the model's
embeddings of the clips as they are, of five sixths of the speakers, and judges the others' clips,
as they are and in recorded noise, with and without noise reduction. UAR, and how much noise
reduction changes it, with 95 % intervals from resampling speakers (of the change: in pairs). Each
clip has the same stretch of the same noise throughout.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from changed_sound import DRAWS, Samples, some, uar
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sottovoce
from sottovoce import Audio
from sottovoce.cli._corpus_options import parse_data
from sottovoce.inference.denoise import reduce_noise
from sottovoce.learn.corpora import Clip, listing
from sottovoce.learn.data.degradation import add_noise_at
from sottovoce.learn.evaluate.intervals import SpeakerDraws, percentile_interval
from sottovoce.learn.evaluate.metrics import LabelledPredictions
from sottovoce.models.model import Model

RATE = 16_000
"""Hz, that clips and noise are brought to."""
FOLDS = 6
CONDITIONS = {"as they are": None, "20 dB": 20, "10 dB": 10, "5 dB": 5, "0 dB": 0}
"""Signal-to-noise ratios."""


def noises(folder: Path) -> list[Samples]:
    """The recordings of noise in a folder, at `RATE`."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".ogg", ".wav", ".flac"))
    return [Audio.read(path, sample_rate=RATE).mono().samples[0] for path in files]


def in_noise(voices: Sequence[Samples], recordings: list[Samples], snr_db: float) -> list[Samples]:
    """Each voice in one of the recordings, at a signal-to-noise ratio in dB."""
    return [
        add_noise_at(
            voice, recordings[number % len(recordings)], snr_db, np.random.default_rng(number)
        )
        for number, voice in enumerate(voices)
    ]


def embeddings(model: Model, voices: Sequence[Samples]) -> NDArray[np.float32]:
    """(clips, dimensions); zeros where nobody is heard."""
    found = model.embed_many(((voice, RATE) for voice in voices), workers=1)
    rows = [row if isinstance(row, np.ndarray) else None for row in found]
    width = next(row.size for row in rows if row is not None)
    return np.stack([np.zeros(width, np.float32) if row is None else row for row in rows])


def judged(
    clean: NDArray[np.float32], heard: NDArray[np.float32], clips: Sequence[Clip]
) -> LabelledPredictions:
    """Out-of-fold predictions for `heard`, of regressions fitted to `clean`."""
    labels = sorted({clip.emotion for clip in clips})
    truth = np.array([labels.index(clip.emotion) for clip in clips])
    speakers = [clip.speaker for clip in clips]
    rows = np.empty((len(clips), len(labels)))
    for train, test in GroupKFold(FOLDS).split(clean, truth, speakers):
        fitted = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
        rows[test] = fitted.fit(clean[train], truth[train]).predict_proba(heard[test])
    return LabelledPredictions.from_probabilities(
        rows,
        truth=truth,
        speakers=speakers,
        clips=[str(clip.path) for clip in clips],
        labels=labels,
    )


def main() -> None:
    """Print a table for each corpus."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", action="append", required=True, help="NAME=DIR")
    parser.add_argument("--model", help="name or file; the built-in one if none")
    parser.add_argument("--clips", type=int, default=12, help="of each speaker")
    options = parser.parse_args()
    model, folders = sottovoce.load(options.model), parse_data(options.data)
    recordings = noises(folders.pop("noise"))
    for name, folder in folders.items():
        found = listing(name, folder).clips
        clips = some(found, options.clips, sorted({clip.emotion for clip in found}))
        voices = [Audio.read(clip.path, sample_rate=RATE).mono().samples[0] for clip in clips]
        speakers = len({clip.speaker for clip in clips})
        print(f"\n{name}: {len(clips)} clips of {speakers} speakers, {model.card.title}\n")
        print("| | UAR | with noise reduced | its change |\n|---|---|---|---|")
        clean = embeddings(model, voices)
        for what, snr in CONDITIONS.items():
            noisy = voices if snr is None else in_noise(voices, recordings, snr)
            figures = []
            for heard in (noisy, [reduce_noise(each, RATE) for each in noisy]):
                predictions = judged(clean, embeddings(model, heard), clips)
                figures.append(100 * uar(predictions, SpeakerDraws.of(predictions, DRAWS)))
            change = percentile_interval(figures[1] - figures[0])
            print(
                f"| {what} | {figures[0][0]:.1f} | {figures[1][0]:.1f} | "
                f"{change.value:+.1f} ({change.low:+.1f} to {change.high:+.1f}) |",
                flush=True,
            )


if __name__ == "__main__":
    main()
