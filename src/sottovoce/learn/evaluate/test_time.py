"""Test-time augmentation: copies of clips, changed as a recipe changes training ones."""

from collections.abc import Iterable, Iterator, Sequence

import torch

from sottovoce.audio import Audio, Source
from sottovoce.errors import AudioError, RecipeError, SottovoceError
from sottovoce.learn.corpora import Clip
from sottovoce.learn.data.augmentation import augment, cut
from sottovoce.learn.evaluate.evaluate_model import Sources, own_sounds
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.recipe.specs import AugmentSpec
from sottovoce.models.card import Card

CHANGES = ("gain", "equaliser", "telephone", "coding", "pitch", "cut")
"""Keys of [augment] that change sound, of one clip alone; noise would have to be brought along."""


def changed_copies(card: Card, count: int) -> list[Sources]:
    """So many ways to hear clips: each changes every clip as in training, and always alike.

    Args:
        card: of the model, with its recipe.
        count: 0 or more.

    Raises:
        SottovoceError: the card has no recipe, or one that changes no sound.
    """
    if not count:
        return []
    try:
        spec = Recipe.parse(card.recipe).augment
    except RecipeError:
        raise SottovoceError(
            f"{card.title} has no recipe to change clips by; leave --tta out"
        ) from None
    if not any(getattr(spec, name) for name in CHANGES):
        raise SottovoceError(
            f"the recipe of {card.title} changes no sound in training ({', '.join(CHANGES)} in "
            "[augment]); leave --tta out"
        )
    spec = spec.model_copy(update={"noise": 0.0})
    return [_ChangedSounds(spec, card.sample_rate, number) for number in range(1, count + 1)]


class _ChangedSounds:
    """Gives what is heard of clips, each changed by a generator of its own."""

    def __init__(self, spec: AugmentSpec, sample_rate: int, number: int) -> None:
        self._spec, self._rate, self._number = spec, sample_rate, number

    def __call__(self, clips: Sequence[Clip]) -> Iterable[Source]:
        return self._changed(clips)

    def _changed(self, clips: Sequence[Clip]) -> Iterator[Source]:
        for row, source in enumerate(own_sounds(clips)):
            generator = torch.Generator().manual_seed(1_000_003 * self._number + row)
            try:
                audio = Audio.read(source, sample_rate=self._rate).mono()
            except AudioError:
                yield source  # whoever judges it says what is wrong
                continue
            waveform = torch.from_numpy(audio.samples.copy())
            if self._spec.cut:
                samples = round(self._spec.cut * self._rate)
                waveform = cut(waveform, samples, self._spec.cut_random, generator)
            lengths = torch.tensor([waveform.shape[1]])
            changed = augment(waveform, lengths, self._rate, self._spec, None, generator)
            yield changed[0].numpy(), self._rate
