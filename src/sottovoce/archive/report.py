"""The report of an archive: one HTML file that works offline, without a script in it."""

from __future__ import annotations

import datetime
import posixpath
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from sottovoce.archive.job import ArchiveFolder, ArchiveJob, open_archive
from sottovoce.archive.schema import arrow, compute
from sottovoce.archive.status import read_rows
from sottovoce.emotions import colour
from sottovoce.export.report import PAGE
from sottovoce.results import STATUS_WORDS, Status
from sottovoce.text import clock, display_path

if TYPE_CHECKING:
    import pyarrow

MOST = 40
"""Rows of a table in the report: the folders and speakers with the most recordings."""

EXTREMES = 5
"""Recordings of each emotion to listen to."""

DAYS = 62
"""Up to this span shares are shown by day, beyond it by month."""

STYLE = """
body { max-width: 62rem; margin: 0 auto; padding: 1rem; }
.shares { display: flex; height: 1.1rem; min-width: 14rem; }
.shares i { display: block; }
td, th { padding: .15rem .7rem .15rem 0; text-align: left; vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
td.path { overflow-wrap: anywhere; }
.key i { display: inline-block; width: .8rem; height: .8rem; margin: 0 .3rem 0 .9rem; }
"""


def archive_report(folder: ArchiveFolder) -> str:
    """The report of an archive.

    Shares are of the answers with an emotion, sure or not; of a timeline, of its segments. Times
    are those at which the files were last changed.

    Raises:
        SottovoceError: it is no archive, or a part cannot be read.
    """
    job = open_archive(folder)
    wanted = ["path", "speaker", "modified", "status", "emotion", "confidence", "message"]
    rows = read_rows(folder, job, (*wanted, *(["start"] if job.timeline else [])))
    judged = rows.filter(compute().is_valid(rows["emotion"]))
    folders = arrow().array([posixpath.dirname(path) for path in judged["path"].to_pylist()])
    sections = [
        ("Over time", _shares_by(judged, _periods(judged["modified"]), job, by_name=True)),
        ("By folder", _shares_by(judged, folders, job)),
        ("By speaker", _shares_by(judged, judged["speaker"], job)),
        ("The surest of each emotion, to listen to", _extremes(judged, job)),
        ("Not heard", _failed(rows)),
    ]
    body = "".join(f"<h2>{title}</h2>{content}" for title, content in sections if content)
    style = (PAGE / "style.css").read_text(encoding="utf-8") + STYLE
    title = f"Archive {escape(display_path(folder.out))}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f'<title>{title}</title><link rel="icon" href="data:,"><style>{style}</style></head>'
        f'<body class="report"><main><h1>{title}</h1>{_overview(rows, judged, job)}{body}</main>'
        "</body></html>\n"
    )


def _overview(rows: pyarrow.Table, judged: pyarrow.Table, job: ArchiveJob) -> str:
    pc = compute()
    counts = {entry["values"]: entry["counts"] for entry in _counts(rows["status"])}
    said = ", ".join(
        f"{counts[status]} {words.counted}"
        for status, words in STATUS_WORDS.items()
        if counts.get(status)
    )
    what = "segments" if job.timeline else "answers"
    recordings = len(pc.unique(rows["path"]))
    emotions = {entry["values"]: entry["counts"] for entry in _counts(judged["emotion"])}
    labels = [label for label in job.labels if label in emotions]
    key = "".join(
        f'<i style="background:{colour(label, job.labels)}"></i>{escape(label)} '
        f"{emotions[label] / len(judged):.0%}"
        for label in labels
    )
    made = datetime.date.today().isoformat()
    return (
        f"<p>{recordings} recordings, {len(rows)} {what}: {said or 'none yet'}. Heard by "
        f"{escape(job.title)}; written {made}.</p>"
        f"{_bar([(label, emotions[label]) for label in labels], job)}"
        f'<p class="key">{key}</p>'
    )


def _shares_by(
    judged: pyarrow.Table, groups: Any, job: ArchiveJob, *, by_name: bool = False
) -> str:
    """A bar of shares for each group; empty where there are no groups."""
    pa, pc = arrow(), compute()
    table = pa.table({"group": groups, "emotion": judged["emotion"]})
    table = table.filter(pc.is_valid(table["group"]))
    found: dict[str, dict[str, int]] = {}
    for entry in table.group_by(["group", "emotion"]).aggregate([([], "count_all")]).to_pylist():
        found.setdefault(entry["group"], {})[entry["emotion"]] = entry["count_all"]
    sizes = {name: sum(counts.values()) for name, counts in found.items()}
    names = sorted(found, key=lambda name: (-sizes[name], name))[:MOST]
    lines = [
        f'<tr><td class="path">{escape(display_path(name))}</td><td class="n">{sizes[name]}</td>'
        f"<td>{_bar([(label, found[name].get(label, 0)) for label in job.labels], job)}</td></tr>"
        for name in (sorted(names) if by_name else names)
    ]
    more = f"<p>and {len(found) - MOST} more</p>" if len(found) > MOST else ""
    return f"<table>{''.join(lines)}</table>{more}" if lines else ""


def _bar(counts: Sequence[tuple[str, int]], job: ArchiveJob) -> str:
    total = max(1, sum(count for _, count in counts))
    parts = "".join(
        f'<i style="width:{count / total:.2%};background:{colour(label, job.labels)}" '
        f'title="{escape(label)} {count / total:.0%}"></i>'
        for label, count in counts
        if count
    )
    words = ", ".join(f"{label} {count / total:.0%}" for label, count in counts if count)
    return f'<div class="shares" role="img" aria-label="{escape(words)}">{parts}</div>'


def _extremes(judged: pyarrow.Table, job: ArchiveJob) -> str:
    pc = compute()
    lines = []
    for label in job.labels:
        found = judged.filter(pc.equal(judged["emotion"], label))
        best = pc.select_k_unstable(found, EXTREMES, sort_keys=[("confidence", "descending")])
        for row in found.take(best).to_pylist():
            at = f" at {clock(row['start'])}" if row.get("start") is not None else ""
            lines.append(
                f'<tr><td>{escape(label)}</td><td class="n">{row["confidence"]:.0%}</td>'
                f'<td class="path">{escape(display_path(row["path"]))}{at}</td></tr>'
            )
    return f"<table>{''.join(lines)}</table>" if lines else ""


def _failed(rows: pyarrow.Table) -> str:
    failed = rows.filter(compute().equal(rows["status"], str(Status.ERROR)))
    lines = [
        f'<tr><td class="path">{escape(display_path(row["path"]))}</td>'
        f'<td class="path">{escape(display_path(row["message"]))}</td></tr>'
        for row in failed.slice(0, MOST).to_pylist()
    ]
    more = f"<p>and {len(failed) - MOST} more</p>" if len(failed) > MOST else ""
    return f"<table>{''.join(lines)}</table>{more}" if lines else ""


def _periods(times: Any) -> Any:
    """The day, or over a long span the month, of each time."""
    pc = compute()
    if not len(times) or times.null_count == len(times):
        return times.cast("string")
    span = pc.min_max(times).as_py()
    is_short = span["max"] - span["min"] <= datetime.timedelta(days=DAYS)
    return pc.strftime(times, format="%Y-%m-%d" if is_short else "%Y-%m")


def _counts(values: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = compute().value_counts(values).to_pylist()
    return found
