"""The TCN takes any length, judges each clip alone, and stays small."""

import pytest
import torch

from sottovoce.learn.networks.tcn import TCN, AttentivePool, TCNOptions


def network(**options: object) -> TCN:
    torch.manual_seed(0)
    return TCN(TCNOptions.model_validate(options), features=64, classes=8).eval()


def test_the_default_has_under_three_million_weights() -> None:
    assert sum(parameter.numel() for parameter in network().parameters()) < 3e6


@pytest.mark.parametrize("frames", [51, 52, 233, 3001])
def test_any_length_from_half_a_second_to_thirty(frames: int) -> None:
    logits = network(width=16)(torch.randn(2, 64, frames))
    assert logits.shape == (2, 8)
    assert torch.isfinite(logits).all()


def test_a_clip_is_judged_whatever_its_company() -> None:
    model, clips = network(width=16), torch.randn(3, 64, 80)
    alone = torch.cat([model(clip[None]) for clip in clips])
    torch.testing.assert_close(model(clips), alone, rtol=0, atol=1e-5)


def test_every_weight_learns() -> None:
    model = network(width=16, blocks=4).train()
    model(torch.randn(4, 64, 80)).logsumexp(dim=1).sum().backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
    assert float(model.stem[0].weight.grad.abs().sum()) > 0


def test_blocks_see_as_far_as_their_dilation_says() -> None:
    """3 blocks of kernel 5 with dilation 1, 2, 3 reach 2 + 4 + 6 = 12 frames to either side."""
    torch.manual_seed(0)
    blocks = network(width=8, blocks=3).blocks
    frames = torch.zeros(1, 8, 61, requires_grad=True)
    blocks(frames)[0, :, 30].sum().backward()
    assert frames.grad is not None
    seen = torch.nonzero(frames.grad.abs().sum(dim=(0, 1)))[:, 0]
    assert (int(seen.min()), int(seen.max())) == (18, 42)


def test_an_even_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match="odd"):
        TCNOptions(kernel=4)


def test_pooling_is_the_weighted_mean_and_deviation() -> None:
    torch.manual_seed(0)
    pool, frames = AttentivePool(6, 4), torch.randn(2, 6, 20)
    weights = torch.softmax(pool.attention(frames), dim=2)
    mean = (weights * frames).sum(dim=2, keepdim=True)
    deviation = (weights * (frames - mean) ** 2).sum(dim=2).sqrt()
    expected = torch.cat([mean[:, :, 0], deviation], dim=1)
    torch.testing.assert_close(pool(frames), expected, rtol=0, atol=1e-5)


def test_pooling_a_constant_has_no_deviation_and_finite_gradients() -> None:
    pool, frames = AttentivePool(6, 4), torch.full((1, 6, 20), 3.0, requires_grad=True)
    pooled = pool(frames)
    torch.testing.assert_close(pooled[0], torch.tensor([3.0] * 6 + [0.01] * 6), atol=1e-4, rtol=0)
    pooled.sum().backward()
    assert frames.grad is not None
    assert torch.isfinite(frames.grad).all()
