"""Times the front ends in ONNX Runtime and in torch beside librosa, and prints one table.

    python benchmarks/frontends.py [--runs 30] [--rows "A" "f0" ...]

Everything runs on one thread in one process, and all of a row take turns, so that a slow moment of
the machine falls on all of them. A figure is the median of the processor's time, which is the time
that passes where nothing else runs. The difference is in the feature's own unit; both come from
the clip, repeated to 4 s.
"""

import argparse
import importlib.metadata
import os
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import librosa
import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from speed import ROOT, processor
from threadpoolctl import threadpool_limits

from sottovoce import Audio
from sottovoce.learn.frontends import FrontEnd
from sottovoce.learn.frontends.framewise import FrameFeature
from sottovoce.learn.frontends.stack import Stack, frame_features, middle_of
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.silence_logs import silence_logs
from sottovoce.learn.train.classifier import make_frontend

SECONDS, RATE = 4, 16_000
TARGET = 25.0
"""ms that the 262 rows of A may take in ONNX Runtime."""

REFERENCES = {
    "A": "a-cnn-lstm",
    "B": "b-cnn-bilstm",
    "C": "c-cnn-bilstm",
    "D": "d-inception",
    "E": "e-mel-cnn-lstm",
}
"""Reference system -> the recipe that has its front end."""

Samples = NDArray[np.float32]
Call = Callable[[], object]


class Peer:
    """Librosa's features of one clip, each from the waveform, or all from one spectrum."""

    def __init__(
        self, samples: Samples, rate: int, pitch: str = "pyin", *, share: bool = False
    ) -> None:
        """`pitch` is pyin or yin; `share`: a spectrum is computed once, as ours is."""
        self.samples, self.rate, self.pitch, self.share = samples, rate, pitch, share
        self.known: dict[tuple[int, int], Samples] = {}

    def magnitude(self, part: FrameFeature) -> Samples:
        """Give |X|: (bins, time)."""
        key = (part.frame, part.hop)
        if not self.share or key not in self.known:
            self.known[key] = np.abs(
                librosa.stft(self.samples, n_fft=part.frame, hop_length=part.hop)
            )
        return self.known[key]

    def mel(self, part: FrameFeature) -> Samples:
        """Give the power of the bands of a part: (bands, time)."""
        return librosa.feature.melspectrogram(
            S=self.magnitude(part) ** 2, sr=self.rate, n_mels=part.options.bands
        )

    def feature(self, part: FrameFeature) -> Samples:
        """Give what a part of a stack gives: (rows, time)."""
        feature, rate = librosa.feature, self.rate
        frames = {"frame_length": part.frame, "hop_length": part.hop}
        ways: Mapping[str, Callable[[], Samples]] = {
            "mfcc": lambda: feature.mfcc(
                S=librosa.power_to_db(self.mel(part)), n_mfcc=part.options.coefficients
            ),
            "mel": lambda: librosa.power_to_db(self.mel(part), ref=np.max),
            "chroma": lambda: feature.chroma_stft(S=self.magnitude(part) ** 2, sr=rate, tuning=0.0),
            "centroid": lambda: feature.spectral_centroid(S=self.magnitude(part), sr=rate),
            "bandwidth": lambda: feature.spectral_bandwidth(S=self.magnitude(part), sr=rate),
            "contrast": lambda: feature.spectral_contrast(S=self.magnitude(part), sr=rate),
            "flatness": lambda: feature.spectral_flatness(S=self.magnitude(part)),
            "rolloff": lambda: feature.spectral_rolloff(S=self.magnitude(part), sr=rate),
            "zero-crossing-rate": lambda: feature.zero_crossing_rate(self.samples, **frames),
            "rms": lambda: feature.rms(y=self.samples, **frames),
            "f0": lambda: self.f0(part),
        }
        values = ways[part.name]()
        orders = range(1, 1 + part.options.deltas)
        return np.concatenate([values, *(feature.delta(values, order=order) for order in orders)])

    def f0(self, part: FrameFeature) -> Samples:
        """Give F0 over the range of ours: (1, time)."""
        low, high = part.options.lowest, part.options.highest
        settings = {"sr": self.rate, "frame_length": part.frame, "hop_length": part.hop}
        if self.pitch == "yin":
            return librosa.yin(self.samples, fmin=low, fmax=high, **settings)[None]
        return librosa.pyin(self.samples, fmin=low, fmax=high, **settings)[0][None]

    def features(self, module: FrontEnd) -> Samples:
        """Give what a feature gives, or a stack, cut or padded to its frames: (rows, time)."""
        self.known.clear()
        if not isinstance(module, Stack):
            return self.feature(module)
        rows = np.concatenate([self.feature(part) for part in module.parts])
        return librosa.util.fix_length(rows, size=module.frames, axis=1) if module.frames else rows


def main() -> int:
    """Run the command line: 0 if the target was met, 1 if not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=30, help="times that each is run")
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="only these rows")
    parser.add_argument("--clip", type=Path, default=ROOT / "samples" / "lively-voice.wav",
                        help="recording to make the 4 s clip from")  # fmt: skip
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module="librosa")
    torch.set_num_threads(1)
    print(conditions(), "\n")
    header = ["", "rows x frames", "ONNX Runtime, ms", "torch, ms", "librosa, ms", "ratio",
              "largest difference"]  # fmt: skip
    print(f"| {' | '.join(header)} |\n|---{'|---:' * (len(header) - 1)}|")
    met = True
    with threadpool_limits(1):
        for name, module in modules():
            if options.rows and name not in options.rows:
                continue
            waveform = clip(options.clip, module.sample_rate)
            found = module.raw(torch.from_numpy(waveform))[0].numpy()
            peers = peers_of(module, waveform)
            took = turns({**ours(module, waveform), **peers}, options.runs)
            onnx_ms, torch_ms = took["ONNX Runtime"], took["torch"]
            for peer, call in peers.items():
                values = call()
                assert values.shape == found.shape, (name, values.shape, found.shape)
                cells = [name + peer, "{} x {}".format(*found.shape), f"{onnx_ms:.2f}"]
                cells += [f"{torch_ms:.2f}", f"{took[peer]:.2f}", f"{took[peer] / onnx_ms:.1f}"]
                cells += ["" if "F0" in peer else f"{np.abs(found - values).max():.1g}"]
                print(f"| {' | '.join(cells)} |", flush=True)
            met = met and (name != "A" or onnx_ms <= TARGET)
    print(f"\nA in {TARGET:g} ms: {'pass' if met else 'FAIL'}")
    return int(not met)


def modules() -> list[tuple[str, FrontEnd]]:
    """Give the front ends of the reference systems, then each feature with its defaults."""
    recipes = {key: Recipe.load(ROOT / "recipes" / f"{name}.toml")
               for key, name in REFERENCES.items()}  # fmt: skip
    stacks = [(key, make_frontend(recipe)) for key, recipe in recipes.items()]
    features = [(key, kind(kind.Options(), RATE)) for key, kind in frame_features().items()]
    return [*stacks, *features]


def clip(path: Path, rate: int) -> Samples:
    """Repeat a recording until it is 4 s: (1, samples)."""
    return np.resize(Audio.read(path, sample_rate=rate).samples[0], (1, SECONDS * rate))


def peers_of(module: FrontEnd, waveform: Samples) -> dict[str, Callable[[], Samples]]:
    """Give librosa's ways to the same features, by what to add to the row's name."""
    samples, rate = waveform[0], module.sample_rate
    if isinstance(module, Stack) and module.middle:
        samples = middle_of(torch.from_numpy(waveform), module.middle)[0].numpy()
    parts = list(module.parts) if isinstance(module, Stack) else [module]
    peers = {"": Peer(samples, rate)}
    if any(part.name == "f0" for part in parts):
        peers = {f", F0 by {pitch}": Peer(samples, rate, pitch) for pitch in ("pyin", "yin")}
        if len(parts) > 1:
            peers[", F0 by yin, one spectrum"] = Peer(samples, rate, "yin", share=True)
    return {name: partial(peer.features, module) for name, peer in peers.items()}


def ours(module: FrontEnd, waveform: Samples) -> dict[str, Call]:
    """Give a call of a front end in ONNX Runtime, and one in torch."""
    tensor = torch.from_numpy(waveform)
    module.fit([module.raw(tensor)])
    return {"ONNX Runtime": in_onnx(module, tensor), "torch": in_torch(module, tensor)}


def in_torch(module: FrontEnd, waveform: torch.Tensor) -> Call:
    """Give a call of the module."""

    def call() -> object:
        with torch.inference_mode():
            return module(waveform)

    return call


def in_onnx(module: FrontEnd, waveform: torch.Tensor) -> Call:
    """Give a call of the module's graph in ONNX Runtime, on one thread."""
    shortest = module.sample_rate // 2
    shapes = ({0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("samples", min=shortest)},)
    with silence_logs("torch.onnx", "onnxscript", "onnx_ir"):
        program = torch.onnx.export(
            module.eval(),
            (waveform.repeat(2, 1),),
            dynamic_shapes=shapes,
            opset_version=18,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    graph = program.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(graph, settings, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: waveform.numpy()}
    expected = module(waveform).numpy()
    (found,) = session.run(None, feed)
    close = np.isclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    assert close.mean() > 0.99
    return lambda: session.run(None, feed)


def turns(calls: Mapping[str, Call], runs: int) -> dict[str, float]:
    """Call each in turn, `runs` times after one to warm; give the median ms of processor time."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(runs + 1):
        for name, call in calls.items():
            start = time.process_time()
            call()
            times[name] += [1000 * (time.process_time() - start)] if turn else []
    return {name: statistics.median(each) for name, each in times.items()}


def conditions() -> str:
    """Say on what it was measured."""
    packages = ("sottovoce", "librosa", "torch", "onnxruntime")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    where = f"{processor()}, one thread, Python {platform.python_version()}"
    load = os.getloadavg()[0]
    busy = f"load when it began: {load:.2f}{' (busy!)' if load > 0.5 else ''}"
    return "\n".join([where, ", ".join(versions), busy])


if __name__ == "__main__":
    sys.exit(main())
