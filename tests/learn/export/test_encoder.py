"""Models on pretrained encoders: the file holds what was trained, the cache what was not."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from tiny_corpus import RATE, RECIPE
from tiny_encoder import tiny_encoder
from tiny_model import VOICE, tiny_card

import sottovoce
from sottovoce.cli import run
from sottovoce.errors import ModelError, SottovoceError
from sottovoce.learn.export import encoder as encoder_export
from sottovoce.learn.export.model_file import export_model
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.train.classifier import Classifier
from sottovoce.models.card import WindowPolicy
from sottovoce.models.encoder import encoder_file
from sottovoce.models.model_file import ENCODER_KEY, read_card

pytestmark = pytest.mark.filterwarnings("ignore")

CARD = tiny_card(
    labels=("neutral", "angry"),
    window=WindowPolicy(trim="none", margin=0, grid=0.1, min=0.5, max=4.0),
)

CASES = {
    "whisper": {},
    "hubert": {"pooling": "none"},
    "wavlm": {"train_layers": 1},
}


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of its own, in which encoders are made once for all tests here."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOTTOVOCE_CACHE", str(folder))
        yield folder


def batches() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [
        generator.normal(0, 0.1, (size, samples)).astype(np.float32)
        for size, samples in ((1, RATE // 2), (3, RATE + 123), (1, 3 * RATE))
    ]


HEAD = 'name = "layer-head"\nhidden = 16'
FITTED = 'name = "logistic-regression"\nstatistics = ["mean"]'


def classifier_on(
    folder: Path, options: dict[str, object], *, head: str = HEAD, trained: bool = True
) -> Classifier:
    """A head on the encoder in `folder`; one that is trained in steps has seen one batch."""
    torch.manual_seed(0)
    recipe = Recipe.parse(
        RECIPE.replace(
            'name = "log-mel"\nbands = 16',
            "\n".join(
                ['name = "pretrained"', f"encoder = {str(folder)!r}"]
                + [f"{key} = {value!r}" for key, value in options.items()]
            ),
        ).replace('name = "tcn"\nwidth = 8\nblocks = 2\nattention = 4', head)
    )
    classifier = Classifier.build(recipe)
    if trained:
        with torch.no_grad():
            classifier.train()(torch.from_numpy(batches()[1]))
    return classifier.eval()


def tensors(path: Path) -> dict[str, np.ndarray]:
    graph = onnx.load(path).graph
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


@pytest.fixture(scope="module", params=CASES)
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cache: Path
) -> tuple[str, Path, Classifier, Path]:
    """Kind, folder of the encoder, classifier, model file."""
    kind, home = str(request.param), tmp_path_factory.mktemp("made")
    tiny_encoder(kind, home / kind)
    classifier = classifier_on(home / kind, CASES[kind])
    path = home / "head.onnx"
    export_model(classifier, CARD, path, batches())
    return kind, home / kind, classifier, path


def test_the_two_files_say_what_torch_says(made: tuple[str, Path, Classifier, Path]) -> None:
    _, _, classifier, path = made
    model = sottovoce.load(path)
    for batch in batches():
        with torch.inference_mode():
            expected = torch.softmax(classifier(torch.from_numpy(batch)), dim=1)
        np.testing.assert_allclose(model.probabilities(batch), expected, atol=2e-3)


def test_the_model_s_file_holds_only_what_was_trained(
    made: tuple[str, Path, Classifier, Path],
) -> None:
    kind, _, classifier, path = made
    trained = sum(value.numel() for value in classifier.state_dict().values())
    held = tensors(path)
    assert sum(value.size for value in held.values()) < 1.5 * trained  # folding doubles a few
    frontend = classifier.frontend
    encoder = {
        np.sort(value.numpy(), axis=None).tobytes()
        for value in frontend.frozen.state_dict().values()
        if value.ndim > 1
    }
    both = {
        name for name, values in held.items() if np.sort(values, axis=None).tobytes() in encoder
    }
    # The table of positions that WavLM's layers share is trained with those that are trained.
    assert all("rel_attn_embed" in name for name in both), both
    assert not any(".embedding." in name for name in held)
    assert bool(frontend.layers) == any("frontend.layers" in name for name in held)
    assert path.stat().st_size < (600_000 if kind == "wavlm" else 60_000)


def test_the_card_says_which_encoder(made: tuple[str, Path, Classifier, Path], cache: Path) -> None:
    kind, folder, classifier, path = made
    info = sottovoce.load(path).card.encoder
    assert info == classifier.frontend.encoder
    assert info.name == folder.name == kind
    file = encoder_file(info)
    assert file.parent == cache / "encoders"
    assert read_card(file.read_bytes(), ENCODER_KEY) == info.to_json()


def test_it_listens_without_torch(made: tuple[str, Path, Classifier, Path]) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'safetensors', 'onnx'):\n"
        "    sys.modules[name] = None\n"
        f"import sottovoce\nprint(sottovoce.load({str(made[3])!r}).predict({str(VOICE)!r}).status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("ok", "uncertain")


def test_another_person_makes_the_encoder_from_its_weights(
    tmp_path: Path,
    made: tuple[str, Path, Classifier, Path],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    kind, folder, _, path = made
    if kind != "whisper":
        pytest.skip("once is enough: the other kinds differ in nothing that is done here")
    before = sottovoce.load(path).probabilities(batches()[1])
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(tmp_path / "theirs"))
    with pytest.raises(ModelError, match=f"make it with: sottovoce encoder {path}"):
        sottovoce.load(path)
    assert run(["encoder", str(path), "--from", str(folder)]) == 0
    assert "The encoder whisper is in" in capfd.readouterr().out
    np.testing.assert_allclose(sottovoce.load(path).probabilities(batches()[1]), before, atol=1e-6)


def test_other_weights_do_not_do(
    tmp_path: Path,
    made: tuple[str, Path, Classifier, Path],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    kind, _, _, path = made
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(tmp_path / "theirs"))
    other = tmp_path / "other"
    tiny_encoder("hubert" if kind == "whisper" else "whisper", other)
    capfd.readouterr()
    assert run(["encoder", str(path), "--from", str(other)]) == 2
    err = capfd.readouterr().err
    assert f"{other}: other weights (" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "theirs").exists()


def test_a_whole_encoder_that_was_trained_is_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(tmp_path / "empty"))
    tiny_encoder("wav2vec2", tmp_path / "encoder")
    classifier = classifier_on(tmp_path / "encoder", {"train_layers": "all"})
    path = tmp_path / "whole.onnx"
    export_model(classifier, CARD, path, batches(), fp16=True)
    model = sottovoce.load(path)
    assert model.card.encoder is None
    assert not (tmp_path / "empty").exists()
    with torch.inference_mode():
        expected = torch.softmax(classifier(torch.from_numpy(batches()[1])), dim=1)
    np.testing.assert_allclose(model.probabilities(batches()[1]), expected, atol=5e-3)


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whisper")
    tiny_encoder("whisper", folder)
    return folder


def test_classifiers_that_are_fitted_stand_on_encoders_too(whisper: Path, tmp_path: Path) -> None:
    classifier = classifier_on(whisper, {}, head=FITTED, trained=False)
    with pytest.raises(ModelError, match="trained on nothing"):
        export_model(classifier, CARD, tmp_path / "m.onnx", batches())
    generator = np.random.default_rng(1)
    sounds = generator.normal(0, 0.1, (16, RATE)).cumsum(axis=1).astype(np.float32)
    targets = torch.arange(16) % 2
    sounds[targets == 0] = generator.normal(0, 0.1, (8, RATE))
    with torch.inference_mode():
        frames = classifier.frames(torch.from_numpy(sounds))
    classifier.members[0].fit([(frames, targets)], 0)
    export_model(classifier, CARD, tmp_path / "m.onnx", batches(), fp16=True)
    found = sottovoce.load(tmp_path / "m.onnx").probabilities(sounds)
    np.testing.assert_array_equal(found.argmax(axis=1), targets)


# -- refusals --------------------------------------------------------------------------------------


def test_a_head_that_was_never_trained_is_not_exported(whisper: Path, tmp_path: Path) -> None:
    untrained = classifier_on(whisper, {}, trained=False)
    with pytest.raises(ModelError, match="trained on nothing"):
        export_model(untrained, CARD, tmp_path / "m.onnx", batches())
    assert not list(tmp_path.iterdir())


def test_nor_is_a_model_whose_card_names_no_corpus(whisper: Path, tmp_path: Path) -> None:
    card = CARD.model_copy(update={"corpora": ()})
    with pytest.raises(ModelError, match="trained on nothing"):
        export_model(classifier_on(whisper, {}), card, tmp_path / "m.onnx", batches())
    assert not list(tmp_path.iterdir())


def test_windows_beyond_whisper_s_positions_are_not_exported(whisper: Path, tmp_path: Path) -> None:
    card = CARD.model_copy(update={"window": CARD.window.model_copy(update={"max": 10.0})})
    with pytest.raises(SottovoceError, match=r"takes 6 s at most, found 10\.00 s"):
        export_model(classifier_on(whisper, {}), card, tmp_path / "m.onnx", batches())


def test_a_graph_of_an_encoder_that_disagrees_is_not_written(
    whisper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(tmp_path / "theirs"))
    frontend = classifier_on(whisper, {"layers": [1]}).frontend
    monkeypatch.setattr(encoder_export, "to_graph", lambda *_: b"")
    monkeypatch.setattr(encoder_export, "to_fp16", lambda *_: b"")
    monkeypatch.setattr(encoder_export, "_disagreement", lambda *_: 0.5)
    with pytest.raises(ModelError, match=r"differs from torch by 5\.0e-01"):
        encoder_export.write_encoder(frontend.frozen, frontend.encoder)
    assert not (tmp_path / "theirs").exists()


def test_another_way_of_computing_is_refused(whisper: Path) -> None:
    info = classifier_on(whisper, {"layers": [2]}).frontend.encoder
    later = info.model_copy(update={"version": info.version + 1})
    with pytest.raises(ModelError, match="was computed in way 2, this Sottovoce has way 1"):
        encoder_export.make_encoder(later, whisper)
