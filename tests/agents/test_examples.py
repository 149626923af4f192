"""What docs/agents.md shows is what works."""

import json
import re
import types
from pathlib import Path
from typing import Any

import pytest

from sottovoce.cli import run

pytest.importorskip("mcp", reason="the page is about the extra agents")
pytest.importorskip("pipecat", reason="the page is about the extra agents")

from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.filters.identity_filter import IdentityFilter

from sottovoce.agents.mcp import make_server
from sottovoce.agents.pipecat import emotion_note
from sottovoce.results import Prediction, Status

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "agents.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_python_makes_a_pipeline(capfd: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {
        "Pipeline": Pipeline,
        "transport": types.SimpleNamespace(input=IdentityFilter, output=IdentityFilter),
        "aggregators": LLMContextAggregatorPair(LLMContext()),
        **{name: IdentityFilter() for name in ("stt", "llm", "tts")},
    }
    shown = blocks("python")
    assert len(shown) == 2
    for block in shown:
        exec(block, names)  # noqa: S102 - it is the page's own
    assert names["emotion"] in names["pipeline"].processors
    names["Log"]()


def test_the_note_reads_as_the_page_says() -> None:
    said = Prediction(status=Status.OK, model="m", emotion="angry", confidence=0.84)
    assert f"`Fine, then. {emotion_note(said)}`" in PAGE


def test_the_settings_start_the_server(capfd: pytest.CaptureFixture[str]) -> None:
    (block,) = blocks("json")
    (server,) = json.loads(block)["mcpServers"].values()
    assert server["command"] == "sottovoce"
    assert run(server["args"]) == 2  # as far as its folder, which is not there
    assert capfd.readouterr().err.startswith("sottovoce: /path/to/recordings: no such folder")


def test_the_tools_are_those_of_the_server(model: Any) -> None:
    import anyio

    tools = anyio.run(make_server(model, [Path()]).list_tools)
    assert {tool.name for tool in tools} == set(re.findall(r"^\| `(how_\w+)`", PAGE, re.MULTILINE))
