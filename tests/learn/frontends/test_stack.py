"""A stack holds the features of a reference system, shaped and normalised, and exports whole."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import onnxruntime
import pytest
import torch
from pydantic import ValidationError

from sottovoce.audio import Audio
from sottovoce.errors import SottovoceError
from sottovoce.learn.frontends.stack import Stack, StackOptions, middle_of
from sottovoce.learn.registry import frontends

A = """
name = "stack"
frames = 150
normalise = "clip"
parts = [
    { name = "mfcc", deltas = 2 },
    { name = "mel" },
    { name = "centroid" },
    { name = "bandwidth" },
    { name = "contrast" },
    { name = "flatness" },
    { name = "rolloff" },
    { name = "zero-crossing-rate" },
    { name = "f0" },
    { name = "rms" },
]
"""
B = """
name = "stack"
frames = 128
normalise = "training"
parts = [
    { name = "mfcc", deltas = 2 },
    { name = "mel", bands = 40 },
    { name = "chroma" },
    { name = "zero-crossing-rate" },
    { name = "rms" },
]
"""
C = """
name = "stack"
frames = 174
normalise = "training"
parts = [{ name = "mfcc" }]
"""
D = """
name = "stack"
middle = 2.0
normalise = "clip"
parts = [{ name = "mel", bands = 64 }]
"""
E = """
name = "stack"
frame = 1024
hop = 256
normalise = "clip"
parts = [{ name = "mel" }]
"""
REFERENCES = [
    (A, 16_000, (262, 150)),
    (B, 16_000, (174, 128)),
    (C, 22_050, (40, 174)),
    (D, 48_000, (64, 188)),
    (E, 16_000, (128, None)),
]


def stack(text: str, rate: int = 16_000) -> Stack:
    table = tomllib.loads(text)
    assert table.pop("name") == "stack"
    return Stack(StackOptions.model_validate(table), rate)


def parts(*tables: Mapping[str, Any], **options: Any) -> Stack:
    return Stack(StackOptions.model_validate({"parts": list(tables), **options}), 16_000)


def voice(samples: int, batch: int = 1, rate: int = 16_000) -> torch.Tensor:
    generator = torch.Generator().manual_seed(samples)
    time = torch.arange(samples) / rate
    pitch = 120 + 60 * torch.rand(batch, 1, generator=generator)
    waves = [torch.sin(2 * torch.pi * k * pitch * time) / k for k in range(1, 20)]
    sound = torch.stack(waves).sum(dim=0) * (0.6 + 0.4 * torch.sin(2 * torch.pi * 2 * time))
    return 0.1 * sound + 1e-3 * torch.randn(batch, samples, generator=generator)


@pytest.mark.parametrize(("text", "rate", "shape"), REFERENCES)
def test_each_reference_is_recipe_text(text: str, rate: int, shape: tuple[int, int | None]) -> None:
    module = stack(text, rate)
    for seconds in (1.0, 6.0):
        waveform = voice(round(seconds * rate), batch=2, rate=rate)
        module.fit([module.raw(waveform)])
        found = module(waveform)
        time = shape[1] or waveform.shape[1] // 256 + 1
        assert found.shape == (2, module.features, time)
        assert module.features == shape[0]
        assert bool(found.isfinite().all())


def exported(module: Stack, waveform: torch.Tensor, shortest: int) -> onnxruntime.InferenceSession:
    """Open the graph of a stack, for any batch and any length from the shortest on."""
    shapes = ({0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("samples", min=shortest)},)
    program = torch.onnx.export(
        module,
        (waveform,),
        dynamic_shapes=shapes,
        opset_version=18,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    return onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )


@pytest.mark.filterwarnings("ignore")  # of torch's exporter
@pytest.mark.parametrize(("text", "rate"), [(A, 16_000), (B, 16_000), (D, 48_000)])
def test_the_exported_graph_gives_the_same(ravdess: Path, text: str, rate: int) -> None:
    module = stack(text, rate).eval()
    clips = [
        Audio.read(min(ravdess.glob(f"Actor_0{n}/*-0{n}-01-01-*")), sample_rate=rate).samples
        for n in (1, 3)
    ]
    module.fit([module.raw(torch.from_numpy(clip.copy())) for clip in clips])
    session = exported(module, voice(2 * rate, 2), shortest=rate // 2)
    name = session.get_inputs()[0].name
    half = rate // 2
    short = np.concatenate([clip[:, 2 * half : 3 * half + 7] for clip in clips])
    for waveform in (*clips, short):
        (found,) = session.run(None, {name: waveform})
        expected = module(torch.from_numpy(waveform.copy())).numpy()
        assert found.shape == expected.shape
        close = np.isclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
        assert close.mean() > 0.9995  # a bin of the rolloff, a frame that is voiced or not
        if "rolloff" not in text:
            assert close.all()


def happy_clip(ravdess: Path, rate: int) -> torch.Tensor:
    """A happy clip of 3.6 s, as read at this rate."""
    path = ravdess / "Actor_10" / "03-01-03-02-02-01-10.flac"
    return torch.from_numpy(Audio.read(path, sample_rate=rate).samples.copy())


def test_c_at_22050_is_librosas(ravdess: Path) -> None:
    """40 MFCC in 174 frames: those of the clip, then zeros."""
    waveform = happy_clip(ravdess, 22_050)
    expected = librosa.feature.mfcc(y=waveform[0].numpy(), sr=22_050, n_mfcc=40)
    found = stack(C, 22_050).raw(waveform)[0].numpy()
    assert found.shape == (40, 174)
    assert expected.shape[1] < 174
    np.testing.assert_allclose(found[:, : expected.shape[1]], expected, rtol=0, atol=5e-3)
    assert not found[:, expected.shape[1] :].any()


def test_d_at_48000_is_librosas(ravdess: Path) -> None:
    """64 mel bands of the middle 2 s, in dB below their loudest, then to mean 0, deviation 1."""
    waveform, rate = happy_clip(ravdess, 48_000), 48_000
    start = (waveform.shape[1] - 2 * rate) // 2
    middle = waveform[0, start : start + 2 * rate].numpy()
    power = librosa.feature.melspectrogram(y=middle, sr=rate, n_mels=64)
    expected = librosa.power_to_db(power, ref=np.max)
    module = stack(D, rate)
    raw = module.raw(waveform)[0].numpy()
    assert raw.shape == expected.shape == (64, 188)
    np.testing.assert_allclose(raw, expected, rtol=0, atol=5e-3)
    found = module(waveform)[0].numpy()
    expected = (expected - expected.mean()) / expected.std()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("samples", [1, 500, 2000, 8 * 512 - 1])
def test_slopes_of_less_than_nine_frames_go_on_with_the_last(samples: int) -> None:
    waveform = voice(samples, batch=2)
    found = parts({"name": "rms", "deltas": 2})(waveform).numpy()
    level = parts({"name": "rms"})(waveform).numpy()[:, 0]
    time = samples // 512 + 1
    going_on = np.pad(level, ((0, 0), (0, 9 - time)), mode="edge")
    for order in (1, 2):
        expected = librosa.feature.delta(going_on, order=order)[:, :time]
        np.testing.assert_allclose(found[:, order], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.filterwarnings("ignore")  # of torch's exporter
def test_a_graph_for_long_hops_hears_a_clip_of_few_frames() -> None:
    module = parts({"name": "mfcc", "deltas": 1}, hop=1600).eval()
    session = exported(module, voice(32_000, batch=2), shortest=1600)
    for samples in (1600, 8000, 40_000):
        waveform = voice(samples)
        (found,) = session.run(None, {session.get_inputs()[0].name: waveform.numpy()})
        np.testing.assert_allclose(found, module(waveform).numpy(), rtol=1e-4, atol=1e-3)


def test_a_front_end_says_where_its_bands_lie() -> None:
    """One mel spectrogram has an axis of frequency; what is stacked or unlike in scale has none."""
    mel = {"name": "mel", "bands": 40, "fmin": 50, "fmax": 7000}
    expected = librosa.mel_frequencies(42, fmin=50, fmax=7000)[1:-1]
    for normalise in ("none", "clip"):
        centres = parts(mel, normalise=normalise).centres
        assert centres is not None
        np.testing.assert_allclose(centres.numpy(), expected, rtol=1e-5)
    without = [[mel, {"name": "rms"}], [{"name": "mfcc"}], [{**mel, "deltas": 1}]]
    assert all(parts(*tables).centres is None for tables in without)
    assert parts(mel, normalise="feature").centres is None


def test_parts_are_those_that_stand_alone_and_are_cut_to_the_shortest() -> None:
    waveform = voice(20_000, batch=2)
    module = parts({"name": "rms", "hop": 700}, {"name": "mfcc", "frame": 512, "hop": 160})
    found = module(waveform)
    assert found.shape == (2, 41, 20_000 // 700 + 1)
    for name, options, rows in (
        ("rms", {"hop": 700}, slice(1)),
        ("mfcc", {"frame": 512, "hop": 160}, slice(1, 41)),
    ):
        alone = frontends()[name]
        expected = alone(alone.Options.model_validate(options), 16_000)(waveform)
        assert torch.equal(found[:, rows], expected[:, :, : found.shape[2]])


def test_the_spectrum_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    module = stack(A)
    for part in module.parts:
        if hasattr(part, "spectrum"):
            part.spectrum.register_forward_hook(lambda *_: calls.append(1))
    module(voice(16_000))
    assert len(calls) == 1


def test_a_clip_is_normalised_as_a_whole_or_by_feature() -> None:
    waveform = voice(16_000, batch=3)
    tables = ({"name": "mel"}, {"name": "centroid"})
    whole = parts(*tables, normalise="clip")(waveform)
    torch.testing.assert_close(whole.mean(dim=(1, 2)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(whole.std(dim=(1, 2)), torch.ones(3), atol=1e-3, rtol=0)
    values = parts(*tables, normalise="feature")(waveform)
    torch.testing.assert_close(values.mean(dim=2), torch.zeros(3, 129), atol=1e-4, rtol=0)


def test_training_statistics_are_those_of_the_clips_that_were_given() -> None:
    module = parts({"name": "mfcc"}, normalise="training")
    plain = parts({"name": "mfcc"})
    clips = [voice(16_000, batch=2), voice(24_000)]
    assert bool(module(clips[0]).isnan().all())  # never fitted
    module.fit(module.raw(clip) for clip in clips)
    frames = torch.cat([plain(clip).transpose(1, 2).reshape(-1, 40) for clip in clips])
    expected = (plain(clips[1]) - frames.mean(dim=0)[:, None]) / frames.std(dim=0)[:, None]
    torch.testing.assert_close(module(clips[1]), expected, atol=1e-2, rtol=1e-2)
    reopened = parts({"name": "mfcc"}, normalise="training")
    reopened.load_state_dict(module.state_dict())
    assert torch.equal(reopened(clips[1]), module(clips[1]))
    with pytest.raises(SottovoceError, match="no training clip"):
        module.fit([])


@pytest.mark.parametrize(
    ("length", "wanted", "expected"),
    [
        (7, 3, [3, 4, 5]),
        (6, 4, [2, 3, 4, 5]),
        (3, 7, [0, 0, 1, 2, 3, 0, 0]),
        (2, 4, [0, 1, 2, 0]),
        (4, 4, [1, 2, 3, 4]),
    ],
)
def test_the_middle_is_the_middle(length: int, wanted: int, expected: list[int]) -> None:
    waveform = torch.arange(1.0, length + 1)[None]
    assert middle_of(waveform, wanted)[0].tolist() == expected


def test_fewer_frames_are_padded_with_zeros() -> None:
    waveform = voice(8000)
    found, all_of_it = parts({"name": "mel"}, frames=30)(waveform), parts({"name": "mel"})(waveform)
    assert torch.equal(found[:, :, :16], all_of_it)
    assert not found[:, :, 16:].any()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": "mfc"}, "part 1: name: found 'mfc'; allowed: bandwidth, centroid"),
        ({"name": "stack"}, "part 1: name: found 'stack'"),
        ({"name": "mel", "bandz": 3}, "part 1 .mel.: bandz: unknown key .did you mean bands"),
        ({"name": "mfcc", "coefficients": 200}, "should be at most bands 128"),
        (7, "part 1: found 7; should be a table"),
    ],
)
def test_a_wrong_part_is_named(table: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        StackOptions.model_validate({"parts": [table]})
