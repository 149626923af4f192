"""The recipe of a model that takes profiles: one TOML file, validated before anything runs."""

from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError

from sottovoce.errors import RecipeError
from sottovoce.learn.embedding.classifiers import ClassifiersSpec
from sottovoce.learn.embedding.distil import DistilSpec
from sottovoce.learn.networks.resnet1d import ResNet1dOptions
from sottovoce.learn.recipe.recipe import parse_toml, read_text
from sottovoce.models.card import WindowPolicy
from sottovoce.options import StrictModel
from sottovoce.text import display_path


class TeacherSpec(StrictModel):
    """The encoder whose hidden states are the features, or what a student is taught."""

    encoder: str
    """As in the front end `pretrained`."""
    layers: tuple[int, ...] = Field(min_length=1)
    one_level: bool = False
    """As there."""
    copies: int = Field(0, ge=0, le=32)
    """Changed copies of every clip, to fit classifiers to."""
    copy_speed: float = Field(0.1, ge=0, le=0.5)
    """Largest relative change of speed in them."""

    @property
    def encoder_options(self) -> dict[str, Any]:
        """Options of the front end `pretrained`."""
        return self.model_dump(include={"encoder", "layers", "one_level"})


class TaughtSpec(DistilSpec):
    """How a student is taught, and how much of the teacher."""

    components: int = Field(384, ge=1)
    """Principal components of the teacher's pooled features."""
    frame_components: int = Field(96, ge=1)
    """The same of its frames."""
    whitening: float = Field(0.5, ge=0, le=1)
    """Of both: they are divided by their deviation to this power."""


class EmbeddingSpec(StrictModel):
    """The basis that classifiers stand on."""

    components: int = Field(ge=1)
    whitening: float = Field(ge=0, le=1)
    copies: int = Field(0, ge=0, le=32)
    """Changed cuts of every clip that a student's classifiers are fitted to as well."""


class EmbeddingRecipe(StrictModel):
    """A recipe; with a `network` it is a student's, else the teacher itself is the model."""

    name: str
    version: str
    description: str
    labels: tuple[str, ...] = Field(min_length=2)
    corpora: tuple[str, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(min_length=1)
    thin: tuple[str, ...] = ()
    """Corpora of which cross-validation learns from every second clip."""
    coded: tuple[str, ...] = ()
    """Corpora that a student hears through Opus too."""
    test_noise: tuple[str, ...] = ()
    """Recordings of noise, by file name, that are never learned from."""
    licence: str
    language: str
    limits: tuple[str, ...]
    window: WindowPolicy
    teacher: TeacherSpec
    network: ResNet1dOptions | None = None
    distil: TaughtSpec | None = None
    embedding: EmbeddingSpec
    classifiers: ClassifiersSpec

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a recipe.

        Raises:
            RecipeError: it cannot be read, or a key is missing, unknown or not allowed.
        """
        try:
            return cls.model_validate(parse_toml(read_text(path), display_path(path)))
        except ValidationError as error:
            problem = error.errors(include_url=False, include_context=False)[0]
            key = ".".join(map(str, problem["loc"]))
            raise RecipeError(f"{display_path(path)}: {key}: {problem['msg']}") from None
