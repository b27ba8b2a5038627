"""Strips of a picture that is longer than a reader takes, and the lines of text found in them, put together again.

A box is an array of four corners (4, 2): x and y in pixels, from the upper left one clockwise.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

LONG = 2000  # pixels of a picture that is looked at once, as it is
AREA = 5_120_000  # pixels that are looked at in one go
WIDE = 2560  # pixels of the shorter side of what is looked at
ENLARGED = 736  # pixels to which the reader enlarges a shorter side
NARROW = 8  # a strip longer than so many times its width is shown with room around it, and so enlarged less
SMALLEST = 32  # pixels a side of what is shown
OVERLAP = 400  # pixels that two strips share at the least
SHRUNK = 0.5  # a picture is not shrunk further than this, if it is then looked at in strips
TALL = 64  # pixels of a line that is looked for anew in a picture of half the size: large letters fall apart
LEAST = 256  # pixels of the shorter side, below which that makes no sense
CUT = 6  # pixels from where a strip ends: what is found there goes on in the next strip
ALIKE = 0.75  # of the taller of two words of a line that is as high as the other, too
SAME = 0.5  # of the smaller of two boxes that must lie in the other for both to be one line


class Strip(NamedTuple):
    """A part of a picture, in pixels; all of its width or all of its height."""

    left: int
    top: int
    right: int
    bottom: int


class Look(NamedTuple):
    """How a picture is looked at: shrunk by `scale`, strip by strip; only lines at least so `tall` are wanted."""

    scale: float
    strips: list[Strip]
    tall: float = 0.0


def looks(width: int, height: int) -> list[Look]:
    """How a picture is looked at: as it is; shrunk a little, or in strips, if it is large, and for large letters anew.

    Strips lie along the longer side.
    """
    if max(width, height) <= LONG:
        return [Look(1.0, [Strip(0, 0, width, height)])]
    scale = min(1.0, (AREA / (width * height)) ** 0.5)
    if scale < SHRUNK or max(width, height) * scale > WIDE * 2:
        scale = min(1.0, WIDE / min(width, height))
    found = [Look(scale, _strips(int(width * scale), int(height * scale)))]
    while min(width, height) * (scale := scale / 2) >= LEAST:
        found.append(Look(scale, _strips(int(width * scale), int(height * scale)), TALL))
    return found


def _strips(width: int, height: int) -> list[Strip]:
    """As many strips as it takes, spread evenly."""
    length, side = max(width, height), min(width, height)
    most = AREA // max(side, ENLARGED)
    count = max(1, -(-(length - OVERLAP) // (most - OVERLAP)))
    starts = [round(number * (length - most) / (count - 1)) for number in range(count)] if count > 1 else [0]
    spans = [(start, min(start + most, length)) for start in starts]
    if width > height:
        return [Strip(start, 0, end, height) for start, end in spans]
    return [Strip(0, start, width, end) for start, end in spans]


def room(strip: Strip) -> Strip:
    """A strip with room around it, where it is narrow; this may lie outside of the picture."""
    width, height = strip.right - strip.left, strip.bottom - strip.top
    wide = max(SMALLEST, width, min(2 * height // NARROW, ENLARGED) if height > NARROW * width else 0)
    high = max(SMALLEST, height, min(2 * width // NARROW, ENLARGED) if width > NARROW * height else 0)
    left, top = strip.left - (wide - width) // 2, strip.top - (high - height) // 2
    return Strip(left, top, left + wide, top + high)


class Found(NamedTuple):
    """The boxes of lines in a strip (a box: (4, 2), in pixels of the picture), and which of them it cuts."""

    boxes: list[np.ndarray]
    cut: list[bool]


def found_in(strip: Strip, look: Look, corners: np.ndarray | None) -> Found:
    """What a reader found in the room of a strip, in pixels of that: its boxes (n, 4, 2), or None."""
    if corners is None:
        return Found([], [])
    places = np.clip(corners + np.array(room(strip)[:2], np.float32), strip[:2], strip[2:])
    spans = np.ptp(places, axis=1)
    places = places[(spans.min(1) > 1) & (spans[:, 1] >= look.tall)]
    ends = look.strips[-1][2:]
    cut = [_is_cut(place, strip, ends) for place in places]
    return Found(list(places / np.float32(look.scale)), cut)


def joined(found: Iterable[Found]) -> list[np.ndarray]:
    """The boxes of all strips as one reads: each line once, and whole, though a strip had ended in the midst of it."""
    lines: list[_Line] = []
    for boxes, cut in found:
        before, lines = lines, []
        for line in map(_Line, boxes, cut):
            same = [other for other in before if line.is_part_of(other)]
            if any(one.is_below(other) for one in same for other in same):  # lines too small to be told apart
                continue
            before = [other for other in before if other not in same]
            lines.append(line.with_parts(same))
        lines = before + lines
    return [line.box for line in _whole(_in_rows(lines))]


class _Line:
    """A line of text, or a part of one."""

    def __init__(self, box: np.ndarray, cut: bool) -> None:
        self.box, self.cut = box, cut
        self.low, self.high = box.min(0), box.max(0)

    def is_part_of(self, other: "_Line") -> bool:
        """Whether both are one line: they lie in each other, or on one height with an end in each other."""
        shared = np.minimum(self.high, other.high) - np.maximum(self.low, other.low)
        across, down = shared / np.maximum(np.minimum(self.high - self.low, other.high - other.low), 1)
        return down >= SAME and (across >= SAME or (across > 0 and self.cut and other.cut))

    def is_below(self, other: "_Line") -> bool:
        """Whether the other one stands above."""
        return bool(
            self.low[1] > (other.low[1] + other.high[1]) / 2 and (self.low[1] + self.high[1]) / 2 > other.high[1]
        )

    def goes_on_from(self, other: "_Line") -> bool:
        """Whether it begins where the other one, of its height, ends; lines that are not upright never do."""
        heights = [float(line.high[1] - line.low[1]) for line in (self, other)]
        slants = [abs(float(line.box[0, 1] - line.box[1, 1])) for line in (self, other)]
        shared = min(self.high[1], other.high[1]) - max(self.low[1], other.low[1])
        touch = other.low[0] < self.low[0] <= other.high[0] < self.high[0]
        return bool(touch and shared >= ALIKE * max(heights) and max(slants) <= (1 - ALIKE) * min(heights))

    def with_parts(self, parts: Sequence["_Line"]) -> "_Line":
        """The line with others that are parts of it, or of which it is one: its own box, or one upright around all."""
        low = np.min([self.low, *(part.low for part in parts)], 0)
        high = np.max([self.high, *(part.high for part in parts)], 0)
        cut = self.cut or any(part.cut for part in parts)
        for line in (self, *parts):
            if (line.low <= low + CUT).all() and (line.high >= high - CUT).all():
                return _Line(line.box, cut)
        return _Line(np.array([low, (high[0], low[1]), high, (low[0], high[1])], np.float32), cut)


def _in_rows(lines: Iterable[_Line]) -> Iterator[_Line]:
    """The lines as one reads: from the top down, those of one row from the left."""
    row: list[_Line] = []
    for line in sorted(lines, key=lambda line: (float(line.low[1]), float(line.low[0]))):
        if row and (row[0].low[1] + row[0].high[1]) / 2 < line.low[1]:  # it begins below the middle of the row
            yield from sorted(row, key=lambda line: float(line.low[0]))
            row = []
        row.append(line)
    yield from sorted(row, key=lambda line: float(line.low[0]))


def _whole(lines: Iterable[_Line]) -> list[_Line]:
    """Lines in rows, with words that touch as one: white letters on black are often found word by word."""
    found: list[_Line] = []
    for line in lines:
        goes_on = found and line.goes_on_from(found[-1])
        found.append(line.with_parts([found.pop()]) if goes_on else line)
    return found


def _is_cut(box: np.ndarray, strip: Strip, size: tuple[int, ...]) -> bool:
    """Whether a box reaches to where its strip ends and the picture goes on."""
    low, high = box.min(0), box.max(0)
    at_start = [strip[axis] > 0 and low[axis] <= strip[axis] + CUT for axis in (0, 1)]
    at_end = [strip[axis + 2] < size[axis] and high[axis] >= strip[axis + 2] - CUT for axis in (0, 1)]
    return any(at_start) or any(at_end)
