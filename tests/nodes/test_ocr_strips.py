"""Strips of long pictures: that they cover the picture, and that lines cut by them are put together."""

import numpy as np
import pytest

from nodes.ocr._strips import AREA, OVERLAP, Look, Strip, found_in, joined, looks, room


@pytest.mark.parametrize(
    "size", [(720, 1280), (4000, 3000), (720, 9000), (300, 40_000), (40_000, 300), (9000, 9000), (1, 200_000)]
)
def test_all_of_a_picture_is_looked_at(size):
    look = looks(*size)[0]
    width, height = (int(side * look.scale) for side in size)
    along = int(height > width)
    assert (look.strips[0][along], look.strips[-1][2:]) == (0, (width, height))
    for one, next_ in zip(look.strips, look.strips[1:], strict=False):
        assert one[along + 2] - next_[along] >= OVERLAP
    for left, top, right, bottom in look.strips:
        assert (right - left) * (bottom - top) <= AREA


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (9000, 2), (2000, 60), (60, 2000), (300, 6900)])
def test_what_a_reader_is_shown_is_never_enlarged_beyond_measure(size):
    for look in looks(*size):
        for strip in look.strips:
            left, top, right, bottom = room(strip)
            assert left <= strip.left < strip.right <= right
            scale = max(1.0, 736 / min(right - left, bottom - top))
            assert (right - left) * (bottom - top) * scale**2 <= 1.2 * AREA


def test_a_picture_that_is_small_enough_is_looked_at_as_it_is():
    assert looks(1600, 1200) == [Look(1.0, [Strip(0, 0, 1600, 1200)])]


def box(left, top, right, bottom):
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)


def edges(boxes):
    return [tuple(int(edge) for edge in (*found.min(0), *found.max(0))) for found in boxes]


def in_strips(look, *boxes):
    return joined(
        found_in(strip, look, np.array(some) - np.array(room(strip)[:2]) if some else None)
        for strip, some in zip(look.strips, boxes, strict=True)
    )


DOWN = Look(1.0, [Strip(0, 0, 700, 2000), Strip(0, 1600, 700, 3600)])
ALONG = Look(1.0, [Strip(0, 0, 2000, 700), Strip(1600, 0, 3600, 700)])


def test_a_line_that_two_strips_share_is_one():
    found = in_strips(DOWN, [box(10, 1700, 400, 1740)], [box(11, 1701, 401, 1739), box(10, 1800, 90, 1840)])
    assert edges(found) == [(11, 1701, 401, 1739), (10, 1800, 90, 1840)]


def test_a_line_that_a_strip_cuts_is_whole_in_the_other():
    found = in_strips(DOWN, [box(10, 1980, 400, 2000)], [box(10, 1970, 400, 2020)])
    assert edges(found) == [(10, 1970, 400, 2020)]


def test_a_line_along_both_strips_is_one():
    found = in_strips(ALONG, [box(100, 50, 2000, 90)], [box(1600, 52, 3000, 91)])
    assert edges(found) == [(100, 50, 3000, 91)]


def test_neighbours_stay_apart():
    row = [box(20, 1700, 300, 1740), box(303, 1700, 600, 1740)]
    assert len(in_strips(DOWN, row, row)) == 2
    lines = [box(20, 1700, 300, 1740), box(20, 1735, 300, 1775)]
    assert len(in_strips(DOWN, lines, lines)) == 2


def test_words_that_touch_are_one_line():
    row = [box(20, 1700, 300, 1740), box(298, 1702, 600, 1738)]
    assert edges(in_strips(DOWN, row, row)) == [(20, 1700, 600, 1740)]
    slanted = np.array([(298, 1700), (600, 1740), (590, 1780), (288, 1740)], np.float32)
    assert len(in_strips(DOWN, [row[0], slanted], [])) == 2


def test_lines_come_as_one_reads_them():
    found = in_strips(DOWN, [box(300, 96, 600, 136), box(10, 400, 90, 440), box(10, 100, 200, 140)], [])
    assert [edge[:2] for edge in edges(found)] == [(10, 100), (300, 96), (10, 400)]


def test_shrunk_lines_are_where_they_are_in_the_picture():
    look = Look(0.5, [Strip(0, 0, 350, 500)], tall=30)
    (found,) = joined([found_in(look.strips[0], look, np.array([box(10, 20, 110, 60), box(10, 80, 110, 100)]))])
    assert edges([found]) == [(20, 40, 220, 120)]
