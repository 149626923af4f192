"""Runs the experiment of a model that takes profiles, from the corpora's folders to its judgements.

    python -m sottovoce.learn.embedding.experiment RECIPE --data ravdess=DIR ... --out FOLDER

Everything that is finished lies in the folder, and a run that is begun again goes on from there:
the teacher's features of each corpus and changed copy, and the judgement of each fold and seed.
`benchmarks/strangers.py` measures the judgements, once they are copied to docs/strangers.
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from sottovoce.annotations.recordings import AUDIO
from sottovoce.audio import Audio, Samples
from sottovoce.errors import CorpusError, SottovoceError
from sottovoce.learn.corpora import Clip, scan
from sottovoce.learn.corpora._folder import files
from sottovoce.learn.data.clip_store import ClipWriter
from sottovoce.learn.data.degradation import opus
from sottovoce.learn.embedding.classifiers import Labels, fit_classifiers
from sottovoce.learn.embedding.conditions import CONDITIONS, in_condition
from sottovoce.learn.embedding.distil import Member, Teaching, Trainer
from sottovoce.learn.embedding.judge import FoldJudgement, adapted_recalls, judge
from sottovoce.learn.embedding.logistic import masked_log_softmax
from sottovoce.learn.embedding.recipe import EmbeddingRecipe, TaughtSpec
from sottovoce.learn.embedding.sound import Changes, ChangesSpec
from sottovoce.learn.embedding.speech import Speech, label_index
from sottovoce.learn.embedding.students import (
    FINAL,
    FoldPlan,
    frame_targets,
    labels_of,
    plan_folds,
    targets_for,
)
from sottovoce.learn.embedding.teacher import FRAME_RATE, Basis, Taught, teach
from sottovoce.learn.frontends.logmel import LogMel, LogMelOptions
from sottovoce.learn.frontends.pretrained import PretrainedFrontEnd, PretrainedOptions
from sottovoce.learn.networks.resnet1d import ResNet1dOptions
from sottovoce.vad.gate import SPEECH_VERSION, Gate

RATE = 16_000
EIGHT = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
BANDS = 80
NOISE_SECONDS = 60
UNLABELLED = "librispeech"
"""Read for its voices alone: its clips have no emotion."""
CODED_KBIT = (12, 32)
"""Range of Opus's bit rates, kbit/s, of what is heard through it."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """A recipe with its clips on a device.

    Attributes:
        recipe: of the model.
        speech: the clips, then those that are heard through Opus.
        sources: (clips,) of each the clip that it is a copy of, or itself.
        originals: how many are no copies.
        noise: (recordings, samples) to learn from.
        test_noise: recordings that are never learned from.
        out: the folder of the run.
    """

    recipe: EmbeddingRecipe
    speech: Speech
    sources: torch.Tensor
    originals: int
    noise: torch.Tensor
    test_noise: tuple[Samples, ...]
    out: Path

    @classmethod
    def load(
        cls, recipe: EmbeddingRecipe, folders: Mapping[str, Path], out: Path, device: torch.device
    ) -> "Experiment":
        """Scan and decode everything; what was decoded before comes from the cache.

        Raises:
            CorpusError: a folder is missing, or holds nothing of its corpus.
        """
        for name in (*recipe.corpora, "noise"):
            if name not in folders:
                raise CorpusError(f"{recipe.name} needs {name}; say where with --data {name}=DIR")
        gate = Gate()
        writer = ClipWriter(RATE, lambda audio: gate.check(audio).extent, SPEECH_VERSION)
        clips: list[Clip] = []
        for name in recipe.corpora:
            if name == UNLABELLED:
                clips += unlabelled(folders[name])
            else:
                clips += scan(name, folders[name], on_decoded=writer.add).clips
        coded = [clip for clip in clips if clip.corpus in recipe.coded]
        digests = [clip.digest for clip in clips]
        rates = np.random.default_rng(0).integers(*CODED_KBIT, len(coded))
        for clip, kbit in zip(coded, rates.tolist(), strict=True):
            digest = hashlib.sha256(f"opus {kbit} {clip.digest}".encode()).hexdigest()
            sound = Audio.read(clip.path, sample_rate=RATE).mono()
            writer.add(digest, Audio(opus(sound.samples[0], RATE, kbit)[None], RATE))
            digests.append(digest)
        everything = (*clips, *coded)
        store = writer.store([clip.part for clip in everything], digests)
        unheard = recipe.test_noise
        speech = Speech.of(everything, store, EIGHT, recipe.window, device)
        place = {id(clip): number for number, clip in enumerate(clips)}
        sources = torch.tensor([*range(len(clips)), *(place[id(clip)] for clip in coded)])
        return cls(
            recipe,
            speech,
            sources.to(device),
            len(clips),
            torch.from_numpy(np.stack(noises(folders["noise"], lambda n: n not in unheard))).to(
                device
            ),
            tuple(noises(folders["noise"], lambda name: name in unheard)),
            out,
        )

    def taught(self) -> Taught:
        """What the teacher makes of all clips: computed once, kept in the folder."""
        return self._taught(0)

    def copies(self) -> list[torch.Tensor]:
        """The teacher's pooled features of each changed copy of all clips."""
        return [self._taught(copy).pooled for copy in range(1, self.recipe.teacher.copies + 1)]

    def taught_in_conditions(self) -> dict[str, torch.Tensor]:
        """Way to judge -> the teacher's pooled features of RAVDESS's clips, changed so."""
        return {way: self._taught(way).pooled for way in CONDITIONS if self.strangers}

    @property
    def strangers(self) -> list[int]:
        """Rows of RAVDESS's clips."""
        clips = self.speech.clips[: self.originals]
        return [row for row, clip in enumerate(clips) if clip.corpus == "ravdess"]

    def in_condition(self, way: str) -> Speech:
        """All clips, those of RAVDESS in one of `CONDITIONS`."""
        return in_condition(self.speech, self.strangers, way, self.test_noise)

    def _taught(self, copy: int | str) -> Taught:
        """Of a changed copy of all clips, 0 being the clips themselves, or of a condition."""
        kept = self.out / f"teacher-{copy}.pt"
        if not kept.exists():
            way = copy if isinstance(copy, str) else None
            spec = self.recipe.teacher
            frontend = PretrainedFrontEnd(
                PretrainedOptions.model_validate({**spec.encoder_options, "pooling": "none"}),
                RATE,
            )
            changes = Changes(ChangesSpec(speed=spec.copy_speed), self.noise, RATE)
            made = teach(
                frontend,
                self.in_condition(way) if way else self.speech,
                self.recipe.window,
                rows=self.strangers if way else range(self.originals),
                changes=changes if copy and not way else None,
                seed=0 if isinstance(copy, str) else copy,
                progress=reporter(f"teacher's features, {way or f'copy {copy}'}"),
            )
            parts = {name: getattr(made, name).cpu() for name in Taught.__slots__}
            self.out.mkdir(parents=True, exist_ok=True)
            torch.save(parts, kept)
        parts = torch.load(kept, weights_only=True)
        device = self.speech.device
        return Taught(**{name: values.to(device) for name, values in parts.items()})

    def labels(self, names: Sequence[str]) -> Labels:
        """What is known of all clips, for classifiers of these emotions."""
        targets = torch.tensor([label_index(clip.emotion, names) for clip in self.speech.clips])
        return labels_of(self.speech, names, targets.to(self.speech.device))

    def judged(self, fold: FoldPlan, seed: int, labels: Sequence[str]) -> Path:
        """Where the judgement of a fold is kept."""
        return self.out / f"{fold.name}-{seed}-e{len(labels)}.npz"

    def label_sets(self, fold: FoldPlan) -> list[tuple[str, ...]]:
        """The emotions that a fold is judged by: RAVDESS's folds by its eight as well."""
        seven = self.recipe.labels
        return [EIGHT, seven] if fold.name.startswith("ravdess") else [seven]

    def fit_and_judge(
        self,
        fold: FoldPlan,
        seed: int,
        versions: Sequence[torch.Tensor],
        conditions: Mapping[str, torch.Tensor],
    ) -> None:
        """Fit classifiers to what a fold learns from, and keep what they say of what it left out.

        Args:
            fold: who is left out.
            seed: of the embedding.
            versions: (clips, features) of all clips, and of changed copies of them.
            conditions: way to judge -> (clips, features); of RAVDESS's clips alone.
        """
        spec = self.recipe.embedding
        for names in self.label_sets(fold):
            labels = self.labels(names)
            learns = (
                fold.learns.to(self.speech.device) & (labels.targets >= 0) & self._thinned(fold)
            )
            rows = torch.nonzero(learns)[:, 0]
            basis = Basis.fit(versions[0][rows].float(), spec.components)
            projected = [basis.project(v.float(), spec.whitening) for v in versions]
            scale = projected[0][rows].std()
            projected = [values / scale for values in projected]
            classifiers = fit_classifiers(
                [values[rows] for values in projected], labels.take(rows), self.recipe.classifiers
            )
            kept = {
                "weights": classifiers.weights,
                "normal": (classifiers.normal.centre, classifiers.normal.shrinkage),
                "mixed": (classifiers.mixed.centre, classifiers.mixed.shrinkage),
                "basis": (basis.mean, basis.scale, basis.components, basis.variances),
                "scale": scale,
            }
            path = self.judged(fold, seed, names)
            torch.save(kept, path.with_suffix(".pt"))
            out = torch.tensor([row for row in fold.tests if row < self.originals])
            if not len(out):
                continue
            theirs = labels.take(out.to(self.speech.device))
            has = torch.zeros(len(names), dtype=torch.bool, device=self.speech.device)
            has[theirs.targets] = True
            theirs = replace(theirs, allowed=has.expand(len(out), -1))
            known = projected[0][rows]
            far = (projected[0][out] - known.mean(dim=0)) / known.std(dim=0)
            clips = [self.speech.clips[row] for row in out.tolist()]
            said = judge(classifiers, projected[0][out], theirs)
            if clips[0].corpus == "ravdess":
                for way, values in conditions.items():
                    changed = basis.project(values[out].float(), spec.whitening) / scale
                    logs = masked_log_softmax(
                        classifiers.logits(changed, 0, changed), theirs.allowed
                    )
                    said[way] = logs[None].cpu().numpy()
            FoldJudgement(
                np.array([clip.name for clip in clips]),
                theirs.targets.cpu().numpy(),
                np.array([clip.speaker for clip in clips]),
                np.array([clip.sex for clip in clips]),
                far.square().mean(dim=1).sqrt().cpu().numpy(),
                said,
                adapted_recalls(classifiers, projected[0][out], theirs),
            ).write(path)
            print(f"{path.name}: judged {len(out)} clips", flush=True)

    def _thinned(self, fold: FoldPlan) -> torch.Tensor:
        """(clips,) bool: what cross-validation learns from; the final model learns from all."""
        keep = torch.ones(len(self.speech.clips), dtype=torch.bool)
        if fold.name != FINAL:
            for name in self.recipe.thin:
                number = self.speech.corpus_names.index(name)
                own = torch.nonzero(self.speech.corpora.cpu() == number)[:, 0]
                keep[own[1::2]] = False
        return keep.to(self.speech.device)


def run_teacher(experiment: Experiment, folds: Sequence[FoldPlan]) -> None:
    """The model is the teacher itself with classifiers on its principal components."""
    pending = [fold for fold in folds if not _finished(experiment, fold, 0)]
    if not pending:
        return
    versions = [experiment.taught().pooled, *experiment.copies()]
    conditions = experiment.taught_in_conditions()
    for fold in pending:
        experiment.fit_and_judge(fold, 0, versions, conditions)


def run_students(
    experiment: Experiment,
    folds: Sequence[FoldPlan],
    network: ResNet1dOptions,
    spec: TaughtSpec,
    seconds: float | None,
) -> None:
    """Train the students of all folds side by side, a seed after another.

    Args:
        experiment: with the clips.
        folds: whose students are wanted.
        network: of a student.
        spec: how they are taught.
        seconds: as for `Trainer.run`.
    """
    speech, sources = experiment.speech, experiment.sources
    for seed in experiment.recipe.seeds:
        pending = [fold for fold in folds if not _finished(experiment, fold, seed)]
        if not pending:
            continue
        taught = experiment.taught()
        taught = Taught(
            taught.pooled[sources],
            taught.frames,
            taught.frame_starts[sources],
            taught.frame_counts[sources],
        )
        unlabelled_rows = [i for i, clip in enumerate(speech.clips) if clip.corpus == UNLABELLED]
        teaching = Teaching(
            targets_for(pending, taught, spec.components, spec.whitening),
            frame_targets(taught, unlabelled_rows, spec.frame_components, spec.whitening),
            taught.frame_starts,
            taught.frame_counts,
            FRAME_RATE,
        )
        members = [
            Member(fold.name, seed * 100 + number, number, fold.learns)
            for number, fold in enumerate(pending)
        ]
        trainer = Trainer(
            speech,
            teaching,
            members,
            LogMel(LogMelOptions.model_validate({"bands": BANDS}), RATE).to(speech.device),
            Changes(ChangesSpec(), experiment.noise, RATE),
            network,
            spec,
            EIGHT.index("neutral"),
            seed,
            torch.bfloat16 if speech.device.type == "cuda" else torch.float32,
        )
        trainer.run(show, seconds)
        rows = range(len(speech.clips))
        clean = trainer.embed(rows, experiment.recipe.window).float()
        changed = [
            trainer.embed_changed(rows, 1000 + copy).float()
            for copy in range(experiment.recipe.embedding.copies)
        ]
        heard = {
            way: trainer.embed(
                experiment.strangers, experiment.recipe.window, experiment.in_condition(way)
            )
            for way in CONDITIONS
        }
        for number, fold in enumerate(pending):
            versions = [values[number] for values in (clean, *changed)]
            torch.save(
                trainer.network(number).state_dict(),
                experiment.out / f"{fold.name}-{seed}-network.pt",
            )
            conditions = {}
            for way, values in heard.items():
                conditions[way] = torch.zeros_like(versions[0])
                conditions[way][experiment.strangers] = values[number].float()
            experiment.fit_and_judge(fold, seed, versions, conditions)


def _finished(experiment: Experiment, fold: FoldPlan, seed: int) -> bool:
    return all(
        experiment.judged(fold, seed, names).with_suffix(".pt").exists()
        for names in experiment.label_sets(fold)
    )


def unlabelled(folder: Path) -> list[Clip]:
    """The recordings in a folder as clips without an emotion; names begin with who speaks."""
    found = []
    for path in files(folder):
        if path.suffix.lower() in AUDIO:
            speaker = f"{UNLABELLED}/{path.stem.partition('-')[0]}"
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            name = f"{UNLABELLED}/{path.relative_to(folder).as_posix()}"
            found.append(Clip(path, UNLABELLED, speaker, "", "", digest=digest, name=name))
    return found


def noises(folder: Path, wanted: Callable[[str], bool]) -> list[Samples]:
    """Recordings of noise whose names, without their endings, are wanted; all of one length."""
    return [
        np.resize(Audio.read(path, sample_rate=RATE).samples[0], NOISE_SECONDS * RATE)
        for path in files(folder)
        if path.suffix.lower() in AUDIO and wanted(path.stem)
    ]


def show(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


class reporter:  # noqa: N801 - called like a function
    """Prints how far something has come, every half minute."""

    def __init__(self, what: str) -> None:
        """`what`: is being done."""
        self._what, self._shown = what, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Say it."""
        if done == total or time.monotonic() - self._shown > 30:
            self._shown = time.monotonic()
            print(f"{self._what}: {done} of {total}", flush=True)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", action="append", default=[], metavar="CORPUS=DIR")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--folds", default="", help="some of the folds, by name, with commas")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, help="s that the training of a seed may take")
    given = parser.parse_args()
    recipe = EmbeddingRecipe.load(given.recipe)
    folders = {name: Path(folder) for name, _, folder in (d.partition("=") for d in given.data)}
    experiment = Experiment.load(recipe, folders, given.out, torch.device(given.device))
    chosen = given.folds.split(",") if given.folds else None
    folds = [
        fold for fold in plan_folds(experiment.speech) if chosen is None or fold.name in chosen
    ]
    given.out.mkdir(parents=True, exist_ok=True)
    if recipe.network is None or recipe.distil is None:
        run_teacher(experiment, folds)
    else:
        run_students(experiment, folds, recipe.network, recipe.distil, given.seconds)


if __name__ == "__main__":
    try:
        main()
    except SottovoceError as error:
        sys.exit(f"sottovoce: {error}")
