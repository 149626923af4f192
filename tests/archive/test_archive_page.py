"""The queries of docs/archive.md answer what the page says, and its columns are the archive's."""

import re
import shutil
from pathlib import Path

import pytest
from archive_job import job_of
from tiny_model import VOICE

from sottovoce.archive.job import ArchiveFolder, begin
from sottovoce.archive.manifest import of_paths
from sottovoce.archive.plan import plan
from sottovoce.archive.work import Worker

PAGE = Path(__file__).resolve().parents[2] / "docs" / "archive.md"
duckdb = pytest.importorskip("duckdb")


@pytest.fixture(scope="module")
def answers(tmp_path_factory, tiny, model):
    """Three voices in two folders, a silence and a file that is none, heard."""
    folder = tmp_path_factory.mktemp("archive")
    for name in ("anna/a.wav", "anna/b.wav", "ben/c.wav"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(VOICE, folder / name)
    shutil.copy(VOICE.parent / "silence.wav", folder / "ben" / "silence.wav")
    (folder / "ben" / "none.wav").write_bytes(b"none")
    job = job_of(model).model_copy(update={"model": str(tiny)})
    made = ArchiveFolder(str(folder / "answers"))
    begin(made, job)
    todo = plan(made, of_paths(map(str, sorted(folder.rglob("*.wav")))).table())
    worker = Worker(job.model_dump_json(), made.out, todo.run, 60.0)
    worker(todo.missing)
    worker.close()
    return folder


@pytest.fixture
def found(answers, monkeypatch):
    """The answers to the queries of the page, in their order."""
    monkeypatch.chdir(answers)
    queries = re.findall(r"^```sql\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(queries) == 5
    return [duckdb.sql(query).fetchall() for query in queries]


def test_the_queries_answer_what_the_page_says(found, answers, model):
    shares, folders, months, extremes, work = found
    said = model.predict(VOICE)
    assert shares == [(said.emotion, 3, 1.0)]
    assert [(folder, count) for folder, _, count in folders] == [
        (str(answers / "anna"), 2),
        (str(answers / "ben"), 1),
    ]
    assert folders[0][1] == pytest.approx(said.probabilities["angry"])
    assert [entry[1:] for entry in months] == [(said.emotion, 3)]
    assert [path for _, _, path in extremes] == [
        str(answers / name) for name in ("anna/a.wav", "anna/b.wav", "ben/c.wav")
    ]
    counts = {status: (count, hours) for status, count, hours, _ in work}
    assert counts["ok"] == (3, pytest.approx(3 * said.duration / 3600))
    assert (counts["silence"][0], counts["error"][0]) == (1, 1)


def test_the_page_names_every_column_and_no_other(model):
    from sottovoce.archive.schema import archive_schema

    text = PAGE.read_text().split("## The table")[1].split("## Questions")[0]
    cells = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    named = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    labels = set(model.labels)
    for timeline in (False, True):
        columns = set(archive_schema(job_of(model, timeline=timeline)).names) - labels
        assert columns <= named
    assert named - labels <= set(archive_schema(job_of(model)).names) | {"start", "end"}
