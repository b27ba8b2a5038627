"""vqa.blip and vqa.vilt, on weights trained here on coloured shapes."""

import random

import numpy as np
import PIL.Image
import pytest

from nodes.vqa.blip import Blip
from nodes.vqa.vilt import Vilt
from studio import Image, InputError, ModelUnavailable

pytestmark = pytest.mark.model

SORTS = 5  # of questions


@pytest.fixture(scope="module", params=[(Vilt, "vilt"), (Blip, "blip_vqa")], ids=lambda param: param[1])
def answering(request, work, checkpoint):
    """Each node with its trained weights."""
    pytest.importorskip("transformers")
    node, folder = request.param
    return work(node, model=checkpoint(folder))


def asked(drawings):
    """A call of the node and the true answer for every question about each drawing."""
    chance = random.Random(7)
    return [
        ({"image": picture, "question": question}, answer)
        for drawing, picture in drawings
        for question, answer in drawing.questions(chance)
    ]


def test_answers_are_right(answering, drawn):
    pairs = asked(drawn(100))
    answers = answering.run_batch([call for call, _ in pairs])
    right = np.array([answer.text == true for answer, (_, true) in zip(answers, pairs, strict=True)])
    assert right.mean() >= 0.9
    by_sort = right.reshape(-1, SORTS).mean(0)  # what color, what shape; then yes or no, where chance is a half
    assert by_sort.min() >= 0.8, by_sort


def test_it_is_surer_of_what_is_right(answering, drawn):
    pairs = asked(drawn(100))
    answers = answering.run_batch([call for call, _ in pairs])
    right = [answer.score for answer, (_, true) in zip(answers, pairs, strict=True) if answer.text == true]
    wrong = [answer.score for answer, (_, true) in zip(answers, pairs, strict=True) if answer.text != true]
    assert all(0 <= answer.score <= 1 for answer in answers)
    assert not wrong or np.mean(right) > np.mean(wrong)


def test_a_batch_is_as_one_by_one(answering, drawn):
    calls = [call for call, _ in asked(drawn(4))]
    wide = PIL.Image.new("RGB", (96, 64), "white")
    wide.paste(calls[0]["image"].pil, (16, 0))
    calls.append({"image": Image(wide), "question": "what color is the shape?"})
    together, alone = answering.run_batch(calls), [answering.run(**call) for call in calls]
    assert [answer.text for answer in together] == [answer.text for answer in alone]
    assert [answer.score for answer in together] == pytest.approx([answer.score for answer in alone], abs=1e-4)


def test_the_same_twice(answering, drawn):
    ((call, _), *_) = asked(drawn(1))
    assert answering.run(**call) == answering.run(**call)


def test_a_question_too_long_fails_alone(work, checkpoint, drawn):
    pytest.importorskip("transformers")
    blip = work(Blip, model=checkpoint("blip_vqa"))
    ((call, true), *_) = asked(drawn(1))
    long = {**call, "question": "what color is the shape " * 10}
    answered, refused = blip.run_batch([call, long])
    assert answered.text == true
    assert isinstance(refused, InputError)
    with pytest.raises(InputError, match=r"52 tokens.*takes 16"):
        blip.run(**long)


@pytest.mark.parametrize("node", [Blip, Vilt])
def test_without_weights_the_ways_out_are_named(work, monkeypatch, tmp_path, node):
    pytest.importorskip("transformers")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable, match=r"local folder; or describe the picture .* ask llm\.chat"):
        work(node)
