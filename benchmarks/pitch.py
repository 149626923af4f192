"""How far the front end `f0` agrees with librosa's pyin and with Praat, and what each costs.

    python benchmarks/pitch.py --data ravdess=DIR --data tess=DIR --data nemo=DIR

All three look for 65 to 800 Hz at the same moments, every 32 ms of a clip at 16 kHz; the rest is
each one's own default. Needs librosa and praat-parselmouth.
"""

import argparse
import itertools
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import librosa
import numpy as np
import parselmouth
import torch
from frontends import clip, conditions, ours, turns
from numpy.typing import NDArray
from speed import ROOT
from threadpoolctl import threadpool_limits

from sottovoce import Audio, SottovoceError
from sottovoce.cli._corpus_options import parse_data
from sottovoce.learn.corpora import Clip, scan
from sottovoce.learn.frontends.pitch import F0, PitchOptions

RATE, HOP = 16_000, 512
LOW, HIGH = 65.0, 800.0
GROSS, NEAR = 0.2, 0.1
"""Relative difference of an octave error or the like; and up to which two agree."""

TRIO = ("f0", "pyin", "Praat")
"""The trackers that are compared; the others stand in the third table alone."""

TUNED_ON = tuple(f"ravdess/{actor:02d}" for actor in range(1, 13))
"""The speakers on whom variants of `f0` were compared; TESS and nEMO were looked at too."""

LEVELS = (0, -10, -30, -50, -200)
"""dB of the loudest frame of a clip: the bounds of the rows of the third table."""

Track = NDArray[np.float64]
"""(frames,) F0 in Hz, 0 where there is no voice."""

Tracker = Callable[[NDArray[np.float32]], Track]


@dataclass(frozen=True)
class Heard:
    """What each tracker says of the frames of some clips, one after the other."""

    tracks: Mapping[str, Track]
    level: Track
    """dB of the loudest frame of the clip."""


def front_end(options: PitchOptions) -> Tracker:
    """Give the front end."""
    module = F0(options, RATE).eval()

    def track(samples: NDArray[np.float32]) -> Track:
        with torch.inference_mode():
            return module(torch.from_numpy(samples)[None])[0, 0].double().numpy()

    return track


def pyin(samples: NDArray[np.float32]) -> Track:
    """Mauch and Dixon's (2014), a hidden Markov model over candidates of YIN."""
    found, voiced, _ = librosa.pyin(samples, sr=RATE, fmin=LOW, fmax=HIGH, hop_length=HOP)
    return np.where(voiced, found, 0.0)


def praat(samples: NDArray[np.float32], silence: float = 0.03) -> Track:
    """Boersma's (1993) with the search for a path, four times as often, then at our moments.

    `silence` is the share of the clip's largest amplitude below which Praat assumes no voice.
    """
    sound = parselmouth.Sound(samples.astype(np.float64), RATE)
    found = sound.to_pitch_ac(
        time_step=HOP / RATE / 4, pitch_floor=LOW, pitch_ceiling=HIGH, silence_threshold=silence
    )
    times = np.arange(samples.size // HOP + 1) * HOP / RATE
    return np.nan_to_num([found.get_value_at_time(moment) for moment in times])


def main() -> int:
    """Run the command line: 0 done, 2 something is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", action="append", default=[], metavar="NAME=DIR",
                        help="a corpus and its folder; may be given several times")  # fmt: skip
    parser.add_argument("--clips", type=int, default=100, help="clips of each group of speakers")
    for key in ("frame", "voicing", "silence"):
        default = getattr(PitchOptions(), key)
        parser.add_argument(f"--{key}", type=type(default), default=default, help="option of f0")
    parser.add_argument("--runs", type=int, default=30, help="times that each is timed")
    parser.add_argument("--clip", type=Path, default=ROOT / "samples" / "lively-voice.wav",
                        help="recording to make the timed clip of 4 s from")  # fmt: skip
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module="librosa")
    torch.set_num_threads(1)
    print(f"{conditions()}, Praat {parselmouth.PRAAT_VERSION}\n")
    settings = PitchOptions(lowest=LOW, highest=HIGH, frame=options.frame,
                            voicing=options.voicing, silence=options.silence)  # fmt: skip
    trackers = {"f0": front_end(settings), "pyin": pyin, "Praat": praat,
                "Praat, any level": partial(praat, silence=0.0)}  # fmt: skip
    try:
        with threadpool_limits(1):
            heard = {
                f"{title} ({len(clips)})": hear(trackers, clips)
                for title, clips in groups(options.data, options.clips).items()
            }
            if heard:
                show(heard)
            show_time(settings, clip(options.clip, RATE), options.runs)
    except SottovoceError as error:
        print(f"pitch.py: {error}", file=sys.stderr)
        return 2
    return 0


def groups(data: Sequence[str], count: int) -> dict[str, list[Clip]]:
    """Give `count` clips of each corpus, spread evenly; of each half of RAVDESS's speakers."""
    found: dict[str, list[Clip]] = {}
    for name, folder in parse_data(data).items():
        for each in scan(name, folder).clips:
            half = ", tuned on" if each.speaker in TUNED_ON else ", others"
            found.setdefault(name + half * (name == "ravdess"), []).append(each)
    return {
        title: [
            clips[i] for i in np.linspace(0, len(clips) - 1, min(count, len(clips))).astype(int)
        ]
        for title, clips in found.items()
    }


def hear(trackers: Mapping[str, Tracker], clips: Sequence[Clip]) -> Heard:
    """Let every tracker hear every clip."""
    tracks: dict[str, list[Track]] = {name: [] for name in trackers}
    levels = []
    for each in clips:
        samples = Audio.read(each.path, sample_rate=RATE).samples[0].copy()
        for name, track in trackers.items():
            tracks[name].append(track(samples))
        loudness = librosa.feature.rms(y=samples, hop_length=HOP)[0]
        levels.append(20 * np.log10(np.maximum(loudness, 1e-9) / loudness.max()))
    return Heard({name: np.concatenate(each) for name, each in tracks.items()},
                 np.concatenate(levels))  # fmt: skip


def show(heard: Mapping[str, Heard]) -> None:
    """Print who agrees with whom, and who hears a voice how far below the loudest frame."""
    columns = ["both", "first alone", "second alone", "voicing error", "gross error", "cents"]
    rows = [
        [title, f"{first}, {second}", *agreement(one.tracks[first], one.tracks[second])]
        for title, one in heard.items()
        for first, second in itertools.combinations(TRIO, 2)
    ]
    table(["clips", "of whom", *columns], rows)
    rows = [[title, *judged(*(one.tracks[name] for name in TRIO))] for title, one in heard.items()]
    table(
        ["where pyin and Praat agree", "voices missed", "gross error", "voiced where neither is"],
        rows,
    )
    rows = []
    for title, one in heard.items():
        for high, low in itertools.pairwise(LEVELS):
            here = (one.level <= high) & (one.level > low)
            shares = [percent(here), *(percent(track[here] > 0) for track in one.tracks.values())]
            rows.append([title, f"{high} to {low} dB", *shares])
    names = next(iter(heard.values())).tracks
    table(["called voiced", "level", "share of frames", *names], rows)


def agreement(first: Track, second: Track) -> list[str]:
    """Compare two trackers, frame by frame.

    Shares of all frames that both, only one, and only the other call voiced, and of all on which
    they differ; then of those that both do: share of gross errors, and median of the others'
    distance in cents.
    """
    one, two = first > 0, second > 0
    ratio = first[one & two] / second[one & two]
    gross = np.abs(ratio - 1) > GROSS
    cents = 1200 * np.abs(np.log2(ratio[~gross]))
    shares = [percent(each) for each in (one & two, one & ~two, two & ~one, one ^ two)]
    return [*shares, percent(gross), f"{np.median(cents):.1f}"]


def judged(f0: Track, pyin: Track, praat: Track) -> list[str]:
    """Hold `f0` against what the two others agree on.

    Share of the frames with a voice of the same height in which it hears none, share of gross
    errors in the others, and share of the frames that neither calls voiced in which it hears one.
    """
    voice = (pyin > 0) & (np.abs(praat - pyin) <= NEAR * pyin)
    heard = voice & (f0 > 0)
    gross = np.abs(f0[heard] / pyin[heard] - 1) > GROSS
    none = (pyin == 0) & (praat == 0)
    return [percent(f0[voice] == 0), percent(gross), percent(f0[none] > 0)]


def show_time(settings: PitchOptions, waveform: NDArray[np.float32], runs: int) -> None:
    """Time each on one clip, in turns, and print the table."""
    module = F0(settings, RATE).eval()
    sound = parselmouth.Sound(waveform[0].astype(np.float64), RATE)
    took = turns(
        {
            **{f"f0 in {name}": call for name, call in ours(module, waveform).items()},
            "Praat": lambda: sound.to_pitch_ac(
                time_step=HOP / RATE, pitch_floor=LOW, pitch_ceiling=HIGH
            ),
            "librosa's yin": lambda: librosa.yin(
                waveform[0], sr=RATE, fmin=LOW, fmax=HIGH, hop_length=HOP
            ),
            "librosa's pyin": lambda: pyin(waveform[0]),
        },
        runs,
    )
    base = next(iter(took.values()))
    rows = [[name, f"{each:.2f}", f"{each / base:.1f}"] for name, each in took.items()]
    table(["4 s, one thread", "ms", "ratio"], rows)


def percent(which: NDArray[np.bool_]) -> str:
    """Give the share of what is true, in percent."""
    return f"{100 * which.mean():.1f} %" if which.size else ""


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    print(f"| {' | '.join(header)} |\n|{'---|' * len(header)}")
    print("\n".join(f"| {' | '.join(row)} |" for row in rows), "\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
