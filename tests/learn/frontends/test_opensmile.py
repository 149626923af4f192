"""openSMILE's features are its package's, finite, and a recipe can classify by them."""

import copy
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sottovoce.audio import Audio
from sottovoce.errors import MissingExtraError, install_line
from sottovoce.learn.frontends.opensmile import OpenSmile, OpenSmileOptions
from sottovoce.learn.networks import Fitted
from sottovoce.learn.registry import networks

RATE = 16000


@pytest.fixture(scope="module")
def speech(ravdess: Path) -> torch.Tensor:
    """Two clips of 2 s, (2, samples)."""
    paths = sorted(ravdess.rglob("03-01-0?-02-0?-01-04.*"))[:2]
    clips = [Audio.read(path, sample_rate=RATE).samples[0, RATE : 3 * RATE] for path in paths]
    return torch.from_numpy(np.stack(clips))


def frontend(**options: object) -> OpenSmile:
    pytest.importorskip("opensmile")
    return OpenSmile(OpenSmileOptions.model_validate(options), RATE)


@pytest.mark.parametrize(("name", "count"), [("eGeMAPSv02", 88), ("ComParE_2016", 6373)])
def test_values_are_those_of_the_package(name: str, count: int, speech: torch.Tensor) -> None:
    opensmile = pytest.importorskip("opensmile")
    ours = frontend(set=name)
    values = ours(speech)
    assert values.shape == (2, count, 1)
    assert ours.features == count
    smile = opensmile.Smile(opensmile.FeatureSet[name])
    for clip, found in zip(speech.numpy(), values, strict=True):
        expected = smile.process_signal(clip, RATE).to_numpy()
        np.testing.assert_array_equal(found.numpy().T, np.nan_to_num(expected))


def test_silence_and_a_click_give_finite_values() -> None:
    ours = frontend()
    for samples in (RATE, 100):
        assert torch.isfinite(ours(torch.zeros(1, samples))).all()


def test_what_is_too_loud_is_clipped_and_does_not_wrap_around(speech: torch.Tensor) -> None:
    ours, loud = frontend(), speech[:1] * 3 / speech[:1].abs().max()
    assert (loud > 1).any()
    assert (loud < -1).any()
    clipped = (loud * 32768).trunc().clamp(-32768, 32767) / 32768  # all that 16 bits hold
    torch.testing.assert_close(ours(loud), ours(clipped), rtol=0, atol=0)
    quiet = ours(loud.clamp(-0.99, 0.99))
    loudness = ours._smile.feature_names.index("loudness_sma3_amean")
    torch.testing.assert_close(ours(loud)[:, loudness], quiet[:, loudness], rtol=0.02, atol=0)


def test_it_can_be_copied(speech: torch.Tensor) -> None:
    ours = frontend()
    torch.testing.assert_close(copy.deepcopy(ours)(speech), ours(speech), rtol=0, atol=0)


def test_a_classical_classifier_takes_them(speech: torch.Tensor) -> None:
    ours = frontend()
    kind = networks()["logistic-regression"]
    network = kind(kind.Options(), ours.features, 2)
    assert isinstance(network, Fitted)
    network.fit([(ours(speech), torch.tensor([0, 1]))], 0)
    assert network(ours(speech)).argmax(dim=1).tolist() == [0, 1]


def test_a_cache_can_tell_versions_apart_and_a_model_file_cannot_hold_it() -> None:
    opensmile = pytest.importorskip("opensmile")
    ours = frontend()
    assert opensmile.__version__ in ours.identity
    assert not ours.exportable


def test_without_the_package_the_install_line_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(MissingExtraError, match=re.escape(install_line("opensmile"))):
        OpenSmile(OpenSmileOptions(set="eGeMAPSv02"), RATE)
