"""openSMILE's functionals of a whole clip: eGeMAPS and ComParE, through the package `opensmile`."""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from sottovoce.errors import MissingExtraError
from sottovoce.learn.frontends import FrontEnd
from sottovoce.learn.silence_logs import silence_logs
from sottovoce.options import StrictModel


class OpenSmileOptions(StrictModel):
    """Options of the front end `opensmile`."""

    set: Literal["eGeMAPSv02", "ComParE_2016"] = Field(
        "eGeMAPSv02",
        description="eGeMAPSv02: 88 functionals (Eyben et al. 2016). ComParE_2016: 6373 (Schuller "
        "et al. 2016).",
    )


class OpenSmile(FrontEnd):
    """Functionals of a clip as one frame, computed by openSMILE (Eyben et al. 2010).

    What is not finite, as some functionals of silence and of very short sounds are, becomes 0. The
    package has a licence of its own, which forbids commercial products, and is no torch module: a
    classifier behind this front end can be trained and measured, not put in a model file.
    """

    name = "opensmile"
    Options = OpenSmileOptions
    exportable = False

    def __init__(self, options: OpenSmileOptions, sample_rate: int) -> None:
        """See `OpenSmileOptions`.

        Raises:
            MissingExtraError: the package is not installed.
        """
        super().__init__(options, sample_rate)
        try:
            import opensmile
        except ModuleNotFoundError as error:
            raise MissingExtraError("the front end opensmile", "openSMILE", "opensmile") from error
        self._smile = opensmile.Smile(opensmile.FeatureSet[options.set])
        self.features = len(self._smile.feature_names)
        self.identity = f"opensmile {opensmile.__version__}"

    def raw(self, waveform: torch.Tensor) -> torch.Tensor:
        """waveform: (batch, samples), -1..1 -> (batch, features, 1)."""
        # openSMILE is given 16-bit samples, in which full scale would wrap around to -32768.
        sound = waveform.clamp(-1, 32767 / 32768).cpu().numpy()
        values = np.stack([self._functionals(clip) for clip in sound])
        return torch.from_numpy(values).to(waveform.device)[:, :, None]

    def _functionals(self, clip: NDArray[np.float32]) -> NDArray[np.float32]:
        with silence_logs():  # it warns of what is too short for it
            found = self._smile(clip, self.sample_rate)
        values: NDArray[np.float32] = np.float32(found).reshape(self.features)
        return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
