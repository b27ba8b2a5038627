"""retrieve.clip, on a CLIP trained here on coloured shapes."""

import random

import pytest

from nodes.retrieve.clip import Clip
from studio import ModelUnavailable
from tests.checkpoints import shapes

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def clip(work, checkpoint):
    """The node with the trained weights."""
    pytest.importorskip("transformers")
    return work(Clip, model=checkpoint("clip"))


def test_the_caption_of_a_drawing_is_found_among_all(clip, drawn):
    drawings = drawn(200)
    right = 0
    for drawing, picture in drawings:
        scores = clip.run(picture, shapes.CAPTIONS)
        right += shapes.CAPTIONS[scores.index(max(scores))] == drawing.caption
    assert right / len(drawings) >= 0.95  # chance: 1 of 32


def test_scores_follow_the_order_of_the_texts(clip, drawn):
    (_, picture), *_ = drawn(1)
    texts = random.Random(0).sample(shapes.CAPTIONS, 8)
    forth, back = clip.run(picture, texts), clip.run(picture, texts[::-1])
    assert forth == back[::-1]
    assert all(-1 <= score <= 1 for score in forth)


def test_a_text_is_embedded_once(work, checkpoint, drawn):
    pytest.importorskip("transformers")
    clip = work(Clip, model=checkpoint("clip"), batch=2)
    embedded = []
    clip.model.text_model.register_forward_pre_hook(
        lambda module, given, named: embedded.append(len(named["input_ids"])), with_kwargs=True
    )
    (_, one), (_, other) = drawn(2)
    clip.run(one, ["a red circle", "a blue cross", "a red circle"])
    clip.run(other, ["a blue cross", "a pink square"])
    assert embedded == [2, 1]


def test_a_batch_is_as_one_by_one(clip, drawn):
    calls = [{"image": picture, "texts": shapes.CAPTIONS[n : n + 3]} for n, (_, picture) in enumerate(drawn(5))]
    calls[2]["texts"] = []
    together, alone = clip.run_batch(calls), [clip.run(**call) for call in calls]
    assert [len(scores) for scores in together] == [3, 3, 0, 3, 3]
    assert [score for scores in together for score in scores] == pytest.approx(
        [score for scores in alone for score in scores], abs=1e-5
    )


def test_nothing_to_compare_with(clip, drawn):
    ((_, picture),) = drawn(1)
    assert clip.run(picture, []) == []


def test_without_weights_the_packaged_way_is_named(work, monkeypatch, tmp_path):
    pytest.importorskip("transformers")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable, match=r"openai/clip-vit-base-patch32.*use retrieve\.conse"):
        work(Clip)
