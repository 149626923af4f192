"""`sottovoce train` runs, says how it went, goes on, and makes the model; mistakes are one line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_corpus import RECIPE, write_corpus

import sottovoce
from sottovoce.cli import run
from sottovoce.learn.recipe.recipe import Recipe

SHORT = RECIPE.replace("epochs = 2", "epochs = 1").replace("seeds = [0, 1]", "seeds = [0]")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("ravdess"), speakers=6)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(SHORT)
    return path


def test_from_recipe_to_model_file(
    recipe: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    words = ["train", str(recipe), "--data", f"ravdess={corpus}", "--out", str(out)]
    assert run([*words, "--device", "cpu"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("seed 0, fold 1, epoch 1/1: loss ")
    assert said[-2].startswith("UAR ")
    assert run(words) == 2
    assert "--resume" in capsys.readouterr().err
    assert run([*words, "--resume"]) == 0
    assert "seed 0, fold 2: finished before" in capsys.readouterr().out
    assert run([*words, "--final"]) == 0
    assert sottovoce.load(out / "tiny.onnx").labels == ("neutral", "angry")


def test_one_seed_alone_has_a_folder_of_its_own(
    recipe: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["train", str(recipe), "--data", f"ravdess={corpus}", "--seed", "7"]) == 0
    record = json.loads((tmp_path / "runs/tiny-seed7/metrics.json").read_text())
    assert record["seeds"] == [7]
    assert {"uar", "accuracy", "epochs"} <= record["folds"][0].keys()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--folds", "1,x"], "--folds 1,x: expected all, or numbers like 1,2"),
        (["--seed", "1", "--seeds", "2"], "--seed 1 and --seeds exclude each other"),
        (["--seed", "1", "--final"], "--seed 1 and --final exclude each other"),
        (["--device", "tpu"], "auto, cpu or cuda"),
        (["--final"], "no finished cross-validation"),
        (["--data", "savee=."], "does not use savee"),
        (["--data", "ravdess"], "ravdess=DIR"),
    ],
)
def test_a_mistake_is_one_line(
    recipe: Path,
    corpus: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    complaint: str,
) -> None:
    out = tmp_path / "run"
    first = ["train", str(recipe), "--out", str(out), "--data", f"ravdess={corpus}"]
    assert run([*first, *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert complaint in line


@pytest.mark.parametrize(
    "wrong", [["--data", "ravdess=nowhere"], ["--data", "savee=."]], ids=["no folder", "corpus"]
)
def test_nothing_is_made_before_the_data_are_checked(
    recipe: Path, corpus: Path, tmp_path: Path, wrong: list[str]
) -> None:
    out = tmp_path / "run"
    assert run(["train", str(recipe), "--out", str(out), *wrong]) == 2
    assert not out.exists()
    corrected = ["--data", f"ravdess={corpus}", "--folds", "1"]
    assert run(["train", str(recipe), "--out", str(out), *corrected]) == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["no-such.toml", "--data", "ravdess=."], "cannot read this recipe"),
        (["RECIPE", "--data", "ravdess=nowhere"], "no such folder"),
        (["RECIPE", "--data", "ravdess"], "like ravdess=DIR"),
        (["RECIPE", "--data", "ravdess=.", "--protocol", "claimd"], "no protocol called 'claimd'"),
        (["RECIPE", "--data", "ravdess=.", "--device", "tpu"], "auto, cpu or cuda"),
        (["WRONG_KEY", "--data", "ravdess=."], "training.epohs"),
        (["NO_TOML", "--data", "ravdess=."], "not valid TOML"),
    ],
)
@pytest.mark.parametrize("command", ["train", "search"])
def test_a_mistake_is_found_before_torch_is_loaded(
    recipe: Path, tmp_path: Path, command: str, words: list[str], complaint: str
) -> None:
    (tmp_path / "wrong.toml").write_text(SHORT.replace("epochs", "epohs"))
    (tmp_path / "none.toml").write_text("name =")
    paths = {"RECIPE": recipe, "WRONG_KEY": tmp_path / "wrong.toml", "NO_TOML": "none.toml"}
    arguments = [command, *(str(paths.get(word, word)) for word in words)]
    code = (
        "import sys; from sottovoce.cli import run; status = run(sys.argv[1:]); "
        "print(status, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "2 False\n"
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_run_goes_on_from_its_own_recipe_under_another_protocol(
    recipe: Path, corpus: Path, tmp_path: Path
) -> None:
    recipe.write_text(f'{SHORT}\n[alternatives.mixed]\nname = "random"\nfolds = 2\n')
    words = ["--data", f"ravdess={corpus}", "--protocol", "mixed", "--folds", "1"]
    out = tmp_path / "run"
    assert run(["train", str(recipe), *words, "--out", str(out)]) == 0
    again = ["train", str(out / "recipe.toml"), *words, "--out", str(out), "--resume"]
    assert run(again) == 0


def test_a_misspelt_key_is_named(
    recipe: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.write_text(SHORT.replace("epochs", "epohs"))
    assert run(["train", str(recipe), "--data", f"ravdess={corpus}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "training.epohs" in line
    assert "epochs" in line


def test_a_final_model_is_refused_before_training_where_no_file_could_hold_it(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = RECIPE.replace('name = "log-mel"\nbands = 16', 'name = "opensmile"')
    recipe.write_text(text.replace("formant = 0.05", "formant = 0.0"))
    arguments = ["train", str(recipe), "--data", f"ravdess={tmp_path}", "--final"]
    assert run(arguments) == 2
    said = capsys.readouterr().err
    assert "frontend.name: opensmile" in said
    assert said.count("\n") == 1


def test_boost_and_focal_loss_are_in_the_run_and_criteria_set_the_exit_status(
    recipe: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.write_text(f"{SHORT}\n[criteria]\naccuracy = 1.0\nrecall = 1.0\n")
    words = ["train", str(recipe), "--data", f"ravdess={corpus}", "--folds", "1"]
    changes = ["--boost", "1:2.0,neutral:1.5", "--focal"]
    out = tmp_path / "run"
    status = run([*words, *changes, "--out", str(out)])
    said = capsys.readouterr().out
    kept = Recipe.load(out / "recipe.toml").training
    assert (kept.sampler, kept.boost, kept.loss) == (
        "balanced",
        {"angry": 2.0, "neutral": 1.5},
        "focal",
    )
    assert "accuracy" in said
    assert status == int("failed: " in said)
    recipe.write_text(f"{SHORT}\n[criteria]\naccuracy = 0.001\n")
    assert run([*words, "--out", str(tmp_path / "passes")]) == 0
    assert "passed: accuracy" in capsys.readouterr().out
    for wrong in ("2:2.0", "angry", "cross:2.0", "angry:much"):
        assert run([*words, "--boost", wrong, "--out", str(tmp_path / "none")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "expected a label or its number, and a factor" in line
        assert "neutral" in line
