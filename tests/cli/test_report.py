"""`sottovoce report`, and `--report` of `timeline`, as a person or a script meets them."""

import base64
import io
import json
import re

import pytest
from tiny_model import VOICE, write_tiny_profiled

import sottovoce
from sottovoce.cli import run

DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>')


@pytest.fixture
def report(tiny, capfd):
    """Run the command; gives (exit status, stdout, stderr)."""

    def call(*arguments, command="report", model=tiny):
        status = run([command, "--model", str(model), *map(str, arguments)])
        return status, *capfd.readouterr()

    return call


def data_of(path):
    """What a report was made from."""
    (found,) = DATA.findall(path.read_text(encoding="utf-8"))
    return json.loads(found)


def test_it_writes_what_the_timeline_says(report, model, tmp_path):
    out = tmp_path / "voice.html"
    status, printed, err = report(VOICE, "-o", out)
    assert (status, err) == (0, "")
    assert "voice.html: a report of 3.4 s, without the recording, 0." in printed
    data = data_of(out)
    assert data["name"] == VOICE.name
    assert data["audio"] is None
    assert data["segments"] == [one.to_dict() for one in model.timeline(VOICE, lookahead=3.0)]


def test_the_timeline_writes_the_same_file(report, tmp_path):
    first, second = tmp_path / "a.html", tmp_path / "b.html"
    assert report(VOICE, "-o", first, "--hop", "0.5")[0] == 0
    assert report(VOICE, "--report", second, "--hop", "0.5", command="timeline")[0] == 0
    assert first.read_text(encoding="utf-8") == second.read_text(encoding="utf-8")


def test_the_recording_goes_in_only_where_it_is_asked_for(report, tmp_path):
    out = tmp_path / "voice.html"
    assert "with the recording in it" in report(VOICE, "-o", out, "--audio")[1]
    assert base64.b64decode(data_of(out)["audio"]["content"]) == VOICE.read_bytes()


def test_standard_input_is_a_recording(report, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(VOICE.read_bytes())))
    out = tmp_path / "voice.html"
    status, _, err = report("-", "-o", out, "--audio")
    assert (status, err) == (0, "")
    assert data_of(out)["name"] == "standard input"
    assert base64.b64decode(data_of(out)["audio"]["content"]) == VOICE.read_bytes()


def test_a_profile_is_used_and_named(report, tmp_path):
    profiled = write_tiny_profiled(tmp_path / "tiny-profiled.onnx")
    model = sottovoce.load(profiled)
    model.profile([VOICE]).save(tmp_path / "anna.profile")
    out = tmp_path / "voice.html"
    arguments = (VOICE, "-o", out, "--profile", tmp_path / "anna.profile")
    assert report(*arguments, model=profiled)[0] == 0
    expected = model.timeline(VOICE, profile=tmp_path / "anna.profile", lookahead=3.0)
    assert data_of(out)["profile"]["name"] == "anna"
    assert data_of(out)["segments"] == [one.to_dict() for one in expected]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nowhere.wav", "-o", "out.html"], "nowhere.wav: no such file; check the path"),
        ([VOICE, "-o", "out.pdf"], "out.pdf: not a report; expected .html, .htm"),
        ([VOICE, "-o", "no/such/folder.html"], "no/such/folder.html: cannot be written"),
        ([VOICE, "-o", "out.html", "--profile", "no.profile"], "tiny 1.0 takes no profile"),
        ([VOICE, "-o", "out.html", "--hop", "0"], "hop is 0.0 s; expected 0.1 s to 60 s"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_no_file(report, tmp_path, monkeypatch, arguments, why):
    monkeypatch.chdir(tmp_path)
    status, out, err = report(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("sottovoce: ")
    assert why in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_help_has_examples(capfd):
    assert run(["report", "--help"]) == 0
    shown = capfd.readouterr().out
    assert "sottovoce report call.wav -o call.html" in shown
    assert "--no-audio" in shown
