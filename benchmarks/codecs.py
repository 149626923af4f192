"""What codecs and low rates cost a model, and how often a narrow band is noticed.

    python benchmarks/codecs.py --data ravdess=DIR [--model NAME]
    python benchmarks/codecs.py --band --data ravdess=DIR --data savee=DIR ...

A few clips of each speaker, with each emotion as often as it comes, go through each codec and back,
and the model judges them: UAR, the mean probability of the right emotion, and its change against
the clips as they are, with 95 % intervals from resampling speakers (of the change: in pairs). These
are clips that the models of this package were trained on: the level says nothing about strangers.
The last column: of how many clips it is said that the band is narrow.

With `--band` only that is looked at, without a model: in clips as they are, and in the same ones
after 8 kHz mu-law, again at their own rate in 16 bits, as if a telephone had been recorded.
"""

import argparse
import io
from collections.abc import Sequence

import numpy as np
import soundfile
import soxr
from changed_sound import DRAWS, Coder, Samples, clean, judged, some, uar
from numpy.typing import NDArray

import sottovoce
from sottovoce import Audio
from sottovoce.cli._corpus_options import parse_data
from sottovoce.learn.corpora import listing
from sottovoce.learn.data.degradation import mp3
from sottovoce.learn.evaluate.intervals import SpeakerDraws, percentile_interval
from sottovoce.results import WarningCode


def through_soundfile(subtype: str, rate: int, kind: str = "WAV") -> Coder:
    """One of libsndfile's codecs, at a rate in Hz."""

    def code(samples: Samples, given: int) -> tuple[Samples, int]:
        file = io.BytesIO()
        low = soxr.resample(samples, given, rate)
        soundfile.write(file, np.clip(low, -1, 1), rate, format=kind, subtype=subtype)
        file.seek(0)
        return soundfile.read(file, dtype="float32")

    return code


def through_ffmpeg(container: str, codec: str, rate: int, kbit: float) -> Coder:
    """One of FFmpeg's codecs, at a rate in Hz and so many kbit/s, as PyAV brings it."""

    def code(samples: Samples, given: int) -> tuple[Samples, int]:
        import av

        file = io.BytesIO()
        level = np.clip(32768 * soxr.resample(samples, given, rate), -32768, 32767)
        with av.open(file, "w", format=container) as output:
            track = output.add_stream(codec, rate=rate, layout="mono")
            track.bit_rate = round(1000 * kbit)
            frame = av.AudioFrame.from_ndarray(
                level.astype(np.int16)[np.newaxis], format="s16", layout="mono"
            )
            frame.sample_rate = rate
            for piece in av.AudioResampler(track.format, "mono", track.rate).resample(frame):
                output.mux(track.encode(piece))
            output.mux(track.encode(None))
        audio = Audio.read(file.getvalue())
        return audio.samples[0], audio.sample_rate

    return code


def through_mp3(kbit: float) -> Coder:
    """MP3 at 48 kHz, a constant rate of so many kbit/s."""

    def code(samples: Samples, given: int) -> tuple[Samples, int]:
        return mp3(soxr.resample(samples, given, 48_000), 48_000, kbit), 48_000

    return code


def band_alone(samples: Samples, given: int) -> tuple[Samples, int]:
    """8 kHz and back: nothing is lost but what lies above 4 kHz."""
    return soxr.resample(soxr.resample(samples, given, 8_000), 8_000, given), given


CODERS: dict[str, Coder] = {
    "as they are": clean,
    "8 kHz, uncoded, and back": band_alone,
    "mu-law, 8 kHz, 64 kbit/s": through_soundfile("ULAW", 8_000),
    "A-law, 8 kHz, 64 kbit/s": through_soundfile("ALAW", 8_000),
    "GSM full rate, 8 kHz, 13 kbit/s": through_soundfile("GSM610", 8_000),
    "G.726, 8 kHz, 32 kbit/s": through_ffmpeg("wav", "g726", 8_000, 32),
    "G.722, 16 kHz, 64 kbit/s": through_ffmpeg("wav", "g722", 16_000, 64),
    "Opus, 8 kbit/s": through_ffmpeg("ogg", "libopus", 48_000, 8),
    "Opus, 12 kbit/s": through_ffmpeg("ogg", "libopus", 48_000, 12),
    "Opus, 16 kbit/s": through_ffmpeg("ogg", "libopus", 48_000, 16),
    "Opus, 24 kbit/s": through_ffmpeg("ogg", "libopus", 48_000, 24),
    "MP3, 48 kHz, 32 kbit/s": through_mp3(32),
    "MP3, 48 kHz, 64 kbit/s": through_mp3(64),
}


def recorded_telephone(samples: Samples, given: int) -> tuple[Samples, int]:
    """8 kHz mu-law, again at the rate that it had, rounded to 16 bits."""
    line, rate = CODERS["mu-law, 8 kHz, 64 kbit/s"](samples, given)
    back = np.clip(soxr.resample(line, rate, given), -1, 1)
    return (np.round(back * 32767) / 32768).astype(np.float32), given


def is_narrow(samples: Samples, rate: int) -> bool:
    """Whether it is said that the band is narrow."""
    warnings = Audio.read((samples, rate)).warnings or ()
    return any(each.code is WarningCode.NARROW_BAND for each in warnings)


def show_bands(name: str, sound: Sequence[tuple[Samples, int]]) -> None:
    """A row of the table of bands."""
    alarms = sum(is_narrow(*each) for each in sound)
    hits = sum(is_narrow(*recorded_telephone(*each)) for each in sound)
    print(f"| {name} | {len(sound)} | {alarms} | {hits} |", flush=True)


def main() -> None:
    """Print a table for each corpus."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", action="append", required=True, help="NAME=DIR")
    parser.add_argument("--model", help="name or file; the built-in one if none")
    parser.add_argument("--clips", type=int, default=10, help="of each speaker")
    parser.add_argument("--band", action="store_true", help="look at the band alone")
    options = parser.parse_args()
    model = sottovoce.load(options.model)
    if options.band:
        print("| | clips | said to be narrow | after mu-law |\n|---|---|---|---|")
    for name, folder in parse_data(options.data).items():
        clips = some(listing(name, folder).clips, options.clips, model.labels)
        sound = []
        for clip in clips:
            audio = Audio.read(clip.path)
            sound.append((audio.samples[0], audio.sample_rate))
        if options.band:
            show_bands(name, sound)
            continue
        speakers = len({clip.speaker for clip in clips})
        print(f"\n{name}: {len(clips)} clips of {speakers} speakers, {model.card.title}\n")
        print("| | UAR | probability of the right emotion | its change | said to be narrow |")
        print("|---|---|---|---|---|")
        before: NDArray[np.float64] | None = None
        for what, code in CODERS.items():
            predictions, narrow = judged(model, clips, sound, code)
            drawn = SpeakerDraws.of(predictions, DRAWS)
            level = percentile_interval(100 * uar(predictions, drawn))
            right = np.exp(predictions.log_probabilities[np.arange(len(clips)), predictions.truth])
            figures = 100 * drawn.total(right) / drawn.total(np.ones(len(clips)))
            before = figures if before is None else before
            change = percentile_interval(figures - before)
            print(
                f"| {what} | {level.value:.1f} ({level.low:.1f} to {level.high:.1f}) | "
                f"{figures[0]:.1f} | {change.value:+.1f} ({change.low:+.1f} to {change.high:+.1f}) "
                f"| {narrow:.1%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
