"""What archives hold, resumed and poisoned: by a worker without Ray."""

import os
import shutil
from pathlib import Path

import pytest
from archive_job import job_of
from tiny_model import VOICE

from sottovoce.archive.job import ArchiveFolder, begin
from sottovoce.archive.manifest import of_paths
from sottovoce.archive.plan import plan
from sottovoce.archive.status import read_rows, status_of
from sottovoce.archive.work import Worker
from sottovoce.errors import SottovoceError

pytest.importorskip("pyarrow")

SAMPLES = VOICE.parent
ODD = Path(__file__).parents[1] / "fakes" / "odd_decoder"


@pytest.fixture
def odd(monkeypatch):
    """Processes that hear die at crash*.wav, hang at hang*.wav and dawdle at slow*.wav."""
    path = os.pathsep.join([str(ODD), *filter(None, [os.environ.get("PYTHONPATH")])])
    monkeypatch.setenv("PYTHONPATH", path)


@pytest.fixture
def archive(tmp_path, tiny, model):
    """Bring a folder up to date with recordings, by one worker without Ray; gives the plan."""

    def hear(paths, out=tmp_path / "out", *, limit=60.0, retry=False, **options):
        folder = ArchiveFolder(str(out))
        job = job_of(model, **options).model_copy(update={"model": str(tiny)})
        begin(folder, job)
        todo = plan(folder, of_paths(map(str, paths)).table(), retry=retry)
        worker = Worker(job.model_dump_json(), folder.out, todo.run, limit)
        done = worker(todo.missing)
        worker.close()
        if done["problem"][0]:
            raise SottovoceError(done["problem"][0])
        return todo

    hear.folder = ArchiveFolder(str(tmp_path / "out"))
    return hear


def rows_of(folder):
    from sottovoce.archive.job import open_archive

    return read_rows(folder, open_archive(folder)).to_pylist()


def copies(folder, *names):
    folder.mkdir(exist_ok=True)
    return [Path(shutil.copy(VOICE, folder / name)) for name in names]


def said(row, names):
    return {name: row[name] for name in names}


def test_a_row_is_what_predict_says_to_the_last_digit(archive, model):
    paths = sorted(SAMPLES.glob("*.wav"))
    archive(paths)
    rows = {row["path"]: row for row in rows_of(archive.folder)}
    for answer in model.predict_many(paths):
        expected = answer.row()
        assert said(rows[expected["path"]], expected) == expected


def test_a_row_is_a_segment_where_there_is_a_timeline(archive, model):
    archive([VOICE], timeline=True, hop=0.5)
    expected = [segment.row() for segment in model.timeline(VOICE, hop=0.5)]
    rows = rows_of(archive.folder)
    assert [said(row, expected[0]) for row in rows] == expected
    assert {row["path"] for row in rows} == {str(VOICE)}


def test_what_is_there_is_not_heard_again_and_what_is_new_or_changed_is(archive, tmp_path):
    a, b = copies(tmp_path / "in", "a.wav", "b.wav")
    assert len(archive([a, b]).missing) == 2
    first = {row["path"]: row for row in rows_of(archive.folder)}
    assert len(archive([a, b]).missing) == 0
    shutil.copy(SAMPLES / "silence.wav", b)
    (c,) = copies(tmp_path / "in", "c.wav")
    todo = archive([a, b, c])
    assert (todo.done, todo.changed) == (1, 1)
    rows = rows_of(archive.folder)
    assert sorted(row["path"] for row in rows) == [str(a), str(b), str(c)]
    found = {row["path"]: row for row in rows}
    assert found[str(a)] == first[str(a)]
    assert found[str(b)]["status"] == "silence"


def test_a_piece_that_was_begun_is_taken_up_after_its_last_part(archive, tmp_path, model, tiny):
    """As when a machine is lost: Ray hands the whole piece to another worker."""
    paths = copies(tmp_path / "in", "a.wav", "b.wav")
    archive(paths)
    (part,) = archive.folder.parts()
    content = archive.folder.read(part)
    job = job_of(model).model_copy(update={"model": str(tiny)})
    again = Worker(job.model_dump_json(), archive.folder.out, "rows/run=0001", 60.0)
    again(of_paths(map(str, paths)).table())
    again.close()
    assert archive.folder.parts() == [part]
    assert archive.folder.read(part) == content


def test_a_recording_that_two_parts_hold_is_kept_once(archive, tmp_path):
    archive(copies(tmp_path / "in", "a.wav", "b.wav"))
    (part,) = archive.folder.parts()
    archive.folder.write(part.replace("run=0001", "run=0002"), archive.folder.read(part))
    assert len(rows_of(archive.folder)) == 4
    archive(sorted((tmp_path / "in").iterdir()))
    assert len(rows_of(archive.folder)) == 2


def test_unfinished_parts_are_no_parts(archive, tmp_path):
    paths = copies(tmp_path / "in", "a.wav")
    archive(paths)
    (part,) = archive.folder.parts()
    unfinished = Path(archive.folder.path(part)).with_name(".part-1-x.part")
    unfinished.write_bytes(b"PAR1")
    assert archive.folder.parts() == [part]
    assert len(archive(paths).missing) == 0


def test_a_file_that_kills_or_hangs_its_decoder_is_marked_and_passed_by(archive, tmp_path, odd):
    names = ("a.wav", "crash.wav", "b.wav", "hang.wav", "c.wav")
    paths = copies(tmp_path / "in", *names)
    archive(paths, limit=8.0)
    rows = {Path(row["path"]).name: row for row in rows_of(archive.folder)}
    assert [rows[name]["status"] for name in names] == ["ok", "error", "ok", "error", "ok"]
    assert "ended with signal SIGSEGV" in rows["crash.wav"]["message"]
    assert "no answer in 8 s" in rows["hang.wav"]["message"]
    assert len(status_of(archive.folder).failed) == 2


def test_what_failed_is_heard_again_on_demand_alone(archive, tmp_path):
    lost = tmp_path / "later.wav"
    (a,) = copies(tmp_path / "in", "a.wav")
    archive([a, lost])
    assert {row["status"] for row in rows_of(archive.folder)} == {"ok", "error"}
    assert len(archive([a, lost]).missing) == 0
    assert len(archive([a, lost], retry=True).missing) == 1
    shutil.copy(VOICE, lost)
    archive([a, lost])
    assert [row["status"] for row in rows_of(archive.folder)] == ["ok", "ok"]


def test_a_model_that_a_worker_has_not_ends_the_job_with_one_line(tmp_path, model):
    job = job_of(model).model_copy(update={"model": "nowhere"})
    worker = Worker(job.model_dump_json(), str(tmp_path / "out"), "rows/run=0001", 60.0)
    done = worker(of_paths([str(VOICE)]).table())
    assert "no model is called 'nowhere'" in done["problem"][0]
    other = job.model_copy(update={"model": "sottovoce-small"})
    done = Worker(other.model_dump_json(), str(tmp_path / "out"), "rows/run=0001", 60.0)(
        of_paths([str(VOICE)]).table()
    )
    assert "is another one" in done["problem"][0]
    assert "\n" not in done["problem"][0]


def test_a_full_disk_ends_the_job_with_one_line_and_keeps_what_is_finished(
    archive, tmp_path, monkeypatch
):
    paths = copies(tmp_path / "in", "a.wav", "b.wav")
    archive(paths[:1])
    before = rows_of(archive.folder)

    def full(path, content):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("sottovoce.archive.job.write_atomically", full)
        with pytest.raises(SottovoceError, match=r"No space left on device.*run it again"):
            archive(paths)
    assert rows_of(archive.folder) == before
    archive(paths)
    assert len(rows_of(archive.folder)) == 2
