"""Sessions of ONNX Runtime: how a graph is opened, and how its inputs and outputs are checked."""

from collections.abc import Mapping, Sequence
from typing import Any

import onnxruntime

from sottovoce.errors import ModelError
from sottovoce.system import bounded_memory
from sottovoce.text import one_line

HEADROOM = 256_000_000
"""Bytes that opening a graph or running it once may take, beside its weights."""

COPIES = 8
"""Times the size of its file that the weights of an open graph may take: those in half precision
are doubled, and stand there in the file, in single precision, and in the order of the machine."""


def open_session(data: bytes, threads: int) -> onnxruntime.InferenceSession:
    """A session that stays within its threads and logs nothing.

    Raises:
        ModelError: ONNX Runtime refuses the graph, or it takes more memory than a graph of its size
            needs.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    options.enable_mem_pattern = False  # patterns are kept for every shape ever met
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        with bounded_memory(HEADROOM + COPIES * len(data)):
            return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no base class
        raise ModelError(f"ONNX Runtime refuses it ({one_line(error)}); export it again") from None


def check_tensors(
    end: str, found: Sequence[Any], expected: Mapping[str, tuple[str, Mapping[str, int | None]]]
) -> None:
    """Check the inputs or outputs of a graph: their names, types and sizes.

    Args:
        end: "input" or "output".
        found: the inputs or outputs of the session.
        expected: name -> type, such as "float", and size of each axis after the first, which is the
            batch; None is any size.

    Raises:
        ModelError: they are something else.
    """
    actual = ", ".join(f"{tensor.name} {tensor.type} {tensor.shape}" for tensor in found)
    by_name = {tensor.name: tensor for tensor in found}
    right = len(found) == len(expected) and all(
        name in by_name and _fits(by_name[name], kind, tuple(axes.values()))
        for name, (kind, axes) in expected.items()
    )
    if not right:
        wanted = " and ".join(
            f"{name} tensor({kind}) (any batch"
            + "".join(f", {n or 'any number of'} {axis}" for axis, n in axes.items())
            + ")"
            for name, (kind, axes) in expected.items()
        )
        raise ModelError(f"its {end} is {actual or 'missing'}; expected {wanted}; export it again")


def _fits(tensor: Any, kind: str, sizes: Sequence[int | None]) -> bool:
    """Whether a tensor is of a type, with these sizes after a batch of any size."""
    if tensor.type != f"tensor({kind})" or len(tensor.shape) != 1 + len(sizes):
        return False
    batch, *rest = tensor.shape
    return not isinstance(batch, int) and all(
        not isinstance(size, int) or size == wanted
        for size, wanted in zip(rest, sizes, strict=True)
    )
