"""What can be seen of a training while it runs and after: a line an epoch, history.csv, a bar."""

import csv
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import Progress

from sottovoce.learn.train.lightning_module import WATCHED, Job

VALIDATION = tuple(f"validation_{name}" for name in WATCHED)

COLUMNS = ("epoch", "seconds", "learning_rate", "train_loss", *VALIDATION)
"""Of history.csv; `seconds` are those of the epoch, with its validation."""

Row = dict[str, float]
"""An epoch's value for each of `COLUMNS`; NaN where it was not measured."""


class History(Callback):
    """Keeps a row of figures an epoch, in history.csv and in the checkpoint, and says them."""

    def __init__(self, job: Job, say: Callable[[str], None]) -> None:
        """`say` is given one line an epoch."""
        self.path = job.folder / "history.csv"
        self.title = job.title
        self.epochs = job.epochs or job.recipe.training.epochs
        self.say = say
        self.rows: list[Row] = []
        self.since = time.perf_counter()

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Start the clock."""
        self.since = time.perf_counter()

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        """Add the epoch's row."""
        found = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row: Row = {
            "epoch": trainer.current_epoch + 1,
            "seconds": time.perf_counter() - self.since,
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "train_loss": found["train_loss"],
        }
        self.since = time.perf_counter()
        every = trainer.check_val_every_n_epoch or 1
        watched = "validation_uar" in found and (trainer.current_epoch + 1) % every == 0
        for name in VALIDATION:
            row[name] = found[name] if watched else math.nan
        self.rows.append(row)
        self.write()
        line = f"{self.title}, epoch {row['epoch']}/{self.epochs}: loss {row['train_loss']:.3f}"
        if watched:
            line += f", validation NLL {row['validation_nll']:.3f}, UAR {row['validation_uar']:.1%}"
        self.say(line)

    def write(self) -> None:
        """Write history.csv, whole."""
        draft = self.path.with_suffix(".part")
        with draft.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COLUMNS)
            for row in self.rows:
                values = [row[name] for name in COLUMNS]
                table.writerow(["" if math.isnan(value) else f"{value:.6g}" for value in values])
        draft.replace(self.path)

    def state_dict(self) -> dict[str, Any]:
        """Keep the rows in the checkpoint."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the rows up to the checkpoint."""
        self.rows = list(state_dict["rows"])


class Bar(Callback):
    """Shows how far a training is, on standard error and only to people."""

    def __init__(self, title: str) -> None:
        """`title` stands before the bar."""
        console = Console(stderr=True)
        self.bar = Progress(console=console, transient=True, disable=not console.is_terminal)
        self.task = self.bar.add_task(title)

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Show the bar, from where the training goes on."""
        total = int(trainer.estimated_stepping_batches)
        self.bar.update(self.task, total=total, completed=trainer.global_step)
        self.bar.start()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_index: int,
    ) -> None:
        """Move on by a step."""
        self.bar.update(self.task, completed=trainer.global_step)

    def teardown(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, stage: str
    ) -> None:
        """Take the bar away."""
        self.bar.stop()

    def on_exception(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        exception: BaseException,
    ) -> None:
        """Take the bar away when a training fails, too."""
        self.bar.stop()


def read_history(path: Path) -> tuple[Row, ...]:
    """Read history.csv; NaN where a figure was not measured."""
    with path.open(newline="", encoding="utf-8") as file:
        return tuple(
            {name: float(value or "nan") for name, value in row.items()}
            for row in csv.DictReader(file)
        )


def curve(history: tuple[Row, ...], name: str) -> tuple[float, ...]:
    """Give one column of a history."""
    return tuple(row[name] for row in history)
