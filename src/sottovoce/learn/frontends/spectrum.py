"""The power spectrum of overlapping frames, by a Fourier transform in two steps."""

import math

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import nn


class Spectrum(nn.Module):
    """Power of each frequency in Hann-windowed frames, as librosa's STFT has it.

    Frame t is centred on sample t * hop, with zeros beyond the ends: time = samples // hop + 1.

    A transform of n = a * b points is b transforms of a points and then a transforms of b points
    (Cooley and Tukey 1965), each a matrix product: (a + b) / n of the work of one matrix for it
    all, and what a product leaves to be done fast is done by ONNX Runtime. At 2048 points that
    takes a quarter of the time of its STFT operator. With sample s = b * p + q, frequency
    k = u + a * v, and w the window,

        X[u + a v] = sum_q exp(-2 pi i q v / b) * sum_p x[b p + q] * first[q, p, u]
        first[q, p, u] = w[b p + q] * exp(-2 pi i (p u / a + q u / n))
    """

    first: torch.Tensor
    second: torch.Tensor

    def __init__(self, frame: int, window: int, hop: int) -> None:
        """`frame` samples in a frame, an even number, the middle `window` of them heard."""
        super().__init__()
        self.frame, self.hop = frame, hop
        self.rows, self.columns = _factors(frame)
        first, second = _kernels(frame, window, self.rows, self.columns)
        self.register_buffer("first", torch.from_numpy(first), persistent=False)
        self.register_buffer("second", torch.from_numpy(second), persistent=False)

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        """waveform: (batch, samples) -> power: (batch, time, frame // 2 + 1)."""
        batch, samples = waveform.shape
        time = samples // self.hop + 1
        frames = frames_of(waveform, self.frame, self.hop)
        frames = frames.reshape(batch * time, self.rows, self.columns)
        partial = torch.matmul(frames.permute(2, 0, 1), self.first)  # (b, frames, 2 * a)
        partial = partial.reshape(self.columns, batch * time, 2, self.rows).permute(1, 3, 2, 0)
        partial = partial.reshape(batch * time, self.rows, 2 * self.columns)
        real, imaginary = torch.matmul(partial, self.second).chunk(2, dim=2)
        power = real * real + imaginary * imaginary  # (frames, u, v)
        power = power.transpose(1, 2).reshape(batch, time, -1)
        return power[:, :, : self.frame // 2 + 1]


def frames_of(waveform: torch.Tensor, frame: int, hop: int) -> torch.Tensor:
    """Cut frames centred on every hop, with zeros beyond the ends.

    waveform: (batch, samples) -> (batch, samples // hop + 1, frame); `frame` is even.
    """
    batch, samples = waveform.shape
    step = math.gcd(frame, hop)  # the waveform is copied in pieces of this many samples
    padded = F.pad(waveform, (frame // 2, frame // 2))
    pieces = padded[:, : samples // hop * hop + frame].reshape(batch, -1, step)
    starts = torch.arange(samples // hop + 1, device=waveform.device) * (hop // step)
    index = starts[:, None] + torch.arange(frame // step, device=waveform.device)
    return pieces[:, index].reshape(batch, samples // hop + 1, frame)


def _factors(number: int) -> tuple[int, int]:
    """Give two whole numbers, as near to each other as can be, with this product; larger first."""
    smaller = next(each for each in range(math.isqrt(number), 0, -1) if number % each == 0)
    return number // smaller, smaller


def _kernels(
    frame: int, window: int, rows: int, columns: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The matrices of the two steps: (columns, rows, 2 * rows), (2 * columns, 2 * kept)."""
    hann = np.zeros(frame)
    margin = (frame - window) // 2
    hann[margin : margin + window] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    row, column = np.arange(rows), np.arange(columns)
    kept = np.arange(frame // 2 // rows + 1)  # half of the frequencies: the waveform is real
    turns = row[:, None] * row / rows + column[:, None, None] * row / frame
    first = hann.reshape(rows, columns).T[:, :, None] * np.exp(-2j * np.pi * turns)
    second = np.exp(-2j * np.pi * column[:, None] * kept / columns)
    return (
        np.concatenate([first.real, first.imag], axis=2).astype(np.float32),
        np.block([[second.real, second.imag], [-second.imag, second.real]]).astype(np.float32),
    )
