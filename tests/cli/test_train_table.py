"""`sottovoce train` on a table of one's own: its columns, its numbers, its split."""

import csv
from pathlib import Path

import pytest
import soundfile
from tiny_corpus import RATE, RECIPE, voice, write_corpus

import sottovoce
from sottovoce.cli import run

TABLE = """
[table]
path = "wav"
label = "y"
speaker = "who"
split = "part"
numbers = ["anger", "neutral"]
"""
TABLE_RECIPE = (
    RECIPE.replace("epochs = 2", "epochs = 1")
    .replace("seeds = [0, 1]", "seeds = [0]")
    .replace('corpora = ["ravdess"]', 'corpora = ["table"]')
    .replace('name = "speakers"\nfolds = 2\n', 'name = "split"\n')
    + TABLE
)
PARTS = ("train", "train", "train", "train", "test", "Eval")
"""Of the speakers, in order."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table and, in a folder beside it, its clips."""
    home = tmp_path_factory.mktemp("data")
    clips = sorted(write_corpus(home / "audio", speakers=len(PARTS)).rglob("*.wav"))
    rows = [["wav", "y", "who", "part"]]
    for clip in clips:
        speaker = int(clip.stem[-2:])
        label = {"01": "1", "05": "0"}[clip.stem[6:8]]
        part = PARTS[speaker - 1]
        rows.append([clip.relative_to(home).as_posix(), label, f"voice {speaker}", part])
    with (home / "mine.tsv").open("w", newline="") as file:
        csv.writer(file, delimiter="\t").writerows(rows)
    return home / "mine.tsv"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TABLE_RECIPE)
    return path


def test_a_table_is_trained_on_and_its_test_clips_are_predicted(
    recipe: Path,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # paths are relative to the table, wherever one is
    out = tmp_path / "run"
    words = ["train", str(recipe), "--data", f"table={data}", "--out", str(out)]
    assert run([*words, "--device", "cpu"]) == 0, capsys.readouterr().err
    with (out / "seed0" / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["speaker"] for row in rows} == {"table/voice 5", "table/voice 6"}
    truth = {row["clip"].rpartition("/")[2][6:8]: row["truth"] for row in rows}
    assert truth == {"01": "neutral", "05": "angry"}
    assert len(rows) == 8


def write_table(home: Path, name: str, seed: int) -> Path:
    """A table laid out as people do: speaker/emotion/001.wav, in a folder named for it."""
    rows = [["file", "emotion", "speaker"]]
    for speaker in ("anna", "ben"):
        for emotion, code in (("neutral", 1), ("angry", 5)):
            for number in (1, 2):
                clip = home / name / speaker / emotion / f"{number:03}.wav"
                clip.parent.mkdir(parents=True, exist_ok=True)
                seed += 1
                soundfile.write(clip, voice(code, seed, 0.8), RATE)
                rows.append([clip.relative_to(home).as_posix(), emotion, speaker])
    with (home / f"{name}.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return home / f"{name}.csv"


def train_on(tables: list[Path], protocol: str, folder: Path) -> list[dict[str, str]]:
    """The predictions of a short cross-validation."""
    recipe = folder / "tiny.toml"
    text = TABLE_RECIPE.removesuffix(TABLE).replace('name = "split"', f'name = "{protocol}"')
    recipe.write_text(text.replace("validation_speakers = 2", "validation_speakers = 0"))
    data = [word for table in tables for word in ("--data", f"table={table}")]
    assert run(["train", str(recipe), *data, "--out", str(folder / "run"), "--device", "cpu"]) == 0
    with (folder / "run" / "seed0" / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_files_of_one_name_in_several_folders_are_several_clips(tmp_path: Path) -> None:
    """A clip was named by its speaker and file: the run stopped when its second fold was done."""
    predictions = train_on([write_table(tmp_path, "mine", 0)], "loso", tmp_path)
    assert sorted(row["clip"] for row in predictions) == [
        f"table/{speaker}/{emotion}/{number:03}.wav"
        for speaker in ("anna", "ben")
        for emotion in ("angry", "neutral")
        for number in (1, 2)
    ]


def test_two_tables_are_two_corpora_of_different_people(tmp_path: Path) -> None:
    """Only the last one was trained on."""
    tables = [write_table(tmp_path, name, seed) for name, seed in (("mine", 0), ("yours", 100))]
    predictions = train_on(tables, "leave-one-corpus-out", tmp_path)
    assert len(predictions) == 16
    assert {row["speaker"] for row in predictions} == {
        *("table/mine/anna", "table/mine/ben", "table/yours/anna", "table/yours/ben"),
    }


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ('path = "wav"', 'path = "file"', "no column 'file'; there are wav, y, who, part"),
        ('numbers = ["anger", "neutral"]', 'numbers = ["anger"]', "line 2: label 1 is a number"),
        ('labels = ["neutral", "angry"]', 'labels = ["happy", "angry"]', "no clip of table is hap"),
        (
            'split = "part"',
            'split = "who"',
            "has the split 'voice 1'; the column for it should say",
        ),
        ('name = "split"', 'name = "speakers"\nfolds = 9', "9 folds need as many speakers, and"),
    ],
)
def test_a_table_that_does_not_fit_the_recipe_is_one_line(
    recipe: Path,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    before: str,
    after: str,
    complaint: str,
) -> None:
    assert before in TABLE_RECIPE
    recipe.write_text(TABLE_RECIPE.replace(before, after))
    assert run(["train", str(recipe), "--data", f"table={data}", "--out", str(tmp_path / "r")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert complaint in line


NOBODY = TABLE_RECIPE.replace('speaker = "who"\n', "")
ONE_SPEAKER = TABLE_RECIPE.replace('speaker = "who"', 'speaker = "alone"')


@pytest.mark.parametrize(
    ("text", "speakers"), [(NOBODY, 0), (ONE_SPEAKER, 1)], ids=["no speakers", "one speaker"]
)
def test_without_two_speakers_a_training_ends_with_intervals_over_clips_called_optimistic(
    recipe: Path,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    speakers: int,
) -> None:
    head, *rows = data.read_text().splitlines()
    table = data.with_name("alone.tsv")
    table.write_text("\n".join([f"{head}\talone", *(f"{row}\tann" for row in rows)]))
    recipe.write_text(text.replace('name = "split"', 'name = "random"\nfolds = 2'))
    out = tmp_path / "run"
    words = ["train", str(recipe), "--data", f"table={table}", "--out", str(out)]
    assert run(words) == 0, capsys.readouterr().err
    summary = (out / "summary.md").read_text()
    assert "Optimistic: intervals over clips" in summary
    assert "95 % intervals from resampling clips" in summary
    assert run([*words, "--final"]) == 0, capsys.readouterr().err
    (corpus,) = sottovoce.load(out / "tiny.onnx").card.corpora
    assert (corpus.speakers, len(corpus.speaker_hashes)) == (speakers, speakers)


@pytest.mark.parametrize("protocol", ["speakers", "loso", "holdout-speakers"])
def test_protocols_by_speaker_need_speakers(
    recipe: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], protocol: str
) -> None:
    recipe.write_text(NOBODY.replace('name = "split"', f'name = "{protocol}"'))
    out = tmp_path / "run"
    assert run(["train", str(recipe), "--data", f"table={data}", "--out", str(out)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"protocol {protocol} keeps speakers apart" in line
    assert "name the column of speakers, or use random or holdout-random" in line
    assert not out.exists()


def test_an_emotion_with_one_clip_is_one_line(
    recipe: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head, *rows = data.read_text().splitlines()
    neutral = [row for row in rows if "\t1\t" in row]
    angry = [row for row in rows if "\t0\t" in row]
    few = data.with_name("few.tsv")
    few.write_text("\n".join([head, *neutral, angry[0]]))
    recipe.write_text(TABLE_RECIPE.replace('name = "split"', 'name = "random"\nfolds = 2'))
    assert run(["train", str(recipe), "--data", f"table={few}", "--out", str(tmp_path / "r")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "protocol random: angry has 1 clip, which cannot be both trained and tested on" in line
