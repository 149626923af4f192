"""What a client of the Model Context Protocol is told, by the SDK's own client."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from tiny_model import VOICE

import sottovoce
from sottovoce.agents.mcp import find_recording, make_server
from sottovoce.cli import run
from sottovoce.errors import AudioError, install_line
from sottovoce.inference.segments import merge_segments
from sottovoce.models import tested
from sottovoce.models.registry import find

pytest.importorskip("mcp", reason="the MCP server needs the extra agents")

from mcp import Client, StdioServerParameters, stdio_client

SOUND, TIME = "how_does_this_recording_sound", "how_does_it_sound_over_time"


def ask(server: Any, tool: str, path: object) -> Any:
    """What a tool gives."""

    async def call() -> Any:
        async with Client(server) as client:
            return await client.call_tool(tool, {"path": str(path)})

    return anyio.run(call)


def content(result: Any) -> dict[str, Any]:
    """The same, read from the text that a language model sees."""
    assert not result.is_error
    (part,) = result.content
    assert json.loads(part.text) == result.structured_content
    return dict(result.structured_content)


@pytest.fixture(scope="module")
def built_in() -> sottovoce.Model:
    return sottovoce.load()


@pytest.fixture
def clip(ravdess: Path) -> Path:
    """An angry sentence of RAVDESS."""
    return (ravdess / "Actor_01" / "03-01-05-02-01-01-01.flac").resolve()


def test_a_clip_sounds_as_predict_says(built_in: sottovoce.Model, clip: Path) -> None:
    measured = tested.read(find(), built_in.card)
    server = make_server(built_in, [clip.parent], measured=measured)
    said = content(ask(server, SOUND, clip))
    expected = built_in.predict(clip)
    assert {name: said[name] for name in expected.to_dict()} == expected.to_dict()
    assert said["sounds"].startswith(f"The voice sounds {expected.words} (")
    assert measured is not None
    assert said["measured"].startswith(f"{measured.right_at(expected.confidence or 0):.0%} of")


def test_a_clip_over_time_is_its_timeline(built_in: sottovoce.Model, clip: Path) -> None:
    server = make_server(built_in, [clip.parent])
    said = content(ask(server, TIME, clip.name))
    with built_in.timeline(clip) as segments:
        merged = list(merge_segments(segments))
        summary = segments.summary()
    assert said["summary"] == summary.to_dict()
    assert [one["emotion"] for one in said["stretches"]] == [one.emotion for one in merged]
    assert said["stretches"][-1]["end"] == merged[-1].to_dict()["end"]
    for label, share in summary.shares.items():
        assert (f"{label} {share:.0%}" in said["sounds"]) == (share > 0)


def test_a_server_started_by_the_command_line_says_the_same(
    built_in: sottovoce.Model, clip: Path, tmp_path: Path
) -> None:
    code = "from sottovoce.cli import main; main()"
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-c", code, "mcp", str(clip.parent)],
        env=dict(os.environ),
        cwd=tmp_path,
    )

    async def both() -> tuple[list[str], Any]:
        async with Client(stdio_client(parameters)) as client:
            tools = await client.list_tools()
            return [tool.name for tool in tools.tools], await client.call_tool(
                SOUND, {"path": clip.name}
            )

    names, result = anyio.run(both)
    assert names == [SOUND, TIME]
    said, expected = content(result), built_in.predict(clip)
    assert said["emotion"] == expected.emotion
    assert said["probabilities"] == expected.to_dict()["probabilities"]


def test_a_recording_without_speech_carries_no_emotion(model: sottovoce.Model) -> None:
    samples = VOICE.parent
    said = content(ask(make_server(model, [samples]), SOUND, "silence.wav"))
    assert (said["status"], said["emotion"]) == ("silence", None)
    assert said["sounds"] == said["message"]
    over_time = content(ask(make_server(model, [samples]), TIME, "silence.wav"))
    assert over_time["sounds"] == "No emotion stands out."


@pytest.mark.parametrize("tool", [SOUND, TIME])
def test_other_files_are_refused_in_one_line(
    model: sottovoce.Model, tool: str, tmp_path: Path
) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    secret = outside / "secret.wav"
    secret.write_bytes(VOICE.read_bytes())
    (inside / "link.wav").symlink_to(secret)
    (inside / "not-audio.wav").write_text("nothing")
    server = make_server(model, [inside])
    for path in (secret, "../outside/secret.wav", inside / "link.wav", outside / "absent.wav"):
        refused = ask(server, tool, path)
        assert refused.is_error
        assert f"only files in {inside} may be read" in refused.content[0].text
    for path in ("not-audio.wav", "absent.wav", ".", "a\0b"):
        refused = ask(server, tool, path)
        assert refused.is_error
        assert "\n" not in refused.content[0].text
        assert "Traceback" not in refused.content[0].text


def test_a_link_within_the_folders_is_followed(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    (second / "voice.wav").write_bytes(VOICE.read_bytes())
    (first / "link.wav").symlink_to(second / "voice.wav")
    assert find_recording("link.wav", [first, second]) == second / "voice.wav"
    assert find_recording("voice.wav", [first, second]) == second / "voice.wav"
    with pytest.raises(AudioError, match="only files in"):
        find_recording("link.wav", [first])


def test_the_instructions_say_what_the_model_cannot(model: sottovoce.Model) -> None:
    async def instructions() -> str | None:
        async with Client(make_server(model, [VOICE.parent])) as client:
            return client.instructions

    said = anyio.run(instructions) or ""
    assert model.card.limits[0] in said
    assert "not what the person feels" in said


def test_what_cannot_work_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["mcp", str(tmp_path / "none")]) == 2
    assert "none: no such folder" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    assert run(["mcp", str(tmp_path)]) == 2
    assert capsys.readouterr().err.endswith(f"; run: {install_line('agents')}\n")
