"""What docs/python.md shows runs, and its claims hold."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[1]


def test_the_examples_run_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    voices = ("calm-voice", "lively-voice", "stern-voice")
    shutil.copy(ROOT / "samples" / "calm-voice.wav", tmp_path / "interview.wav")
    parts = [soundfile.read(ROOT / "samples" / f"{voice}.wav") for voice in voices]
    assert {rate for _, rate in parts} == {parts[0][1]}
    mono, rate = np.concatenate([samples for samples, _ in parts]), parts[0][1]
    soundfile.write(tmp_path / "call.wav", np.stack([mono, mono[::-1]], axis=1), rate)
    soundfile.write(tmp_path / "long.wav", np.tile(mono, 6), rate)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        exec(block, names)  # noqa: S102 - what the page shows
    assert names["vector"].shape == (names["model"].profile_info().dimensions,)
    assert len(names["vectors"]) == 2
    assert -1 <= names["cosine"] <= 1
    assert names["prediction"].duration > 60
