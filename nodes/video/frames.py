"""Pictures out of a film, evenly spaced, by PyAV (FFmpeg)."""

from collections.abc import Iterator
from typing import Any

from studio import Field, Image, InputError, Node, Video

from ._container import decoded, opened

NEAR = 5.0  # seconds that are sooner decoded through than jumped over


class Frames(Node):
    """Pictures out of a film, evenly spaced, in order.

    With `count` the film is cut into so many equal parts and the middle of each is taken; with `every`, one picture
    each so many seconds from the start. A film shorter than asked gives fewer, and always one.
    """

    version = "1"
    extra = "video"

    class Config(Node.Config):
        """Which pictures, and how large."""

        count: int = Field(8, ge=1, le=10_000, description="how many pictures; not used with 'every'")
        every: float | None = Field(None, gt=0, description="seconds from one picture to the next, instead of 'count'")
        side: int | None = Field(
            720, ge=16, description="longest side in pixels: larger ones shrink; null: as they are"
        )

    config: Config

    def run(self, video: Video) -> list[Image]:
        """Take them."""
        with opened(video) as container:
            if not container.streams.video:
                raise InputError(f"there are no pictures in {video.path.name}")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            seconds = _seconds(container, stream)
            found = list(_at(container, stream, self._times(seconds)))
        if not found:
            raise InputError(f"not one picture of {video.path.name} can be decoded")
        return [Image(_picture(frame, self.config.side)) for frame in found]

    def _times(self, seconds: float) -> list[float]:
        if every := self.config.every:
            return [number * every for number in range(max(1, int(seconds / every + 1e-6)))]
        count = self.config.count
        return [(number + 0.5) * seconds / count for number in range(count)]


def _at(container: Any, stream: Any, times: list[float]) -> Iterator[Any]:
    """The frame shown at each time; none is given twice."""
    start = float((stream.start_time or 0) * stream.time_base)
    shown, upcoming, given = None, None, None
    frames = decoded(container, stream)
    for time in times:
        if time - (float(shown.time) - start if shown else 0.0) > NEAR:
            container.seek(int((start + time) / stream.time_base), stream=stream)
            frames, shown, upcoming = decoded(container, stream), None, None
        while upcoming is None or float(upcoming.time) - start <= time:
            following = next(frames, None)
            shown = upcoming or shown or following
            upcoming = following
            if following is None:
                break
        if shown is not None and shown is not given:
            given = shown
            yield shown


def _seconds(container: Any, stream: Any) -> float:
    """How long the film is; where its file does not say, it is read through."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if container.duration:
        return float(container.duration) / 1_000_000
    start, last = float((stream.start_time or 0) * stream.time_base), 0.0
    for frame in decoded(container, stream):
        last = float(frame.time) - start
    container.seek(0)
    return last


def _picture(frame: Any, side: int | None) -> Any:
    """A frame as a picture, upright and no larger than asked."""
    picture = frame.to_image()
    if turn := getattr(frame, "rotation", 0):
        picture = picture.rotate(turn, expand=True)
    if side and max(picture.size) > side:
        picture.thumbnail((side, side))
    return picture
