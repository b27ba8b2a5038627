"""detect.transformers through the real classes, on a tiny random YOLOS built here."""

import numpy as np
import pytest

from nodes.detect.transformers import Transformers
from studio import Image, ModelUnavailable

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def yolos(tmp_path_factory):
    """A checkpoint that finds three kinds of things anywhere."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("torch").manual_seed(0)
    folder = tmp_path_factory.mktemp("yolos")
    names = {0: "cat", 1: "dog", 2: "person"}
    config = transformers.YolosConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=[64, 64],
        patch_size=16,
        num_detection_tokens=10,
        id2label=names,
        label2id={name: number for number, name in names.items()},
    )
    transformers.YolosForObjectDetection(config).save_pretrained(folder)
    transformers.YolosImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return str(folder)


def pictures():
    noise = np.random.default_rng(0)
    return [Image(noise.integers(0, 255, (height, width, 3), np.uint8)) for height, width in ((60, 90), (120, 50))]


def test_boxes_lie_in_the_picture_best_first(yolos, work):
    boxes = list(work(Transformers, model=yolos, threshold=0).run(pictures()[0]))
    assert len(boxes) == 10
    assert {box["label"] for box in boxes} <= {"cat", "dog", "person"}
    assert [box["score"] for box in boxes] == sorted((box["score"] for box in boxes), reverse=True)
    for box in boxes:
        left, top, right, bottom = box["box"]
        assert 0 <= left <= right <= 90
        assert 0 <= top <= bottom <= 60


def test_several_at_once_are_as_one_by_one(yolos, work):
    node = work(Transformers, model=yolos, threshold=0)
    together = node.run_batch([{"image": picture} for picture in pictures()])
    for found, picture in zip(together, pictures(), strict=True):
        for one, other in zip(found, node.run(picture), strict=True):
            assert one["box"] == pytest.approx(other["box"], abs=0.2)
            assert one["score"] == pytest.approx(other["score"], abs=1e-3)


def test_what_it_is_not_sure_of_is_left_out(yolos, work):
    assert len(work(Transformers, model=yolos, threshold=0.999).run(pictures()[0])) == 0


def test_absent_weights_say_where_they_were_looked_for(work, tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable, match=rf"facebook/detr-resnet-50.*looked in {tmp_path}"):
        work(Transformers)
