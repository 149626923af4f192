"""The window policy, to the sample: what the network is given, and how little is lost."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sottovoce.audio import Audio
from sottovoce.inference.window import pieces


def window(trim="speech", margin=0.3, grid=0.25, shortest=0.5, longest=30.0) -> SimpleNamespace:
    return SimpleNamespace(trim=trim, margin=margin, grid=grid, min=shortest, max=longest)


def ramp(samples: int, rate: int) -> Audio:
    """Samples that all differ and are never zero, so that each can be found again."""
    return Audio(np.linspace(0.1, 1, samples, dtype=np.float64).astype(np.float32), rate)


windows = st.builds(
    lambda trim, margin, grid, shortest, more: window(
        trim, margin, grid, shortest * grid, (shortest + more) * grid
    ),
    st.sampled_from(["speech", "none"]),
    st.floats(0, 1),
    st.sampled_from([0.01, 0.02, 0.1, 0.25, 0.3, 1 / 3, 0.5]),
    st.integers(1, 6),
    st.integers(0, 40),
)
rates = st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100])
extents = st.none() | st.tuples(st.floats(0, 3), st.floats(0, 3)).map(lambda e: tuple(sorted(e)))


@given(st.integers(0, 60_000), rates, windows, extents)
def test_pieces_are_on_the_grid_within_bounds_and_lose_less_than_a_step(
    size, rate, policy, speech
) -> None:
    audio = ramp(size, rate)
    cut = pieces(audio, policy, speech)
    step = max(1, round(policy.grid * rate))
    fewest, most = round(policy.min / policy.grid), round(policy.max / policy.grid)

    for piece in cut:
        assert piece.size % step == 0
        assert fewest <= piece.size // step <= max(fewest, most)

    start, end = 0, size
    if policy.trim == "speech" and speech is not None:
        start = min(size, max(0, int(np.floor((speech[0] - policy.margin) * rate))))
        end = min(size, max(start, int(np.ceil((speech[1] + policy.margin) * rate))))
    kept = np.concatenate(cut)
    kept = kept[kept != 0]  # without padding
    assert end - start - step < kept.size <= end - start
    first = start + (end - start - kept.size) // 2
    np.testing.assert_array_equal(kept, audio.samples[0, first : first + kept.size])


@given(st.integers(1, 200), st.integers(2, 20))
def test_long_recordings_are_split_into_the_fewest_pieces_that_hardly_differ(steps, most) -> None:
    cut = pieces(ramp(steps * 100, 1000), window(grid=0.1, shortest=0.1, longest=most / 10), None)
    lengths = {piece.size // 100 for piece in cut}
    assert len(cut) == -(-steps // most)
    assert max(lengths) - min(lengths) <= 1
    np.testing.assert_array_equal(np.concatenate(cut), ramp(steps * 100, 1000).samples[0])


def test_a_short_recording_is_centred_among_zeros() -> None:
    (piece,) = pieces(Audio(np.ones(301), 1000), window(), None)
    np.testing.assert_array_equal(piece, np.pad(np.ones(301), (99, 100)))
    (nothing,) = pieces(Audio(np.ones(0), 1000), window(), None)
    np.testing.assert_array_equal(nothing, np.zeros(500))


def test_speech_is_cut_out_with_its_margin_or_not_at_all() -> None:
    audio = ramp(5_000, 1000)
    (cut,) = pieces(audio, window(margin=0.25), (2.0, 3.0))
    np.testing.assert_array_equal(cut, audio.samples[0, 1750:3250])
    for policy, speech in ((window(trim="none"), (2.0, 3.0)), (window(), None)):
        (whole,) = pieces(audio, policy, speech)
        np.testing.assert_array_equal(whole, audio.samples[0])


@pytest.mark.parametrize("speech", [(0.0, 5.0), (-1.0, 9.0), (0.1, 4.9)])
def test_the_margin_ends_where_the_recording_does(speech) -> None:
    (piece,) = pieces(ramp(5_000, 1000), window(), speech)
    assert piece.size == 5_000


def test_half_a_second_at_an_odd_rate_is_two_steps_of_a_quarter() -> None:
    (piece,) = pieces(ramp(5_512, 11_025), window(), None)
    assert piece.size == 2 * round(0.25 * 11_025)


def test_channels_are_mixed_and_nothing_is_copied_without_need() -> None:
    stereo = Audio(np.stack([np.ones(1000), np.zeros(1000)]), 1000)
    (piece,) = pieces(stereo, window(), None)
    np.testing.assert_array_equal(piece, np.full(1000, 0.5))
    audio = ramp(1000, 1000)
    assert np.shares_memory(pieces(audio, window(), None)[0], audio.samples)
