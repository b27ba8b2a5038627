"""caption.blip, on a BLIP trained here on coloured shapes."""

import pytest

from nodes.caption.blip import Blip
from studio import ModelUnavailable

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def blip(work, checkpoint):
    """The node with the trained weights."""
    pytest.importorskip("transformers")
    return work(Blip, model=checkpoint("blip"))


def test_says_what_is_drawn(blip, drawn):
    drawings = drawn(200)
    written = blip.run_batch([{"image": picture} for _, picture in drawings])
    right = sum(caption == drawing.caption for caption, (drawing, _) in zip(written, drawings, strict=True))
    assert right / len(drawings) >= 0.95  # chance: 1 of 32


def test_goes_on_from_a_prompt(blip, drawn):
    drawings = drawn(50)
    right = 0
    for drawing, picture in drawings:
        caption = blip.run(picture, f"a {drawing.color}")
        assert caption.startswith(f"a {drawing.color}")
        right += caption == drawing.caption
    assert right / len(drawings) >= 0.9  # chance: 1 of 4


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_batch_is_as_one_by_one(work, checkpoint, drawn, beam_size):
    pytest.importorskip("transformers")
    blip = work(Blip, model=checkpoint("blip"), beam_size=beam_size)
    prompts = [None, "a", "a red", None, "", "a"]
    calls = [{"image": picture, "prompt": p} for p, (_, picture) in zip(prompts, drawn(6), strict=True)]
    assert blip.run_batch(calls) == [blip.run(**call) for call in calls]


def test_no_more_than_asked_for(work, checkpoint, drawn):
    pytest.importorskip("transformers")
    ((drawing, picture),) = drawn(1)
    assert work(Blip, model=checkpoint("blip"), max_tokens=2).run(picture) == f"a {drawing.color}"


def test_without_weights_the_ways_out_are_named(work, monkeypatch, tmp_path):
    pytest.importorskip("transformers")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable, match=r"blip-image-captioning-base.*local folder.*whose weights are packaged"):
        work(Blip)
