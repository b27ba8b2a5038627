"""Audio: sound as samples and a rate. It knows no model; `mono(rate)` gives each one what it wants."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from sys import getrefcount
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from studio.values.base import TEMPORARY, Media, MediaKind, frozen
from studio.values.files import tracks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Audio", "AudioKind"]


class Audio(Media):
    """Sound: float32 samples in [-1, 1], of shape (n,) or (n, channels), at `rate` samples a second."""

    kind = "audio"
    _notes: tuple[str, ...] = ()

    def __init__(self, samples: NDArray[Any], rate: int) -> None:
        self.rate = _checked_rate(rate)
        given = getrefcount(samples) <= TEMPORARY
        self.__dict__["samples"] = _as_float32(samples, given=given)
        self._source: bytes | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """From the bytes of a file with sound, WAV, FLAC, OGG, MP3 or any other; they are kept as they are."""
        samples, rate, notes = _decode(data)
        sound = cls(samples, rate)
        sound._source, sound._notes = data, tuple(notes)
        return sound

    @classmethod
    def of_film(cls, path: str | Path, track: int | None = None) -> Self | None:
        """The sound of a film in one channel, from the film's first moment; None if it has none.

        The film is not read into memory. track: counted from 1; None for the one that the film marks as its default.
        """
        from studio.values.mixdown import Mixdown
        from studio.values.sound_track import SoundTrack

        mixdown = Mixdown()
        with SoundTrack.opened(str(path), track) as sound:
            for block in sound.blocks() if sound else ():
                mixdown.add(block)
        mixed = mixdown.mono()
        if not (sound and len(mixed)):
            return None
        heard = cls(mixed, sound.rate)
        heard._notes = tuple(sound.notes)
        return heard

    @cached_property
    def samples(self) -> NDArray[np.float32]:
        """The samples: float32, read-only, of shape (n,) or (n, channels)."""
        return _as_float32(_decode(self._source or b"").samples)

    @property
    def seconds(self) -> float:
        """How long the sound lasts."""
        return len(self.samples) / self.rate

    @property
    def channels(self) -> int:
        """1 for mono, 2 for stereo …"""
        return 1 if self.samples.ndim == 1 else int(self.samples.shape[1])

    @property
    def nbytes(self) -> int:
        return int(self.samples.nbytes)

    @property
    def notes(self) -> tuple[str, ...]:
        return self._notes

    def mono(self, rate: int | None = None) -> NDArray[np.float32]:
        """The samples mixed down to one channel and resampled to `rate`: float32 of shape (n,).

        The mix is as loud as the loudest channel, and channels that would cancel each other out do not (`Mixdown`).
        """
        import numpy as np

        mixed = self.samples if self.samples.ndim == 1 else _mixed(self.samples, self.rate)
        if rate and rate != self.rate:
            import soxr

            mixed = soxr.resample(mixed, self.rate, rate)
        return np.ascontiguousarray(mixed, dtype=np.float32)

    def to_bytes(self) -> bytes:
        return self._source if self._source is not None else _float_wav(self.samples, self.rate)

    def save(self, path: str | Path) -> Path:
        """Writes WAV (16 bits), FLAC, OGG or MP3, as the suffix says."""
        path = Path(path)
        if path.suffix.lower() == ".wav":
            return _write_wav(path, self.samples, self.rate)
        import soundfile

        try:
            soundfile.write(path, self.samples, self.rate)
        except (TypeError, ValueError, soundfile.SoundFileError) as error:
            raise ValueError(f"cannot write sound as '{path.name}': {error}") from None
        return path

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Audio):
            return NotImplemented
        same_shape = self.rate == other.rate and self.samples.shape == other.samples.shape
        return same_shape and bool((self.samples == other.samples).all())

    def __hash__(self) -> int:
        return hash((self.rate, self.samples.shape))

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restored, (self._source, None if self._source is not None else self.samples, self.rate))

    def __repr__(self) -> str:
        return f"Audio({self.seconds:.2f} s, {self.rate} Hz, {self.channels} ch)"


class AudioKind(MediaKind[Audio]):
    """Sound."""

    name = "audio"
    suffix = ".wav"
    suffixes = (
        *(".wav", ".wave", ".flac", ".mp3", ".mp2", ".ogg", ".oga", ".opus", ".m4a", ".m4b", ".aac", ".mka", ".weba"),
        *(".wma", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64", ".amr", ".ac3", ".spx"),
    )
    python = Audio

    def holds(self, path: Path) -> bool:
        import soundfile

        try:
            return bool(soundfile.info(path).frames)
        except (soundfile.SoundFileError, OSError, ValueError):
            return any(kind == "audio" for kind in tracks(path))

    def convert(self, raw: object) -> Audio:
        if isinstance(raw, tuple) and len(raw) == 2:
            first, second = raw
            return Audio(second, first) if isinstance(first, int) else Audio(first, second)
        if type(raw).__module__ == "numpy":
            raise ValueError("an array says nothing of its rate: give (samples, rate)")
        return super().convert(raw)


def _mixed(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    from studio.values.mixdown import Mixdown

    mixdown, step = Mixdown(), rate // 2 + 1
    for start in range(0, len(samples), step):
        mixdown.add(samples[start : start + step])
    return mixdown.mono()


def _restored(source: bytes | None, samples: Any, rate: int) -> Audio:
    sound = Audio.__new__(Audio)
    sound.rate, sound._source = rate, source
    if samples is not None:  # they were checked when the sound was made
        samples.flags.writeable = False
        sound.__dict__["samples"] = samples
    return sound


def _checked_rate(rate: Any) -> int:
    try:
        number = int(rate)
    except (TypeError, ValueError, OverflowError):
        number = 0
    if isinstance(rate, bool) or not 1 <= number <= 1_000_000:
        raise ValueError(f"a sampling rate lies between 1 and 1,000,000 a second, not {rate!r}")
    return number


def _as_float32(samples: NDArray[Any], *, given: bool = False) -> NDArray[np.float32]:
    """The samples checked, and read-only; a copy, unless they were `given` away or made here."""
    import numpy as np

    array = np.asarray(samples)
    if array.dtype.kind == "i":
        array = array.astype(np.float32) / float(-np.iinfo(array.dtype).min)
    if array.dtype.kind != "f":
        raise ValueError(f"samples are floats in [-1, 1] or signed integers, not {array.dtype}")
    if array.ndim not in (1, 2) or (array.ndim == 2 and not 1 <= array.shape[1] <= 64):
        raise ValueError(f"samples have the shape (n,) or (n, channels), not {array.shape}")
    if not array.size:
        raise ValueError("sound of no length")
    mono = array.ndim == 2 and array.shape[1] == 1  # one shape for one sound, as it comes back from a file
    array = np.ascontiguousarray(array[:, 0] if mono else array, dtype=np.float32)
    if not _all_finite(array):
        raise ValueError("samples hold NaN or infinity")
    return frozen(array, samples, given=given)


def _all_finite(array: NDArray[np.float32]) -> bool:
    """Whether no sample is NaN or infinite. The sum of squares tells in half the time, and without a mask to fill."""
    import numpy as np

    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.vdot(array, array)) or np.isfinite(array).all())


class _Decoded(NamedTuple):
    """What a file holds: samples of shape (n,) or (n, channels), their rate, and what to tell of how it was read."""

    samples: NDArray[np.float32]
    rate: int
    notes: Sequence[str] = ()


def _decode(data: bytes) -> _Decoded:
    if ours := _of_float_wav(data):
        return ours
    found = _decode_plain(data) or _decode_track(data)
    if not len(found.samples):
        raise ValueError("sound of no length")
    return found


def _decode_plain(data: bytes) -> _Decoded | None:
    """The samples of a file that holds them as they are (WAV, AIFF, AU, CAF …); None of any other.

    What is compressed is FFmpeg's: libsndfile trusts the length that such a file promises, and stops at what is broken.
    """
    import soundfile

    begins = 10 + sum((byte & 127) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=False))
    tagged = data.startswith(b"ID3")
    if tagged and data[begins : begins + 4] in (b"RIFF", b"FORM"):  # tags before a file that has no place for them
        data, tagged = data[begins:], False
    if tagged or data.startswith((b"fLaC", b"OggS")) or len(_links(data)) > 1:  # FFmpeg's
        return None
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if file.format in ("MP3", "OGG", "FLAC"):
                return None
            samples = file.read(-1 if file.seekable() else file.frames, dtype="float32")
            return _Decoded(samples, int(file.samplerate), _cut_off(data)) if len(samples) else None
    except (soundfile.SoundFileError, RuntimeError, TypeError):
        return None


def _cut_off(data: bytes) -> Sequence[str]:
    """Says that a WAV or AIFF file ends before it should. Who streams one writes a length that none can have."""
    order: Literal["little", "big"] = "little" if data.startswith(b"RIFF") else "big"
    samples = data.find(b"data" if order == "little" else b"SSND")  # each of the two lengths may be wrong by itself
    promised = min(place + 8 + int.from_bytes(data[place + 4 : place + 8], order) for place in (0, samples))
    if data.startswith((b"RIFF", b"FORM")) and len(data) + _SLACK < promised < _STREAMED:
        return [f"the file is cut off: {len(data):,} of {promised:,} bytes are there"]
    return ()


def _decode_track(data: bytes) -> _Decoded:
    """The sound track of whatever FFmpeg reads. Where channels come and go, there are as many as there ever were."""
    import numpy as np

    rate = 0
    blocks: list[NDArray[np.float32]] = []
    notes: list[str] = []
    for link in _links(data):
        try:
            rate = _decode_link(link, rate, blocks, notes)
        except ValueError as error:
            if not blocks:
                raise
            notes.append(f"a part that is chained to it is {error}")
    if not blocks:
        return _Decoded(np.zeros(0, np.float32), 1)
    channels = max(block.shape[1] for block in blocks)
    samples = np.concatenate([_widened(block, channels) for block in blocks])
    return _Decoded(samples.squeeze(1) if channels == 1 else samples, rate, notes)


def _decode_link(data: bytes, rate: int, blocks: list[NDArray[np.float32]], notes: list[str]) -> int:
    """Adds the blocks of a file's sound track, at a rate, if one is given, and its notes; the rate that they have."""
    from studio.values.sound_track import SoundTrack

    with SoundTrack.opened(io.BytesIO(data), rate=rate) as track:
        if track is None:
            raise ValueError("no sound that can be read: there is no sound track in it")
        blocks += track.blocks()
        notes += track.notes
        return track.rate


def _links(data: bytes) -> list[bytes]:
    """The files that one is made of: WAV files one behind the other, or the links of a chained Ogg file.

    Radio stations write such, and FFmpeg wants all of them to have one rate.
    """
    starts = [0, *(_later_waves(data) if data.startswith(b"RIFF") else _later_streams(data))]
    return [data[start:end] for start, end in pairwise([*starts, len(data)])]


def _later_waves(data: bytes) -> Iterator[int]:
    """Where a further WAV file begins: behind the length that the one before it says, which may be odd."""
    place = 0
    while data.startswith(b"RIFF", place):
        place += 8 + int.from_bytes(data[place + 4 : place + 8], "little")
        place += data.startswith(b"\0RIFF", place)
        if data.startswith(b"RIFF", place):
            yield place


def _later_streams(data: bytes) -> Iterator[int]:
    """Where a further stream of Ogg begins, with all that goes beside it.

    A page is a head of 27 bytes, the lengths of its segments, and these. Bit 2 of its flags says that a stream begins.
    """
    place, begins = 0, True
    while data.startswith(b"OggS", place) and len(data) > place + 27:
        if data[place + 5] & 2 and not begins:
            yield place
        begins = bool(data[place + 5] & 2)
        count = data[place + 26]
        place += 27 + count + sum(data[place + 27 : place + 27 + count])


def _widened(block: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """A block in so many channels: mono on the first two, as it is played; else the others stay silent."""
    import numpy as np

    if block.shape[1] == channels:
        return block
    if block.shape[1] == 1:
        block = np.repeat(block, 2, axis=1)
    return np.pad(block, ((0, 0), (0, channels - block.shape[1])))


_SLACK = 64  # bytes by which the heads of whole files are wrong, too
_STREAMED = 0x7F000000  # bytes: a longer file was written without knowing how long it would be
_HEADER = struct.Struct("<4sI8sIHHIIHHH4sII4sI")  # RIFF, fmt, fact, data


def _float_wav(samples: NDArray[np.float32], rate: int) -> bytes:
    """A 32-bit float WAV. Ours, because libsndfile stamps the time of day into such files."""
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    body = samples.astype("<f4", copy=False).tobytes()
    form = (18, 3, channels, rate, rate * channels * 4, channels * 4, 32, 0)
    fact = (b"fact", 4, len(samples))
    head = _HEADER.pack(b"RIFF", _HEADER.size - 8 + len(body), b"WAVEfmt ", *form, *fact, b"data", len(body))
    return head + body


def _of_float_wav(data: bytes) -> _Decoded | None:
    """The samples of a WAV that `_float_wav` wrote; None of any other."""
    if len(data) < _HEADER.size:
        return None
    riff, _, wave, size, form, channels, rate, _, _, bits, extra, fact, _, count, name, length = _HEADER.unpack_from(
        data
    )
    marks = (riff, wave, size, form, bits, extra, fact, name)
    if marks != (b"RIFF", b"WAVEfmt ", 18, 3, 32, 0, b"fact", b"data") or length != len(data) - _HEADER.size:
        return None
    import numpy as np

    if length != count * channels * 4 or not channels:
        return None
    samples = np.frombuffer(data, "<f4", offset=_HEADER.size)
    return _Decoded(samples if channels == 1 else samples.reshape(-1, channels), rate)


def _write_wav(path: Path, samples: NDArray[np.float32], rate: int) -> Path:
    """16-bit PCM, which every player and library reads."""
    import wave

    import numpy as np

    with wave.open(str(path), "wb") as file:
        file.setparams((1 if samples.ndim == 1 else samples.shape[1], 2, rate, 0, "NONE", ""))
        file.writeframes((np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes())
    return path
