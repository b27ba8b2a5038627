"""SoundTrack: one track of sound in a file, decoded by FFmpeg and put at the times that the file gives it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, pairwise
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SoundTrack"]

_JITTER = 0.1  # seconds: stamps are rounded, and decoders start early; what is more is a gap
_EXACT = {"flac": 0.005, "ogg": 0.03}  # the same for formats whose stamps count samples
_LIVE = 60.0  # seconds: a longer leap of a broadcast stream's clock, or start of any, is another recording's
_SILENCE = 3600.0  # seconds put into the gaps of one file at most: a broken stamp must not fill the memory
_MOST = 3600 * 48_000 * 2  # samples of silence, if that is less: an hour of stereo
_CHECKED = {"flac", "tta", "wavpack"}  # codecs whose packets carry a checksum; without it a broken one is noise
_LISTS = {"hls", "concat", "dash", "imf"}  # formats that only say where sound is: what a key stands for is elsewhere


class SoundTrack:
    """The sound of one track, of one rate, from the file's first moment to the end of the track.

    Gaps in the time stamps, a late start and packets that cannot be decoded become silence, so that what comes after
    is heard at its time. Where the rate changes on the way, it is brought to the first one. `notes` say what was lost.
    """

    def __init__(self, container: Any, stream: Any, rate: int = 0) -> None:
        """A track of a container that PyAV has opened; `rate` is that of its first frame, if nothing else is asked."""
        import av

        self.rate = rate  # samples a second; known with the first block
        self.notes: list[str] = []  # what a listener should know of how it was read; complete with the last block
        self._container, self._stream = container, stream
        name, flags = container.format.name, container.format.flags
        self._broadcast = bool(flags & av.format.Flags.ts_discont.value)
        # Streams with no container have stamps that FFmpeg adds up from the first frame's rate: these say nothing.
        self._timed = self._broadcast or name in _EXACT or not flags & av.format.Flags.generic_index.value
        self._jitter = _EXACT.get(name, _JITTER)
        start = (container.start_time or 0) / av.time_base
        cover = av.stream.Disposition.attached_pic
        film = any(not stream.disposition & cover for stream in container.streams.video)  # begins with its first track
        anywhere = start > _LIVE or (self._broadcast and name != "ogg")  # as in a part cut out of something long
        self._zero = start if film or anywhere else min(start, 0.0)
        self._heard = 0.0  # seconds so far
        self._lost = 0.0  # seconds of packets that could not be decoded, since the last frame
        self._broken = 0
        self._silence = _SILENCE
        self._gaps = 0.0  # seconds of silence amid what can be heard
        self._resampler: Any = None
        if stream.codec_context.name in _CHECKED:
            stream.codec_context.options = {"err_detect": "crccheck+explode"}

    @staticmethod
    @contextmanager
    def opened(source: str | IO[bytes], number: int | None = None, rate: int = 0) -> Iterator[SoundTrack | None]:
        """Track `number` of a file, counted from 1, or the one that the file marks as default; None if it has no sound.

        ValueError says what is wrong with a file that cannot be read, while it is opened or later.
        """
        import av

        try:
            options = {"protocol_whitelist": "file"}
            with av.open(source, metadata_errors="replace", options=options) as container:
                if container.format.name in _LISTS:
                    raise ValueError("a playlist, whose sound is in other files")
                tracks = list(container.streams.audio)
                marked = [stream for stream in tracks if stream.disposition & av.stream.Disposition.default]
                chosen = tracks[number - 1 : number] if number else marked or tracks
                if chosen and chosen[0].codec_context is None:
                    raise ValueError("no sound that can be read: FFmpeg does not know its codec")
                yield SoundTrack(container, chosen[0], rate) if chosen else None
        except (av.FFmpegError, UnicodeError) as error:
            raise ValueError(f"no sound that can be read ({getattr(error, 'strerror', error)})") from None

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """The samples, some half a second at a time: float32 of shape (n, channels); the channels may change."""
        held: list[NDArray[np.float32]] = []
        form, length = (0, 0), 0
        for frame, following in pairwise(chain(self._decoded(), [None])):
            teller = frame if self._heard or following is None else following  # the first has what FFmpeg saw last
            own = (int(teller.sample_rate), len(frame.layout.channels))
            self.rate = self.rate or own[0]
            if not self._heard:
                self._silence = min(_SILENCE, _MOST / (self.rate * own[1]))
            silence = self._before(frame, following)
            self._gaps += silence if self._heard else 0.0
            if held and (silence or own != form or length >= form[0] // 2):
                yield self._resampled(np.concatenate(held), form[0], last=bool(silence) or own != form)
                held, length = [], 0
            yield from self._silent(silence, own[1])
            form = own
            held.append(_samples(frame, own[1]))
            length += len(held[-1])
            self._heard += len(held[-1]) / own[0]
        if held:
            yield self._resampled(np.concatenate(held), form[0], last=True)
        yield from self._silent(self._lost, form[1])
        self._tell()

    def _decoded(self) -> Iterator[Any]:
        """The frames that can be decoded; what stood between them is remembered as lost."""
        import av

        for packet in self._packets():
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self._broken += 1
                self._lost += float((packet.duration or 0) * packet.time_base)
                continue
            yield from (frame for frame in frames if frame.samples)

    def _packets(self) -> Iterator[Any]:
        import av

        while True:
            try:
                yield from self._container.demux(self._stream)
            except IndexError:  # PyAV meets a stream that began on the way; after it, it reads on
                continue
            except av.FFmpegError as error:
                self.notes.append(f"the file breaks off: {error.strerror}")
            return

    def _before(self, frame: Any, following: Any) -> float:
        """Seconds of silence between what was heard so far and a frame."""
        lost, self._lost = self._lost, 0.0
        if not self._timed or frame.time is None:
            return lost
        ahead = float(frame.time) - self._zero - self._heard
        if abs(ahead) <= self._jitter:
            return 0.0
        end = float(frame.time) + frame.samples / frame.sample_rate
        alone = following is not None and following.time is not None and abs(float(following.time) - end) > self._jitter
        if 0 < ahead <= min(_LIVE if self._broadcast and self._heard else _SILENCE, self._silence) and not alone:
            return ahead
        if ahead > 0:
            self.notes.append(f"time stamps leap ahead by {ahead:,.1f} s, which is not believed: the rest is joined on")
        self._zero += ahead  # another clock from here on
        return lost

    def _silent(self, seconds: float, channels: int) -> Iterator[NDArray[np.float32]]:
        """Silence, some at a time, and no more than is left of what one file may have."""
        seconds = min(seconds, self._silence)
        self._silence -= seconds
        self._heard += seconds
        samples = round(seconds * self.rate)
        for start in range(0, samples, self.rate or 1):
            yield np.zeros((min(self.rate, samples - start), channels), np.float32)

    def _resampled(self, block: NDArray[np.float32], rate: int, *, last: bool) -> NDArray[np.float32]:
        """A block of some rate at the track's own; the last one of that rate gives all that is still under way."""
        if rate == self.rate:
            return block
        import soxr

        if self._resampler is None:
            self._resampler = soxr.ResampleStream(rate, self.rate, block.shape[1], dtype="float32")
        done: NDArray[np.float32] = self._resampler.resample_chunk(block, last=last)
        if last:
            self._resampler = None
        return done

    def _tell(self) -> None:
        """Notes what a listener should know of the whole."""
        if not self._heard and self._broken:
            raise ValueError(f"no sound that can be read: not one of its {self._broken} packets can be decoded")
        if self._broken:
            self.notes.append(f"{self._broken} packets cannot be decoded")
        if self._gaps:
            self.notes.append(f"{self._gaps:.2f} s amid it are missing, and are silence")
        said = float((self._stream.duration or 0) * self._stream.time_base)
        if not said and len(self._container.streams) == 1:  # as MKV says it
            said = (self._container.duration or 0) / 1e6 - max(self._zero, 0.0)
        guessed = self._broadcast or (not self._timed and self._container.format.name != "flac")  # from the file's size
        if not guessed and said - self._heard > 1:
            self.notes.append(f"the file says that it lasts {said:.1f} s, but there are {self._heard:.1f} s in it")


def _samples(frame: Any, channels: int) -> NDArray[np.float32]:
    """A frame as float32 of shape (n, channels), whatever its format."""
    if frame.format.name.startswith("s64"):  # which numpy is not given
        from av import AudioResampler

        frame = AudioResampler(format="dbl").resample(frame)[0]
    array: NDArray[Any] = frame.to_ndarray()
    array = np.ascontiguousarray(array.T) if frame.format.is_planar else array.reshape(-1, channels)
    if array.dtype.kind == "u":
        array = array.astype(np.int16) - 128  # only 8 bits come unsigned
        return array.astype(np.float32) / np.float32(128)
    if array.dtype.kind == "i":
        return array.astype(np.float32) / np.float32(2.0 ** (8 * array.dtype.itemsize - 1))
    return np.asarray(array, np.float32)
