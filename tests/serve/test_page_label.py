"""Labelling as people meet it: real service, Chromium and sound, and training on what comes out."""

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from browser import VOICE, upload
from keyboard import tab_to

from sottovoce.annotations import read_annotations
from sottovoce.cli import run

expect = pytest.importorskip("playwright.sync_api", reason="Playwright drives Chromium").expect

LIVELY = VOICE.parent / "lively-voice.wav"


def bring(page: Any, *files: Path) -> None:
    """Open recordings one after another, and hear them."""
    for file in files:
        page.goto(f"{page.url.partition('#')[0]}#/")
        page.locator(".hero").wait_for()
        upload(page, file)
        page.locator(".verdict .answer, .verdict .chips").first.wait_for()


def begin(page: Any, count: int) -> None:
    """Go to the page by keyboard, and wait until everything is heard."""
    tab_to(page, page.get_by_role("link", name="Label"))
    page.keyboard.press("Enter")
    expect(page.locator("main > p[role=status]")).to_have_text(f"0 of {count} labelled.")
    page.locator(".unit-wave [part~=region]").wait_for()


def heading(page: Any) -> str:
    return str(page.locator(".unit h2").inner_text())


def label(page: Any, key: str) -> str:
    """Press the key of a label; the name of the file that it was for, once the next is shown."""
    before = page.locator("main > p[role=status]").inner_text()
    name = heading(page).rpartition(", ")[0]
    page.keyboard.press(key)
    expect(page.locator("main > p[role=status]")).not_to_have_text(before)
    return name


def export(page: Any, *agreed: str, asked: bool = False) -> dict[str, bytes]:
    """The files of the ZIP; people of these recordings agree when that is asked."""
    tab_to(page, page.get_by_role("button", name="Export to train on"))
    with page.expect_download() as started:
        page.keyboard.press("Enter")
        if agreed or asked:
            dialog = page.get_by_role("dialog")
            for name in agreed:
                dialog.get_by_label(name).check()
            dialog.get_by_role("button", name="Export to train on").press("Enter")
    with zipfile.ZipFile(io.BytesIO(Path(started.value.path()).read_bytes())) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def rows(files: dict[str, bytes], name: str = "labels.csv") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files[name].decode("utf-8"), newline="")))


def test_from_the_first_stretch_to_the_export_by_keyboard_alone(visit: Any) -> None:
    page = visit()
    bring(page, VOICE, LIVELY)
    begin(page, 2)
    expect(page.locator(".unit-wave audio")).to_have_js_property("paused", False)
    expect(page.locator(".unit h2")).to_contain_text("lively-voice.wav")  # the least certain
    page.keyboard.press("s")
    expect(page.locator(".unit h2")).to_contain_text("calm-voice.wav")
    page.keyboard.press("c")
    assert label(page, "2") == "calm-voice.wav"
    expect(page.locator(".unit h2")).to_contain_text("lively-voice.wav")
    assert label(page, "u") == "lively-voice.wav"
    expect(page.locator(".unit h2")).to_contain_text("calm-voice.wav")
    expect(page.locator(".labels [aria-pressed=true]")).to_have_count(0)
    label(page, "3")
    page.keyboard.press("c")
    label(page, "0")
    files = export(page)
    (row,) = rows(files)
    assert (row["file"], row["emotion"], row["end"]) == ("audio/calm-voice.wav", "sad", "")
    assert files["audio/calm-voice.wav"] == VOICE.read_bytes()
    assert {one["emotion"] for one in rows(files, "ratings.csv")} == {"sad", ""}
    assert b"There is no recipe" in files["README.txt"]
    assert b"nobody was sure" in files["README.txt"]


def test_neither_consent_nor_label_nor_speaker_carries_over(visit: Any) -> None:
    page = visit()
    bring(page, VOICE, LIVELY)
    begin(page, 2)
    page.get_by_label("Who speaks").fill("Eva")
    page.get_by_role("checkbox").check()
    agreed = label(page, "1")
    expect(page.get_by_role("checkbox")).not_to_be_checked()
    expect(page.get_by_label("Who speaks")).to_have_value("")
    expect(page.locator(".labels [aria-pressed=true]")).to_have_count(0)
    label(page, "2")
    tab_to(page, page.get_by_role("button", name="Export to train on"))
    page.keyboard.press("Enter")
    asked = page.get_by_role("dialog").get_by_role("checkbox")
    expect(asked).to_have_count(1)  # of the other one alone
    expect(asked).not_to_be_checked()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    files = export(page, asked=True)
    (row,) = rows(files)
    assert (row["file"], row["speaker"]) == (f"audio/{agreed}", "Eva")
    assert len([name for name in files if name.startswith("audio/")]) == 1
    page.reload()
    expect(page.locator("main > p[role=status]")).to_contain_text("2 of 2 labelled")


def test_a_boundary_that_is_dragged_is_in_the_table(visit: Any) -> None:
    page = visit()
    bring(page, LIVELY)
    begin(page, 1)
    field = page.get_by_label("To, s")
    whole = float(field.input_value())
    box = page.locator("[part~=region-handle-right]").bounding_box()
    wave = page.locator(".unit-wave").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(wave["x"] + wave["width"] / 2, y, steps=8)
    page.mouse.up()
    expect(field).not_to_have_value(f"{whole:.2f}")
    assert float(field.input_value()) == pytest.approx(whole / 2, abs=0.1 * whole)
    page.get_by_label("From, s").fill("0.25")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="happy").click()
    shown = float(field.input_value())
    (row,) = rows(export(page, "lively-voice.wav"))
    assert float(row["start"]) == 0.25
    assert float(row["end"]) == pytest.approx(shown, abs=0.006)


def test_two_raters_label_the_same_stretches_and_their_agreement_is_told(
    visit: Any, kept: Path
) -> None:
    page = visit()
    bring(page, VOICE, LIVELY)
    begin(page, 2)
    words = page.get_by_label("Labels, with commas between them")
    words.fill("Level, raised, 7")
    words.press("Enter")
    expect(words).to_have_value("level, raised")
    expect(page.locator(".notice")).to_contain_text("Left out: 7.")
    for rater, keys in (("Anna", "12"), ("Ben", "12"), ("Cleo", "11")):
        page.get_by_label("Your name").fill(rater)
        page.get_by_label("Your name").press("Enter")
        expect(page.locator("main > p[role=status]")).to_have_text("0 of 2 labelled.")
        page.get_by_label("Your name").blur()
        for key in keys:
            label(page, key)
    # Of 6 labels 4 are one, 2 the other; of the pairs in a unit, weighed by 1 / 2, 2 differ:
    # alpha = 1 - (6 - 1) * 2 / (2 * 4 * 2) = 0.375.
    expect(page.locator("main")).to_contain_text("Krippendorff's alpha is 0.38 over 2 stretches")
    page.get_by_role("button", name="Also keep them on the service").click()
    for name in ("calm-voice.wav", "lively-voice.wav"):
        page.get_by_role("dialog").get_by_label(name).check()
    page.get_by_role("dialog").get_by_role("button", name="Also keep").click()
    expect(page.locator(".notice").last).to_contain_text("The service keeps 6 ratings.")
    clips = read_annotations(kept / "labels.csv").clips
    assert sorted(clip.label for clip in clips) == ["level", "raised"]


def test_what_comes_out_trains_as_it_is(
    visit: Any, ravdess: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    pytest.importorskip("torch", reason="training needs the extra learn")
    codes = {"01": "1", "05": "2"}
    clips = [
        next(ravdess.glob(f"Actor_{actor}/03-01-{code}-01-01-0{take}-{actor}.*"))
        for actor in ("01", "02")
        for code in codes
        for take in (1, 2)
    ]
    page = visit()
    bring(page, *clips)
    begin(page, len(clips))
    words = page.get_by_label("Labels, with commas between them")
    words.fill("level, Stress: high")
    words.press("Enter")
    words.blur()
    for number in range(len(clips)):
        name = heading(page).rpartition(", ")[0]
        page.get_by_label("Who speaks").fill(name[18:20])
        page.get_by_label("Who speaks").blur()
        page.keyboard.press("c")
        page.keyboard.press(codes[name[6:8]])
        expect(page.locator("main > p[role=status]")).to_contain_text(f"{number + 1} of")
    files = export(page)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert 'name = "loso"' in (tmp_path / "recipe.toml").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (command,) = [
        line.split()
        for line in files["README.txt"].decode().splitlines()
        if line.startswith("    sottovoce train")
    ]
    assert run(command[1:]) == 0, capsys.readouterr().err
    with (tmp_path / "runs" / "my-labels" / "seed0" / "predictions.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert {row["truth"] for row in found} == {"level", "stress: high"}
    assert len(found) == len(clips)
