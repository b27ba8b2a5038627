"""Strips of a picture that is longer than a reader takes, and the lines of text found in them, put together again.

A box is an array of four corners (4, 2): x and y in pixels, from the upper left one clockwise.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

LONG, WIDE = 2000, 2560  # pixels of a strip: how long it is, and how wide it may be
OVERLAP = 400  # pixels that two strips share at the least; no line of text is taller where strips lie one below another
CUT = 6  # pixels from where a strip ends: what is found there goes on in the next strip
SAME = 0.5  # of the smaller of two boxes that must lie in the other for both to be one line


class Strip(NamedTuple):
    """A part of a picture, in pixels; all of its width or all of its height."""

    left: int
    top: int
    right: int
    bottom: int


def strips(width: int, height: int) -> list[Strip]:
    """The strips of a picture, along its longer side, as many as it takes and spread evenly."""
    length = max(width, height)
    count = max(1, -(-(length - OVERLAP) // (LONG - OVERLAP)))
    starts = [round(number * (length - LONG) / (count - 1)) for number in range(count)] if count > 1 else [0]
    ends = [min(start + LONG, length) for start in starts]
    spans = zip(starts, ends, strict=True)
    if width > height:
        return [Strip(start, 0, end, height) for start, end in spans]
    return [Strip(0, start, width, end) for start, end in spans]


def joined(found: Iterable[tuple[Strip, Iterable[np.ndarray]]], width: int, height: int) -> list[np.ndarray]:
    """The boxes of all strips, in order: each line once, and whole, though a strip had ended in the midst of it."""
    lines: list[_Line] = []
    for strip, boxes in found:
        before, lines = lines, []
        for line in (_Line(box, _is_cut(box, strip, (width, height))) for box in boxes):
            same = [other for other in before if line.is_part_of(other)]
            before = [other for other in before if other not in same]
            lines.append(line.with_parts(same))
        lines = before + lines
    return [line.box for line in in_rows(lines)]


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

    def with_parts(self, parts: Sequence["_Line"]) -> "_Line":
        """The line with others that are parts of it, or of which it is one: its own box, or one upright around all."""
        low = np.min([self.low, *(part.low for part in parts)], 0)
        high = np.max([self.high, *(part.high for part in parts)], 0)
        cut = self.cut or any(part.cut for part in parts)
        for line in (self, *parts):
            if (line.low <= low + CUT).all() and (line.high >= high - CUT).all():
                return _Line(line.box, cut)
        return _Line(np.array([low, (high[0], low[1]), high, (low[0], high[1])], np.float32), cut)


def in_rows(lines: Iterable[_Line]) -> Iterator[_Line]:
    """The lines as one reads: from the top down, those of one row from the left."""
    row: list[_Line] = []
    for line in sorted(lines, key=lambda line: (float(line.low[1]), float(line.low[0]))):
        if row and (row[0].low[1] + row[0].high[1]) / 2 < line.low[1]:  # it begins below the middle of the row
            yield from sorted(row, key=lambda line: float(line.low[0]))
            row = []
        row.append(line)
    yield from sorted(row, key=lambda line: float(line.low[0]))


def _is_cut(box: np.ndarray, strip: Strip, size: tuple[int, int]) -> bool:
    """Whether a box reaches to where its strip ends and the picture goes on."""
    low, high = box.min(0), box.max(0)
    at_start = [strip[axis] > 0 and low[axis] <= strip[axis] + CUT for axis in (0, 1)]
    at_end = [strip[axis + 2] < size[axis] and high[axis] >= strip[axis + 2] - CUT for axis in (0, 1)]
    return any(at_start) or any(at_end)
