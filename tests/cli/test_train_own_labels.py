"""Parts of one file with words of one's own: trained, given away, measured; losses are named."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_corpus import RATE, RECIPE, voice
from tiny_model import VOICE

import sottovoce
from sottovoce.cli import run

OWN_RECIPE = (
    RECIPE.replace("epochs = 2", "epochs = 1")
    .replace("seeds = [0, 1]", "seeds = [0]")
    .replace('labels = ["neutral", "angry"]', 'labels = ["stress: low", "Stress: high"]')
    .replace('corpora = ["ravdess"]', 'corpora = ["table"]')
    .replace("validation_speakers = 2", "validation_speakers = 0")
)
SPEAKERS, EACH, SECONDS = 4, 3, 0.8


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 annotations of one file, a broken file, one that is not there, a label not wanted."""
    home = tmp_path_factory.mktemp("data")
    rows, sounds, start = [["file", "start", "end", "emotion", "speaker"]], [], 0.0
    for speaker in range(SPEAKERS):
        for word, code in (("Stress: low", 1), ("hi", 5)):
            for number in range(EACH):
                sounds.append(voice(code, 10 * speaker + number, SECONDS))
                times = [f"{1000 * time:.0f}" for time in (start, start + SECONDS)]
                rows.append(["long.wav", *times, word, str(speaker)])
                start += SECONDS
    soundfile.write(home / "long.wav", np.concatenate(sounds), RATE)
    (home / "broken.wav").write_bytes(b"RIFF, or not")
    rows += [
        ["broken.wav", "", "", "hi", "0"],
        ["lost.wav", "", "", "hi", "0"],
        ["long.wav", "0", "400", "hm", "0"],
    ]
    with (home / "mine.csv").open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)
    return home / "mine.csv"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(OWN_RECIPE)
    return path


LOST = (
    "table: 1 unreadable: ",
    "broken.wav: not a recording that can be decoded",
    "table: 1 not there: line 27: lost.wav",
)
OPTIONS = ["--rate", "1000", "--map", "hi=Stress: high"]


def test_parts_with_ones_own_words_become_a_model(
    recipe: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    words = ["train", str(recipe), "--data", f"table={data}", "--out", str(out), *OPTIONS]
    assert run(words) == 2
    assert "line 27: lost.wav is not there; " in capsys.readouterr().err
    words.append("--skip-missing")
    assert run(words) == 0, capsys.readouterr().err
    said = capsys.readouterr().err
    for text in (*LOST, "table: labels that the recipe does not name: hm 1"):
        assert text in said
    with (out / "seed0" / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == SPEAKERS * 2 * EACH
    assert {row["truth"] for row in rows} == {"stress: low", "stress: high"}
    assert "table/long.wav#0.8-1.6" in {row["clip"] for row in rows}
    assert run([*words, "--final"]) == 0, capsys.readouterr().err
    card = sottovoce.load(out / "tiny.onnx").card
    assert card.labels == ("stress: low", "stress: high")
    assert 0.625 <= card.min_confidence <= 0.875
    assert 'map = { "hi" = "Stress: high" }' in card.recipe


def test_what_cannot_be_measured_is_named(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    label = sottovoce.load(tiny).labels[0]
    shutil.copy(VOICE, tmp_path / "voice.wav")
    (tmp_path / "broken.wav").write_bytes(b"RIFF, or not")
    rows = [
        *(f"voice.wav,{start},{start + 17000},x" for start in (0, 17000, 34000)),
        "voice.wav,0,16000,hm",
        "broken.wav,,,x",
        "lost.wav,,,x",
    ]
    (tmp_path / "mine.csv").write_text("\n".join(["file,start,end,emotion", *rows]))
    table = ["--data", f"table={tmp_path / 'mine.csv'}", "--rate", "16000", "--map", f"x={label}"]
    assert run(["evaluate", str(tiny), *table, "--json"]) == 2
    assert "line 7: lost.wav is not there" in capsys.readouterr().err
    assert run(["evaluate", str(tiny), *table, "--json", "--skip-missing"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["clips"], record["unknown"]) == (3, {"hm": 1})
    for text in ("table: 1 unreadable: ", "broken.wav: not a recor", "1 not there: line 7: lost."):
        assert any(text in warning for warning in record["warnings"]), record["warnings"]
