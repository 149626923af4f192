"""What the app says in words: the answer, why there is none, and what nobody can know from it."""

from __future__ import annotations

import math
import re

from sottovoce.audio import Audio
from sottovoce.models.card import Figure, ProtocolInfo
from sottovoce.options import GateOptions
from sottovoce.results import Prediction, Status
from sottovoce.text import display_path
from sottovoce.vad.gate import speech_level
from sottovoce.vad.silero import RATE

CANNOT_KNOW = (
    "It hears how an utterance sounds, not what a person feels, and it can be wrong while it is "
    "sure. Most models learned from actors who were told what to feel: ordinary speech, other "
    "languages, accents, ages and microphones are largely unmeasured. The page **Models** says "
    "what each one learned from and where it failed."
)
LAW = (
    "In the European Union it is forbidden to infer the emotions of employees or pupils from "
    "their voices, but for medical and safety reasons (AI Act, Article 5), and everywhere else "
    "people must be told that a system recognises their emotions (Article 50). Do not decide "
    "about anybody by it."
)
NOTICE = (
    "It hears how something sounds, not what a person feels. In the EU, recognising emotions of "
    "employees or pupils is restricted by law, and people must be told."
)
PRIVACY = "Recordings stay in memory, for this session, on the machine that runs this app."


def headline(prediction: Prediction) -> str:
    """The answer in a few words."""
    match prediction.status:
        case Status.OK:
            return str(prediction.emotion).capitalize()
        case Status.UNCERTAIN:
            return f"Perhaps {prediction.emotion}"
        case status:
            sentence = status.words.sentence
            return sentence[:1].upper() + sentence[1:]


def reason(prediction: Prediction, gate: GateOptions, audio: Audio | None) -> str:
    """One or two sentences below the headline."""
    match prediction.status:
        case Status.OK | Status.UNCERTAIN:
            second = prediction.runner_up
            then = (
                f"; next is {second} with {percent(prediction.probabilities[second])}"
                if second
                else ""
            )
            sure = f"{percent(prediction.confidence or 0)} sure{then}."
            if prediction.status is Status.OK:
                return sure
            return f"Below the minimum confidence: {sure}"
        case Status.SILENCE:
            level = speech_level(audio.mono().resample(RATE).samples[0]) if audio else 0.0
            return (
                f"Its level is {decibels(level)}; anything below {decibels(gate.silence_rms)}, "
                "the threshold in the sidebar, is silence. Check the microphone, or lower the "
                "threshold."
            )
        case Status.NO_SPEECH:
            return "There is sound, but no voice that could carry an emotion. Try another one."
        case Status.TOO_SHORT:
            return f"At least {gate.min_duration:g} seconds are needed. Record a whole sentence."
        case Status.ERROR:
            return prediction.message


def verbatim(name: str) -> str:
    r"""A name as it is, in Markdown.

    >>> print(verbatim("a_b*c.wav"))
    a\_b\*c.wav
    """
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~$:^=-])", r"\\\1", display_path(name))


def percent(share: float) -> str:
    """A share as people read it.

    >>> percent(0.725)
    '72 %'
    """
    return f"{100 * share:.0f} %"


def decibels(level: float) -> str:
    """A level of full scale 1 in dB."""
    return f"{20 * math.log10(level):.0f} dB" if level > 0 else "nothing at all"


def measured(figure: Figure) -> str:
    """A figure with its 95 % interval."""
    if figure.unit == "fraction":
        return f"{100 * figure.value:.1f} % ({100 * figure.low:.1f} to {100 * figure.high:.1f})"
    return f"{figure.value:.3g} {figure.unit} ({figure.low:.3g} to {figure.high:.3g})"


def protocol(info: ProtocolInfo) -> str:
    """How figures were measured, in a few words."""
    seeds = f", {len(info.seeds)} seeds" if len(info.seeds) > 1 else ""
    folds = f", {info.folds} fold{'s' * (info.folds > 1)}" if info.folds else ""
    said = f"{info.name}{folds}{seeds}"
    return f"{said}, optimistic: speakers overlap" if info.optimistic else said
