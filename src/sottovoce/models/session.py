"""Sessions of ONNX Runtime: how a graph is opened, and how its inputs and outputs are checked."""

from collections.abc import Mapping, Sequence
from typing import Any

import onnxruntime

from sottovoce.errors import ModelError
from sottovoce.text import one_line


def open_session(data: bytes, threads: int) -> onnxruntime.InferenceSession:
    """A session that stays within its threads and logs nothing.

    Raises:
        ModelError: ONNX Runtime refuses the graph.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    options.enable_mem_pattern = False  # patterns are kept for every shape ever met
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no base class
        raise ModelError(f"ONNX Runtime refuses it ({one_line(error)}); export it again") from None


def check_tensor(end: str, found: Sequence[Any], name: str, axes: Mapping[str, int | None]) -> None:
    """Check an input or output of a graph: its name, type and sizes.

    Args:
        end: "input" or "output".
        found: the inputs or outputs of the session.
        name: of the one tensor that is to be there, of float32.
        axes: name -> size of each axis after the first, which is the batch; None is any size.

    Raises:
        ModelError: it is something else.
    """
    actual = ", ".join(f"{tensor.name} {tensor.type} {tensor.shape}" for tensor in found)
    expected = [(name, "tensor(float)", 1 + len(axes))]
    if [(tensor.name, tensor.type, len(tensor.shape)) for tensor in found] != expected:
        raise ModelError(
            f"its {end} is {actual or 'missing'}; "
            f"expected {name} tensor(float) (batch, {', '.join(axes)}); export it again"
        )
    batch, *sizes = found[0].shape
    right = not isinstance(batch, int) and all(
        not isinstance(size, int) or size == wanted
        for size, wanted in zip(sizes, axes.values(), strict=True)
    )
    if not right:
        words = [
            f"any number of {axis}" if n is None else f"{n} {axis}" for axis, n in axes.items()
        ]
        raise ModelError(
            f"its {end} is {actual}; expected any batch and {' and '.join(words)}; export it again"
        )
