"""Fits one classifier with Lightning, in a folder from which an interrupted training goes on."""

import contextlib
import math
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, WeightAveraging
from numpy.typing import NDArray
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from sottovoce.errors import SottovoceError
from sottovoce.learn.data.batches import (
    Crops,
    EpochSteps,
    TrainingBatches,
    WholeClips,
    generator_for,
)
from sottovoce.learn.data.dataset import Data
from sottovoce.learn.networks import Fitted
from sottovoce.learn.reading import reading
from sottovoce.learn.silence_logs import silence_logs
from sottovoce.learn.splits.folds import Fold
from sottovoce.learn.train.classifier import Classifier, predict_clips
from sottovoce.learn.train.history import (
    COLUMNS,
    EpochEnd,
    History,
    HistoryCallback,
    LogLine,
    ProgressCallback,
    ReportProgress,
    no_progress,
)
from sottovoce.learn.train.lightning_module import ClassifierModule, Job
from sottovoce.learn.train.ranks import check_launched, others_may_end, rank_of

VALIDATIONS = 10
"""A training without early stopping is measured on its validation clips at least so many times."""


@dataclass(frozen=True, slots=True)
class FitResult:
    """A trained classifier with its averaged weights.

    Attributes:
        history: the figures of each epoch.
        epoch: how many epochs the weights have seen.
    """

    classifier: Classifier
    history: History
    epoch: int


@dataclass(frozen=True, slots=True)
class FoldFit(FitResult):
    """A classifier trained on a fold, and its predictions for the fold's other clips.

    Attributes:
        validation_logits: (clips, classes) of the validation clips.
        test_logits: the same of the test clips.
    """

    validation_logits: NDArray[np.float64]
    test_logits: NDArray[np.float64]


def fit_fold(
    data: Data,
    fold: Fold,
    seed: tuple[int, ...],
    folder: Path,
    device: torch.device,
    *,
    title: str,
    log: LogLine,
    report: ReportProgress = no_progress,
    epoch_end: EpochEnd | None = None,
    max_epochs: int | None = None,
) -> FoldFit:
    """Train on a fold's training clips, and predict its validation and test clips.

    Cross-validation, search and the final model all train with this function.

    Args:
        data: the recipe and its clips.
        fold: it may be without validation or test clips.
        seed: its parts, e.g. (seed, fold).
        folder: for checkpoints and history.csv; made if need be.
        device: to train on.
        title: names the training in messages, e.g. "seed 0, fold 1".
        log: gets a line an epoch.
        report: gets the progress, in steps.
        epoch_end: gets the figures of all epochs so far, after each.
        max_epochs: epochs to train, where not the recipe's.

    Raises:
        SottovoceError: the loss is not finite any more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    recipe = data.recipe
    train, validation, test = map(data.examples, (fold.train, fold.validation, fold.test))
    job = Job(
        recipe,
        title,
        seed,
        folder,
        train,
        validation if fold.validation else None,
        data.noise,
        max_epochs,
    )
    result = fit(job, device, log, report, epoch_end)
    logits = (
        predict_clips(result.classifier, WholeClips(examples, recipe.window), device)
        for examples in (validation, test)
    )
    return FoldFit(result.classifier, result.history, result.epoch, *logits)


def fit(
    job: Job,
    device: torch.device,
    log: LogLine,
    report: ReportProgress = no_progress,
    epoch_end: EpochEnd | None = None,
) -> FitResult:
    """Train, going on from the job's last checkpoint where there is one.

    Everything random in an epoch follows from the seed and the epoch alone, so a training that was
    killed and goes on gives the same result. Arguments and errors are those of `fit_fold`.
    """
    spec = job.recipe.training
    if len(job.training.rows) < spec.ranks:
        raise SottovoceError(
            f"{job.title}: {len(job.training.rows)} clips cannot be divided among {spec.ranks} "
            "processes; set training.devices and training.num_nodes to fewer"
        )
    torch.manual_seed(generator_for(*job.seed).initial_seed())
    module = ClassifierModule(job)
    batches = TrainingBatches(
        job.training,
        job.recipe.window,
        spec,
        job.recipe.augment,
        module.seed,
        job.noise,
        [spec.boost.get(emotion, 1.0) for emotion in job.recipe.emotions] if spec.boost else (),
        rank_of(spec),
    )
    module.steps = batches.steps
    checkpoints = job.folder / "checkpoints"
    last = checkpoints / "last.ckpt"
    steps = EpochSteps(batches.steps)
    if last.exists():  # workers fetch ahead, before Lightning says which epoch it is
        steps.set_epoch(1 + int(_load(last)["epoch"]))
    else:
        module.classifier.fit_frontend(WholeClips(job.training, job.recipe.window))
    history = HistoryCallback(job, log, epoch_end)
    if isinstance(module.classifier.members[0], Fitted):
        return _fit_members(job, module.classifier, history)
    loader: DataLoader[Crops] = DataLoader(
        batches, batch_size=None, sampler=steps, num_workers=spec.workers
    )
    validation = None
    if job.validation is not None:
        validation = DataLoader(WholeClips(job.validation, job.recipe.window), batch_size=None)
    every_epoch = bool(spec.patience) or spec.schedule == "plateau"
    bfloat16 = spec.precision == "bf16"
    if bfloat16 and not has_bfloat16(device):
        bfloat16 = False
        log(f"{job.title}: this processor is slow in bfloat16, so it trains in 32 bits")
    with silence_logs("lightning.pytorch", "lightning.fabric"):
        trainer = lightning.Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            strategy=spec.strategy,
            devices=spec.devices,
            num_nodes=spec.num_nodes,
            use_distributed_sampler=False,  # TrainingBatches divides each batch
            max_epochs=job.epochs,
            precision="bf16-mixed" if bfloat16 else "32-true",
            gradient_clip_val=spec.clip_grad or None,
            check_val_every_n_epoch=1 if every_epoch else max(1, job.epochs // VALIDATIONS),
            callbacks=[
                history,
                ProgressCallback(job.title, report),
                *_callbacks(job, checkpoints),
            ],
            logger=False,
            enable_model_summary=False,
            enable_progress_bar=False,
            num_sanity_val_steps=0,
        )
        check_launched(trainer, spec)
        with _interruptible(trainer), others_may_end(spec):
            trainer.fit(module, loader, validation, ckpt_path=last if last.exists() else None)
    chosen = "best" if spec.patience and job.validation is not None else "last"
    saved = _load(checkpoints / f"{chosen}.ckpt")
    module.load_state_dict(saved["state_dict"])  # the averaged weights
    return FitResult(module.classifier, tuple(history.history), int(saved["epoch"]) + 1)


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device is quicker in bfloat16 than in 32 bits.

    A processor without AVX-512 or its like emulates it, many times slower.
    """
    if device.type != "cpu":
        return True
    return torch._C._has_mkldnn and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _fit_members(job: Job, classifier: Classifier, history: HistoryCallback) -> FitResult:
    """Fit members that are not trained in steps; it counts as one epoch."""
    started = time.perf_counter()
    versions = [WholeClips(examples, job.recipe.window) for examples in job.training.versions()]
    classifier.fit_members(versions, generator_for(*job.seed).initial_seed() % 2**31)
    seconds = time.perf_counter() - started
    history.add(dict.fromkeys(COLUMNS, math.nan) | {"epoch": 1, "seconds": seconds})
    history.log_line(f"{job.title}: fitted to {len(job.training.rows)} clips in {seconds:.1f} s")
    if history.epoch_end is not None:
        history.epoch_end(history.history)
    return FitResult(classifier, tuple(history.history), 1)


def _load(checkpoint: Path) -> dict[str, Any]:
    with reading(checkpoint, "delete its folder, and --resume trains the fold from its start"):
        content: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
    return content


class _ResumableEarlyStopping(EarlyStopping):
    """Early stopping that stays stopped: Lightning's own trains one epoch more when resumed."""

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if self.stopped_epoch:
            trainer.should_stop = True


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
            callbacks.append(_ResumableEarlyStopping(monitor, patience=spec.patience, mode=mode))
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
