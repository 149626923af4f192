"""`sottovoce archive`: recordings by the million into Parquet, on one machine or many."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer
from typer.core import TyperGroup

from sottovoce.cli import _options
from sottovoce.errors import SottovoceError
from sottovoce.options import PredictOptions, RecordingOptions

if TYPE_CHECKING:
    import pyarrow

    from sottovoce.archive.job import ArchiveFolder, ArchiveJob
    from sottovoce.archive.manifest import Manifest
    from sottovoce.archive.plan import Plan
    from sottovoce.archive.run import Tally
    from sottovoce.archive.status import ArchiveStatus

EXAMPLES = """Examples:

  sottovoce archive recordings/ answers/\n
  sottovoce archive calls.parquet s3://bucket/answers --channels split --workers 8\n
  RAY_ADDRESS=head:6379 sottovoce archive s3://bucket/calls s3://bucket/answers\n
  sottovoce archive status answers/\n
  sottovoce archive report answers/ -o answers.html

Exit status: 0 all was heard, 1 some could not be, 2 the job could not go on, or wrong usage."""

SHOWN = 20
"""Recordings that failed which are listed by name."""

Folder = Annotated[
    str,
    typer.Argument(metavar="OUT", help="The folder of an archive, or its address."),
]


class _RunByDefault(TyperGroup):
    """A group in which what names no command is what `run` takes."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        first = next((arg for arg in args if not arg.startswith("-")), None)
        if args and first not in self.commands and not {"-h", "--help"} & set(args):
            args = ["run", *args]
        return super().parse_args(ctx, args)


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    group = typer.Typer(cls=_RunByDefault, no_args_is_help=True, callback=archive, epilog=EXAMPLES)
    group.command("run")(hear)
    group.command("status")(status)
    group.command("report")(report)
    app.add_typer(group, name="archive")


def archive() -> None:
    """Hear recordings by the million, on one machine or many, into a table (Parquet).

    `sottovoce archive SOURCE OUT` is `sottovoce archive run SOURCE OUT`: see its --help. Begun
    again, it hears what is missing, new or changed.
    """


@_options.takes_options(options=RecordingOptions)
def hear(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A folder, a pattern in quotes, a list (.txt), a table (.csv, .jsonl, .parquet; "
            "path, and start, end, speaker, channel), or the address of one (s3://...).",
            show_default=False,
        ),
    ],
    out: Folder,
    model: _options.ModelName = None,
    profile: _options.ProfileFile = None,
    profile_per: Annotated[
        Literal["speaker", "folder"] | None,
        typer.Option(
            help="Judge each speaker's, or each folder's, recordings against all of them (two "
            "passes).",
            show_default=False,
        ),
    ] = None,
    timeline: Annotated[
        bool, typer.Option("--timeline", help="A row a segment, rather than a recording.")
    ] = False,
    *,
    options: RecordingOptions,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Processes.", show_default="one a processor"),
    ] = None,
    limit: Annotated[
        float,
        typer.Option("--time-limit", metavar="SECONDS", min=1, help="What one recording may take."),
    ] = 600.0,
    retry: Annotated[
        bool, typer.Option("--retry", help="Hear those again that could not be heard.")
    ] = False,
    dashboard: Annotated[
        bool, typer.Option("--dashboard", help="Show Ray's own page, on port 8265.")
    ] = False,
    metrics: Annotated[
        int | None,
        typer.Option(
            metavar="PORT", help="Counters for Prometheus on this port.", show_default=False
        ),
    ] = None,
) -> None:
    """Hear recordings into an archive; begun again, what is missing, new or changed."""
    from sottovoce.archive.job import ArchiveFolder, ArchiveJob, begin
    from sottovoce.archive.profiles import digest_of, groups, keep_profile
    from sottovoce.archive.status import status_of
    from sottovoce.inference.profile import open_profile
    from sottovoce.models.registry import find, load

    if profile is not None and profile_per is not None:
        raise SottovoceError("give --profile or --profile-per, not both")
    opened = load(model)
    name = str(model or opened.card.name)
    if Path(name).exists() or name.endswith(".onnx"):
        name = str(find(name).absolute())
    against = None
    if profile is not None or profile_per is not None:
        opened.profile_info()
    if profile is not None:
        against = open_profile(profile, opened.card.title, opened.digest)
    job = ArchiveJob(
        model=name,
        title=opened.card.title,
        digest=opened.digest,
        labels=opened.labels,
        timeline=timeline,
        options=_chosen(options, timeline=timeline),
        profile=None if against is None else digest_of(against),
        profile_per=profile_per,
    )
    folder = ArchiveFolder(out)
    manifest = _manifest(source)
    if manifest.repeated:
        _say(f"{manifest.repeated} rows name a recording again; each is heard once")
    wanted = manifest.table()
    if profile_per is not None:
        groups(wanted, profile_per)
    begin(folder, job)
    if against is not None:
        keep_profile(folder, against)
    how = _How(workers, limit, retry, dashboard, metrics)
    _hear(folder, job, wanted, how)
    found = status_of(folder)
    _summary(found)
    raise typer.Exit(1 if found.failed else 0)


class _How(NamedTuple):
    """The options of the work itself."""

    workers: int | None
    limit: float
    retry: bool
    dashboard: bool
    metrics: int | None


def _hear(folder: ArchiveFolder, job: ArchiveJob, wanted: pyarrow.Table, how: _How) -> None:
    """Hear what is missing; with profiles of groups, in two passes."""
    from contextlib import ExitStack

    from sottovoce.archive.job import MEANS
    from sottovoce.archive.plan import plan
    from sottovoce.archive.profiles import with_profiles
    from sottovoce.archive.run import ray_started, run
    from sottovoce.archive.schema import arrow
    from sottovoce.system import available_cpus

    address = os.environ.get("RAY_ADDRESS")
    count = how.workers or available_cpus()
    with ExitStack() as stack:
        ray: Any = None

        def work(job: ArchiveJob, todo: Plan, what: str) -> None:
            nonlocal ray, count
            changed = f" ({todo.changed} of them again)" if todo.changed else ""
            _say(f"{todo.done} recordings are there, {len(todo.missing)} to {what}{changed}")
            if not len(todo.missing):
                return
            if ray is None:
                ray = stack.enter_context(ray_started(address, count, dashboard=how.dashboard))
                if address is not None and how.workers is None:
                    count = max(1, int(ray.cluster_resources().get("CPU", 1)))
            with _watch(how.metrics, job.title) as watch:
                tally = run(ray, folder, job, todo, workers=count, limit=how.limit, watch=watch)
            _say(_progress(tally))

        if job.profile_per is not None:
            first = plan(folder, wanted, retry=how.retry, below=MEANS)
            work(job.model_copy(update={"embeds": True}), first, "get to know")
            wanted = with_profiles(folder, job, wanted, job.profile_per)
        elif job.profile is not None:
            place = wanted.schema.get_field_index("profile")
            marked = arrow().array([job.profile] * len(wanted), "string")
            wanted = wanted.set_column(place, "profile", marked)
        work(job, plan(folder, wanted, retry=how.retry), "hear")


def status(
    out: Folder,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say how far an archive is, and what could not be heard."""
    import json

    from sottovoce.archive.job import ArchiveFolder
    from sottovoce.archive.status import status_of

    found = status_of(ArchiveFolder(out))
    if as_json:
        print(json.dumps(found.to_dict(), ensure_ascii=False))
    else:
        _summary(found)
    raise typer.Exit(1 if found.failed else 0)


def report(
    out: Folder,
    file: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE", help="The report, an .html file.")
    ],
) -> None:
    """Write a report of an archive: shares over time and by folder, and what to listen to."""
    from sottovoce.archive.job import ArchiveFolder
    from sottovoce.archive.report import archive_report
    from sottovoce.export._files import opened_for_writing
    from sottovoce.text import display_path

    text = archive_report(ArchiveFolder(out))
    with opened_for_writing(file, "w", encoding="utf-8", newline="\n") as written:
        written.write(text)
    print(f"{display_path(file)}: a report of {display_path(out)}, {len(text) / 1e6:.1f} MB.")


def _chosen(options: RecordingOptions, *, timeline: bool) -> dict[str, Any]:
    """The options that make a difference; those of timelines are refused where there is none."""
    if timeline:
        return options.model_dump(mode="json")
    plain = RecordingOptions()
    for name in RecordingOptions.model_fields:
        if name not in PredictOptions.model_fields and getattr(options, name) != getattr(
            plain, name
        ):
            raise SottovoceError(
                f"--{name.replace('_', '-')} is an option of timelines; add --timeline, or leave "
                "it out"
            )
    return options.model_dump(mode="json", include=set(PredictOptions.model_fields))


def _manifest(source: str) -> Manifest:
    from sottovoce.archive import manifest
    from sottovoce.audio.sources import is_address
    from sottovoce.cli._sources import expand

    if manifest.is_table(source):
        return manifest.of_table(source)
    if is_address(source) and not source.lower().startswith("http"):
        return manifest.of_address(source)
    found = list(expand([source]))
    if all(recording.problem for recording in found):
        raise SottovoceError(found[0].problem)
    for recording in found:
        if recording.problem:  # a folder that is closed, which the row of it will say, too
            _say(recording.problem)
    return manifest.of_paths(recording.path for recording in found)


def _watch(port: int | None, model: str) -> Any:
    """What is called after each piece: it shows the progress, and counts for Prometheus."""
    from contextlib import contextmanager

    from sottovoce.archive.metrics import served
    from sottovoce.cli._progress import progress

    @contextmanager
    def opened() -> Any:
        line = ""
        with served(port, model) as count, progress(show=lambda done: line) as bar:

            def watch(tally: Tally) -> None:
                nonlocal line
                count(tally)
                line = _progress(tally)
                bar("Listening", tally.files, tally.planned)

            yield watch

    return opened()


def _progress(tally: Tally) -> str:
    """One line: files and hours of sound a second, time left, failures."""
    from sottovoce.text import clock

    hours = tally.seconds / 3600
    pace = f"{tally.files / tally.elapsed:.1f} files/s, {hours / tally.elapsed:.2f} h of sound/s"
    left = f", {clock(tally.left)} left" if tally.files < tally.planned else ""
    failed = f", {tally.failed} failed" if tally.failed else ""
    return f"{tally.files} of {tally.planned} recordings, {pace}{left}{failed}"


def _summary(found: ArchiveStatus) -> None:
    from sottovoce.text import display_path

    answers = ", ".join(f"{number} {answer}" for answer, number in found.answers.items())
    what = f"{found.recordings} recording{'s' * (found.recordings != 1)}"
    if found.job.timeline:
        what += f" in {found.rows} segments"
    print(f"{what}: {answers or 'none yet'}. Model: {found.job.title}.")
    if not found.failed:
        return
    print(f"{len(found.failed)} could not be heard:")
    for path, message in found.failed[:SHOWN]:
        print(f"  {message if path in message else f'{display_path(path)}: {message}'}")
    if len(found.failed) > SHOWN:
        print(f"  and {len(found.failed) - SHOWN} more; sottovoce archive status --json has all")


def _say(line: str) -> None:
    typer.echo(f"sottovoce: {line}", err=True)
