"""What speed.py times: each contender runs in a process of its own, a call for each line it reads.

`python contenders.py NAME CLIP MODEL` makes the contender ready, prints a line, and then answers
every line on standard input with one JSON object: part -> seconds. So the parent can take turns.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

Parts = dict[str, Callable[[], object]]


def sottovoce(clip: str, model_name: str) -> Parts:
    """Give the whole of `predict` on decoded audio, and what it is made of."""
    import numpy as np

    from sottovoce import Audio, load
    from sottovoce.vad.gate import Gate

    model = load(model_name or None)
    data = Path(clip).read_bytes()
    audio, gate = Audio.read(data), Gate()
    answer = model.predict(audio)
    if not answer.probabilities:
        sys.exit(f"{clip}: {answer.status}, so the network would not run; choose another --clip")
    batch = np.ascontiguousarray(audio.resample(model.card.sample_rate).samples)
    return {
        "predict, from the waveform": lambda: model.predict(audio),
        "decode the wav file": lambda: Audio.read(data),
        "gate": lambda: gate.check(audio),
        "network": lambda: model.probabilities(batch),
    }


def librosa(clip: str, _: str) -> Parts:
    """Give the feature extraction that is common in this field, and F0 by pYIN."""
    import librosa as peer

    samples, rate = peer.load(clip, sr=None)
    return {
        "librosa: 40 MFCC + mel + chroma": lambda: (
            peer.feature.mfcc(y=samples, sr=rate, n_mfcc=40),
            peer.feature.melspectrogram(y=samples, sr=rate),
            peer.feature.chroma_stft(y=samples, sr=rate),
        ),
        "librosa: F0 by pyin": lambda: peer.pyin(samples, sr=rate, fmin=65, fmax=500),
    }


def opensmile(clip: str, _: str) -> Parts:
    """Give the eGeMAPS functionals."""
    import opensmile as peer
    import soundfile

    samples, rate = soundfile.read(clip, dtype="float32")
    smile = peer.Smile(peer.FeatureSet.eGeMAPSv02, peer.FeatureLevel.Functionals)
    return {"openSMILE: eGeMAPS": lambda: smile.process_signal(samples, rate)}


def wav2vec2(clip: str, _: str) -> Parts:
    """Give a wav2vec 2.0 of base size with random weights: the speed is that of trained ones."""
    import soundfile
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2ForSequenceClassification

    torch.set_num_threads(1)
    samples, _rate = soundfile.read(clip, dtype="float32")
    network = Wav2Vec2ForSequenceClassification(Wav2Vec2Config()).eval()
    batch = torch.from_numpy(samples)[None]

    def judge() -> object:
        with torch.inference_mode():
            return network(batch).logits.softmax(-1)

    return {"wav2vec 2.0 base, PyTorch": judge}


CONTENDERS = {each.__name__: each for each in (sottovoce, librosa, opensmile, wav2vec2)}
NEEDS = {
    "sottovoce": ("sottovoce",),
    "librosa": ("librosa",),
    "opensmile": ("opensmile",),
    "wav2vec2": ("torch", "transformers"),
}
"""contender -> the modules without which it is left out."""


def main() -> None:
    """Answer each line with the seconds that every part took, until the input ends."""
    name, clip, model = sys.argv[1:]
    parts = CONTENDERS[name](clip, model)
    for call in parts.values():  # warm
        call()
        call()
    print(json.dumps({"versions": {n: _version(n) for n in NEEDS[name]}}), flush=True)
    for _ in sys.stdin:
        seconds = {}
        for part, call in parts.items():
            start = time.perf_counter()
            call()
            seconds[part] = time.perf_counter() - start
        print(json.dumps(seconds), flush=True)


def _version(name: str) -> str:
    return str(importlib.import_module(name).__version__)


if __name__ == "__main__":
    main()
