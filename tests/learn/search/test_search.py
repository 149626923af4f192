"""A search tries what its space allows, judges by validation clips alone, and leaves a recipe."""

import csv
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny_corpus import RECIPE, write_corpus

from sottovoce.errors import RecipeError, SottovoceError
from sottovoce.learn import search as search_module
from sottovoce.learn.data.batches import WholeClips
from sottovoce.learn.data.dataset import Data
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.search import report
from sottovoce.learn.search.report import Judged, Tried, draw_search, write_search
from sottovoce.learn.search.search import open_search, search
from sottovoce.learn.search.space import Space
from sottovoce.learn.splits.protocols import make_split
from sottovoce.learn.train.cross_validate import difference, run_fold
from sottovoce.learn.train.history import COLUMNS, History, read_history
from sottovoce.learn.train.lightning_module import Job

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
    said: list[str] | None = None,
) -> Tried:
    """Search as the command does."""
    space = Space(Recipe.parse(text))
    open_search(folder, space.base, resume=resume)
    say = [].append if said is None else said.append
    return search(space, folder, load, trials=trials, device=CPU, say=say)


def rows(folder: Path) -> list[dict[str, str]]:
    """The rows of trials.csv, without how long they took."""
    with (folder / "trials.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def found(
    load: Callable[[Recipe], Data], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    """The folder of a search of three trials, and what it said."""
    folder, said = tmp_path_factory.mktemp("runs") / "tiny", list[str]()
    look(TINY, folder, load, said=said)
    return folder, said


def test_a_search_leaves_everything_behind(found: tuple[Path, list[str]]) -> None:
    folder, said = found
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
        "recipe.toml",
        "search.journal",
        "trials.csv",
        "best.toml",
        "search.png",
        *(f"trials/{number}/fold1/history.csv" for number in (1, 2, 3)),
    }
    assert [line.partition(":")[0] for line in said[:4]] == [
        *(f"trial {number} of 3" for number in (1, 2, 3)),
        "best of 3",
    ]
    assert "the recipe as it stands" in said[3]
    assert said[-1].endswith("best.toml --data ... --folds 1 --seeds 1")


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
        [{k: v for k, v in row.items() if k != "seconds"} for row in read_history(path)]
        for path in (tmp_path / "history.csv", folder / "trials/1/fold1/history.csv")
    )
    assert history == expected
    first = rows(folder)[0]
    assert (first["network.width"], first["training.learning_rate"]) == ("8", "0.01")
    assert float(first["value"]) == pytest.approx(history[-1]["validation_uar"])


def test_a_search_killed_in_the_middle_gives_the_same(
    found: tuple[Path, list[str]],
    load: Callable[[Recipe], Data],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = search_module.train

    def killed(job: Job, device: torch.device, say: Callable[[str], None]) -> object:
        def stop(line: str) -> None:
            if job.title == "trial 2, fold 1":
                raise KeyboardInterrupt

        return real(job, device, stop)

    folder = tmp_path / "run"
    monkeypatch.setattr(search_module, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        look(TINY, folder, load)
    assert len(rows(folder)) == 1
    assert (folder / "best.toml").exists()
    trained = list[str]()

    def noted(job: Job, device: torch.device, say: Callable[[str], None]) -> object:
        trained.append(job.title)
        return real(job, device, say)

    monkeypatch.setattr(search_module, "train", noted)
    with (folder / "search.journal").open("ab") as journal:
        journal.write(b'{"op_code": 5, "wor')  # a disk was full, too
    look(TINY, folder, load, resume=True)
    assert trained == ["trial 2, fold 1", "trial 3, fold 1"]
    assert rows(folder) == rows(found[0])
    assert (folder / "best.toml").read_bytes() == (found[0] / "best.toml").read_bytes()


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Trainings that cost nothing: the NLL is how far log10 of the learning rate is from -2.

    A learning rate above 0.05 has no finite loss. Gives the trainings there were.
    """
    jobs = list[Job]()

    def nll(recipe: Recipe) -> float:
        return 0.1 + abs(math.log10(recipe.training.learning_rate) + 2)

    def train(job: Job, device: torch.device, say: Callable[[str], None]) -> object:
        jobs.append(job)
        if job.recipe.training.learning_rate > 0.05:
            raise SottovoceError(f"{job.title}: the loss is nan in epoch 1, step 1")
        history = History(job, say)
        for epoch in range(1, 6):
            row = dict.fromkeys(COLUMNS, 0.5) | {"epoch": epoch}
            history.rows.append(row | {"validation_nll": nll(job.recipe) + 1 / epoch})
            history.write()
            say("an epoch")
        return SimpleNamespace(classifier=job)

    def predict_clips(job: Job, clips: WholeClips, device: torch.device) -> NDArray[np.float64]:
        right = math.exp(-nll(job.recipe))
        targets = np.array(clips.examples.targets)
        return np.log(np.where(np.eye(2)[targets] == 1, right, 1 - right))

    monkeypatch.setattr(search_module, "train", train)
    monkeypatch.setattr(search_module, "judge", judge)
    monkeypatch.setattr(report, "draw_search", lambda *_: None)
    return jobs


@pytest.fixture(scope="module")
def loaded(load: Callable[[Recipe], Data]) -> Callable[[Recipe], Data]:
    """The clips, decoded once."""
    data = load(Recipe.parse(RECIPE))
    return lambda recipe: Data(recipe, data.clips, data.store, None)


def test_no_test_clip_is_ever_asked_for(
    made_up: list[Job],
    loaded: Callable[[Recipe], Data],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, examples = set[int](), Data.examples

    def noted(data: Data, wanted: Sequence[int]) -> object:
        asked.update(wanted)
        return examples(data, wanted)

    monkeypatch.setattr(Data, "examples", noted)
    look(NLL, tmp_path, loaded)
    data = loaded(Recipe.parse(NLL))
    fold = make_split(data.recipe.protocol, data.clips, 0).folds[0]
    assert asked == {*fold.train, *fold.validation}
    for job in made_up:
        assert job.validation is not None
        assert (job.training.rows, job.validation.rows) == (fold.train, fold.validation)


def test_the_lowest_nll_is_the_best(
    made_up: list[Job], loaded: Callable[[Recipe], Data], tmp_path: Path
) -> None:
    best = look(NLL, tmp_path, loaded, trials=6)
    assert best.number == 1
    assert best.value == pytest.approx(0.1)
    assert min(float(row["value"] or "inf") for row in rows(tmp_path)) == pytest.approx(0.1)


def test_a_trial_is_judged_by_the_mean_over_its_folds(
    made_up: list[Job], loaded: Callable[[Recipe], Data], tmp_path: Path
) -> None:
    said = list[str]()
    text = NLL.replace("trials = 3", "trials = 3\nfolds = [1, 2]")
    best = look(text, tmp_path, loaded, trials=1, said=said)
    assert [job.seed for job in made_up] == [(0, 1), (0, 2)]
    assert (best.value, best.epochs) == (pytest.approx(0.1), 10)
    assert said[-1].endswith("; the search saw every test clip of it")


def test_trials_that_cannot_be_trained_fail_alone(
    made_up: list[Job], loaded: Callable[[Recipe], Data], tmp_path: Path
) -> None:
    said = list[str]()
    text = NLL.replace("{ low = 1e-3, high = 1e-1, log = true }", "[1e-2, 1e-1]")
    best = look(text, tmp_path, loaded, trials=8, said=said)
    failed = [row for row in rows(tmp_path) if row["training.learning_rate"] == "0.1"]
    assert failed
    assert {(row["state"], row["value"]) for row in failed} == {("failed", "")}
    assert best.values["training.learning_rate"] == 1e-2
    line = next(line for line in said if "failed" in line)
    assert re.search(r"failed: trial \d, fold 1: the loss is nan in epoch 1", line)


def test_values_that_do_not_go_together_fail_and_say_why(
    made_up: list[Job], loaded: Callable[[Recipe], Data], tmp_path: Path
) -> None:
    said = list[str]()
    bare = NLL[: NLL.index("[augment]")] + NLL[NLL.index("[search]") : NLL.index('"network.width"')]
    space = '"training.crop" = [0.6, 0.0]\n"augment.gain" = [0.0, 6.0]\n'
    look(bare + space, tmp_path, loaded, trials=12, said=said)
    states = {
        (row["training.crop"], row["augment.gain"]): row["state"] == "failed"
        for row in rows(tmp_path)
    }
    assert states == {("0.6", "0.0"): False, ("0.6", "6.0"): False, ("0.0", "0.0"): False} | {
        ("0.0", "6.0"): True
    }
    assert any("failed: recipe: augment.gain: features of whole clips" in line for line in said)


def test_nothing_but_failures_is_one_clear_line(
    made_up: list[Job], loaded: Callable[[Recipe], Data], tmp_path: Path
) -> None:
    text = NLL.replace("low = 1e-3, high = 1e-1", "low = 0.06, high = 0.1")
    said = list[str]()
    with pytest.raises(SottovoceError, match=r"none of 2 trials .* the loss is nan"):
        look(text, tmp_path, loaded, trials=2, said=said)
    assert said[0].startswith("the recipe as it stands is not tried: its training.learning_rate is")
    assert [row["state"] for row in rows(tmp_path)] == ["failed"] * 2


def test_values_tried_before_are_not_trained_again(
    made_up: list[Job], loaded: Callable[[Recipe], Data], tmp_path: Path
) -> None:
    text = NLL.replace("{ low = 1e-3, high = 1e-1, log = true }", "[1e-3, 1e-2]")
    look(text, tmp_path, loaded, trials=12)
    tried = rows(tmp_path)
    settings = {(row["network.width"], row["training.learning_rate"]) for row in tried}
    assert len(made_up) == len(settings) <= 4
    assert [row["state"] for row in tried].count("repeat") == 12 - len(settings)
    assert all(row["value"] and row["epochs"] == "0" for row in tried if row["state"] == "repeat")


def test_unpromising_trials_are_stopped_where_the_recipe_says_so(
    made_up: list[Job], loaded: Callable[[Recipe], Data], tmp_path: Path
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
    made_up: list[Job], loaded: Callable[[Recipe], Data], tmp_path: Path
) -> None:
    text = NLL.replace('"random"', '"tpe"').replace("high = 1e-1", "high = 0.05")
    look(text, tmp_path, loaded, trials=20)
    values = [float(row["value"]) for row in rows(tmp_path)]
    assert np.mean(values[12:]) < 0.8 * np.mean(values[1:11])  # the first is the recipe's own


def test_what_matters_is_told_from_what_does_not(
    made_up: list[Job],
    loaded: Callable[[Recipe], Data],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = list[dict[str, float]]()

    def noted(folder: Path, judged: Judged, importances: dict[str, float] | None = None) -> None:
        given.append(importances or {})
        write_search(folder, judged, importances)

    monkeypatch.setattr(search_module, "write_search", noted)
    look(NLL.replace("high = 1e-1", "high = 0.05"), tmp_path, loaded, trials=15)
    assert not any(given[:-1])
    assert given[-1]["training.learning_rate"] > 0.8 > 0.2 > given[-1]["network.width"]


def test_more_trials_go_on_with_the_same_search(
    made_up: list[Job], loaded: Callable[[Recipe], Data], tmp_path: Path
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
    made_up: list[Job],
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
    made_up: list[Job], loaded: Callable[[Recipe], Data], tmp_path: Path
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
        Space(Recipe.parse(TINY.replace(before, after)))
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_protocol_of_the_search_is_not_that_of_the_best_recipe() -> None:
    text = TINY + '\n[alternatives.other]\nname = "random"\nfolds = 3\n'
    space = Space(Recipe.parse(text).under("other"))
    trial = space.recipe({"network.width": 16})
    best = Recipe.parse(space.text({"network.width": 16}, "tiny-best", "why"))
    assert (trial.protocol.name, best.protocol.name) == ("random", "speakers")
    assert best.under("other").protocol.folds == 3
    judged = Judged(space, (), (1,), 3)
    tried = Tried(1, "complete", 0.5, 1, 1.0, {})
    assert "--protocol other --folds 1" in judged.summary(tried, Path("x"))[-1]


def test_the_same_search_gives_the_same_picture(tmp_path: Path) -> None:
    space = Space(Recipe.parse(NLL))
    own = space.values(space.own)
    trials = (
        Tried(1, "complete", 1.2, 5, 1.0, own),
        Tried(2, "pruned", 1.5, 2, 0.5, {**own, "network.width": 16}),
        Tried(3, "failed", math.nan, 0, 0.0, {**own, "network.width": 16}, "why"),
        Tried(4, "complete", 1.1, 5, 1.0, {**own, "network.width": 16}),
    )
    judged = Judged(space, trials, (1,), 2)
    drawn = set[bytes]()
    for name in ("one.png", "two.png"):
        draw_search(tmp_path / name, "four trials", judged, {"network.width": 1.0})
        drawn.add((tmp_path / name).read_bytes())
    assert len(drawn) == 1
    assert (judged.best, judged.own) == (trials[3], trials[0])


def test_the_published_search_of_c_holds_its_best_sizes() -> None:
    path = Path(__file__).parents[3] / "recipes" / "c-cnn-bilstm.toml"
    space = Space(Recipe.load(path)).spec.space
    assert [64, 128] in space["network.filters"]
    assert [5, 3] in space["network.kernels"]
    assert [64, 32] in space["network.units"]
    assert (1e-3 in space["training.learning_rate"], 16 in space["training.batch"]) == (True, True)
    sizes = [len(choices) for choices in space.values() if isinstance(choices, tuple)]
    assert math.prod(sizes) == 5**2 * 3**2 * 4**2 * 5**3 * 3 * 3
