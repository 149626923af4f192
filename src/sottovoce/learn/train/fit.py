"""Trains one network on some clips with Lightning, in a folder from which it can go on."""

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, WeightAveraging
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from sottovoce.learn.data.batches import (
    Crops,
    EpochSteps,
    TrainingBatches,
    WholeClips,
    generator_for,
)
from sottovoce.learn.networks import Fitted
from sottovoce.learn.silence_logs import silence_logs
from sottovoce.learn.train.classifier import Classifier
from sottovoce.learn.train.history import COLUMNS, Bar, History, Row
from sottovoce.learn.train.lightning_module import Job, Learner

MEASURED = 10
"""So many times at least is a training without early stopping measured on validation speakers."""


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
        SottovoceError: the loss is not finite any more.
    """
    spec = job.recipe.training
    torch.manual_seed(generator_for(*job.seed).initial_seed())
    learner = Learner(job)
    batches = TrainingBatches(
        job.training,
        job.recipe.window,
        spec,
        job.recipe.augment,
        learner.seed,
        job.noise,
        [spec.boost.get(emotion, 1.0) for emotion in job.recipe.emotions] if spec.boost else (),
    )
    learner.steps = batches.steps
    checkpoints = job.folder / "checkpoints"
    last = checkpoints / "last.ckpt"
    steps = EpochSteps(batches.steps)
    if last.exists():  # workers fetch ahead, before Lightning says which epoch it is
        steps.set_epoch(1 + int(_load(last)["epoch"]))
    else:
        learner.classifier.fit_frontend(WholeClips(job.training, job.recipe.window))
    if isinstance(learner.classifier.members[0], Fitted):
        return _fit(job, learner.classifier, say)
    loader: DataLoader[Crops] = DataLoader(
        batches, batch_size=None, sampler=steps, num_workers=spec.workers
    )
    watch = None
    if job.validation is not None:
        watch = DataLoader(WholeClips(job.validation, job.recipe.window), batch_size=None)
    history = History(job, say)
    epochs = job.epochs or spec.epochs
    often = bool(spec.patience) or spec.schedule == "plateau"
    with silence_logs("lightning.pytorch", "lightning.fabric"):
        trainer = lightning.Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=1,
            max_epochs=epochs,
            precision="bf16-mixed" if spec.precision == "bf16" else "32-true",
            gradient_clip_val=spec.clip_grad or None,
            check_val_every_n_epoch=1 if often else max(1, epochs // MEASURED),
            callbacks=[history, Bar(job.title), *_callbacks(job, checkpoints)],
            logger=False,
            enable_model_summary=False,
            enable_progress_bar=False,
            num_sanity_val_steps=0,
        )
        with _interruptible(trainer):
            trainer.fit(learner, loader, watch, ckpt_path=last if last.exists() else None)
    chosen = "best" if spec.patience and job.validation is not None else "last"
    saved = _load(checkpoints / f"{chosen}.ckpt")
    learner.load_state_dict(saved["state_dict"])  # the averaged weights
    return Trained(learner.classifier, tuple(history.rows), int(saved["epoch"]) + 1)


def _fit(job: Job, classifier: Classifier, say: Callable[[str], None]) -> Trained:
    """Fit classifiers that learn in one go, and write it down as one epoch."""
    started = time.perf_counter()
    versions = [WholeClips(each, job.recipe.window) for each in job.training.versions()]
    classifier.fit_members(versions, generator_for(*job.seed).initial_seed() % 2**31)
    seconds = time.perf_counter() - started
    history = History(job, say)
    history.rows.append(dict.fromkeys(COLUMNS, math.nan) | {"epoch": 1, "seconds": seconds})
    history.write()
    say(f"{job.title}: fitted to {len(job.training.rows)} clips in {seconds:.1f} s")
    return Trained(classifier, tuple(history.rows), 1)


def _load(checkpoint: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
    return content


def _callbacks(job: Job, folder: Path) -> list[Callback]:
    """Averaged weights, early stopping, and the checkpoints best.ckpt and last.ckpt."""
    spec = job.recipe.training
    callbacks: list[Callback] = []
    if spec.ema:
        average = get_ema_multi_avg_fn(spec.ema)  # type: ignore[no-untyped-call]
        callbacks.append(WeightAveraging(multi_avg_fn=average))
    if job.validation is not None:
        monitor, mode = f"validation_{spec.monitor}", "min" if spec.monitor == "nll" else "max"
        if spec.patience:
            callbacks.append(EarlyStopping(monitor, patience=spec.patience, mode=mode))
        callbacks.append(
            ModelCheckpoint(
                folder,
                "best",
                monitor=monitor,
                mode=mode,
                save_on_train_epoch_end=False,
                enable_version_counter=False,
            )
        )
    last = ModelCheckpoint(
        folder, "last", save_on_train_epoch_end=True, enable_version_counter=False
    )
    return [*callbacks, last]


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
