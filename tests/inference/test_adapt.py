"""Adapting: what can be learned is, what cannot is said, and the file says what memory did."""

from pathlib import Path

import numpy as np
import pytest
from tiny_model import LABELS, RATE, VOICE, write_tiny_profiled

from sottovoce import load
from sottovoce.audio import Audio
from sottovoce.errors import SottovoceError
from sottovoce.inference.adapt import adapt, fitted, uar_of
from sottovoce.models.model import Model
from sottovoce.models.model_file import with_card


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return load(write_tiny_profiled(tmp_path / "profiled.onnx"))


def recordings(labels: tuple[str, ...], count: int, seed: int = 0) -> list[tuple[Audio, str]]:
    """Voices whose colour tells the label: each has its own filter, and a level at random."""
    generator = np.random.default_rng(seed)
    voice = Audio.read(VOICE, sample_rate=RATE).mono().samples[0]
    made = []
    for number in range(count):
        label = number % len(labels)
        samples = voice if label == 0 else np.convolve(voice, [1, (-0.9) ** label], "same")
        level = generator.uniform(0.5, 1.0)
        made.append((Audio((level * samples)[None].astype(np.float32), RATE), labels[label]))
    return made


def test_what_tells_labels_apart_is_learned_and_kept_in_the_file(
    model: Model, tmp_path: Path
) -> None:
    given = recordings(("gruff", "bright"), 12)
    made = adapt(model, given, name="mine")
    assert made.uar[0] == 1
    assert made.helped
    assert (made.generic, made.recordings, made.left_out) == (None, 12, ())
    data = (tmp_path / "profiled.onnx").read_bytes()
    (tmp_path / "mine.onnx").write_bytes(with_card(data, made.card.to_json()))
    mine = load(tmp_path / "mine.onnx")
    assert mine.labels == ("bright", "gruff")
    assert mine.card.figures[0].note == "cross-validated on its owner's 12 recordings"
    new = recordings(("gruff", "bright"), 6, seed=1)
    heard = [prediction.emotion for prediction in mine.predict_many([sound for sound, _ in new])]
    assert heard == [label for _, label in new]
    with pytest.raises(SottovoceError, match="was adapted"):
        mine.profile([VOICE])


def test_known_words_correct_the_model_rather_than_start_anew(model: Model) -> None:
    given = recordings(LABELS[:2], 12)
    made = adapt(model, given)
    assert made.generic is not None
    assert made.profiled is not None
    assert made.card.labels == LABELS[:2]
    assert made.card.adapted is not None
    assert np.shape(made.card.adapted.mix) == (2, len(LABELS))
    assert made.helped == (made.uar[0] > max(made.generic, made.profiled))


def test_shuffled_labels_do_not_help(model: Model) -> None:
    helped = []
    for seed in range(5):
        same = recordings(("one",), 12, seed)
        order = np.random.default_rng(seed).permutation(12)
        shuffled = [(sound, ("a", "b")[i % 2]) for (sound, _), i in zip(same, order, strict=True)]
        helped.append(adapt(model, shuffled).helped)
    assert sum(helped) <= 1


@pytest.mark.parametrize(
    ("labels", "count", "said"),
    [
        (("a",), 6, "1 label among 6 recordings"),
        (("a", "b"), 3, "b: one recording"),
        (("a", "b"), 4, "4 recordings with speech; 5 or more"),
    ],
)
def test_too_few_recordings_are_refused(
    model: Model, labels: tuple[str, ...], count: int, said: str
) -> None:
    with pytest.raises(SottovoceError, match=said):
        adapt(model, recordings(labels, count))


def test_a_fit_is_the_least_of_its_loss() -> None:
    generator = np.random.default_rng(0)
    truth = np.arange(30) % 3
    inputs = generator.normal(size=(30, 5)) + 2 * np.eye(3, 5)[truth]
    offset = generator.normal(size=(30, 3))
    weights, intercept = fitted(inputs, offset, truth, 3, 5)

    def loss(strength: float, w: np.ndarray, b: np.ndarray) -> float:
        logits = inputs @ w + b + offset
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        penalty = strength / 2 * (np.square(w).sum() + np.square(b).sum())
        return float(-logs[np.arange(30), truth].mean() + penalty)

    gaps = []
    for strength in (0.01, 0.03, 0.1, 0.3, 1.0, 3.0):
        here = loss(strength, weights, intercept)
        near = min(
            loss(strength, weights + 1e-2 * generator.normal(size=weights.shape), intercept)
            for _ in range(50)
        )
        gaps.append(near - here)
    assert max(gaps) > 0  # it is the least for one of the strengths


def test_uar_counts_every_emotion_alike() -> None:
    truth, heard = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    assert uar_of(truth, heard) == pytest.approx((2 / 3 + 1) / 2)
