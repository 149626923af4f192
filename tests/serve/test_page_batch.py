"""Many recordings on the page: every file keeps its row, its name and its reason."""

import csv
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tiny_model import VOICE as LIVELY

import sottovoce
from sottovoce.options import RecordingOptions

SAMPLES = LIVELY.parent
VOICE = SAMPLES / "calm-voice.wav"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two voices, one of them twice, twelve seconds of both, and two files without sound."""
    calm, rate = soundfile.read(VOICE, dtype="float32")
    lively = sottovoce.Audio.read(LIVELY, sample_rate=rate).samples[0]
    soundfile.write(tmp_path / "both.wav", np.concatenate([calm, lively, calm]), rate)
    (tmp_path / "calm.wav").write_bytes(VOICE.read_bytes())
    (tmp_path / "calm again.wav").write_bytes(VOICE.read_bytes())
    (tmp_path / "lively.wav").write_bytes(LIVELY.read_bytes())
    (tmp_path / "empty.opus").write_bytes(b"")
    (tmp_path / "notes.wav").write_bytes(b"no sound at all" * 100)
    names = ("calm", "both", "lively", "calm again", "notes")
    return [*(tmp_path / f"{name}.wav" for name in names), tmp_path / "empty.opus"]


def opened(page: Any, files: list[Path]) -> None:
    """Open files together, and wait until they are judged."""
    page.locator("input[type=file]").set_input_files([str(file) for file in files])
    page.locator(".batch-table tbody tr").first.wait_for()
    page.wait_for_function("() => !document.querySelector('.batch-progress progress')")


def rows(page: Any) -> list[dict[str, str]]:
    """What the table says."""
    return page.locator(".batch-table tbody tr").evaluate_all(
        """(all) => all.map((row) => Object.fromEntries(
          [...row.children].map((cell) => [cell.classList[0], cell.innerText.trim()])))"""
    )


def downloaded(page: Any, button: str) -> bytes:
    with page.expect_download() as started:
        page.get_by_role("button", name=button, exact=True).click()
    return Path(started.value.path()).read_bytes()


def table(page: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(downloaded(page, "CSV").decode())))


def test_every_file_keeps_its_row_and_says_what_the_library_says(visit, files) -> None:
    page = visit()
    opened(page, files)
    found = rows(page)
    assert [one["name"] for one in found] == [file.name for file in files]
    model = sottovoce.load()
    for place in (0, 2):
        said = model.predict(files[place])
        assert found[place]["emotion"] == said.words
        assert found[place]["confidence"] == f"{100 * said.confidence:.0f} %"
        assert found[place]["runner"].startswith(said.runner_up)
    assert "same sound as calm.wav" in found[3]["status"]
    assert found[3]["emotion"] == found[0]["emotion"]
    page.locator(".lane-cell .block").nth(3).wait_for()
    lanes = page.locator(".batch-table tbody tr").evaluate_all(
        "(all) => all.map((row) => row.querySelector('.lane')?.textContent ?? null)"
    )
    assert lanes[3] == lanes[0]
    assert lanes[4:] == [None, None]
    for place, reason in ((4, "not a recording that can be decoded"), (5, "the file is empty")):
        assert found[place]["status"].startswith("could not be read")
        assert reason in found[place]["status"]
    exported = table(page)
    assert [one["name"] for one in exported] == [file.name for file in files]
    assert exported[3]["duplicate_of"] == "calm.wav"
    said = model.predict(files[0])
    assert float(exported[0]["confidence"]) == pytest.approx(said.confidence, abs=1e-4)
    assert float(exported[0]["duration"]) == pytest.approx(said.duration, abs=1e-4)


def test_a_longer_recording_says_what_its_timeline_says(visit, files) -> None:
    page = visit()
    opened(page, files[:2])
    with sottovoce.load().timeline(files[1], **dict(RecordingOptions())) as timeline:
        assert list(timeline)
        shares = timeline.summary().shares
    (exported,) = (one for one in json.loads(downloaded(page, "JSON")) if one["name"] == "both.wav")
    if any(shares.values()):
        emotion = max(shares, key=shares.__getitem__)
        assert (exported["emotion"], exported["status"]) == (emotion, "ok")
        assert "of the time" in rows(page)[1]["emotion"]
    else:
        assert exported["status"] == "uncertain"


def test_a_renamed_recording_has_its_new_name_here_and_in_every_file(visit, files) -> None:
    page = visit()
    opened(page, files[:4])
    page.get_by_role("link", name="calm.wav").click()
    name = page.locator(".studio-head .name")
    name.fill("Anna, Monday.wav")
    name.press("Enter")
    page.get_by_role("link", name="Batch", exact=True).click()
    page.get_by_role("link", name="Anna, Monday.wav").wait_for()
    found = rows(page)
    assert [one["name"] for one in found][::3] == ["Anna, Monday.wav", "calm again.wav"]
    assert "same sound as Anna, Monday.wav" in found[3]["status"]
    assert table(page)[0]["name"] == "Anna, Monday.wav"
    names = zipfile.ZipFile(io.BytesIO(downloaded(page, "ZIP of reports"))).namelist()
    stems = sorted(re.sub(r"\.(html|json)$", "", name) for name in names)
    assert stems == ["Anna, Monday", "both", "lively", "sottovoce.csv"]


def test_lengths_are_sorted_as_numbers_and_filters_keep_the_export_to_what_is_shown(
    visit, files
) -> None:
    page = visit()
    opened(page, files)
    heading = page.locator("th.duration").first
    for order in ("ascending", "descending"):
        heading.get_by_role("button").click()
        assert heading.get_attribute("aria-sort") == order
        lengths = [float(one["duration"]) for one in table(page) if one["duration"]]
        assert len(lengths) == 4
        assert lengths == sorted(lengths, reverse=order == "descending")
        assert [one["name"] for one in rows(page)][-2:] == ["notes.wav", "empty.opus"]
    page.get_by_label("Find by name").fill("CALM")
    assert {one["name"] for one in rows(page)} == {"calm.wav", "calm again.wav"}
    assert len(table(page)) == 2
    page.get_by_label("Status").select_option("duplicate")
    assert [one["name"] for one in rows(page)] == ["calm again.wav"]
    page.get_by_label("Find by name").fill("nobody")
    page.get_by_text("No recording is like that").wait_for()


def test_the_keyboard_goes_through_the_rows_and_enter_opens_one(visit, files) -> None:
    page = visit()
    opened(page, files)
    reachable = "() => document.querySelectorAll('.batch-table tbody [tabindex=\"0\"]').length"
    assert page.evaluate(reachable) == 2
    page.get_by_role("link", name="calm.wav").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("() => document.activeElement.textContent") == "lively.wav"
    assert page.evaluate(reachable) == 2
    page.keyboard.press("Enter")
    page.locator(".studio-head .name").wait_for()
    assert page.locator(".studio-head .name").input_value() == "lively.wav"
    page.go_back()
    page.locator(".batch-table tbody tr").nth(5).wait_for()
    page.locator(".batch-table tbody tr").nth(1).locator("td.confidence").click()
    page.locator(".studio-head .name").wait_for()
    assert page.locator(".studio-head .name").input_value() == "both.wav"


def test_one_recording_plays_at_a_time(visit, files) -> None:
    page = visit()
    opened(page, files[:3])
    page.get_by_role("button", name="Play both.wav").click()
    page.get_by_role("button", name="Pause both.wav").wait_for()
    page.get_by_role("button", name="Play lively.wav").click()
    page.get_by_role("button", name="Pause lively.wav").wait_for()
    assert page.get_by_role("button", name="Play both.wav").count() == 1


def test_what_is_cancelled_waits_and_is_judged_afterwards(visit, files) -> None:
    page = visit()
    held: list[Any] = []
    page.route("**/v1/predict*", lambda route: held.append(route))
    page.locator("input[type=file]").set_input_files([str(file) for file in files[:3]])
    page.locator("td.status", has_text="being judged").first.wait_for()
    assert len(rows(page)) == 3
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Judge the rest").wait_for()
    assert [one["status"] for one in rows(page)] == ["not judged yet"] * 3
    page.unroute("**/v1/predict*")
    page.get_by_role("button", name="Judge the rest").click()
    page.get_by_text("3 of 3 judged").wait_for()
    assert all(one["emotion"] for one in rows(page))
