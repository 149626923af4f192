"""Profiles: what they hold, how they are kept, and what they change."""

from pathlib import Path

import numpy as np
import pytest
from tiny_model import PROFILES, VOICE, write_tiny, write_tiny_profiled

from sottovoce import Audio, load
from sottovoce.errors import SottovoceError
from sottovoce.inference.profile import Profile, spread_of
from sottovoce.models.model import Model
from sottovoce.models.network import Baselines
from sottovoce.results import Segment


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return load(write_tiny_profiled(tmp_path / "profiled.onnx"))


def test_without_a_profile_the_baseline_counts_for_nothing(model: Model) -> None:
    batch = np.random.default_rng(0).normal(0, 0.1, (2, 8000)).astype(np.float32)
    far = Baselines(np.full((2, 4), 99, np.float32), np.zeros(2, np.int64))
    np.testing.assert_array_equal(model.probabilities(batch), model.probabilities(batch, far))


def test_clips_of_one_batch_may_have_different_profiles(model: Model) -> None:
    batch = np.random.default_rng(0).normal(0, 0.1, (3, 8000)).astype(np.float32)
    baseline = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    kind = np.array([0, 1, 2])
    together = model.probabilities(batch, Baselines(baseline, kind))
    for row in range(3):
        alone = Baselines(baseline[row : row + 1], kind[row : row + 1])
        np.testing.assert_allclose(
            together[row], model.probabilities(batch[row : row + 1], alone)[0], atol=1e-6
        )


def test_a_profile_is_the_mean_of_the_embeddings_less_what_few_recordings_cannot_say(
    model: Model,
) -> None:
    voice = Audio.read(VOICE)
    louder = Audio(voice.samples * 2, voice.sample_rate)
    one, two = (model.profile([source], "mixed") for source in (voice, louder))
    both = model.profile([voice, louder], "mixed")
    np.testing.assert_allclose(both.mean, (np.array(one.mean) + two.mean) / 2, rtol=1e-5)
    assert (one.recordings, both.recordings) == (1, 2)
    assert one.spread is None
    assert both.spread is not None
    assert both.seconds == pytest.approx(one.seconds + two.seconds)
    centre, shrinkage = np.array(PROFILES.mixed.centre), np.array(PROFILES.mixed.shrinkage)
    expected = (2 * np.array(both.mean) + shrinkage * centre) / (2 + shrinkage)
    np.testing.assert_allclose(both.baseline(PROFILES), expected, rtol=1e-5)


def test_a_profile_survives_its_file(model: Model, tmp_path: Path) -> None:
    profile = model.profile([VOICE], "normal")
    profile.save(tmp_path / "anna.profile")
    assert Profile.load(tmp_path / "anna.profile") == profile
    kept = model.predict(VOICE, profile=tmp_path / "anna.profile")
    assert kept == model.predict(VOICE, profile=profile)
    assert kept.probabilities != model.predict(VOICE).probabilities


def test_one_and_many_predictions_agree_with_a_profile(model: Model) -> None:
    profile = model.profile([VOICE], "mixed")
    one = model.predict(VOICE, profile=profile)
    assert list(model.predict_many([VOICE, VOICE], profile=profile)) == [one, one]


def test_a_profile_of_another_model_is_refused(model: Model, tmp_path: Path) -> None:
    other = load(write_tiny_profiled(tmp_path / "other.onnx", description="Another one."))
    profile = model.profile([VOICE])
    with pytest.raises(SottovoceError, match=r"made with tiny-profiled 1.0 .* make it again"):
        other.predict(VOICE, profile=profile)


def test_a_model_without_profiles_says_so(model: Model, tmp_path: Path) -> None:
    plain = load(write_tiny(tmp_path / "tiny.onnx"))
    with pytest.raises(SottovoceError, match=r"tiny 1.0 takes no profile"):
        plain.profile([VOICE])
    with pytest.raises(SottovoceError, match=r"tiny 1.0 takes no profile"):
        plain.predict(VOICE, profile=model.profile([VOICE]))


def test_recordings_without_speech_are_left_out_and_named(model: Model, tmp_path: Path) -> None:
    silence = Audio(np.zeros((1, 16_000), np.float32), 16_000)
    profile = model.profile([silence, VOICE, tmp_path / "missing.wav"])
    assert profile.recordings == 1
    assert "silent" in profile.left_out[0]
    assert "missing.wav" in profile.left_out[1]
    with pytest.raises(SottovoceError, match="no speech was heard in any of 1 recordings"):
        model.profile([silence])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "not a profile"),
        ("{}", "model"),
        ('{"schema_version": 2}', "schema_version"),
        ("x" * 2_000_000, "larger than"),
    ],
)
def test_a_file_that_is_no_profile_is_refused_in_one_line(
    tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "bad.profile"
    path.write_text(content)
    with pytest.raises(SottovoceError, match=said) as caught:
        Profile.load(path)
    assert "bad.profile" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_that_are_none_are_refused(model: Model) -> None:
    text = model.profile([VOICE]).to_json()
    broken = text.replace('"recordings":1.0', '"recordings":NaN')
    assert broken != text
    with pytest.raises(SottovoceError, match="not a profile"):
        Profile.from_json(broken)


def test_doubtful_profiles_are_warned_of(model: Model) -> None:
    few = model.profile([VOICE], "mixed")
    assert any("8 or more" in warning for warning in few.warnings(PROFILES))
    alike = few.model_copy(update={"recordings": 20.0, "spread": 0.01})
    assert any("one mood" in warning for warning in alike.warnings(PROFILES))
    moods = few.model_copy(update={"kind": "normal", "spread": 0.9})
    assert any("plainly" in warning for warning in moods.warnings(PROFILES))
    sound = few.model_copy(update={"recordings": 20.0, "spread": 1.0})
    assert sound.warnings(PROFILES) == ()


def segments_of(model: Model, **options: object) -> list[Segment]:
    return list(model.timeline(VOICE, hop=0.5, window=1.0, lookahead=0.25, **options))


def test_file_timeline_and_stream_agree_with_a_profile(model: Model) -> None:
    profile = model.profile([VOICE], "mixed")
    voice = Audio.read(VOICE)
    stream = model.stream(voice.sample_rate, hop=0.5, window=1.0, lookahead=0.25, profile=profile)
    fed = stream.feed(voice.samples[:, :20_000]) + stream.feed(voice.samples[:, 20_000:])
    assert fed + stream.finish() == segments_of(model, profile=profile)
    assert segments_of(model, profile=profile) != segments_of(model)


def test_a_timeline_of_one_voice_is_judged_against_all_of_it_and_a_stream_against_the_past(
    model: Model,
) -> None:
    whole = segments_of(model, same_voice=True, smoothing="off")
    with VOICE.open("rb") as file:
        again = list(
            model.timeline(
                file, hop=0.5, window=1.0, lookahead=0.25, same_voice=True, smoothing="off"
            )
        )
    assert again == whole
    assert whole != segments_of(model, smoothing="off")
    voice = Audio.read(VOICE)
    options = {"hop": 0.5, "window": 1.0, "lookahead": 0.25, "smoothing": "off"}
    stream = model.stream(voice.sample_rate, same_voice=True, **options)
    causal = stream.feed(voice.samples) + stream.finish()
    half = voice.samples.shape[1] // 2
    shorter = model.stream(voice.sample_rate, same_voice=True, **options)
    begun = shorter.feed(voice.samples[:, :half])
    assert begun == causal[: len(begun)]
    np.testing.assert_allclose(  # by its end the stream has heard what the timeline did
        list(causal[-2].probabilities.values()), list(whole[-2].probabilities.values()), atol=0.05
    )


def test_one_voice_needs_a_model_that_takes_profiles(model: Model, tmp_path: Path) -> None:
    plain = load(write_tiny(tmp_path / "tiny.onnx"))
    with pytest.raises(SottovoceError, match=r"tiny 1.0 takes no profile"):
        plain.timeline(VOICE, same_voice=True)
    with pytest.raises(SottovoceError, match="give no other"):
        model.timeline(VOICE, same_voice=True, profile=model.profile([VOICE]))


def test_the_spread_is_of_moods_and_the_same_for_a_voice_that_is_always_alike() -> None:
    generator = np.random.default_rng(0)
    one_mood = np.tile([0.7, 0.1, 0.1, 0.1], (12, 1))
    assert spread_of(one_mood) == pytest.approx(0, abs=1e-9)
    moods = np.eye(4)[np.arange(12) % 4] * 0.6 + 0.1
    noisy = np.exp(np.log(one_mood) + 0.1 * generator.normal(size=one_mood.shape))
    assert 0 < spread_of(noisy) < 0.2 < spread_of(moods)
    logs = np.log(moods) - np.log(moods).mean(axis=1, keepdims=True)
    assert spread_of(moods) == pytest.approx(np.sqrt((logs.std(axis=0, ddof=1) ** 2).mean()))
