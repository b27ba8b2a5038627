"""A film opened by PyAV: its pictures at their times, and one message for what cannot be read.

https://pyav.basswood-io.com
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

from studio import InputError, Video

_LISTS = {"hls", "concat", "dash", "imf"}  # formats that only say where a film is: its key would not know the rest
_FAR = 864_000  # seconds that no film lasts
_RATE = Fraction(25)  # pictures a second where a stream says nothing, as FFmpeg takes it


@contextmanager
def opened(video: Video) -> Iterator[Any]:
    """The film's container; what FFmpeg says against it, here or while it is read, is an InputError."""
    import av

    try:
        options = {"protocol_whitelist": "file"}
        with av.open(str(video.path), metadata_errors="replace", options=options) as container:
            if container.format.name in _LISTS:
                raise InputError(f"{video.path.name} is a playlist, whose film is in other files")
            yield container
    except av.FFmpegError as error:
        raise InputError(f"no film that can be read ({error.strerror}): {video.path.name}") from error


class Pictures:
    """The pictures of a film, each with its time: those of the track that is its default, and no cover."""

    def __init__(self, container: Any, name: str) -> None:
        """InputError where there are none."""
        from av.format import Flags
        from av.stream import Disposition

        covers = Disposition.attached_pic | Disposition.timed_thumbnails
        tracks = [stream for stream in container.streams.video if stream.codec_context is not None]
        films = [stream for stream in tracks if not stream.disposition & covers]
        if not films:
            raise InputError(f"there are no pictures in {name}" + (" but its cover: it is no film" if tracks else ""))
        self.stream = next((stream for stream in films if stream.disposition & Disposition.default), films[0])
        self.stream.thread_type = "AUTO"
        self.broken = 0  # how many could not be decoded
        self._container = container
        self._each = 1 / (self.stream.average_rate or self.stream.guessed_rate or _RATE)
        self._timed = not container.format.flags & Flags.no_timestamps.value
        self._start = float((self.stream.start_time or 0) * self.stream.time_base) if self._timed else 0.0

    @property
    def seconds(self) -> float:
        """From the first picture to the end of the last, as its packets say: the head of a file may be wrong."""
        length = self._length(_FAR) if self._timed else 0.0
        return length or self._length(0)

    def at(self, times: list[float], near: float) -> Iterator[Any]:
        """The picture shown at each time; none is given twice. What is further away than `near` is jumped to."""
        shown, upcoming, given = None, None, None
        pictures = self._from(0)
        for time in times:
            if self._timed and time - (shown[0] if shown else 0.0) > near:
                pictures, shown, upcoming = self._from(time), None, None
            while upcoming is None or upcoming[0] <= time:
                following = next(pictures, None)
                shown = upcoming or shown or following
                upcoming = following
                if following is None:
                    break
            if shown is not None and shown is not given:
                given = shown
                yield shown[1]

    def _from(self, time: float) -> Iterator[tuple[float, Any]]:
        """The pictures from a time on, or a little before it; what is broken is passed over, as players do."""
        import av

        self._seek(time)
        number = 0
        for packet in self._container.demux(self.stream):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self.broken += 1
                continue
            for frame in frames:
                timed = self._timed and frame.time is not None
                shown = float(frame.time) - self._start if timed else float(number * self._each)
                number += 1
                if frame.is_corrupt:
                    self.broken += 1
                else:
                    yield shown, frame

    def _length(self, time: float) -> float:
        """The end of the last picture, looked for from a time on."""
        self._seek(time)
        ends = [0.0]
        for number, packet in enumerate(self._container.demux(self.stream)):
            if not self._timed:
                ends[0] = float((number if packet.size else number - 1) * self._each + self._each)
            elif packet.pts is not None:
                span = packet.duration * packet.time_base if packet.duration else self._each
                ends.append(float(packet.pts * packet.time_base + span) - self._start)
        return max(ends)

    def _seek(self, time: float) -> None:
        """To the key picture before a time; where a file knows none, to its begin."""
        import av

        try:
            self._container.seek(int((self._start + time) / self.stream.time_base), stream=self.stream)
        except av.FFmpegError:
            self._container.seek(0)
