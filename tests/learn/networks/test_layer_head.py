"""The head on a pretrained encoder finds the layer that tells, and knows whether it was trained."""

import copy

import pytest
import torch

from sottovoce.learn.frontends.pretrained import LayerFeatures
from sottovoce.learn.networks.layer_head import LayerHead, LayerHeadOptions
from sottovoce.learn.registry import networks

LAYERS, EACH, CLASSES = 4, 6, 3


def head(**options: object) -> LayerHead:
    torch.manual_seed(0)
    return LayerHead(LayerHeadOptions(**options), LayerFeatures(LAYERS * EACH, LAYERS), CLASSES)


@pytest.fixture(scope="module")
def clips() -> tuple[torch.Tensor, torch.Tensor]:
    """Layer 2 tells the classes apart, on a scale of its own; the others are noise."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(CLASSES, (512,), generator=generator)
    frames = torch.randn(512, LAYERS, EACH, 1, generator=generator)
    frames[torch.arange(512), 2, targets] += 2.5
    return (frames.flatten(1, 2) * 50 + 300), targets


def train(network: LayerHead, frames: torch.Tensor, targets: torch.Tensor) -> LayerHead:
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.03)
    for step in range(150):
        rows = slice(step % 8 * 64, step % 8 * 64 + 64)
        loss = torch.nn.functional.cross_entropy(network(frames[rows]), targets[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval()


@pytest.mark.parametrize("hidden", [0, 16])
def test_it_finds_the_layer_that_tells(
    clips: tuple[torch.Tensor, torch.Tensor], hidden: int
) -> None:
    network = train(head(hidden=hidden), *clips)
    weights = network.weights.softmax(0)
    assert int(weights.argmax()) == 2
    assert weights[2] > 0.5
    right = (network(clips[0]).argmax(dim=1) == clips[1]).float().mean()
    assert right > 0.8


def test_layers_weigh_the_same_before_training() -> None:
    torch.testing.assert_close(head().weights.softmax(0), torch.full((LAYERS,), 1 / LAYERS))


def test_it_knows_whether_it_was_trained(clips: tuple[torch.Tensor, torch.Tensor]) -> None:
    network = head()
    assert not network.trained
    network.eval()(clips[0])
    assert not network.trained
    network.train()(clips[0])
    assert network.trained
    fresh = head()
    fresh.load_state_dict(network.state_dict())
    assert fresh.trained


def test_the_scale_of_a_feature_does_not_matter(clips: tuple[torch.Tensor, torch.Tensor]) -> None:
    frames, targets = clips
    scale = torch.logspace(-3, 3, LAYERS * EACH)[:, None]
    single = train(head(dropout=0.0), frames, targets)(frames)
    other = train(head(dropout=0.0), frames * scale, targets)(frames * scale)
    assert (single.argmax(dim=1) == other.argmax(dim=1)).float().mean() > 0.99


def test_a_sequence_counts_by_its_mean(clips: tuple[torch.Tensor, torch.Tensor]) -> None:
    network = train(head(), *clips)
    sequence = torch.randn(5, LAYERS * EACH, 30)
    means = sequence.mean(dim=2, keepdim=True)
    torch.testing.assert_close(network(sequence), network(means), atol=1e-4, rtol=1e-4)


def test_on_a_front_end_without_layers_it_is_a_linear_classifier() -> None:
    network = LayerHead(LayerHeadOptions(), 10, CLASSES).eval()
    assert network.layers == 1
    assert network(torch.randn(2, 10, 7)).shape == (2, CLASSES)


def test_the_number_of_layers_survives_being_copied() -> None:
    features = copy.deepcopy(LayerFeatures(24, 4))
    assert (features, features.layers) == (24, 4)


def test_it_is_registered() -> None:
    assert networks()["layer-head"] is LayerHead
