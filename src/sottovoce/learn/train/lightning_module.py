"""The training step as a lightning module: loss, augmentation, optimiser and its schedule."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from sottovoce.errors import RecipeError, SottovoceError
from sottovoce.learn.data import augmentation
from sottovoce.learn.data.batches import Crops, Examples, PieceBatch, generator_for
from sottovoce.learn.data.clip_store import ClipStore
from sottovoce.learn.evaluate.metrics import LabelledPredictions, compute_metrics
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.train.classifier import Classifier
from sottovoce.learn.train.ranks import rank_of

MONITORED = ("nll", "uar", "accuracy", "macro_f1", "weighted_f1")
"""Metrics of the validation clips; `training.monitor` names one of them."""

MOMENTUM = 0.9
"""Nesterov momentum of sgd."""


@dataclass(frozen=True, slots=True)
class Job:
    """One training: its clips, its seed, and the folder for its checkpoints and history.

    Attributes:
        title: names it in messages, e.g. "seed 0, fold 1".
        seed: parts of the seed, e.g. (seed, fold).
        validation: clips to measure each epoch on; None for a final model.
        max_epochs: epochs to train, where not the recipe's.
    """

    recipe: Recipe
    title: str
    seed: tuple[int, ...]
    folder: Path
    training: Examples
    validation: Examples | None
    noise: ClipStore | None = None
    max_epochs: int | None = None

    @property
    def epochs(self) -> int:
        """Epochs to train at most."""
        return self.max_epochs or self.recipe.training.epochs


class ClassifierModule(lightning.LightningModule):
    """The training step (with augmentation) and the validation step (without)."""

    def __init__(self, job: Job) -> None:
        """Make the untrained network from torch's global generator."""
        super().__init__()
        self.recipe = job.recipe
        self.title = job.title
        self.seed = int(generator_for(*job.seed).initial_seed() % 2**31)
        self.steps = 1
        self.classifier = Classifier.build(job.recipe)
        self.seconds = job.recipe.training.crop
        if job.training.features is not None:
            self.seconds = job.training.features.mean_samples / job.recipe.sample_rate
        self.validates = job.validation is not None
        self.random = torch.Generator()
        classes = len(job.recipe.emotions)
        weights = torch.ones(classes)
        if job.recipe.training.class_weights == "balanced":
            counts = torch.bincount(torch.tensor(job.training.targets), minlength=classes)
            weights = len(job.training.targets) / (classes * counts.clamp_min(1))
        self.register_buffer("class_weights", weights, persistent=False)
        if job.recipe.augment.formant and self.classifier.frontend.centres is None:
            raise RecipeError(
                f"augment.formant: the front end {job.recipe.frontend.name} has no axis of "
                "frequency to scale; set it to 0"
            )
        self._validated: list[tuple[torch.Tensor, torch.Tensor]] = []

    def training_step(self, batch: Crops, batch_index: int) -> torch.Tensor:
        """Give the loss of a batch of crops; what is random follows from seed and epoch alone."""
        if batch_index == 0:  # no hook: Lightning calls none of them when it goes on after a kill
            rank = rank_of(self.recipe.training)
            self.random = generator_for(self.seed, self.current_epoch, 2**31, rank)
            torch.manual_seed(self.random.initial_seed())
        spec, classes = self.recipe.training, len(self.recipe.emotions)
        trained = any(weights.requires_grad for weights in self.classifier.frontend.parameters())
        with torch.autocast(self.device.type, enabled=False), torch.set_grad_enabled(trained):
            features = self.augmented(batch)
            targets = F.one_hot(batch.targets, classes).float()
            targets = targets * (1 - spec.label_smoothing) + spec.label_smoothing / classes
            if spec.mixup:
                features, targets = augmentation.mix(features, targets, spec.mixup, self.random)
        log_probabilities = F.log_softmax(self.classifier.member_logits(features).float(), dim=-1)
        weighted = targets * self.get_buffer("class_weights")
        if spec.loss == "focal":
            weighted = weighted * (1 - log_probabilities.exp()).pow(spec.focal_gamma)
        loss = -(weighted * log_probabilities).sum(dim=-1).mean(dim=-1).sum()  # over the members
        mean = loss.detach()
        if spec.ranks > 1:  # all ranks see it, so that none waits for another that stopped
            mean = torch.as_tensor(self.trainer.strategy.reduce(mean))
        if not torch.isfinite(mean):
            raise SottovoceError(
                f"{self.title}: the loss is {mean.item()} in epoch {self.current_epoch + 1}, step "
                f"{batch_index + 1}; lower training.learning_rate or set training.clip_grad"
            )
        mean = mean / len(self.classifier.members)
        self.log("train_loss", mean, on_step=False, on_epoch=True, batch_size=len(targets))
        return loss

    def augmented(self, batch: Crops) -> torch.Tensor:
        """Give the features of a batch of crops, warped and masked: (batch, features, frames)."""
        spec, generator = self.recipe.augment, self.random
        frontend = self.classifier.frontend
        features = self.classifier.frames(batch.sound)
        if features.shape[2] == 1 and (spec.speed or spec.time_mask):
            raise RecipeError(
                f"augment.{'speed' if spec.speed else 'time_mask'}: the front end "
                f"{self.recipe.frontend.name} gives one frame a clip, which has no time to change; "
                "set it to 0"
            )
        if spec.speed:
            time = features.shape[2]
            frames = round(time / (1 + spec.speed))
            used = 1 + batch.lengths / batch.sound.shape[1] * (time - 1)
            features = augmentation.warp_time(features, used, frames)
        if spec.formant:
            factors = augmentation.uniform(-spec.formant, spec.formant, (len(features),), generator)
            centres = frontend.get_buffer("centres")
            features = augmentation.warp_frequency(features, centres, factors.exp())
        for _ in range(spec.frequency_mask):
            features = augmentation.mask(features, spec.frequency_mask_max, generator, dim=1)
        for _ in range(spec.time_mask):
            widest = round(spec.time_mask_max / self.seconds * features.shape[2])
            features = augmentation.mask(features, widest, generator, dim=2)
        return features

    def validation_step(self, batch: PieceBatch, batch_index: int) -> None:
        """Predict pieces of whole clips with the averaged weights."""
        self._validated.append((self.classifier(batch.sound).float().cpu(), batch.targets.cpu()))

    def on_validation_epoch_end(self) -> None:
        """Log the metrics that `MONITORED` names, of the pieces predicted."""
        logits = torch.cat([logits for logits, _ in self._validated]).double()
        targets = torch.cat([targets for _, targets in self._validated])
        self._validated.clear()
        count = len(targets)
        predictions = LabelledPredictions(
            targets.numpy(),
            logits.log_softmax(dim=1).numpy(),
            np.zeros(count, dtype=np.str_),
            np.arange(count).astype(np.str_),
            self.recipe.emotions,
        )
        metrics = compute_metrics(predictions)
        for name in MONITORED:
            self.log(f"validation_{name}", metrics[name], sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Give the optimiser, without weight decay on biases and norms, and its schedule."""
        spec = self.recipe.training
        weights = [p for p in self.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in weights if p.ndim > 1], "weight_decay": spec.weight_decay},
            {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimiser: torch.optim.Optimizer
        if spec.optimiser == "sgd":
            optimiser = torch.optim.SGD(
                groups, lr=spec.learning_rate, momentum=MOMENTUM, nesterov=True
            )
        else:
            kind = torch.optim.AdamW if spec.optimiser == "adamw" else torch.optim.Adam
            optimiser = kind(groups, lr=spec.learning_rate)
        if spec.schedule == "plateau":
            monitor = f"validation_{spec.monitor}" if self.validates else "train_loss"
            higher_is_better = self.validates and spec.monitor != "nll"
            plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
                optimiser,
                "max" if higher_is_better else "min",
                spec.plateau_factor,
                spec.plateau_patience,
            )
            return {
                "optimizer": optimiser,
                "lr_scheduler": {"scheduler": plateau, "interval": "epoch", "monitor": monitor},
            }
        total = spec.epochs * self.steps
        schedule: torch.optim.lr_scheduler.LRScheduler
        if spec.schedule == "one-cycle":
            schedule = torch.optim.lr_scheduler.OneCycleLR(
                optimiser, spec.learning_rate, total_steps=total, pct_start=spec.warmup
            )
        else:
            factor = _cosine if spec.schedule == "cosine" else _constant
            schedule = torch.optim.lr_scheduler.LambdaLR(
                optimiser, lambda step: factor(step / total, spec.warmup, total)
            )
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def _cosine(progress: float, warmup: float, total: int) -> float:
    """Rise over `warmup`, then half a cosine down to 0."""
    if progress < warmup:
        return (progress + 1 / total) / warmup
    return 0.5 + 0.5 * math.cos(math.pi * (progress - warmup) / (1 - warmup))


def _constant(progress: float, warmup: float, total: int) -> float:
    """Rise over `warmup`, then stay."""
    return min(1.0, (progress + 1 / total) / warmup) if warmup else 1.0
