"""Searches for better settings of a recipe, by validation clips and never by test clips."""

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import torch
from filelock import FileLock, Timeout
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, Trial, TrialState

from sottovoce.errors import CorpusError, SottovoceError
from sottovoce.learn.data.batches import generator_for
from sottovoce.learn.data.dataset import Data
from sottovoce.learn.evaluate.metrics import LabelledPredictions, compute_metrics
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.search.report import (
    SearchResult,
    TrialResult,
    describe_trial,
    write_search,
)
from sottovoce.learn.search.space import SearchSpace, Values
from sottovoce.learn.silence_logs import silence_logs
from sottovoce.learn.splits.folds import Fold
from sottovoce.learn.splits.protocols import make_split
from sottovoce.learn.train.cross_validate import check_folder, choose_folds, keep_recipe
from sottovoce.learn.train.fit import fit_fold
from sottovoce.learn.train.history import History, LogLine, ReportProgress, no_progress
from sottovoce.text import one_line

MIN_TRIALS = 10
"""With fewer finished trials the importance of a key cannot be estimated."""

PRUNE_FROM = 5
"""So many trials are trained to the end before any is pruned."""


def search(
    space: SearchSpace,
    folder: Path,
    load: Callable[[Recipe], Data],
    *,
    trials: int,
    device: torch.device,
    log: LogLine,
    report: ReportProgress = no_progress,
) -> TrialResult:
    """Run trials until there are so many, going on with those that the folder holds.

    Other processes may search in the same folder, on this machine or another one that sees it: each
    trial is one process's, and the trial of one that was killed falls to another. Each process
    ends when all trials are over, with the same result.

    The first trial is the recipe as it stands, where that lies in the space. Each is trained as
    `sottovoce train` would with the recipe's first seed, and its value is that of
    `training.monitor` on the validation clips; no network ever gets a test clip. What is drawn
    follows from the seed and the trial's number, so a search that was killed and goes on gives the
    same result.

    Args:
        space: of a recipe.
        folder: of the search; see `check_folder`.
        load: gives the clips of a recipe.
        trials: how many there are to be in all.
        device: to train on.
        log: gets a line a trial.
        report: gets the progress of each training.

    Returns:
        The best trial.

    Raises:
        CorpusError: a fold has no validation clips, or the split leaks.
        SottovoceError: there is no such fold, the folder is of other clips, or all trials failed.
    """
    with silence_logs("optuna"):
        running = _Search(space, folder, load, device, report)
        if space.outside:
            log(f"the recipe as it stands is not tried: its {space.outside[0]} is not in the space")
        if running.grid:
            trials = min(trials, len(running.grid))
        while (taken := running.take_trial(trials, log)) is not None:
            trial, lock = taken
            try:
                running.run_trial(trial)
            finally:
                lock.release()
            with running.lock:
                result = running.result()
                write_search(folder, result)
            log(describe_trial(result, trial.number + 1, trials))
        with running.lock:
            result = running.result()
            best = result.best
            if best is None:
                last = result.trials[-1]
                raise SottovoceError(
                    f"{folder}: none of {len(result.trials)} trials could be trained and judged to "
                    f"the end; the last one: {last.reason or last.state}"
                )
            write_search(folder, result, running.importances())
        for line in result.summary(best, folder):
            log(line)
        return best


def is_under_way(folder: Path) -> bool:
    """Whether a process, here or on another machine, is training a trial of a search right now."""
    for path in folder.glob("trials/*/lock"):
        try:
            with FileLock(path, timeout=0):
                pass
        except Timeout:
            return True
    return False


class _Search:
    """A search while it runs: its clips, its folds, and its trials, which Optuna's journal keeps.

    What processes share is guarded by locks that the system lets go of when their owner dies:
    `lock` while a trial is taken, or files are written, and a trial's own while it is trained.
    """

    def __init__(
        self,
        space: SearchSpace,
        folder: Path,
        load: Callable[[Recipe], Data],
        device: torch.device,
        report: ReportProgress,
    ) -> None:
        """Go on with the folder's journal, or begin it with the recipe's own values."""
        self.space, self.folder, self.load = space, folder, load
        self.device, self.report = device, report
        self.grid = space.grid() if space.spec.sampler == "grid" else []
        recipe = space.base
        self.seed, self.monitor = recipe.seeds[0], recipe.training.monitor
        self.data = load(recipe)
        self.split = make_split(recipe.protocol, self.data.clips, self.seed)
        chosen = choose_folds(self.split, space.spec.folds)
        self.folds: dict[tuple[int, ...], Fold] = {
            (number,): fold for number, fold in chosen.items()
        }
        """Number, or number and that of the inner fold -> what a trial trains and is judged on."""
        if space.spec.inner_folds:
            self.folds = {
                (number, inner_number): inner
                for number, fold in chosen.items()
                for inner_number, inner in enumerate(self._inner_folds(fold), start=1)
            }
        for (number, *_), fold in self.folds.items():
            if not fold.validation:
                raise CorpusError(f"fold {number} has no validation clips to judge trials by")
        folder.mkdir(parents=True, exist_ok=True)
        self.lock = FileLock(folder / "search.lock")
        with self.lock:
            check_folder(folder, recipe, resume=True, search=True)
            keep_recipe(folder, recipe)
            self.study = self._study()

    def _study(self) -> optuna.Study:
        """Open the journal, or begin it with the recipe's own values."""
        space, folder, recipe = self.space, self.folder, self.space.base
        journal = folder.absolute() / "search.journal"  # Optuna's lock is a link to it
        journal_lock = JournalFileSymlinkLock(str(journal))
        if journal.exists():  # a line cut off, by a full disk, would spoil those after it
            journal_lock.acquire()
            try:
                lines = journal.read_bytes()
                if not lines.endswith(b"\n"):
                    journal.write_bytes(lines[: lines.rfind(b"\n") + 1])
            finally:
                journal_lock.release()
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(journal), journal_lock)),
            study_name="search",
            direction="minimize" if self.monitor == "nll" else "maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(
                n_startup_trials=PRUNE_FROM, n_warmup_steps=recipe.training.epochs // 5
            ),
        )
        names = "\n".join(map(self.data.name, range(len(self.data.clips))))
        clips = hashlib.sha256(names.encode()).hexdigest()
        if study.user_attrs.get("clips", clips) != clips:
            raise SottovoceError(
                f"{folder}: this search is of other clips than those given now; give the corpora "
                "of that search, or name another folder with --out"
            )
        if not study.get_trials(deepcopy=False):
            study.set_user_attr("clips", clips)
            if not space.outside:
                study.enqueue_trial(space.own)
        return study

    def _inner_folds(self, fold: Fold) -> list[Fold]:
        """Divide the clips of a fold that do not test by speaker."""
        rows = (*fold.train, *fold.validation)
        protocol = self.space.base.protocol.model_copy(
            update={
                "name": "speakers",
                "folds": self.space.spec.inner_folds,
                "validation_speakers": 0,
            }
        )
        split = make_split(protocol, [self.data.clips[row] for row in rows], self.seed)
        return [
            Fold(
                inner.name,
                train=tuple(rows[i] for i in inner.train),
                validation=tuple(rows[i] for i in inner.test),
                test=(),
            )
            for inner in split.folds
        ]

    def results(self) -> tuple[TrialResult, ...]:
        """The trials that are over."""
        return tuple(
            self._result(t) for t in self.study.get_trials(deepcopy=False) if t.state.is_finished()
        )

    def _result(self, trial: FrozenTrial) -> TrialResult:
        attributes = trial.user_attrs
        costs = [value for key, value in attributes.items() if key.startswith("cost of fold")]
        return TrialResult(
            number=trial.number + 1,
            state="repeat"
            if "repeats" in attributes
            else trial.state.name.lower().replace("fail", "failed"),
            value=np.nan if trial.value is None else trial.value,
            epochs=sum(epochs for epochs, _ in costs),
            seconds=sum(seconds for _, seconds in costs),
            values=self.space.values(trial.params),
            reason=attributes.get("reason", ""),
        )

    def result(self) -> SearchResult:
        """The search so far."""
        seen = {row for fold in self.folds.values() for row in (*fold.train, *fold.validation)}
        folds = enumerate(self.split.folds, start=1)
        return SearchResult(
            self.space,
            self.results(),
            unseen_folds=tuple(number for number, fold in folds if not seen & set(fold.test)),
            num_folds=len(self.split.folds),
        )

    def take_trial(self, trials: int, log: LogLine) -> tuple[Trial, FileLock] | None:
        """A trial that is this process's to train, and its lock; None where all are over.

        It is one whose process was killed, or else a new one, where there are not `trials` of them
        yet. While others train the last ones it waits, for one of them may be killed.
        """
        told = False
        while True:
            with self.lock:
                known = self.study.get_trials(deepcopy=False)
                begun = [trial for trial in known if trial.state == TrialState.RUNNING]
                for trial in begun:
                    lock = self._lock(trial.number)
                    if lock is None:
                        continue
                    now = self.study.get_trials(deepcopy=False)[trial.number]
                    if not now.state.is_finished():
                        return self._drawn(Trial(self.study, trial._trial_id)), lock
                    lock.release()
                waiting = any(trial.state == TrialState.WAITING for trial in known)
                if waiting or len(known) < trials:
                    if self.grid and not waiting:
                        self.study.enqueue_trial(self.grid[len(known)])
                    new = self.study.ask()
                    if (lock := self._lock(new.number)) is not None:
                        return self._drawn(new), lock
                    continue
            if not begun:
                return None
            if not told:
                log(f"other processes train the last {len(begun)}; this one waits for them")
                told = True
            self._wait_for(begun[0].number)

    def _lock(self, number: int) -> FileLock | None:
        """Make a trial this process's, unless it is another's."""
        folder = self._trial_folder(number)
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            return None
        return lock

    def _wait_for(self, number: int) -> None:
        """Wait until the process whose trial it is has trained it, or was killed."""
        with FileLock(self._trial_folder(number) / "lock"):
            pass

    def _drawn(self, trial: Trial) -> Trial:
        """Draw a trial's values; they follow from the seed, its number and the trials before it."""
        seed = generator_for(self.seed, trial.number).initial_seed() % 2**32
        if self.space.spec.sampler == "tpe":
            self.study.sampler = optuna.samplers.TPESampler(seed=seed)
        else:  # of a grid nothing is drawn
            self.study.sampler = optuna.samplers.RandomSampler(seed)
        self.space.suggest(trial)
        return trial

    def run_trial(self, trial: Trial) -> None:
        """Train a trial and keep its value, or that of another trial with the same settings."""
        values = self.space.suggest(trial)
        for other in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if other.number < trial.number and self.space.values(other.params) == values:
                self._wait_for(other.number)
        earlier = [t for t in self.results() if t.finished and t.values == values]
        if earlier:
            trial.set_user_attr("repeats", earlier[0].number)
            self.study.tell(trial, earlier[0].value)
            return
        state, value = TrialState.COMPLETE, None
        try:
            data = self._data(values)
            value = self._value(trial, data)
        except optuna.TrialPruned:
            state = TrialState.PRUNED
        except (SottovoceError, RuntimeError) as error:  # torch's: a size or a memory too small
            state = TrialState.FAIL
            trial.set_user_attr("reason", one_line(error))
        self.study.tell(trial, value, state)
        for checkpoints in self._trial_folder(trial.number).glob("fold*/checkpoints"):
            shutil.rmtree(checkpoints)

    def _trial_folder(self, number: int) -> Path:
        return self.folder / "trials" / str(number + 1)

    def _data(self, values: Values) -> Data:
        recipe = self.space.recipe(values)
        return self.load(recipe) if self.space.changes_clips else replace(self.data, recipe=recipe)

    def _value(self, trial: Trial, data: Data) -> float:
        """Train every fold, unless it is pruned, and give the mean of their values."""
        values = list[float]()
        for number in self.folds:
            values.append(self._fold_value(trial, data, number))
            if len(values) < len(self.folds) and self.space.spec.prune:
                trial.report(float(np.mean(values)), data.recipe.training.epochs + len(values))
                if self._is_worse(values):
                    raise optuna.TrialPruned
        return float(np.mean(values))

    def _fold_value(self, trial: Trial, data: Data, number: tuple[int, ...]) -> float:
        """Train a fold, and give the value of `training.monitor` for its validation clips."""
        name = _name(number)
        if name in trial.user_attrs:
            return float(trial.user_attrs[name])
        fold = self.folds[number]
        prunes = self.space.spec.prune and number == min(self.folds)

        def epoch_end(history: History) -> None:
            cost = [len(history), sum(epoch["seconds"] for epoch in history)]
            trial.set_user_attr(f"cost of {name}", cost)
            value = history[-1][f"validation_{self.monitor}"]
            if prunes and not np.isnan(value):
                trial.report(value, int(history[-1]["epoch"]))
                if trial.should_prune():
                    raise optuna.TrialPruned

        fitted = fit_fold(
            data,
            replace(fold, test=()),
            (self.seed, *number),
            self._trial_folder(trial.number) / name,
            self.device,
            title=f"trial {trial.number + 1}, {name.replace('fold', 'fold ')}",
            log=lambda line: None,
            report=self.report,
            epoch_end=epoch_end,
        )
        predictions = LabelledPredictions(
            np.array(data.examples(fold.validation).targets),
            fitted.validation_logits,
            np.array([data.clips[row].speaker for row in fold.validation]),
            np.array([data.name(row) for row in fold.validation]),
            data.recipe.emotions,
        )
        value = compute_metrics(predictions)[self.monitor]
        trial.set_user_attr(name, value)
        return value

    def _is_worse(self, values: Sequence[float]) -> bool:
        """Whether the mean of a trial's first values is worse than half of those of the others."""
        names = [_name(number) for number in self.folds][: len(values)]
        others = [
            np.mean([trial.user_attrs[name] for name in names])
            for trial in self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            if names[-1] in trial.user_attrs
        ]
        if len(others) < PRUNE_FROM:
            return False
        better = np.less if self.monitor == "nll" else np.greater
        return bool(better(np.median(others), np.mean(values)))

    def importances(self) -> Mapping[str, float]:
        """The fraction of the values' variance that each key explains (Hutter et al. 2014).

        Nothing where there are too few trials to tell, or all are alike.
        """
        values = [trial.value for trial in self.results() if trial.finished]
        if len(values) < MIN_TRIALS or min(values) == max(values):
            return {}
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=self.seed)
        found = optuna.importance.get_param_importances(self.study, evaluator=evaluator)
        return {key: float(fraction) for key, fraction in found.items()}


def _name(number: tuple[int, ...]) -> str:
    """Name the folder of a fold: "fold1", or "fold1.2" for an inner one."""
    return "fold" + ".".join(map(str, number))
