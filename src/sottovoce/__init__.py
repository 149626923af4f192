"""Sottovoce hears how something is said: speech emotion recognition for files, arrays and streams.

    import sottovoce

    model = sottovoce.load()
    prediction = model.predict("interview.wav")
    print(prediction.status, prediction.emotion, prediction.confidence)

    for prediction in model.predict_many(["a.wav", "b.flac", "broken.mp3"]):
        print(prediction.to_json())

    for segment in model.timeline("an-hour.mp3"):
        print(segment.start, segment.end, segment.emotion)

Training and measuring models is in `sottovoce.learn`, which needs the extra `learn`.
"""

import os
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sottovoce.audio import Audio
    from sottovoce.errors import SottovoceError
    from sottovoce.inference.stream import Stream
    from sottovoce.inference.timeline import Timeline
    from sottovoce.models.model import Model
    from sottovoce.models.registry import available, load
    from sottovoce.options import GateOptions, TimelineOptions
    from sottovoce.results import Prediction, Segment, Status, Summary

    __version__: str

__all__ = [
    "Audio",
    "GateOptions",
    "Model",
    "Prediction",
    "Segment",
    "SottovoceError",
    "Status",
    "Stream",
    "Summary",
    "Timeline",
    "TimelineOptions",
    "__version__",
    "available",
    "load",
]

# ONNX Runtime reports its use to its makers unless it is told not to before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = MappingProxyType(
    {
        "Audio": "sottovoce.audio",
        "GateOptions": "sottovoce.options",
        "Model": "sottovoce.models.model",
        "Prediction": "sottovoce.results",
        "Segment": "sottovoce.results",
        "SottovoceError": "sottovoce.errors",
        "Status": "sottovoce.results",
        "Stream": "sottovoce.inference.stream",
        "Summary": "sottovoce.results",
        "Timeline": "sottovoce.inference.timeline",
        "TimelineOptions": "sottovoce.options",
        "available": "sottovoce.models.registry",
        "load": "sottovoce.models.registry",
    }
)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that `import sottovoce` is quick."""
    if name == "__version__":
        value = import_module("importlib.metadata").version("sottovoce")
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'sottovoce' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(globals().keys() | set(__all__))
