"""One training and its step: the loss, the augmentation, the optimiser and its schedule."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
import torch.nn.functional as F  # noqa: N812

from undertone.errors import RecipeError, UndertoneError
from undertone.learn import augment
from undertone.learn.batches import Crops, Examples, Whole, generator_for
from undertone.learn.classifier import Classifier
from undertone.learn.clips import ClipStore
from undertone.learn.recipe import Recipe


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


def _cosine(share: float, warmup: float, total: int) -> float:
    """Rise over `warmup`, then half a cosine down to 0."""
    if share < warmup:
        return (share + 1 / total) / warmup
    return 0.5 + 0.5 * math.cos(math.pi * (share - warmup) / (1 - warmup))


def _constant(share: float, warmup: float, total: int) -> float:
    """Rise over `warmup`, then stay."""
    return min(1.0, (share + 1 / total) / warmup) if warmup else 1.0
