"""Searches for better settings of a recipe, judged on validation clips and never on test clips."""

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import torch
from optuna.trial import Trial, TrialState

from sottovoce.errors import CorpusError, SottovoceError
from sottovoce.learn.data.batches import WholeClips
from sottovoce.learn.data.dataset import Data
from sottovoce.learn.evaluate.metrics import Predictions, metrics
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.search.report import Judged, Tried, describe_trial, write_search
from sottovoce.learn.search.space import Space, Values
from sottovoce.learn.search.study import Study
from sottovoce.learn.silence_logs import silence_logs
from sottovoce.learn.splits.protocols import make_split
from sottovoce.learn.train.classifier import judge
from sottovoce.learn.train.cross_validate import Say, choose_folds, open_folder
from sottovoce.learn.train.fit import train
from sottovoce.learn.train.history import read_history
from sottovoce.learn.train.lightning_module import Job
from sottovoce.text import one_line


def open_search(folder: Path, recipe: Recipe, *, resume: bool) -> None:
    """Make the folder of a search with the recipe in it, or check that an old one is of it.

    More trials do not make another search.

    Raises:
        SottovoceError: the folder is there and `resume` is False, or it is of another search.
    """
    kept = folder / "recipe.toml"
    if resume and kept.exists():
        first, second = (_options(each) for each in (Recipe.load(kept), recipe))
        differs = [key for key in second if first.get(key) != second[key]]
        if differs:
            raise SottovoceError(
                f"{folder}: this is another search ({differs[0]} differs); "
                "name another folder with --out"
            )
    open_folder(folder, recipe, resume=resume)


def _options(recipe: Recipe) -> Mapping[str, object]:
    """What makes one search of the same training another."""
    spec = {} if recipe.search is None else recipe.search.model_dump(exclude={"trials"})
    return {f"search.{key}": value for key, value in spec.items()} | {"seeds": recipe.seeds[0]}


def search(
    space: Space,
    folder: Path,
    load: Callable[[Recipe], Data],
    *,
    trials: int,
    device: torch.device,
    say: Say,
) -> Tried:
    """Try settings until there are so many trials, going on with what is in the folder.

    The first trial is the recipe as it stands, where that lies in the space. Each is trained as
    `sottovoce train` would with the recipe's first seed, and judged by `training.monitor` on the
    validation clips; no network ever gets a test clip. What is drawn follows from the seed and the
    trial's number, so a search that was killed and goes on gives what it would have given.

    Args:
        space: of a recipe.
        folder: see `open_search`.
        load: gives the clips of a recipe.
        trials: how many there are to be in all.
        device: to train on.
        say: told how it goes.

    Returns:
        The best trial.

    Raises:
        CorpusError: a fold has no validation clips, or the split leaks.
        SottovoceError: there is no such fold, the folder is of other clips, or all trials failed.
    """
    with silence_logs("optuna"):
        ongoing = _Search(space, folder, load, device)
        if space.outside:
            say(f"the recipe as it stands is not tried: its {space.outside[0]} is not in the space")
        while len(ongoing.study.tried()) < trials:
            ongoing.run(ongoing.study.next_trial())
            judged = ongoing.judged()
            write_search(folder, judged)
            say(describe_trial(judged, trials))
        judged = ongoing.judged()
        best = judged.best
        if best is None:
            raise SottovoceError(
                f"{folder}: none of {len(judged.trials)} trials could be trained and judged to the "
                f"end; the last one: {judged.trials[-1].reason or judged.trials[-1].state}"
            )
        write_search(folder, judged, ongoing.study.importances())
        for line in judged.summary(best, folder):
            say(line)
        return best


class _Search:
    """A search while it runs: its clips, its folds and its trials."""

    def __init__(
        self, space: Space, folder: Path, load: Callable[[Recipe], Data], device: torch.device
    ) -> None:
        """See `search`."""
        self.space, self.folder, self.load, self.device = space, folder, load, device
        recipe = space.base
        self.seed, self.monitor = recipe.seeds[0], recipe.training.monitor
        self.data = load(recipe)
        self.split = make_split(recipe.protocol, self.data.clips, self.seed)
        self.folds = choose_folds(self.split, space.spec.folds)
        for number, fold in self.folds.items():
            if not fold.validation:
                raise CorpusError(f"fold {number} has no validation clips to judge trials by")
        names = "\n".join(map(self.data.name, range(len(self.data.clips))))
        self.study = Study(folder, space, hashlib.sha256(names.encode()).hexdigest())

    def judged(self) -> Judged:
        """Give what there is to report."""
        seen = {row for fold in self.folds.values() for row in (*fold.train, *fold.validation)}
        folds = enumerate(self.split.folds, start=1)
        return Judged(
            self.space,
            self.study.tried(),
            unseen=tuple(number for number, fold in folds if not seen & set(fold.test)),
            of=len(self.split.folds),
        )

    def run(self, trial: Trial) -> None:
        """Train and judge one trial, and write down how it ended."""
        if self.study.repeat(trial):
            return
        home = self.folder / "trials" / str(trial.number + 1)
        state, value = TrialState.COMPLETE, None
        try:
            data = self._data(self.space.values(trial.params))
            value = float(np.mean([self._figure(trial, data, each, home) for each in self.folds]))
        except optuna.TrialPruned:
            state = TrialState.PRUNED
        except (SottovoceError, RuntimeError) as error:  # torch's: a size or a memory too small
            state = TrialState.FAIL
            trial.set_user_attr("reason", one_line(error))
        rows = [row for path in home.glob("fold*/history.csv") for row in read_history(path)]
        trial.set_user_attr("epochs", len(rows))
        trial.set_user_attr("seconds", sum(row["seconds"] for row in rows))
        self.study.optuna.tell(trial, value, state)
        for checkpoints in home.glob("fold*/checkpoints"):
            shutil.rmtree(checkpoints)

    def _data(self, values: Values) -> Data:
        recipe = self.space.recipe(values)
        return self.load(recipe) if self.space.prepares else replace(self.data, recipe=recipe)

    def _figure(self, trial: Trial, data: Data, number: int, home: Path) -> float:
        """Train a fold, and give the figure of its validation clips."""
        name = f"fold{number}"
        if name in trial.user_attrs:
            return float(trial.user_attrs[name])
        fold, folder = self.folds[number], home / name
        folder.mkdir(parents=True, exist_ok=True)
        validation = data.examples(fold.validation)
        title = f"trial {trial.number + 1}, fold {number}"
        seed = (self.seed, number)
        job = Job(
            data.recipe, title, seed, folder, data.examples(fold.train), validation, data.noise
        )

        def watch(line: str) -> None:
            last = read_history(folder / "history.csv")[-1]
            figure = last[f"validation_{self.monitor}"]
            if not np.isnan(figure):
                trial.report(figure, int(last["epoch"]))
                if trial.should_prune():
                    raise optuna.TrialPruned

        prunes = self.space.spec.prune and number == min(self.folds)
        trained = train(job, self.device, watch if prunes else lambda line: None)
        logits = judge(trained.classifier, WholeClips(validation, data.recipe.window), self.device)
        predictions = Predictions(
            np.array(validation.targets),
            logits,
            np.array([data.clips[row].speaker for row in fold.validation]),
            np.array([data.name(row) for row in fold.validation]),
            data.recipe.emotions,
        )
        value = metrics(predictions)[self.monitor]
        trial.set_user_attr(name, value)
        return value
