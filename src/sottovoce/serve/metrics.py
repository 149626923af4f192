"""What the service did, counted for Prometheus; each service has its own registry."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from sottovoce.results import Prediction, Segment, Status

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

SECONDS_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
CLIPS_BUCKETS = (1, 2, 4, 8, 16, 32, 64)


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
            buckets=SECONDS_BUCKETS,
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
        self.batch_clips = Histogram(
            "sottovoce_batch_clips", "Clips in a run of the network.", buckets=CLIPS_BUCKETS,
            registry=registry,
        )  # fmt: skip
        self.requests_in_progress = Gauge(
            "sottovoce_requests_in_progress", "Requests being answered.", registry=registry
        )
        self.queue_clips = Gauge("sottovoce_queue_clips", "Clips that wait.", registry=registry)
        self.held_bytes = Gauge(
            "sottovoce_held_bytes", "Bytes of requests held.", registry=registry
        )
        self.streams = Gauge("sottovoce_streams", "Streams open.", registry=registry)
        self.unstored = Counter(
            "sottovoce_unstored", "Results that the store did not take.", registry=registry
        )

    def count_results(
        self, endpoint: str, model: str, results: Sequence[Prediction | Segment], audio: float
    ) -> None:
        """Count results by status and emotion.

        Args:
            endpoint: such as "/v1/predict".
            model: its title.
            results: predictions, or segments.
            audio: s that were heard.
        """
        self.audio.labels(endpoint).inc(audio)
        tally = Tally((result.status, result.emotion) for result in results)
        for (status, emotion), times in tally.items():
            self.answers.labels(model, str(status)).inc(times)
            if status is Status.OK and emotion is not None:
                self.emotions.labels(model, emotion).inc(times)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)
