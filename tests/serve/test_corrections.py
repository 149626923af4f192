"""Corrections: kept in a folder that training reads, over HTTP only by whom the service knows."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from serving import WAV, post, run_service, sound

from sottovoce.annotations import read_annotations
from sottovoce.cli import run
from sottovoce.errors import SottovoceError
from sottovoce.serve import corrections
from sottovoce.serve.corrections import Correction, keep_correction

PATH = "/v1/corrections"
KEY = "0123456789abcdef"


def stretch(number: int) -> bytes:
    """A WAV file like no other."""
    return sound(0.1 * np.sin(np.arange(8000) * (0.05 + 0.001 * number)))


def labels(folder: Path) -> dict[str, str]:
    """Label -> speaker, as training reads the folder."""
    clips = read_annotations(folder / corrections.LABELS).clips
    assert all(clip.part.is_whole for clip in clips)
    return {clip.label: clip.speaker for clip in clips}


def test_a_raters_second_word_on_a_stretch_takes_the_place_of_the_first(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    keep_correction(folder, stretch(1), Correction(label="sad", speaker="Anna"))
    keep_correction(folder, stretch(2), Correction(label="angry"))
    assert keep_correction(folder, stretch(1), Correction(label="bored", speaker="Anna")) == 2
    assert labels(folder) == {"bored": "Anna", "angry": ""}


def test_most_raters_decide_and_a_tie_waits_for_another(tmp_path: Path) -> None:
    def rate(label: str, rater: str) -> int:
        return keep_correction(tmp_path, stretch(1), Correction(label=label, rater=rater))

    assert rate("Stress: high", "a") == 1
    assert rate("calm", "b") == 0
    assert rate("calm", "c") == 1
    assert labels(tmp_path) == {"calm": ""}
    assert rate("calm", "a") == 1
    ratings = corrections.read_ratings(tmp_path)
    assert [(one["rater"], one["emotion"]) for one in ratings] == [
        ("b", "calm"),
        ("c", "calm"),
        ("a", "calm"),
    ]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Anna  B. ", "Anna B."),
        ('=cmd|"/C calc"!A0', "cmdC calcA0"),
        ("-2+3,\n x", "23 x"),
        ("Łucja_7", "Łucja_7"),
        ("x" * 90, "x" * 40),
    ],
)
def test_a_name_is_no_formula_and_no_line(typed: str, kept: str) -> None:
    assert Correction(label="sad", speaker=typed, rater=typed).speaker == kept
    assert corrections.plain(typed) == kept


@pytest.mark.parametrize(
    "label", ["", " ", "NaN", "7", "=1+1", "-sad", "a\x00b", "happy, sad", "é" * 65]
)
def test_what_training_would_not_read_as_a_word_is_refused(label: str) -> None:
    with pytest.raises(ValueError, match=r"label"):
        Correction(label=label)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SottovoceError, match="nothing was kept"):
        keep_correction(tmp_path / "file", stretch(1), Correction(label="sad"))


def test_where_no_folder_was_given_nothing_is_taken(http: httpx.Client) -> None:
    answer = http.post(PATH, params={"label": "sad"}, content=WAV)
    assert answer.status_code == 404
    assert "start it with --corrections FOLDER" in answer.json()["error"]["message"]
    assert http.get("/v1/models").json()["corrections"] is False


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "corrections"


def test_a_correction_is_a_row_to_train_on(tiny: Path, folder: Path) -> None:
    query = {"label": "Anger", "speaker": "Anna", "rater": "me", "heard": "sad", "model": "tiny 1"}
    with run_service(tiny, corrections=folder) as service:
        models = httpx.get(f"{service.url}/v1/models").json()
        answer = post(service.url + PATH, params=query | {"start": 1.5, "end": 2.25}, content=WAV)
        wrong = post(service.url + PATH, params=query | {"label": "7"}, content=WAV)
        noise = post(service.url + PATH, params=query, content=b"no recording at all")
        ogg = sound(np.zeros(9000), kind="OGG")
        other = post(service.url + PATH, params=query, content=ogg)
    assert models["corrections"] is True
    assert (answer.status_code, answer.json()) == (200, {"labels": 1})
    assert labels(folder) == {"angry": "Anna"}
    (clip,) = read_annotations(folder / "labels.csv").clips
    assert clip.part.path.read_bytes() == WAV
    (row,) = corrections.read_ratings(folder)
    assert (row["heard"], row["source_start"], row["source_end"]) == ("sad", "1.500", "2.250")
    assert wrong.json()["error"]["message"] == (
        "label: '7' is no word; expected such as angry, or bored"
    )
    for refused in (wrong, noise, other):
        assert refused.status_code == 422


def test_writers_at_once_lose_nothing(tiny: Path, folder: Path) -> None:
    def send(number: int) -> int:
        query = {"label": "calm", "speaker": str(number)}
        return post(service.url + PATH, params=query, content=stretch(number)).status_code

    with run_service(tiny, corrections=folder) as service, ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, range(24))) == {200}
    clips = read_annotations(folder / "labels.csv").clips
    assert sorted(int(clip.speaker) for clip in clips) == list(range(24))
    assert not list(folder.rglob("*.part"))


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "sottovoce.example.org"},  # a proxy, or a page with a moved host
        {"Origin": "https://example.org"},
    ],
)
def test_neither_a_proxy_nor_another_sites_page_may_write(
    tiny: Path, folder: Path, headers: dict[str, str]
) -> None:
    with run_service(tiny, corrections=folder) as service:
        answer = post(service.url + PATH, params={"label": "sad"}, content=WAV, headers=headers)
    assert answer.status_code == 403
    assert not folder.exists()


def test_a_key_opens_it_from_anywhere(tiny: Path, folder: Path) -> None:
    with run_service(tiny, corrections=folder, keys=(KEY,)) as service:
        request = {"params": {"label": "sad"}, "content": WAV}
        host = {"Host": "sottovoce.example.org"}
        assert post(service.url + PATH, **request, headers=host).status_code == 401
        host["X-API-Key"] = KEY
        assert post(service.url + PATH, **request, headers=host).status_code == 200
        assert httpx.get(f"{service.url}/v1/models", headers=host).json()["corrections"] is True
    assert labels(folder) == {"sad": ""}


def test_the_command_takes_none_from_everybody(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["serve", "--host", "0.0.0.0", "--open", "--corrections", "here"]  # noqa: S104
    assert run(command) == 2
    assert "give --keys FILE, or listen on 127.0.0.1" in capsys.readouterr().err
