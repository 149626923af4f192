"""`sottovoce archive`: what it takes, what it says, and one clear line for whatever is wrong."""

import csv
import json
import os
import shutil
import socket
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from archive_server import ArchiveServer, serving
from tiny_model import VOICE, write_tiny_profiled

import sottovoce
from sottovoce.archive.job import ArchiveFolder, begin
from sottovoce.archive.manifest import of_table
from sottovoce.archive.plan import plan
from sottovoce.archive.work import Worker
from sottovoce.cli import run

pytest.importorskip("pyarrow")
pytest.importorskip("ray")

from sottovoce.archive.run import Tally


@pytest.fixture
def without_ray(monkeypatch):
    """The work is done by one worker in this process, as Ray has several do it."""
    from contextlib import contextmanager

    @contextmanager
    def started(address, workers, *, dashboard=False):
        yield None

    def hear(ray, folder, job, todo, *, workers, limit, watch):
        worker = Worker(job.model_dump_json(), folder.out, todo.run, limit)
        found = {name: values[0] for name, values in worker(todo.missing).items()}
        worker.close()
        tally = Tally(len(todo.missing), found["files"], found["seconds"], found["failed"])
        watch(tally)
        return tally

    monkeypatch.setattr("sottovoce.archive.run.ray_started", started)
    monkeypatch.setattr("sottovoce.archive.run.run", hear)


@pytest.fixture
def archive(tiny, capfd, without_ray):
    """Run the command; gives (exit status, stdout, stderr)."""

    def call(*arguments):
        words = [str(argument) for argument in arguments]
        if words[0] not in ("status", "report"):
            words += ["--model", str(tiny)] if "--model" not in words else []
        status = run(["archive", *words])
        return status, *capfd.readouterr()

    return call


@pytest.fixture
def folder(tmp_path):
    """Three recordings in two folders."""
    for name in ("anna/a.wav", "anna/b.wav", "ben/c.wav"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(VOICE, path)
    return tmp_path / "in"


def one_line(errors):
    """The line that an error is."""
    lines = [line for line in errors.splitlines() if " to hear" not in line]
    assert len(lines) == 1, errors
    return lines[0]


def table(path, *rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_hearing_status_and_report(archive, folder, tmp_path):
    out = tmp_path / "out"
    status, said, errors = archive(folder, out)
    assert status == 0
    assert said.startswith("3 recordings: ")
    assert "0 recordings are there, 3 to hear" in errors
    assert "3 of 3 recordings" in errors
    assert archive("status", out)[:2] == (0, said)
    found = json.loads(archive("status", out, "--json")[1])
    assert (found["recordings"], found["failed"]) == (3, [])
    file = tmp_path / "out.html"
    status, said, errors = archive("report", out, "-o", file)
    assert (status, errors) == (0, "")
    text = file.read_text()
    assert str(folder / "anna") in text
    assert "<script" not in text
    assert "http" not in text.split("</style>")[1]
    status, _, errors = archive(folder, out)
    assert "3 recordings are there, 0 to hear" in errors


def test_what_failed_is_listed_and_the_exit_status_is_1(archive, folder, tmp_path):
    (folder / "broken.wav").write_bytes(b"no sound" * 40)
    status, said, _ = archive(folder, tmp_path / "out")
    assert status == 1
    assert "1 could not be heard:" in said
    assert str(folder / "broken.wav") in said.splitlines()[-1]
    assert archive("status", tmp_path / "out")[0] == 1


def test_a_table_says_parts_speakers_and_channels(archive, folder, tmp_path):
    rows = (
        ("path", "start", "end", "speaker", "channel"),
        ("in/anna/a.wav", "0.5", "2", "anna", "1"),
    )
    status, _, errors = archive(table(tmp_path / "m.csv", *rows), tmp_path / "out")
    assert status == 0, errors
    from sottovoce.archive.job import open_archive
    from sottovoce.archive.status import read_rows

    made = ArchiveFolder(str(tmp_path / "out"))
    (row,) = read_rows(made, open_archive(made)).to_pylist()
    assert (row["part_start"], row["part_end"], row["speaker"]) == (0.5, 2.0, "anna")
    assert row["channel"] == 1
    assert row["duration"] == pytest.approx(1.5)
    assert row["id"] == f"{folder / 'anna' / 'a.wav'}#0.5-2@1"


def test_lists_json_lines_and_parquet_are_read_alike(folder, tmp_path):
    import pyarrow
    from pyarrow import parquet

    (tmp_path / "m.txt").write_text("in/anna/a.wav\n# a remark\nin/ben/c.wav\n")
    (tmp_path / "m.jsonl").write_text('{"path": "in/anna/a.wav"}\n{"path": "in/ben/c.wav"}\n')
    paths = ["in/anna/a.wav", "in/ben/c.wav"]
    parquet.write_table(pyarrow.table({"path": paths}), tmp_path / "m.parquet")
    table(tmp_path / "m.csv", ["path"], *([path] for path in paths))
    tables = [of_table(str(tmp_path / f"m.{kind}")).table() for kind in ("txt", "jsonl", "parquet")]
    expected = of_table(str(tmp_path / "m.csv")).table()
    assert all(found.equals(expected) for found in tables)
    assert expected["path"].to_pylist() == [str(tmp_path / path) for path in paths]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("file_name",), ("a.wav",)], "no column 'path'; there are file_name; expected path"),
        ([("path", "start", "end"), ("a.wav", "2", "1")], "expected an end after the start"),
        ([("path", "channel"), ("a.wav", "left")], "channel 'left'; expected 1 for the first"),
        ([("path",)], "names no recording"),
        ([("path", "speaker"), ("", "anna")], "names no file"),
    ],
)
def test_a_table_that_makes_no_sense_is_one_line(archive, tmp_path, rows, expected):
    status, _, errors = archive(table(tmp_path / "m.csv", *rows), tmp_path / "out")
    assert status == 2
    assert expected in one_line(errors)
    assert not (tmp_path / "out").exists()


def test_a_recording_named_twice_is_heard_once_and_that_is_said(archive, folder, tmp_path):
    path = [str(folder / "anna" / "a.wav")]
    status, said, errors = archive(table(tmp_path / "m.csv", ["path"], path, path), tmp_path / "o")
    assert status == 0
    assert said.startswith("1 recording: ")
    assert "1 rows name a recording again; each is heard once" in errors


def test_paths_that_vanished_are_rows_that_say_so(archive, tmp_path):
    status, said, _ = archive(table(tmp_path / "m.csv", ["path"], ["gone.wav"]), tmp_path / "out")
    assert status == 1
    assert f"{tmp_path / 'gone.wav'}: " in said


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_files_that_may_not_be_read_are_rows_that_say_so(archive, folder, tmp_path):
    (folder / "anna" / "a.wav").chmod(0)
    status, said, _ = archive(folder, tmp_path / "out")
    assert status == 1
    assert "Permission denied" in said


def test_an_address_without_its_package_names_it(archive, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "adlfs", None)
    status, _, errors = archive("az://bucket/calls", tmp_path / "out")
    assert status == 2
    assert "needs adlfs; run: pip install adlfs" in one_line(errors)


def test_a_folder_of_another_job_is_refused_and_untouched(archive, folder, tmp_path):
    out = tmp_path / "out"
    archive(folder, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    status, _, errors = archive(folder, out, "--min-confidence", "0.9")
    assert status == 2
    expected = "is the archive of another job (min_confidence was None, and is 0.9 now)"
    assert expected in one_line(errors)
    status, _, errors = archive(folder, out, "--model", "sottovoce-small")
    assert "another job (model was tiny 1.0" in one_line(errors)
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_a_folder_of_another_version_or_of_other_things_is_refused(archive, folder, tmp_path):
    out = tmp_path / "out"
    archive(folder, out)
    job = json.loads((out / "archive.json").read_text())
    (out / "archive.json").write_text(json.dumps(job | {"schema_version": 7}))
    status, _, errors = archive(folder, out)
    assert status == 2
    assert "its schema is version 7, and this is version 1" in one_line(errors)
    status, _, errors = archive(folder, folder)
    assert status == 2
    assert "holds other things and is no archive" in one_line(errors)
    status, _, errors = archive("status", folder)
    assert status == 2
    assert "no archive (it has no archive.json)" in one_line(errors)


def test_a_part_that_is_damaged_is_one_line(archive, folder, tmp_path):
    out = tmp_path / "out"
    archive(folder, out)
    (part,) = out.glob("rows/*/*.parquet")
    part.write_bytes(part.read_bytes()[:100])
    status, _, errors = archive(folder, out)
    assert status == 2
    assert f"{part.name}: not a whole part of an archive" in one_line(errors)


def test_an_option_of_timelines_needs_a_timeline(archive, folder, tmp_path):
    status, _, errors = archive(folder, tmp_path / "out", "--hop", "2")
    assert status == 2
    assert "--hop is an option of timelines; add --timeline" in one_line(errors)


def test_a_profile_of_another_model_is_refused(archive, folder, tmp_path):
    profile = tmp_path / "anna.profile"
    assert run(["profile", str(VOICE), "-o", str(profile)]) == 0
    made = json.loads(profile.read_text())
    profile.write_text(json.dumps(made | {"model": "other 2.0", "model_digest": "0" * 64}))
    words = ("--model", "sottovoce-small", "--profile", profile)
    status, _, errors = archive(folder, tmp_path / "out", *words)
    assert status == 2
    assert "the profile was made with other 2.0 (00000000)" in errors.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_folder_s_recordings_are_judged_against_all_of_them(archive, folder, tmp_path):
    for name in ("calm", "stern"):
        shutil.copy(VOICE.with_name(f"{name}-voice.wav"), folder / "anna" / f"{name}.wav")
    from sottovoce.archive.job import open_archive
    from sottovoce.archive.status import read_rows

    profiled = tmp_path / "profiled.onnx"
    write_tiny_profiled(profiled)
    words = (folder, tmp_path / "out", "--model", profiled, "--profile-per", "folder")
    status, _, errors = archive(*words)
    assert status == 0, errors
    made = ArchiveFolder(str(tmp_path / "out"))

    def check():
        model = sottovoce.load(profiled)
        rows = {row["path"]: row for row in read_rows(made, open_archive(made)).to_pylist()}
        for below in ("anna", "ben"):
            paths = sorted((folder / below).glob("*.wav"))
            for answer in model.predict_many(paths, profile=model.profile(paths)):
                expected = answer.row()
                row = rows[expected["path"]]
                assert {name: row[name] for name in expected} == expected
                assert row["profile"] is not None
        return rows

    assert len(check()) == 5
    assert "5 recordings are there, 0 to hear" in archive(*words)[2]
    shutil.copy(VOICE.with_name("stern-voice.wav"), folder / "ben" / "d.wav")
    _, _, errors = archive(*words)
    assert "5 recordings are there, 1 to get to know" in errors
    assert "4 recordings are there, 2 to hear (1 of them again)" in errors  # ben's other one
    assert len(check()) == 6
    status, _, errors = archive(
        folder, tmp_path / "new", "--model", profiled, "--profile-per", "speaker"
    )
    assert status == 2
    assert "no recording has a speaker" in one_line(errors)


@pytest.mark.parametrize("scheme", ["", "ray://"])
@pytest.mark.parametrize("there", ["nobody", "somebody silent", "a web server"])
def test_a_cluster_that_does_not_answer_is_one_line(
    tiny, folder, tmp_path, capfd, monkeypatch, there, scheme
):
    monkeypatch.setattr("sottovoce.archive.run.PATIENCE", 1.0)
    with ExitStack() as stack:
        if there == "a web server":
            url = stack.enter_context(serving(ArchiveServer())).url
            address = scheme + urlsplit(url).netloc
        else:
            taken = stack.enter_context(socket.socket())
            taken.bind(("127.0.0.1", 0))
            if there == "somebody silent":
                taken.listen()  # connections are made, and nobody takes them up
            address = f"{scheme}127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        status = run(["archive", str(folder), str(tmp_path / "out"), "--model", str(tiny)])
    errors = capfd.readouterr().err
    assert status == 2
    assert f"{address}: the cluster does not answer" in one_line(errors)


@pytest.fixture
def bucket(folder, monkeypatch):
    """A bucket of a server of S3 on this machine, with the recordings of the folder."""
    s3fs = pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        urlopen(f"http://{host}:{port}/moto-api/reset", b"").close()  # of another test's buckets
        s3fs.S3FileSystem.clear_instance_cache()
        made = s3fs.S3FileSystem()
        made.mkdir("calls")
        for path in folder.rglob("*.wav"):
            made.put_file(str(path), f"calls/{path.relative_to(folder)}")
        yield made
    finally:
        server.stop()


def test_an_s3_bucket_is_a_source_and_an_archive_lies_in_one(archive, bucket):
    status, said, errors = archive("s3://calls", "s3://calls/answers")
    assert status == 0, errors
    assert "3 recordings: " in said
    status, _, errors = archive("s3://calls", "s3://calls/answers")
    assert "3 recordings are there, 0 to hear" in errors
    bucket.pipe_file("calls/anna/a.wav", (VOICE.parent / "silence.wav").read_bytes())
    status, said, errors = archive("s3://calls/**/*.wav", "s3://calls/answers")
    assert "2 recordings are there, 1 to hear (1 of them again)" in errors
    assert "1 silence" in said
    rows = plan(ArchiveFolder("s3://calls/answers"), of_address_table("s3://calls"))
    assert len(rows.missing) == 0


def test_credentials_that_are_wrong_are_one_line(
    archive, bucket, folder, tmp_path, capfd, monkeypatch
):
    bucket.pipe_file("calls/list.txt", b"anna/a.wav")
    monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0)  # now they are checked
    bucket.clear_instance_cache()
    capfd.readouterr()
    for source, out in (
        ("s3://calls", tmp_path / "out"),
        ("s3://calls/**/*.wav", tmp_path / "out"),
        ("s3://calls/list.txt", tmp_path / "out"),
        (folder, "s3://calls/answers"),
    ):
        status, said, errors = archive(source, out)
        assert (status, said) == (2, ""), source
        (line,) = errors.splitlines()
        address = source if out == tmp_path / "out" else out
        assert line.startswith(f"sottovoce: {address}: cannot be ")
        assert "Key" in line or "Forbidden" in line  # as the server says it
        assert "check the address and the credentials" in line
    assert not (tmp_path / "out").exists()
    status, said, _ = archive("s3://calls/anna/a.wav", tmp_path / "out")
    assert (status, "1 could not be heard" in said) == (1, True)
    assert "Forbidden" in said
    monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", float("inf"))
    status, said, _ = archive("s3://calls/anna/a.wav", tmp_path / "out", "--retry")
    assert (status, said.startswith("1 recording: ")) == (0, True)
    status, said, _ = archive("s3://calls/list.txt", tmp_path / "listed")
    assert (status, said.startswith("1 recording: ")) == (0, True)


def of_address_table(address):
    from sottovoce.archive.manifest import of_address

    return of_address(address).table()


def test_beginning_twice_is_beginning_once(archive, folder, tmp_path):
    from sottovoce.archive.job import open_archive

    archive(folder, tmp_path / "out")
    made = ArchiveFolder(str(tmp_path / "out"))
    content = Path(made.path("archive.json")).read_bytes()
    begin(made, open_archive(made))
    assert Path(made.path("archive.json")).read_bytes() == content
