"""How values look: each kind has a view, none lets a value become HTML, what is large is cut and says so."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from studio.page.views import VIEWS, Scene, Shelf
from studio.page.views.base import MOST_ITEMS
from studio.values import KINDS, Audio, Boxes, File, Image, Segments, Vector, Video
from tests.support.shown import NASTY, picture, sound

SCENE = Scene(Shelf())


def show(kind, value, scene=SCENE) -> str:
    return str(VIEWS[kind].show(value, scene))


def show_list(kind, values, scene=SCENE) -> str:
    return str(VIEWS[kind].show_list(values, scene))


@pytest.fixture
def file(tmp_path):
    (tmp_path / "some.bin").write_bytes(b"\x00\x00\x00\x18ftypmp42 and more")
    return tmp_path / "some.bin"


def a_value(kind, file):
    return {
        "text": NASTY,
        "number": 1.5,
        "bool": False,
        "data": {NASTY: NASTY},
        "audio": sound(),
        "image": picture(),
        "video": Video(file),
        "boxes": Boxes([{"box": [1, 2, 3, 4], "label": NASTY, "score": 0.5}]),
        "segments": Segments([{"start": 0, "end": 1, "text": NASTY, NASTY: NASTY}]),
        "vector": Vector([1.0, -2.0]),
        "file": File(file),
    }[kind]


def test_every_kind_has_a_view():
    assert VIEWS.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_is_shown_alone_in_lists_and_in_brief(kind, file):
    value = a_value(kind, file)
    assert show(kind, value)
    assert isinstance(VIEWS[kind].brief(value), str)
    assert show_list(kind, [value, value])
    assert show_list(kind, [])


class Tags(HTMLParser):
    """The tags and attributes of some HTML."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


@pytest.mark.parametrize("kind", KINDS)
def test_no_value_becomes_html(kind, file):
    pictures = Scene(Shelf(), lambda: [picture()])
    for text in (show(kind, a_value(kind, file), pictures), show_list(kind, [a_value(kind, file)] * 2, pictures)):
        tags = Tags(text).found
        assert not [tag for tag, _ in tags if tag in ("script", "iframe", "object", "style")]
        assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
        assert not [
            attributes for tag, attributes in tags if tag == "img" and not attributes["src"].startswith("data:")
        ]


@pytest.mark.parametrize(
    "value",
    [
        {"a": 1, NASTY: -2},
        [{"text": NASTY, "score": 0.5}],
        [{"label": "x", "probability": 1}],
        [0.1, 0.2],
    ],
)
def test_scores_in_data_are_bars(value):
    assert 'class="bar' in show("data", value)
    assert "<img" not in show("data", value)


def test_rows_in_data_are_a_table():
    assert "<table" in show("data", [{"name": "Ada", "age": 36}, {"name": "Bob", "age": 7}])
    assert "<table" not in show("data", [{"name": "Ada"}, {"other": [1]}])


def test_flags_are_no_scores():
    assert 'class="bar' not in show("data", {"a": True, "b": False})


def test_a_long_text_is_folded_and_a_very_long_one_cut():
    assert "<details" not in show("text", "short")
    assert "<details" in show("text", "word " * 500)
    shown = show("text", "x" * 300_000)
    assert "The first 100,000 of 300,000 characters." in shown
    assert len(shown) < 110_000


def test_a_long_list_shows_its_first_and_says_how_many_more():
    shown = show_list("text", [f"item {number}." for number in range(1000)])
    assert "item 0." in shown
    assert "item 999." not in shown
    assert f"{1000 - MOST_ITEMS:,} more, which are not on this page" in shown


def test_boxes_are_drawn_over_the_picture_that_was_read():
    boxes = Boxes([{"box": [10, 20, 60, 80], "label": "cat", "score": 0.5}])
    assert "<svg" not in show("boxes", boxes)
    drawn = show("boxes", boxes, Scene(Shelf(), lambda: [picture()]))
    assert 'viewBox="0 0 160 120"' in drawn
    assert 'x="10.0" y="20.0" width="50.0" height="60.0"' in drawn


def test_a_list_of_boxes_goes_with_a_list_of_pictures():
    boxes = [Boxes([{"box": [0, 0, 1, 1], "label": "cat"}])] * 3
    assert show_list("boxes", boxes, Scene(Shelf(), lambda: [picture()] * 3)).count("<image ") == 3
    assert "<image " not in show_list("boxes", boxes, Scene(Shelf(), lambda: [picture()] * 2))


def test_a_large_picture_is_reduced_and_says_so():
    noise = np.random.default_rng(0).integers(0, 256, (1500, 3000, 3)).astype(np.uint8)
    shown = show("image", Image(noise))
    assert "3000 × 1500 · shown at 1280 × 640" in shown
    assert "data:image/jpeg" in shown


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 3), (4, 4, 4)])
def test_pictures_of_all_modes(shape):
    assert "data:image/png" in show("image", Image(np.zeros(shape, np.uint8)))


def test_a_picture_of_sixteen_bits():
    noise = np.random.default_rng(0).integers(0, 65536, (500, 500)).astype(np.uint16)
    assert "data:image/jpeg" in show("image", Image(noise))


def test_sound_that_flac_cannot_hold_is_played_as_it_is():
    assert "audio/flac" in show("audio", sound())
    assert "audio/wav" in show("audio", Audio(np.zeros((100, 12), np.float32), 8000))


@pytest.mark.parametrize("array", [[], [[1.0, 2.0], [3.0, 4.0]], [[[1.0]]], [float("nan"), float("inf"), 1.0], 5.0])
def test_vectors_of_all_shapes(array):
    assert show("vector", Vector(np.array(array)))


def test_what_is_large_lies_beside_the_page(tmp_path):
    shelf = Shelf(tmp_path / "page.files", inline=100, all_inline=150)
    assert shelf.place(b"x" * 90, "text/plain", ".txt").startswith("data:text/plain;base64,")
    assert shelf.place(b"y" * 101, "text/plain", ".txt") == "page.files/001.txt"
    assert shelf.place(b"z" * 61, "text/plain", ".txt") == "page.files/002.txt"
    assert (tmp_path / "page.files" / "001.txt").read_bytes() == b"y" * 101
    assert re.match("data:", Shelf().place(b"w" * 1000, "text/plain", ".txt"))
