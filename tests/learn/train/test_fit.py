"""Training learns, can be killed and go on, repeats itself, and keeps its hands off validation."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_corpus import RECIPE
from voices import CPU, examples, hush

from sottovoce.errors import RecipeError, SottovoceError
from sottovoce.learn.data import augmentation
from sottovoce.learn.data.batches import Crops, Examples, WholeClips
from sottovoce.learn.data.clip_store import ClipStore
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.train.classifier import Classifier, predict_clips
from sottovoce.learn.train.fit import FitResult, fit
from sottovoce.learn.train.history import History
from sottovoce.learn.train.lightning_module import ClassifierModule, Job


def recipe(**changes: str) -> Recipe:
    """The tiny recipe with other values for some of its keys."""
    lines = RECIPE.splitlines()
    for key, value in changes.items():
        here = [i for i, line in enumerate(lines) if line.startswith(f"{key} =")]
        if here:
            lines[here[0]] = f"{key} = {value}"
        else:
            lines.insert(lines.index("[training]") + 1, f"{key} = {value}")
    return Recipe.parse("\n".join(lines))


@pytest.fixture
def job(store: ClipStore, tmp_path: Path) -> Callable[..., Job]:
    def make(name: str = "job", seed: tuple[int, ...] = (0, 1), **changes: str) -> Job:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        return Job(
            recipe(**changes),
            "seed 0, fold 1",
            seed,
            folder,
            examples(store, 0, 32),
            examples(store, 32, 40),
        )

    return make


def answers(trained: FitResult, job: Job) -> np.ndarray:
    rows = examples(job.training.store, 40, 48)
    return predict_clips(trained.classifier, WholeClips(rows, job.recipe.window), CPU)


def test_it_learns_to_tell_two_voices_apart(job: Callable[..., Job]) -> None:
    made = job(epochs="8", ema="0.8")
    trained = fit(made, CPU, hush)
    found = answers(trained, made)
    np.testing.assert_array_equal(found.argmax(axis=1), [0, 1] * 4)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, atol=1e-6)
    losses = [row["train_loss"] for row in trained.history]
    assert losses[-1] < 0.8 * losses[0]
    assert trained.history[-1]["validation_uar"] == 1.0


@pytest.mark.parametrize("quick", [True, False])
def test_bfloat16_is_for_processors_that_are_quick_in_it(
    quick: bool, job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []
    forward = ClassifierModule.training_step

    def seen(self: ClassifierModule, batch: object, *rest: int) -> torch.Tensor:
        used.append(torch.is_autocast_enabled("cpu"))
        return forward(self, batch, *rest)

    monkeypatch.setattr(ClassifierModule, "training_step", seen)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: quick)
    said: list[str] = []
    fit(job(epochs="1", precision='"bf16"'), CPU, said.append)
    assert set(used) == {quick}
    assert any("slow in bfloat16" in line for line in said) is not quick


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_killed_training_goes_on_as_if_it_had_not_been(
    job: Callable[..., Job], workers: str
) -> None:
    whole = fit(job("whole", epochs="4"), CPU, hush)
    killed = job("killed", epochs="4", workers=workers)

    def kill(line: str) -> None:
        if "epoch 3" in line:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fit(killed, CPU, kill)
    said: list[str] = []
    resumed = fit(killed, CPU, said.append)
    assert [line.split(":")[0] for line in said] == [
        "seed 0, fold 1, epoch 3/4",
        "seed 0, fold 1, epoch 4/4",
    ]
    np.testing.assert_allclose(answers(resumed, killed), answers(whole, killed), atol=1e-4)
    for mine, theirs in zip(resumed.history, whole.history, strict=True):
        assert mine | {"seconds": 0} == pytest.approx(theirs | {"seconds": 0}, abs=1e-4)
    assert (killed.folder / "history.csv").read_text().count("\n") == 5


def test_a_finished_training_is_not_repeated(job: Callable[..., Job]) -> None:
    made = job()
    first = answers(fit(made, CPU, hush), made)
    said: list[str] = []
    again = fit(made, CPU, said.append)
    assert not said
    assert again.epoch == 2
    np.testing.assert_array_equal(answers(again, made), first)


def test_the_same_seed_gives_the_same_and_another_does_not(job: Callable[..., Job]) -> None:
    made = [job("a", epochs="1"), job("b", epochs="1"), job("c", (1, 1), epochs="1")]
    first, same, other = (answers(fit(each, CPU, hush), each) for each in made)
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 1e-3


def test_augmentation_never_touches_what_is_judged(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = job()
    module = ClassifierModule(made).eval()

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("augmented")

    for name in (
        "augment",
        "add_noise",
        "equalise",
        "random_gain",
        "warp_time",
        "warp_frequency",
        "mask",
        "mix",
    ):
        monkeypatch.setattr(augmentation, name, forbidden)
    assert made.validation is not None
    whole = WholeClips(made.validation, made.recipe.window)
    module.validation_step(whole[0], 0)
    first, again = (
        predict_clips(module.classifier, whole, CPU),
        predict_clips(module.classifier, whole, CPU),
    )
    np.testing.assert_array_equal(first, again)


def test_the_weights_that_are_given_are_the_averaged_ones(job: Callable[..., Job]) -> None:
    """One step a training: without averaging the first step's weights, with it the same; two steps
    at a decay of 0.5 lie halfway between."""
    after = {}
    for epochs, ema in ((1, "0"), (2, "0"), (2, "0.5")):
        made = job(
            f"{epochs}-{ema}", batch="32", epochs=str(epochs), ema=ema, schedule='"constant"'
        )
        after[epochs, ema] = fit(made, CPU, hush).classifier.state_dict()
    for name, value in after[2, "0.5"].items():
        if value.is_floating_point():
            between = (after[1, "0"][name] + after[2, "0"][name]) / 2
            torch.testing.assert_close(value, between, rtol=1e-3, atol=1e-5)


def test_early_stopping_gives_the_best_epoch(job: Callable[..., Job]) -> None:
    made = job(epochs="30", patience="2", monitor='"nll"')
    trained = fit(made, CPU, hush)
    losses = [row["validation_nll"] for row in trained.history]
    assert len(losses) < 30
    assert trained.epoch == 1 + int(np.argmin(losses)) == len(losses) - 2
    found = predict_clips(trained.classifier, WholeClips(made.validation, made.recipe.window), CPU)  # type: ignore[arg-type]
    nll = -found[np.arange(8), list(made.validation.targets)].mean()  # type: ignore[union-attr]
    assert nll == pytest.approx(min(losses), abs=1e-4)


def test_an_early_stopped_training_is_not_continued(job: Callable[..., Job]) -> None:
    made = job(epochs="30", patience="2", monitor='"nll"')
    first = fit(made, CPU, hush)
    lines: list[str] = []
    again = fit(made, CPU, lines.append)
    assert not lines
    assert again.history == first.history
    np.testing.assert_array_equal(answers(again, made), answers(first, made))


def test_each_epoch_is_reported_with_those_before_it_also_after_a_kill(
    job: Callable[..., Job],
) -> None:
    made = job(epochs="4")
    epochs: list[list[float]] = []

    def kill_in_the_third(history: History) -> None:
        epochs.append([figures["epoch"] for figures in history])
        if len(history) == 3:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fit(made, CPU, hush, epoch_end=kill_in_the_third)
    assert epochs == [[1], [1, 2], [1, 2, 3]]
    epochs.clear()
    fit(made, CPU, hush, epoch_end=lambda history: epochs.append([e["epoch"] for e in history]))
    assert epochs == [[1, 2, 3], [1, 2, 3, 4]]


def test_progress_is_reported_to_the_last_step(job: Callable[..., Job]) -> None:
    reports: list[tuple[str, float, float | None]] = []
    fit(job(epochs="2"), CPU, hush, lambda *values: reports.append(values))
    title = "seed 0, fold 1"
    assert reports == [*((title, step, 8) for step in range(1, 9)), (title, 1, 1)]


def test_best_and_last_checkpoints_are_kept(job: Callable[..., Job]) -> None:
    made = job()
    fit(made, CPU, hush)
    assert {path.name for path in (made.folder / "checkpoints").iterdir()} == {
        "best.ckpt",
        "last.ckpt",
    }


def test_without_validation_speakers_only_the_loss_is_known(job: Callable[..., Job]) -> None:
    made = dataclasses.replace(job(), validation=None, max_epochs=1)
    trained = fit(made, CPU, hush)
    assert trained.epoch == 1
    assert np.isnan(trained.history[0]["validation_uar"])
    assert (made.folder / "history.csv").read_text().splitlines()[1].endswith("," * 5)


def test_a_loss_that_is_no_number_stops_with_one_line(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: ClassifierModule, batch: object) -> torch.Tensor:
        return torch.full((8, 16, 50), torch.nan)

    monkeypatch.setattr(ClassifierModule, "augmented", broken)
    with pytest.raises(SottovoceError, match="seed 0, fold 1: the loss is nan") as caught:
        fit(job(), CPU, hush)
    assert "epoch 1, step 1" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rare_emotions_weigh_more_when_asked_for(store: ClipStore, job: Callable[..., Job]) -> None:
    made = job(class_weights='"balanced"')
    rows = Examples(store, (0, 1, 2, 4), (0, 1, 0, 0))
    weights = ClassifierModule(dataclasses.replace(made, training=rows)).get_buffer("class_weights")
    torch.testing.assert_close(weights, torch.tensor([4 / 6, 4 / 2]))


@pytest.mark.parametrize(
    ("schedule", "shape"),
    [
        ("one-cycle", [0.04, 1.0, 0.0]),
        ("cosine", [0.05, 1.0, 0.0]),
        ("constant", [0.05, 1.0, 1.0]),
    ],
)
def test_the_learning_rate_rises_and_follows_its_schedule(
    job: Callable[..., Job], schedule: str, shape: list[float]
) -> None:
    made = job(epochs="10", warmup="0.2", schedule=f'"{schedule}"')
    module = ClassifierModule(made)
    module.steps = 10
    configured = module.configure_optimizers()
    optimiser, steps = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(99):
        rates.append(optimiser.param_groups[0]["lr"] / made.recipe.training.learning_rate)
        optimiser.step()
        steps.step()
    assert [rates[0], max(rates[17:22]), rates[-1]] == pytest.approx(shape, abs=0.01)
    decays = {group["weight_decay"]: group["params"] for group in optimiser.param_groups}
    assert all(weight.ndim > 1 for weight in decays[0.05])
    assert all(weight.ndim <= 1 for weight in decays[0.0])


def test_the_rate_falls_on_a_plateau(job: Callable[..., Job]) -> None:
    made = job(
        epochs="8",
        schedule='"plateau"',
        plateau_patience="0",
        plateau_factor="0.1",
        learning_rate="1e-6",
        monitor='"accuracy"',
    )
    rates = [row["learning_rate"] for row in fit(made, CPU, hush).history]
    assert rates[0] == pytest.approx(1e-6)
    assert rates[-1] < 1e-7
    final = dataclasses.replace(job("final", **{"schedule": '"plateau"'}), validation=None)
    assert len(fit(final, CPU, hush).history) == 2  # watches the training loss instead


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)],
)
def test_the_optimiser_is_the_one_that_is_named(
    job: Callable[..., Job], name: str, kind: type[torch.optim.Optimizer]
) -> None:
    made = job(name, optimiser=f'"{name}"', epochs="1")
    assert type(ClassifierModule(made).configure_optimizers()["optimizer"]) is kind
    assert len(fit(made, CPU, hush).history) == 1


def test_focal_loss_is_that_of_the_paper(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """FL(p) = -(1 - p)^gamma log p of the true class (Lin et al. 2017, equation 4)."""
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, -1.0]])
    targets = torch.tensor([0, 0, 1])
    batch = Crops(torch.zeros(3, 100), torch.full((3,), 100), targets)
    losses = {}
    for gamma in ("0", "2"):
        module = ClassifierModule(
            job(loss='"focal"', focal_gamma=gamma, mixup="0.0", label_smoothing="0.0")
        )
        monkeypatch.setattr(module, "augmented", lambda batch: torch.zeros(3, 1, 1))
        monkeypatch.setattr(module.classifier, "member_logits", lambda frames: logits[None])
        monkeypatch.setattr(module, "log", lambda *_, **__: None)
        monkeypatch.setattr(type(module), "current_epoch", 0)
        losses[gamma] = float(module.training_step(batch, 0))
    p = logits.softmax(dim=1)[torch.arange(3), targets]
    assert losses["0"] == pytest.approx(float(-p.log().mean()), rel=1e-5)
    assert losses["2"] == pytest.approx(float((-((1 - p) ** 2) * p.log()).mean()), rel=1e-5)


def test_training_statistics_are_learned_before_the_first_step(job: Callable[..., Job]) -> None:
    made = job(epochs="1")
    text = made.recipe.text.replace(
        'name = "log-mel"\nbands = 16',
        'name = "stack"\nnormalise = "training"\nparts = [{ name = "rms" }, { name = "mfcc" }]',
    ).replace("formant = 0.05", "formant = 0.0")
    trained = fit(dataclasses.replace(made, recipe=Recipe.parse(text)), CPU, hush)
    frontend = trained.classifier.frontend
    clips = WholeClips(made.training, made.recipe.window)
    frames = [
        frontend.raw(clips[i].sound).transpose(1, 2).reshape(-1, 41) for i in range(len(clips))
    ]
    mean = torch.cat(frames).mean(dim=0)
    torch.testing.assert_close(frontend.statistics.mean[:, 0], mean, rtol=1e-3, atol=1e-4)


def test_members_answer_with_their_mean_probability() -> None:
    classifier = Classifier.build(recipe(members="3")).eval()
    waveform = torch.randn(2, 16_000)
    logits = classifier.member_logits(classifier.frontend(waveform))
    assert not torch.allclose(logits[0], logits[1])
    mean = logits.softmax(dim=-1).mean(dim=0)
    torch.testing.assert_close(classifier(waveform).softmax(dim=1), mean, rtol=0, atol=1e-6)


def test_formants_need_a_frequency_axis(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, build = job(), Classifier.build

    def without(recipe: Recipe) -> Classifier:
        classifier = build(recipe)
        classifier.frontend.centres = None
        return classifier

    monkeypatch.setattr(Classifier, "build", without)
    with pytest.raises(RecipeError, match=r"augment\.formant"):
        ClassifierModule(made)
