"""The model files that come with the checkout: small, whole, and each with its card."""

from pathlib import Path

import numpy as np
import pytest

from sottovoce import load
from sottovoce.cli import run
from sottovoce.models.model_file import read_model_file

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "models").glob("*.onnx"))


def test_there_is_room_for_them() -> None:
    sizes = {path.name: path.stat().st_size for path in FILES}
    assert sizes
    assert max(sizes.values()) <= 15e6, sizes
    assert sum(sizes.values()) <= 80e6, sizes


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_says_how_it_was_measured(path: Path) -> None:
    data, card = read_model_file(path)
    assert card.name == path.stem
    assert list((ROOT / "recipes").rglob(f"{card.name}.toml"))
    assert {"uar", "accuracy", "ece"} <= {figure.metric for figure in card.figures}
    assert not card.protocol.optimistic
    assert card.corpora
    assert card.limits
    assert card.licence
    if card.encoder is not None:
        assert len(data) < 6e6  # the encoder is not in it


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_gives_probabilities(path: Path, request: pytest.FixtureRequest) -> None:
    if read_model_file(path)[1].encoder is not None:
        request.getfixturevalue("whisper")
        assert run(["encoder", str(path)]) == 0
    model = load(path)
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 2 * model.card.sample_rate))
    answers = model.probabilities(noise)
    assert answers.shape == (2, len(model.labels))
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-4)
