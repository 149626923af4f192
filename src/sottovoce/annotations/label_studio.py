"""What Label Studio exports as JSON or JSON-MIN: labels of recordings and of regions in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from sottovoce.annotations.entry import LabelEntry, checked_span
from sottovoce.annotations.recordings import AUDIO
from sottovoce.errors import CorpusError
from sottovoce.options import TableSpec


def label_studio_entries(tasks: Any, columns: TableSpec, where: str) -> list[LabelEntry]:
    """The labels of all tasks; those that were skipped or are not labelled yet have an empty one.

    Args:
        tasks: the parsed JSON.
        columns: `path` is the key of the recording in a task's data, where several hold one;
            `label` is the name of the labels, where there are several.
        where: the file, for messages.

    Raises:
        CorpusError: it is no such export, or which labels are meant is not clear.
    """
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise CorpusError(f"{where}: expected a list of tasks, as Label Studio exports as JSON")
    entries: list[LabelEntry] = []
    for number, task in enumerate(tasks, start=1):
        place = f"task {task.get('id', number)}"
        data = task["data"] if isinstance(task.get("data"), dict) else task
        speaker, sex, split = (
            str(data.get(key, "")) for key in (columns.speaker, columns.sex, columns.split)
        )
        file = _recording(data, columns.path, f"{where}: {place}")
        found = list(_values(task, columns.label, f"{where}: {place}"))
        for value in found or [{}]:
            label = _label(value, f"{where}: {place}")
            start, end = (_time(value, key, f"{where}: {place}") for key in ("start", "end"))
            span = checked_span(start, end, f"{where}: {place}")
            entries.append(LabelEntry(place, file, label, *span, speaker, sex, split))
    return entries


def _recording(data: Mapping[str, Any], key: str, where: str) -> str:
    texts = {name: value for name, value in data.items() if isinstance(value, str)}
    if key in texts:
        return texts[key]
    sounding = [value for value in texts.values() if PurePosixPath(value.lower()).suffix in AUDIO]
    if "audio" in texts:
        return texts["audio"]
    if len(sounding) == 1:
        return sounding[0]
    raise CorpusError(
        f"{where}: which recording? its data has {', '.join(texts) or 'no text'}; name the right "
        "one as table.path in the recipe or with --path-column"
    )


def _values(task: Mapping[str, Any], label: str, where: str) -> Iterator[Mapping[str, Any]]:
    """Each thing that was labelled, with its labels and, of a region, start and end."""
    if not isinstance(task.get("annotations"), list):  # JSON-MIN, with a key for each name
        names = [label] if label in task else [name for name in task if _has_regions(task[name])]
        names = names or [name for name in ("choice", "label", "sentiment") if name in task]
        yield from _chosen({name: _listed(task[name]) for name in names}, label, where)
        return
    for annotation in task["annotations"]:
        if annotation.get("was_cancelled"):
            continue
        by_name: dict[str, list[Mapping[str, Any]]] = {}
        for result in annotation.get("result", []):
            value = result.get("value", {})
            if _label(value, where):
                by_name.setdefault(str(result.get("from_name", "")), []).append(value)
        yield from _chosen(by_name, label, where)


def _chosen(
    found: Mapping[str, list[Mapping[str, Any]]], label: str, where: str
) -> list[Mapping[str, Any]]:
    if label in found or len(found) < 2:
        return found.get(label, next(iter(found.values()), []))
    raise CorpusError(
        f"{where}: which labels? there are {', '.join(found)}; name the right ones as table.label "
        "in the recipe or with --label-column"
    )


def _has_regions(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _listed(value: Any) -> list[Mapping[str, Any]]:
    if _has_regions(value):
        regions: list[Mapping[str, Any]] = value
        return regions
    return [{"choices": value if isinstance(value, list) else [value]}]


def _label(value: Mapping[str, Any], where: str) -> str:
    """The one label of a region or a choice; empty where it has none."""
    labels = value.get("labels") or value.get("choices") or []
    if isinstance(labels, dict):  # JSON-MIN of several choices
        labels = labels.get("choices", [])
    if len(labels) > 1:
        raise CorpusError(f"{where}: {', '.join(map(str, labels))}: a clip has one label; keep one")
    return str(labels[0]) if labels else ""


def _time(value: Mapping[str, Any], key: str, where: str) -> float | None:
    time = value.get(key)
    if time is None or (isinstance(time, (int, float)) and time >= 0):
        return None if time is None else float(time)
    raise CorpusError(f"{where}: {key} is {time!r}; expected seconds")
