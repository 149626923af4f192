"""The embedding models: classifiers against oracles, students side by side against one alone."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from sottovoce.audio import Audio
from sottovoce.learn.corpora import Clip
from sottovoce.learn.data.augmentation import mu_law
from sottovoce.learn.data.clip_store import ClipWriter
from sottovoce.learn.embedding.calibrate import Confidence, Judged, Temperature, fit_temperature
from sottovoce.learn.embedding.classifiers import (
    Classifiers,
    ClassifiersSpec,
    Labels,
    Prior,
    fit_classifiers,
    profile_logits,
)
from sottovoce.learn.embedding.conditions import CONDITIONS, in_condition
from sottovoce.learn.embedding.distil import DistilSpec, Member, Teaching, Trainer
from sottovoce.learn.embedding.graph import Affine, ProfiledModel
from sottovoce.learn.embedding.judge import FoldJudgement, adapted_recalls, judge
from sottovoce.learn.embedding.logistic import (
    Points,
    balanced_weights,
    fit_logistic,
    logits_of,
)
from sottovoce.learn.embedding.sound import Changes, ChangesSpec, at_speed
from sottovoce.learn.embedding.speech import Speech, label_index, mirrored
from sottovoce.learn.embedding.teacher import Basis
from sottovoce.learn.frontends.logmel import LogMel, LogMelOptions
from sottovoce.learn.networks.resnet1d import ResNet1d, ResNet1dOptions
from sottovoce.models.card import WindowPolicy

LABELS = ("neutral", "happy", "sad")
WINDOW = WindowPolicy(trim="none", margin=0.2, grid=0.25, min=0.5, max=30.0)


def drawn(count: int = 400, size: int = 6, seed: int = 0) -> Points:
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(3, (count,), generator=generator)
    centres = torch.randn(3, size, generator=generator)
    inputs = centres[targets] + torch.randn(count, size, generator=generator)
    return Points(inputs, targets, torch.ones(count, 3, dtype=torch.bool), torch.ones(count))


def test_logistic_regression_is_scikit_learn_s() -> None:
    points, strength = drawn(), 0.05
    oracle = LogisticRegression(C=1 / (strength * len(points.targets)), tol=1e-8, max_iter=5000)
    oracle.fit(points.inputs.double().numpy(), points.targets.numpy())
    weights = fit_logistic(points, strength)
    found = torch.softmax(logits_of(points.inputs, weights), dim=1).numpy()
    np.testing.assert_allclose(
        found, oracle.predict_proba(points.inputs.double().numpy()), atol=2e-3
    )


def test_an_emotion_that_a_corpus_does_not_have_is_no_counter_example_there() -> None:
    points = drawn()
    only = torch.tensor([True, True, False])
    rows = points.targets < 2
    without = Points(
        points.inputs[rows],
        points.targets[rows],
        only.expand(int(rows.sum()), 3),
        points.weights[rows],
    )
    alone, joined = fit_logistic(points, 0.05), fit_logistic(Points.joined(points, without), 0.05)
    mistaken = Points(
        without.inputs, without.targets, ~torch.zeros_like(without.allowed), without.weights
    )
    as_counter = fit_logistic(Points.joined(points, mistaken), 0.05)

    def third(weights: torch.Tensor) -> float:
        return float(torch.softmax(logits_of(points.inputs, weights), 1)[:, 2].mean())

    assert abs(third(joined) - third(alone)) < 0.25 * abs(third(as_counter) - third(alone))


def test_corpora_and_emotions_count_alike() -> None:
    corpora = torch.tensor([0] * 90 + [1] * 10)
    targets = torch.tensor([0] * 80 + [1] * 10 + [0] * 5 + [1] * 5)
    weights = balanced_weights(corpora, targets)
    sums = [float(weights[(corpora == c) & (targets == t)].sum()) for c in (0, 1) for t in (0, 1)]
    assert sums == pytest.approx([25] * 4, rel=1e-4)


def labelled(count: int, speakers: int, seed: int = 0) -> tuple[torch.Tensor, Labels]:
    """Embeddings in which speakers differ more than emotions do."""
    generator = torch.Generator().manual_seed(seed)
    voices = 4 * torch.randn(speakers, 8, generator=generator)
    moods = 2 * torch.randn(3, 8, generator=torch.Generator().manual_seed(99))
    speaker = torch.arange(count) % speakers
    targets = torch.randint(3, (count,), generator=generator)
    embedding = voices[speaker] + moods[targets] + 0.3 * torch.randn(count, 8, generator=generator)
    everything = torch.ones(count, 3, dtype=torch.bool)
    labels = Labels(
        targets, torch.zeros(count, dtype=torch.long), speaker, everything, targets == 0
    )
    return embedding, labels


def recall(logits: np.ndarray, labels: Labels) -> float:
    return float((logits.argmax(axis=1) == labels.targets.numpy()).mean())


def test_profiles_tell_strangers_moods_from_their_voices() -> None:
    embedding, labels = labelled(600, 20)
    classifiers = fit_classifiers([embedding], labels, ClassifiersSpec(strength=0.01))
    strangers, theirs = labelled(300, 6, seed=5)
    said = judge(classifiers, strangers, theirs)
    recalls = {
        way: np.mean([recall(draw, theirs) for draw in draws]) for way, draws in said.items()
    }
    assert recalls["mixed-16"] > recalls["none"] + 0.1
    assert recalls["mixed-16"] > 0.9
    assert recalls["normal-4"] > recalls["none"] + 0.1
    assert recalls["mixed-1"] > recalls["none"] - 0.1  # one recording does not ruin an answer


def test_adapting_learns_a_voice_whose_moods_sound_otherwise_than_those_that_were_learned() -> None:
    classifiers = fit_classifiers([labelled(600, 30)[0]], labelled(600, 30)[1], ClassifiersSpec())
    embedding, labels = labelled(90, 3, seed=5)
    turned = embedding - 2 * (embedding - embedding.mean(dim=0))
    recalls = adapted_recalls(classifiers, turned, labels)
    assert recalls.shape == (3, 3)
    assert (recalls[:, 2] > recalls[:, :2].max(axis=1) + 0.2).all()
    assert not len(adapted_recalls(classifiers, embedding, labels, count=30))


def test_shuffled_labels_are_learned_as_chance() -> None:
    embedding, labels = labelled(600, 20)
    strangers, theirs = labelled(600, 12, seed=5)
    recalls = []
    for seed in range(8):
        order = torch.randperm(600, generator=torch.Generator().manual_seed(seed))
        targets, neutral = labels.targets[order], labels.neutral[order]
        shuffled = Labels(targets, labels.corpora, labels.speakers, labels.allowed, neutral)
        classifiers = fit_classifiers([embedding], shuffled, ClassifiersSpec(strength=0.01))
        said = judge(classifiers, strangers, theirs)
        recalls.append([recall(said[way][0], theirs) for way in ("none", "mixed-16", "normal-2")])
    np.testing.assert_allclose(np.mean(recalls, axis=0), 1 / 3, atol=0.1)


def test_a_baseline_goes_from_the_centre_to_the_mean() -> None:
    embedding, labels = labelled(600, 20)
    groups = [torch.nonzero(labels.speakers == s)[:, 0] for s in range(20)]
    prior = Prior.fit(embedding, groups)
    mean = torch.ones(8)
    near, far = (prior.baseline(mean, torch.tensor(n)) for n in (0.0, 1e9))
    torch.testing.assert_close(near, prior.centre)
    torch.testing.assert_close(far, mean)
    assert (prior.shrinkage > 0).all()
    assert float(prior.shrinkage.median()) < 1  # voices differ more than recordings of one do


def test_judgements_survive_their_file(tmp_path: Path) -> None:
    logits = {"none": np.random.default_rng(0).normal(size=(1, 4, 3)).astype(np.float32)}
    made = FoldJudgement(
        np.array(list("abcd")),
        np.arange(4),
        np.array(["x"] * 4),
        np.array([""] * 4),
        np.ones(4, np.float32),
        logits,
    )
    made.write(tmp_path / "fold.npz")
    found = FoldJudgement.read(tmp_path / "fold.npz")
    assert found.clips.tolist() == list("abcd")
    np.testing.assert_allclose(found.logits["none"], logits["none"], atol=2e-3)


def test_confidence_falls_where_clips_are_unlike_those_that_were_learned() -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(3, size=4000)
    near = 4.0 * np.eye(3)[truth] + 1.5 * generator.normal(size=(4000, 3))
    far = 4.0 * np.eye(3)[generator.integers(3, size=4000)] + generator.normal(size=(4000, 3))
    clear, guessed = Judged(near, np.full(4000, 1.0), truth), Judged(far, np.full(4000, 2.0), truth)
    temperature = fit_temperature([clear, guessed])
    assert 0.2 < temperature.usual < 2
    assert temperature.slope > 1.5
    for judged in (clear, guessed):
        scaled = judged.logits / temperature.of(judged.distance)[:, None]
        confidence = softmax(scaled, axis=1).max(axis=1).mean()
        right = np.mean(judged.logits.argmax(axis=1) == truth)
        assert confidence == pytest.approx(right, abs=0.05)
    near_by = Judged(far, np.full(4000, 0.5), truth)
    assert fit_temperature([clear, near_by]).slope == 0  # it never falls with the distance


def test_a_temperature_is_the_usual_one_at_the_distance_of_what_was_learned() -> None:
    found = Temperature(2.0, 3.0).of(np.array([0.5, 1.0, 1.5]))
    np.testing.assert_allclose(found, 2 * np.exp([-1.5, 0, 1.5]))


def test_principal_components_are_those_of_an_exact_decomposition() -> None:
    features = torch.randn(300, 40, generator=torch.Generator().manual_seed(0))
    features = features * torch.linspace(3, 0.1, 40) + 5
    basis = Basis.fit(features, 10)
    standardised = (features - features.mean(0)) / features.std(0)
    exact = torch.linalg.svd(standardised, full_matrices=False).S[:10].square() / 300
    torch.testing.assert_close(basis.variances, exact, rtol=1e-3, atol=1e-4)
    projected = basis.project(features, 1.0)
    torch.testing.assert_close(projected.square().mean(0), torch.ones(10), rtol=1e-2, atol=1e-2)


@pytest.fixture(scope="module")
def speech() -> Speech:
    generator = np.random.default_rng(0)
    writer = ClipWriter(16_000)
    clips, digests = [], []
    for number in range(12):
        digest = f"made{number:060d}"
        samples = 0.1 * generator.normal(size=(1, 10_000 + 1000 * number)).astype(np.float32)
        writer.add(digest, Audio(samples, 16_000))
        digests.append(digest)
        emotion = ("neutral", "calm", "happy", "sad")[number % 4]
        clips.append(Clip(Path(f"{number}.wav"), "made", f"made/{number % 3}", "", emotion))
    store = writer.store([clip.part for clip in clips], digests)
    return Speech.of(clips, store, LABELS, WINDOW, torch.device("cpu"))


def test_calm_is_neutral_where_it_is_no_label_of_its_own(speech: Speech) -> None:
    assert speech.targets.tolist()[:4] == [0, 0, 1, 2]
    assert label_index("calm", ("neutral", "calm")) == 1
    assert label_index("bored", LABELS) == -1


def test_cuts_are_of_their_clips_and_mirrored_beyond_them(speech: Speech) -> None:
    rows = torch.tensor([0, 11])
    cuts = speech.cut(rows, 1.5, torch.Generator().manual_seed(0))
    for cut, row, start in zip(cuts.waveform, rows, cuts.starts, strict=True):
        first, length = round(float(start) * 16_000), int(speech.lengths[row])
        assert first <= 0
        assert first + len(cut) >= length or first == 0
        begin = int(speech.starts[row])
        clip = speech.samples[begin : begin + length].float() / 32767
        torch.testing.assert_close(cut[-first : -first + length], clip[: len(cut) + first])
    assert mirrored(torch.arange(8), torch.tensor(3)).tolist() == [0, 1, 2, 2, 1, 0, 0, 1]


def test_whole_clips_are_cut_as_the_listening_half_cuts_them(speech: Speech) -> None:
    from sottovoce.inference.window import pieces

    for cuts in speech.whole(range(12), WINDOW, 4):
        for waveform, row in zip(cuts.waveform, cuts.rows.tolist(), strict=True):
            begin, length = int(speech.starts[row]), int(speech.lengths[row])
            clip = speech.samples[begin : begin + length].float().numpy() / 32767
            (piece,) = pieces(Audio(clip[None], 16_000), WINDOW, None)
            np.testing.assert_allclose(waveform.numpy(), piece, atol=1e-6)


def test_conditions_change_the_clips_that_are_asked_for_and_by_as_much_as_they_say(
    speech: Speech,
) -> None:
    noise = [np.random.default_rng(0).normal(0, 0.1, 20_000).astype(np.float32)]

    def clip(of: Speech, row: int) -> np.ndarray:
        start, length = int(of.starts[row]), int(of.lengths[row])
        return of.samples[start : start + length].double().numpy()

    for way in CONDITIONS:
        changed = in_condition(speech, [1], way, noise)
        np.testing.assert_array_equal(clip(changed, 0), clip(speech, 0))
        assert np.abs(clip(changed, 1) - clip(speech, 1)).max() > 1
    quiet = in_condition(speech, [1], "sound-minus20", noise)
    np.testing.assert_allclose(clip(quiet, 1), clip(speech, 1) / 10, rtol=1e-4, atol=1e-3)
    noisy = clip(in_condition(speech, [1], "sound-noise10", noise), 1) - clip(speech, 1)
    ratio = np.square(clip(speech, 1)).mean() / np.square(noisy).mean()
    assert 10 * np.log10(ratio) == pytest.approx(10, abs=0.05)


def test_students_side_by_side_are_what_each_is_alone(speech: Speech) -> None:
    options = ResNet1dOptions(widths=(8, 16), blocks=(1, 1), embedding=8, attention=4, dropout=0.0)
    count = len(speech.clips)
    teaching = Teaching(
        torch.randn(1, count, 5),
        torch.randn(count * 4, 3),
        torch.arange(count) * 4,
        torch.full((count,), 4),
        12.5,
    )
    some = torch.arange(count) % 3 != 0

    def trained(members: list[Member]) -> Trainer:
        trainer = Trainer(
            speech,
            teaching,
            members,
            LogMel(LogMelOptions(bands=16), 16_000),
            Changes(ChangesSpec(), torch.randn(2, 60_000), 16_000),
            options,
            DistilSpec(steps=3, shares={"made": 1.0}, speakers=2, clips=4),
            0,
            0,
        )
        trainer.run(lambda line: None)
        return trainer

    first, second = Member("a", 1, 0, torch.ones(count, dtype=torch.bool)), Member("b", 2, 0, some)
    both, alone = trained([first, second]), trained([second])
    features = both.frontend.raw(speech.cut(torch.tensor([1, 2]), 1.0, torch.Generator()).waveform)
    together = both.embed_features(features)
    torch.testing.assert_close(together[1], alone.embed_features(features)[0], rtol=5e-3, atol=2e-3)
    network = both.network(1)
    torch.testing.assert_close(together[1], network.hear(features).embedding, rtol=1e-3, atol=1e-4)
    assert both.embed(range(count), WINDOW).shape == (2, count, 8)


def test_a_student_learns_nothing_from_clips_that_it_may_not_hear(speech: Speech) -> None:
    options = ResNet1dOptions(widths=(8,), blocks=(1,), embedding=8, attention=4)
    count = len(speech.clips)

    def weights(pooled: torch.Tensor) -> torch.Tensor:
        teaching = Teaching(
            pooled[None], torch.zeros(count, 2), torch.arange(count), torch.ones(count).long(), 12.5
        )
        learns = speech.speakers != 0
        trainer = Trainer(
            speech,
            teaching,
            [Member("a", 1, 0, learns)],
            LogMel(LogMelOptions(bands=16), 16_000),
            Changes(ChangesSpec(), None, 16_000),
            options,
            DistilSpec(steps=3, shares={"made": 1.0}, speakers=3, clips=4, labels=0.0),
            0,
            0,
        )
        trainer.run(lambda line: None)
        return trainer.weights["network.embed.weight"]

    pooled = torch.randn(count, 5)
    changed = torch.where((speech.speakers == 0)[:, None], pooled + 100, pooled)
    torch.testing.assert_close(weights(pooled), weights(changed))


def test_changes_keep_shape_and_stay_finite() -> None:
    waveform = 0.1 * torch.randn(6, 16_000)
    changes = Changes(
        ChangesSpec(room=1, noise=1, low_pass=1, telephone=1), torch.randn(3, 40_000), 16_000
    )
    changed = changes.of_waveforms(waveform, torch.Generator().manual_seed(0))
    assert changed.shape == waveform.shape
    assert changed.isfinite().all()
    assert not torch.allclose(changed, waveform)
    time = torch.arange(16_000) / 16_000
    tone = torch.sin(2 * torch.pi * 500 * time)[None]
    faster = at_speed(tone, 1.25)
    assert faster.shape[1] == 12_800
    spectrum = torch.fft.rfft(faster[0]).abs()
    assert int(spectrum.argmax()) * 16_000 / 12_800 == pytest.approx(625)
    companded = mu_law(tone)
    assert 1e-4 < float((companded - tone).square().mean() / tone.square().mean()) < 1e-2


def test_the_graph_takes_a_baseline_of_its_kind_and_is_less_sure_far_from_what_was_learned() -> (
    None
):
    weights = torch.randn(3, 5, 3, generator=torch.Generator().manual_seed(0))
    prior = Prior(torch.zeros(4), torch.ones(4))
    temperatures = (Temperature(1.0, 3.0), Temperature(2.0, 0.0), Temperature(0.5, 1.0))
    confidence = Confidence(temperatures, torch.zeros(4), torch.ones(4))
    embed = Affine(torch.eye(4), torch.zeros(4))
    model = ProfiledModel(embed, Classifiers(weights, prior, prior), confidence)
    embedding = 0.5 * torch.ones(3, 4)
    baseline = torch.randn(3, 4)
    found, given = model(embedding, baseline, torch.tensor([0, 1, 2]))
    torch.testing.assert_close(given, embedding)
    for kind, temperature in enumerate(confidence.temperatures):
        inputs = embedding[kind] - (baseline[kind] if kind else 0)
        logits = inputs @ weights[kind, :-1] + weights[kind, -1]
        scaled = logits / float(temperature.of(np.array(0.5)))
        torch.testing.assert_close(found[kind], torch.softmax(scaled, 0))
    np.testing.assert_allclose(float(confidence.distance(torch.full((1, 4), 3.0))), 3)


def test_a_network_gives_embeddings_of_any_length() -> None:
    network = ResNet1d(ResNet1dOptions(widths=(8, 16), blocks=(1, 1), embedding=8), 16, 3).eval()
    for frames in (40, 41, 300):
        heard = network.hear(torch.randn(2, 16, frames))
        assert heard.embedding.shape == (2, 8)
        assert heard.frames.shape[1] == math.ceil(math.ceil(frames / 2) / 2)
    assert network(torch.randn(2, 16, 50)).shape == (2, 3)


def test_logits_with_a_profile_are_of_the_rows_that_it_judges() -> None:
    embedding, labels = labelled(40, 4)
    classifiers = fit_classifiers([embedding], labels, ClassifiersSpec())
    rows = [torch.nonzero(labels.speakers == s)[:, 0] for s in range(4)]
    together = profile_logits(classifiers, embedding, labels.allowed, 2, [(r, r) for r in rows])
    alone = profile_logits(
        classifiers,
        embedding[rows[2]],
        labels.allowed[rows[2]],
        2,
        [(torch.arange(10), torch.arange(10))],
    )
    torch.testing.assert_close(together[rows[2]], alone)
