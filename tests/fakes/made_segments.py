"""Segments for tests, as a recording might give them."""

from hypothesis import strategies as st

from sottovoce.results import Segment, Status

LABELS = ("happy", "sad", "angry")


@st.composite
def recordings(draw):
    """Segments of one or two channels, side by side, without gaps."""
    channels = draw(st.sampled_from([(None,), (1,), (1, 2)]))
    ends = [0.0, *draw(st.lists(st.floats(0.1, 2), max_size=25))]
    segments = []
    for place, length in enumerate(ends[1:], 1):
        ends[place] = ends[place - 1] + length
        for channel in channels:
            status = draw(st.sampled_from([Status.OK, Status.UNCERTAIN, Status.SILENCE]))
            made = {}
            if status is not Status.SILENCE:
                made["emotion"] = draw(st.sampled_from(LABELS))
                made["confidence"] = draw(st.floats(0.4, 0.9))
                rest = (1 - made["confidence"]) / 2
                made["probabilities"] = {
                    label: made["confidence"] if label == made["emotion"] else rest
                    for label in LABELS
                }
            segments.append(
                Segment(
                    start=ends[place - 1], end=ends[place], status=status, channel=channel, **made
                )
            )
    return segments
