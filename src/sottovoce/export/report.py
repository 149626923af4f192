"""A report for people: one HTML file that works offline, shown by the modules of the web page.

`serve/page/report.js` makes the same file in the browser: both fill `serve/page/report.html`.
"""

from __future__ import annotations

import base64
import datetime
import io
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from sottovoce.emotions import colour, hatchings, letters
from sottovoce.export import AddSegment, ExportFormat, ExportSubject
from sottovoce.export._files import opened_for_writing
from sottovoce.results import Segment

if TYPE_CHECKING:
    from sottovoce.audio import Audio, Source
    from sottovoce.models.card import Card

PAGE = Path(__file__).parents[1] / "serve" / "page"

SHORT = 6.0
"""s; recordings up to this length are one utterance, whose answer is the headline (analysis.js)."""

SHAPE_RATE = 8000
"""Hz, of the sound that the waveform is drawn from."""

PEAKS_PER_SECOND, LEAST_PEAKS, MOST_PEAKS = 20, 800, 20_000
"""Of the waveform (report.js)."""

PLAYABLE = {
    b"fLaC": "audio/flac",
    b"OggS": "audio/ogg",
    b"ID3": "audio/mpeg",
    b"\xff\xfb": "audio/mpeg",
    b"\xff\xf3": "audio/mpeg",
    b"\x1aE\xdf\xa3": "audio/webm",
}
"""How a file begins that browsers play -> its type; for wav and mp4 see `_sound`."""


def report_html(data: dict[str, Any]) -> str:
    """The text of a report.

    Args:
        data: what `report_data` gives.
    """
    first, _, template = (PAGE / "report.html").read_text(encoding="utf-8").partition("\n")
    names = re.sub("<!--|-->", "", first).split()

    def joined(ending: str) -> str:
        files = [name for name in names if name.endswith(ending)]
        return "\n".join((PAGE / name).read_text(encoding="utf-8") for name in files).rstrip()

    script = re.sub(r"^import [^;]*;\n", "", joined(".js"), flags=re.MULTILINE)
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    parts = {
        "style": joined(".css"),
        "script": re.sub(r"^export ", "", script, flags=re.MULTILINE),
        "data": text.replace("<", "\\u003c"),
    }
    return re.sub(r"\{\{(style|script|data)\}\}", lambda found: parts[found[1]], template)


def report_data(
    about: ExportSubject, segments: Sequence[Segment], *, audio: bool = False
) -> dict[str, Any]:
    """What a report is made from.

    Args:
        about: the recording, which is read again, and the model.
        segments: all of them, in order; what comes after the last is left out.
        audio: whether the recording itself goes in.

    Raises:
        AudioError: the recording cannot be read again.
    """
    from sottovoce.audio import Audio
    from sottovoce.inference.predictor import told

    card = about.model.card
    end = max((segment.end for segment in segments), default=0.0)
    whole = Audio.read(about.source, sample_rate=SHAPE_RATE, mono=False)
    shape = whole.crop(0.0, end)
    notes = told(whole.warnings or (), speech=any(one.emotion for one in segments))
    split = any(segment.channel is not None for segment in segments)
    prediction = None
    if shape.duration <= SHORT or not segments:
        answer = about.model.predict(about.source, profile=about.profile)
        facts = {"status", "emotion", "confidence", "probabilities", "message"}
        prediction = answer.model_dump(mode="json", include=facts)
    return {
        "name": "standard input" if about.name == "-" else Path(about.name).name,
        "made": datetime.date.today().isoformat(),
        "duration": shape.duration,
        "peaks": _peaks(shape if split else shape.mono()),
        "prediction": prediction,
        "segments": [segment.to_dict() for segment in segments],
        "warnings": [note.message for note in notes],
        "model": {
            "labels": card.labels,
            "colours": {label: colour(label, card.labels) for label in card.labels},
            "letters": letters(card.labels),
            "hatchings": hatchings(card.labels),
        },
        "card": _short(card),
        "reliability": about.tested.to_dict()["reliability"] if about.tested else None,
        "profile": _profile(about),
        "audio": _sound(about.source) if audio else None,
    }


@contextmanager
def report_file(path: str, about: ExportSubject, *, audio: bool = False) -> Iterator[AddSegment]:
    """A report that is written after the last segment.

    Raises:
        SottovoceError: the file cannot be written, or the recording not be read again.
    """
    segments: list[Segment] = []
    with opened_for_writing(path, "w", encoding="utf-8", newline="\n") as file:
        try:
            yield segments.append
        finally:
            file.write(report_html(report_data(about, segments, audio=audio)))


def _peaks(audio: Audio) -> list[list[int]]:
    """Highest and lowest sample of each part in turn, percent of the loudest, for each channel."""
    import numpy as np

    samples = audio.samples
    wanted = min(MOST_PEAKS, max(LEAST_PEAKS, round(PEAKS_PER_SECOND * audio.duration)))
    count = min(samples.shape[1], wanted)
    if not count:
        return [[] for _ in samples]
    places = np.linspace(0, samples.shape[1], count, endpoint=False).astype(int)
    high = np.maximum(np.maximum.reduceat(samples, places, axis=1), 0)
    low = np.minimum(np.minimum.reduceat(samples, places, axis=1), 0)
    shape = np.rint(100 * np.stack([high, low], axis=2) / max(1e-9, audio.peak)).astype(int)
    return [[int(value) for value in channel.ravel()] for channel in shape]


def _short(card: Card) -> dict[str, Any]:
    """What a report shows of a card."""
    facts = {"name", "version", "description", "min_confidence", "protocol", "figures"}
    facts |= {"language", "limits", "licence"}
    corpora = [one.model_dump(mode="json", exclude={"speaker_hashes"}) for one in card.corpora]
    return card.model_dump(mode="json", include=facts) | {"corpora": corpora}


def _profile(about: ExportSubject) -> dict[str, Any] | None:
    """What a report shows of a profile: a person's own is not in it."""
    from sottovoce.inference.profile import Profile

    given = about.profile
    if given is None:
        return None
    opened = given if isinstance(given, Profile) else Profile.load(given)
    name = "" if isinstance(given, Profile) else Path(given).stem
    return {"name": name, "kind": opened.kind, "recordings": opened.recordings}


def _sound(source: Source) -> dict[str, str]:
    """The recording as browsers play it: as it is, or in FLAC where they do not know the format."""
    import soundfile

    from sottovoce.audio import Audio
    from sottovoce.audio.sources import fetched, is_address

    content = b""
    with ExitStack() as stack:
        if isinstance(source, str) and is_address(source):
            content = fetched(source, stack).read()
        elif isinstance(source, str | os.PathLike):
            content = Path(os.fspath(source)).read_bytes()
        elif isinstance(source, bytes):
            content = source
        elif hasattr(source, "seek"):  # a file, which `Audio` and arrays are not
            file = cast(BinaryIO, source)
            file.seek(0)
            content = file.read()
    kind = next((kind for head, kind in PLAYABLE.items() if content.startswith(head)), None)
    if content[4:8] == b"ftyp":
        kind = "audio/mp4"
    elif content.startswith(b"RIFF") and _is_plain_wav(content):
        kind = "audio/wav"
    if kind is None:
        kind, copy = "audio/flac", io.BytesIO()
        audio = Audio.read(content or source, mono=False)
        shown = audio if audio.channels <= 2 else audio.mono()
        soundfile.write(copy, shown.samples.T, shown.sample_rate, format="FLAC")
        content = copy.getvalue()
    return {"type": kind, "content": base64.b64encode(content).decode("ascii")}


def _is_plain_wav(content: bytes) -> bool:
    import soundfile

    try:
        subtype = soundfile.info(io.BytesIO(content)).subtype
    except (OSError, RuntimeError):
        return False
    return str(subtype) in {"PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "ULAW", "ALAW"}


def _writer(path: str, about: ExportSubject) -> AbstractContextManager[AddSegment]:
    return report_file(path, about)


FORMAT = ExportFormat(
    "report",
    "A report for people: one .html file that works offline.",
    _writer,
    (".html", ".htm"),
    "a report",
)
