"""Asks a service that `sottovoce serve` runs, in the library's own types; extra `client`."""

from sottovoce.client.rest import Client, Message, Recording, TimelineResult
from sottovoce.client.stream import LiveStream, Problem, SpeechEnded, SpeechStarted

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
