"""The processes that train one network together, by Lightning's strategies; each has a rank.

Every one of them runs the whole command, and comes to the same results. Only the first, rank 0,
writes and speaks.
"""

import contextlib
import os
from collections.abc import Iterator

import lightning
import torch
from lightning.pytorch.utilities import rank_zero_only

from sottovoce.errors import SottovoceError
from sottovoce.learn.recipe.specs import TrainingSpec
from sottovoce.text import one_line

BACKENDS = "gloo", "Gloo", "NCCL"
"""What messages of torch about other processes name."""


def rank_of(spec: TrainingSpec) -> int:
    """The rank of this process, from 0; 0 where a recipe trains in one process alone."""
    return int(rank_zero_only.rank) if spec.ranks > 1 else 0  # type: ignore[attr-defined]


def check_devices(spec: TrainingSpec, device: torch.device) -> None:
    """See, before anything is loaded, that the processes that a recipe asks for can be there.

    Raises:
        SottovoceError: this machine has fewer GPUs, or nothing started processes on the others.
    """
    if device.type == "cuda" and torch.cuda.device_count() < spec.devices:
        raise SottovoceError(
            f"training.devices = {spec.devices}: torch finds {torch.cuda.device_count()} GPU here; "
            "set it to so many, or train on processors with --device cpu"
        )
    if spec.num_nodes > 1 and not {"RANK", "SLURM_PROCID"} & os.environ.keys():
        raise SottovoceError(
            f"training.num_nodes = {spec.num_nodes}: start the command on each machine with "
            "torchrun or srun, as docs/recipes.md says, or set it to 1"
        )


def check_launched(trainer: lightning.Trainer, spec: TrainingSpec) -> None:
    """See that torchrun or Slurm, where they started this process, started as many as are needed.

    Raises:
        SottovoceError: they started another number.
    """
    environment = getattr(trainer.strategy, "cluster_environment", None)
    if environment is None:
        return
    try:
        environment.validate_settings(num_devices=spec.devices, num_nodes=spec.num_nodes)
    except ValueError as error:
        raise SottovoceError(
            f"training.devices = {spec.devices}, training.num_nodes = {spec.num_nodes}: another "
            f"number of processes was started: {one_line(error)}"
        ) from error


@contextlib.contextmanager
def others_may_end(spec: TrainingSpec) -> Iterator[None]:
    """Make one line of what torch raises where another process is gone, as after a full disk.

    Raises:
        SottovoceError: the processes cannot go on together.
    """
    try:
        yield
    except RuntimeError as error:
        if spec.ranks == 1 or not any(name in str(error) for name in BACKENDS):
            raise
        raise SottovoceError(
            f"process {rank_of(spec)} of {spec.ranks} that train together lost the others "
            f"({one_line(error)[:200]}); see what they said, and go on with --resume"
        ) from error
