"""The figures of the models that take profiles, from the judgements kept in docs/strangers.

`docs/strangers/<model>/<fold>-<seed>-e<classes>.npz` holds what the model of each fold said of the
clips that it never heard, before any temperature; see docs/accuracy-log.md for how they were made.
Nothing is trained here.

    python benchmarks/strangers.py sottovoce-small [sottovoce-whisper] [--json FILE]
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from sottovoce.learn.embedding.measure import (
    KINDS,
    Runs,
    by_speaker,
    expected_error,
    figure,
    fit_final,
    honest_temperatures,
    predictions,
    right_at,
    sex_gap,
)
from sottovoce.learn.evaluate.intervals import Interval
from sottovoce.learn.evaluate.report import confusion_and_reliability
from sottovoce.models.model_file import read_model_file

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "strangers"
BUILTIN = RESULTS.parents[1] / "src" / "sottovoce" / "models" / "builtin"
EIGHT = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
SEVEN = tuple(label for label in EIGHT if label != "calm")


def measure(name: str) -> dict[str, Any]:
    """Every figure of a model, in percent."""
    found: dict[str, Any] = {"model": name}
    for labels in (EIGHT, SEVEN):
        runs = Runs.read(RESULTS / name, labels)
        strangers = list(runs.strangers.values())
        ways = {way: shown(figure(strangers, way, labels)["uar"]) for way in strangers[0].logits}
        found[f"ravdess, {len(labels)} emotions, uar"] = ways
        found[f"ravdess, {len(labels)} emotions, women less men"] = {
            way: round(100 * sex_gap(strangers, way), 1) for way in KINDS
        }
        speakers = by_speaker(strangers, "none")
        worst = min(speakers, key=speakers.__getitem__)
        found[f"ravdess, {len(labels)} emotions, worst speaker"] = {
            worst: round(100 * speakers[worst], 1)
        }
    for group, seeds in {"ravdess": runs.strangers, **runs.left_out}.items():
        recalls = [one.adapted for one in seeds.values() if len(one.adapted)]
        if recalls:
            values = np.mean([one.mean(axis=0) for one in recalls], axis=0)
            found[f"{group}, 20 labels: none, profile of them, adapted"] = [
                round(100 * float(value), 1) for value in values
            ]
    temperatures = fit_final(runs)
    found["temperatures"] = [round(one.usual, 3) for one in temperatures]
    found["slopes"] = [round(one.slope, 3) for one in temperatures]
    found["seeds"] = list(runs.strangers)
    for corpus, seeds in runs.left_out.items():
        judgements = list(seeds.values())
        found[f"{corpus} left out, uar"] = {
            way: shown(figure(judgements, way, SEVEN)["uar"]) for way in judgements[0].logits
        }
    for way in KINDS:
        honest = honest_temperatures(runs, way)
        groups = {"strangers": runs.strangers, **runs.left_out}
        found[f"ece, {way}"] = {
            group: shown(expected_error(list(seeds.values()), way, SEVEN, honest[group]))
            for group, seeds in groups.items()
        }
        found[f"right at, {way}"] = {
            group: {
                str(least): [round(100 * share), round(100 * right)]
                for least, (share, right) in right_at(
                    list(seeds.values()), way, honest[group]
                ).items()
            }
            for group, seeds in groups.items()
        }
    corpora = list(runs.left_out)
    for way in ("none", "place-32", "mixed-16", "normal-2"):
        values = [found[f"{corpus} left out, uar"][way][0] for corpus in corpora]
        found.setdefault("left out, mean uar", {})[way] = round(float(np.mean(values)), 1)
    return found


def record(name: str) -> str:
    """What the app draws of a model, as JSON: which emotion was taken for which, and how surely."""
    runs = Runs.read(RESULTS / name, SEVEN)
    strangers, temperatures = list(runs.strangers.values()), honest_temperatures(runs, "none")
    judged = predictions(strangers, "none", SEVEN, temperatures["strangers"])
    card = read_model_file(BUILTIN / f"{name}.onnx")[1]
    facts = {"name": name, "protocol": card.protocol.name, "labels": list(SEVEN)}
    return json.dumps(facts | confusion_and_reliability(judged)) + "\n"


def shown(interval: Interval) -> list[float]:
    """Value, low, high, in percent."""
    return [round(100 * value, 1) for value in (interval.value, interval.low, interval.high)]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--record", action="store_true", help="write what the app draws, and measure nothing"
    )
    given = parser.parse_args()
    if given.record:
        for name in given.models:
            (BUILTIN / f"{name}.json").write_text(record(name))
        return
    found = [measure(name) for name in given.models]
    for model in found:
        print(f"\n{model.pop('model')}")
        for what, figures in model.items():
            print(f"  {what}: {json.dumps(figures)}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
