"""The clips of a recipe: scanned, chosen by emotion, decoded."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sottovoce.annotations.recordings import AUDIO
from sottovoce.audio.parts import AudioPart
from sottovoce.errors import CorpusError
from sottovoce.learn.corpora import Clip, is_own, scan
from sottovoce.learn.corpora._folder import files
from sottovoce.learn.data import augmentation
from sottovoce.learn.data.batches import ChangedClips, Examples, WholeClips
from sottovoce.learn.data.clip_store import ClipStore, ClipWriter
from sottovoce.learn.data.feature_store import FeatureStore
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.train.classifier import make_frontend
from sottovoce.vad.gate import SPEECH_VERSION, Gate

NOISE = "noise"
"""What `--data noise=DIR` names: recordings of anything but speech."""

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Data:
    """Everything that a recipe's trainings are made of.

    Attributes:
        recipe: of the trainings.
        clips: all of its corpora that carry one of its emotions.
        store: their audio, in the same order.
        noise: background noise for augmentation, if any.
        features: of the clips, where the recipe trains on whole ones.
        copies: the same of changed copies of them.
        left_out: which clips are not among them and why, a line for each reason.
    """

    recipe: Recipe
    clips: tuple[Clip, ...]
    store: ClipStore
    noise: ClipStore | None
    features: FeatureStore | None = None
    copies: tuple[FeatureStore, ...] = ()
    left_out: tuple[str, ...] = ()

    @classmethod
    def load(
        cls,
        recipe: Recipe,
        folders: Mapping[str, Path],
        progress: Progress = lambda what, done, total: None,
    ) -> "Data":
        """Scan and decode the corpora of a recipe.

        Args:
            recipe: names the corpora and the emotions.
            folders: corpus -> where it lies; `NOISE` -> a folder of noise. Several tables are
                "table/a", "table/b" ... and stand for the recipe's corpus "table".
            progress: called again and again.

        Raises:
            CorpusError: a folder is missing or too many, or an emotion has no clip.
        """
        sources = _sources(recipe, folders)
        gate = Gate()
        writer = ClipWriter(
            recipe.sample_rate, lambda audio: gate.check(audio).extent, SPEECH_VERSION
        )
        clips: list[Clip] = []
        left_out: list[str] = []
        for corpus in sources:
            found = scan(
                corpus,
                folders[corpus],
                on_decoded=writer.add,
                **({"columns": recipe.table} if is_own(corpus) else {}),
                progress=lambda done, total, corpus=corpus: progress(  # type: ignore[misc]
                    f"reading {corpus}", done, total
                ),
            )
            clips += [clip for clip in found.clips if clip.emotion in recipe.emotions]
            left_out += found.left_out
            others = Counter(c.emotion for c in found.clips if c.emotion not in recipe.emotions)
            if others and is_own(corpus):
                counts = ", ".join(f"{label} {count}" for label, count in sorted(others.items()))
                left_out.append(f"{corpus}: labels that the recipe does not name: {counts}")
        missing = [
            label for label in recipe.emotions if label not in {clip.emotion for clip in clips}
        ]
        if missing:
            raise CorpusError(
                f"no clip of {', '.join(recipe.corpora)} is {missing[0]}, which the recipe "
                "names; leave it out of the labels, or add a corpus that has it"
            )
        store = writer.store(
            [clip.part for clip in clips],
            [clip.digest for clip in clips],
            lambda done, total: progress("decoding", done, total),
        )
        noise = None
        if recipe.augment.noise:
            noise = decode_noise(folders[NOISE], recipe.sample_rate, progress)
        if recipe.training.crop:
            return cls(recipe, tuple(clips), store, noise, left_out=tuple(left_out))
        features, *copies = _features(recipe, store, noise, progress)
        return cls(recipe, tuple(clips), store, noise, features, tuple(copies), tuple(left_out))

    def examples(self, rows: Sequence[int]) -> Examples:
        """Give some of the clips, with their emotions as indices."""
        emotions = self.recipe.emotions
        targets = tuple(emotions.index(self.clips[row].emotion) for row in rows)
        return Examples(self.store, tuple(rows), targets, self.features, self.copies)

    def name(self, row: int) -> str:
        """Name a clip the same on every machine: its corpus and its path there."""
        return self.clips[row].name


def _sources(recipe: Recipe, folders: Mapping[str, Path]) -> list[str]:
    """The keys of `folders` to read, in the order of the recipe's corpora.

    Raises:
        CorpusError: a folder is missing or too many.
    """
    corpora = {name: name.partition("/")[0] for name in folders}  # "table/a" is a table too
    wanted = [*recipe.corpora, *([NOISE] if recipe.augment.noise else [])]
    for corpus in wanted:
        if corpus not in corpora.values():
            raise CorpusError(
                f"the recipe {recipe.name} needs {corpus}; say where it lies with "
                f"--data {corpus}=DIR"
            )
    for corpus in corpora.values():
        if corpus not in (*recipe.corpora, NOISE):
            raise CorpusError(
                f"--data {corpus}=...: the recipe {recipe.name} does not use {corpus}; "
                f"it uses {', '.join(wanted)}"
            )
    return [name for corpus in recipe.corpora for name in folders if corpora[name] == corpus]


def _features(
    recipe: Recipe, store: ClipStore, noise: ClipStore | None, progress: Progress
) -> Sequence[FeatureStore]:
    """The features of all clips, and of each of the recipe's changed copies of them."""
    frontend = make_frontend(recipe)
    everything = Examples(store, tuple(range(len(store))), (0,) * len(store))
    clips = WholeClips(everything, recipe.window)
    stores = []
    for copy in range(1 + recipe.augment.copies):
        what = f"computing features of copy {copy}" if copy else "computing features"
        stores.append(
            FeatureStore.build(
                frontend,
                ChangedClips(clips, recipe.augment, noise, copy) if copy else clips,
                features_key(recipe, frontend.identity, store, noise, copy),
                progress=lambda done, total, what=what: progress(what, done, total),  # type: ignore[misc]
            )
        )
    return stores


def features_key(
    recipe: Recipe, identity: str, store: ClipStore, noise: ClipStore | None, copy: int
) -> str:
    """Name everything that stored features follow from: another key, another store.

    Args:
        recipe: its front end, window and augmentation count.
        identity: of the front end.
        store: the clips.
        noise: background noise for augmentation, if any.
        copy: 0 for the clips as they are, otherwise the number of a changed copy of them.
    """
    front_end, window = recipe.frontend.model_dump(), recipe.window.model_dump()
    key: list[object] = [recipe.sample_rate, front_end, identity, window, store.key]
    if copy:  # all options that are not known to be of features: so is a new one
        spec = recipe.augment.model_dump(exclude={"copies", *augmentation.FEATURE_KEYS})
        key += [augmentation.AUGMENTATION_VERSION, spec, noise and noise.key, copy]
    return json.dumps(key)


def decode_noise(folder: Path, sample_rate: int, progress: Progress) -> ClipStore:
    """Decode every recording in a folder of background noise."""
    paths = [path for path in files(folder) if path.suffix.lower() in AUDIO]
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    return ClipStore.build(
        [AudioPart(path) for path in paths],
        digests,
        sample_rate,
        progress=lambda done, total: progress("decoding noise", done, total),
    )
