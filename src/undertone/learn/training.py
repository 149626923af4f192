"""Trains one network on some clips: the loss, the optimiser, averaged weights, checkpoints."""

import contextlib
import csv
import logging
import math
import signal
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
import torch.nn.functional as F  # noqa: N812
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    ModelCheckpoint,
    WeightAveraging,
)
from rich.console import Console
from rich.progress import Progress
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from undertone.errors import RecipeError, UndertoneError
from undertone.learn import augment
from undertone.learn.batches import (
    Crops,
    EpochSteps,
    Examples,
    TrainingBatches,
    Whole,
    WholeClips,
    generator_for,
)
from undertone.learn.classifier import Classifier
from undertone.learn.clips import ClipStore
from undertone.learn.recipe import Recipe

WATCHED = 10
"""So many times at least is a training without early stopping measured on validation speakers."""

HISTORY = ("epoch", "learning_rate", "train_loss", "validation_loss", "validation_uar")
"""Columns of history.csv."""

Row = dict[str, float]


@dataclass(frozen=True, slots=True)
class Job:
    """One training: which clips, with which seed, and where it keeps what it has.

    Attributes:
        title: names it in messages, e.g. "seed 0, fold 1".
        seed: parts of the seed, e.g. (seed, fold).
        validation: clips to watch it with; None for a final model.
        epochs: epochs to train, where not the recipe's.
    """

    recipe: Recipe
    title: str
    seed: tuple[int, ...]
    folder: Path
    training: Examples
    validation: Examples | None
    noise: ClipStore | None = None
    epochs: int | None = None


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained network with its averaged weights, and how it went, a row an epoch."""

    classifier: Classifier
    history: tuple[Row, ...]
    epoch: int
    """How many epochs the weights have seen."""


def train(job: Job, device: torch.device, say: Callable[[str], None]) -> Trained:
    """Train, going on from the job's last checkpoint where there is one.

    Everything random in an epoch follows from the seed and the epoch alone, so a training that was
    killed and goes on gives what it would have given.

    Raises:
        UndertoneError: the loss is not finite any more.
    """
    spec = job.recipe.training
    torch.manual_seed(generator_for(job.seed[0], *job.seed[1:]).initial_seed())
    learner = Learner(job)
    batches = TrainingBatches(
        job.training, job.recipe.window, spec, job.recipe.augment, learner.seed, job.noise
    )
    learner.steps = batches.steps
    loader: DataLoader[Crops] = DataLoader(
        batches,
        batch_size=None,
        sampler=EpochSteps(batches.steps),
        num_workers=spec.workers,
        persistent_workers=False,
    )
    watch = None
    if job.validation is not None:
        watch = DataLoader(WholeClips(job.validation, job.recipe.window), batch_size=None)
    checkpoints = job.folder / "checkpoints"
    history = History(job, say)
    callbacks, best = _callbacks(job, checkpoints, history)
    epochs = job.epochs or spec.epochs
    last = checkpoints / "last.ckpt"
    with quiet():
        trainer = lightning.Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=1,
            max_epochs=epochs,
            precision="bf16-mixed" if spec.precision == "bf16" else "32-true",
            gradient_clip_val=spec.clip_grad or None,
            check_val_every_n_epoch=1 if spec.patience else max(1, epochs // WATCHED),
            callbacks=callbacks,
            logger=False,
            enable_model_summary=False,
            enable_progress_bar=False,
            num_sanity_val_steps=0,
        )
        with _interruptible(trainer):
            trainer.fit(learner, loader, watch, ckpt_path=last if last.exists() else None)
    chosen = last
    if spec.patience and best is not None and best.best_model_path:
        chosen = Path(best.best_model_path)
    saved = torch.load(chosen, map_location="cpu", weights_only=True)
    learner.load_state_dict(saved["state_dict"])  # the averaged weights
    return Trained(learner.classifier, tuple(history.rows), int(saved["epoch"]) + 1)


class Learner(lightning.LightningModule):
    """The training step (with augmentation) and the validation step (without)."""

    def __init__(self, job: Job) -> None:
        """Make the untrained network from torch's global generator."""
        super().__init__()
        self.recipe = job.recipe
        self.title = job.title
        self.seed = int(generator_for(*job.seed).initial_seed() % 2**31)
        self.epochs = job.epochs or job.recipe.training.epochs
        self.steps = 1
        self.classifier = Classifier.build(job.recipe)
        self.random = torch.Generator()
        classes = len(job.recipe.emotions)
        weights = torch.ones(classes)
        if job.recipe.training.class_weights == "balanced":
            counts = torch.bincount(torch.tensor(job.training.targets), minlength=classes)
            weights = len(job.training.targets) / (classes * counts.clamp_min(1))
        self.register_buffer("class_weights", weights, persistent=False)
        self.crop_share = 1 / (1 + job.recipe.augment.speed)
        if job.recipe.augment.formant and not hasattr(self.classifier.frontend, "centres"):
            raise RecipeError(
                f"augment.formant: the front end {job.recipe.frontend.name} has no axis of "
                "frequency to scale; set it to 0"
            )
        self._judged: list[tuple[torch.Tensor, Whole]] = []

    def training_step(self, batch: Crops, batch_index: int) -> torch.Tensor:
        """Give the loss of a batch of crops; what is random follows from seed and epoch alone."""
        if batch_index == 0:  # no hook: Lightning calls none of them when it goes on after a kill
            self.random = generator_for(self.seed, self.current_epoch, 2**31)
            torch.manual_seed(self.random.initial_seed())
        spec, classes = self.recipe.training, len(self.recipe.emotions)
        with torch.autocast(self.device.type, enabled=False), torch.no_grad():
            features = self.augmented(batch)
            targets = F.one_hot(batch.targets, classes).float()
            targets = targets * (1 - spec.label_smoothing) + spec.label_smoothing / classes
            if spec.mixup:
                features, targets = augment.mix(features, targets, spec.mixup, self.random)
        log_probabilities = F.log_softmax(self.classifier.each(features).float(), dim=-1)
        weighted = targets * self.get_buffer("class_weights")
        loss = -(weighted * log_probabilities).sum(dim=-1).mean(dim=-1).sum()  # over the members
        if not torch.isfinite(loss):
            raise UndertoneError(
                f"{self.title}: the loss is {loss.item()} in epoch {self.current_epoch + 1}, step "
                f"{batch_index + 1}; lower training.learning_rate or set training.clip_grad"
            )
        one = loss.detach() / len(self.classifier.members)
        self.log("train_loss", one, on_step=False, on_epoch=True, batch_size=len(targets))
        return loss

    def augmented(self, batch: Crops) -> torch.Tensor:
        """Give the features of a batch of crops, warped and masked: (batch, features, frames)."""
        spec, generator = self.recipe.augment, self.random
        frontend = self.classifier.frontend
        features: torch.Tensor = frontend(batch.waveform)
        time = features.shape[2]
        frames = round(time * self.crop_share)
        used = 1 + batch.lengths / batch.waveform.shape[1] * (time - 1)
        features = augment.warp_time(features, used, frames)
        if spec.formant:
            factors = augment.uniform(-spec.formant, spec.formant, (len(features),), generator)
            centres = frontend.get_buffer("centres")
            features = augment.warp_frequency(features, centres, factors.exp())
        for _ in range(spec.frequency_mask):
            features = augment.mask(features, spec.frequency_mask_max, generator, dim=1)
        widest = round(spec.time_mask_max / self.recipe.training.crop * frames)
        for _ in range(spec.time_mask):
            features = augment.mask(features, widest, generator, dim=2)
        return features

    def validation_step(self, batch: Whole, batch_index: int) -> None:
        """Judge pieces of whole clips with the averaged weights."""
        self._judged.append((self.classifier(batch.waveform).float().cpu(), batch))

    def on_validation_epoch_end(self) -> None:
        """Log NLL and UAR of the pieces judged."""
        logits = torch.cat([logits for logits, _ in self._judged])
        targets = torch.cat([batch.targets.cpu() for _, batch in self._judged])
        self._judged.clear()
        right = logits.argmax(dim=1) == targets
        recalls = [right[targets == k].float().mean() for k in set(targets.tolist())]
        self.log("validation_loss", F.cross_entropy(logits, targets))
        self.log("validation_uar", torch.stack(recalls).mean())

    def configure_optimizers(self) -> Any:
        """Give AdamW (Loshchilov and Hutter 2019) without decay of biases and norms; schedule."""
        spec = self.recipe.training
        weights = [p for p in self.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in weights if p.ndim > 1], "weight_decay": spec.weight_decay},
            {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimiser = torch.optim.AdamW(groups, lr=spec.learning_rate)
        total = spec.epochs * self.steps
        schedule: torch.optim.lr_scheduler.LRScheduler
        if spec.schedule == "one-cycle":
            schedule = torch.optim.lr_scheduler.OneCycleLR(
                optimiser, spec.learning_rate, total_steps=total, pct_start=spec.warmup
            )
        else:
            share = _cosine if spec.schedule == "cosine" else _constant
            schedule = torch.optim.lr_scheduler.LambdaLR(
                optimiser, lambda step: share(step / total, spec.warmup, total)
            )
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class History(Callback):
    """Keeps a row of figures an epoch, in history.csv and in the checkpoint, and says them."""

    def __init__(self, job: Job, say: Callable[[str], None]) -> None:
        """`say` is given one line an epoch."""
        self.path = job.folder / "history.csv"
        self.title = job.title
        self.epochs = job.epochs or job.recipe.training.epochs
        self.say = say
        self.rows: list[Row] = []

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        """Add the epoch's row."""
        found = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row: Row = {
            "epoch": trainer.current_epoch + 1,
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "train_loss": found["train_loss"],
        }
        every = trainer.check_val_every_n_epoch or 1
        watched = "validation_uar" in found and (trainer.current_epoch + 1) % every == 0
        for name in ("validation_loss", "validation_uar"):
            row[name] = found[name] if watched else math.nan
        self.rows.append(row)
        self.write()
        line = f"{self.title}, epoch {row['epoch']}/{self.epochs}: loss {row['train_loss']:.3f}"
        if watched:
            line += (
                f", validation NLL {row['validation_loss']:.3f}, UAR {row['validation_uar']:.1%}"
            )
        self.say(line)

    def write(self) -> None:
        """Write history.csv, whole."""
        draft = self.path.with_suffix(".part")
        with draft.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(HISTORY)
            for row in self.rows:
                values = [row[name] for name in HISTORY]
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


def _callbacks(
    job: Job, folder: Path, history: History
) -> tuple[list[Callback], ModelCheckpoint | None]:
    """All callbacks, and the one that knows the best checkpoint."""
    spec = job.recipe.training
    callbacks: list[Callback] = [history, Bar(job.title)]
    if spec.ema:
        average = get_ema_multi_avg_fn(spec.ema)  # type: ignore[no-untyped-call]
        callbacks.append(WeightAveraging(multi_avg_fn=average))
    best = None
    if job.validation is not None:
        monitor, mode = (
            ("validation_uar", "max") if spec.monitor == "uar" else ("validation_loss", "min")
        )
        best = ModelCheckpoint(
            folder,
            "best",
            monitor=monitor,
            mode=mode,
            save_top_k=1,
            save_on_train_epoch_end=False,
            enable_version_counter=False,
        )
        if spec.patience:
            callbacks.append(EarlyStopping(monitor, patience=spec.patience, mode=mode))
        callbacks.append(best)
    callbacks.append(
        ModelCheckpoint(
            folder,
            "last",
            every_n_epochs=1,
            save_top_k=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
    )
    return callbacks, best


def _cosine(share: float, warmup: float, total: int) -> float:
    """Rise over `warmup`, then half a cosine down to 0."""
    if share < warmup:
        return (share + 1 / total) / warmup
    return 0.5 + 0.5 * math.cos(math.pi * (share - warmup) / (1 - warmup))


def _constant(share: float, warmup: float, total: int) -> float:
    """Rise over `warmup`, then stay."""
    return min(1.0, (share + 1 / total) / warmup) if warmup else 1.0


@contextlib.contextmanager
def _interruptible(trainer: lightning.Trainer) -> Iterator[None]:
    """Let Ctrl-C be a KeyboardInterrupt: Lightning makes a sys.exit of it, and ignores the next."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stop:
        signal.signal(signal.SIGINT, before)
        if trainer.interrupted:
            raise KeyboardInterrupt from stop
        raise


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning's advice to itself; its errors still show."""
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


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
