"""The nodes that see, in a graph and in half precision, on weights trained here on coloured shapes."""

import pytest

import studio
from nodes.caption.blip import Blip
from nodes.retrieve.clip import Clip
from nodes.vqa.vilt import Vilt
from tests.checkpoints import shapes

pytestmark = pytest.mark.model


def test_a_graph_of_them_runs_and_is_cached(checkpoint, drawn, tmp_path):
    pytest.importorskip("transformers")
    graph = {
        "inputs": {"picture": "image", "question": "text", "captions": "list[text]"},
        "nodes": {
            "say": {"use": "caption.blip", "with": {"model": checkpoint("blip")}, "in": {"image": "picture"}},
            "answer": {
                "use": "vqa.vilt",
                "with": {"model": checkpoint("vilt")},
                "in": {"image": "picture", "question": "question"},
            },
            "compare": {
                "use": "retrieve.clip",
                "with": {"model": checkpoint("clip")},
                "in": {"image": "picture", "texts": "captions"},
            },
            "tell": {
                "use": "text.template",
                "with": {"template": "{{ caption }}: {{ answer }}"},
                "in": {"caption": "say", "answer": "answer.text"},
            },
        },
        "outputs": {"told": "tell", "sure": "answer.score", "scores": "compare"},
    }
    loaded, options = studio.load(graph), {"executor": "local", "cache": str(tmp_path)}
    (drawing, picture), *_ = drawn(1)
    given = {"picture": picture, "question": "what color is the shape?", "captions": shapes.CAPTIONS}
    first = loaded.run(**given, options=options)
    assert first["told"] == f"{drawing.caption}: {drawing.color}"
    assert 0.5 < first["sure"] <= 1
    assert shapes.CAPTIONS[first["scores"].index(max(first["scores"]))] == drawing.caption
    again = loaded.run(**given, options=options)
    assert {step.status for step in again.steps.values()} == {"cached"}
    assert dict(again) == dict(first)


@pytest.mark.parametrize(
    ("node", "weights", "right"),
    [
        (Blip, "blip", lambda node, drawing, picture: node.run(picture) == drawing.caption),
        (
            Vilt,
            "vilt",
            lambda node, drawing, picture: node.run(picture, "what color is the shape?")[0] == drawing.color,
        ),
        (
            Clip,
            "clip",
            lambda node, drawing, picture: (
                max(zip(node.run(picture, shapes.CAPTIONS), shapes.CAPTIONS, strict=True))[1] == drawing.caption
            ),
        ),
    ],
    ids=["blip", "vilt", "clip"],
)
def test_they_see_in_half_precision_too(work, checkpoint, drawn, node, weights, right):
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    seeing = work(node, model=checkpoint(weights))
    seeing.model.to(torch.bfloat16)  # as a checkpoint in half precision is on a GPU
    drawings = drawn(40)
    assert sum(right(seeing, drawing, picture) for drawing, picture in drawings) >= 36
