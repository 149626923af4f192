"""Undertone hears how something is said: speech emotion recognition for files, arrays and streams.

    import undertone

    model = undertone.load()
    prediction = model.predict("interview.wav")
    print(prediction.status, prediction.emotion, prediction.confidence)

    for prediction in model.predict_many(["a.wav", "b.flac", "broken.mp3"]):
        print(prediction.to_json())

    for segment in model.timeline("an-hour.mp3"):
        print(segment.start, segment.end, segment.emotion)

Training and measuring models is in `undertone.learn`, which needs the extra `learn`.
"""

import os
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from undertone.audio import Audio
    from undertone.errors import UndertoneError
    from undertone.gate import Gate, Status
    from undertone.model import Model
    from undertone.prediction import Prediction
    from undertone.segments import Segment, Summary
    from undertone.stream import Stream
    from undertone.timeline import Timeline
    from undertone.zoo import load

    __version__: str

__all__ = [
    "Audio",
    "Gate",
    "Model",
    "Prediction",
    "Segment",
    "Status",
    "Stream",
    "Summary",
    "Timeline",
    "UndertoneError",
    "__version__",
    "load",
]

# ONNX Runtime reports its use to its makers unless it is told not to before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = MappingProxyType(
    {
        "Audio": "undertone.audio",
        "Gate": "undertone.gate",
        "Model": "undertone.model",
        "Prediction": "undertone.prediction",
        "Segment": "undertone.segments",
        "Status": "undertone.gate",
        "Stream": "undertone.stream",
        "Summary": "undertone.segments",
        "Timeline": "undertone.timeline",
        "UndertoneError": "undertone.errors",
        "load": "undertone.zoo",
    }
)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that `import undertone` is quick."""
    if name == "__version__":
        value = import_module("importlib.metadata").version("undertone")
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'undertone' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(globals().keys() | set(__all__))
