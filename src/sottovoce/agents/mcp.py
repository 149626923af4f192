"""A server of the Model Context Protocol: how a recording sounds, and how it sounds over time.

Answers are JSON: the fields of `Prediction`, or of a summary and its stretches, and a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from sottovoce.agents.words import sentence
from sottovoce.errors import AudioError, MissingExtraError, SottovoceError
from sottovoce.models import tested
from sottovoce.text import clock, display_path, one_line

if TYPE_CHECKING:
    from mcp.server import MCPServer

    from sottovoce.inference.profile import ProfileSource
    from sottovoce.models.model import Model
    from sottovoce.results import Prediction, Summary

RecordingPath = Annotated[
    str, Field(description="Of an audio file in a folder that the server was started with.")
]

INSTRUCTIONS = """Says how speech in a recording sounds: which emotion the voice carries, whatever \
the words are. Use it where a transcript is not enough. An answer of status "uncertain" is a guess \
and should be passed on as one; "silence", "no_speech" and "too_short" carry no emotion. How a \
voice sounds is not what the person feels; it is no ground for decisions about people."""


def make_server(
    model: Model,
    folders: Sequence[Path],
    *,
    profile: ProfileSource | None = None,
    measured: tested.Tested | None = None,
) -> MCPServer[Any]:
    """The server, ready to `run`.

    Args:
        model: judges the recordings.
        folders: recordings in these, to the bottom, may be read, and no other file; a relative path
            is looked for in each.
        profile: of the voice or the place that all recordings are of, if any.
        measured: how often the model was right; then answers say so.

    Raises:
        MissingExtraError: the package mcp is not installed.
    """
    try:
        from mcp.server import MCPServer
        from mcp.server.mcpserver.exceptions import ToolError
        from mcp.types import ToolAnnotations
    except ModuleNotFoundError as error:
        raise MissingExtraError("the MCP server", str(error.name), "agents") from error
    from sottovoce import __version__

    limits = " ".join(model.card.limits)
    server: MCPServer[Any] = MCPServer(
        "sottovoce",
        title="Sottovoce",
        instructions=f"{INSTRUCTIONS} The model, {model.card.title}: {limits}",
        version=__version__,
        log_level="WARNING",
    )
    hints = ToolAnnotations(read_only_hint=True, open_world_hint=False)

    @server.tool(title="How does this recording sound?", annotations=hints)
    def how_does_this_recording_sound(path: RecordingPath) -> dict[str, Any]:
        """Which emotion the voice in a recording carries, how sure that is, or why none is heard.

        For one utterance; take how_does_it_sound_over_time for more than about 15 seconds.
        """
        try:
            said = model.predict(find_recording(path, folders), profile=profile)
        except SottovoceError as error:
            raise ToolError(str(error)) from None
        return {"sounds": sentence(said)} | said.to_dict() | _doubts(said)

    @server.tool(title="How does it sound over time?", annotations=hints)
    def how_does_it_sound_over_time(path: RecordingPath) -> dict[str, Any]:
        """Which emotion a recording of any length carries over time: stretches and a summary."""
        from sottovoce.inference.segments import merge_segments

        try:
            with model.timeline(find_recording(path, folders), profile=profile) as segments:
                stretches = [one.to_dict() for one in merge_segments(segments)]
                summary = segments.summary()
        except SottovoceError as error:
            raise ToolError(str(error)) from None
        for stretch in stretches:
            del stretch["probabilities"]  # of hundreds of stretches they would crowd out the rest
        return {
            "sounds": _course(summary),
            "model": model.card.title,
            "summary": summary.to_dict(),
            "stretches": stretches,
        }

    def _doubts(said: Prediction) -> dict[str, Any]:
        if measured is None or profile is not None or said.confidence is None:
            return {}
        right = measured.right_at(said.confidence)
        if right is None:
            return {}
        protocol = model.card.protocol.name
        return {"measured": f"{right:.0%} of answers about as sure were right ({protocol})"}

    return server


def find_recording(path: str, folders: Sequence[Path]) -> Path:
    """The file that a client named, links resolved, where it may be read.

    Args:
        path: absolute, or relative to one of the folders.
        folders: see `make_server`.

    Raises:
        AudioError: it is in none of the folders, or no file there.
    """
    try:
        roots = [folder.resolve() for folder in folders]
        candidates = [(root / path).resolve() for root in roots]
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a NUL
        raise AudioError(f"{display_path(path)}: no such file ({one_line(error)})") from None
    found = [file for file in candidates if any(map(file.is_relative_to, roots))]
    if not found:
        allowed = ", ".join(display_path(folder) for folder in folders)
        raise AudioError(
            f"{display_path(path)}: only files in {allowed} may be read; start sottovoce mcp with "
            "the folder of the recordings"
        )
    file = next((file for file in found if file.is_file()), None)
    if file is None:
        raise AudioError(f"{display_path(path)}: no such file; give the path of a recording")
    return file


def _course(summary: Summary) -> str:
    """The summary in a sentence or two."""
    heard = sorted(summary.shares.items(), key=lambda item: -item[1])
    parts = [f"{label} {share:.0%}" for label, share in heard if share >= 0.005]
    if not parts:
        return "No emotion stands out."
    said = f"Where an emotion stands out: {', '.join(parts)}. Changes: {summary.changes}."
    if (longest := summary.longest) is None:
        return said
    span = f"{clock(longest.start)} to {clock(longest.end)}"
    return f"{said} Longest: {longest.emotion}, from {span}."
