"""The trials of a search, kept in a journal by Optuna: which there were, and which comes next."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState

from sottovoce.errors import SottovoceError
from sottovoce.learn.data.batches import generator_for
from sottovoce.learn.search.report import Tried
from sottovoce.learn.search.space import Space

ENOUGH = 10
"""Fewer judged trials than this say nothing of which key matters."""

STATES: Mapping[TrialState, str] = MappingProxyType(
    {
        TrialState.COMPLETE: "complete",
        TrialState.PRUNED: "pruned",
        TrialState.FAIL: "failed",
    }
)
"""How a trial can end -> what trials.csv calls it."""


class Study:
    """The trials of a space, in a folder; a trial is at most once under way."""

    def __init__(self, folder: Path, space: Space, clips: str) -> None:
        """Go on with the folder's journal, or begin it with the recipe's own values.

        Args:
            folder: of the search.
            space: of the recipe.
            clips: names what the trials are trained and judged on.

        Raises:
            SottovoceError: the journal is of other clips.
        """
        self.space, self.seed = space, space.base.seeds[0]
        journal = folder / "search.journal"
        if journal.exists():  # a line cut off, by a full disk, would spoil those after it
            lines = journal.read_bytes()
            if not lines.endswith(b"\n"):
                journal.write_bytes(lines[: lines.rfind(b"\n") + 1])
        training = space.base.training
        self.optuna = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(journal))),
            study_name="search",
            direction="minimize" if training.monitor == "nll" else "maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_warmup_steps=training.epochs // 5),
        )
        if self.optuna.user_attrs.get("clips", clips) != clips:
            raise SottovoceError(
                f"{folder}: this search is of other clips than those given now; give the corpora "
                "of that search, or name another folder with --out"
            )
        if not self.optuna.get_trials(deepcopy=False):
            self.optuna.set_user_attr("clips", clips)
            if not space.outside:
                self.optuna.enqueue_trial(space.own)

    def tried(self) -> tuple[Tried, ...]:
        """Give the trials that are over."""
        return tuple(
            Tried(
                number=trial.number + 1,
                state="repeat" if "repeats" in trial.user_attrs else STATES[trial.state],
                value=np.nan if trial.value is None else trial.value,
                epochs=trial.user_attrs.get("epochs", 0),
                seconds=trial.user_attrs.get("seconds", 0.0),
                values=self.space.values(trial.params),
                reason=trial.user_attrs.get("reason", ""),
            )
            for trial in self.optuna.get_trials(deepcopy=False, states=tuple(STATES))
        )

    def next_trial(self) -> Trial:
        """Give the trial that was under way when the search was killed, or a new one.

        What is drawn for it follows from the seed, its number and the trials before it.
        """
        begun = self.optuna.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        trial = Trial(self.optuna, begun[0]._trial_id) if begun else self.optuna.ask()
        seed = generator_for(self.seed, trial.number).initial_seed() % 2**32
        if self.space.spec.sampler == "random":
            self.optuna.sampler = optuna.samplers.RandomSampler(seed)
        else:
            self.optuna.sampler = optuna.samplers.TPESampler(seed=seed)
        return trial

    def repeat(self, trial: Trial) -> bool:
        """Finish a trial whose values have been tried before with the figure that they got."""
        values = self.space.suggest(trial)
        earlier = next(
            (each for each in self.tried() if each.counts and each.values == values), None
        )
        if earlier is not None:
            trial.set_user_attr("repeats", earlier.number)
            self.optuna.tell(trial, earlier.value)
        return earlier is not None

    def importances(self) -> Mapping[str, float]:
        """Give the share of the figure's variance that each key explains (Hutter et al. 2014).

        Nothing where there are too few trials to tell, or all are alike.
        """
        values = [trial.value for trial in self.tried() if trial.counts]
        if len(values) < ENOUGH or min(values) == max(values):
            return {}
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=self.seed)
        found = optuna.importance.get_param_importances(self.optuna, evaluator=evaluator)
        return {key: float(share) for key, share in found.items()}
