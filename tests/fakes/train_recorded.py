"""`sottovoce train` that leaves a record of what each rank drew and held: its first argument.

Where a file `spoil` is in there, rank 1 gets sound that is none; where `full` is, rank 0 finds
the disk full when it keeps a fold.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

from sottovoce.cli import run
from sottovoce.errors import SottovoceError
from sottovoce.learn.data.batches import Crops, TrainingBatches
from sottovoce.learn.train.cross_validate import FoldResult
from sottovoce.learn.train.lightning_module import ClassifierModule

record = Path(sys.argv[1])
drawn: list[Any] = []
get = TrainingBatches.__getitem__


def recorded(batches: TrainingBatches, key: tuple[int, int]) -> Crops:
    crops = get(batches, key)
    if batches.rank == 1 and (record / "spoil").exists():
        crops.sound.fill_(float("nan"))
    drawn.append([*key, [float(value) for value in crops.sound.square().sum(dim=1)]])
    return crops


def keep(module: ClassifierModule) -> None:
    """After the last step of each training: what was drawn, and the weights in this process."""
    name = f"rank{module.trainer.global_rank}-of{module.trainer.world_size}"
    number = len(list(record.glob(f"{name}-*.pt")))
    torch.save(module.state_dict(), record / f"{name}-{number}.pt")
    (record / f"{name}-{number}.json").write_text(json.dumps(drawn))
    drawn.clear()


def full(result: FoldResult, path: Path) -> None:
    raise SottovoceError(f"{path}: no space left on device")


if (record / "full").exists():
    FoldResult.write = full  # type: ignore[method-assign]
TrainingBatches.__getitem__ = recorded  # type: ignore[method-assign]
ClassifierModule.on_train_end = keep  # type: ignore[method-assign]
sys.exit(run(sys.argv[2:]))
