"""An audit finds what is wrong with a model that is wrong in a known way, and nothing else."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

import sottovoce
from sottovoce.audio import Audio
from sottovoce.audio.parts import AudioPart
from sottovoce.learn.corpora import Clip, CorpusScan, scan
from sottovoce.learn.data.clip_store import ClipStore
from sottovoce.learn.evaluate.audit.audit import SPEAKER_CLIPS, audit, subset
from sottovoce.learn.evaluate.audit.changes import CHANGES
from sottovoce.learn.evaluate.audit.requirements import Audit, Requirement, Verdict
from sottovoce.models.card import speaker_hash
from sottovoce.results import Prediction, Status

RATE = 16_000
LABELS = ("neutral", "angry", "happy")
PITCH = {("male", "neutral"): 110, ("male", "angry"): 130}
PITCH |= {("female", "neutral"): 210, ("female", "angry"): 240}
"""Hz; who speaks and how can be heard from the tone."""

Rule = Callable[[int, Audio], str]
"""(Hz of the tone, sound) -> the emotion, "" for no answer."""


class Listener:
    """A model that hears the pitch of a tone and answers by a rule."""

    labels = LABELS

    def __init__(self, rule: Rule, trained_on: tuple[str, ...] = (), rate: int = RATE) -> None:
        self.rule = rule
        hashes = tuple(map(speaker_hash, trained_on))
        corpora = (SimpleNamespace(name="made", speaker_hashes=hashes),)
        self.card = SimpleNamespace(title="listener 1", corpora=corpora, sample_rate=rate)

    def predict_many(self, sources: Iterable[Audio]) -> Iterator[Prediction]:
        for audio in sources:
            spectrum = np.abs(np.fft.rfft(audio.samples[0], 2 * RATE))
            heard = int(spectrum[200:600].argmax() + 200) * audio.sample_rate // (2 * RATE)
            emotion = self.rule(min(PITCH.values(), key=lambda hertz: abs(hertz - heard)), audio)
            if not emotion:
                yield Prediction(status=Status.SILENCE, model="listener 1")
                continue
            rest = {label: float(label == emotion) for label in LABELS}
            yield Prediction(
                status=Status.OK,
                model="listener 1",
                emotion=emotion,
                confidence=1.0,
                probabilities=rest,
            )


def right(hertz: int, audio: Audio) -> str:
    return next(emotion for (_, emotion), pitch in PITCH.items() if pitch == hertz)


def corpus(folder: Path, name: str = "made", language: str = "en", **more: int) -> CorpusScan:
    """Tones of three men and three women, two of each emotion by each; `more` by sex, of angry."""
    clips = []
    for sex, emotion in PITCH:
        count = more.get(sex, 2) if emotion == "angry" else 2
        for number in range(3 * count):
            speaker = f"{name}/{sex}{number % 3}"
            path = folder / f"{name}-{sex}-{emotion}-{number}.wav"
            time = np.arange(RATE // 2 + 400 * number) / RATE
            soundfile.write(path, 0.3 * np.sin(2 * np.pi * PITCH[sex, emotion] * time), RATE)
            clip = Clip(path, name, speaker, sex, emotion, language=language, digest=path.stem)
            clips.append(dataclasses.replace(clip, name=f"{name}/{path.name}"))
    return CorpusScan(name, folder, tuple(clips), ())


def run(rule: Rule, *scans: CorpusScan, trained_on: tuple[str, ...] = (), **more: object) -> Audit:
    rate = more.pop("rate", RATE)
    return audit(Listener(rule, trained_on, rate), scans, **more)  # type: ignore[arg-type]


def find(found: Audit, test: str, emotion: str = "", corpus: str = "made") -> Requirement:
    (only,) = (
        one
        for one in found.requirements
        if (one.test, one.emotion) == (test, emotion) and one.corpus in (corpus, "")
    )
    return only


def value(found: Audit, test: str, emotion: str = "", corpus: str = "made") -> float:
    figure = find(found, test, emotion, corpus).figure
    assert figure is not None
    assert figure.low <= figure.value <= figure.high
    return figure.value


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> CorpusScan:
    return corpus(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def perfect(made: CorpusScan) -> Audit:
    return run(right, made)


def test_a_model_that_is_always_right_fails_nothing(perfect: Audit) -> None:
    assert perfect.counts[Verdict.FAILED] == 0
    assert perfect.counts[Verdict.PASSED] > 40
    for test in ("UAR", "UAP", "gain, -2 to 2 dB: unchanged predictions"):
        assert value(perfect, test) == 1
        assert find(perfect, test).verdict == "passed"
    for test in ("UAR", "recall", "share of the predictions"):
        emotion = "" if test == "UAR" else "angry"
        assert value(perfect, f"sex: {test}, male less all", emotion) == 0
    assert {one.area for one in perfect.requirements} == {"correctness", "fairness", "robustness"}


def test_the_same_audit_gives_the_same_figures(perfect: Audit, made: CorpusScan) -> None:
    again = dataclasses.replace(made, clips=made.clips[::-1])
    assert sorted(map(str, run(right, again).requirements)) == sorted(
        map(str, perfect.requirements)
    )


def test_what_cannot_be_measured_is_named_with_its_reason(perfect: Audit) -> None:
    impossible = {
        one.test: one.reason for one in perfect.requirements if one.verdict is Verdict.NOT_POSSIBLE
    }
    assert all(impossible.values())
    assert {"accent", "linguistic sentiment", "speaker ranking", "recording condition"} <= set(
        impossible
    )
    assert impossible["background noise, 20 dB"].endswith("--data noise=DIR")
    assert impossible["language"].endswith("found: en 6")


def test_a_model_that_mishears_angry_women_is_unfair_by_just_that(tmp_path: Path) -> None:
    """Women have three times as many angry clips, which must not make a difference."""
    found = run(
        lambda hertz, audio: "neutral" if hertz == 240 else right(hertz, audio),
        corpus(tmp_path, female=6),
        changes=(),
    )
    recall = "sex: recall, female less all"
    assert value(found, recall, "angry") == pytest.approx(-0.5)
    assert find(found, recall, "angry").verdict == "failed"
    assert value(found, recall, "neutral") == pytest.approx(0)
    assert value(found, "sex: UAR, female less all") == pytest.approx(-0.25)
    assert value(found, "sex: UAR, male less all") == pytest.approx(0.25)
    # Of the women's two emotions all are called neutral; of all, three quarters are.
    share = "sex: share of the predictions, female less all"
    assert value(found, share, "neutral") == pytest.approx(1 - 0.75)
    precision = "sex: precision, female less all"
    assert value(found, precision, "neutral") == pytest.approx(1 / 2 - 2 / 3)
    assert value(found, "recall", "angry") == pytest.approx(6 / 24)
    assert find(found, "recall", "angry").verdict == "failed"
    assert value(found, "share of the predictions, less the true one", "angry") == pytest.approx(
        6 / 36 - 24 / 36
    )


def test_pitch_groups_are_compared_like_the_sexes(tmp_path: Path) -> None:
    found = run(
        lambda hertz, audio: "neutral" if hertz == 240 else right(hertz, audio),
        corpus(tmp_path, female=6, male=6),
        changes=(),
    )
    for score, emotion in (("UAR", ""), ("recall", "angry")):
        by_sex = value(found, f"sex: {score}, female less all", emotion)
        assert by_sex < -0.2
        assert value(found, f"pitch: {score}, high pitch less all", emotion) == by_sex


def test_a_model_that_needs_loud_sound_fails_where_it_gets_quiet_sound(made: CorpusScan) -> None:
    found = run(lambda hertz, audio: "" if audio.peak < 0.1 else right(hertz, audio), made)
    quiet = find(found, "level, -20 dB: unchanged predictions")
    assert quiet.figure is not None
    assert (quiet.figure.value, quiet.verdict) == (0, "failed")
    assert quiet.reason == "24 of 24 without an answer"
    assert value(found, "gain, -2 to 2 dB: unchanged predictions") == 1
    assert value(found, "telephone, 8 kHz mu-law: change of UAR") == 0


def test_a_model_that_is_always_wrong_is_robust_all_the_same(made: CorpusScan) -> None:
    found = run(lambda hertz, audio: "happy", made, changes=CHANGES[:1])
    assert value(found, "UAR") == value(found, "UAP") == 0
    assert value(found, f"{CHANGES[0].name}: unchanged predictions") == 1


def test_clips_without_an_answer_are_left_out_from_the_start(made: CorpusScan) -> None:
    longest = max(len(soundfile.read(clip.path)[0]) for clip in made.clips) / RATE
    found = run(
        lambda hertz, audio: "" if audio.duration >= longest else right(hertz, audio),
        made,
        changes=[one for one in CHANGES if one.name.startswith("gain")],
    )
    assert any("4 of 24 clips got no answer (silence 4)" in note for note in found.notes)
    assert value(found, "UAR") == 1
    assert find(found, "gain, -2 to 2 dB: unchanged predictions").reason == ""


def test_a_sex_with_one_speaker_is_not_compared(made: CorpusScan) -> None:
    clips = tuple(c for c in made.clips if c.sex == "male" or c.speaker.endswith("0"))
    found = run(right, dataclasses.replace(made, clips=clips), changes=())
    assert find(found, "sex").reason.endswith("found: female 1, male 3")


def test_a_model_that_hears_high_tones_is_caught_by_the_telephone_band(tmp_path: Path) -> None:
    """It calls angry whatever has power above 4 kHz: a telephone takes that away."""
    made = corpus(tmp_path)
    for clip in made.clips:
        samples, _ = soundfile.read(clip.path)
        high = 0.1 * np.sin(2 * np.pi * 6000 * np.arange(len(samples)) / RATE)
        soundfile.write(clip.path, samples + high * (clip.emotion == "angry"), RATE)

    def rule(hertz: int, audio: Audio) -> str:
        power = np.abs(np.fft.rfft(audio.samples[0]))
        return "angry" if power[len(power) // 2 :].max() > 0.1 * power.max() else "neutral"

    renamed = tuple(dataclasses.replace(c, digest=f"{c.digest}-high") for c in made.clips)
    changes = [one for one in CHANGES if one.name.startswith("telephone")]
    found = run(rule, dataclasses.replace(made, clips=renamed), changes=changes)
    assert value(found, "UAR") == 1
    assert value(found, "telephone, 8 kHz mu-law: change of UAR") == -0.5
    assert value(found, "telephone, 8 kHz mu-law: change of UAP") == 0.25 - 1
    assert value(found, "telephone, 8 kHz mu-law: unchanged predictions") == 0.5
    assert find(found, "telephone, 8 kHz mu-law: unchanged predictions").verdict == "failed"


def test_languages_are_compared_over_all_corpora(tmp_path: Path, made: CorpusScan) -> None:
    other = corpus(tmp_path, "autre", "fr")
    found = run(right, made, other, changes=())
    both = "made and autre"
    test = "language: share of the predictions, fr less all"
    assert value(found, test, "angry", both) == 0
    assert find(found, test, "angry", both).verdict == "passed"
    uar = find(found, "language: UAR, fr less all", corpus=both)
    assert uar.verdict is Verdict.NO_THRESHOLD


def test_speakers_of_the_training_are_said_in_the_notes_and_in_every_row(made: CorpusScan) -> None:
    found = run(right, made, trained_on=("made/male0", "made/female1"), clips=12, changes=())
    assert any("trained on 2 of the 6 speakers" in note for note in found.notes)
    assert all(one.trained_on for one in found.requirements if one.corpus)
    assert any(note.startswith("made: 12 of 24 clips") for note in found.notes)


def test_calm_counts_as_neutral_where_the_model_has_no_calm(made: CorpusScan) -> None:
    calm = tuple(
        dataclasses.replace(c, emotion="calm") if c.emotion == "neutral" else c for c in made.clips
    )
    found = run(right, dataclasses.replace(made, clips=calm), changes=())
    assert "made: calm counts as neutral; the model has no calm." in found.notes
    assert value(found, "recall", "neutral") == 1


def test_noise_is_taken_from_the_recordings_given(made: CorpusScan, tmp_path: Path) -> None:
    path = tmp_path / "hum.wav"
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * 240 * np.arange(2 * RATE) / RATE), RATE)
    noise = ClipStore.build([AudioPart(path)], ["hum"], RATE)

    def rule(hertz: int, audio: Audio) -> str:
        power = np.abs(np.fft.rfft(audio.samples[0], 2 * RATE)) ** 2
        return "happy" if 0.02 < power[480] / power.max() < 0.5 else right(hertz, audio)

    changes = [one for one in CHANGES if isinstance(one.apply, float)]
    found = run(rule, made, noise=noise, changes=changes)
    assert value(found, "background noise, 10 dB: unchanged predictions") < 0.5
    assert value(found, "background noise, 20 dB: unchanged predictions") > 0.9
    assert find(found, "background noise, 10 dB: unchanged predictions").threshold is None


def test_a_change_that_the_model_s_rate_does_not_allow_is_not_possible(made: CorpusScan) -> None:
    renamed = tuple(dataclasses.replace(c, digest=f"{c.digest}-8k") for c in made.clips)
    found = run(right, dataclasses.replace(made, clips=renamed), rate=8_000, changes=CHANGES[:1])
    tone = find(found, "additive tone, 5 to 7 kHz, 40 to 50 dB")
    assert tone.verdict is Verdict.NOT_POSSIBLE
    assert "at 8000 Hz expected below 4000" in tone.reason


def test_the_share_of_each_speaker_is_averaged_over_speakers(tmp_path: Path) -> None:
    count = SPEAKER_CLIPS
    clips = []
    for speaker in ("one", "two", "few"):
        for emotion in ("neutral", "angry"):
            for number in range(count - (speaker == "few")):
                path = tmp_path / f"{speaker}-{emotion}-{number}.wav"
                hertz = PITCH["male" if speaker == "one" else "female", emotion]
                time = np.arange(RATE // 4 + 10 * len(clips)) / RATE
                soundfile.write(path, 0.3 * np.sin(2 * np.pi * hertz * time), RATE)
                clip = Clip(path, "made", f"made/{speaker}", "", emotion, digest=f"avg{len(clips)}")
                clips.append(dataclasses.replace(clip, name=f"made/{path.name}"))
    rule: Rule = lambda hertz, audio: "neutral" if hertz == 240 else right(hertz, audio)  # noqa: E731
    found = run(rule, CorpusScan("made", tmp_path, tuple(clips), ()), changes=())
    test = "speaker average: error of the share of the predictions"
    # "two" calls all its clips neutral, "one" is right, "few" is left out: (0 + 1/2) / 2.
    assert value(found, test, "angry") == pytest.approx(0.25)
    assert find(found, test, "angry").verdict == "failed"


def test_a_subset_is_even_the_same_every_time_and_everything_at_0(made: CorpusScan) -> None:
    clips = made.clips
    taken = subset(clips, 12)
    assert len({(clip.speaker, clip.emotion) for clip in taken}) == 12
    assert subset(clips[::-1], 12) == taken
    assert subset(clips, 6) == taken[:6]
    assert set(subset(clips, 1000)) == set(clips)
    assert subset(clips, 0) == clips


def test_the_built_in_model_knows_the_actors_it_was_trained_on(
    ravdess: Path, tmp_path: Path
) -> None:
    for actor in ("01", "02", "03", "04"):
        for path in sorted(ravdess.rglob(f"03-01-0[1345]-01-01-01-{actor}.*")):
            (tmp_path / path.name).symlink_to(path)
    found = audit(sottovoce.load(), [scan("ravdess", tmp_path)])
    assert value(found, "UAR", corpus="ravdess") > 0.5
    assert find(found, "UAR", corpus="ravdess").trained_on
    assert value(found, "gain, -2 to 2 dB: unchanged predictions", corpus="ravdess") == 1
