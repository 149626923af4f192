"""A recipe is checked before anything runs, and says what is wrong in one line."""

import re
from pathlib import Path

import pytest
from tiny_corpus import RECIPE

from sottovoce.errors import MissingExtraError, RecipeError, install_line
from sottovoce.learn import registry
from sottovoce.learn.corpora import label_sets
from sottovoce.learn.recipe.docs import document
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.options import TableSpec

ROOT = Path(__file__).parents[3]
RECIPES = sorted((ROOT / "recipes").glob("*.toml"))

GOOD = """
name = "small-one"
labels = ["sad", "angry"]
corpora = ["ravdess"]
licence = "CC-BY-NC-SA-4.0"

[protocol]
name = "loso"

[window]
trim = "speech"
margin = 0.3
grid = 0.25
min = 0.5
max = 30

[frontend]
name = "log-mel"
bands = 40

[network]
name = "tcn"
width = 32

[training]
epochs = 3
"""


def said(before: str, after: str) -> str:
    """The message that a change to a good recipe gets."""
    assert before in GOOD
    with pytest.raises(RecipeError) as caught:
        Recipe.parse(GOOD.replace(before, after), "recipes/x.toml")
    message = str(caught.value)
    assert message.startswith("recipes/x.toml: ")
    assert "\n" not in message
    return message.removeprefix("recipes/x.toml: ")


def test_a_recipe_says_everything_and_keeps_its_text() -> None:
    recipe = Recipe.parse(GOOD)
    assert recipe.emotions == ("sad", "angry")
    assert recipe.window.max == 30
    assert recipe.frontend.options.model_dump()["bands"] == 40
    assert recipe.network.options.model_dump()["width"] == 32
    assert (recipe.training.epochs, recipe.training.batch) == (3, 32)
    assert recipe.text == GOOD
    assert recipe.model_copy(update={"seeds": (7,)}).text == GOOD


def test_augmentation_is_off_unless_asked_for() -> None:
    augment = Recipe.parse(GOOD).augment
    strengths = (augment.gain, augment.noise, augment.equaliser, augment.speed, augment.formant)
    assert not any((*strengths, augment.time_mask, augment.frequency_mask))


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Recipe.parse(GOOD).name = "other"  # type: ignore[misc]


def test_a_label_set_gives_its_emotions_in_order() -> None:
    text = GOOD.replace('["sad", "angry"]', '"ravdess8"')
    assert Recipe.parse(text).emotions == label_sets()["ravdess8"]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_the_repository_is_valid_and_named_as_its_file(path: Path) -> None:
    assert Recipe.load(path).name == path.stem


@pytest.mark.parametrize(
    ("before", "after", "start"),
    [
        ("epochs", "epohs", "training.epohs: unknown key (did you mean epochs?); allowed: batch, "),
        ("[training]", "[trainin]", "trainin: unknown key (did you mean training?); allowed: "),
        (
            "margin",
            "margins",
            "window.margins: unknown key (did you mean margin?); allowed: ",
        ),
        ("bands", "band", "frontend.band: unknown key (did you mean bands?); allowed: bands, "),
        ("width", "layers", "network.layers: unknown key; allowed: attention, "),
    ],
)
def test_an_unknown_key_is_named_with_the_known_ones(before: str, after: str, start: str) -> None:
    assert said(before, after).startswith(start)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("epochs = 3", "epochs = 0", "training.epochs: found 0; should be greater than or equal"),
        ("epochs = 3", 'epochs = "3"', "training.epochs: found '3'; should be a valid integer"),
        ("epochs = 3", "epochs = true", "training.epochs: found true; should be a valid integer"),
        ("epochs = 3", "epochs = 2.5", "training.epochs: found 2.5; should be a valid integer"),
        (
            "epochs = 3",
            'schedule = "linear"',
            "training.schedule: found 'linear'; should be 'one-cycle', 'cosine', 'constant'",
        ),
        ("epochs = 3", "crop = nan", "training.crop: found nan; should be a finite number"),
        (
            "epochs = 3",
            "crop = -1",
            "training.crop: found -1; should be greater than or equal",
        ),
        ('"loso"', '"lose"', "protocol.name: found 'lose'; should be 'emobox6', 'loso', 'spea"),
        ('"loso"', '"none"\nfolds = 1', "protocol.folds: found 1; should be greater than or eq"),
        ('"log-mel"', '"mels"', "frontend.name: found 'mels'; allowed: "),
        ('"tcn"', "7", "network.name: found 7; allowed: "),
        ('name = "tcn"', "", "network.name: missing; allowed: "),
        ("bands = 40", "bands = 1", "frontend.bands: found 1; should be greater than or equal to"),
        ("bands = 40", "fmin = 9000", "frontend.fmin: 9000.0 Hz; should be below fmax"),
        ('["ravdess"]', '["ravdes"]', "corpora: found ['ravdes']; 'ravdes' is not one of "),
        ('["ravdess"]', "[]", "corpora: found []; "),
        ('"small-one"', '"Small One"', "name: found 'Small One'; "),
        ('["sad", "angry"]', '"big6"', "labels: found 'big6'; should be a list of emotions, or "),
        ('["sad", "angry"]', '["sad", "glad"]', "labels: found ['sad', 'glad']; 'glad' is not on"),
        ('["sad", "angry"]', '["sad", 1]', "labels: found ['sad', 1]; 1 is not one of neutral,"),
        ('["sad", "angry"]', '["sad", "sad"]', "labels: found ['sad', 'sad']; should be two or"),
        ('licence = "CC-BY-NC-SA-4.0"', "", "licence: missing"),
        ("corpora", "seeds = [1, 1]\ncorpora", "seeds: found [1, 1]; should be whole numbers"),
        ("max = 30", "max = 0.1", "window: max must be at least min and grid"),
        ("[training]", "[augment]\nnoise_snr = [9, 3]\n[training]", "augment.noise_snr: found [9,"),
        (
            "[training]",
            "[augment]\nnoise_snr = [9]\n[training]",
            "augment.noise_snr.1: missing",
        ),
    ],
)
def test_a_wrong_value_is_named_with_the_allowed_ones(
    before: str, after: str, message: str
) -> None:
    assert said(before, after).startswith(message)


def test_several_mistakes_are_counted() -> None:
    text = said("epochs = 3", "epochs = 0\nbatch = 1\nfoo = 2")
    assert text.startswith("training.foo: unknown key; ")
    assert text.endswith(" (and 2 more)")


def test_stopping_early_needs_someone_to_validate_on() -> None:
    text = GOOD.replace('"loso"', '"none"').replace("epochs = 3", "patience = 5")
    with pytest.raises(RecipeError, match=r"recipe: training\.patience: .* validation speakers"):
        Recipe.parse(text)


def test_cross_corpus_needs_corpora_to_test_on_and_others_to_train_on() -> None:
    corpora = 'corpora = ["ravdess", "tess"]'
    good = GOOD.replace('corpora = ["ravdess"]', corpora)
    asked = '"cross-corpus"\ntest_corpora = ["tess"]'
    assert Recipe.parse(good.replace('"loso"', asked)).protocol.test_corpora == ("tess",)
    for wrong in ("[]", '["savee"]', '["ravdess", "tess"]'):
        text = good.replace('"loso"', asked.replace('["tess"]', wrong))
        with pytest.raises(RecipeError, match=r"^recipe: protocol\.test_corpora: found .* of the "):
            Recipe.parse(text)


def test_a_missing_table_is_named() -> None:
    with pytest.raises(RecipeError, match=r"^recipe: window: missing$"):
        Recipe.parse(re.sub(r"\[window\][^\[]*", "", GOOD))
    with pytest.raises(RecipeError, match=r"^recipe: network: missing$"):
        Recipe.parse(re.sub(r"\[network\][^\[]*", "", GOOD))


def test_broken_toml_gets_line_and_column() -> None:
    assert re.search(r"not valid TOML: .*line 7, column", said("[protocol]", "[protocol"))


def test_a_key_with_a_line_break_stays_on_one_line() -> None:
    assert said("epochs = 3", '"a\\nb" = 3').startswith("training.'a\\nb': unknown key")


def test_a_file_that_cannot_be_read_gets_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.toml: cannot read this recipe: No such file"):
        Recipe.load(tmp_path / "none.toml")
    with pytest.raises(RecipeError, match="cannot read this recipe: Is a directory"):
        Recipe.load(tmp_path)
    binary = tmp_path / "x.toml"
    binary.write_bytes(b"name = '\xff'")
    with pytest.raises(RecipeError, match=r"x\.toml: not a recipe: it is not UTF-8 text"):
        Recipe.load(binary)


def test_without_torch_the_install_line_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(registry.importlib, "import_module", absent)
    with pytest.raises(
        MissingExtraError, match="needs torch; run: " + re.escape(install_line("learn"))
    ):
        registry.frontends()


def test_every_option_of_every_front_end_and_network_is_explained() -> None:
    for kind in (registry.frontends(), registry.networks()):
        for name, found in kind.items():
            assert found.name == name
            for key, field in found.Options.model_fields.items():
                assert field.description, f"{name}: {key}"


def test_the_page_on_recipes_is_that_of_the_schema() -> None:
    page = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert page == document(), "run: python -m sottovoce.learn.recipe.docs > docs/recipes.md"


WHOLE = RECIPE.replace("crop = 0.6", "crop = 0.0").replace("speed = 0.1", "speed = 0.0")
FIXED = RECIPE.replace(
    'name = "log-mel"\nbands = 16', 'name = "stack"\nframes = 20\nparts = [{ name = "mfcc" }]'
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (RECIPE.replace("crop = 0.6", "crop = 0.0"), "augment.speed: whole clips"),
        (WHOLE, "augment.gain: features of whole clips"),
        (
            RECIPE.replace("gain = 6.0", "gain = 6.0\ncopies = 2"),
            "augment.copies: they are of whole",
        ),
        (FIXED, "augment.speed: the front end gives every clip the same length (its frames)"),
        (
            RECIPE.replace("epochs = 2", "epochs = 2\nboost = { angry = 2.0 }"),
            'boost: needs sampler = "balanced"',
        ),
    ],
)
def test_keys_that_do_not_go_together_are_named(text: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.parse(text)
    assert message in str(caught.value)


def test_an_alternative_takes_the_place_of_the_protocol() -> None:
    text = RECIPE + '\n[alternatives.mixed]\nname = "random"\nfolds = 3\n'
    recipe = Recipe.parse(text)
    mixed = recipe.with_protocol("mixed")
    assert (recipe.protocol.name, mixed.protocol.name, mixed.protocol.folds) == (
        "speakers",
        "random",
        3,
    )
    assert Recipe.parse(mixed.text).protocol == mixed.protocol  # as a run's folder keeps it
    assert Recipe.parse(mixed.text).with_protocol("mixed").text == mixed.text
    with pytest.raises(RecipeError, match=r"no protocol called 'other'.* are mixed"):
        recipe.with_protocol("other")


OWN = GOOD.replace('corpora = ["ravdess"]', 'corpora = ["table"]')


def test_labels_of_ones_own_are_any_words_where_a_table_is_learned_from() -> None:
    text = OWN.replace('["sad", "angry"]', '["Frustrated", "stress: high", "Joy"]')
    assert Recipe.parse(text).emotions == ("frustrated", "stress: high", "happy")
    with pytest.raises(RecipeError, match="'frustrated' is not one of neutral, calm"):
        Recipe.parse(text.replace('"table"', '"ravdess"'))
    for wrong, fault in (('"a\\nb"', "printed"), ('""', "empty"), (f'"{"x" * 65}"', "65 charac")):
        with pytest.raises(RecipeError, match=fault):
            Recipe.parse(text.replace('"Joy"', wrong))
    with pytest.raises(RecipeError, match="should be two or more emotions, each once"):
        Recipe.parse(text.replace('"Joy"', '"FRUSTRATED"'))


def test_a_boosted_emotion_is_one_of_the_labels() -> None:
    boost = 'epochs = 3\nsampler = "balanced"\nboost = { bored = 2.0 }'
    assert said("epochs = 3", boost) == "training.boost: 'bored' is not one of sad, angry"


@pytest.mark.parametrize("table", ["", '[table]\nlabel = "y"\nmap = { fru = "sad" }\n'])
def test_columns_given_beside_a_recipe_stand_in_its_text(table: str) -> None:
    recipe = Recipe.parse(OWN.replace("[window]", f"{table}[window]"))
    assert recipe.with_columns(TableSpec()) is recipe
    given = TableSpec(path="wav", rate=100, map={"exc": 'the "best"'}, numbers=("sad", "calm"))
    changed = recipe.with_columns(given)
    assert Recipe.parse(changed.text).table == changed.table
    own = recipe.table
    expected = {"path": "wav", "rate": 100.0, "numbers": ("sad", "calm")}
    assert changed.table == own.model_copy(update=expected | {"map": own.map | given.map})
    assert changed.model_dump(exclude={"table"}) == recipe.model_dump(exclude={"table"})


def test_a_table_that_cannot_be_changed_is_one_line() -> None:
    recipe = Recipe.parse(OWN.replace("corpora = ", 'table.path = "wav"\ncorpora = '))
    with pytest.raises(RecipeError, match=r"\[table\] cannot be changed .*; write rate into it"):
        recipe.with_columns(TableSpec(rate=100))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a" + ".a" * 100_000 + " = 1", "has 100000 dots; expected 200"),
        ("x = " + "[" * 50_000, "nested too deep"),
        ("x = " + "{a = " * 50_000, "nested too deep"),
        ("x = " + "9" * 5_000, "not valid TOML: Exceeds the limit"),
        ("# " + "x" * 300_000, "longer than 256000 bytes"),
        ("[" + ".".join("a" * 200) + "]\n" + "x = 1", ""),
    ],
)
def test_what_would_take_much_to_read_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(text)
    for read in (Recipe.load, Recipe.check):
        with pytest.raises(RecipeError) as refused:
            read(path)
        assert str(refused.value).startswith(f"{path}: ")
        assert message in str(refused.value)
        assert message == "" or "\n" not in str(refused.value)
