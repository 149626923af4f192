"""Tune in: what a profile changes is shown before it is kept, and nothing is kept unasked."""

import json

import pytest
from browser import upload
from serving import run_service
from tiny_model import RATE, VOICE, write_tiny, write_tiny_profiled

import sottovoce
from sottovoce import Audio
from sottovoce.inference.profile import Profile


@pytest.fixture(scope="module")
def profiled(tmp_path_factory):
    return write_tiny_profiled(tmp_path_factory.mktemp("model") / "tiny-profiled.onnx")


@pytest.fixture(scope="module")
def studio(built, profiled, tmp_path_factory):
    """Models that hear the level, one of which takes profiles."""
    plain = write_tiny(tmp_path_factory.mktemp("model") / "tiny.onnx")
    with run_service(profiled, plain) as service:
        yield service


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """One voice at three levels, so that a model which hears the level says different things."""
    soundfile = pytest.importorskip("soundfile")
    folder = tmp_path_factory.mktemp("recordings")
    samples = Audio.read(VOICE, sample_rate=RATE).samples[0]
    paths = []
    for number, gain in enumerate((0.1, 0.4, 1.0), 1):
        paths.append(folder / f"anna {number}.wav")
        soundfile.write(paths[-1], gain * samples, RATE)
    return paths


@pytest.fixture
def page(visit, recordings):
    """The page with the recordings in its library, the last one open."""
    opened = visit()
    for path in recordings:
        opened.goto(f"{opened.url.partition('#')[0]}#/")
        opened.locator(".hero").wait_for()
        upload(opened, path)
        opened.locator(".verdict .answer").wait_for()
    return opened


def listen(page, *, everything=True):
    page.get_by_role("button", name="Tune in").click()
    if everything:
        page.get_by_role("button", name="All of them").click()
    page.get_by_role("button", name="Listen to them").click()
    page.locator(".tuning table").wait_for()


def kept(page):
    """The contents of all profiles in the browser."""
    return page.evaluate(
        """() => new Promise((resolve) => {
          indexedDB.open("sottovoce").onsuccess = ({ target }) => {
            const all = target.result.transaction("profiles").objectStore("profiles").getAll();
            all.onsuccess = () => { target.result.close(); resolve(all.result); };
          };
        })"""
    )


def words(prediction):
    return f"{prediction.words} {round(100 * prediction.confidence)} %"


def test_every_answer_is_shown_without_the_profile_and_with_it(page, profiled, recordings):
    listen(page)
    model = sottovoce.load(profiled)
    profile = model.profile(recordings)
    rows = {row.locator("th").inner_text(): row for row in page.locator(".tuning tbody tr").all()}
    assert sorted(rows) == [path.name for path in recordings]
    for path in recordings:
        without, with_it = rows[path.name].locator("td").all_inner_texts()
        assert without == words(model.predict(path))
        assert with_it == words(model.predict(path, profile=profile))
    shown = page.locator(".tuning .doubts").inner_text()
    assert profile.warnings(model.profile_info())
    assert "Made from 3 recordings; 8 or more are better" in shown


def test_nothing_is_kept_unasked(page):
    listen(page)
    assert "A profile says something about a person." in page.locator(".tuning").inner_text()
    page.get_by_role("button", name="Let go of it").click()
    assert kept(page) == []
    page.get_by_role("button", name="Tune in", exact=True).wait_for()
    listen(page)
    page.keyboard.press("Escape")
    assert kept(page) == []
    assert page.get_by_role("button", name="Tune in", exact=True).count() == 1


def test_a_kept_profile_is_used_taken_off_and_forgotten(page, profiled, recordings):
    listen(page)
    page.get_by_role("dialog").get_by_label("Name").fill("Anna")
    page.get_by_role("button", name="Keep and use").click()
    page.get_by_role("button", name="Tune in: Anna").wait_for()
    (one,) = kept(page)
    model = sottovoce.load(profiled)
    profile = Profile.from_json(json.dumps(one["content"]))
    assert profile.mean == pytest.approx(model.profile(recordings).mean)
    expected = model.predict(recordings[-1], profile=profile)
    page.locator(".verdict .answer").wait_for()
    verdict = page.locator(".verdict").inner_text()
    assert f"{round(100 * expected.confidence)} % sure" in verdict
    page.reload()
    page.get_by_role("button", name="Tune in: Anna").click()
    page.get_by_role("button", name="Take off").click()
    page.get_by_role("button", name="Tune in", exact=True).wait_for()
    page.locator(".verdict .answer").wait_for()
    plain = model.predict(recordings[-1])
    assert f"{round(100 * plain.confidence)} % sure" in page.locator(".verdict").inner_text()
    page.get_by_role("button", name="Tune in", exact=True).click()
    page.get_by_role("button", name="Forget Anna").click()
    page.get_by_text("Anna is forgotten.").wait_for()
    assert kept(page) == []


def test_a_model_that_takes_none_says_so(page):
    page.locator(".studio-head select").select_option("tiny")
    page.locator('.studio-head option[value="tiny"][selected]').wait_for(state="attached")
    page.get_by_role("button", name="Tune in").click()
    dialog = page.get_by_role("dialog")
    assert "tiny takes no profile. Choose a model that does" in dialog.inner_text()
    dialog.get_by_role("button", name="Cancel").click()
