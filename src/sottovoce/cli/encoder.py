"""`sottovoce encoder`: makes the pretrained encoder that a model stands on, once."""

from pathlib import Path
from typing import Annotated

import typer

from sottovoce.cli._learn_options import requires_extras

EXAMPLES = """Examples:

  sottovoce encoder my-model.onnx\n
  sottovoce encoder my-model.onnx --from whisper-base/"""


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(epilog=EXAMPLES)(encoder)


def encoder(
    model: Annotated[
        str,
        typer.Argument(metavar="NAME|FILE", help="The model that needs it.", show_default=False),
    ],
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DIR",
            help="Folder with the encoder's model.safetensors and config.json. Without it, the "
            "folder that SOTTOVOCE_ENCODERS names is looked in, then the Hugging Face hub.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make the pretrained encoder that a model stands on, and keep it in the cache.

    Some models hold only what was trained on top of a pretrained encoder. This fetches that encoder
    and turns it into a graph; it needs the extras learn and pretrained, the model itself does not.
    """
    from sottovoce.errors import ModelError
    from sottovoce.models.encoder import encoder_file
    from sottovoce.models.model_file import read_model_file
    from sottovoce.models.registry import find
    from sottovoce.text import display_path

    path = find(model)
    info = read_model_file(path)[1].encoder
    if info is None:
        print(f"{display_path(path)} stands on no encoder; it is whole as it is.")
        return
    if source is not None and not source.is_dir():
        raise ModelError(f"{display_path(source)}: no such folder; name the encoder's")
    made = encoder_file(info)
    if not made.exists():
        with requires_extras("making an encoder", "learn", "pretrained"):
            from sottovoce.learn.export.encoder import make_encoder
        make_encoder(info, source)
    size = f"{made.stat().st_size / 1e6:.1f} MB"
    print(f"The encoder {info.name} is in {display_path(made)} ({size}).")
