"""The pictures of a film, each at its time, as packets and frames say it and not the head of the file."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from typing import Any

from studio import InputError

_FAR = 864_000  # seconds that no film lasts
_NEAR = 5.0  # seconds that are sooner decoded through than jumped over
_LIVE = 60.0  # seconds: a longer leap of a broadcast stream's clock is another recording's
_RATE = Fraction(25)  # pictures a second where a stream says nothing, as FFmpeg takes it

Timed = tuple[float, Any]  # seconds from the first picture, and a frame


class Pictures:
    """The pictures of one opened container: those of the track that is its default, and no cover.

    It is read once, either for its length or for its frames: not every file can be wound back.
    """

    def __init__(self, container: Any, name: str, *, jumps: bool = True) -> None:
        """InputError where there are none. Without `jumps` the film is read through."""
        from av.format import Flags
        from av.stream import Disposition

        covers = Disposition.attached_pic | Disposition.timed_thumbnails
        tracks = [stream for stream in container.streams.video if stream.codec_context is not None]
        films = [stream for stream in tracks if not stream.disposition & covers]
        films = [stream for stream in films if stream.frames != 1] or films  # moving AVIF has a still beside its film
        if not films:
            raise InputError(f"there are no pictures in {name}" + (" but its cover: it is no film" if tracks else ""))
        self.stream = next((stream for stream in films if stream.disposition & Disposition.default), films[0])
        self.stream.thread_type = "AUTO"
        self.broken = 0  # how many could not be decoded
        self._container = container
        self._each = float(1 / (self.stream.guessed_rate or self.stream.average_rate or _RATE))
        self._timed = not container.format.flags & Flags.no_timestamps.value
        self._broadcast = bool(container.format.flags & Flags.ts_discont.value)
        self.jumps = jumps and self._timed  # whether a time is at one place; `length` finds out
        self._last: float | None = None  # where the last picture was
        self._later = 0.0  # how much later pictures are than their stamps say
        self._start = float((self.stream.start_time or 0) * self.stream.time_base) if self._timed else 0.0

    def length(self) -> float:
        """Seconds from the first picture to the end of the last; only the end of the file is read, if it can be."""
        if self._broadcast or not self._timed:
            return self._end()
        self._sought(_FAR)
        return self._end() or (self._end() if self._sought(0.0) else 0.0)

    def at(self, times: list[float]) -> Iterator[Any]:
        """The frame shown at each time, in order; none is given twice."""
        shown, upcoming, given = None, None, None
        frames = self._frames()
        for time in times:
            if self.jumps and time - (shown[0] if shown else 0.0) > _NEAR and (jumped := self._before(time)):
                frames, shown, upcoming = jumped, None, None
            while upcoming is None or upcoming[0] <= time:
                following = next(frames, None)
                shown = upcoming or shown or following
                upcoming = following
                if following is None:
                    break
            if shown is not None and shown is not given:
                given = shown
                yield shown[1]

    def _before(self, time: float) -> Iterator[Timed] | None:
        """The pictures from some time before; None if the file cannot be jumped about in.

        Some land too late (broadcast streams have no index), and jump again from further back.
        """
        for earlier in (0.0, 2 * _NEAR, 10 * _NEAR, time):
            if not self._sought(max(0.0, time - earlier)):
                return None
            frames = self._frames()
            first = next(frames, None)
            if first and first[0] <= time:
                break
        return chain([first] if first else [], frames)

    def _frames(self) -> Iterator[Timed]:
        """The pictures from where the container stands; what is broken is passed over, as players do."""
        import av

        number = 0
        for packet in self._packets():
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self.broken += 1
                continue
            for frame in frames:
                timed = self._timed and frame.time is not None
                shown = self._steady(float(frame.time)) if timed else number * self._each
                number += 1
                if frame.is_corrupt:
                    self.broken += 1
                else:
                    yield shown, frame

    def _steady(self, stamp: float) -> float:
        """The time of a picture. Where recordings were joined, the clock of a stream leaps, and the film goes on."""
        time = stamp - self._start + self._later
        leap = time - self._last if self._last is not None and self._broadcast else 0.0
        if leap > _LIVE or leap < -max(1.0, 20 * self._each):  # packets stand in another order than pictures
            self.jumps = False
            self._later += self._each - leap
            time = time + self._each - leap
        self._last = time
        return time

    def _packets(self) -> Iterator[Any]:
        while True:
            try:
                yield from self._container.demux(self.stream)
            except IndexError:  # PyAV meets a stream that began on the way; after it, it reads on
                continue
            return

    def _end(self) -> float:
        """The end of the last picture from where the container stands; 0 if there is none."""
        ends = [0.0]
        for number, packet in enumerate(packet for packet in self._packets() if packet.size):
            timed = self._timed and packet.pts is not None
            shown = self._steady(float(packet.pts * packet.time_base)) if timed else number * self._each
            ends.append(
                shown + (float(packet.duration * packet.time_base) if packet.duration and timed else self._each)
            )
        return max(ends)

    def _sought(self, time: float) -> bool:
        """Whether the container now stands at the key picture before a time, or near it."""
        import av

        self._last, self._later = None, 0.0
        try:
            self._container.seek(int((self._start + time) / self.stream.time_base), stream=self.stream)
        except av.FFmpegError:
            return False
        return True
