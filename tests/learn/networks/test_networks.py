"""The reference systems' networks: any length, the published sizes, and the same after export."""

import math
from collections.abc import Mapping
from unittest import mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from tiny_corpus import RECIPE
from tiny_model import tiny_card
from torch import nn

from sottovoce.errors import RecipeError
from sottovoce.learn.export.graphs import disagreement
from sottovoce.learn.export.model_file import Calibrated, to_onnx
from sottovoce.learn.networks import Network
from sottovoce.learn.networks.cnn_bilstm_attention import SelfAttention
from sottovoce.learn.networks.inception import STAGES, InceptionBlock
from sottovoce.learn.networks.parts import Cell, Pool, Recurrent, TemporalPooling, as_picture
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.registry import networks
from sottovoce.models.card import WindowPolicy

TINY: Mapping[str, Mapping[str, object]] = {
    "cnn": {"filters": (8, 16), "kernels": (5, 3), "pool": 3},
    "rnn": {"units": 8, "layers": 2},
    "lstm": {"units": 8, "layers": 1, "bidirectional": False, "summary": "mean"},
    "gru": {"units": 8, "layers": 2, "summary": "attention"},
    "cnn-bilstm": {"filters": (8, 16), "units": (8, 4)},
    "cnn2d-lstm": {"filters": (4, 8, 8), "units": (16, 8)},
    "inception": {"width": 0.1},
    "cnn-bilstm-attention": {"filters": (8, 8, 16, 16), "units": (8,)},
}
EVERY = pytest.mark.parametrize("name", TINY)


def network(name: str, features: int = 20, classes: int = 8, **options: object) -> Network:
    """An untrained network, the same each time, which judges rather than learns."""
    torch.manual_seed(0)
    made = networks()[name]
    return made(made.Options.model_validate(options), features, classes).eval()  # type: ignore[arg-type]


def tiny(name: str, features: int = 20, classes: int = 8) -> Network:
    return network(name, features, classes, **TINY[name])


def without_dropout(model: Network) -> Network:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def weights(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@EVERY
@pytest.mark.parametrize("frames", [1, 2, 16, 17, 128, 601])
def test_any_length_and_any_batch(name: str, frames: int) -> None:
    for batch in (1, 3):
        logits = tiny(name, classes=5)(torch.randn(batch, 20, frames))
        assert logits.shape == (batch, 5)
        assert torch.isfinite(logits).all()


@EVERY
@pytest.mark.parametrize("features", [1, 7, 40])
def test_any_number_of_features(name: str, features: int) -> None:
    assert tiny(name, features)(torch.randn(2, features, 30)).shape == (2, 8)


@EVERY
def test_a_clip_is_judged_whatever_its_company(name: str) -> None:
    model, clips = tiny(name), torch.randn(3, 20, 45)
    alone = torch.cat([model(clip[None]) for clip in clips])
    torch.testing.assert_close(model(clips), alone, rtol=0, atol=1e-5)


@EVERY
def test_the_order_of_the_frames_matters(name: str) -> None:
    model, clips = tiny(name), torch.randn(2, 20, 45)
    assert not torch.allclose(model(clips), model(clips.flip(2)), rtol=0, atol=1e-6)


@EVERY
def test_eight_clips_are_learned_by_heart_and_every_weight_takes_part(name: str) -> None:
    model = without_dropout(tiny(name, classes=4)).train()
    clips, targets = torch.randn(8, 20, 40), torch.arange(8) % 4
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(40):
        optimiser.zero_grad()
        F.cross_entropy(model(clips), targets).backward()
        optimiser.step()
    assert model(clips).argmax(dim=1).tolist() == targets.tolist()
    for weight, value in model.named_parameters():
        assert value.grad is not None, weight
        assert torch.isfinite(value.grad).all(), weight


@EVERY
def test_bfloat16_trains_and_says_nearly_the_same(name: str) -> None:
    if name == "lstm" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("torch's LSTM in bfloat16 needs a processor that has it (AVX-512)")
    model, clips = tiny(name), torch.randn(4, 20, 40)
    full = model(clips)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half, training = model(clips), model.train()(clips)
    torch.testing.assert_close(half.float(), full, rtol=0, atol=0.05)
    training.float().logsumexp(dim=1).sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


class Ear(nn.Module):
    """A network on ten samples a frame, which stands for a front end."""

    def __init__(self, model: Network) -> None:
        super().__init__()
        self.frames, self.model = nn.Conv1d(1, 20, 10, stride=10), model

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        logits = self.model(self.frames(waveform[:, None]))
        return 5 * (logits - logits.mean(dim=1, keepdim=True)) / logits.std(dim=1, keepdim=True)


@EVERY
@pytest.mark.filterwarnings("ignore")
def test_the_exported_graph_says_the_same_at_any_length_and_batch(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One block of each stage of Inception, since all nine take the exporter long.
    one_of_each = tuple(stage[:1] for stage in STAGES)
    monkeypatch.setattr("sottovoce.learn.networks.inception.STAGES", one_of_each)
    ear = Ear(tiny(name))
    with torch.no_grad():  # batch norm that is not the identity
        ear.train()(torch.randn(4, 800))
    model = Calibrated(ear, 1.0).eval()  # type: ignore[arg-type]
    window = WindowPolicy(trim="none", margin=0.0, grid=0.01, min=0.04, max=2.0)
    graph = to_onnx(model, tiny_card(sample_rate=4000, window=window))
    generator = np.random.default_rng(0)
    batches = [
        (torch.from_numpy(generator.standard_normal((batch, 10 * frames)).astype(np.float32)),)
        for frames in (16, 17, 18, 33, 150, 801)
        for batch in (1, 3)
    ]
    assert disagreement(model, graph, batches) < 1e-4


def recurrent(units: int, directions: int, values: int) -> tuple[int, int]:
    """Weights of an LSTM (four gates, two biases each), and values that come out."""
    return directions * 4 * units * (values + units + 2), directions * units


def test_the_published_best_of_the_random_search_has_the_weights_counted_by_hand() -> None:
    model = network(
        "cnn-bilstm",
        features=40,
        filters=(64, 128),
        kernels=(5, 3),
        conv_dropout=0.3,
        units=(64, 32),
        lstm_dropout=0.4,
        dense=128,
        dense_dropout=0.5,
    )
    convolutions = 40 * 64 * 5 + 2 * 64 + 64 * 128 * 3 + 2 * 128
    (first, width), (second, last) = recurrent(64, 2, 128), recurrent(32, 2, 2 * 64)
    assert (width, last) == (128, 64)
    assert weights(model) == convolutions + first + second + 65 * 128 + 129 * 8
    assert [module.p for module in model.modules() if isinstance(module, nn.Dropout)] == [
        *(0.3, 0.3),
        0.4,
        0.5,
    ]


def test_the_stacked_rows_become_a_sequence_of_an_eighth_of_the_frames() -> None:
    """262 rows and 150 frames, halved three times and rounded up: 33 rows, 19 frames."""
    model = network("cnn2d-lstm", features=262, classes=6)
    pictures = model.blocks(as_picture(torch.randn(2, 262, 150)))  # type: ignore[operator]
    assert pictures.shape == (2, 64, 33, 19)
    convolutions = 9 * (16 + 16 * 32 + 32 * 64) + 2 * (16 + 32 + 64)
    (first, _), (second, _) = recurrent(256, 1, 64 * 33), recurrent(128, 1, 256)
    assert weights(model) == convolutions + first + second + 129 * 64 + 65 * 6


def test_rows_are_a_picture_seen_from_the_side_of_time() -> None:
    """The LSTM hears frame after frame: what comes last cannot change what it said before."""
    model = tiny("cnn2d-lstm")
    sequences: list[torch.Tensor] = []
    model.recurrent.register_forward_hook(lambda *call: sequences.append(call[2]))  # type: ignore
    clip = torch.randn(1, 20, 80)
    changed = clip.clone()
    changed[:, :, 64:] = 0
    model(clip), model(changed)
    same = (sequences[0] == sequences[1]).all(dim=2)[0]
    assert same.tolist() == [True] * 7 + [False] * 3  # the convolutions look ahead


def test_the_inception_network_has_googlenets_channels() -> None:
    blocks = [
        module for module in network("inception").modules() if isinstance(module, InceptionBlock)
    ]
    assert [block.channels for block in blocks] == [256, 480, 512, 512, 512, 528, 832, 832, 1024]
    assert len(blocks) == sum(map(len, STAGES))


def test_the_inception_network_has_googlenets_weights() -> None:
    """6,998,552, for three colours and 1000 classes, as Caffe's and others' have."""
    model = network("inception", classes=1000, batch_norm=False)
    two_more_colours = 2 * 7 * 7 * 64
    assert weights(model) + two_more_colours == 6_998_552


def test_the_inception_network_halves_its_picture_five_times() -> None:
    model = network("inception", features=64)
    assert model.blocks(torch.randn(1, 1, 64, 188)).shape == (1, 1024, 2, 6)  # type: ignore[operator]
    assert model.head[1].in_features == 1024  # type: ignore[index, union-attr]


def test_width_and_batch_norm_of_the_inception_network() -> None:
    half = network("inception", width=0.5)
    blocks = [module for module in half.modules() if isinstance(module, InceptionBlock)]
    assert [block.channels for block in blocks] == [128, 240, 256, 256, 256, 264, 416, 416, 512]
    plain = network("inception", width=0.1, batch_norm=False)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in plain.modules())
    assert plain(torch.randn(2, 20, 16)).shape == (2, 8)


def test_self_attention_is_torchs_own() -> None:
    torch.manual_seed(0)
    ours, theirs = SelfAttention(32, 4), nn.MultiheadAttention(32, 4, batch_first=True)
    theirs.in_proj_weight, theirs.in_proj_bias = ours.to_qkv.weight, ours.to_qkv.bias
    theirs.out_proj.weight, theirs.out_proj.bias = ours.project.weight, ours.project.bias
    sequence = torch.randn(2, 9, 32)
    torch.testing.assert_close(ours(sequence), theirs(sequence, sequence, sequence)[0])


def test_the_attention_network_has_the_published_widths() -> None:
    model = network("cnn-bilstm-attention", features=64)
    assert [module.out_channels for module in model.modules() if isinstance(module, nn.Conv1d)] == [
        *(128, 256, 512, 512)
    ]
    linear = [module for module in model.head.modules() if isinstance(module, nn.Linear)]  # type: ignore
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(256, 128), (128, 8)]


@pytest.mark.parametrize("cell", [nn.RNN, nn.LSTM, nn.GRU])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_last_is_the_final_state_of_each_direction(cell: Cell, bidirectional: bool) -> None:
    torch.manual_seed(0)
    layers, sequence = Recurrent(cell, 6, (5, 4), 0.3, bidirectional).eval(), torch.randn(3, 11, 6)
    first, _ = layers.layers[0](sequence)
    _, state = layers.layers[1](first)
    final = state[0] if cell is nn.LSTM else state  # (directions, batch, units)
    expected = torch.cat(list(final), dim=1)
    torch.testing.assert_close(TemporalPooling("last", layers)(layers(sequence)), expected)


def test_mean_and_attention_weigh_all_frames() -> None:
    torch.manual_seed(0)
    layers, sequence = Recurrent(nn.GRU, 6, (4,), 0.0), torch.randn(3, 11, 8)
    torch.testing.assert_close(TemporalPooling("mean", layers)(sequence), sequence.mean(dim=1))
    pooling = TemporalPooling("attention", layers)
    assert pooling.score is not None
    given = torch.softmax(sequence @ pooling.score.weight[0] + pooling.score.bias, dim=1)
    expected = torch.einsum("bt,btw->bw", given, sequence)
    torch.testing.assert_close(pooling(sequence), expected)


@pytest.mark.parametrize("exporting", [False, True])
@pytest.mark.parametrize("frames", [1, 2, 3, 4, 7])
def test_pooling_takes_what_is_left_at_the_end(frames: int, exporting: bool) -> None:
    sequence = torch.randn(2, 5, frames)
    chunks = [chunk.amax(dim=2) for chunk in sequence.split(3, dim=2)]
    with mock.patch("torch.onnx.is_in_onnx_export", return_value=exporting):
        pooled = Pool(1, 3)(sequence).relu()
    assert pooled.shape[2] == math.ceil(frames / 3)
    assert torch.equal(pooled, torch.stack(chunks, dim=2).relu())


def test_a_picture_has_channels_last_and_is_the_frames() -> None:
    frames = torch.randn(3, 20, 31)
    assert torch.equal(as_picture(frames), frames[:, None])
    convolved = nn.Conv2d(1, 4, 3)(as_picture(frames))
    assert convolved.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("name", "table", "message"),
    [
        ("cnn", "kernels = [4]", "network.kernels: .*odd"),
        ("cnn", "filters = []", "network.filters: .*at least 1"),
        ("cnn", "filters = [8, 0]", r"network.filters.1: found 0; .*greater than or equal to 1"),
        ("cnn", 'filters = "64"', "network.filters: .*tuple"),
        ("cnn", "kernels = [3, 3]", "network.kernels: found 2 of them for 3 filters; give one"),
        ("cnn-bilstm", "kernels = [3, 3, 3]", "network.kernels: found 3 of them for 2 filters"),
        ("cnn-bilstm", "units = []", "network.units: .*at least 1"),
        ("cnn-bilstm", 'summary = "first"', "network.summary: .*'last', 'mean' or 'attention'"),
        ("cnn2d-lstm", "kernel = 2", "network.kernel: found 2; should be odd"),
        ("cnn2d-lstm", "bidirectional = 1", "network.bidirectional: found 1; .*boolean"),
        ("lstm", "layer = 2", "network.layer: unknown key .did you mean layers"),
        ("gru", "dropout = 1.0", "network.dropout: found 1.0; .*less than 1"),
        ("inception", "width = 0.0", "network.width: found 0.0; .*greater than 0"),
        ("cnn-bilstm-attention", "heads = 3", "network.heads: found 3; should divide 256"),
        ("cnn-bilstm-attention", "kernels = [3, 3]", "network.kernels: found 2 .* for 4 filters"),
    ],
)
def test_a_wrong_option_gets_one_line(name: str, table: str, message: str) -> None:
    start, end = RECIPE.index("[network]"), RECIPE.index("[training]")
    recipe = f'{RECIPE[:start]}[network]\nname = "{name}"\n{table}\n\n{RECIPE[end:]}'
    with pytest.raises(RecipeError, match=f"^recipe: {message}") as caught:
        Recipe.parse(recipe)
    assert "\n" not in str(caught.value)
