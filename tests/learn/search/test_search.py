"""A search tries what its space allows, judges by validation clips alone, and leaves a recipe."""

import csv
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from tiny_corpus import RECIPE, write_corpus

from sottovoce.errors import RecipeError, SottovoceError
from sottovoce.learn.data.dataset import Data
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.search import report
from sottovoce.learn.search import search as search_module
from sottovoce.learn.search.report import SearchResult, TrialResult, draw_search, write_search
from sottovoce.learn.search.space import SearchSpace
from sottovoce.learn.splits.folds import Fold
from sottovoce.learn.splits.protocols import make_split
from sottovoce.learn.train.cross_validate import check_folder, difference, run_fold
from sottovoce.learn.train.history import COLUMNS, History

CPU = torch.device("cpu")
SPACE = """
[search]
trials = 3
sampler = "random"

[search.space]
"network.width" = [8, 16]
"training.learning_rate" = { low = 1e-3, high = 1e-1, log = true }
"""
TINY = RECIPE + SPACE
NLL = TINY.replace("[augment]", 'monitor = "nll"\n[augment]', 1)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("ravdess"), speakers=6)


@pytest.fixture(scope="module")
def load(corpus: Path) -> Callable[[Recipe], Data]:
    return lambda recipe: Data.load(recipe, {"ravdess": corpus})


def look(
    text: str,
    folder: Path,
    load: Callable[[Recipe], Data],
    *,
    trials: int = 3,
    resume: bool = False,
    lines: list[str] | None = None,
) -> TrialResult:
    """Search as the command does."""
    space = SearchSpace(Recipe.parse(text))
    check_folder(folder, space.base, resume=resume, search=True)
    log = [].append if lines is None else lines.append
    return search_module.search(space, folder, load, trials=trials, device=CPU, log=log)


def rows(folder: Path) -> list[dict[str, str]]:
    """The rows of trials.csv, without how long they took."""
    with (folder / "trials.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def history_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def found(
    load: Callable[[Recipe], Data], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    """The folder of a search of three trials, and what it lines."""
    folder, lines = tmp_path_factory.mktemp("runs") / "tiny", list[str]()
    look(TINY, folder, load, lines=lines)
    return folder, lines


def test_a_search_leaves_everything_behind(found: tuple[Path, list[str]]) -> None:
    folder, lines = found
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
        "recipe.toml",
        "search.journal",
        "search.lock",
        "trials.csv",
        "best.toml",
        "search.png",
        *(f"trials/{number}/fold1/history.csv" for number in (1, 2, 3)),
        *(f"trials/{number}/lock" for number in (1, 2, 3)),
    }
    assert [line.partition(":")[0] for line in lines[:4]] == [
        *(f"trial {number} of 3" for number in (1, 2, 3)),
        "best of 3",
    ]
    assert "the recipe as it stands" in lines[3]
    assert lines[-1].endswith("best.toml --data ... --folds 1 --seeds 1")


def test_the_best_trial_is_a_recipe(found: tuple[Path, list[str]]) -> None:
    folder, _ = found
    tried = rows(folder)
    assert [row["state"] for row in tried] == ["complete"] * 3
    values = [float(row["value"]) for row in tried]
    best = tried[values.index(max(values))]
    recipe = Recipe.load(folder / "best.toml")
    assert recipe.name == "tiny-best"
    assert recipe.search is None
    assert recipe.network.options.model_dump()["width"] == int(best["network.width"])
    assert recipe.training.learning_rate == float(best["training.learning_rate"])
    restored = recipe.text.replace(f"width = {best['network.width']}\n", "width = 8\n").replace(
        f"learning_rate = {best['training.learning_rate']}", "learning_rate = 1e-2"
    )
    assert difference(Recipe.parse(restored), Recipe.parse(TINY)) == ""


def test_the_first_trial_is_trained_as_the_recipe_is(
    found: tuple[Path, list[str]], load: Callable[[Recipe], Data], tmp_path: Path
) -> None:
    folder, _ = found
    data = load(Recipe.parse(RECIPE))
    fold = make_split(data.recipe.protocol, data.clips, 0).folds[0]
    run_fold(data, fold, 1, 0, tmp_path, CPU, lambda line: None)
    expected, history = (
        [{k: v for k, v in row.items() if k != "seconds"} for row in history_rows(path)]
        for path in (tmp_path / "seed0/fold1/history.csv", folder / "trials/1/fold1/history.csv")
    )
    assert history == expected
    first = rows(folder)[0]
    assert (first["network.width"], first["training.learning_rate"]) == ("8", "0.01")
    assert float(first["value"]) == pytest.approx(float(history[-1]["validation_uar"]))


def test_a_search_killed_in_the_middle_gives_the_same(
    found: tuple[Path, list[str]],
    load: Callable[[Recipe], Data],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = search_module.fit_fold

    def killed(*arguments: Any, title: str, **options: Any) -> object:
        def stop(line: str) -> None:
            if title == "trial 2, fold 1":
                raise KeyboardInterrupt

        return real(*arguments, title=title, **options | {"log": stop})

    folder = tmp_path / "run"
    monkeypatch.setattr(search_module, "fit_fold", killed)
    with pytest.raises(KeyboardInterrupt):
        look(TINY, folder, load)
    assert len(rows(folder)) == 1
    assert (folder / "best.toml").exists()
    trained = list[str]()

    def noted(*arguments: Any, title: str, **options: Any) -> object:
        trained.append(title)
        return real(*arguments, title=title, **options)

    monkeypatch.setattr(search_module, "fit_fold", noted)
    with (folder / "search.journal").open("ab") as journal:
        journal.write(b'{"op_code": 5, "wor')  # a disk was full, too
    look(TINY, folder, load, resume=True)
    assert trained == ["trial 2, fold 1", "trial 3, fold 1"]
    assert rows(folder) == rows(found[0])
    assert (folder / "best.toml").read_bytes() == (found[0] / "best.toml").read_bytes()


class FoldOfTrial(NamedTuple):
    """What a training was given."""

    fold: Fold
    seed: tuple[int, ...]


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> list[FoldOfTrial]:
    """Trainings that cost nothing: the NLL is how far log10 of the learning rate is from -2.

    A learning rate above 0.05 has no finite loss. Gives the trainings there were.
    """
    trainings = list[FoldOfTrial]()

    def fit_fold(
        data: Data,
        fold: Fold,
        seed: tuple[int, ...],
        folder: Path,
        device: torch.device,
        *,
        title: str,
        log: Callable[[str], None],
        report: object,
        epoch_end: Callable[[History], None],
    ) -> object:
        trainings.append(FoldOfTrial(fold, seed))
        rate = data.recipe.training.learning_rate
        if rate > 0.05:
            raise SottovoceError(f"{title}: the loss is nan in epoch 1, step 1")
        nll = 0.1 + abs(math.log10(rate) + 2)
        history = []
        for epoch in range(1, 6):
            figures = dict.fromkeys(COLUMNS, 0.5) | {"epoch": epoch}
            history.append(figures | {"validation_nll": nll + 1 / epoch})
            epoch_end(history)
        right = math.exp(-nll)
        targets = np.array(data.examples(fold.validation).targets)
        logits = np.log(np.where(np.eye(2)[targets] == 1, right, 1 - right))
        return SimpleNamespace(validation_logits=logits)

    monkeypatch.setattr(search_module, "fit_fold", fit_fold)
    monkeypatch.setattr(report, "draw_search", lambda *_: None)
    return trainings


@pytest.fixture(scope="module")
def loaded(load: Callable[[Recipe], Data]) -> Callable[[Recipe], Data]:
    """The clips, decoded once."""
    data = load(Recipe.parse(RECIPE))
    return lambda recipe: Data(recipe, data.clips, data.store, None)


def test_no_trial_is_given_a_test_clip(
    made_up: list[FoldOfTrial], loaded: Callable[[Recipe], Data], tmp_path: Path
) -> None:
    look(NLL, tmp_path, loaded)
    data = loaded(Recipe.parse(NLL))
    fold = make_split(data.recipe.protocol, data.clips, 0).folds[0]
    assert fold.test
    assert {training.fold for training in made_up} == {replace(fold, test=())}


def test_the_lowest_nll_is_the_best(
    made_up: list[FoldOfTrial], loaded: Callable[[Recipe], Data], tmp_path: Path
) -> None:
    best = look(NLL, tmp_path, loaded, trials=6)
    assert best.number == 1
    assert best.value == pytest.approx(0.1)
    assert min(float(row["value"] or "inf") for row in rows(tmp_path)) == pytest.approx(0.1)


def test_a_trial_is_judged_by_the_mean_over_its_folds(
    made_up: list[FoldOfTrial], loaded: Callable[[Recipe], Data], tmp_path: Path
) -> None:
    lines = list[str]()
    text = NLL.replace("trials = 3", "trials = 3\nfolds = [1, 2]")
    best = look(text, tmp_path, loaded, trials=1, lines=lines)
    assert [training.seed for training in made_up] == [(0, 1), (0, 2)]
    assert (best.value, best.epochs) == (pytest.approx(0.1), 10)
    assert lines[-1].endswith("; the search saw every test clip of it")


INNER = NLL.replace("trials = 3", "trials = 3\ninner_folds = 2")


def test_inner_folds_keep_speakers_apart_and_spare_the_test_clips(
    made_up: list[FoldOfTrial], loaded: Callable[[Recipe], Data], tmp_path: Path
) -> None:
    lines = list[str]()
    best = look(INNER, tmp_path, loaded, trials=1, lines=lines)
    data = loaded(Recipe.parse(INNER))
    fold = make_split(data.recipe.protocol, data.clips, 0).folds[0]
    assert [training.seed for training in made_up] == [(0, 1, 1), (0, 1, 2)]
    judged = list[int]()
    for inner, _ in made_up:
        assert {*inner.train, *inner.validation} == {*fold.train, *fold.validation}
        speakers = [
            {data.clips[row].speaker for row in part} for part in (inner.train, inner.validation)
        ]
        assert not speakers[0] & speakers[1]
        assert inner.test == ()
        judged += inner.validation
    assert sorted(judged) == sorted((*fold.train, *fold.validation))
    assert (best.value, best.epochs) == (pytest.approx(0.1), 10)
    assert "training clips in 2 inner folds of fold 1" in lines[-3]
    assert lines[-1].endswith("best.toml --data ... --folds 1 --seeds 1")


def test_inner_folds_of_too_few_speakers_are_one_clear_line(
    loaded: Callable[[Recipe], Data], tmp_path: Path
) -> None:
    with pytest.raises(SottovoceError, match="50 folds need as many speakers"):
        look(INNER.replace("inner_folds = 2", "inner_folds = 50"), tmp_path, loaded)


def test_a_trial_that_is_worse_after_an_inner_fold_is_stopped(
    made_up: list[FoldOfTrial],
    loaded: Callable[[Recipe], Data],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No epoch gives a trial away here: pruning by epochs waits until after the last."""
    monkeypatch.setattr(
        search_module.optuna.pruners,
        "MedianPruner",
        lambda **_: search_module.optuna.pruners.NopPruner(),
    )
    text = INNER.replace("trials = 3", "trials = 3\nprune = true").replace("1e-1", "0.05")
    best = look(text, tmp_path, loaded, trials=16)
    tried = rows(tmp_path)
    assert {row["state"] for row in tried} == {"complete", "pruned"}
    for row in tried:
        assert row["epochs"] == ("5" if row["state"] == "pruned" else "10")
        assert row["state"] == "complete" or float(row["value"]) > best.value


GRID = NLL.replace('"random"', '"grid"').replace(
    "{ low = 1e-3, high = 1e-1, log = true }", "[1e-3, 1e-2, 2e-2]"
)


def test_a_grid_tries_every_combination_once_and_goes_on(
    made_up: list[FoldOfTrial], loaded: Callable[[Recipe], Data], tmp_path: Path
) -> None:
    look(GRID, tmp_path / "two", loaded, trials=2)
    look(GRID, tmp_path / "two", loaded, trials=99, resume=True)
    tried = rows(tmp_path / "two")
    settings = [(row["network.width"], row["training.learning_rate"]) for row in tried]
    assert settings[0] == ("8", "0.01")  # the recipe's own
    assert sorted(settings) == sorted(
        (width, rate) for width in ("8", "16") for rate in ("0.001", "0.01", "0.02")
    )
    look(GRID, tmp_path / "one", loaded, trials=6)
    assert rows(tmp_path / "one") == tried


def test_a_grid_of_a_range_is_one_clear_line(
    loaded: Callable[[Recipe], Data], tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=r"learning_rate.*is a range, and grid"):
        look(NLL.replace('"random"', '"grid"'), tmp_path, loaded)


@pytest.mark.parametrize("name", ["a-cnn-lstm", "c-cnn-bilstm", "e-mel-cnn-lstm"])
def test_the_searches_of_the_reference_systems_begin_with_the_recipe_itself(name: str) -> None:
    space = SearchSpace(Recipe.load(Path(__file__).parents[3] / "recipes" / f"{name}.toml"))
    assert not space.outside


def test_trials_that_cannot_be_trained_fail_alone(
    made_up: list[FoldOfTrial], loaded: Callable[[Recipe], Data], tmp_path: Path
) -> None:
    lines = list[str]()
    text = NLL.replace("{ low = 1e-3, high = 1e-1, log = true }", "[1e-2, 1e-1]")
    best = look(text, tmp_path, loaded, trials=8, lines=lines)
    failed = [row for row in rows(tmp_path) if row["training.learning_rate"] == "0.1"]
    assert failed
    assert {(row["state"], row["value"]) for row in failed} == {("failed", "")}
    assert best.values["training.learning_rate"] == 1e-2
    line = next(line for line in lines if "failed" in line)
    assert re.search(r"failed: trial \d, fold 1: the loss is nan in epoch 1", line)


def test_values_that_do_not_go_together_fail_and_say_why(
    made_up: list[FoldOfTrial], loaded: Callable[[Recipe], Data], tmp_path: Path
) -> None:
    lines = list[str]()
    bare = NLL[: NLL.index("[augment]")] + NLL[NLL.index("[search]") : NLL.index('"network.width"')]
    space = '"training.crop" = [0.6, 0.0]\n"augment.gain" = [0.0, 6.0]\n'
    look(bare + space, tmp_path, loaded, trials=12, lines=lines)
    states = {
        (row["training.crop"], row["augment.gain"]): row["state"] == "failed"
        for row in rows(tmp_path)
    }
    assert states == {("0.6", "0.0"): False, ("0.6", "6.0"): False, ("0.0", "0.0"): False} | {
        ("0.0", "6.0"): True
    }
    assert any("failed: recipe: augment.gain: features of whole clips" in line for line in lines)


def test_nothing_but_failures_is_one_clear_line(
    made_up: list[FoldOfTrial], loaded: Callable[[Recipe], Data], tmp_path: Path
) -> None:
    text = NLL.replace("low = 1e-3, high = 1e-1", "low = 0.06, high = 0.1")
    lines = list[str]()
    with pytest.raises(SottovoceError, match=r"none of 2 trials .* the loss is nan"):
        look(text, tmp_path, loaded, trials=2, lines=lines)
    assert lines[0].startswith(
        "the recipe as it stands is not tried: its training.learning_rate is"
    )
    assert [row["state"] for row in rows(tmp_path)] == ["failed"] * 2


def test_values_tried_before_are_not_trained_again(
    made_up: list[FoldOfTrial], loaded: Callable[[Recipe], Data], tmp_path: Path
) -> None:
    text = NLL.replace("{ low = 1e-3, high = 1e-1, log = true }", "[1e-3, 1e-2]")
    look(text, tmp_path, loaded, trials=12)
    tried = rows(tmp_path)
    settings = {(row["network.width"], row["training.learning_rate"]) for row in tried}
    assert len(made_up) == len(settings) <= 4
    assert [row["state"] for row in tried].count("repeat") == 12 - len(settings)
    assert all(row["value"] and row["epochs"] == "0" for row in tried if row["state"] == "repeat")


def test_unpromising_trials_are_stopped_where_the_recipe_says_so(
    made_up: list[FoldOfTrial], loaded: Callable[[Recipe], Data], tmp_path: Path
) -> None:
    text = NLL.replace("trials = 3", "trials = 3\nprune = true").replace(
        "high = 1e-1", "high = 0.05"
    )
    best = look(text, tmp_path, loaded, trials=16)
    tried = rows(tmp_path)
    assert {row["state"] for row in tried} == {"complete", "pruned"}
    assert all(row["state"] == "complete" for row in tried[:5])
    for row in tried:
        pruned = row["state"] == "pruned"
        assert (int(row["epochs"]) < 5) == pruned
        assert not pruned or float(row["value"]) > best.value


def test_tpe_looks_nearer_to_what_did_well(
    made_up: list[FoldOfTrial], loaded: Callable[[Recipe], Data], tmp_path: Path
) -> None:
    text = NLL.replace('"random"', '"tpe"').replace("high = 1e-1", "high = 0.05")
    look(text, tmp_path, loaded, trials=20)
    values = [float(row["value"]) for row in rows(tmp_path)]
    assert np.mean(values[12:]) < 0.8 * np.mean(values[1:11])  # the first is the recipe's own


def test_what_matters_is_told_from_what_does_not(
    made_up: list[FoldOfTrial],
    loaded: Callable[[Recipe], Data],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = list[dict[str, float]]()

    def noted(
        folder: Path, result: SearchResult, importances: dict[str, float] | None = None
    ) -> None:
        given.append(importances or {})
        write_search(folder, result, importances)

    monkeypatch.setattr(search_module, "write_search", noted)
    look(NLL.replace("high = 1e-1", "high = 0.05"), tmp_path, loaded, trials=15)
    assert not any(given[:-1])
    assert given[-1]["training.learning_rate"] > 0.8 > 0.2 > given[-1]["network.width"]


def test_more_trials_go_on_with_the_same_search(
    made_up: list[FoldOfTrial], loaded: Callable[[Recipe], Data], tmp_path: Path
) -> None:
    look(NLL, tmp_path / "two", loaded, trials=2)
    look(NLL.replace("trials = 3", "trials = 5"), tmp_path / "two", loaded, trials=5, resume=True)
    look(NLL, tmp_path / "one", loaded, trials=5)
    assert rows(tmp_path / "one") == rows(tmp_path / "two")


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("[8, 16]", "[8, 16, 24]", "search.space differs"),
        ('"random"', '"tpe"', "search.sampler differs"),
        ("seeds = [0, 1]", "seeds = [1, 0]", "seeds differs"),
        ("epochs = 2", "epochs = 3", "training.epochs differs"),
    ],
)
def test_another_search_is_refused(
    made_up: list[FoldOfTrial],
    loaded: Callable[[Recipe], Data],
    tmp_path: Path,
    before: str,
    after: str,
    complaint: str,
) -> None:
    look(NLL, tmp_path, loaded, trials=1)
    with pytest.raises(SottovoceError, match="--resume"):
        look(NLL, tmp_path, loaded)
    with pytest.raises(SottovoceError, match=complaint):
        look(NLL.replace(before, after), tmp_path, loaded, resume=True)


def test_other_clips_are_refused(
    made_up: list[FoldOfTrial], loaded: Callable[[Recipe], Data], tmp_path: Path
) -> None:
    look(NLL, tmp_path, loaded, trials=1)

    def fewer(recipe: Recipe) -> Data:
        data = loaded(recipe)
        return Data(recipe, data.clips[:-1], data.store, None)

    with pytest.raises(SottovoceError, match="other clips"):
        look(NLL, tmp_path, fewer, resume=True)


def test_front_ends_can_be_searched(load: Callable[[Recipe], Data], tmp_path: Path) -> None:
    text = RECIPE.replace("epochs = 2", "epochs = 1") + (
        '[search]\nsampler = "random"\n[search.space]\n"frontend.bands" = [16, 12]\n'
    )
    look(text, tmp_path, load, trials=4)
    tried = rows(tmp_path)
    assert {row["frontend.bands"] for row in tried} == {"16", "12"}
    assert {row["state"] for row in tried} == {"complete", "repeat"}


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("network.width", "network.wdth", '"network.wdth" = 8: network.wdth: unknown key (did you'),
        ("[8, 16]", "[8, 0]", '"network.width" = 0: network.width: found 0; should be greater'),
        ("[8, 16]", '[8, "x"]', "\"network.width\" = 'x': network.width: found 'x'; should be"),
        ("high = 1e-1", "high = 2.0", '"training.learning_rate" = 2.0: training.learning_rate: '),
        ("network.width", "protocol.folds", '"protocol.folds": cannot be searched'),
        ("network.width", "training.monitor", '"training.monitor": cannot be searched'),
        ("network.width", "network.width.x", "network.width.x: width is no table"),
        ("[8, 16]", "[8]", '"network.width" should have two or more choices, each once'),
        ("[8, 16]", "8", '"network.width" should be a dotted key in quotes, with a list of'),
        ('"network.width"', "network.width", '"network" should be a dotted key in quotes'),
        ("high", "hi", '"training.learning_rate": hi: unknown key (did you mean high?); allowed'),
        ("low = 1e-3", "low = 0.1", '"training.learning_rate": low: should be below high'),
        ("log = true", "log = true, step = 0.1", "log: needs a low above 0, and no step"),
        ("log = true", "step = 1.0", "step: should be above 0, and fit between low and high"),
        ("low = 1e-3", "low = true", "low: found true; should be a number"),
        ("trials = 3", "trails = 3", "search.trails: unknown key (did you mean trials?)"),
        ("trials = 3", "folds = [0]", "search.folds: found [0]; should be whole numbers from 1"),
        (SPACE, "", "recipe tiny has no table [search]"),
        ("validation_speakers = 2", "validation_speakers = 0", "judged on validation clips"),
    ],
)
def test_a_mistake_in_the_space_is_one_line_that_names_the_key(
    before: str, after: str, complaint: str
) -> None:
    assert before in TINY
    with pytest.raises(RecipeError) as caught:
        SearchSpace(Recipe.parse(TINY.replace(before, after)))
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_protocol_of_the_search_is_not_that_of_the_best_recipe() -> None:
    text = TINY + '\n[alternatives.other]\nname = "random"\nfolds = 3\n'
    space = SearchSpace(Recipe.parse(text).with_protocol("other"))
    trial = space.recipe({"network.width": 16})
    best = Recipe.parse(space.text({"network.width": 16}, "tiny-best", "why"))
    assert (trial.protocol.name, best.protocol.name) == ("random", "speakers")
    assert best.with_protocol("other").protocol.folds == 3
    result = SearchResult(space, (), (1,), 3)
    tried = TrialResult(1, "complete", 0.5, 1, 1.0, {})
    assert "--protocol other --folds 1" in result.summary(tried, Path("x"))[-1]


def test_the_same_search_gives_the_same_picture(tmp_path: Path) -> None:
    space = SearchSpace(Recipe.parse(NLL))
    own = space.values(space.own)
    trials = (
        TrialResult(1, "complete", 1.2, 5, 1.0, own),
        TrialResult(2, "pruned", 1.5, 2, 0.5, {**own, "network.width": 16}),
        TrialResult(3, "failed", math.nan, 0, 0.0, {**own, "network.width": 16}, "why"),
        TrialResult(4, "complete", 1.1, 5, 1.0, {**own, "network.width": 16}),
    )
    result = SearchResult(space, trials, (1,), 2)
    drawn = set[bytes]()
    for name in ("one.png", "two.png"):
        draw_search(tmp_path / name, "four trials", result, {"network.width": 1.0})
        drawn.add((tmp_path / name).read_bytes())
    assert len(drawn) == 1
    assert (result.best, result.own) == (trials[3], trials[0])


def test_the_published_search_of_c_holds_its_best_sizes() -> None:
    path = Path(__file__).parents[3] / "recipes" / "c-cnn-bilstm.toml"
    space = SearchSpace(Recipe.load(path)).spec.space
    assert [64, 128] in space["network.filters"]
    assert [5, 3] in space["network.kernels"]
    assert [64, 32] in space["network.units"]
    assert (1e-3 in space["training.learning_rate"], 16 in space["training.batch"]) == (True, True)
    sizes = [len(choices) for choices in space.values() if isinstance(choices, tuple)]
    assert math.prod(sizes) == 5**2 * 3**2 * 4**2 * 5**3 * (3 + 1) * 3
