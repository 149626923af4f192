"""Evaluating a model counts clips without an answer, and warns of speakers it was trained on."""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from sottovoce.errors import CorpusError
from sottovoce.learn.corpora import Clip, CorpusScan
from sottovoce.learn.evaluate.evaluate_model import NO_ANSWER, ModelEvaluation, evaluate_model
from sottovoce.learn.evaluate.metrics import compute_metrics
from sottovoce.models.card import speaker_hash
from sottovoce.results import Prediction, Status

LABELS = ("happy", "sad")
FOLDER = Path("corpora/made")


class Oracle:
    """A model that reads its answer in the file's name: h, s, or silence for anything else."""

    labels = LABELS
    card = SimpleNamespace(
        title="oracle 1.0",
        corpora=(
            SimpleNamespace(
                name="known", speaker_hashes=(speaker_hash("known/a"), speaker_hash("known/b"))
            ),
        ),
    )

    def predict_many(self, paths: Iterable[Path]) -> Iterator[Prediction]:
        for path in paths:
            if path.stem[-1] not in "hs":
                yield Prediction(status=Status.SILENCE, model="oracle 1.0", source=str(path))
                continue
            happy = 0.75 if path.stem[-1] == "h" else 0.25
            yield Prediction(
                status=Status.UNCERTAIN,
                model="oracle 1.0",
                emotion="happy" if happy > 0.5 else "sad",
                confidence=0.75,
                probabilities={"happy": happy, "sad": 1 - happy},
            )


def scanned(*clips: tuple[str, str], corpus: str = "made") -> CorpusScan:
    made = tuple(
        Clip(
            FOLDER / f"{name}.wav",
            corpus,
            f"{corpus}/{name[0]}",
            "",
            emotion,
            name=f"{corpus}/{name}.wav",
        )
        for name, emotion in clips
    )
    return CorpusScan(corpus, FOLDER, made, ())


def run(*scans: CorpusScan) -> ModelEvaluation:
    return evaluate_model(Oracle(), scans)  # type: ignore[arg-type]


CLIPS = (("a1h", "happy"), ("a2s", "sad"), ("b/1h", "sad"), ("b2-", "sad"), ("b3h", "angry"))


def test_refused_clips_are_left_out_of_the_figures_and_count_as_errors_with_the_gate() -> None:
    evaluation = run(scanned(*CLIPS))
    assert evaluation.refused == {"silence": 1}
    assert evaluation.answered.labels == LABELS
    assert list(evaluation.answered.clips) == ["made/a1h.wav", "made/a2s.wav", "made/b/1h.wav"]
    assert compute_metrics(evaluation.answered)["recall_sad"] == pytest.approx(1 / 2)
    assert evaluation.with_gate.labels == (*LABELS, NO_ANSWER)
    with_gate = compute_metrics(evaluation.with_gate)
    assert with_gate["recall_sad"] == pytest.approx(1 / 3)
    assert with_gate["uar"] == pytest.approx((1 + 1 / 3) / 2)
    assert with_gate["accuracy"] == pytest.approx(2 / 4)
    assert "1 of 4 clips got no answer (silence 1)" in " ".join(evaluation.warnings)


def test_the_probabilities_are_those_of_the_model() -> None:
    evaluation = run(scanned(*CLIPS))
    assert evaluation.answered.probabilities[0] == pytest.approx([0.75, 0.25])
    assert evaluation.answered.probabilities[1] == pytest.approx([0.25, 0.75])


def test_emotions_that_the_model_does_not_know_are_left_out_and_named() -> None:
    evaluation = run(scanned(*CLIPS))
    assert evaluation.unknown == {"angry": 1}
    assert any("1 clips were left out" in w and "angry 1" in w for w in evaluation.warnings)


def test_speakers_that_the_model_was_trained_on_are_counted() -> None:
    assert run(scanned(*CLIPS)).shared_speakers == 0
    some = run(scanned(*CLIPS), scanned(*CLIPS, corpus="known"))
    assert some.shared_speakers == 2
    assert some.warnings[0] == (
        "This model was trained on 2 of the 4 speakers of these clips: the figures do not say how "
        "new speakers fare."
    )
    every = run(scanned(*CLIPS, corpus="known"))
    assert every.warnings[0] == (
        "This model was trained on all of the 2 speakers of these clips: the figures do not say "
        "how new speakers fare."
    )


def test_another_corpus_of_the_same_people_is_noticed_and_another_of_the_same_name_is_not() -> None:
    song = scanned(*CLIPS, corpus="known")
    song = dataclasses.replace(song, corpus="known-song")
    assert run(song).shared_speakers == 2
    others = scanned(("c1h", "happy"), ("d1s", "sad"), corpus="known")
    assert run(others).shared_speakers == 0


def test_unknown_speakers_are_nobody_that_the_model_was_trained_on() -> None:
    scan = scanned(*CLIPS, corpus="known")
    nobody = tuple(dataclasses.replace(clip, speaker="known/unknown") for clip in scan.clips)
    evaluation = run(dataclasses.replace(scan, clips=nobody))
    assert evaluation.shared_speakers == 0
    assert evaluation.answered.num_speakers == 0


def test_nothing_to_warn_of_is_no_warning() -> None:
    assert run(scanned(*CLIPS[:3])).warnings == ()


def test_a_corpus_without_a_known_emotion_or_an_answer_is_an_error() -> None:
    with pytest.raises(CorpusError, match=r"made: no clip with an emotion that oracle 1\.0 knows"):
        run(scanned(("a1h", "angry")))
    with pytest.raises(CorpusError, match=r"none of 2 clips got an answer \(silence 2\)"):
        run(scanned(("a1-", "happy"), ("b1-", "sad")))
