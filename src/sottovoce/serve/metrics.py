"""What the service did, counted for Prometheus; each service has its own registry."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from sottovoce.results import Status

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The counters, under the names that `/metrics` shows."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "sottovoce_requests", "Requests answered.", ["endpoint", "status"], registry=registry
        )
        self.seconds = Histogram(
            "sottovoce_request_seconds",
            "From a request's head to the end of its answer.",
            ["endpoint"],
            buckets=SECONDS,
            registry=registry,
        )
        self.audio = Counter(
            "sottovoce_audio_seconds", "Audio that was judged.", ["endpoint"], registry=registry
        )
        self.answers = Counter(
            "sottovoce_answers", "Answers by status.", ["model", "status"], registry=registry
        )
        self.emotions = Counter(
            "sottovoce_emotions",
            "Answers of status ok by emotion.",
            ["model", "emotion"],
            registry=registry,
        )
        self.batches = Histogram(
            "sottovoce_batch_clips", "Clips in a run of the network.", buckets=SIZES,
            registry=registry,
        )  # fmt: skip
        self.busy = Gauge(
            "sottovoce_requests_in_progress", "Requests being answered.", registry=registry
        )
        self.queue = Gauge("sottovoce_queue_clips", "Clips that wait.", registry=registry)
        self.held = Gauge("sottovoce_held_bytes", "Bytes of requests held.", registry=registry)
        self.streams = Gauge("sottovoce_streams", "Streams open.", registry=registry)
        self.unstored = Counter(
            "sottovoce_unstored", "Results that the store did not take.", registry=registry
        )

    def count(
        self, endpoint: str, model: str, answers: Iterable[tuple[Status, str | None]], audio: float
    ) -> None:
        """Count what was answered.

        Args:
            endpoint: such as "/v1/predict".
            model: its title.
            answers: status and emotion of each.
            audio: s that were heard.
        """
        self.audio.labels(endpoint).inc(audio)
        for (status, emotion), times in Counts(answers).items():
            self.answers.labels(model, str(status)).inc(times)
            if status is Status.OK and emotion is not None:
                self.emotions.labels(model, emotion).inc(times)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)
