"""Decoding what libsndfile does not with PyAV, which the extra `media` installs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio.libsndfile import FormatError
from sottovoce.audio.notes import DecodingNotes
from sottovoce.errors import AudioError, MissingExtraError
from sottovoce.text import one_line

DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dts,eac3,flac,flv,matroska,mov,mp3,mpc,mpc8,mpeg,mpegts,"
    "ogg,rm,tak,tta,w64,wav,wv"
)
"""Of FFmpeg, that may ever run: those that read one file, and nothing that it names."""
CODECS = (
    "aac,aac_latm,ac3,adpcm_ima_qt,adpcm_ima_wav,adpcm_ms,adpcm_swf,adpcm_yamaha,alac,amrnb,"
    "amrwb,ape,cook,dca,eac3,flac,g722,g726,g726le,gsm,gsm_ms,libopus,libspeex,mp1,mp1float,mp2,"
    "mp2float,mp3,mp3float,mp3on4float,mpc7,mpc8,nellymoser,opus,pcm_alaw,pcm_bluray,pcm_dvd,"
    "pcm_f16le,pcm_f24le,pcm_f32be,pcm_f32le,pcm_f64be,pcm_f64le,pcm_mulaw,pcm_s16be,"
    "pcm_s16be_planar,pcm_s16le,pcm_s16le_planar,pcm_s24be,pcm_s24daud,pcm_s24le,"
    "pcm_s24le_planar,pcm_s32be,pcm_s32le,pcm_s32le_planar,pcm_s8,pcm_s8_planar,pcm_u16be,"
    "pcm_u16le,pcm_u24be,pcm_u24le,pcm_u32be,pcm_u32le,pcm_u8,qcelp,ra_144,ra_288,sipr,speex,tak,"
    "truespeech,tta,vorbis,wavpack,wmalossless,wmapro,wmav1,wmav2,wmavoice"
)
"""Of FFmpeg, that may ever run: those of speech and music, none of pictures."""
MOST_SAMPLES = 2**20
"""In one frame of a codec; the header of a damaged file may ask for any number."""
MOST_SILENCE, LONGEST_SILENCE = 0.2, 60.0
"""s of silence at most in place of a packet that cannot be decoded, and of packets in a row."""
LOUDEST = 100.0
"""What a codec gives beyond this, or as no number, was damaged; full scale = 1."""
GAP = 0.1
"""s by which the time of a frame is ahead of the sound so far, where something is missing."""
MISSING = 0.5
"""s by which sound may be shorter than a header says, as padding is."""
SAY_THEIR_LENGTH = {"mov,mp4,m4a,3gp,3g2,mj2", "asf", "caf", "flac", "tta", "wv", "ape", "tak"}
"""Demuxers whose files say how long they are, where others estimate it."""
DISCONTINUOUS = {"amrnb": 6, "amrwb": 7}
"""Codec -> bytes up to which a packet stands for a pause (comfort noise, or nothing at all)."""


GATHERED = 16_384
"""Frames that are given at once, at least."""


class MediaKind(NamedTuple):
    """A kind of file that libsndfile surely does not decode."""

    name: str
    demuxer: str


_KINDS = (
    (4, b"ftyp", MediaKind("mp4", "mp4")),
    (4, b"moov", MediaKind("mov", "mov")),
    (4, b"mdat", MediaKind("mov", "mov")),
    (4, b"wide", MediaKind("mov", "mov")),
    (0, b"\x1aE\xdf\xa3", MediaKind("webm or mkv", "matroska")),  # EBML, WebM's head as well
    (0, bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), MediaKind("wma", "asf")),
    (8, b"AVI LIST", MediaKind("avi", "avi")),
    (0, b"#!AMR", MediaKind("amr", "amr")),
    (0, b"wvpk", MediaKind("WavPack", "wv")),
    (0, b"FLV\x01", MediaKind("flv", "flv")),
    (0, b".RMF", MediaKind("RealMedia", "rm")),
    (0, b"MAC ", MediaKind("Monkey's Audio", "ape")),
    (0, b"TTA1", MediaKind("tta", "tta")),
    (0, b"tBaK", MediaKind("tak", "tak")),
    (0, b"MPCK", MediaKind("Musepack", "mpc8")),
    (0, b"MP+", MediaKind("Musepack", "mpc")),
    (0, b"\x7f\xfe\x80\x01", MediaKind("dts", "dts")),
    (0, b"\x00\x00\x01\xba", MediaKind("mpeg", "mpeg")),
    (0, b"\x0b\x77", MediaKind("ac3", "ac3")),
)
"""Where in a file, which bytes, what it is."""


def media_kind(head: bytes) -> MediaKind | None:
    """Recognise a file that PyAV is needed for by its first bytes."""
    for place, magic, kind in _KINDS:
        if head[place : place + len(magic)] == magic:
            return kind
    if head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xF6 == 0xF0:
        return MediaKind("aac", "aac")  # ADTS
    if len(head) > 188 and head[0] == head[188] == 0x47:
        return MediaKind("MPEG transport stream", "mpegts")
    return None


def decode_media(
    file: BinaryIO,
    kind: MediaKind | None,
    name: str,
    stack: ExitStack,
    notes: DecodingNotes,
) -> tuple[int, int, Iterator[NDArray[np.float32]]]:
    """Decode the first sound track of a file, as `sottovoce.audio.decode.decode` does.

    No demuxer is ever tried but those of `DEMUXERS`, and only the one of `kind` if that is known.

    Returns:
        Sample rate in Hz, channels, and blocks of (frames, channels).

    Raises:
        FormatError: it is of no kind that is known, where none is given.
        AudioError: the file is not what it seems, or has no sound.
        MissingExtraError: PyAV is not installed.
    """
    try:
        import av
    except ImportError:
        raise MissingExtraError(f"{name}: {kind.name if kind else ''}", "PyAV", "media") from None
    try:
        media = stack.enter_context(
            av.open(
                file,
                mode="r",
                format=kind.demuxer if kind else None,
                metadata_errors="ignore",
                options={"max_samples": str(MOST_SAMPLES)},
                container_options={
                    "format_whitelist": DEMUXERS,
                    "codec_whitelist": CODECS,
                    "protocol_whitelist": "none",
                },
            )
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        if kind is None:
            raise FormatError(_reason(error)) from None
        raise AudioError(
            f"{name}: not a whole {kind.name} file ({_reason(error)}); it may be cut short"
        ) from None
    if not media.streams.audio:
        raise AudioError(f"{name}: has no sound track; expected one with sound")
    context = media.streams.audio[0].codec_context
    if context is None or context.name not in CODECS.split(","):
        raise AudioError(f"{name}: its sound is in a codec that is not known here; convert it")
    if not context.sample_rate or not context.channels:
        raise AudioError(f"{name}: its sound track does not say what it holds; convert it")
    return context.sample_rate, context.channels, _gathered(_Track(media, name, notes).blocks())


def _gathered(parts: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """The same in blocks of some length: a codec's frames may be very short."""
    held: list[NDArray[np.float32]] = []
    for part in parts:
        held.append(part)
        if sum(map(len, held)) >= GATHERED:
            yield np.concatenate(held)
            held = []
    if held:
        yield np.concatenate(held)


class _Track:
    """The first sound track of an opened file, on its way to blocks."""

    def __init__(self, media: Any, name: str, notes: DecodingNotes) -> None:
        self._media, self._name, self._notes = media, name, notes
        self._stream = media.streams.audio[0]
        context = self._stream.codec_context
        self._rate, self._channels = context.sample_rate, context.channels
        self._checked = not context.name.startswith("pcm")
        self._pauses = DISCONTINUOUS.get(context.name, 0)
        self._fit = _Fitted(context.layout, self._rate)
        self._frames = 0
        """That were decoded so far."""
        self._expected: float | None = None
        """Time of the next frame, s."""
        self._missed = 0.0
        """s of packets that could not be decoded since the last frame."""
        self._reason: Exception | None = None
        """Why packets could not be decoded."""

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        import av

        errors = av.FFmpegError, OSError, ValueError
        try:
            for packet in self._media.demux(self._stream):
                try:
                    decoded = packet.decode()
                except errors as error:
                    yield from self._undecodable(packet, error)
                    continue
                for frame in decoded:
                    yield from self._decoded(frame)
            yield from self._counted(self._fit(None))
        except errors as error:
            self._reason = error
            if self._frames:
                self._notes.damage(self._frames / self._rate)
                self._notes.unheard = "what comes after was not heard"
        if self._reason is not None and not self._frames:
            raise AudioError(
                f"{self._name}: the recording is damaged ({_reason(self._reason)}); "
                "nothing could be decoded"
            )
        self._check_end()

    def _undecodable(self, packet: Any, error: Exception) -> Iterator[NDArray[np.float32]]:
        """Silence in place of a pause; in place of damage, once there is sound after it."""
        length = min(MOST_SILENCE, float((packet.duration or 0) * (packet.time_base or 0)))
        if self._expected is not None:
            self._expected += length
        if packet.size <= self._pauses:
            yield from self._counted([self._silence(length)])
        else:
            self._reason = self._reason or error
            self._missed = min(LONGEST_SILENCE, self._missed + max(length, 1 / self._rate))

    def _decoded(self, frame: Any) -> Iterator[NDArray[np.float32]]:
        if frame.pts is not None and frame.time_base:
            at = float(frame.pts * frame.time_base)
            if self._expected is not None and at - self._expected > GAP:
                self._notes.damage(self._frames / self._rate)
            self._expected = at + frame.samples / (frame.sample_rate or self._rate)
        if self._missed:
            self._notes.damage(self._frames / self._rate)
            if self._frames:
                yield from self._counted([self._silence(self._missed)])
            self._missed = 0.0
        for block in self._fit(frame):
            fine = np.abs(block) <= LOUDEST
            if self._checked and not fine.all():
                self._notes.damage(self._frames / self._rate)
                block = np.where(fine, block, np.float32(0))
            yield from self._counted([block])

    def _counted(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        for block in blocks:
            self._frames += len(block)
            yield block

    def _silence(self, seconds: float) -> NDArray[np.float32]:
        return np.zeros((round(seconds * self._rate), self._channels), np.float32)

    def _check_end(self) -> None:
        """Note where the file ends before it should."""
        end, promised = self._frames / self._rate, None
        if self._media.format.name in SAY_THEIR_LENGTH and self._stream.duration:
            promised = float(self._stream.duration * self._stream.time_base)
        early = promised is not None and promised - end > MISSING and not self._notes.damages
        if self._missed or early:
            self._notes.cut(end, promised if early else None)


class _Fitted:
    """Frames as float samples, in the channels and at the rate of the first ones."""

    def __init__(self, layout: Any, rate: int) -> None:
        self._layout, self._rate = layout, rate
        self._shape: Any = None
        self._convert: Any = None

    def __call__(self, frame: Any) -> Iterator[NDArray[np.float32]]:
        import av

        if frame is None:
            yield from self._given(None)
            return
        shape = frame.format.name, frame.layout.name, frame.sample_rate
        if shape != self._shape:
            yield from self._given(None)
            self._shape = shape
            self._convert = av.AudioResampler(format="fltp", layout=self._layout, rate=self._rate)
        yield from self._given(frame)

    def _given(self, frame: Any) -> Iterator[NDArray[np.float32]]:
        for part in self._convert.resample(frame) if self._convert is not None else ():
            yield part.to_ndarray().T


def _reason(error: Exception) -> str:
    """What FFmpeg says, without its number and the name of the file."""
    return one_line(getattr(error, "strerror", None) or error)
