"""The job of an archive of a model, as the command makes it."""

from sottovoce import Model
from sottovoce.archive.job import ArchiveJob
from sottovoce.options import PredictOptions, RecordingOptions


def job_of(model: Model, *, timeline: bool = False, **options: object) -> ArchiveJob:
    """The job of a model; its workers find none of this name."""
    chosen = (RecordingOptions if timeline else PredictOptions)(**options)
    return ArchiveJob(
        model="",
        title=model.card.title,
        digest=model.digest,
        labels=model.labels,
        timeline=timeline,
        options=chosen.model_dump(mode="json"),
    )
