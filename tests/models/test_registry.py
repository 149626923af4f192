"""Where a model's name leads."""

import os
from pathlib import Path

import pytest
from tiny_model import tiny_card, write_tiny

from sottovoce.errors import ModelError
from sottovoce.models import registry


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.setenv(registry.FOLDER_VARIABLE, str(tmp_path))
    return tmp_path


def test_a_folder_of_one_s_own_adds_its_models_by_name(own):
    write_tiny(own / "mine.onnx")
    assert registry.available()["mine"] == own / "mine.onnx"
    assert registry.load("mine").card == tiny_card()


def test_several_folders_are_searched_and_the_first_is_meant(own, tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        write_tiny(folder / "mine.onnx")
    write_tiny(second / "other.onnx")
    monkeypatch.setenv(registry.FOLDER_VARIABLE, f"{first}{os.pathsep}{os.pathsep}{second}")
    assert registry.find("mine") == first / "mine.onnx"
    assert registry.find("other") == second / "other.onnx"


def test_a_name_means_the_same_wherever_a_command_is_started(tmp_path, monkeypatch):
    monkeypatch.delenv(registry.FOLDER_VARIABLE, raising=False)
    elsewhere = registry.available()
    assert elsewhere["b-svm"] == Path(__file__).resolve().parents[2] / "models" / "b-svm.onnx"
    (tmp_path / "models").mkdir()
    for name in ("b-svm", registry.DEFAULT, "new"):
        write_tiny(tmp_path / "models" / f"{name}.onnx")
    monkeypatch.chdir(tmp_path)
    assert registry.available() == elsewhere | {"new": Path("models", "new.onnx")}


def test_names_are_sorted(own):
    for name in ("z", "a", "m"):
        write_tiny(own / f"{name}.onnx")
    assert list(registry.available()) == sorted(registry.available())


def test_none_is_the_default(own):
    write_tiny(own / f"{registry.DEFAULT}.onnx")
    assert (
        registry.find(None) == registry.find(registry.DEFAULT) == own / f"{registry.DEFAULT}.onnx"
    )


def test_a_path_leads_to_its_file(tmp_path):
    path = write_tiny(tmp_path / "m.onnx")
    assert registry.load(path).card == registry.load(str(path)).card == tiny_card()


def test_a_path_needs_no_suffix(tmp_path):
    path = write_tiny(tmp_path / "model")
    assert registry.find(path) == path


def test_a_file_named_like_a_model_is_reached_by_its_path(own, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tiny(own / "mine.onnx")
    (tmp_path / "mine").write_text("a file, not a model")
    assert registry.find("mine") == own / "mine.onnx"
    assert registry.find("./mine") == Path("./mine")


def test_an_unknown_name_lists_the_known_ones(own):
    write_tiny(own / "first.onnx")
    write_tiny(own / "second.onnx")
    with pytest.raises(ModelError) as refused:
        registry.load("thrid")
    message = str(refused.value)
    assert "'thrid'" in message
    for name in registry.available():
        assert name in message


def test_a_path_that_is_not_there_is_no_unknown_name():
    with pytest.raises(ModelError, match=r"absent\.onnx: no such file"):
        registry.load("absent.onnx")


def test_threads_are_passed_on(tmp_path):
    model = registry.load(write_tiny(tmp_path / "m.onnx"), threads=2)
    assert model._network._session.get_session_options().intra_op_num_threads == 2


def test_one_thread_is_the_default(tmp_path):
    options = registry.load(write_tiny(tmp_path / "m.onnx"))._network._session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
