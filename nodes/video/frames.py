"""Pictures out of a film, evenly spaced, by PyAV (FFmpeg)."""

from math import ceil
from typing import Any

import numpy as np

from studio import Field, Image, InputError, Node, Video

from ._container import opened
from ._pictures import Pictures

UNSAID, BT709 = 2, 1  # colour spaces, by FFmpeg's numbers
MOST_WIDE = 10.0  # pixels wider than that many of their heights are a mistake


class Frames(Node):
    """Pictures out of a film, evenly spaced, in order.

    With `count` the film is cut into so many equal parts and the middle of each is taken; with `every`, one picture
    each so many seconds from the start. A film shorter than asked gives fewer, and always one.
    """

    version = "2"

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
        name = video.path.name
        with opened(video) as container:
            whole = Pictures(container, name)
            times = self._times(whole.length())
        with opened(video) as container:
            pictures = Pictures(container, name, jumps=whole.jumps)
            found = [Image(_picture(frame, pictures.stream, self.config.side)) for frame in pictures.at(times)]
        if not found:
            raise InputError(f"not one picture of {name} can be decoded")
        if pictures.broken:
            print(f"{pictures.broken} pictures of {name} are broken and passed over")
        return found

    def _times(self, seconds: float) -> list[float]:
        if every := self.config.every:
            return [number * every for number in range(max(1, ceil(seconds / every - 1e-6)))]
        count = self.config.count
        return [(number + 0.5) * seconds / count for number in range(count)]


def _picture(frame: Any, stream: Any, side: int | None) -> Any:
    """A frame as players show it: its pixels square, upright, and no larger than asked."""
    import PIL.Image

    if frame.colorspace == UNSAID and (frame.width >= 1280 or frame.height > 576):
        frame.colorspace = BT709  # what players take a large film for that does not say it
    see_through = any(component.is_alpha for component in frame.format.components)
    picture = PIL.Image.fromarray(frame.to_ndarray(format="rgba" if see_through else "rgb24"))
    if see_through and picture.getextrema()[3] == (255, 255):
        picture = picture.convert("RGB")
    wide = float(stream.sample_aspect_ratio or 1)
    if wide != 1 and 1 / MOST_WIDE <= wide <= MOST_WIDE:
        picture = picture.resize((max(1, round(picture.width * wide)), picture.height))
    picture = _upright(picture, frame)
    if side and max(picture.size) > side:
        picture.thumbnail((side, side))
    return picture


def _upright(picture: Any, frame: Any) -> Any:
    """Turned and mirrored as the film asks. Its matrix takes (x, y) to (ax + cy, bx + dy)."""
    from PIL.Image import Transpose

    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return picture
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    if abs(b) > abs(a):
        picture, a, d = picture.transpose(Transpose.TRANSPOSE), c, b
    if a < 0:
        picture = picture.transpose(Transpose.FLIP_LEFT_RIGHT)
    return picture.transpose(Transpose.FLIP_TOP_BOTTOM) if d < 0 else picture
