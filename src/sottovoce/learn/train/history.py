"""What can be seen of a training: its figures by epoch, history.csv, a line of log, progress."""

import csv
import io
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from sottovoce.learn.train.lightning_module import MONITORED, Job
from sottovoce.learn.train.ranks import rank_of
from sottovoce.system import write_atomically

VALIDATION_COLUMNS = tuple(f"validation_{name}" for name in MONITORED)

COLUMNS = ("epoch", "seconds", "learning_rate", "train_loss", *VALIDATION_COLUMNS)
"""Of history.csv; `seconds` are those of the epoch, with its validation."""

History = Sequence[Mapping[str, float]]
"""For each epoch, the value of each of `COLUMNS`; NaN where it was not measured."""

LogLine = Callable[[str], None]
"""Called with one line for people."""

ReportProgress = Callable[[str, float, float | None], None]
"""Called with what is being done, how much of it is done, and of how much in all."""

EpochEnd = Callable[[History], None]
"""Called after each epoch with the figures of all epochs so far."""


def no_progress(what: str, done: float, total: float | None) -> None:
    """Report nothing."""


class HistoryCallback(Callback):
    """Keeps each epoch's figures, in history.csv and in the checkpoint, and passes them on.

    Lightning's CSVLogger does not do: it deletes its file when a training goes on, which would lose
    the epochs before, and it always calls it metrics.csv.
    """

    def __init__(self, job: Job, log: LogLine, epoch_end: EpochEnd | None = None) -> None:
        """`log` gets a line an epoch."""
        self.job, self.epoch_end = job, epoch_end
        self.log_line = log  # Lightning sets an attribute `log` of its own
        self.history: list[dict[str, float]] = []
        self.since = time.perf_counter()

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Start the clock."""
        self.since = time.perf_counter()

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        """Add the epoch's figures."""
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        epoch = trainer.current_epoch + 1
        validated = (
            "validation_uar" in metrics and epoch % (trainer.check_val_every_n_epoch or 1) == 0
        )
        figures = {
            "epoch": epoch,
            "seconds": time.perf_counter() - self.since,
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "train_loss": metrics["train_loss"],
        }
        for name in VALIDATION_COLUMNS:
            figures[name] = metrics[name] if validated else math.nan
        self.since = time.perf_counter()
        self.add(figures)
        line = (
            f"{self.job.title}, epoch {epoch}/{self.job.epochs}: loss {metrics['train_loss']:.3f}"
        )
        if validated:
            line += (
                f", validation NLL {metrics['validation_nll']:.3f}, "
                f"UAR {metrics['validation_uar']:.1%}"
            )
        self.log_line(line)
        if self.epoch_end is not None:
            self.epoch_end(self.history)

    def add(self, figures: dict[str, float]) -> None:
        """Keep the figures of one more epoch; history.csv is written anew."""
        self.history.append(figures)
        if rank_of(self.job.recipe.training):
            return
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(COLUMNS)
        for epoch in self.history:
            values = [epoch[name] for name in COLUMNS]
            table.writerow(["" if math.isnan(value) else f"{value:.6g}" for value in values])
        write_atomically(self.job.folder / "history.csv", text.getvalue())

    def state_dict(self) -> dict[str, Any]:
        """Keep the history in the checkpoint."""
        return {"history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the history up to the checkpoint."""
        self.history = list(state_dict["history"])


class ProgressCallback(Callback):
    """Reports the steps of a training."""

    def __init__(self, title: str, report: ReportProgress) -> None:
        """`title` names the training."""
        self.title, self.report = title, report

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_index: int,
    ) -> None:
        """Report a step."""
        self.report(self.title, trainer.global_step, trainer.estimated_stepping_batches)

    def teardown(self, *_: Any, **__: Any) -> None:
        """Report the end, also of a training that stops early."""
        self.report(self.title, 1, 1)

    on_exception = teardown
