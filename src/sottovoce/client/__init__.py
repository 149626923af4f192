"""Client of a service that `sottovoce serve` runs, in the library's own types; extra `client`.

from sottovoce.client import Client

with Client("http://127.0.0.1:8000", key="...") as client:
    print(client.predict("interview.wav").emotion)
    for segment in client.timeline("call.mp3").segments:
        print(segment.start, segment.emotion)
    with client.stream(sample_rate=16_000) as live:
        for samples in microphone:
            for message in live.feed(samples):
                print(message)
"""

from sottovoce.client.rest import Client, Recording
from sottovoce.client.stream import LiveStream, Message
from sottovoce.results import Problem, SpeechEnded, SpeechStarted, TimelineResult

__all__ = [
    "Client",
    "LiveStream",
    "Message",
    "Problem",
    "Recording",
    "SpeechEnded",
    "SpeechStarted",
    "TimelineResult",
]
