"""`sottovoce models`: the list, and one card."""

import json

import pytest
from tiny_model import tiny_card, write_tiny

from sottovoce.cli import run
from sottovoce.models.card import Card, ProtocolInfo
from sottovoce.models.registry import FOLDER_VARIABLE


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    return tmp_path


def test_the_list_says_what_a_model_hears_and_how_good_it_is(own, capfd):
    write_tiny(own / "tiny.onnx")
    assert run(["models"]) == 0
    out, err = capfd.readouterr()
    (line,) = [line for line in out.splitlines() if line.startswith("tiny")]
    for part in ("1.0", "neutral happy sad angry", "50.0% (40.0 to 60.0)", "loso", "Apache-2.0"):
        assert part in line
    assert err == ""


def test_a_model_measured_on_speakers_it_knew_is_called_optimistic(own, capfd):
    careless = ProtocolInfo(name="random", seeds=(0,), folds=5, optimistic=True, note="")
    write_tiny(own / "tiny.onnx", card=tiny_card(protocol=careless))
    run(["models"])
    assert "optimistic: speakers overlap" in capfd.readouterr().out


def test_a_card_is_shown_for_people_by_name_or_path(own, capfd):
    path = write_tiny(own / "tiny.onnx")
    for name in ("tiny", str(path)):
        assert run(["models", name]) == 0
        out = capfd.readouterr().out
        card = tiny_card()
        for part in (card.title, card.description, *card.labels, *card.limits, card.licence):
            assert part in out
        assert "uar: 50.0% (40.0 to 60.0)" in out


def test_json_is_the_whole_card(own, capfd):
    path = write_tiny(own / "tiny.onnx")
    assert run(["models", "tiny", "--json"]) == 0
    content = json.loads(capfd.readouterr().out)
    assert content.pop("file") == str(path)
    assert content.pop("bytes") == path.stat().st_size
    assert Card.from_json(json.dumps(content)) == tiny_card()


def test_a_broken_model_is_named_and_the_others_are_listed(own, capfd):
    write_tiny(own / "tiny.onnx")
    (own / "broken.onnx").write_bytes(b"nothing")
    assert run(["models"]) == 1
    out, err = capfd.readouterr()
    assert "tiny" in out
    assert (
        err
        == f"sottovoce: {own / 'broken.onnx'}: not an ONNX file, or one cut short; get it again\n"
    )


def test_an_unknown_model_is_one_line(capfd):
    assert run(["models", "nobody"]) == 2
    assert capfd.readouterr().err.startswith("sottovoce: no model is called 'nobody'")
