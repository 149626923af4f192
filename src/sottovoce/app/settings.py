"""What the app was started with: the folder of further models, and where corrections go."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CORRECTIONS = Path("sottovoce-corrections")
"""Where corrections go, unless the app is told otherwise; made at the first one."""


@dataclass(frozen=True, slots=True)
class AppSettings:
    """The arguments after `streamlit run main.py --`."""

    models: Path | None = None
    """A folder of further model files."""
    corrections: Path = CORRECTIONS
    """A folder, which need not be there."""


def settings(arguments: Sequence[str] | None = None) -> AppSettings:
    """Read them; what is not known is left to others.

    Args:
        arguments: those of the process if None.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--corrections", type=Path, default=CORRECTIONS)
    known, _ = parser.parse_known_args(sys.argv[1:] if arguments is None else arguments)
    return AppSettings(known.models, known.corrections)
