"""Writes the network of a model file as a Keras model, with its trained weights and a side file."""

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from sottovoce.audio import Samples
from sottovoce.errors import ModelError, SottovoceError
from sottovoce.learn.frontends import FrontEnd
from sottovoce.learn.frontends.stack import Stack
from sottovoce.learn.networks.cnn_bilstm import CNNBiLSTM, CNNBiLSTMOptions
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.silence_logs import silence_logs
from sottovoce.learn.train.classifier import make_frontend
from sottovoce.models.card import Card
from sottovoce.models.model import Model
from sottovoce.models.model_file import read_model_file
from sottovoce.system import write_atomically
from sottovoce.text import describe

os.environ.setdefault("KERAS_BACKEND", "torch")  # read where Keras is imported
import keras

TOLERANCE = 1e-4
"""Largest difference between probabilities of the ONNX file and of a Keras file."""

MEMBER = "classifier.members.0."
"""What the names of a network's weights begin with, in a model file."""


@dataclass(frozen=True, slots=True)
class KerasExport:
    """What an export wrote.

    Attributes:
        files: the .keras file, the .h5 file and the side file.
        difference: the largest between probabilities of the ONNX file and of either Keras file.
        clips: on how many clips.
    """

    files: tuple[Path, Path, Path]
    difference: float
    clips: int


def export_keras(path: Path, folder: Path, clips: Iterable[Samples]) -> KerasExport:
    """Write `<name>.keras`, `<name>.h5` and `<name>.json` into a folder.

    The Keras model takes features, (batch, frames, features), and gives probabilities with the
    model's temperature in them. Batch norm is part of the convolutions before it, as in the model
    file. The side file holds what its features are made by: the labels in the order of the
    outputs, the sample rate, the recipe's table [frontend], and mean and standard deviation of each
    feature. Both files are loaded again and compared with the model file.

    Args:
        path: of the model file.
        folder: made if need be.
        clips: (samples,) at the model's sample rate, to compare on.

    Raises:
        ModelError: Keras cannot hold this network, or the files disagree.
        SottovoceError: there is no clip.
    """
    data, card = read_model_file(path)
    recipe = _held(card, describe(path))
    weights = _Weights(data)
    frontend = _frontend(recipe, weights)
    model = _build(recipe, weights, frontend, card)
    folder.mkdir(parents=True, exist_ok=True)
    files = tuple(folder / f"{card.name}.{suffix}" for suffix in ("keras", "h5", "json"))
    with silence_logs("absl"):  # Keras would rather have no .h5
        for file in files[:2]:
            model.save(file)
    loaded = [keras.models.load_model(file, compile=False) for file in files[:2]]
    original, difference, count = Model.open(path), 0.0, 0
    for clip in clips:
        expected = original.probabilities(clip[None])
        features = _features(frontend, clip)
        for again in loaded:
            found = keras.ops.convert_to_numpy(again(features, training=False))
            difference = max(difference, float(np.abs(found - expected).max()))
        count += 1
    if not count:
        raise SottovoceError("there is no clip to compare the Keras files on; name recordings")
    if not difference <= TOLERANCE:
        for file in files[:2]:
            file.unlink()
        raise ModelError(
            f"{describe(path)}: the Keras files differ from it by {difference:.1e} on {count} "
            f"clips; at most {TOLERANCE:.0e} is allowed"
        )
    side = _side_file(card, recipe, frontend) | {"difference": difference, "clips": count}
    write_atomically(files[2], json.dumps(side, indent=2) + "\n")
    return KerasExport((files[0], files[1], files[2]), difference, count)


def _held(card: Card, name: str) -> Recipe:
    """The recipe of a card, once it is known that Keras can hold its network."""
    recipe = Recipe.parse(card.recipe, name) if card.encoder is None else None
    found = recipe.network.name if recipe else "a head on a pretrained encoder"
    if recipe is None or found != CNNBiLSTM.name:
        raise ModelError(
            f"{name}: its network is {found}, which is not written for Keras; {CNNBiLSTM.name} is"
        )
    if recipe.training.members > 1:
        raise ModelError(
            f"{name}: it is {recipe.training.members} networks side by side, and a Keras file is "
            "written of one; train with training.members = 1"
        )
    return recipe


class _Weights:
    """The tensors of a model file by what they are to the network."""

    def __init__(self, data: bytes) -> None:
        graph = onnx.load_from_string(data).graph
        self.tensors: dict[str, NDArray[np.float32]] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer
        }
        self.nodes = list(graph.node)
        self.made_by = {output: node for node in self.nodes for output in node.output}

    def get(self, pattern: str) -> NDArray[np.float32]:
        """The one tensor whose whole name fits a pattern."""
        found = [name for name in self.tensors if re.fullmatch(pattern, name)]
        if len(found) != 1:
            raise ModelError(
                f"the model file has {len(found)} tensors named {pattern}; expected 1: export it "
                "again with this version"
            )
        return self.tensors[found[0]]

    def member(self, name: str) -> NDArray[np.float32]:
        """A tensor of the network by its name there."""
        return self.get(re.escape(MEMBER) + name)

    def convolutions(self) -> list[list[NDArray[np.float32]]]:
        """Of each convolution in order, kernel and bias as Keras has them.

        Torch has (channels out, channels in, time), Keras (time, channels in, channels out).
        """
        found: list[list[NDArray[np.float32]]] = []
        for node in self.nodes:
            if node.op_type == "Conv" and node.input[1].startswith(f"{MEMBER}blocks"):
                kernel = self.tensors[node.input[1]].transpose(2, 1, 0)
                bias = [self.tensors[name] for name in node.input[2:]]  # left out where it is 0
                found.append([kernel, *(bias or [np.zeros(kernel.shape[2], np.float32)])])
        return found

    def recurrent(self, layer: int) -> list[NDArray[np.float32]]:
        """Kernel, recurrent kernel and bias of each direction of an LSTM, as Keras has them.

        Both have the gates in the order input, forget, cell, output; torch has two biases.
        """
        return [
            np.sum(
                [self.member(rf"recurrent\.layers\.{layer}\.{name}_l0{way}").T for name in names],
                axis=0,
            )
            for way in ("", "_reverse")
            for names in (("weight_ih",), ("weight_hh",), ("bias_ih", "bias_hh"))
        ]

    def score(self) -> list[NDArray[np.float32]]:
        """Kernel and bias of the attention over the states; the exporter renames the kernel."""
        (add,) = (
            node
            for node in self.nodes
            if node.op_type == "Add" and any(name.endswith("score.bias") for name in node.input)
        )
        product = next(self.made_by[name] for name in add.input if name in self.made_by)
        return [self.tensors[product.input[1]], self.member(r".*score\.bias")]

    def dense(self, number: int) -> list[NDArray[np.float32]]:
        """Kernel and bias of a layer of the head."""
        return [self.member(rf"head\.{number}\.weight").T, self.member(rf"head\.{number}\.bias")]


def _build(recipe: Recipe, weights: _Weights, frontend: FrontEnd, card: Card) -> Any:
    """The network in layers of Keras alone, so that it loads without code of ours."""
    options = CNNBiLSTMOptions.model_validate(recipe.network.options.model_dump())
    frames = frontend.frames if isinstance(frontend, Stack) else 0
    layers = keras.layers
    given = keras.Input((frames or None, frontend.features), name="features")
    trained: list[tuple[Any, list[NDArray[np.float32]]]] = []

    def add(layer: Any, values: list[NDArray[np.float32]], x: Any) -> Any:
        trained.append((layer, values))
        return layer(x)

    x = given
    for values in weights.convolutions():
        size, _, width = values[0].shape
        x = add(layers.Conv1D(width, size, padding="same", activation="relu"), values, x)
        # What is left at the end is pooled as well; after ReLU zeros change no maximum.
        x = layers.MaxPooling1D(options.pool)(layers.ZeroPadding1D((0, options.pool - 1))(x))
        x = layers.Dropout(options.conv_dropout)(x)
    for number, units in enumerate(options.units):
        # Of "last", the state of each direction when it has heard all.
        ends = options.summary == "last" and number == len(options.units) - 1
        lstm = layers.LSTM(units, return_sequences=not ends)
        x = add(layers.Bidirectional(lstm), weights.recurrent(number), x)
        x = layers.Dropout(options.lstm_dropout)(x)
    if options.summary == "attention":
        share = layers.Softmax(axis=1)(add(layers.Dense(1), weights.score(), x))
        x = layers.Flatten()(layers.Dot(axes=1)([share, x]))
    elif options.summary == "mean":
        x = layers.GlobalAveragePooling1D()(x)
    x = add(layers.Dense(options.dense, activation="relu"), weights.dense(0), x)
    x = layers.Dropout(options.dense_dropout)(x)
    last = [values / card.calibration.temperature for values in weights.dense(3)]
    x = add(layers.Dense(len(card.labels), activation="softmax"), last, x)
    model = keras.Model(given, x, name=re.sub(r"\W", "_", card.name))
    for layer, values in trained:
        layer.set_weights(values)
    return model


def _frontend(recipe: Recipe, weights: _Weights) -> FrontEnd:
    """The front end of a recipe with the statistics of its training clips."""
    frontend = make_frontend(recipe)
    if isinstance(frontend, Stack) and frontend.statistics is not None:
        name = r"classifier\.frontend\.statistics\."
        frontend.statistics.mean.copy_(torch.from_numpy(weights.get(f"{name}mean").copy()))
        std = weights.get(f"{name}(std|deviation)")
        frontend.statistics.std.copy_(torch.from_numpy(std.copy()))
    return frontend


def _features(frontend: FrontEnd, clip: Samples) -> NDArray[np.float32]:
    """(samples,) -> what the Keras model takes: (1, frames, features)."""
    with torch.inference_mode():
        values = frontend.normalised(frontend.raw(torch.from_numpy(clip[None])))
    return np.asarray(values.transpose(1, 2))


def _side_file(card: Card, recipe: Recipe, frontend: FrontEnd) -> dict[str, object]:
    """What is to be known to use the Keras files."""
    side: dict[str, object] = {
        "name": card.name,
        "version": card.version,
        "licence": card.licence,
        "labels": list(card.labels),
        "sample_rate": card.sample_rate,
        "frontend": {"name": recipe.frontend.name} | recipe.frontend.options.model_dump(),
    }
    if isinstance(frontend, Stack) and frontend.statistics is not None:
        side["mean"] = frontend.statistics.mean.flatten().tolist()
        side["std"] = frontend.statistics.std.flatten().tolist()
    return side
