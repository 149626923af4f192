"""A model that stands on a pretrained encoder: two graphs that listen as one, without torch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_encoder_model import INFO, write_tiny_encoder, write_tiny_head
from tiny_model import RATE, VOICE, write_tiny

import sottovoce
from sottovoce.errors import ModelError
from sottovoce.models.card import Card, EncoderInfo
from sottovoce.models.encoder import encoder_file


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as refused:
        sottovoce.load(path)
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert INFO.name in message
    return message


def test_two_graphs_say_what_one_says(tmp_path: Path) -> None:
    write_tiny_encoder()
    standing = sottovoce.load(write_tiny_head(tmp_path / "head.onnx"))
    whole = sottovoce.load(write_tiny(tmp_path / "whole.onnx"))
    batch = np.random.default_rng(0).normal(0, 0.1, (3, 2 * RATE))
    np.testing.assert_allclose(standing.probabilities(batch), whole.probabilities(batch), atol=1e-6)
    single, batched = standing.predict(VOICE), next(standing.predict_many([VOICE]))
    assert single.probabilities == pytest.approx(whole.predict(VOICE).probabilities)
    assert batched.probabilities == pytest.approx(single.probabilities)


def test_it_listens_without_torch(tmp_path: Path) -> None:
    write_tiny_encoder()
    path = write_tiny_head(tmp_path / "head.onnx")
    code = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'safetensors', 'onnx', 'huggingface_hub'):\n"
        "    sys.modules[name] = None\n"
        f"import sottovoce\nprint(sottovoce.load({str(path)!r}).predict({str(VOICE)!r}).status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "ok"


def test_an_encoder_that_was_not_made_says_how_to_make_it(tmp_path: Path, cache: Path) -> None:
    path = write_tiny_head(tmp_path / "head.onnx")
    message = refusal(path)
    assert f"not in {cache / 'encoders'}" in message
    assert f"make it with: sottovoce encoder {path}" in message


def test_an_encoder_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    made = write_tiny_encoder()
    made.write_bytes(made.read_bytes()[:-10])
    message = refusal(write_tiny_head(tmp_path / "head.onnx"))
    assert str(made) in message
    assert "delete it and make it with: sottovoce encoder" in message


def test_another_encoder_in_its_place_is_refused(tmp_path: Path) -> None:
    write_tiny_encoder(says=INFO.model_copy(update={"digest": "1" * 64}))
    assert "it is another encoder's" in refusal(write_tiny_head(tmp_path / "head.onnx"))


def test_a_model_file_in_its_place_is_refused(tmp_path: Path) -> None:
    write_tiny(write_tiny_encoder())
    assert "without a Sottovoce card" in refusal(write_tiny_head(tmp_path / "head.onnx"))


def test_an_encoder_that_gives_something_else_is_refused(tmp_path: Path) -> None:
    info = INFO.model_copy(update={"features": 8})
    write_tiny_encoder(info)
    message = refusal(write_tiny_head(tmp_path / "head.onnx", info, features=8))
    assert "expected encoded tensor(float) (any batch, 8 features, 1 frames)" in message


def test_a_head_that_takes_something_else_is_refused(tmp_path: Path) -> None:
    write_tiny_encoder()
    path = write_tiny_head(tmp_path / "head.onnx", features=5)
    with pytest.raises(
        ModelError, match=r"its input is encoded .*expected encoded .*any batch, 4 feat"
    ):
        sottovoce.load(path)


def test_a_whole_model_that_says_it_stands_on_an_encoder_is_refused(tmp_path: Path) -> None:
    from tiny_model import tiny_card

    write_tiny_encoder()
    path = write_tiny(tmp_path / "m.onnx", card=tiny_card(encoder=INFO))
    with pytest.raises(ModelError, match="expected encoded tensor"):
        sottovoce.load(path)


def test_what_an_encoder_gives_names_its_file_and_its_name_does_not() -> None:
    assert encoder_file(INFO) == encoder_file(INFO.model_copy(update={"name": "a-folder"}))
    changes = (
        {"digest": "1" * 64},
        {"layers": (1, 3)},
        {"pooling": "none"},
        {"features": 5},
        {"version": 2},
    )
    files = {encoder_file(INFO.model_copy(update=change)) for change in changes}
    assert len(files | {encoder_file(INFO)}) == len(changes) + 1


def test_a_card_keeps_its_encoder_through_json() -> None:
    from tiny_model import tiny_card

    card = tiny_card(encoder=INFO)
    assert Card.from_json(card.to_json()).encoder == INFO
    assert Card.from_json(tiny_card().to_json()).encoder is None
    with pytest.raises(ModelError, match="encoder: digest: "):
        EncoderInfo.from_json(INFO.to_json().replace("0" * 64, "short"))


def test_threads_hold_for_the_encoder_too(tmp_path: Path) -> None:
    write_tiny_encoder()
    model = sottovoce.load(write_tiny_head(tmp_path / "head.onnx"), threads=2)
    assert model._network._encoder.get_session_options().intra_op_num_threads == 2
