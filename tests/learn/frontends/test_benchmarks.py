"""The benchmarks of the front ends run, and count agreement between F0 trackers rightly."""

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"


@pytest.fixture
def pitch(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return import_module("pitch")


@pytest.fixture
def frontends(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return import_module("frontends")


@pytest.mark.filterwarnings("ignore")  # of torch's exporter
def test_a_front_end_is_timed_beside_librosa(
    frontends: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)  # it would outlast this test
    monkeypatch.setattr(sys, "argv", ["frontends.py", "--runs", "1", "--rows", "mel"])
    assert frontends.main() == 0
    row = capsys.readouterr().out.splitlines()[-3]
    name, shape, *figures, difference = (cell.strip() for cell in row.strip("| ").split("|"))
    assert (name, shape) == ("mel", "128 x 126")
    assert all(float(figure) > 0 for figure in figures)
    assert float(difference) < 5e-3


def test_agreement_is_counted_by_frame(pitch: ModuleType) -> None:
    first = np.array([100.0, 200.0, 100.0, 0.0, 0.0, 0.0, 100.0, 0.0])
    second = np.array([101.0, 100.0, 100.0, 90.0, 0.0, 0.0, 0.0, 0.0])
    both, alone, other, voicing, gross, cents = pitch.agreement(first, second)
    assert (both, alone, other, voicing) == ("37.5 %", "12.5 %", "12.5 %", "25.0 %")
    assert gross == "33.3 %"  # of three, one is an octave up
    assert float(cents) == pytest.approx(1200 * np.log2(1.01) / 2, abs=0.1)


def test_it_is_judged_where_the_others_agree(pitch: ModuleType) -> None:
    pyin = np.array([100.0, 100.0, 100.0, 100.0, 0.0, 0.0, 100.0])
    praat = np.array([100.0, 105.0, 200.0, 0.0, 0.0, 0.0, 99.0])
    f0 = np.array([100.0, 0.0, 0.0, 50.0, 80.0, 0.0, 50.0])
    assert pitch.judged(f0, pyin, praat) == ["33.3 %", "50.0 %", "50.0 %"]
