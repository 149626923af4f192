"""Pretrained encoders say what transformers says, from safetensors alone, wherever they are cut."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_encoder import DEPTH, KINDS, WIDTH, rewrite, tiny_encoder
from transformers import PreTrainedModel, Wav2Vec2FeatureExtractor, WhisperFeatureExtractor

from sottovoce.audio import Audio
from sottovoce.errors import ModelError, RecipeError, SottovoceError
from sottovoce.learn.frontends.pretrained import PretrainedFrontEnd, PretrainedOptions
from sottovoce.learn.frontends.pretrained_weights import FOLDER_VARIABLE, find, load
from sottovoce.learn.registry import frontends

RATE = 16_000
VOICE = Path(__file__).parents[3] / "samples" / "lively-voice.wav"


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    """2 s from either end of a recording: (2, samples)."""
    samples = Audio.read(VOICE, sample_rate=RATE).samples[0]
    return np.stack([samples[:32_000], samples[-32_000:]])


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp(kind)


@pytest.fixture(scope="module")
def peer(kind: str, folder: Path) -> PreTrainedModel:
    return tiny_encoder(kind, folder)


def front(folder: Path, **options: object) -> PretrainedFrontEnd:
    return PretrainedFrontEnd(PretrainedOptions(encoder=str(folder), **options), RATE).eval()


@torch.no_grad()
def states_of(peer: PreTrainedModel, values: torch.Tensor) -> list[torch.Tensor]:
    """Its hidden states; the last after the norm, if any, that follows the last layer."""
    given = peer(values, output_hidden_states=True)
    return [*given.hidden_states[:-1], given.last_hidden_state]


@torch.no_grad()
def transformers_says(peer: PreTrainedModel, kind: str, voice: np.ndarray) -> list[torch.Tensor]:
    """Every hidden state, each (batch, time, width), as transformers computes them."""
    if kind != "whisper":
        extract = Wav2Vec2FeatureExtractor(do_normalize=True)
        values = extract(list(voice), sampling_rate=RATE, return_tensors="pt").input_values
        return states_of(peer, values)
    extract = WhisperFeatureExtractor()
    frames = extract(
        list(voice), sampling_rate=RATE, padding="do_not_pad", return_tensors="pt"
    ).input_features
    whole = peer.embed_positions.weight.shape[0]
    shorter = copy.deepcopy(peer)  # which takes just this many frames
    shorter.config.max_source_positions = frames.shape[2] // 2
    shorter.embed_positions = torch.nn.Embedding.from_pretrained(
        peer.embed_positions.weight[: frames.shape[2] // 2]
    )
    assert shorter.embed_positions.num_embeddings < whole
    return states_of(shorter, frames)


def test_hidden_states_are_those_of_transformers(
    kind: str, folder: Path, peer: PreTrainedModel, voice: np.ndarray
) -> None:
    expected = transformers_says(peer, kind, voice)
    assert len(expected) == DEPTH + 1
    found = front(folder, pooling="none").raw(torch.from_numpy(voice)).transpose(1, 2)
    for number, state in enumerate(found.split(WIDTH, dim=2)):
        torch.testing.assert_close(state, expected[number], atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("other", ["wav2vec2", "hubert", "wavlm"])
def test_so_are_those_of_the_large_arrangement(
    other: str, tmp_path: Path, voice: np.ndarray
) -> None:
    peer = tiny_encoder(other, tmp_path, stable=True, normalise=False)
    given = states_of(peer, torch.from_numpy(voice))
    found = front(tmp_path, pooling="none").raw(torch.from_numpy(voice)).transpose(1, 2)
    torch.testing.assert_close(found, torch.cat(given, dim=2), atol=2e-4, rtol=1e-3)


def test_pooled_they_are_means_and_deviations(
    folder: Path, peer: PreTrainedModel, voice: np.ndarray
) -> None:
    waveform = torch.from_numpy(voice)
    states = front(folder, pooling="none", layers=[1, 2]).raw(waveform)
    pooled = front(folder, layers=[1, 2]).raw(waveform)
    first, second = states.split(WIDTH, dim=1)
    parts = [
        f(state, axis=2) for state in (first.numpy(), second.numpy()) for f in (np.mean, np.std)
    ]
    np.testing.assert_allclose(pooled[:, :, 0], np.concatenate(parts, axis=1), atol=1e-5)
    assert pooled.shape == (2, 4 * WIDTH, 1)


@pytest.mark.parametrize("layers", [[], [1], [0, 2], [2]])
@pytest.mark.parametrize("trained", [1, "all"])
def test_wherever_it_is_cut_it_says_the_same(
    folder: Path, peer: PreTrainedModel, voice: np.ndarray, layers: list[int], trained: object
) -> None:
    waveform = torch.from_numpy(voice)
    frozen = front(folder, layers=layers)
    cut = front(folder, layers=layers, train_layers=trained)
    assert cut.features == frozen.features
    torch.testing.assert_close(cut(waveform), frozen(waveform), atol=1e-5, rtol=1e-4)


def test_the_frozen_part_is_no_part_of_what_is_trained_or_kept(
    kind: str, folder: Path, peer: PreTrainedModel
) -> None:
    frozen = front(folder)
    assert not frozen.state_dict()
    assert not list(frozen.parameters())
    assert copy.deepcopy(frozen).frozen is frozen.frozen
    cut = front(folder, train_layers=1)
    names = set(cut.state_dict())
    own = {f"layers.{n}" for n in cut.layers.state_dict()}
    assert names == own
    table = {"layers.layers.0.attention.rel_attn_embed.weight"} if kind == "wavlm" else set()
    assert table <= names


@pytest.mark.parametrize("trained", [1, "all"])
def test_what_is_trained_gets_gradients_and_the_rest_does_not(
    folder: Path, peer: PreTrainedModel, voice: np.ndarray, trained: object
) -> None:
    cut = front(folder, train_layers=trained, layers=[1, 2]).train()
    raw = cut.raw(torch.from_numpy(voice))
    assert not raw.requires_grad
    given = cut.normalised(raw)
    (given * torch.randn(given.shape, generator=torch.Generator().manual_seed(0))).sum().backward()
    trained = {name: weight for name, weight in cut.named_parameters() if weight.requires_grad}
    assert trained
    still = [
        n for n, weight in trained.items() if weight.grad is None or not weight.grad.abs().sum()
    ]
    assert not [name for name in still if "bias" not in name]  # some biases cannot matter


def test_training_does_not_change_what_the_frozen_part_says(
    folder: Path, peer: PreTrainedModel, voice: np.ndarray
) -> None:
    """No dropout, no skipped layers, no masks."""
    frozen = front(folder)
    waveform = torch.from_numpy(voice)
    torch.testing.assert_close(frozen.train()(waveform), frozen.eval()(waveform))


def test_whisper_s_log_mel_ends_80_db_below_each_clip_s_own_maximum(
    tmp_path: Path, voice: np.ndarray
) -> None:
    tiny_encoder("whisper", tmp_path)
    embedding = front(tmp_path).frozen.embedding
    loud, quiet = voice[:1], voice[:1] * np.float32(1e-3)
    quiet[:, :2000] = 0
    together = embedding.log_mel(torch.from_numpy(np.concatenate([loud, quiet])))
    for number, clip in enumerate((loud, quiet)):
        alone = WhisperFeatureExtractor()(
            clip[0], sampling_rate=RATE, padding="do_not_pad", return_tensors="np"
        ).input_features[0]
        np.testing.assert_allclose(together[number], alone, atol=2e-4)


@torch.no_grad()
def test_at_one_level_a_quiet_clip_is_heard_as_the_loud_one(
    tmp_path: Path, voice: np.ndarray
) -> None:
    tiny_encoder("whisper", tmp_path)
    waveform = torch.from_numpy(voice)
    natural, alike = front(tmp_path), front(tmp_path, one_level=True)
    torch.testing.assert_close(alike(waveform * 0.01), alike(waveform), atol=1e-4, rtol=1e-3)
    assert (natural(waveform * 0.01) - natural(waveform)).abs().max() > 0.01
    assert alike(torch.zeros_like(waveform)).isfinite().all()
    assert alike.encoder.key != natural.encoder.key


def test_one_level_is_whispers_alone(tmp_path: Path) -> None:
    tiny_encoder("hubert", tmp_path)
    with pytest.raises(RecipeError, match="one_level: is for Whisper"):
        front(tmp_path, one_level=True)


# -- weights ---------------------------------------------------------------------------------------


def test_a_copy_in_half_precision_with_other_names_is_the_same_encoder(
    tmp_path: Path,
) -> None:
    tiny_encoder("whisper", tmp_path / "whole")
    tiny_encoder("whisper", tmp_path / "half")
    rewrite(tmp_path / "half", "model.encoder.", half=True)
    digests = {load(tmp_path / name).digest for name in ("whole", "half")}
    assert len(digests) == 1


def test_another_weight_is_another_encoder(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tiny_encoder("hubert", tmp_path)
    before = load(tmp_path).digest
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["encoder.layers.1.final_layer_norm.bias"][5] += 0.01
    save_file(tensors, tmp_path / "model.safetensors")
    assert load(tmp_path).digest != before
    facts = {"do_normalize": False}
    middle = load(tmp_path).digest
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(facts))
    assert load(tmp_path).digest != middle


def test_weights_in_several_files_are_read(tmp_path: Path) -> None:
    model = tiny_encoder("wav2vec2", tmp_path / "one")
    tiny_encoder("wav2vec2", tmp_path / "many")
    (tmp_path / "many" / "model.safetensors").unlink()
    model.save_pretrained(tmp_path / "many", max_shard_size="100KB")
    assert len(list((tmp_path / "many").glob("model-*.safetensors"))) > 1
    assert load(tmp_path / "many").digest == load(tmp_path / "one").digest


def test_a_name_is_looked_for_in_one_s_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whisper-tiny-encoder").mkdir()
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    assert find("openai/whisper-tiny") == tmp_path / "whisper-tiny-encoder"
    assert find(str(tmp_path)) == tmp_path


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as refused:
        load(folder)
    message = str(refused.value)
    assert message.startswith(f"{folder}: ")
    assert "\n" not in message
    return message


def test_pickled_weights_are_not_read(tmp_path: Path) -> None:
    model = tiny_encoder("wav2vec2", tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    message = refusal(tmp_path)
    assert "no model.safetensors" in message
    assert "pickle" in message
    assert "revision" in message


def test_an_empty_folder_holds_no_encoder(tmp_path: Path) -> None:
    assert "no model.safetensors" in refusal(tmp_path)


def test_weights_that_are_cut_short_are_refused(tmp_path: Path) -> None:
    tiny_encoder("whisper", tmp_path)
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    refusal(tmp_path)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tiny_encoder("hubert", tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if "encoder.layers.1." not in name}
    save_file(kept, tmp_path / "model.safetensors")
    assert "lack 16, such as encoder.layers.1." in refusal(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("config.json", '{"model_type": "bert"}', "of the kind 'bert'; known kinds: whisper"),
        ("config.json", "{", "Expecting"),
        ("config.json", "[]", "no object"),
        ("config.json", '{"model_type": "whisper"}', "no conv1.weight"),
        ("config.json", None, "no config.json"),
        ("preprocessor_config.json", None, "no preprocessor_config.json"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(
    tmp_path: Path, file: str, content: str | None, says: str
) -> None:
    tiny_encoder("wav2vec2", tmp_path)
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_text(content)
    assert says in refusal(tmp_path)


def test_weights_that_do_not_fit_the_config_are_refused(tmp_path: Path) -> None:
    tiny_encoder("wavlm", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"intermediate_size": 80}))
    assert "do not fit its config.json" in refusal(tmp_path)


def test_an_encoder_that_is_nowhere_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    def offline(*_: object, **__: object) -> str:
        raise ConnectionError("Cannot reach the hub.\nIt is far away.")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(ModelError) as refused:
        find("openai/whisper-base")
    message = str(refused.value)
    assert "\n" not in message
    for word in ("openai/whisper-base", str(tmp_path), "(Cannot reach the hub);", "name a folder"):
        assert word in message


def test_only_safetensors_and_configs_are_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    arguments: dict[str, object] = {}

    def download(name: str, **how: object) -> str:
        arguments.update(how, name=name)
        return str(tmp_path)

    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert find("somebody/encoder", "refs/pr/3") == tmp_path
    assert (arguments["name"], arguments["revision"]) == ("somebody/encoder", "refs/pr/3")
    assert all(
        pattern.endswith((".json", ".safetensors")) for pattern in arguments["allow_patterns"]
    )


# -- options ---------------------------------------------------------------------------------------


def test_it_is_registered() -> None:
    assert frontends()["pretrained"] is PretrainedFrontEnd


def test_layers_that_it_does_not_have_are_refused(tmp_path: Path) -> None:
    tiny_encoder("whisper", tmp_path)
    with pytest.raises(RecipeError, match=r"frontend\.layers: 3; .* has hidden states 0 to 2"):
        front(tmp_path, layers=[1, 3])
    with pytest.raises(RecipeError, match=r"frontend\.train_layers: 3; only 2 layers are taken"):
        front(tmp_path, layers=[1, 2], train_layers=3)


@pytest.mark.parametrize("layers", [[2, 1], [1, 1], [-1]])
def test_layers_are_in_order_and_distinct(layers: list[int]) -> None:
    with pytest.raises(ValueError, match="layers"):
        PretrainedOptions(encoder="x/y", layers=layers)


def test_another_sample_rate_is_refused(tmp_path: Path) -> None:
    tiny_encoder("whisper", tmp_path)
    with pytest.raises(RecipeError, match=r"sample_rate: 8000 Hz; .* takes 16000 Hz"):
        PretrainedFrontEnd(PretrainedOptions(encoder=str(tmp_path)), 8000)


def test_a_clip_beyond_whisper_s_positions_is_refused(tmp_path: Path) -> None:
    tiny_encoder("whisper", tmp_path)
    longest = torch.zeros(1, 6 * RATE)  # 300 positions
    assert front(tmp_path).raw(longest).isfinite().all()
    with pytest.raises(SottovoceError, match=r"takes 6 s at most, found 6\.0\d s"):
        front(tmp_path).raw(torch.zeros(1, 6 * RATE + 320))


def test_the_same_values_have_the_same_identity_and_others_another(tmp_path: Path) -> None:
    tiny_encoder("whisper", tmp_path)
    options = (
        {},
        {"layers": [1]},
        {"pooling": "none"},
        {"train_layers": 1},
        {"train_layers": "all"},
    )
    identities = [front(tmp_path, **option).identity for option in options]
    assert len(set(identities)) == len(options)
    assert identities == [front(tmp_path, **option).identity for option in options]


def test_the_real_encoder_s_layers_are_heard(ravdess: Path, whisper: Path) -> None:
    """Real weights, without a config: finite, and another clip is another point."""
    clips = sorted(ravdess.rglob("*-01-01.*"))[:3]
    frontend = front(whisper, layers=[2, 3, 4])
    assert frontend.features == 3 * 2 * 512
    values = torch.cat(
        [
            frontend.raw(torch.from_numpy(Audio.read(clip, sample_rate=RATE).samples))
            for clip in clips
        ]
    )
    assert values.isfinite().all()
    assert torch.cdist(values[:, :, 0], values[:, :, 0])[0, 1] > 1
