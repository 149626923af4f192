"""Classical classifiers say in torch, and in the model file, what scikit-learn says."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from tiny_model import tiny_card

from sottovoce.errors import SottovoceError
from sottovoce.learn.export.graphs import disagreement
from sottovoce.learn.export.model_file import Calibrated, to_onnx
from sottovoce.learn.networks.classical import Classical, Statistic, summary
from sottovoce.learn.networks.svm import SVM
from sottovoce.learn.registry import frontends, networks
from sottovoce.learn.train.classifier import Classifier

NAMES = ("k-nearest-neighbours", "logistic-regression", "random-forest", "svm")
EVERY: tuple[Statistic, ...] = ("mean", "std", "min", "max", "range", "median", "slope")
FEATURES = 5

sizes = given(classes=st.integers(2, 8), seed=st.integers(0, 10_000))
few = settings(max_examples=12, deadline=None)


def clips(
    classes: int, seed: int, count: int = 90, time: int = 7
) -> tuple[torch.Tensor, torch.Tensor]:
    """Overlapping classes of uneven sizes, 2 clips or more of each, in features of uneven scales.

    Gives frames and targets.
    """
    rng = np.random.default_rng(seed)
    uneven = (classes * rng.random(count - 2 * classes) ** 2).astype(np.int64)
    targets = np.concatenate([np.arange(classes), np.arange(classes), uneven])
    rng.shuffle(targets)
    kinds = np.random.default_rng(classes).standard_normal((classes, FEATURES, 1))
    spread = rng.uniform(0.5, 2, (count, 1, 1))
    frames = kinds[targets] + rng.standard_normal((count, FEATURES, time)) * spread
    scales = np.array([[0.001], [0.1], [1], [30], [1000]])
    return torch.from_numpy((frames + 3) * scales).float(), torch.from_numpy(targets)


def make(name: str, classes: int, **options: object) -> Classical:
    kind = networks()[name]
    if name == "random-forest":
        options = {"trees": 20, **options}
    network = kind(kind.Options.model_validate(options), FEATURES, classes)
    assert isinstance(network, Classical)
    return network


def fitted(name: str, classes: int, seed: int = 0, **options: object) -> Classical:
    """Fitted to two batches, as a training fits it."""
    network = make(name, classes, **options)
    frames, targets = clips(classes, seed)
    with torch.inference_mode():
        network.fit([(frames[:40], targets[:40]), (frames[40:], targets[40:])], seed=3)
    return network.eval()


def inputs(network: Classical, frames: torch.Tensor) -> NDArray[np.float32]:
    """What the network takes from frames, standardised."""
    values = summary(frames, network.options.statistics)
    found: NDArray[np.float32] = ((values - network.centre) / network.scale).numpy()
    return found


def probabilities(network: Classical, points: NDArray[np.float32]) -> NDArray[np.float32]:
    logits = network.scores(torch.from_numpy(points))
    found: NDArray[np.float32] = torch.softmax(logits, dim=1).numpy()
    return found


def fit(oracle: Any, network: Classical, classes: int, seed: int) -> NDArray[np.float32]:
    """Fit scikit-learn to what the network was fitted to; give points that neither has seen."""
    frames, targets = clips(classes, seed)
    oracle.fit(inputs(network, frames).astype(oracle_type(oracle)), targets.numpy())
    return inputs(network, clips(classes, seed + 1)[0])


def oracle_type(oracle: Any) -> type[np.floating[Any]]:
    """Trees compare in single precision; the others solve in double."""
    return np.float32 if isinstance(oracle, RandomForestClassifier) else np.float64


def test_inputs_are_means_and_deviations_as_far_from_those_of_training_as_usual() -> None:
    frames, _ = clips(4, 0)
    fresh, _ = clips(4, 1)
    known, new = (
        np.concatenate([values.mean(axis=2), values.std(axis=2)], axis=1)
        for values in (frames.double().numpy(), fresh.double().numpy())
    )
    expected = (new - known.mean(axis=0)) / known.std(axis=0)
    np.testing.assert_allclose(inputs(fitted("svm", 4), fresh), expected, atol=1e-4)


@pytest.mark.parametrize("weight", ["none", "balanced"])
@sizes
@few
def test_logistic_regression_gives_its_probabilities(weight: str, classes: int, seed: int) -> None:
    oracle = LogisticRegression(
        C=0.3, class_weight=None if weight == "none" else weight, max_iter=5000
    )
    network = fitted("logistic-regression", classes, seed, C=0.3, class_weight=weight)
    points = fit(oracle, network, classes, seed)
    np.testing.assert_allclose(
        probabilities(network, points), oracle.predict_proba(points), atol=1e-5
    )


@pytest.mark.parametrize("classes", [2, 3, 8])
@pytest.mark.parametrize(
    "options",
    [{}, {"C": 5.0, "gamma": 0.2}, {"kernel": "linear", "C": 0.1}, {"class_weight": "balanced"}],
)
def test_the_margins_of_an_svm_are_those_of_every_pair(
    classes: int, options: Mapping[str, Any]
) -> None:
    oracle = SVC(decision_function_shape="ovo", **{"gamma": "scale", **options})
    network = fitted("svm", classes, 5, **options)
    assert isinstance(network, SVM)
    points = fit(oracle, network, classes, 5)
    found = network.margins(torch.from_numpy(points)).numpy()
    expected = oracle.decision_function(points).reshape(len(points), -1)
    sign = -1 if classes == 2 else 1  # of two classes, scikit-learn's positive one is the second
    np.testing.assert_allclose(found, sign * expected, atol=1e-4)


@sizes
@few
def test_an_svm_decides_as_scikit_learn_does(classes: int, seed: int) -> None:
    oracle = SVC(break_ties=True)
    network = fitted("svm", classes, seed)
    assert isinstance(network, SVM)
    points = torch.from_numpy(fit(oracle, network, classes, seed))
    clear = network.margins(points).abs().amin(dim=1) > 1e-4  # the others are rounding's to decide
    assert clear.sum() > 80
    points = points[clear]
    logits, expected = network.scores(points).numpy(), oracle.decision_function(points)
    if classes == 2:
        expected = np.stack([-expected, expected], axis=1)
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    np.testing.assert_array_equal(logits.argmax(axis=1), oracle.predict(points))


@sizes
@few
def test_a_forest_gives_its_probabilities_even_on_its_thresholds(classes: int, seed: int) -> None:
    oracle = RandomForestClassifier(20, random_state=3)
    network = fitted("random-forest", classes, seed)
    points = fit(oracle, network, classes, seed)
    rng = np.random.default_rng(seed)
    for row in points[:60]:  # at questions of one of the trees, as float32 has them
        tree = oracle.estimators_[rng.integers(20)].tree_
        inner = np.flatnonzero((tree.feature >= 0) & (rng.random(tree.node_count) < 0.5))
        row[tree.feature[inner]] = tree.threshold[inner]
    np.testing.assert_allclose(
        probabilities(network, points), oracle.predict_proba(points), atol=2e-5
    )


@pytest.mark.parametrize(
    "option",
    [
        {"max_depth": 3},
        {"min_samples_leaf": 7},
        {"max_features": 0.9},
        {"class_weight": "balanced", "min_samples_leaf": 5},
    ],
)
def test_a_forest_grows_as_its_options_say(option: Mapping[str, Any]) -> None:
    oracle = RandomForestClassifier(10, random_state=3, **option)
    network = fitted("random-forest", 3, trees=10, **option)
    points = fit(oracle, network, 3, 0)
    np.testing.assert_allclose(
        probabilities(network, points), oracle.predict_proba(points), atol=2e-5
    )


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@sizes
@few
def test_neighbours_give_their_shares(weights: str, classes: int, seed: int) -> None:
    oracle = KNeighborsClassifier(4, weights=weights)
    network = fitted("k-nearest-neighbours", classes, seed, neighbours=4, weights=weights)
    points = fit(oracle, network, classes, seed)
    distances = oracle.kneighbors(points, n_neighbors=5)[0]
    clear = distances[:, 4] > distances[:, 3] * 1.0001  # the others are rounding's to decide
    assert clear.sum() > 80
    expected = oracle.predict_proba(points[clear])
    np.testing.assert_allclose(probabilities(network, points[clear]), expected, atol=2e-5)


def test_a_clip_that_is_known_exactly_counts_alone_by_distance() -> None:
    network = fitted("k-nearest-neighbours", 4, weights="distance")
    frames, targets = clips(4, 0)
    found = probabilities(network, inputs(network, frames))
    np.testing.assert_allclose(found, np.eye(4)[targets.numpy()], atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_the_model_file_says_the_same_at_any_length() -> None:
    """One file with one of each kind, all statistics, and the loudness of noise with its slopes."""
    kind = frontends()["rms"]
    frontend = kind(kind.Options.model_validate({"deltas": FEATURES - 1}), 16000)
    rng = np.random.default_rng(0)
    checks = [
        rng.standard_normal((batch, samples)).astype(np.float32) * np.float32(level)
        for batch, samples, level in (
            (1, 8000, 0.2),
            (3, 8100, 0.01),
            (2, 48_000, 1),
            (4, 20_001, 2),
        )
    ]
    with torch.inference_mode():
        batches = [
            (frontend(torch.from_numpy(check)), torch.arange(len(check))) for check in checks
        ]
        members = [make(name, 4, statistics=EVERY) for name in NAMES]
        for member in members:
            member.fit(batches, 0)
    model = Calibrated(Classifier(frontend, members), 1.3).eval()
    given = [(torch.from_numpy(check),) for check in checks]
    card = tiny_card(labels=("neutral", "happy", "sad", "angry"))
    assert disagreement(model, to_onnx(model, card), given) < 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_brings_all_of_it_back(name: str) -> None:
    before, (frames, _) = fitted(name, 5, seed=1), clips(5, 2)
    file = io.BytesIO()
    torch.save(before.state_dict(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    other = fitted(name, 5, seed=7)  # of other sizes, and made in inference mode
    for after in (make(name, 5), other):
        after.load_state_dict(state)
        torch.testing.assert_close(after(frames), before(frames), rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_what_was_never_fitted_refuses_to_answer(name: str) -> None:
    network = make(name, 3)
    network.load_state_dict(make(name, 3).state_dict())
    with pytest.raises(SottovoceError, match=f"{name} has not learned anything"):
        network(clips(3, 0)[0])


@pytest.mark.parametrize("name", NAMES)
def test_a_class_without_clips_is_refused_in_one_line(name: str) -> None:
    frames, targets = clips(3, 0)
    with pytest.raises(SottovoceError, match=r"no training clip of class 3 \(of 0 to 3\)") as error:
        make(name, 4).fit([(frames, targets)], 0)
    assert "\n" not in str(error.value)


def test_features_that_are_no_numbers_are_refused() -> None:
    frames, targets = clips(3, 0)
    frames[4, 2, 1] = torch.nan
    with pytest.raises(SottovoceError, match="1 of 90 training clips have features that are not"):
        make("svm", 3).fit([(frames, targets)], 0)


def test_no_clips_at_all_are_refused() -> None:
    with pytest.raises(SottovoceError, match="no training clip"):
        make("svm", 3).fit([], 0)


def test_more_neighbours_than_clips_are_refused() -> None:
    with pytest.raises(SottovoceError, match="90 training clips for 91 neighbours"):
        make("k-nearest-neighbours", 3, neighbours=91).fit([clips(3, 0)], 0)


def test_the_seed_settles_the_forest() -> None:
    networks = [make("random-forest", 3, trees=10) for _ in range(3)]
    for network, seed in zip(networks, (1, 1, 2), strict=True):
        network.fit([clips(3, 0)], seed)
    fresh, _ = clips(3, 9)
    first, same, other = (network(fresh) for network in networks)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_a_forest_on_a_whole_corpus_is_small() -> None:
    """Even of labels that cannot be learned, as trees are largest then: 3 kB a tree and 100 clips.

    So 300 trees on 1200 clips take under 11 MB of a model file's 15.
    """
    network = make("random-forest", 8, trees=10)
    generator = torch.Generator().manual_seed(0)
    network.fit([(torch.randn(1200, FEATURES, 3, generator=generator), torch.arange(1200) % 8)], 0)
    assert sum(buffer.nbytes for buffer in network.buffers()) < 10 * 12 * 3000


def test_statistics_are_those_of_numpy() -> None:
    frames = torch.randn(3, FEATURES, 8, generator=torch.Generator().manual_seed(0))
    for time in (1, 2, 7, 8):
        values = frames[:, :, :time].double().numpy()
        slope = np.polyfit(np.arange(time), values.reshape(-1, time).T, 1)[0] if time > 1 else 0
        expected = [
            values.mean(axis=2),
            values.std(axis=2),
            values.min(axis=2),
            values.max(axis=2),
            np.ptp(values, axis=2),
            np.median(values, axis=2),
            np.broadcast_to(np.reshape(slope, (-1, FEATURES) if time > 1 else ()), (3, FEATURES)),
        ]
        found = summary(frames[:, :, :time], EVERY).numpy()
        np.testing.assert_allclose(found, np.concatenate(expected, axis=1), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_single_frames_are_enough(name: str) -> None:
    """Their deviation is 0 of every clip: it tells nothing, and does no harm."""
    frames, targets = clips(3, 0, time=1)
    network = make(name, 3)
    network.fit([(frames, targets)], 0)
    assert torch.isfinite(network(frames)).all()
    bare = make(name, 3, statistics=["mean"])
    bare.fit([(frames, targets)], 0)
    if name != "random-forest":  # which draws inputs, useless ones too
        torch.testing.assert_close(network(frames), bare(frames), rtol=0, atol=1e-3)


def test_statistics_are_named_once_and_known() -> None:
    for wrong in (["mean", "mean"], ["mode"], []):
        with pytest.raises(ValidationError):
            make("svm", 3, statistics=wrong)
