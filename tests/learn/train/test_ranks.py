"""Processes that train together give what one process alone would, and one of them writes it."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from tiny_corpus import RECIPE, write_corpus

import sottovoce
from sottovoce.errors import RecipeError, SottovoceError
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.recipe.specs import TrainingSpec
from sottovoce.learn.train.cross_validate import FoldResult
from sottovoce.learn.train.ranks import check_devices, rank_of

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
FAKES = Path(__file__).parents[2] / "fakes"
HEAD, _, _ = RECIPE.replace("seeds = [0, 1]", "seeds = [0]").partition("[network]")
PLAIN = f"""{HEAD}
[network]
name = "gru"
units = 8
summary = "mean"
layers = 1
dropout = 0.0
dense = 8
dense_dropout = 0.0

[training]
epochs = 8
batch = 8
optimiser = "adam"
learning_rate = 2e-2
schedule = "constant"
crop = 0.6
crop_random = 0.0
mixup = 0.0
ema = 0.5
sampler = "balanced"
"""
"""Nothing in it is random but the order of the clips."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("ravdess"), speakers=8)


def train(
    folder: Path,
    corpus: Path,
    recipe: str,
    *more: str,
    devices: int = 2,
    launcher: tuple[str, ...] = (),
) -> subprocess.CompletedProcess[str]:
    """Train in so many processes; records are in `folder`/record."""
    (folder / "record").mkdir(parents=True, exist_ok=True)
    path = folder / "tiny.toml"
    path.write_text(recipe.replace("[training]", f"[training]\ndevices = {devices}"))
    words = ["train", str(path), "--data", f"ravdess={corpus}", "--out", str(folder / "run")]
    words += ["--device", "cpu", "--threads", "1"]
    return subprocess.run(
        [sys.executable, *launcher, FAKES / "train_recorded.py", folder / "record", *words, *more],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def alone(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    done = train(folder, corpus, PLAIN, devices=1)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def together(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder of two processes that trained one fold and then went on, and what they said."""
    folder = tmp_path_factory.mktemp("together")
    first = train(folder, corpus, PLAIN, "--folds", "1")
    done = train(folder, corpus, PLAIN, "--resume")
    for process in (first, done):
        assert process.returncode == 0, process.stderr
        assert process.stderr == ""
    return folder, [*first.stdout.splitlines(), *done.stdout.splitlines()]


def drawn(folder: Path, name: str) -> list[Any]:
    """What a process drew for fold 1 and for fold 2."""
    files = [folder / "record" / f"{name}-{number}.json" for number in (0, 1)]
    return [draw for file in files for draw in json.loads(file.read_text())]


def test_both_processes_hold_the_same_weights(together: tuple[Path, list[str]]) -> None:
    for fold in (0, 1):
        first, second = (
            torch.load(together[0] / "record" / f"rank{rank}-of2-{fold}.pt") for rank in (0, 1)
        )
        for name, weights in first.items():
            torch.testing.assert_close(weights, second[name], rtol=0, atol=0)


def test_they_divide_each_batch_of_the_balanced_sampler(
    together: tuple[Path, list[str]], alone: Path
) -> None:
    whole = drawn(alone, "rank0-of1")
    halves = [drawn(together[0], f"rank{rank}-of2") for rank in (0, 1)]
    assert len(whole) == len(halves[0]) == len(halves[1]) > 0
    for (*key, clips), *shares in zip(whole, *halves, strict=True):
        assert [share[:2] for share in shares] == [key, key]
        assert [len(share[2]) for share in shares] == [4, 4]
        assert sorted(clips) == sorted(shares[0][2] + shares[1][2])


def test_two_processes_train_what_one_would(together: tuple[Path, list[str]], alone: Path) -> None:
    runs = [folder / "run" / "seed0" for folder in (together[0], alone)]
    for fold in ("fold1", "fold2"):
        mine, theirs = (FoldResult.read(run / fold / "logits.npz") for run in runs)
        assert (theirs.logits.argmax(axis=1) == theirs.truth).mean() > 0.8
        np.testing.assert_array_equal(mine.clips, theirs.clips)
        np.testing.assert_allclose(mine.logits, theirs.logits, atol=1e-3)
        histories = []
        for run in runs:
            with (run / fold / "history.csv").open(newline="") as file:
                histories.append(list(csv.DictReader(file)))
        assert [row["epoch"] for row in histories[0]] == [str(epoch) for epoch in range(1, 9)]
        for row, other in zip(*histories, strict=True):
            for name in ("train_loss", "validation_nll", "validation_uar"):
                assert float(row[name]) == pytest.approx(float(other[name]), abs=1e-3)


def test_one_of_them_writes_and_speaks(together: tuple[Path, list[str]], alone: Path) -> None:
    folder, lines = together
    files = [
        {str(path.relative_to(where)) for path in where.rglob("*") if path.is_file()}
        for where in (folder / "run", alone / "run")
    ]
    assert files[0] == files[1]
    assert len([line for line in lines if line.startswith("seed 0, fold 1, epoch ")]) == 8
    assert len([line for line in lines if line.startswith("seed 0, fold 2, epoch ")]) == 8
    assert len([line for line in lines if line.startswith("UAR ")]) == 2  # of each command
    assert "seed 0, fold 1: finished before" in lines
    assert json.loads((folder / "run" / "metrics.json").read_text())["clips"] == 32


def test_started_by_torchrun_they_train_a_model_that_works(
    together: tuple[Path, list[str]], corpus: Path
) -> None:
    folder, _ = together
    final = train(folder, corpus, PLAIN, "--final", launcher=TORCHRUN)
    assert final.returncode == 0, final.stderr
    assert final.stdout.splitlines()[-1].startswith(f"{folder / 'run' / 'tiny.onnx'}: ")
    assert (folder / "record" / "rank1-of2-2.pt").exists()
    model = sottovoce.load(folder / "run" / "tiny.onnx")
    for clip in sorted(corpus.rglob("*.wav")):
        sound, _ = soundfile.read(clip, dtype="float32")
        (probabilities,) = model.probabilities(sound[None])
        expected = ("neutral", "angry")["03-01-05-" in clip.name]
        assert model.labels[int(probabilities.argmax())] == expected


def test_a_loss_that_is_not_finite_in_one_ends_both_with_one_line(
    corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "record").mkdir()
    (tmp_path / "record" / "spoil").touch()
    done = train(tmp_path, corpus, PLAIN)
    assert done.returncode == 2
    assert {*done.stderr.splitlines()} == {
        "sottovoce: seed 0, fold 1: the loss is nan in epoch 1, step 1; lower "
        "training.learning_rate or set training.clip_grad"
    }


def test_a_disk_that_is_full_at_the_first_ends_both_with_a_line_each(
    corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "record").mkdir()
    (tmp_path / "record" / "full").touch()
    done = train(tmp_path, corpus, PLAIN)
    assert done.returncode == 2
    lines = sorted(done.stderr.splitlines())
    assert len(lines) == 2
    assert lines[0].endswith("logits.npz: no space left on device")
    assert lines[1].startswith("sottovoce: process 1 of 2 that train together lost the others (")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('strategy = "horovod"', "found 'horovod'; should be 'auto', 'ddp' or 'ddp_find"),
        ("devices = 3", "8 clips cannot be divided among devices x num_nodes = 3 processes"),
        ("devices = 4\nnum_nodes = 2", "give a multiple of 8 from 16 up"),
    ],
)
def test_what_cannot_be_is_one_clear_line(given: str, expected: str) -> None:
    with pytest.raises(RecipeError, match=expected):
        Recipe.parse(PLAIN.replace("[training]", f"[training]\n{given}"))


def test_what_is_fitted_in_one_go_has_one_process() -> None:
    recipe = f'{HEAD}[network]\nname = "svm"\n[training]\ndevices = 2\ncrop = 0.0\n'
    with pytest.raises(RecipeError, match=r"training\.devices: svm is fitted in one go"):
        Recipe.parse(recipe)


def test_machines_need_something_that_starts_their_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cpu, two = torch.device("cpu"), TrainingSpec(num_nodes=2)
    for name in ("RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SottovoceError, match="num_nodes = 2: start the command on each machine"):
        check_devices(two, cpu)
    monkeypatch.setenv("RANK", "1")
    check_devices(two, cpu)
    assert rank_of(TrainingSpec()) == 0
